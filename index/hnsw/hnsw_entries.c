/*
 * hnsw_entries.c - where walks begin: entries in groups around centres
 *
 * Entries are nodes, one at random from each of as many equal stretches of the places, where near ones lie side by
 * side. The centres are drawn from them as k-means++ seeds its own (Arthur and Vassilvitskii, SODA 2007), so that small
 * clusters far from the rest get theirs; every other entry joins the nearest centre. There are about as many groups as
 * entries in a group: a search scores the centres and one group (hnsw_search.c). In b->entries come the centres, then
 * the others group by group; b->groups says where each group begins among those.
 *
 * Cost: groups * entries distances, on one thread; a worker's memory.
 */
#include <float.h>
#include <math.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/hash.h"
#include "hnsw.h"

#define ENTRIES_MOST 1024u
#define ENTRIES_ROWS 16u /* an entry, at least */
#define ENTRIES_SEED 0x656e747279726f77u

/* A sample of the nodes: places[n] in the worker's ids, their vectors packed. */
static void entries_sample(const vssi_hnsw_build *b, vssi_hnsw_worker *w, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) {
        size_t low = b->n_nodes * i / n, high = b->n_nodes * (i + 1) / n;
        w->ids[i] = (uint32_t)(low + (size_t)(vssi_random_next(state) % (high - low)));
        vssi_hnsw_pack(b, w->ids[i], w->packed + i * b->vector_size);
    }
}

/* The member of a sample that a random number picks, each with its distance to those picked before as weight; n: all
 * are at those. */
static size_t entries_draw(const float *distance, size_t n, uint64_t *state)
{
    double sum = 0, target = (double)(vssi_random_next(state) >> 11) * 0x1p-53;
    for (size_t i = 0; i < n; i++)
        sum += (double)distance[i];
    target *= sum;
    size_t last = n;
    for (size_t i = 0; i < n; i++) {
        target -= (double)distance[i];
        if (distance[i] > 0)
            last = i;
        if (target < 0 && last == i)
            break;
    }
    return last;
}

/* Draw at most `most` centres: their numbers in the sample into b->entries, each one's group into owner[n]. */
static void entries_centres(vssi_hnsw_build *b, vssi_hnsw_worker *w, size_t n, size_t most, uint64_t *state)
{
    uint32_t *owner = w->alive;
    for (size_t i = 0; i < n; i++) {
        w->worst[i] = FLT_MAX;
        owner[i] = 0; /* of what is at no finite distance from any */
    }
    for (size_t next = 0; b->n_groups < most && next < n; next = entries_draw(w->worst, n, state)) {
        b->l2_rows(w->packed + next * b->vector_size, w->packed, b->vector_dim, n, w->scores);
        for (size_t i = 0; i < n; i++) {
            if (w->scores[i] < w->worst[i] || i == next) {
                w->worst[i] = i == next ? 0 : w->scores[i];
                owner[i] = (uint32_t)b->n_groups;
            }
        }
        b->entries[b->n_groups++] = (uint32_t)next;
    }
}

/* The sample's places into b->entries: centres, whose numbers are there, then the others by group. */
static void entries_fill(vssi_hnsw_build *b, vssi_hnsw_worker *w, size_t n)
{
    uint32_t *places = w->ids, *owner = w->alive, *groups = b->groups, *members = b->entries + b->n_groups;
    for (size_t g = 0; g < b->n_groups; g++) {
        uint32_t number = b->entries[g];
        b->entries[g] = places[number];
        places[number] = HNSW_FREE;
        groups[g + 1] = 0;
    }
    groups[0] = 0;
    for (size_t i = 0; i < n; i++)
        groups[owner[i] + 1] += places[i] != HNSW_FREE;
    for (size_t g = 0; g < b->n_groups; g++)
        groups[g + 1] += groups[g];
    for (size_t i = n; i-- > 0;) {
        if (places[i] != HNSW_FREE)
            members[--groups[owner[i] + 1]] = places[i];
    }
    for (size_t g = 0; g < b->n_groups; g++) /* each end has become a beginning */
        groups[g] = groups[g + 1];
    groups[b->n_groups] = (uint32_t)(n - b->n_groups);
}

vss_status vssi_hnsw_entries(vssi_hnsw_build *b, vss_error *err)
{
    uint64_t state = ENTRIES_SEED;
    size_t n = vssi_min(vssi_min(ENTRIES_MOST, b->packed_rows), vssi_max(1, b->n_nodes / ENTRIES_ROWS));
    size_t most = vssi_max(1, (size_t)sqrt((double)n));
    VSSI_TRY(vssi_alloc(b->heap, n, sizeof *b->entries, &b->entries, err));
    VSSI_TRY(vssi_alloc(b->heap, most + 1, sizeof *b->groups, &b->groups, err));
    entries_sample(b, &b->workers[0], n, &state);
    entries_centres(b, &b->workers[0], n, most, &state);
    entries_fill(b, &b->workers[0], n);
    b->n_entries = n;
    return VSS_OK;
}
