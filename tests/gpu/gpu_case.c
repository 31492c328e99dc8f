/*
 * gpu_case.c - random searches of a device and what they must answer, by a plain scan in float64
 */
#include "gpu_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const vss_type case_types[] = {VSS_TYPE_VECTOR_F32, VSS_TYPE_VECTOR_F16, VSS_TYPE_VECTOR_BF16,
                                      VSS_TYPE_VECTOR_I8, VSS_TYPE_VECTOR_U8};

void gpu_pair(size_t i, vss_type *type, vss_metric *metric)
{
    *type = i < 15 ? case_types[i / 3] : VSS_TYPE_VECTOR_BINARY;
    *metric = i < 15 ? (vss_metric)(VSS_METRIC_L2 + i % 3) : i == 15 ? VSS_METRIC_HAMMING : VSS_METRIC_JACCARD;
}

uint64_t gpu_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void *case_block(size_t bytes)
{
    void *block = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(block);
    return block;
}

static double case_unit(uint64_t *state) { return (double)(gpu_random(state) >> 11) * 0x1p-53; }

/* A component of a vector of which `length` is made. */
static float case_component(gpu_data data, float length, uint64_t *state)
{
    float x = (float)(2 * case_unit(state) - 1);
    switch (data) {
    case GPU_DATA_TIES:
        return (float)(gpu_random(state) % 3) - 1;
    case GPU_DATA_FAR:
        return 100 + x;
    case GPU_DATA_UNEVEN:
        return x * length;
    case GPU_DATA_TINY:
        return x * 0x1p-70f;
    case GPU_DATA_HUGE:
        return x * 0x1p50f;
    default:
        return x;
    }
}

/* The half that cutting off makes; of float32 from 2^-14 to 65,504 or 0. */
static uint16_t case_f16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 23 & 255) - 127 + 15;
    uint32_t sign = bits >> 16 & 0x8000u;
    if (exponent >= 31)
        return (uint16_t)(sign | 0x7bffu);
    if (exponent <= 0) /* a subnormal, of 2^-24 */
        return (uint16_t)(sign | (uint32_t)(fabsf(value) * 0x1p24f));
    return (uint16_t)(sign | (uint32_t)exponent << 10 | (bits >> 13 & 0x3ffu));
}

static float case_of_f16(uint16_t half)
{
    int exponent = half >> 10 & 31, mantissa = half & 0x3ff;
    float magnitude = exponent == 0 ? ldexpf((float)mantissa, -24) : ldexpf((float)(1024 + mantissa), exponent - 25);
    return half & 0x8000u ? -magnitude : magnitude;
}

static void case_store(const gpu_spec *spec, bool query, void *to, size_t i, float value, uint64_t *state)
{
    uint32_t bits;
    bool ties = spec->data == GPU_DATA_TIES;
    vss_type type = query && spec->type <= VSS_TYPE_VECTOR_BF16 ? VSS_TYPE_VECTOR_F32 : spec->type;
    memcpy(&bits, &value, sizeof bits);
    switch (type) {
    case VSS_TYPE_VECTOR_F32:
        memcpy((char *)to + i * 4, &value, 4);
        return;
    case VSS_TYPE_VECTOR_F16:
        ((uint16_t *)to)[i] = case_f16(value);
        return;
    case VSS_TYPE_VECTOR_BF16:
        ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
        return;
    default:
        ((uint8_t *)to)[i] = (uint8_t)(ties ? gpu_random(state) % 3 : gpu_random(state));
    }
}

static void case_nudge(const gpu_spec *s, void *row, size_t components, uint64_t *state)
{
    for (size_t n = 0; n < components / 8 + 1; n++) {
        size_t i = gpu_random(state) % components;
        if (s->type == VSS_TYPE_VECTOR_F32)
            ((uint32_t *)row)[i] ^= 1;
        else if (s->type <= VSS_TYPE_VECTOR_BF16)
            ((uint16_t *)row)[i] ^= 1;
        else
            ((uint8_t *)row)[i] ^= 1;
    }
}

static void case_fill(gpu_case *c, bool query, void *to, size_t n, size_t bytes, uint64_t *state)
{
    const gpu_spec *s = &c->spec;
    size_t components = s->type == VSS_TYPE_VECTOR_BINARY ? s->dim / 8 : s->dim;
    for (size_t r = 0; r < n; r++) {
        char *row = (char *)to + r * bytes;
        float length = ldexpf(1, (int)(gpu_random(state) % 21) - 10);
        bool near = query && s->data == GPU_DATA_CLOSE && s->type == VSS_TYPE_VECTOR_BINARY;
        if (near || (!query && r > 0 && s->data >= GPU_DATA_EQUAL)) {
            memcpy(row, c->rows, bytes);
            if (s->data == GPU_DATA_CLOSE)
                case_nudge(s, row, components, state);
            continue;
        }
        for (size_t i = 0; i < components; i++)
            case_store(s, query, row, i, case_component(s->data, length, state), state);
        /* No vector under cosine is 0. */
        if (s->metric == VSS_METRIC_COSINE && s->data == GPU_DATA_TIES)
            case_store(s, query, row, 0, 1, &(uint64_t){1});
        if (s->metric == VSS_METRIC_COSINE && s->type >= VSS_TYPE_VECTOR_I8)
            ((uint8_t *)row)[0] |= 1;
    }
}

static double case_get(vss_type type, const void *row, size_t i)
{
    float value;
    uint32_t bits;
    switch (type) {
    case VSS_TYPE_VECTOR_F32:
        memcpy(&value, (const char *)row + i * 4, 4);
        return (double)value;
    case VSS_TYPE_VECTOR_F16:
        return (double)case_of_f16(((const uint16_t *)row)[i]);
    case VSS_TYPE_VECTOR_BF16:
        bits = (uint32_t)((const uint16_t *)row)[i] << 16;
        memcpy(&value, &bits, sizeof value);
        return (double)value;
    case VSS_TYPE_VECTOR_I8:
        return ((const int8_t *)row)[i];
    default:
        return ((const uint8_t *)row)[i];
    }
}

/* In libvss' order: eight lanes, added in pairs. */
static double case_sum(vss_type type_a, const void *a, vss_type type_b, const void *b, size_t dim, bool l2)
{
    double lane[8] = {0};
    for (size_t i = 0; i < dim; i++) {
        double x = case_get(type_a, a, i), y = case_get(type_b, b, i);
        lane[i % 8] += l2 ? (x - y) * (x - y) : x * y;
    }
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static float case_bits(const gpu_case *c, const uint8_t *query, const uint8_t *row)
{
    unsigned differ = 0, either = 0;
    for (size_t i = 0; i < c->row_bytes; i++) {
        differ += (unsigned)__builtin_popcount((unsigned)(query[i] ^ row[i]));
        either += (unsigned)__builtin_popcount((unsigned)(query[i] | row[i]));
    }
    if (c->spec.metric == VSS_METRIC_HAMMING)
        return (float)differ;
    return either == 0 ? 0 : (float)(1 - (double)(either - differ) / (double)either);
}

static float case_value(const gpu_case *c, const void *query, const void *row)
{
    vss_type type = c->spec.type, of_query = type <= VSS_TYPE_VECTOR_BF16 ? VSS_TYPE_VECTOR_F32 : type;
    size_t dim = c->spec.dim;
    if (type == VSS_TYPE_VECTOR_BINARY)
        return case_bits(c, query, row);
    double sum = case_sum(of_query, query, type, row, dim, c->spec.metric == VSS_METRIC_L2);
    if (c->spec.metric == VSS_METRIC_L2)
        return (float)sum;
    if (c->spec.metric == VSS_METRIC_IP)
        return -(float)sum;
    double norm = sqrt(case_sum(of_query, query, of_query, query, dim, false));
    return -(float)(sum / (norm * sqrt(case_sum(type, row, type, row, dim, false))));
}

float gpu_case_share(const gpu_case *c, size_t query, size_t row)
{
    const vss_type type = c->spec.type, of_query = type <= VSS_TYPE_VECTOR_BF16 ? VSS_TYPE_VECTOR_F32 : type;
    const char *q = (const char *)c->queries + query * c->query_bytes, *r = (const char *)c->rows + row * c->row_bytes;
    float length = (float)sqrt(case_sum(type, r, type, r, c->spec.dim, false));
    return (float)case_sum(of_query, q, type, r, c->spec.dim, false) / length;
}

static void case_limits(gpu_case *c, uint64_t *state)
{
    const gpu_spec *s = &c->spec;
    c->limits = case_block(s->queries * sizeof *c->limits);
    for (size_t q = 0; q < s->queries; q++)
        c->limits[q] = s->rows > 0 && gpu_random(state) % 4 != 0 ? c->values[q * s->rows + gpu_random(state) % s->rows]
                                                                   : INFINITY;
}

static void case_structs(gpu_case *c)
{
    const gpu_spec *s = &c->spec;
    uint64_t allowed = 0;
    for (size_t r = 0; r < s->rows; r++)
        allowed += c->allow == NULL || (c->allow[r / 64] >> r % 64 & 1);
    c->vectors = (vss_device_vectors){sizeof c->vectors, s->type, s->metric, s->dim, s->rows, c->rows};
    c->search = (vss_device_search){.struct_size = sizeof c->search, .k = s->k, .width = s->width,
                                    .n_queries = s->queries, .queries = c->queries, .query_stride = c->query_bytes,
                                    .limits = c->limits, .allow = c->allow, .n_allow = allowed};
    c->hits.struct_size = sizeof c->hits;
    c->hits.counts = case_block(s->queries * sizeof(uint32_t));
    c->hits.rows = case_block(s->queries * s->width * sizeof(uint32_t));
    c->hits.values = case_block(s->queries * s->width * sizeof(float));
}

gpu_spec gpu_spec_draw(uint64_t *random, size_t queries, uint64_t seed)
{
    static const uint32_t dims[] = {1, 2, 7, 8, 9, 16, 31, 64, 130, 257};
    gpu_spec spec = {.data = (gpu_data)(gpu_random(random) % GPU_DATA_RANDOM), .dim = dims[gpu_random(random) % 10],
                     .seed = seed};
    spec.k = (uint32_t)(1 + gpu_random(random) % (gpu_random(random) % 4 == 0 ? 300 : 12));
    spec.rows = (uint32_t)(1 + gpu_random(random) % (gpu_random(random) % 3 == 0 ? 40 : 3000));
    spec.queries = 1 + gpu_random(random) % (gpu_random(random) % 2 == 0 ? 8 : queries);
    spec.allow = (double)(gpu_random(random) % 8) / 4 - 1;
    spec.limits = gpu_random(random) % 3 == 0;
    spec.width = spec.k + (uint32_t)(gpu_random(random) % 200);
    gpu_pair(gpu_random(random) % GPU_PAIRS, &spec.type, &spec.metric);
    return spec;
}

void gpu_case_make(gpu_case *c, const gpu_spec *spec)
{
    uint64_t state = spec->seed;
    *c = (gpu_case){.spec = *spec};
    gpu_spec *s = &c->spec;
    bool floats = s->type <= VSS_TYPE_VECTOR_BF16, bits = s->type == VSS_TYPE_VECTOR_BINARY;
    s->dim = bits ? (s->dim + 7) / 8 * 8 : s->dim;
    c->row_bytes = bits ? s->dim / 8 : s->dim * (s->type == VSS_TYPE_VECTOR_F32 ? 4 : floats ? 2 : 1);
    c->query_bytes = floats ? s->dim * 4 : c->row_bytes;
    c->rows = case_block(s->rows * c->row_bytes);
    c->queries = case_block(s->queries * c->query_bytes);
    case_fill(c, false, c->rows, s->rows, c->row_bytes, &state);
    case_fill(c, true, c->queries, s->queries, c->query_bytes, &state);
    c->values = case_block(s->queries * s->rows * sizeof *c->values);
    for (size_t q = 0; q < s->queries; q++)
        for (size_t r = 0; r < s->rows; r++)
            c->values[q * s->rows + r] =
                case_value(c, (char *)c->queries + q * c->query_bytes, (char *)c->rows + r * c->row_bytes);
    if (s->limits)
        case_limits(c, &state);
    if (s->allow >= 0) {
        size_t words = ((size_t)s->rows + 63) / 64;
        c->allow = case_block(words * sizeof *c->allow);
        memset(c->allow, 0, words * sizeof *c->allow);
        for (size_t r = 0; r < s->rows; r++)
            c->allow[r / 64] |= (uint64_t)(case_unit(&state) < s->allow) << r % 64;
    }
    case_structs(c);
}

void gpu_case_free(gpu_case *c)
{
    free(c->rows);
    free(c->queries);
    free(c->allow);
    free(c->limits);
    free(c->values);
    free(c->hits.counts);
    free(c->hits.rows);
    free(c->hits.values);
    *c = (gpu_case){0};
}

vss_status gpu_case_search(gpu_case *c, const vss_device *device, vss_error *err)
{
    memset(c->hits.counts, 0xee, c->spec.queries * sizeof(uint32_t));
    memset(c->hits.rows, 0xee, c->spec.queries * c->spec.width * sizeof(uint32_t));
    *err = (vss_error){0};
    return device->search(device->state, &c->place, &c->vectors, &c->search, &c->hits, err);
}

static int case_compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static bool case_wanted(const gpu_case *c, size_t q, size_t r, float most)
{
    float value = c->values[q * c->spec.rows + r];
    return (c->allow == NULL || (c->allow[r / 64] >> r % 64 & 1)) && value <= most &&
           (c->members == NULL || c->members[q * c->spec.rows + r]) && (c->limits == NULL || value <= c->limits[q]);
}

/* The greatest value of a hit. */
static float case_most(const gpu_case *c, size_t q)
{
    size_t n = 0;
    float *all = case_block(c->spec.rows * sizeof *all), most = INFINITY;
    for (size_t r = 0; r < c->spec.rows; r++)
        if (case_wanted(c, q, r, INFINITY))
            all[n++] = c->values[q * c->spec.rows + r];
    qsort(all, n, sizeof *all, case_compare);
    if (n > c->spec.k)
        most = all[c->spec.k - 1];
    free(all);
    return most;
}

static void case_wrong(const gpu_case *c, size_t q, const char *what, size_t at)
{
    const gpu_spec *s = &c->spec;
    fail_msg("%s %zu: query %zu of %zu, type %d, metric %d, data %d, dim %u, k %u, width %u, %u rows, seed %llu", what,
             at, q, s->queries, (int)s->type, (int)s->metric, (int)s->data, s->dim, s->k, s->width, s->rows,
             (unsigned long long)s->seed);
}

static size_t case_check_query(const gpu_case *c, size_t q, char *seen)
{
    const gpu_spec *s = &c->spec;
    const uint32_t count = c->hits.counts[q], *rows = c->hits.rows + q * s->width;
    const float *values = c->hits.values + q * s->width, most = case_most(c, q);
    size_t wanted = 0;
    for (size_t r = 0; r < s->rows; r++)
        wanted += case_wanted(c, q, r, most);
    if (count == VSS_DEVICE_UNSETTLED)
        return wanted <= s->width;
    if (count != wanted)
        case_wrong(c, q, "rows that should be so many less than found", wanted - count);
    memset(seen, 0, s->rows);
    for (size_t i = 0; i < count; i++) {
        if (rows[i] >= s->rows || seen[rows[i]]++ || !case_wanted(c, q, rows[i], most))
            case_wrong(c, q, "not a hit: row", rows[i]);
        if (memcmp(&values[i], &c->values[q * s->rows + rows[i]], sizeof(float)) != 0)
            case_wrong(c, q, "another value: row", rows[i]);
    }
    return 0;
}

size_t gpu_case_check(const gpu_case *c)
{
    size_t unsettled = 0;
    char *seen = case_block(c->spec.rows);
    for (size_t q = 0; q < c->spec.queries; q++)
        unsettled += case_check_query(c, q, seen);
    free(seen);
    return unsettled;
}
