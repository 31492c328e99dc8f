/*
 * schema_default.c - a default, given as JSON text, as a column of one row
 *
 * Cost: one parse of the text. No locks. Numbers that don't fit the type exactly in range are refused, never cut.
 */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "../base/fail.h"
#include "../base/text.h"
#include "limits.h"
#include "schema_private.h"

/* A value and what points at it, long enough for one append. */
typedef struct default_value {
    union {
        int64_t number;
        int32_t number32;
        int16_t number16;
        int8_t number8;
        float real32;
        double real;
        uint8_t bit;
    } as;
    int64_t offsets[2];
    vss_column view;
} default_value;

static vss_status default_wrong(const vssi_field *f, vss_type type, vss_error *err)
{
    return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default is no %s", f->name, vss_type_name(type));
}

static vss_status default_range(const vssi_field *f, vss_type type, vss_error *err)
{
    return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default is out of the range of %s", f->name,
                     vss_type_name(type));
}

static vss_status default_integer(const vssi_field *f, vss_type type, const json_t *json, default_value *v,
                                  vss_error *err)
{
    if (!json_is_integer(json))
        return default_wrong(f, type, err);
    const int64_t n = json_integer_value(json);
    if ((type == VSS_TYPE_INT8 && (n < INT8_MIN || n > INT8_MAX)) ||
        (type == VSS_TYPE_INT16 && (n < INT16_MIN || n > INT16_MAX)) ||
        (type == VSS_TYPE_INT32 && (n < INT32_MIN || n > INT32_MAX)))
        return default_range(f, type, err);
    switch (type) {
    case VSS_TYPE_INT8:
        v->as.number8 = (int8_t)n;
        break;
    case VSS_TYPE_INT16:
        v->as.number16 = (int16_t)n;
        break;
    case VSS_TYPE_INT32:
        v->as.number32 = (int32_t)n;
        break;
    default:
        v->as.number = n;
    }
    v->view.data = &v->as;
    return VSS_OK;
}

static vss_status default_real(const vssi_field *f, vss_type type, const json_t *json, default_value *v,
                               vss_error *err)
{
    if (!json_is_number(json))
        return default_wrong(f, type, err);
    const double d = json_number_value(json);
    if (!isfinite(d) || (type == VSS_TYPE_FLOAT32 && fabs(d) > 0x1.fffffep127))
        return default_range(f, type, err);
    if (type == VSS_TYPE_FLOAT32)
        v->as.real32 = (float)d;
    else
        v->as.real = d;
    v->view.data = &v->as;
    return VSS_OK;
}

static vss_status default_text(const vssi_field *f, vss_type type, const char *text, size_t size, default_value *v,
                               vss_error *err)
{
    if (size > VSSI_TEXT_MAX)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default has %zu bytes, a %s has at most %u", f->name,
                         size, vss_type_name(type), VSSI_TEXT_MAX);
    v->offsets[1] = (int64_t)size;
    v->view.offsets = v->offsets;
    v->view.data = text;
    return VSS_OK;
}

static vss_status default_time(const vssi_field *f, const json_t *json, default_value *v, vss_error *err)
{
    if (json_is_integer(json)) {
        v->as.number = json_integer_value(json);
    } else if (!json_is_string(json) ||
               !vssi_time_parse(json_string_value(json), json_string_length(json), &v->as.number)) {
        return vssi_fail(err, VSS_ERR_INVALID,
                         "field \"%s\": the default is no timestamp (ISO 8601 text, or microseconds)", f->name);
    }
    v->view.data = &v->as;
    return VSS_OK;
}

/* A scalar other than json. The value borrows from json. */
static vss_status default_scalar(const vssi_field *f, vss_type type, const json_t *json, default_value *v,
                                 vss_error *err)
{
    *v = (default_value){.view = {.struct_size = sizeof(vss_column), .type = type, .length = 1}};
    switch (type) {
    case VSS_TYPE_BOOL:
        if (!json_is_boolean(json))
            return default_wrong(f, type, err);
        v->as.bit = json_is_true(json);
        v->view.data = &v->as;
        return VSS_OK;
    case VSS_TYPE_FLOAT32:
    case VSS_TYPE_FLOAT64:
        return default_real(f, type, json, v, err);
    case VSS_TYPE_STRING:
        if (!json_is_string(json))
            return default_wrong(f, type, err);
        return default_text(f, type, json_string_value(json), json_string_length(json), v, err);
    case VSS_TYPE_TIMESTAMP:
        return default_time(f, json, v, err);
    default:
        return default_integer(f, type, json, v, err);
    }
}

static vss_status default_array(const vssi_field *f, const json_t *json, vssi_column *column, vss_error *err)
{
    if (!json_is_array(json))
        return default_wrong(f, VSS_TYPE_ARRAY, err);
    const size_t n = json_array_size(json);
    if (n > VSSI_ARRAY_MAX)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default has %zu elements, an array has at most %u",
                         f->name, n, VSSI_ARRAY_MAX);
    vssi_column *elements;
    VSSI_TRY(vssi_column_create(column->heap, f->element, VSS_TYPE_NONE, 0, false, &elements, err));
    vss_status status = VSS_OK;
    for (size_t i = 0; i < n && status == VSS_OK; i++) {
        default_value v;
        status = default_scalar(f, f->element, json_array_get(json, i), &v, err);
        if (status == VSS_OK)
            status = vssi_column_append(elements, &v.view, 0, 1, err);
    }
    if (status == VSS_OK) {
        const int64_t offsets[2] = {0, (int64_t)n};
        const vss_column view = {.struct_size = sizeof view, .type = VSS_TYPE_ARRAY, .length = 1, .offsets = offsets,
                                 .data = &elements->view};
        status = vssi_column_append(column, &view, 0, 1, err);
    }
    vssi_column_free(elements);
    return status;
}

static vss_status default_fill(const vssi_field *f, const json_t *json, vssi_column *column, vss_error *err)
{
    default_value v = {.view = {.struct_size = sizeof(vss_column), .type = VSS_TYPE_JSON, .length = 1}};
    if (f->type == VSS_TYPE_ARRAY)
        return default_array(f, json, column, err);
    if (f->type == VSS_TYPE_JSON)
        VSSI_TRY(default_text(f, f->type, f->default_json, strlen(f->default_json), &v, err));
    else
        VSSI_TRY(default_scalar(f, f->type, json, &v, err));
    return vssi_column_append(column, &v.view, 0, 1, err);
}

vss_status vssi_schema_default(vssi_heap *heap, const vssi_field *field, vssi_column **out, vss_error *err)
{
    const size_t size = strlen(field->default_json);
    json_error_t where;
    *out = NULL;
    if (!vssi_json_depth_ok(field->default_json, size))
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default is nested more than %u deep", field->name,
                         VSSI_JSON_DEPTH);
    json_t *json = json_loadb(field->default_json, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);
    if (json == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default is no JSON: %s", field->name, where.text);
    vssi_column *column = NULL;
    vss_status status;
    if (json_is_null(json))
        status = vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default can't be null", field->name);
    else
        status = vssi_column_create(heap, field->type, field->element, 0, (field->flags & VSS_FIELD_NULLABLE) != 0,
                                    &column, err);
    if (status == VSS_OK)
        status = default_fill(field, json, column, err);
    json_decref(json);
    if (status != VSS_OK) {
        vssi_column_free(column);
        return status;
    }
    *out = column;
    return VSS_OK;
}
