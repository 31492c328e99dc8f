/*
 * flat_dense_bytes.c - batches over rows of i8 and u8 by the kernels of dense.h: whole numbers, without any rounding
 *
 * With c a row's bytes and d a query's, of I8 both plus 128, the product is P = sum (d - 128) c. Why no row is missed:
 * the score of simd.h is a whole number s, rounded and, under cosine, scaled with three roundings, so that s is above
 * the threshold's T' = T + 2^-20 |T| (of cosine divided by the query's factor) only where the score is above T.
 *     l2      s = sum d^2 + sum c^2 - 256 sum c - 2 P: above T' where P < (sum d^2 - T' + sum c^2 - 256 sum c) / 2
 *     ip, u8  s = -P - 128 sum c: above T' where P < -T' - 128 sum c
 *     ip, i8  s = -P + 128 sum w, w the query as it is: above T' where P < -T' + 128 sum w
 *     cosine  the same with T' |v| in place of T'
 * P becomes a float32 and the limit is made of rounded terms with two more roundings: each term is lowered by 2^-20 of
 * its size, and every base, made in float32, by 2^-20 of twice what P can be, 128 sum c.
 */
#include <string.h>

#include "flat_dense.h"

#define BYTES_SLACK 0x1p-20

static size_t bytes_bytes(const vssi_vectors *v) { return v->dim; }

static void bytes_cut(flat_dense *d, size_t q)
{
    double threshold = (double)d->topks[q].threshold;
    if (d->v->metric == VSS_METRIC_COSINE)
        threshold /= (double)d->queries[q].probe.scale;
    threshold += fabs(threshold) * BYTES_SLACK;
    double fall = d->v->metric == VSS_METRIC_L2 ? (d->of[q].square - threshold) / 2 : -threshold;
    d->fall[q] = vssi_flat_dense_below(fall - fabs(fall) * BYTES_SLACK);
}

static void bytes_query(flat_dense *d, size_t q)
{
    const uint8_t *vector = d->queries[q].probe.vector;
    uint8_t *code = d->row;
    bool is_signed = d->v->kind == VSSI_SIMD_I8;
    double sum = 0, square = 0;
    for (size_t i = 0; i < d->v->dim; i++) {
        code[i] = is_signed ? vector[i] ^ 0x80 : vector[i];
        sum += code[i] - 128;
        square += code[i] * code[i];
    }
    vssi_dense_query_codes(code, d->v->dim, q % VSSI_DENSE_QUERIES,
                           d->packed + q / VSSI_DENSE_QUERIES * vssi_dense_size(d->steps));
    d->of[q].square = square * (1 - BYTES_SLACK);
    double reach = is_signed && d->v->metric != VSS_METRIC_L2 ? -128 * sum : 0; /* times a rest of 1 */
    d->reach[q] = -vssi_flat_dense_below(-reach - fabs(reach) * BYTES_SLACK);
}

static void bytes_pack(flat_dense *d, size_t p, const char *const *rows, size_t n)
{
    const vssi_vectors *v = d->v;
    const int32_t *sums = d->first, *squares = d->second; /* of c, and of c (c - 128) */
    const bool l2 = v->metric == VSS_METRIC_L2;
    const float half = l2 ? 0.5f : 0, minus = l2 ? -64 : v->kind == VSSI_SIMD_U8 ? -128 : 0;
    float *scale = d->scale + p * VSSI_DENSE_ROWS, *base = d->base + p * VSSI_DENSE_ROWS;
    d->kernels->pack_bytes(v->kind, rows, n, v->dim, d->last, d->panels + p * vssi_dense_size(d->steps),
                           d->first, d->second);
    for (size_t i = 0; i < VSSI_DENSE_ROWS; i++) {
        float sum = (float)sums[i], exact = half * (float)squares[i] + minus * sum;
        base[i] = exact - (fabsf(exact) + 256 * sum) * (float)BYTES_SLACK;
        d->rest[p * VSSI_DENSE_ROWS + i] = scale[i] = 1;
    }
    for (size_t i = 0; i < n && v->metric == VSS_METRIC_COSINE; i++)
        scale[i] = 1 / v->inverse_norms[d->walk.ids[p * VSSI_DENSE_ROWS + i]];
    for (size_t i = n; i < VSSI_DENSE_ROWS; i++)
        base[i] = INFINITY;
}

static size_t bytes_multiply(const flat_dense *d, const vssi_dense_job *job, const vssi_dense_floats *with)
{
    return d->kernels->bytes(job, with, d->where);
}

const flat_dense_kind vssi_flat_dense_bytes = {bytes_bytes, bytes_query, bytes_cut, bytes_pack, bytes_multiply};
