/*
 * hnsw_leaf.c - all pairs of a leaf, the best of each row, and their merge over leaves and rounds
 *
 * The leaf's vectors are packed one after another; row i is compared with the rows behind it, and each score is
 * offered to both, so half of the distances are computed. Cost of a leaf of n rows: n^2 / 2 distances from cache.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "hnsw.h"

#define LEAF_BLOCK 16u

/* Put key into a sorted list of keep, dropping its last. Returns the score that the next one has to beat. */
static float leaf_insert(uint64_t *list, size_t keep, uint64_t key)
{
    size_t i = keep - 1;
    for (; i > 0 && list[i - 1] > key; i--)
        list[i] = list[i - 1];
    list[i] = key;
    return list[keep - 1] == HNSW_NONE ? INFINITY : vssi_hnsw_key_score(list[keep - 1]);
}

/* Is any of LEAF_BLOCK scores below its own row's bound or below the common one. */
static inline bool leaf_any(const float *scores, const float *worst, float common)
{
    unsigned any = 0;
    for (size_t i = 0; i < LEAF_BLOCK; i++)
        any |= (unsigned)(scores[i] < worst[i]) | (unsigned)(scores[i] < common);
    return any != 0;
}

typedef struct leaf_work {
    const uint32_t *instances;
    uint64_t *lists;
    float *worst;
    size_t keep;
} leaf_work;

/* Offer the score of the pair (i, j) to both. */
static inline void leaf_offer(const leaf_work *leaf, size_t i, size_t j, float score)
{
    size_t keep = leaf->keep;
    if (score < leaf->worst[i])
        leaf->worst[i] = leaf_insert(leaf->lists + i * keep, keep,
                                     vssi_hnsw_key(score, leaf->instances[j] / HNSW_FANOUT));
    if (score < leaf->worst[j])
        leaf->worst[j] = leaf_insert(leaf->lists + j * keep, keep,
                                     vssi_hnsw_key(score, leaf->instances[i] / HNSW_FANOUT));
}

/* scores[n] of row i with the rows from begin on. */
static void leaf_row(const leaf_work *leaf, size_t i, size_t begin, const float *scores, size_t n)
{
    for (size_t at = 0; at < n; at += LEAF_BLOCK) {
        size_t end = vssi_min(at + LEAF_BLOCK, n);
        if (end - at == LEAF_BLOCK && !leaf_any(scores + at, leaf->worst + begin + at, leaf->worst[i]))
            continue;
        for (size_t j = at; j < end; j++)
            leaf_offer(leaf, i, begin + j, scores[j]);
    }
}

void vssi_hnsw_leaf(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const uint32_t *instances, size_t n)
{
    leaf_work leaf = {instances, worker->lists, worker->worst, b->keep};
    for (size_t i = 0; i < n; i++) {
        vssi_hnsw_pack(b, instances[i] / HNSW_FANOUT, worker->packed + i * b->pdim);
        worker->worst[i] = INFINITY;
    }
    for (size_t i = 0; i < n * b->keep; i++)
        worker->lists[i] = HNSW_NONE;
    for (size_t i = 0; i + 1 < n; i++) {
        const float *query = worker->packed + i * b->pdim;
        b->l2(query, query + b->pdim, b->pdim, n - i - 1, worker->scores);
        leaf_row(&leaf, i, i + 1, worker->scores, n - i - 1);
    }
    size_t width = b->kept + HNSW_FANOUT * b->keep;
    for (size_t i = 0; i < n; i++) {
        size_t row = instances[i] / HNSW_FANOUT, slot = instances[i] % HNSW_FANOUT;
        memcpy(b->candidates + row * width + b->kept + slot * b->keep, worker->lists + i * b->keep,
               b->keep * sizeof(uint64_t));
    }
}

/* Merge two sorted lists that end with HNSW_NONE or their length, each key once, into out[limit], filled up with
 * HNSW_NONE. */
static void leaf_merge(const uint64_t *a, size_t n_a, const uint64_t *c, size_t n_c, uint64_t *out, size_t limit)
{
    size_t i = 0, j = 0, n = 0;
    while (n < limit) {
        uint64_t x = i < n_a ? a[i] : HNSW_NONE, y = j < n_c ? c[j] : HNSW_NONE;
        uint64_t least = x < y ? x : y;
        if (least == HNSW_NONE)
            break;
        i += x == least;
        j += y == least;
        out[n++] = least;
    }
    while (n < limit)
        out[n++] = HNSW_NONE;
}

void vssi_hnsw_leaf_merge(vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t row)
{
    size_t found = HNSW_FANOUT * b->keep, have = 0;
    uint64_t *all = b->candidates + row * (b->kept + found), *fresh = all + b->kept;
    uint64_t *from = worker->lists, *to = worker->lists + found;
    for (size_t slot = 0; slot < HNSW_FANOUT; slot++) {
        leaf_merge(from, have, fresh + slot * b->keep, b->keep, to, have + b->keep);
        have += b->keep;
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    uint64_t *merged = worker->lists + 2 * found;
    leaf_merge(all, b->kept, from, have, merged, b->kept);
    memcpy(all, merged, b->kept * sizeof(uint64_t));
    for (size_t i = 0; i < found; i++)
        fresh[i] = HNSW_NONE;
}
