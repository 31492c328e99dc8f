/*
 * maker.c - see maker.h
 */
#include "maker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vss_status maker_fail(vss_error *err, vss_status status, const char *line)
{
    *err = (vss_error){.status = status};
    (void)snprintf(err->message, sizeof err->message, "%s", line);
    return status;
}

uint64_t maker_next(maker_random *r)
{
    uint64_t x = r->state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

double maker_unit(maker_random *r) { return (double)(maker_next(r) >> 11) * 0x1p-53; }

void maker_vectors(maker_random *r, float *out, size_t n, uint32_t dim, bool coarse)
{
    for (size_t i = 0; i < n; i++) {
        for (uint32_t d = 0; d < dim; d++)
            out[i * dim + d] = coarse ? (float)(maker_next(r) % 4) : (float)(maker_unit(r) * 2 - 1);
        if (coarse)
            out[i * dim + maker_next(r) % dim] += 1; /* no zero vector: cosine has none */
    }
}

size_t maker_size(vss_type type, uint32_t dim)
{
    switch (type) {
    case VSS_TYPE_VECTOR_F32: return (size_t)dim * 4;
    case VSS_TYPE_VECTOR_F16:
    case VSS_TYPE_VECTOR_BF16: return (size_t)dim * 2;
    case VSS_TYPE_VECTOR_BINARY: return dim / 8;
    default: return dim;
    }
}

static double maker_half(uint16_t bits)
{
    int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    double value = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
    return bits & 0x8000 ? -value : value;
}

static double maker_bfloat(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return (double)value;
}

double maker_component(vss_type type, const void *vector, size_t i)
{
    const uint8_t *bytes = vector;
    switch (type) {
    case VSS_TYPE_VECTOR_F32: return (double)((const float *)vector)[i];
    case VSS_TYPE_VECTOR_F16: return maker_half(((const uint16_t *)vector)[i]);
    case VSS_TYPE_VECTOR_BF16: return maker_bfloat(((const uint16_t *)vector)[i]);
    case VSS_TYPE_VECTOR_I8: return ((const int8_t *)vector)[i];
    case VSS_TYPE_VECTOR_U8: return bytes[i];
    default: return (bytes[i / 8] >> (i % 8)) & 1;
    }
}

/* A 16-bit float between 2^-5 and 2^2, of either sign; of four values when coarse. */
static uint16_t maker_short_float(maker_random *r, unsigned mantissa_bits, unsigned bias, bool coarse)
{
    uint64_t x = maker_next(r);
    unsigned exponent = bias - (coarse ? (unsigned)(x & 1) : (unsigned)((x & 7) % 7)) + 1;
    unsigned mantissa = coarse ? 0 : (unsigned)((x >> 8) & ((1u << mantissa_bits) - 1));
    return (uint16_t)((x >> 40 & 1) << 15 | exponent << mantissa_bits | mantissa);
}

void maker_typed(maker_random *r, void *out, size_t n, vss_type type, uint32_t dim, bool coarse)
{
    size_t size = maker_size(type, dim);
    uint8_t *bytes = out;
    uint16_t *shorts = out;
    if (type == VSS_TYPE_VECTOR_F32) {
        maker_vectors(r, out, n, dim, coarse);
        return;
    }
    if (type == VSS_TYPE_VECTOR_F16 || type == VSS_TYPE_VECTOR_BF16) {
        for (size_t i = 0; i < n * dim; i++)
            shorts[i] = type == VSS_TYPE_VECTOR_F16 ? maker_short_float(r, 10, 15, coarse)
                                                    : maker_short_float(r, 7, 127, coarse);
        return;
    }
    for (size_t i = 0; i < n * size; i++)
        bytes[i] = (uint8_t)(coarse ? maker_next(r) % 4 : maker_next(r));
    for (size_t i = 0; i < n; i++)
        bytes[i * size + maker_next(r) % size] |= 1;
}

vss_collection *maker_create(vss_db *db, uint32_t dim, vss_metric metric)
{
    return maker_create_typed(db, VSS_TYPE_VECTOR_F32, dim, metric);
}

vss_collection *maker_create_typed(vss_db *db, vss_type type, uint32_t dim, vss_metric metric)
{
    vss_field id = VSS_INIT(vss_field), number = VSS_INIT(vss_field), name = VSS_INIT(vss_field),
              v = VSS_INIT(vss_field);
    id.name = "id", id.type = VSS_TYPE_INT64, id.flags = VSS_FIELD_PRIMARY;
    number.name = "number", number.type = VSS_TYPE_INT64;
    name.name = "name", name.type = VSS_TYPE_STRING, name.flags = VSS_FIELD_NULLABLE;
    v.name = "v", v.type = type, v.dim = dim, v.metric = metric;
    const vss_field *fields[] = {&id, &number, &name, &v};
    vss_schema schema = VSS_INIT(vss_schema);
    schema.n_fields = 4;
    schema.fields = fields;
    vss_collection *col;
    vss_error err;
    MUST(vss_collection_create(db, "c", &schema, &col, &err));
    return col;
}

vss_column maker_keys(const int64_t *keys, size_t n)
{
    vss_column c = VSS_INIT(vss_column);
    c.type = VSS_TYPE_INT64;
    c.length = n;
    c.data = keys;
    return c;
}

void maker_insert(vss_collection *col, const float *vectors, size_t n, uint32_t dim, int64_t first, int64_t step)
{
    maker_insert_typed(col, VSS_TYPE_VECTOR_F32, vectors, n, dim, first, step);
}

void maker_insert_typed(vss_collection *col, vss_type type, const void *vectors, size_t n, uint32_t dim, int64_t first,
                        int64_t step)
{
    int64_t *keys = malloc(n * sizeof *keys), *numbers = malloc(n * sizeof *numbers);
    int64_t *offsets = malloc((n + 1) * sizeof *offsets);
    uint8_t *validity = calloc(n / 8 + 1, 1);
    char *texts = malloc(n * 2 + 1);
    vss_error err;
    offsets[0] = 0;
    for (size_t i = 0; i < n; i++) {
        keys[i] = first + (int64_t)i * step;
        numbers[i] = keys[i] % 100;
        bool null = keys[i] % 7 == 3;
        texts[offsets[i]] = 'n';
        texts[offsets[i] + 1] = (char)('0' + keys[i] % 10);
        offsets[i + 1] = offsets[i] + (null ? 0 : 2);
        if (!null)
            validity[i / 8] = (uint8_t)(validity[i / 8] | 1u << (i % 8));
    }
    vss_column id = maker_keys(keys, n), number = maker_keys(numbers, n), name = VSS_INIT(vss_column),
               v = VSS_INIT(vss_column);
    name.type = VSS_TYPE_STRING, name.length = n, name.validity = validity, name.offsets = offsets, name.data = texts;
    v.type = type, v.length = n, v.dim = dim, v.data = vectors;
    const char *names[] = {"id", "number", "name", "v"};
    const vss_column *columns[] = {&id, &number, &name, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 4;
    batch.names = names;
    batch.columns = columns;
    MUST(vss_collection_insert(col, &batch, NULL, &err));
    free(keys);
    free(numbers);
    free(offsets);
    free(validity);
    free(texts);
}

static double maker_lanes(const double *a, const double *b, uint32_t dim, bool l2)
{
    double lane[8] = {0};
    for (uint32_t i = 0; i < dim; i++)
        lane[i % 8] += l2 ? (a[i] - b[i]) * (a[i] - b[i]) : a[i] * b[i];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

void maker_widen(vss_type type, const void *vectors, size_t n, uint32_t dim, double *out)
{
    size_t size = maker_size(type, dim);
    for (size_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < dim; i++)
            out[r * dim + i] = maker_component(type, (const uint8_t *)vectors + r * size, i);
}

float maker_distance(const double *a, const double *b, uint32_t dim, vss_metric metric)
{
    if (metric == VSS_METRIC_L2 || metric == VSS_METRIC_HAMMING)
        return (float)maker_lanes(a, b, dim, true);
    double ip = maker_lanes(a, b, dim, false);
    if (metric == VSS_METRIC_COSINE)
        ip /= sqrt(maker_lanes(a, a, dim, false)) * sqrt(maker_lanes(b, b, dim, false));
    if (metric == VSS_METRIC_JACCARD) {
        double either = maker_lanes(a, a, dim, false) + maker_lanes(b, b, dim, false) - ip;
        return either == 0 ? 0 : (float)(1 - ip / either);
    }
    return (float)ip + 0.0f;
}
