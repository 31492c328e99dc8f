/*
 * ivf_batch.c - many queries at once, list by list
 *
 * Centers are compared with several queries at a time: by the matrix unit (ivf_crowd.c), or twelve by twelve
 * (simd/nearest.h). With ivf_sq8 and ivf_rabitq the lists are then read in their order, each for all queries that chose
 * it, so that it comes from memory once a pass and not once a query. There are two passes: the first over the few
 * nearest lists of every query, so that few rows of the others are below its cut. The other types go query by query.
 *
 * Which rows a shortlist holds in the end does not depend on the order they came in (shortlist.h), nor their values on
 * the kernels: a query finds the same in every batch.
 */
#include "ivf_batch.h"

#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"

#define BATCH_LEAST 4u                   /* queries from which reading list by list pays */
#define BATCH_FIRST 3u                   /* lists of a query that are read in the first pass */
#define BATCH_PART ((size_t)512 << 10)   /* bytes of centers that stay in the second cache for all queries */
#define BATCH_BYTES ((size_t)64 << 20)   /* of walks at once, about: long shortlists make batches smaller */

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

/* Panels of the rows [at, end) against n <= 12 queries, given by number. */
static void batch_panels(ivf_batch *b, const uint32_t *numbers, size_t n, const uint8_t *panel, size_t at, size_t end,
                         batch_take take)
{
    const vssi_panel_kernel kernel = vssi_panel_best();
    const uint8_t *codes[VSSI_NEAREST_POINTS];
    int32_t squares[VSSI_NEAREST_POINTS];
    _Alignas(64) float scores[VSSI_NEAREST_POINTS * VSSI_NEAREST_LANES];
    size_t size = b->index->header.size;
    for (size_t q = 0; q < n; q++)
        codes[q] = b->walks[numbers[q]].code;
    size_t count = vssi_panel_points(codes, n, size, b->packed, squares);
    for (; at < end; at += VSSI_NEAREST_LANES, panel += vssi_panel_size(size)) {
        kernel(b->packed, squares, count, size / 4, panel, scores);
        for (size_t q = 0; q < n; q++)
            take(&b->walks[numbers[q]], scores + q * VSSI_NEAREST_LANES, at, end);
    }
}

/* All centers against the first n queries. */
static void batch_centers(ivf_batch *b, size_t n)
{
    const size_t lists = b->index->header.lists, size = vssi_panel_size(b->index->header.size);
    const bool crowd = b->crowd != NULL && n >= IVF_CROWD_LEAST;
    const size_t most = crowd ? VSSI_CROWD_QUERIES : VSSI_NEAREST_POINTS;
    const size_t part = vssi_max(BATCH_PART / size, 1) * VSSI_NEAREST_LANES;
    for (size_t at = 0; at < lists; at += part) {
        for (size_t q = 0; q < n; q += most) {
            size_t some = vssi_min(most, n - q), end = vssi_min(at + part, lists);
            if (crowd)
                vssi_ivf_crowd_centers(b, b->every + q, some, at, end);
            else
                batch_panels(b, b->every + q, some, b->index->centers + at / VSSI_NEAREST_LANES * size, at, end,
                             batch_take_center);
        }
    }
}

/* How far the lists of a query are that the first pass reads. */
static float batch_first(const ivf_walk *walk)
{
    const float *values = walk->near.values;
    float least[BATCH_FIRST];
    for (size_t i = 0; i < BATCH_FIRST; i++)
        least[i] = INFINITY;
    for (size_t i = 0; i < walk->near.n; i++) {
        float value = values[i];
        for (size_t j = 0; j < BATCH_FIRST; j++) {
            float other = least[j];
            least[j] = value < other ? value : other;
            value = value < other ? other : value;
        }
    }
    return least[BATCH_FIRST - 1];
}

/* The queries by pass and list. */
static void batch_sort(ivf_batch *b)
{
    const size_t lists = b->index->header.lists, buckets = IVF_BATCH_PASSES * lists;
    memset(b->begins, 0, (buckets + 1) * sizeof *b->begins);
    for (int fill = 0; fill < 2; fill++) {
        for (size_t q = 0; q < b->n; q++) {
            const vssi_shortlist *near = &b->walks[q].near;
            const float first = batch_first(&b->walks[q]);
            for (size_t i = 0; i < near->n; i++) {
                size_t bucket = near->places[i] + (near->values[i] <= first ? 0 : lists);
                if (fill) {
                    b->choosers[b->begins[bucket]] = (uint32_t)q;
                    b->nears[b->begins[bucket]++] = (uint32_t)i;
                } else {
                    b->begins[bucket + 1]++;
                }
            }
        }
        for (size_t c = 0; c < buckets && !fill; c++)
            b->begins[c + 1] += b->begins[c];
    }
    memmove(b->begins + 1, b->begins, buckets * sizeof *b->begins);
    b->begins[0] = 0;
}

/* One list for the n choosers from the i-th on. */
static void batch_list(ivf_batch *b, size_t list, size_t i, size_t n)
{
    const ivf_index *index = b->index;
    const uint8_t *panel = index->codes + index->blocks[list] * index->code_size;
    if (b->crowd != NULL && n >= IVF_CROWD_LEAST) {
        vssi_ivf_crowd_list(b, list, i, n);
        return;
    }
    for (size_t c = i; c < i + n && index->header.kind == IVF_RABITQ; c++) {
        ivf_walk *walk = &b->walks[b->choosers[c]];
        const uint8_t *end = index->codes + index->blocks[list + 1] * index->code_size;
        walk->ahead = (ivf_ahead){.line = panel + index->code_size, .end = end, .next = walk->n_probes};
        vssi_ivf_scan_codes(walk, list, walk->near.values[b->nears[c]]);
    }
    for (size_t c = i; c < i + n && index->header.kind == IVF_SQ8; c += VSSI_NEAREST_POINTS)
        batch_panels(b, b->choosers + c, vssi_min(VSSI_NEAREST_POINTS, i + n - c), panel, index->lists[list],
                     index->lists[list + 1], batch_take_row);
}

static void batch_lists(ivf_batch *b, vssi_control *control)
{
    const ivf_index *index = b->index;
    const size_t lists = index->header.lists;
    for (size_t c = 0; c < IVF_BATCH_PASSES * lists && !vssi_control_stopped(control); c++) {
        size_t list = c % lists, n = b->begins[c + 1] - b->begins[c];
        if (n > 0)
            batch_list(b, list, b->begins[c], n);
        for (size_t i = b->begins[c]; i < b->begins[c + 1]; i++)
            b->walks[b->choosers[i]].scanned += index->lists[list + 1] - index->lists[list];
    }
}

/* Room for n queries at once. */
static vss_status batch_room(ivf_batch *b, size_t n, vssi_scratch *scratch, vss_error *err)
{
    const ivf_header *h = &b->index->header;
    uint8_t *memory;
    b->crowd = vssi_crowd_best();
    size_t size = b->crowd ? vssi_ivf_crowd_size(h, n) : 0;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, size + VSSI_NEAREST_POINTS * (size_t)h->size, 1, &memory,
                              err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_SCORES, n + IVF_BATCH_PASSES * (size_t)h->lists + 1,
                              sizeof *b->every, &b->every, err));
    b->packed = (int32_t *)(void *)(memory + size);
    b->begins = b->every + n;
    for (size_t q = 0; q < n; q++)
        b->every[q] = (uint32_t)q;
    if (b->crowd != NULL)
        vssi_ivf_crowd_begin(b, n, memory);
    return VSS_OK;
}

/* Walks [n] of the first queries, each begun. */
static vss_status batch_begin(ivf_batch *b, const vssi_vectors *v, const vssi_query *queries, size_t n,
                              vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    const ivf_header *h = &b->index->header;
    const size_t probes = vssi_ivf_probes(b->index, queries), packed = vssi_ivf_walk_packed(h);
    const size_t rounded = vssi_ivf_walk_rounded(h);
    uint8_t *memory;
    ivf_walk first = {.index = b->index, .v = v, .query = queries, .topk = topks, .n_probes = probes};
    const size_t size = vssi_ivf_walk_size(&first);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, n, size + packed + rounded, &memory, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_POOL, n, sizeof *b->walks, &b->walks, err));
    for (size_t q = 0; q < n; q++) {
        b->walks[q] = (ivf_walk){.index = b->index, .v = v, .query = &queries[q], .topk = &topks[q],
                                 .n_probes = probes, .packs = b->crowd != NULL || h->kind == IVF_SQ8};
        b->walks[q].packed = (int32_t *)(void *)(memory + n * size + q * packed);
        b->walks[q].rounded = (int8_t *)memory + n * (size + packed) + q * rounded;
        vssi_ivf_walk_begin(&b->walks[q], memory + q * size);
    }
    return VSS_OK;
}

/* Offer what a walk has found. The hits are settled at once, while their rows are in the cache. */
static vss_status batch_done(ivf_walk *walk, vssi_scratch *scratch, vss_error *err)
{
    if (walk->index->header.kind != IVF_FLAT)
        vssi_ivf_offer(walk);
    scratch->distances += walk->scanned + walk->index->header.lists;
    return vssi_topk_finish(walk->topk, err);
}

/* List by list. */
static vss_status batch_by_lists(ivf_batch *b, const vssi_vectors *v, const vssi_query *queries, vssi_scratch *scratch,
                                 vssi_topk *topks, vss_error *err)
{
    size_t numbers;
    if (!vssi_mul(b->n, vssi_ivf_probes(b->index, queries), &numbers))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(batch_room(b, b->n, scratch, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, numbers, 2 * sizeof *b->choosers, &b->choosers, err));
    b->nears = b->choosers + numbers;
    VSSI_TRY(batch_begin(b, v, queries, b->n, scratch, topks, err));
    batch_centers(b, b->n);
    for (size_t q = 0; q < b->n; q++)
        vssi_ivf_search_near(&b->walks[q]);
    batch_sort(b);
    for (size_t q = 0; q < b->n; q++)
        vssi_ivf_walk_bases(&b->walks[q]);
    batch_lists(b, queries->control);
    for (size_t q = 0; q < b->n; q++)
        VSSI_TRY(batch_done(&b->walks[q], scratch, err));
    return VSS_OK;
}

/* Some queries choose their lists together. */
static vss_status batch_by_queries(ivf_batch *b, const vssi_vectors *v, const vssi_query *queries,
                                   vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    const size_t most = VSSI_CROWD_QUERIES;
    size_t n;
    uint32_t *order;
    VSSI_TRY(batch_room(b, vssi_min(most, b->n), scratch, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, vssi_ivf_probes(b->index, queries), sizeof *order, &order,
                              err));
    for (size_t first = 0; first < b->n && !vssi_control_stopped(queries->control); first += n) {
        n = vssi_min(most, b->n - first);
        VSSI_TRY(batch_begin(b, v, queries + first, n, scratch, topks + first, err));
        batch_centers(b, n);
        for (size_t q = 0; q < n; q++) {
            vssi_ivf_search_lists(&b->walks[q], order);
            VSSI_TRY(batch_done(&b->walks[q], scratch, err));
        }
    }
    return VSS_OK;
}

/* Walks of these queries that are made at once. */
static size_t batch_most(const ivf_batch *b, const vssi_vectors *v, const vssi_query *queries, vssi_topk *topks)
{
    const ivf_walk walk = {.index = b->index, .v = v, .query = queries, .topk = topks,
                           .n_probes = vssi_ivf_probes(b->index, queries)};
    return vssi_max(BATCH_BYTES / vssi_ivf_walk_size(&walk), VSSI_CROWD_QUERIES);
}

vss_status vssi_ivf_search_batch(const void *opened, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                 vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    ivf_batch b = {.index = opened, .n = n};
    const ivf_kind kind = b.index->header.kind;
    if (queries->allow && queries->n_allow == 0)
        return VSS_OK;
    if ((kind != IVF_SQ8 && kind != IVF_RABITQ) || n < BATCH_LEAST)
        return batch_by_queries(&b, vectors, queries, scratch, topks, err);
    const size_t most = batch_most(&b, vectors, queries, topks);
    for (size_t first = 0; first < n && !vssi_control_stopped(queries->control); first += most) {
        b.n = vssi_min(most, n - first);
        VSSI_TRY(batch_by_lists(&b, vectors, queries + first, scratch, topks + first, err));
    }
    return VSS_OK;
}

vss_status vssi_ivf_probe(const void *opened, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                          vssi_scratch *scratch, vssi_topk *topks, vssi_probes *out, vss_error *err)
{
    const size_t most = VSSI_CROWD_QUERIES;
    ivf_batch b = {.index = opened, .n = n};
    uint64_t *begins;
    size_t probes = vssi_ivf_probes(b.index, queries), numbers, count;
    if (!vssi_mul(n, probes, &numbers))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_PROBES, n + 1 + (numbers + 1) / 2, sizeof *begins, &begins, err));
    uint32_t *lists = (uint32_t *)(begins + n + 1);
    VSSI_TRY(batch_room(&b, vssi_min(most, n), scratch, err));
    begins[0] = 0;
    for (size_t first = 0; first < n; first += count) {
        count = vssi_min(most, n - first);
        VSSI_TRY(batch_begin(&b, vectors, queries + first, count, scratch, topks + first, err));
        batch_centers(&b, count);
        for (size_t q = 0; q < count; q++) {
            const vssi_shortlist *near = &b.walks[q].near;
            vssi_ivf_search_near(&b.walks[q]);
            memcpy(lists + begins[first + q], near->places, near->n * sizeof *lists);
            begins[first + q + 1] = begins[first + q] + near->n;
        }
    }
    out->lists = (vss_device_lists){.struct_size = sizeof out->lists, .n_lists = b.index->header.lists,
                                    .begins = b.index->lists, .rows = b.index->rows};
    out->begins = begins;
    out->probes = lists;
    scratch->distances += n * b.index->header.lists;
    return VSS_OK;
}
