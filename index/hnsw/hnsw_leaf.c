/*
 * hnsw_leaf.c - all pairs of a leaf, and the best of each row
 *
 * What a row meets in a leaf goes into a chunk of its own, one for each of its leaves, so that leaves can be worked on
 * side by side without locks. Cost of a leaf of n rows: n^2 products from cache, and a selection a row.
 */
#include "../../lib/base/checked.h"
#include "hnsw.h"

#define LEAF_AHEAD 8u /* rows whose codes are asked for before they are packed */

/* The best of keys[n] into the chunk of the instance. */
static void leaf_keep(const vssi_hnsw_build *b, const uint32_t *instances, size_t i, size_t n, uint32_t *keys)
{
    uint32_t *chunk = vssi_hnsw_chunk(b, instances[i] / HNSW_FANOUT, b->filled + instances[i] % HNSW_FANOUT);
    keys[i] = VSSI_PAIRS_NONE; /* itself */
    b->pairs->least(keys, n, b->keep, chunk);
    for (size_t j = 0; j < b->keep; j++) {
        if (chunk[j] != VSSI_PAIRS_NONE)
            chunk[j] = instances[vssi_pairs_number(chunk[j])] / HNSW_FANOUT;
    }
}

void vssi_hnsw_leaf(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const uint32_t *instances, size_t n)
{
    uint32_t queries[VSSI_PAIRS_QUERIES];
    for (size_t i = 0; i < n; i++) {
        vssi_hnsw_fetch(b, instances[vssi_min(i + LEAF_AHEAD, n - 1)] / HNSW_FANOUT);
        vssi_hnsw_set_add(b, worker, (uint32_t)i, instances[i] / HNSW_FANOUT);
    }
    for (size_t begin = 0; begin < n; begin += VSSI_PAIRS_QUERIES) {
        size_t count = vssi_min(VSSI_PAIRS_QUERIES, n - begin);
        for (size_t q = 0; q < count; q++)
            queries[q] = instances[begin + q] / HNSW_FANOUT;
        vssi_hnsw_set_keys(b, worker, n, queries, count);
        for (size_t q = 0; q < count; q++)
            leaf_keep(b, instances, begin + q, n, worker->keys + q * b->keys_stride);
    }
}
