/*
 * maker.c - see maker.h
 */
#include "maker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

vss_collection *maker_create(vss_db *db, uint32_t dim, vss_metric metric)
{
    vss_field id = VSS_INIT(vss_field), number = VSS_INIT(vss_field), name = VSS_INIT(vss_field),
              v = VSS_INIT(vss_field);
    id.name = "id", id.type = VSS_TYPE_INT64, id.flags = VSS_FIELD_PRIMARY;
    number.name = "number", number.type = VSS_TYPE_INT64;
    name.name = "name", name.type = VSS_TYPE_STRING, name.flags = VSS_FIELD_NULLABLE;
    v.name = "v", v.type = VSS_TYPE_VECTOR_F32, v.dim = dim, v.metric = metric;
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
    v.type = VSS_TYPE_VECTOR_F32, v.length = n, v.dim = dim, v.data = vectors;
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

static double maker_lanes(const float *a, const float *b, uint32_t dim, bool l2)
{
    double lane[8] = {0};
    for (uint32_t i = 0; i < dim; i++) {
        double x = a[i], y = b[i];
        lane[i % 8] += l2 ? (x - y) * (x - y) : x * y;
    }
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

float maker_distance(const float *a, const float *b, uint32_t dim, vss_metric metric)
{
    if (metric == VSS_METRIC_L2)
        return (float)maker_lanes(a, b, dim, true);
    double ip = maker_lanes(a, b, dim, false);
    if (metric == VSS_METRIC_COSINE)
        ip /= sqrt(maker_lanes(a, a, dim, false)) * sqrt(maker_lanes(b, b, dim, false));
    return (float)ip + 0.0f;
}
