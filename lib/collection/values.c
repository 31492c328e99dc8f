/*
 * values.c - is every value that comes in one that the field may hold
 *
 * Cost: one pass over the values. Everything is looked at before anything is kept. Lines name field and row.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "../base/bitmap.h"
#include "../base/text.h"
#include "collection.h"

#define VALUE_TEXT_MAX 65535
#define VALUE_ARRAY_MAX 4096
#define VALUE_NORM_MAX 1e37
#define VALUE_NORM_MIN 1e-30 /* under cosine: products of components must not vanish in float32 */

#define VALUE_BLOCK 512u /* components widened at a time */

/* Sum of squares of floats given for a field of 16-bit floats: infinite where one would be rounded to infinity. */
static double value_rounded_square(vss_type given, vss_type type, const void *v, uint32_t dim)
{
    const float limit = type == VSS_TYPE_VECTOR_F16 ? 65520.0f : 0x1.ffp127f;
    float block[VALUE_BLOCK];
    double sum = 0;
    for (uint32_t at = 0; at < dim; at += VALUE_BLOCK) {
        uint32_t n = dim - at < VALUE_BLOCK ? dim - at : VALUE_BLOCK;
        const uint8_t *from = (const uint8_t *)v + vssi_value_size(given, at);
        vssi_simd_widen(vssi_vector_kind(given), from, n, block);
        for (uint32_t i = 0; i < n; i++) {
            double x = fabsf(block[i]) < limit ? (double)block[i] : (double)INFINITY;
            sum += x * x;
        }
    }
    return sum;
}

/* Sum of squares as stored in `type`. */
static double value_square(vss_type given, vss_type type, const void *v, uint32_t dim)
{
    if (given != type && (type == VSS_TYPE_VECTOR_F16 || type == VSS_TYPE_VECTOR_BF16))
        return value_rounded_square(given, type, v, dim);
    return vssi_exact(vssi_vector_kind(given), VSSI_SIMD_IP, v, v, dim);
}

/* The line for a vector that is not finite or too long. */
static vss_status value_vector_fault(const char *what, size_t row, vss_type given, vss_type type, const void *v,
                                     uint32_t dim, double norm, vss_error *err)
{
    for (uint32_t i = 0; i < dim; i++) {
        float x;
        vssi_simd_widen(vssi_vector_kind(given), (const uint8_t *)v + vssi_value_size(given, i), 1, &x);
        if (!isfinite(x))
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: component %u is %s", what, row, i,
                             isnan(x) ? "NaN" : "infinite");
        if (!isfinite(value_square(given, type, (const uint8_t *)v + vssi_value_size(given, i), 1)))
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: component %u is %g, too large for %s", what, row, i,
                             (double)x, vss_type_name(type));
    }
    return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: squared norm %g is above 1e37", what, row, norm);
}

vss_status vssi_vector_check(const char *what, size_t row, vss_type given, vss_type type, const void *v, uint32_t dim,
                             vss_metric metric, vss_error *err)
{
    if (type == VSS_TYPE_VECTOR_BINARY)
        return VSS_OK;
    double norm = value_square(given, type, v, dim);
    if (!(norm <= VALUE_NORM_MAX))
        return value_vector_fault(what, row, given, type, v, dim, norm, err);
    if (metric == VSS_METRIC_COSINE && norm == 0)
        return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: a zero vector has no cosine", what, row);
    if (metric == VSS_METRIC_COSINE && norm < VALUE_NORM_MIN)
        return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: squared norm %g is below 1e-30, too short for a cosine",
                         what, row, norm);
    return VSS_OK;
}

static vss_status value_text(const char *what, size_t row, vss_type type, const char *text, size_t size,
                             vss_error *err)
{
    if (size > VALUE_TEXT_MAX)
        return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: %zu bytes, at most %d", what, row, size, VALUE_TEXT_MAX);
    if (!vssi_utf8_valid(text, size))
        return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: not valid UTF-8", what, row);
    if (type == VSS_TYPE_JSON) {
        json_error_t where;
        json_t *json = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
        if (json == NULL)
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: not valid JSON: %s", what, row, where.text);
        json_decref(json);
    }
    return VSS_OK;
}

/* Offsets begin at 0 or above and never fall. */
static vss_status value_offsets(const char *what, const vss_column *c, vss_error *err)
{
    if (c->offsets == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: offsets are missing", what);
    if (c->offsets[0] < 0)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: offset %lld is negative", what, (long long)c->offsets[0]);
    for (size_t r = 0; r < c->length; r++)
        if (c->offsets[r + 1] < c->offsets[r])
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: offset %lld follows %lld", what, r,
                             (long long)c->offsets[r + 1], (long long)c->offsets[r]);
    return VSS_OK;
}

static vss_status value_texts(const char *what, const vss_column *c, vss_error *err)
{
    VSSI_TRY(value_offsets(what, c, err));
    if (c->data == NULL && c->offsets[c->length] > c->offsets[0])
        return vssi_fail(err, VSS_ERR_INVALID, "%s: data is missing", what);
    for (size_t r = 0; r < c->length; r++) {
        size_t size = (size_t)(c->offsets[r + 1] - c->offsets[r]);
        if (!vssi_column_null(c, r) && (size > 0 || c->type == VSS_TYPE_JSON))
            VSSI_TRY(value_text(what, r, c->type, size == 0 ? "" : (const char *)c->data + c->offsets[r], size, err));
    }
    return VSS_OK;
}

static vss_status value_floats(const char *what, const vss_column *c, vss_error *err)
{
    for (size_t r = 0; r < c->length; r++) {
        if (vssi_column_null(c, r))
            continue;
        double v = c->type == VSS_TYPE_FLOAT32 ? (double)((const float *)c->data)[r] : ((const double *)c->data)[r];
        if (!isfinite(v))
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: the value is %s", what, r,
                             isnan(v) ? "NaN" : "infinite");
    }
    return VSS_OK;
}

static vss_status value_nulls(const vssi_field *field, const char *what, const vss_column *c, vss_error *err)
{
    if (c->validity == NULL || (field->flags & VSS_FIELD_NULLABLE))
        return VSS_OK;
    for (size_t r = 0; r < c->length; r++)
        if (vssi_column_null(c, r))
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: null, and the field is not nullable", what, r);
    return VSS_OK;
}

static vss_status value_scalars(const char *what, const vss_column *c, vss_error *err)
{
    if (vssi_type_is_text(c->type))
        return value_texts(what, c, err);
    if (c->data == NULL && c->length > 0)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: data is missing", what);
    if (c->type == VSS_TYPE_FLOAT32 || c->type == VSS_TYPE_FLOAT64)
        return value_floats(what, c, err);
    return VSS_OK;
}

static vss_status value_arrays(const vssi_field *field, const char *what, const vss_column *c, vss_error *err)
{
    const vss_column *child = c->data;
    VSSI_TRY(value_offsets(what, c, err));
    if (child == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: the column of elements is missing", what);
    if (!vssi_type_widens(child->type, field->element))
        return vssi_fail(err, VSS_ERR_INVALID, "%s: expected array<%s>, got array<%s>", what,
                         vss_type_name(field->element), vss_type_name(child->type));
    if ((uint64_t)c->offsets[c->length] > child->length)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: the last offset is %lld, there are %llu elements", what,
                         (long long)c->offsets[c->length], (unsigned long long)child->length);
    for (size_t r = 0; r < c->length; r++)
        if (c->offsets[r + 1] - c->offsets[r] > VALUE_ARRAY_MAX)
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: %lld elements, at most %d", what, r,
                             (long long)(c->offsets[r + 1] - c->offsets[r]), VALUE_ARRAY_MAX);
    VSSI_TRY(value_scalars(what, child, err));
    for (size_t r = 0; vssi_type_is_text(child->type) && r < c->length; r++) {
        int64_t bytes = child->offsets[c->offsets[r + 1]] - child->offsets[c->offsets[r]];
        if (bytes > VALUE_TEXT_MAX)
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: texts of %lld bytes, at most %d together", what, r,
                             (long long)bytes, VALUE_TEXT_MAX);
    }
    for (size_t i = 0; child->validity != NULL && i < child->length; i++)
        if (vssi_column_null(child, i))
            return vssi_fail(err, VSS_ERR_INVALID, "%s: element %zu is null; arrays hold no nulls", what, i);
    return VSS_OK;
}

static vss_status value_vectors(const vssi_field *field, const char *what, const vss_column *c, vss_error *err)
{
    if (c->dim != field->dim)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: dimension %u, expected %u", what, c->dim, field->dim);
    if (c->data == NULL && c->length > 0)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: data is missing", what);
    size_t size = vssi_value_size(c->type, c->dim);
    for (size_t r = 0; r < c->length; r++)
        VSSI_TRY(vssi_vector_check(what, r, c->type, field->type, (const uint8_t *)c->data + r * size, c->dim,
                                   field->metric, err));
    return VSS_OK;
}

static vss_status value_key(const char *what, const vss_column *c, vss_error *err)
{
    for (size_t r = 0; c->type == VSS_TYPE_STRING && r < c->length; r++)
        if (c->offsets[r + 1] == c->offsets[r])
            return vssi_fail(err, VSS_ERR_INVALID, "%s, row %zu: an empty key", what, r);
    return VSS_OK;
}

vss_status vssi_values_check(const vssi_field *field, const vss_column *c, vss_error *err)
{
    char what[300];
    snprintf(what, sizeof what, "field \"%s\"", field->name);
    if (!vssi_type_widens(c->type, field->type))
        return vssi_fail(err, VSS_ERR_INVALID, "%s: expected %s, got %s", what, vss_type_name(field->type),
                         vss_type_name(c->type));
    VSSI_TRY(value_nulls(field, what, c, err));
    if (vssi_type_is_vector(field->type))
        return value_vectors(field, what, c, err);
    if (field->type == VSS_TYPE_ARRAY)
        return value_arrays(field, what, c, err);
    VSSI_TRY(value_scalars(what, c, err));
    return field->flags & VSS_FIELD_PRIMARY ? value_key(what, c, err) : VSS_OK;
}

vss_status vssi_keys_check(const vssi_schema *schema, const vss_column *keys, vss_error *err)
{
    const vssi_field *key = &schema->fields[schema->key];
    if (keys->type != key->type)
        return vssi_fail(err, VSS_ERR_INVALID, "keys: field \"%s\" is %s, got %s", key->name, vss_type_name(key->type),
                         vss_type_name(keys->type));
    if (keys->length > VSS_MAX_BATCH_ROWS)
        return vssi_fail(err, VSS_ERR_INVALID, "keys: %llu, at most %u in a call", (unsigned long long)keys->length,
                         VSS_MAX_BATCH_ROWS);
    for (size_t r = 0; keys->validity != NULL && r < keys->length; r++)
        if (vssi_column_null(keys, r))
            return vssi_fail(err, VSS_ERR_INVALID, "keys, row %zu: null", r);
    return value_scalars("keys", keys, err);
}
