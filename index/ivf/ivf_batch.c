/*
 * ivf_batch.c - many queries at once, list by list
 *
 * Centers are compared with twelve queries at a time: a product of codes costs a twelfth of the loads. With ivf_sq8 the
 * lists are then read in their order, each once, its panels against twelve at a time of the queries that chose it
 * (simd/nearest.h), and a list comes from memory once a batch. The other types then go query by query, as their codes
 * are looked up in tables of each query.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "ivf_walk.h"

#define BATCH_LEAST 4u /* queries from which reading list by list pays */

typedef struct ivf_batch {
    const ivf_index *index;
    ivf_walk *walks;      /* [n] */
    size_t n;
    uint32_t *begins;     /* [lists + 1] in choosers */
    uint32_t *choosers;   /* [n * probes]: queries by list */
    int32_t *packed;      /* of twelve queries */
} ivf_batch;

typedef void (*batch_take)(ivf_walk *walk, const float *values, size_t at, size_t end);

static void batch_take_center(ivf_walk *walk, const float *values, size_t at, size_t end)
{
    vssi_shortlist_add(&walk->near, values, vssi_min(VSSI_NEAREST_LANES, end - at), (uint32_t)at);
}

static void batch_take_row(ivf_walk *walk, const float *values, size_t at, size_t end)
{
    uint32_t hits = walk->list.kernels->below(values, 32, walk->list.cut) & vssi_ivf_valid(at, end);
    hits = vssi_ivf_permitted(walk, at, hits);
    if (hits != 0)
        vssi_shortlist_take(&walk->list, values, (uint32_t)at, hits);
}

/* Panels of the rows [at, end) against n <= 12 queries, given by number (NULL: first on). */
static void batch_panels(ivf_batch *b, const uint32_t *numbers, size_t first, size_t n, const uint8_t *panel, size_t at,
                         size_t end, batch_take take)
{
    const vssi_panel_kernel kernel = vssi_panel_best();
    const uint8_t *codes[VSSI_NEAREST_POINTS];
    int32_t squares[VSSI_NEAREST_POINTS];
    _Alignas(64) float scores[VSSI_NEAREST_POINTS * VSSI_NEAREST_LANES];
    size_t size = b->index->header.size;
    for (size_t q = 0; q < n; q++)
        codes[q] = b->walks[numbers ? numbers[q] : first + q].code;
    size_t count = vssi_panel_points(codes, n, size, b->packed, squares);
    for (; at < end; at += VSSI_NEAREST_LANES, panel += vssi_panel_size(size)) {
        kernel(b->packed, squares, count, size / 4, panel, scores);
        for (size_t q = 0; q < n; q++)
            take(&b->walks[numbers ? numbers[q] : first + q], scores + q * VSSI_NEAREST_LANES, at, end);
    }
}

/* Every query's lists, then the queries by list. */
static void batch_choose(ivf_batch *b)
{
    size_t lists = b->index->header.lists;
    for (size_t q = 0; q < b->n; q += VSSI_NEAREST_POINTS)
        batch_panels(b, NULL, q, vssi_min(VSSI_NEAREST_POINTS, b->n - q), b->index->centers, 0, lists,
                     batch_take_center);
    memset(b->begins, 0, (lists + 1) * sizeof *b->begins);
    for (size_t q = 0; q < b->n; q++) {
        vssi_ivf_search_near(&b->walks[q]);
        for (size_t i = 0; i < b->walks[q].near.n; i++)
            b->begins[b->walks[q].near.places[i] + 1]++;
    }
    for (size_t c = 0; c < lists; c++)
        b->begins[c + 1] += b->begins[c];
    for (size_t q = 0; q < b->n; q++) {
        for (size_t i = 0; i < b->walks[q].near.n; i++)
            b->choosers[b->begins[b->walks[q].near.places[i]]++] = (uint32_t)q;
    }
    memmove(b->begins + 1, b->begins, lists * sizeof *b->begins);
    b->begins[0] = 0;
}

static void batch_lists(ivf_batch *b, vssi_control *control)
{
    const ivf_index *index = b->index;
    for (size_t c = 0; c < index->header.lists && !vssi_control_stopped(control); c++) {
        const uint8_t *panel = index->codes + index->blocks[c] * index->code_size;
        for (size_t i = b->begins[c]; i < b->begins[c + 1]; i += VSSI_NEAREST_POINTS)
            batch_panels(b, b->choosers + i, 0, vssi_min(VSSI_NEAREST_POINTS, b->begins[c + 1] - i), panel,
                         index->lists[c], index->lists[c + 1], batch_take_row);
        for (size_t i = b->begins[c]; i < b->begins[c + 1]; i++)
            b->walks[b->choosers[i]].scanned += index->lists[c + 1] - index->lists[c];
    }
}

/* Walks [n] of the first queries, each begun. */
static vss_status batch_begin(ivf_batch *b, const vssi_vectors *v, const vssi_query *queries, size_t n,
                              vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    const ivf_header *h = &b->index->header;
    size_t probes = vssi_ivf_probes(b->index, queries), size;
    uint8_t *memory;
    ivf_walk first = {.index = b->index, .v = v, .query = queries, .topk = topks, .n_probes = probes};
    if (!vssi_mul(n, vssi_ivf_walk_size(&first), &size))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, size, 1, &memory, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_POOL, n, sizeof *b->walks, &b->walks, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, VSSI_NEAREST_POINTS * (size_t)h->size, 1, &b->packed, err));
    for (size_t q = 0; q < n; q++) {
        b->walks[q] = (ivf_walk){.index = b->index, .v = v, .query = &queries[q], .topk = &topks[q],
                                 .n_probes = probes};
        vssi_ivf_walk_begin(&b->walks[q], memory + q * vssi_ivf_walk_size(&first));
    }
    return VSS_OK;
}

static vss_status batch_done(ivf_walk *walk, vssi_scratch *scratch)
{
    scratch->distances += walk->scanned + walk->index->header.lists;
    return walk->topk->status;
}

/* List by list. */
static vss_status batch_by_lists(ivf_batch *b, const vssi_vectors *v, const vssi_query *queries, vssi_scratch *scratch,
                                 vssi_topk *topks, vss_error *err)
{
    size_t lists = b->index->header.lists, numbers;
    if (!vssi_mul(b->n, vssi_ivf_probes(b->index, queries), &numbers))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_SCORES, lists + 1, sizeof *b->begins, &b->begins, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, numbers, sizeof *b->choosers, &b->choosers, err));
    VSSI_TRY(batch_begin(b, v, queries, b->n, scratch, topks, err));
    batch_choose(b);
    batch_lists(b, queries->control);
    for (size_t q = 0; q < b->n; q++) {
        vssi_ivf_offer(&b->walks[q]);
        VSSI_TRY(batch_done(&b->walks[q], scratch));
    }
    return VSS_OK;
}

/* Twelve queries choose their lists together. */
static vss_status batch_by_queries(ivf_batch *b, const vssi_vectors *v, const vssi_query *queries,
                                   vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    size_t lists = b->index->header.lists, n;
    ivf_probe *probes;
    float *bases;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_SCORES, lists, sizeof *bases, &bases, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, vssi_ivf_probes(b->index, queries), sizeof *probes, &probes,
                              err));
    for (size_t first = 0; first < b->n && !vssi_control_stopped(queries->control); first += n) {
        n = vssi_min(VSSI_NEAREST_POINTS, b->n - first);
        VSSI_TRY(batch_begin(b, v, queries + first, n, scratch, topks + first, err));
        batch_panels(b, NULL, 0, n, b->index->centers, 0, lists, batch_take_center);
        for (size_t q = 0; q < n; q++) {
            b->walks[q].bases = bases;
            vssi_ivf_search_lists(&b->walks[q], probes);
            if (b->index->header.kind != IVF_FLAT)
                vssi_ivf_offer(&b->walks[q]);
            VSSI_TRY(batch_done(&b->walks[q], scratch));
        }
    }
    return VSS_OK;
}

vss_status vssi_ivf_search_batch(const void *opened, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                 vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    ivf_batch b = {.index = opened, .n = n};
    if (queries->allow && queries->n_allow == 0)
        return VSS_OK;
    if (b.index->header.kind == IVF_SQ8 && n >= BATCH_LEAST)
        return batch_by_lists(&b, vectors, queries, scratch, topks, err);
    return batch_by_queries(&b, vectors, queries, scratch, topks, err);
}
