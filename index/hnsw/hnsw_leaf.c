/*
 * hnsw_leaf.c - all pairs of a leaf, and the best of each row
 *
 * What a row meets in a leaf goes into a chunk of its own, one for each of its leaves, so that leaves can be worked on
 * side by side without locks. Cost of a leaf of n rows: n^2 products from cache, and a selection a row; where a device
 * does both (hnsw_device.c), the chunks are filled with what it says.
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

#define LEAF_AHEAD 8u /* rows whose codes are asked for before they are packed, and chunks before they are filled */

typedef struct leaf_work {
    const uint32_t *instances;
    const vssi_hnsw_group *leaves;
} leaf_work;

static uint32_t *leaf_chunk(const vssi_hnsw_build *b, uint32_t instance)
{
    return vssi_hnsw_chunk(b, instance / HNSW_FANOUT, b->filled + instance % HNSW_FANOUT);
}

/* The best of keys[n] into the chunk of the instance. */
static void leaf_keep(const vssi_hnsw_build *b, const uint32_t *instances, size_t i, size_t n, uint32_t *keys)
{
    uint32_t *chunk = leaf_chunk(b, instances[i]);
    keys[i] = VSSI_PAIRS_NONE; /* itself */
    b->pairs->least(keys, n, b->keep, chunk);
    for (size_t j = 0; j < b->keep; j++) {
        if (chunk[j] != VSSI_PAIRS_NONE)
            chunk[j] = instances[vssi_pairs_number(chunk[j])] / HNSW_FANOUT;
    }
}

static void leaf_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    const leaf_work *work = arg;
    const vssi_hnsw_group *leaf = &work->leaves[unit];
    const uint32_t *instances = work->instances + leaf->begin;
    size_t n = leaf->end - leaf->begin;
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

/* What a device says of a leaf into the chunks of its rows: numbers of as many others as there are. */
static void leaf_take(vssi_hnsw_build *b, const void *arg, size_t i, const uint16_t *answer)
{
    const leaf_work *work = arg;
    const vssi_hnsw_group *leaf = &work->leaves[i];
    const uint32_t *instances = work->instances + leaf->begin;
    const size_t n = leaf->end - leaf->begin, there = vssi_min(b->keep, n - 1);
    uint32_t places[VSSI_PAIRS_MOST];
    for (size_t at = 0; at < n; at++)
        places[at] = instances[at] / HNSW_FANOUT;
    for (size_t at = 0; at < n; at++, answer += b->keep) {
        uint32_t *chunk = leaf_chunk(b, instances[at]);
        __builtin_prefetch(leaf_chunk(b, instances[vssi_min(at + LEAF_AHEAD, n - 1)]), 1);
        for (size_t j = 0; j < there; j++)
            chunk[j] = places[answer[j]];
        for (size_t j = there; j < b->keep; j++)
            chunk[j] = HNSW_FREE;
    }
}

vss_status vssi_hnsw_leaves(vssi_hnsw_build *b, const uint32_t *instances, const vssi_hnsw_group *leaves, size_t n,
                            vss_error *err)
{
    leaf_work work = {instances, leaves};
    const vssi_hnsw_meeting meeting = {.instances = instances, .groups = leaves, .n_groups = n, .keep = b->keep,
                                       .take = leaf_take, .arg = &work, .weight = b->n_nodes / n};
    bool done = false;
    if (vssi_hnsw_on_device(b))
        VSSI_TRY(vssi_hnsw_device_meet(b, &meeting, &done, err));
    return done ? VSS_OK : vssi_hnsw_run(b, n, meeting.weight, leaf_unit, &work, err);
}
