/*
 * hnsw_repair.c - entries of the graph, and a way from them to every row
 *
 * A breadth-first walk from the entries; a row that it doesn't reach gets a link from one of its own links that is
 * reached and has a free place, else from the first reached row that has one. There always is one: linking leaves
 * a place free in every row, and each repair uses one place and reaches at least one more row. Cost: one look at
 * every link; 5 bytes a row meanwhile.
 */
#include <float.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../lib/base/hash.h"
#include "hnsw.h"

#define REPAIR_ENTRIES 256u
#define REPAIR_ROWS_AN_ENTRY 16u
#define REPAIR_SEED 0x656e747279726f77u

typedef struct repair_walk {
    vssi_hnsw_build *build;
    uint8_t *reached; /* [rows] */
    uint32_t *queue;  /* [rows], reached rows in order */
    size_t head, tail;
    size_t free_at;   /* rows of the queue before it have no free place */
} repair_walk;

static void repair_reach(repair_walk *walk, uint32_t row)
{
    if (walk->reached[row])
        return;
    walk->reached[row] = 1;
    walk->queue[walk->tail++] = row;
}

static void repair_spread(repair_walk *walk)
{
    for (; walk->head < walk->tail; walk->head++) {
        const uint32_t *links = vssi_hnsw_links(walk->build, walk->queue[walk->head]);
        for (size_t i = 1; i <= links[0]; i++)
            repair_reach(walk, links[i]);
    }
}

static bool repair_full(const repair_walk *walk, uint32_t row)
{
    return vssi_hnsw_links(walk->build, row)[0] + 1 >= walk->build->stride;
}

static uint32_t repair_helper(repair_walk *walk, uint32_t row)
{
    const uint32_t *links = vssi_hnsw_links(walk->build, row);
    for (size_t i = 1; i <= links[0]; i++) {
        if (walk->reached[links[i]] && !repair_full(walk, links[i]))
            return links[i];
    }
    while (repair_full(walk, walk->queue[walk->free_at]))
        walk->free_at++;
    return walk->queue[walk->free_at];
}

static void repair_attach(repair_walk *walk, uint32_t row)
{
    uint32_t *links = vssi_hnsw_links(walk->build, repair_helper(walk, row));
    links[1 + links[0]++] = row;
    repair_reach(walk, row);
    repair_spread(walk);
}

/* Pack nodes at random, one from each of as many equal stretches. */
static void repair_sample(vssi_hnsw_build *b, uint32_t *rows, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) {
        size_t low = b->n_nodes * i / n, high = b->n_nodes * (i + 1) / n;
        rows[i] = (uint32_t)(low + (size_t)(vssi_random_next(state) % (high - low)));
        vssi_hnsw_pack(b, rows[i], b->workers[0].packed + i * b->vector_size);
    }
}

/* The member of a sample that a random number picks, each with its distance to those picked before as weight. */
static size_t repair_draw(const float *distance, size_t n, uint64_t *state)
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

/* Spread over the data, so that small clusters far from the rest get theirs: a draw as k-means++ seeds its centres,
 * from a sample of the nodes. */
static vss_status repair_entries(vssi_hnsw_build *b, vss_error *err)
{
    vssi_hnsw_worker *w = &b->workers[0];
    uint64_t state = REPAIR_SEED;
    size_t sample = vssi_min(b->packed_rows, b->n_nodes);
    size_t most = vssi_min(sample, vssi_max(1, vssi_min(REPAIR_ENTRIES, b->n_nodes / REPAIR_ROWS_AN_ENTRY)));
    VSSI_TRY(vssi_alloc(b->heap, most, sizeof *b->entries, &b->entries, err));
    uint32_t *rows = w->ids;
    repair_sample(b, rows, sample, &state);
    for (size_t i = 0; i < sample; i++)
        w->worst[i] = FLT_MAX;
    for (size_t next = 0; b->n_entries < most && next < sample; next = repair_draw(w->worst, sample, &state)) {
        b->entries[b->n_entries++] = rows[next];
        b->l2_rows(w->packed + next * b->vector_size, w->packed, b->vector_dim, sample, w->scores);
        for (size_t i = 0; i < sample; i++)
            w->worst[i] = w->scores[i] < w->worst[i] ? w->scores[i] : w->worst[i];
        w->worst[next] = 0;
    }
    return VSS_OK;
}

vss_status vssi_hnsw_repair(vssi_hnsw_build *b, vss_error *err)
{
    repair_walk walk = {.build = b};
    vss_status status;
    VSSI_TRY_GOTO(repair_entries(b, err), done);
    VSSI_TRY_GOTO(vssi_alloc_zero(b->heap, b->rows, 1, &walk.reached, err), done);
    VSSI_TRY_GOTO(vssi_alloc(b->heap, b->rows, sizeof *walk.queue, &walk.queue, err), done);
    for (size_t i = 0; i < b->n_entries; i++)
        repair_reach(&walk, b->entries[i]);
    repair_spread(&walk);
    for (size_t row = 0; row < b->rows; row++) {
        if (!walk.reached[row])
            repair_attach(&walk, (uint32_t)row);
    }
done:
    vssi_free(b->heap, walk.reached);
    vssi_free(b->heap, walk.queue);
    return status;
}
