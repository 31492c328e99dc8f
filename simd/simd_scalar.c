/*
 * simd_scalar.c - the kernels in plain C, for every processor
 *
 * Eight float32 sums a row, so that a compiler may keep them in vector registers of the baseline.
 */
#include <stdbool.h>
#include <string.h>

#include "simd.h"

#define SCALAR_LANES 8

static inline float scalar_load(const float *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline float scalar_term(const float *a, const float *b, bool ip)
{
    float x = scalar_load(a), y = scalar_load(b);
    return ip ? x * y : (x - y) * (x - y);
}

static inline float scalar_pair(const float *query, const float *row, size_t dim, bool ip)
{
    float lane[SCALAR_LANES] = {0};
    size_t whole = dim - dim % SCALAR_LANES;
    for (size_t i = 0; i < whole; i += SCALAR_LANES) {
        for (size_t j = 0; j < SCALAR_LANES; j++)
            lane[j] += scalar_term(query + i + j, row + i + j, ip);
    }
    for (size_t i = whole; i < dim; i++)
        lane[i - whole] += scalar_term(query + i, row + i, ip);
    float sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    return ip ? -sum : sum;
}

static void scalar_l2_rows(const float *query, const float *rows, size_t dim, size_t n, float *scores)
{
    for (size_t i = 0; i < n; i++)
        scores[i] = scalar_pair(query, rows + i * dim, dim, false);
}

static void scalar_ip_rows(const float *query, const float *rows, size_t dim, size_t n, float *scores)
{
    for (size_t i = 0; i < n; i++)
        scores[i] = scalar_pair(query, rows + i * dim, dim, true);
}

static void scalar_l2_gather(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                             float *scores)
{
    for (size_t i = 0; i < n; i++)
        scores[i] = scalar_pair(query, base + (size_t)rows[i] * dim, dim, false);
}

static void scalar_ip_gather(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                             float *scores)
{
    for (size_t i = 0; i < n; i++)
        scores[i] = scalar_pair(query, base + (size_t)rows[i] * dim, dim, true);
}

const vssi_kernels vssi_simd_scalar = {
    .level = "scalar",
    .l2_f32_rows = scalar_l2_rows,
    .ip_f32_rows = scalar_ip_rows,
    .l2_f32_gather = scalar_l2_gather,
    .ip_f32_gather = scalar_ip_gather,
};
