/*
 * hnsw_repair.c - a way from the centres of the entries to every row
 *
 * A breadth-first walk from the centres; a row that it doesn't reach gets a link from one of its own links that is
 * reached and has a free place, else from the first reached row that has one. There always is one: linking leaves
 * a place free in every row, and each repair uses one place and reaches at least one more row. Cost: one look at
 * every link; 5 bytes a row meanwhile.
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

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

vss_status vssi_hnsw_repair(vssi_hnsw_build *b, vss_error *err)
{
    repair_walk walk = {.build = b};
    vss_status status;
    VSSI_TRY_GOTO(vssi_alloc_zero(b->heap, b->rows, 1, &walk.reached, err), done);
    VSSI_TRY_GOTO(vssi_alloc(b->heap, b->rows, sizeof *walk.queue, &walk.queue, err), done);
    for (size_t i = 0; i < b->n_groups; i++)
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
