/*
 * flat_bytes.c - panels of i8, u8 and bits as they are, in whole numbers
 *
 * The tile's value of a row is the score of simd.h itself, so that the top-k's threshold T holds for it. Under cosine
 * it lacks the query's factor, the inverse of its norm: with that it is a score (two roundings of the four that gamma
 * has room for), so that a row above T divided by the factor, rounded upwards, is of no use.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "flat_tile.h"

static bool bytes_fit(flat_tile *t)
{
    const vssi_tile_bytes *kernels = vssi_tile_bytes_best(t->v->kind);
    if (kernels == NULL)
        return false;
    t->rows = kernels->rows;
    t->most = kernels->queries;
    t->units = (t->v->row_size + 3) / 4;
    return true;
}

static vssi_simd_op bytes_op(const flat_tile *t)
{
    bool first = t->v->metric == VSS_METRIC_L2 || t->v->metric == VSS_METRIC_HAMMING;
    return first ? VSSI_SIMD_L2 : VSSI_SIMD_IP; /* of bits HAMMING and JACCARD */
}

static void bytes_bits(flat_tile *t, size_t q, size_t stride, uint32_t *out)
{
    const char *given = t->queries[q].probe.vector;
    t->add[q] = 0;
    for (size_t i = 0; i < t->units; i++) {
        uint32_t unit = 0;
        memcpy(&unit, given + 4 * i, vssi_min(t->v->row_size - 4 * i, sizeof unit));
        out[i * stride] = unit;
        t->add[q] += __builtin_popcount(unit);
    }
}

/* The signed bytes of tile.h, or bits, and what they add. */
static void bytes_query(flat_tile *t, size_t q, size_t stride, uint32_t *out)
{
    const uint8_t *given = t->queries[q].probe.vector;
    if (t->v->kind == VSSI_SIMD_BITS) {
        bytes_bits(t, q, stride, out);
        return;
    }
    bool is_signed = t->v->kind == VSSI_SIMD_I8;
    int32_t sum = 0, squares = 0;
    for (size_t i = 0; i < t->units; i++) {
        uint8_t four[4] = {0};
        if (!is_signed)
            memset(four, 0x80, sizeof four);
        for (size_t j = 0; j < sizeof four && 4 * i + j < t->v->dim; j++)
            four[j] = is_signed ? given[4 * i + j] : given[4 * i + j] ^ 0x80;
        for (size_t j = 0; j < sizeof four; j++) {
            sum += (int8_t)four[j];
            squares += ((int8_t)four[j] + 128) * ((int8_t)four[j] + 128);
        }
        memcpy(out + i * stride, four, sizeof four);
    }
    t->add[q] = bytes_op(t) == VSSI_SIMD_L2 ? squares : is_signed ? 128 * sum : 0;
}

static void bytes_cut(flat_tile *t, size_t q)
{
    t->cuts[q] = t->topks[q].threshold;
    if (t->v->metric != VSS_METRIC_COSINE)
        return;
    double cut = (double)t->cuts[q] / (double)t->queries[q].probe.scale;
    t->cuts[q] = (float)cut;
    if ((double)t->cuts[q] < cut)
        t->cuts[q] = nextafterf(t->cuts[q], INFINITY);
}

static void bytes_fill(flat_tile *t, size_t n)
{
    const char *rows[VSSI_TILE_ROWS];
    for (size_t r = 0; r < n; r++) {
        rows[r] = vssi_vectors_row(t->v, t->ids[r]);
        t->scale[r] = t->v->metric == VSS_METRIC_COSINE ? t->v->inverse_norms[t->ids[r]] : 1;
    }
    for (size_t r = n; r < t->rows; r++)
        t->scale[r] = NAN;
    int32_t *base = (int32_t *)(void *)t->base;
    vssi_tile_bytes_best(t->v->kind)->pack(t->v->kind, bytes_op(t), rows, n, t->v->dim, t->panel, base);
}

static void bytes_multiply(flat_tile *t, const flat_tile_group *group, uint32_t *hits)
{
    vssi_tile_bytes_job job = {.queries = (const int32_t *)(const void *)group->packed, .n_queries = group->count,
                               .panel = group->panel, .units = group->units, .add = t->add + group->first,
                               .base = (const int32_t *)(const void *)t->base, .scale = t->scale,
                               .cuts = t->cuts + group->first, .op = bytes_op(t), .part = group->part,
                               .sums = (int32_t *)(void *)(t->sums + group->first * t->rows),
                               .next = &t->next, .asks = t->asks};
    vssi_tile_bytes_best(t->v->kind)->multiply(&job, hits);
}

const flat_panels vssi_flat_bytes = {bytes_fit, bytes_query, bytes_cut, bytes_fill, bytes_multiply};
