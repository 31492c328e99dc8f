/*
 * flat_floats.c - panels of float32, to which rows of every type but binary are widened exactly
 *
 * Why no row is missed. g = vssi_simd_gamma(dim). For ip and cosine the tile's value is a score in the sense of simd.h,
 * so the top-k's threshold T holds for it. For l2 the query is -2 q, so that its product S with v obeys |S + 2 q v| <=
 * 2 g |q||v| <= g (|q|^2 + |v|^2), the norm N in float32 obeys N (1 - g) <= |v|^2, and the sum rounds once more, by at
 * most g (|q|^2 + |v|^2). With base = (1 - 4 g) N the exact distance e is at least S + base + (1 - 4 g) |q|^2. A row
 * whose S + base is above T - (1 - 4 g) |q|^2 has e > T, which is of no use (topk.c).
 */
#include <math.h>
#include <string.h>

#include "flat_tile.h"

static bool floats_fit(flat_tile *t)
{
    const vssi_tile *tile = vssi_tile_best();
    t->rows = tile->rows;
    t->most = tile->queries;
    t->units = t->v->dim;
    return t->v->kind != VSSI_SIMD_BITS;
}

/* 1 - 4 g */
static double floats_keep(const flat_tile *t) { return 1 - 4 * vssi_simd_gamma(t->v->dim); }

static void floats_query(flat_tile *t, size_t q, size_t stride, uint32_t *out)
{
    const vssi_probe *probe = &t->queries[q].probe;
    bool bytes = t->v->kind == VSSI_SIMD_I8 || t->v->kind == VSSI_SIMD_U8; /* halves are compared with float32 */
    float factor = t->v->metric == VSS_METRIC_L2 ? -2 : t->v->metric == VSS_METRIC_COSINE ? -probe->scale : -1;
    vssi_simd_widen(bytes ? t->v->kind : VSSI_SIMD_F32, probe->vector, t->v->dim, t->row);
    t->squares[q] = floats_keep(t) * vssi_exact_ip_f32(t->row, t->row, t->v->dim);
    for (size_t i = 0; i < t->v->dim; i++) {
        float component = t->row[i] * factor;
        memcpy(out + i * stride, &component, sizeof component);
    }
}

static void floats_cut(flat_tile *t, size_t q)
{
    t->cuts[q] = t->topks[q].threshold;
    if (t->v->metric != VSS_METRIC_L2)
        return;
    double cut = (double)t->cuts[q] - t->squares[q];
    t->cuts[q] = (float)cut;
    if ((double)t->cuts[q] < cut)
        t->cuts[q] = nextafterf(t->cuts[q], INFINITY);
}

static void floats_fill(flat_tile *t, size_t n)
{
    const vssi_tile *tile = vssi_tile_best();
    const char *rows[VSSI_TILE_ROWS];
    for (size_t r = 0; r < n; r++)
        rows[r] = vssi_vectors_row(t->v, t->ids[r]);
    if (t->v->kind == VSSI_SIMD_F32)
        tile->pack(rows, n, t->v->dim, t->panel);
    else
        tile->widen(t->v->kind, rows, n, t->v->dim, t->panel);
    if (t->v->metric == VSS_METRIC_L2) {
        double keep = floats_keep(t);
        tile->norms(t->panel, t->v->dim, t->base);
        for (size_t r = 0; r < n; r++)
            t->base[r] = (float)((double)t->base[r] * keep);
    } else if (t->v->metric == VSS_METRIC_COSINE) {
        for (size_t r = 0; r < n; r++)
            t->scale[r] = t->v->inverse_norms[t->ids[r]];
    }
    for (size_t r = n; r < t->rows; r++)
        t->base[r] = NAN;
}

static void floats_multiply(flat_tile *t, const flat_tile_group *group, uint32_t *hits)
{
    vssi_tile_job job = {.queries = (const float *)(const void *)group->packed, .n_queries = group->count,
                         .panel = group->panel, .dim = group->units, .scale = t->scale, .base = t->base,
                         .cuts = t->cuts + group->first, .part = group->part,
                         .sums = t->sums + group->first * t->rows, .next = &t->next, .asks = t->asks};
    vssi_tile_best()->multiply(&job, hits);
}

const flat_panels vssi_flat_floats = {floats_fit, floats_query, floats_cut, floats_fill, floats_multiply};
