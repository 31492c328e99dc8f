/*
 * flat_batch.c - several queries against every row, or every allowed one, in one pass over the rows
 *
 * Many queries go in panels (flat_tile.c), or, but for bits, through a matrix unit where there is one (flat_dense.c). A
 * few of float32, or one where many rows are left out, are scored four at a time as the rows come (simd/few_*.c). What
 * is left goes block by block of rows, each small enough for the second-level cache, one query after another. Cost: the
 * rows are read from memory once.
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/dense.h"
#include "flat_tile.h"

#define BATCH_PANELS 4u               /* queries from which packing pays */
#define BATCH_FEW 8u                  /* queries to which streaming pays more, where there are kernels for it */
#define BATCH_BYTES ((size_t)1 << 18) /* of rows that stay in the cache for one query after another */

typedef struct batch {
    const vssi_vectors *v;
    const vssi_query *queries;
    vssi_topk *topks;
    size_t n;       /* queries */
    size_t step;    /* rows of a block */
    vssi_few score; /* or NULL */
} batch;

static bool batch_floats(const vssi_vectors *v)
{
    return v->kind == VSSI_SIMD_F32 || v->kind == VSSI_SIMD_F16 || v->kind == VSSI_SIMD_BF16;
}

/* Offer the rows given, whose products with query q are in scores. */
static void batch_offer(batch *b, size_t q, float *scores, const uint32_t *rows, size_t n)
{
    if (b->v->metric == VSS_METRIC_COSINE) {
        for (size_t i = 0; i < n; i++)
            scores[i] *= b->queries[q].probe.scale * b->v->inverse_norms[rows[i]];
    }
    vssi_topk_add(&b->topks[q], scores, rows, n);
}

/* The next block of rows from *at on for all queries, four at a time. Returns how many rows it had. */
static size_t batch_few(batch *b, size_t *at, size_t end)
{
    uint32_t ids[FLAT_BLOCK], ahead[VSSI_FEW_BEYOND];
    const char *rows[FLAT_BLOCK + VSSI_FEW_BEYOND];
    float scores[VSSI_FEW_QUERIES][FLAT_BLOCK];
    vssi_few_job job = {.type = b->v->kind, .rows = rows, .dim = b->v->dim,
                        .op = b->v->metric == VSS_METRIC_L2 ? VSSI_SIMD_L2 : VSSI_SIMD_IP};
    job.n = vssi_flat_next(b->queries, at, end, ids, b->step);
    if (job.n == 0)
        return 0;
    for (size_t i = 0; i < job.n; i++)
        rows[i] = vssi_vectors_row(b->v, ids[i]);
    size_t then = *at, more = vssi_flat_next(b->queries, &then, end, ahead, VSSI_FEW_BEYOND);
    for (size_t i = 0; i < VSSI_FEW_BEYOND; i++)
        rows[job.n + i] = i < more ? vssi_vectors_row(b->v, ahead[i]) : rows[0];
    for (size_t q = 0; q < b->n; q += job.n_queries) {
        size_t left = b->n - q;
        job.n_queries = left <= VSSI_FEW_QUERIES ? left : left == VSSI_FEW_QUERIES + 1 ? 3 : VSSI_FEW_QUERIES;
        for (size_t j = 0; j < job.n_queries; j++) {
            job.queries[j] = b->queries[q + j].probe.vector;
            job.scores[j] = scores[j];
        }
        b->score(&job);
        for (size_t j = 0; j < job.n_queries; j++)
            batch_offer(b, q + j, scores[j], ids, job.n);
    }
    return job.n;
}

/* The same, one query after another. */
static size_t batch_block(batch *b, size_t *at, size_t end)
{
    size_t begin = *at, scored = 0;
    *at = vssi_min(begin + b->step, end);
    for (size_t q = 0; q < b->n; q++)
        scored = vssi_flat_block(b->v, &b->queries[q], begin, *at, &b->topks[q]);
    return scored;
}

/* The panels that these vectors can go in, whole numbers where there are kernels for them. False: none. */
static bool batch_panels(flat_tile *t)
{
    t->panels = vssi_flat_bytes.fit(t) ? &vssi_flat_bytes : &vssi_flat_floats;
    return t->panels == &vssi_flat_bytes || t->panels->fit(t);
}

static void batch_blocks(batch *b, vssi_scratch *scratch, size_t begin, size_t end)
{
    size_t asked = FLAT_ASK;
    for (size_t at = begin; at < end;) {
        if (asked >= FLAT_ASK && vssi_control_stopped(b->queries->control))
            return;
        asked = asked >= FLAT_ASK ? 0 : asked;
        size_t before = at, n = b->score != NULL ? batch_few(b, &at, end) : batch_block(b, &at, end);
        scratch->distances += n * b->n;
        asked += (at - before) * b->n;
    }
}

vss_status vssi_flat_search_batch(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                  vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    (void)index;
    size_t begin = queries->begin, end = queries->end != 0 ? queries->end : vectors->rows;
    flat_tile tile = {.v = vectors, .queries = queries, .topks = topks, .n = n};
    batch b = {.v = vectors, .queries = queries, .topks = topks, .n = n};
    if (queries->allow && queries->n_allow == 0)
        return VSS_OK;
    if (n <= BATCH_FEW && batch_floats(vectors))
        b.score = vssi_few_best();
    b.step = vssi_max(vssi_min(BATCH_BYTES / vectors->row_size, FLAT_BLOCK), 8) & ~(size_t)3;
    if (n > BATCH_FEW && vectors->kind != VSSI_SIMD_BITS && vssi_dense_best() != NULL)
        VSSI_TRY(vssi_flat_dense_search(vectors, queries, n, scratch, topks, err));
    else if (n >= BATCH_PANELS && b.score == NULL && batch_panels(&tile))
        VSSI_TRY(vssi_flat_tile_search(&tile, scratch, begin, end, err));
    else
        batch_blocks(&b, scratch, begin, end);
    for (size_t q = 0; q < n; q++)
        VSSI_TRY(topks[q].status);
    return VSS_OK;
}
