/*
 * flat_batch.c - several queries against every row, or every allowed one, in one pass over the rows
 *
 * Four queries of float32 and more: the rows that are allowed are packed into panels (tile.h), each panel is multiplied
 * with all queries in groups that fit the registers, and what may beat a query's threshold is scored once more by the
 * kernels of the single query, so that the top-k sees the same scores. Fewer queries and other types: block by block of
 * rows, each small enough for the second-level cache, one query after another. Cost: the rows are read from memory
 * once; a product a query and row at the speed of the registers; packing, about two products a row.
 *
 * Why no row is missed. g = vssi_simd_gamma(dim). For ip and cosine the tile's value is a score in the sense of simd.h,
 * so the top-k's threshold T holds for it. For l2 the query is -2 q, so that its product S with v obeys |S + 2 q v| <=
 * 2 g |q||v| <= g (|q|^2 + |v|^2), the norm N in float32 obeys N (1 - g) <= |v|^2, and the sum rounds once more, by at
 * most g (|q|^2 + |v|^2). With base = (1 - 4 g) N the exact distance e is at least S + base + (1 - 4 g) |q|^2. A row
 * whose S + base is above T - (1 - 4 g) |q|^2 has e > T, which is of no use (topk.c).
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/tile.h"
#include "flat.h"

#define BATCH_LEAST 4u             /* queries from which packing pays */
#define BATCH_BYTES ((size_t)1 << 18) /* of rows that stay in the cache for one query after another */
#define BATCH_LINE 16u             /* floats */

typedef struct batch {
    const vssi_vectors *v;
    const vssi_query *queries;
    vssi_topk *topks;
    size_t n;            /* queries */
    size_t groups;       /* of queries that are multiplied together */
    const vssi_tile *tile;
    double keep;         /* 1 - 4 g */
    float *panel, *scale, *base;
    float *packed;       /* the groups' queries, one group after another */
    float *cuts;         /* [n rounded up to pairs] */
    uint32_t ids[VSSI_TILE_ROWS];
} batch;

/* Queries of group g; all groups together have the queries in pairs. */
static size_t batch_group(const batch *b, size_t g)
{
    size_t pairs = (b->n + 1) / 2;
    return 2 * (pairs / b->groups + (g < pairs % b->groups));
}

static float batch_component(const batch *b, size_t q, size_t i)
{
    const vssi_probe *probe = &b->queries[q].probe;
    float value = ((const float *)probe->vector)[i];
    switch (b->v->metric) {
    case VSS_METRIC_L2:
        return -2 * value;
    case VSS_METRIC_COSINE:
        return -(value * probe->scale);
    default:
        return -value;
    }
}

/* The query's cut from its top-k's threshold. */
static void batch_cut(batch *b, size_t q)
{
    b->cuts[q] = b->topks[q].threshold;
    if (b->v->metric != VSS_METRIC_L2)
        return;
    const float *query = b->queries[q].probe.vector;
    double cut = (double)b->cuts[q] - b->keep * vssi_exact_ip_f32(query, query, b->v->dim);
    b->cuts[q] = (float)cut;
    if ((double)b->cuts[q] < cut)
        b->cuts[q] = nextafterf(b->cuts[q], INFINITY);
}

static void batch_pack_queries(batch *b)
{
    size_t dim = b->v->dim, q = 0;
    float *out = b->packed;
    for (size_t g = 0; g < b->groups; g++) {
        size_t count = batch_group(b, g);
        for (size_t i = 0; i < dim; i++) {
            for (size_t j = 0; j < count; j++)
                *out++ = q + j < b->n ? batch_component(b, q + j, i) : 0;
        }
        q += count;
    }
    for (q = 0; q < b->n; q++)
        batch_cut(b, q);
    if (b->n % 2 != 0)
        b->cuts[b->n] = -INFINITY;
}

static vss_status batch_begin(batch *b, vssi_scratch *scratch, vss_error *err)
{
    size_t rows = b->tile->rows, pairs = (b->n + 1) / 2, dim = b->v->dim;
    float *memory;
    b->groups = (pairs + b->tile->queries / 2 - 1) / (b->tile->queries / 2);
    b->keep = 1 - 4 * vssi_simd_gamma(dim);
    size_t panel = (size_t)vssi_round_up(dim * rows, BATCH_LINE), line = VSSI_TILE_ROWS;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, panel + 2 * line + 2 * pairs * (dim + 1), sizeof *memory,
                              &memory, err));
    b->panel = memory;
    b->scale = b->panel + panel;
    b->base = b->scale + line;
    b->packed = b->base + line;
    b->cuts = b->packed + 2 * pairs * dim;
    for (size_t r = 0; r < rows; r++) {
        b->scale[r] = 1;
        b->base[r] = 0;
    }
    batch_pack_queries(b);
    return VSS_OK;
}

/* The panel of the n rows in ids; places beyond them never hit. */
static void batch_panel(batch *b, size_t n)
{
    const char *rows[VSSI_TILE_ROWS];
    size_t width = b->tile->rows;
    for (size_t r = 0; r < n; r++)
        rows[r] = vssi_vectors_row(b->v, b->ids[r]);
    b->tile->pack(rows, n, b->v->dim, b->panel);
    if (b->v->metric == VSS_METRIC_L2) {
        b->tile->norms(b->panel, b->v->dim, b->base);
        for (size_t r = 0; r < n; r++)
            b->base[r] = (float)(b->base[r] * b->keep);
    } else if (b->v->metric == VSS_METRIC_COSINE) {
        for (size_t r = 0; r < n; r++)
            b->scale[r] = b->v->inverse_norms[b->ids[r]];
    }
    for (size_t r = n; r < width; r++)
        b->base[r] = NAN;
}

/* Offer the rows whose bits are set to query q. */
static void batch_offer(batch *b, size_t q, uint32_t hits)
{
    uint32_t rows[VSSI_TILE_ROWS];
    float scores[VSSI_TILE_ROWS], before = b->topks[q].threshold;
    size_t n = 0;
    for (; hits != 0; hits &= hits - 1)
        rows[n++] = b->ids[__builtin_ctz(hits)];
    vssi_vectors_score_gather(b->v, &b->queries[q].probe, rows, n, scores);
    vssi_topk_add(&b->topks[q], scores, rows, n);
    if (b->topks[q].threshold < before)
        batch_cut(b, q);
}

static void batch_multiply(batch *b, const char *next)
{
    uint32_t hits[VSSI_TILE_QUERIES];
    vssi_tile_job job = {.queries = b->packed, .panel = b->panel, .dim = b->v->dim, .scale = b->scale, .base = b->base,
                         .cuts = b->cuts, .next = next};
    size_t q = 0;
    for (size_t g = 0; g < b->groups; g++) {
        job.n_queries = batch_group(b, g);
        b->tile->multiply(&job, hits);
        for (size_t j = 0; j < job.n_queries; j++) {
            if (hits[j] != 0)
                batch_offer(b, q + j, hits[j]);
        }
        q += job.n_queries;
        job.queries += job.n_queries * job.dim;
        job.cuts += job.n_queries;
    }
}

/* The next rows from *at on into ids; returns how many and moves *at behind them. */
static size_t batch_rows(batch *b, size_t *at, size_t end)
{
    size_t width = b->tile->rows;
    if (b->queries->allow)
        return vssi_bitmap_rows(b->queries->allow, *at, end, b->ids, width, at);
    size_t n = vssi_min(width, end - *at);
    for (size_t r = 0; r < n; r++)
        b->ids[r] = (uint32_t)(*at + r);
    *at += n;
    return n;
}

static vss_status batch_tiles(batch *b, vssi_scratch *scratch, size_t begin, size_t end, vss_error *err)
{
    size_t asked = FLAT_ASK;
    VSSI_TRY(batch_begin(b, scratch, err));
    for (size_t at = begin; at < end;) {
        if (asked >= FLAT_ASK && vssi_control_stopped(b->queries->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        size_t n = batch_rows(b, &at, end);
        if (n == 0)
            break;
        batch_panel(b, n);
        batch_multiply(b, vssi_vectors_row(b->v, at));
        scratch->distances += n * b->n;
        asked += n * b->n;
    }
    return VSS_OK;
}

/* One query after another over blocks of rows that stay in the cache. */
static void batch_blocks(batch *b, vssi_scratch *scratch, size_t begin, size_t end)
{
    size_t step = vssi_max(vssi_min(BATCH_BYTES / b->v->row_size, FLAT_BLOCK), 8), asked = FLAT_ASK;
    for (size_t at = begin; at < end; at += step) {
        size_t stop = vssi_min(at + step, end);
        if (asked >= FLAT_ASK && vssi_control_stopped(b->queries->control))
            return;
        asked = asked >= FLAT_ASK ? 0 : asked;
        for (size_t q = 0; q < b->n; q++)
            scratch->distances += vssi_flat_block(b->v, &b->queries[q], at, stop, &b->topks[q]);
        asked += (stop - at) * b->n;
    }
}

vss_status vssi_flat_search_batch(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                  vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    (void)index;
    batch b = {.v = vectors, .queries = queries, .topks = topks, .n = n, .tile = vssi_tile_best()};
    size_t begin = queries->begin, end = queries->end != 0 ? queries->end : vectors->rows;
    if (queries->allow && queries->n_allow == 0)
        return VSS_OK;
    if (n >= BATCH_LEAST && vectors->kind == VSSI_SIMD_F32)
        VSSI_TRY(batch_tiles(&b, scratch, begin, end, err));
    else
        batch_blocks(&b, scratch, begin, end);
    for (size_t q = 0; q < n; q++)
        VSSI_TRY(topks[q].status);
    return VSS_OK;
}
