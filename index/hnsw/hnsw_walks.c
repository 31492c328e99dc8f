/*
 * hnsw_walks.c - the graph and the queries as a device wants them (vss/device.h)
 *
 * A device walks on the codes that the index has, whole numbers both on the CPU and there; f16 codes, which are none,
 * it leaves alone and walks on the vectors. Queries are coded here as ever. Where more than a few are far outside the
 * grid of the codes, all walk on the vectors. Few are only marked: the device's answer for them counts for nothing.
 * Cost: a query's code.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "hnsw.h"

#define WALKS_DEVIATIONS 3.0 /* of how many allowed rows are among a pool's */
#define WALKS_WIDEN 2.0
#define WALKS_OUTSIDE 16u    /* one query in so many may be outside the grid */

static const vss_device_coding walks_codings[] = {[HNSW_CODES_NONE] = VSS_DEVICE_CODING_NONE,
                                                  [HNSW_CODES_SQ8] = VSS_DEVICE_CODING_BYTES,
                                                  [HNSW_CODES_F16] = VSS_DEVICE_CODING_NONE,
                                                  [HNSW_CODES_SQ4] = VSS_DEVICE_CODING_NIBBLES};

static void walks_graph(const vssi_hnsw_index *index, vss_device_graph *graph)
{
    *graph = (vss_device_graph){.struct_size = sizeof *graph, .stride = (uint32_t)index->stride, .links = index->graph,
                                .n_entries = (uint32_t)index->n_entries, .n_groups = (uint32_t)index->n_groups,
                                .entries = index->entries, .groups = index->groups, .map = index->map,
                                .coding = walks_codings[index->form]};
    if (graph->coding != VSS_DEVICE_CODING_NONE) {
        graph->code_size = index->sq8.model.size;
        graph->codes = index->sq8.codes;
    }
}

/* The pool that a search here begins with; where not nearly all queries would find k allowed rows in it, if those lie
 * as everywhere, the pool that it goes on with: the CPU has to do anew what finds fewer. */
static size_t walks_pool(const vssi_query *query, size_t rows, size_t k, size_t most)
{
    const size_t capacity = vssi_hnsw_capacity(query, rows, k);
    if (query->allow == NULL || query->n_allow >= rows)
        return capacity;
    const double share = (double)query->n_allow / (double)rows;
    const double wanted = (double)k + WALKS_DEVIATIONS * sqrt((double)k);
    if ((double)capacity * share >= wanted)
        return capacity;
    const double wide = fmax(WALKS_WIDEN * (double)capacity, ceil(wanted / share));
    return vssi_max(capacity, (size_t)fmin(wide, (double)vssi_min(most, rows)));
}

/* The queries' codes into codes[n][stride], which of them say too little, and how many do. */
static vss_status walks_codes(const vssi_hnsw_index *index, const vssi_query *queries, size_t n, size_t stride,
                              vssi_scratch *scratch, uint8_t *codes, bool *outside, size_t *n_outside, vss_error *err)
{
    const size_t size = index->sq8.model.size;
    *n_outside = 0;
    for (size_t q = 0; q < n; q++) {
        vssi_hnsw_query query;
        VSSI_TRY(vssi_hnsw_form_prepare(index, &queries[q].probe, scratch, &query, err));
        outside[q] = !vssi_hnsw_inside(index, &query);
        *n_outside += outside[q];
        if (index->form == HNSW_CODES_SQ8) {
            memcpy(codes + q * stride, query.code.code, size);
        } else {
            memcpy(codes + q * stride, query.nibbles.even, size);
            memcpy(codes + q * stride + size, query.nibbles.odd, size);
        }
    }
    return VSS_OK;
}

vss_status vssi_hnsw_walks(const void *opened, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                           size_t k, size_t most, vssi_scratch *scratch, vssi_walks *out, vss_error *err)
{
    const vssi_hnsw_index *index = opened;
    size_t n_outside;
    uint8_t *codes;
    *out = (vssi_walks){.pool = (uint32_t)walks_pool(queries, vectors->rows, k, most)};
    if (out->pool > most)
        return VSS_OK;
    walks_graph(index, &out->graph);
    out->code_stride = out->graph.code_size * (index->form == HNSW_CODES_SQ4 ? 2 : 1);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_PROBES, n, out->code_stride + sizeof(bool), &codes, err));
    bool *outside = (bool *)(codes + n * out->code_stride);
    out->outside = outside;
    memset(outside, 0, n * sizeof *outside);
    if (out->graph.coding == VSS_DEVICE_CODING_NONE)
        return VSS_OK;
    VSSI_TRY(walks_codes(index, queries, n, out->code_stride, scratch, codes, outside, &n_outside, err));
    if (n_outside * WALKS_OUTSIDE <= n)
        out->codes = codes;
    else
        memset(outside, 0, n * sizeof *outside);
    return VSS_OK;
}
