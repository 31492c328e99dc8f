/*
 * hnsw_link.c - every link gets its reverse
 *
 * The links to each row are gathered by a counting sort; then each row takes them up, and where they are more than
 * it has room for, some above the degree, it is pruned again among its own and the new ones. A row reads and writes
 * its own part only. 4 bytes a link and a row meanwhile.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

typedef struct link_work {
    size_t *begin;    /* [n_nodes + 1] */
    uint32_t *from;   /* [links] rows that link to row r: from[begin[r]] to from[begin[r + 1]] */
    uint32_t *full;   /* [n_nodes] n_full rows without room, in any order */
    _Atomic size_t n_full;
} link_work;

static bool link_has(const uint32_t *links, uint32_t row)
{
    for (size_t i = 1; i <= links[0]; i++) {
        if (links[i] == row)
            return true;
    }
    return false;
}

/* A row's links and those to it, each once. Returns how many. */
static size_t link_gather(const vssi_hnsw_build *b, const link_work *work, size_t place, uint32_t *ids)
{
    const uint32_t *links = vssi_hnsw_links(b, place);
    size_t n = links[0];
    memcpy(ids, links + 1, n * sizeof *links);
    for (size_t i = work->begin[place]; i < work->begin[place + 1]; i++) {
        if (!link_has(links, work->from[i]))
            ids[n++] = work->from[i];
    }
    return n;
}

/* Rows that have room. */
static void link_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    link_work *work = arg;
    size_t end = vssi_min((unit + 1) * HNSW_PRUNE_UNIT, b->n_nodes);
    for (size_t place = unit * HNSW_PRUNE_UNIT; place < end; place++) {
        uint32_t *links = vssi_hnsw_links(b, place);
        size_t n = link_gather(b, work, place, worker->ids);
        if (n > b->room) {
            work->full[atomic_fetch_add(&work->n_full, 1)] = (uint32_t)place;
            continue;
        }
        memcpy(links + 1, worker->ids, n * sizeof *links);
        links[0] = (uint32_t)n;
    }
}

/* The others. */
static void link_row(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const void *arg, size_t place)
{
    uint32_t *links = vssi_hnsw_links(b, place);
    size_t n = link_gather(b, arg, place, worker->ids);
    links[0] = (uint32_t)vssi_hnsw_prune(b, worker, (uint32_t)place, n, links + 1);
}

static size_t link_size(const vssi_hnsw_build *b, const void *arg, size_t place)
{
    const link_work *work = arg;
    return vssi_hnsw_links(b, place)[0] + (work->begin[place + 1] - work->begin[place]);
}

static void link_copy(const vssi_hnsw_build *b, const void *arg, size_t place, uint32_t *candidates)
{
    const link_work *work = arg;
    const uint32_t *links = vssi_hnsw_links(b, place);
    memcpy(candidates, links + 1, links[0] * sizeof *links);
    memcpy(candidates + links[0], work->from + work->begin[place],
           (work->begin[place + 1] - work->begin[place]) * sizeof *links);
}

/* Count, then place. Returns the largest number of links to one row. */
static size_t link_count(const vssi_hnsw_build *b, size_t *begin)
{
    size_t most = 0;
    for (size_t i = 0; i < b->n_nodes; i++) {
        const uint32_t *links = vssi_hnsw_links(b, i);
        for (size_t j = 1; j <= links[0]; j++)
            begin[links[j] + 1]++;
    }
    for (size_t row = 0; row < b->n_nodes; row++) {
        most = vssi_max(most, begin[row + 1]);
        begin[row + 1] += begin[row];
    }
    return most;
}

static void link_place(const vssi_hnsw_build *b, link_work *work)
{
    for (size_t i = 0; i < b->n_nodes; i++) {
        const uint32_t *links = vssi_hnsw_links(b, i);
        for (size_t j = 1; j <= links[0]; j++)
            work->from[work->begin[links[j]]++] = (uint32_t)i;
    }
    memmove(work->begin + 1, work->begin, b->n_nodes * sizeof *work->begin);
    work->begin[0] = 0;
}

vss_status vssi_hnsw_link(vssi_hnsw_build *b, vss_error *err)
{
    link_work work = {0};
    vssi_hnsw_pruning pruning = {.usual = 2 * b->room, .size = link_size, .copy = link_copy, .row = link_row,
                                 .arg = &work};
    vss_status status;
    VSSI_TRY_GOTO(vssi_alloc_zero(b->heap, b->n_nodes + 1, sizeof *work.begin, &work.begin, err), done);
    size_t most = link_count(b, work.begin), units = vssi_hnsw_divide(b->n_nodes, HNSW_PRUNE_UNIT);
    VSSI_TRY_GOTO(vssi_alloc(b->heap, work.begin[b->n_nodes], sizeof *work.from, &work.from, err), done);
    VSSI_TRY_GOTO(vssi_alloc(b->heap, b->n_nodes, sizeof *work.full, &work.full, err), done);
    VSSI_TRY_GOTO(vssi_hnsw_workers_fit(b, most + b->room, err), done);
    link_place(b, &work);
    VSSI_TRY_GOTO(vssi_hnsw_run(b, units, 0, link_unit, &work, err), done);
    vssi_hnsw_prune_links(b, &pruning);
    pruning.rows = work.full;
    pruning.n = work.n_full;
    status = vssi_hnsw_prune_rows(b, &pruning, err);
done:
    vssi_free(b->heap, work.begin);
    vssi_free(b->heap, work.from);
    vssi_free(b->heap, work.full);
    return status;
}
