/*
 * flat_dense_floats.c - batches over float rows by the kernels of dense.h: rows and queries rounded to bfloat16
 *
 * Why no row is missed. Let q' be the query times 2 for l2, 1 for ip and the inverse of its norm for cosine; v a row; ~
 * what bfloat16 makes of either; n the greatest |q' - ~q'| / |q'| of the batch; g = vssi_simd_gamma(dim). The product P
 * that is computed obeys
 *     |P - q' v| <= |q'| |v - ~v| + |q' - ~q'| |~v| + g |~q'| |~v| + dim 2^-124 <= |q'| W + dim 2^-124
 *     W = E + (n + 4 g) (|v| + E), E at least |v - ~v|
 * where 4 g has room for the rounding of q' and two more (below) of what is at most 2 |q'| |v|.
 *     ip      the score is -q v: it is above the threshold T where P < -T - |q'| W
 *     cosine  times 1 / |v|: where P < -T |v| - |q'| W
 *     l2      e = |q|^2 + |v|^2 - q' v. The squared norm N of the row in float32 obeys N (1 - g) <= |v|^2, the limit is
 *             made of terms of at most 4 (|q|^2 + |v|^2) and rounded twice, together 3 g (|q|^2 + |v|^2) at most: e > T
 *             where P < (1 - 6 g) |q|^2 - T + (1 - 6 g) N - |q'| W
 * and a row with its score, or e, above T is of no use (topk.c). W is made of a panel's longest row and greatest E.
 * Squares that underflow take less than dim 2^-70 off E.
 */
#include "flat_dense.h"

static size_t floats_bytes(const vssi_vectors *v) { return v->dim * sizeof(uint16_t); }

static void floats_cut(flat_dense *d, size_t q)
{
    d->fall[q] = vssi_flat_dense_below(d->of[q].square - (double)d->topks[q].threshold);
}

static void floats_query(flat_dense *d, size_t q)
{
    const float *vector = d->queries[q].probe.vector;
    float *row = d->row;
    bool l2 = d->v->metric == VSS_METRIC_L2;
    float factor = l2 ? 2 : d->v->metric == VSS_METRIC_IP ? 1 : d->queries[q].probe.scale;
    for (size_t i = 0; i < d->v->dim; i++)
        row[i] = vector[i] * factor;
    double length = sqrt(vssi_exact_ip_f32(row, row, d->v->dim));
    double off = sqrt(vssi_dense_query_floats(row, d->v->dim, q % VSSI_DENSE_QUERIES,
                                              d->packed + q / VSSI_DENSE_QUERIES * vssi_dense_size(d->steps)));
    d->off = fmax(d->off, length > 0 ? off / length : 0);
    d->reach[q] = nextafterf((float)(length * (1 + 0x1p-20)), INFINITY);
    d->of[q].square = l2 ? (1 - 6 * vssi_simd_gamma(d->v->dim)) * vssi_exact_ip_f32(vector, vector, d->v->dim) : 0;
}

static void floats_pack(flat_dense *d, size_t p, const char *const *rows, size_t n)
{
    const vssi_vectors *v = d->v;
    const float *norms = d->first, *rests = d->second;
    const double gamma = vssi_simd_gamma(v->dim), share = d->off * (1 + 0x1p-20) + 4 * gamma;
    const float keep = (float)(1 - 6 * gamma - 0x1p-22), none = (float)(v->dim * -0x1p-120);
    float norm = 0, off = 0, *scale = d->scale + p * VSSI_DENSE_ROWS, *base = d->base + p * VSSI_DENSE_ROWS;
    d->kernels->pack_floats(v->kind, rows, n, v->dim, d->last, d->panels + p * vssi_dense_size(d->steps),
                            d->first, d->second);
    for (size_t i = 0; i < VSSI_DENSE_ROWS; i++) {
        norm = fmaxf(norm, norms[i]);
        off = fmaxf(off, rests[i]);
    }
    double length = sqrt((double)norm * (1 + 2 * gamma));
    double rest = sqrt((double)off * (1 + 2 * gamma)) + v->dim * 0x1p-70;
    float most = (float)((rest + share * (length + rest)) * (1 + 0x1p-20));
    for (size_t i = 0; i < VSSI_DENSE_ROWS; i++) {
        d->rest[p * VSSI_DENSE_ROWS + i] = most;
        scale[i] = 1;
        base[i] = v->metric == VSS_METRIC_L2 ? norms[i] * keep : none;
    }
    for (size_t i = 0; i < n && v->metric == VSS_METRIC_COSINE; i++)
        scale[i] = 1 / v->inverse_norms[d->walk.ids[p * VSSI_DENSE_ROWS + i]];
    for (size_t i = n; i < VSSI_DENSE_ROWS; i++)
        base[i] = INFINITY;
}

static size_t floats_multiply(const flat_dense *d, const vssi_dense_job *job, const vssi_dense_floats *with)
{
    return d->kernels->floats(job, with, d->where);
}

const flat_dense_kind vssi_flat_dense_floats = {floats_bytes, floats_query, floats_cut, floats_pack, floats_multiply};
