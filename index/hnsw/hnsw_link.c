/*
 * hnsw_link.c - every link gets its reverse
 *
 * The links to each row are gathered by a counting sort; then each row takes them up, and where they are more than
 * it has room for it is pruned again among its own and the new ones. A row reads and writes its own part only. 4
 * bytes a link meanwhile.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

#define LINK_UNIT 256u  /* rows */
#define LINK_CHUNK 32u  /* vectors packed at once */

typedef struct link_work {
    size_t *begin;    /* [rows + 1] */
    uint32_t *from;   /* [links] rows that link to row r: from[begin[r]] to from[begin[r + 1]] */
} link_work;

static bool link_has(const uint32_t *links, uint32_t row)
{
    for (size_t i = 1; i <= links[0]; i++) {
        if (links[i] == row)
            return true;
    }
    return false;
}

/* keys[n] with their rows in the lower half: fill in the distances from the row. */
static void link_score(vssi_hnsw_build *b, vssi_hnsw_worker *worker, size_t row, uint64_t *keys, size_t n)
{
    vssi_hnsw_pack(b, row, worker->query);
    for (size_t begin = 0; begin < n; begin += LINK_CHUNK) {
        size_t count = vssi_min(LINK_CHUNK, n - begin);
        for (size_t i = 0; i < count; i++)
            vssi_hnsw_pack(b, (uint32_t)keys[begin + i], worker->packed + i * b->pdim);
        b->l2(worker->query, worker->packed, b->pdim, count, worker->scores);
        for (size_t i = 0; i < count; i++)
            keys[begin + i] = vssi_hnsw_key(worker->scores[i], (uint32_t)keys[begin + i]);
    }
}

static void link_row(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const link_work *work, uint32_t row)
{
    uint32_t *links = vssi_hnsw_links(b, row);
    uint64_t *keys = worker->lists;
    size_t n = links[0];
    for (size_t i = 0; i < n; i++)
        keys[i] = links[1 + i];
    for (size_t i = work->begin[row]; i < work->begin[row + 1]; i++) {
        if (!link_has(links, work->from[i]))
            keys[n++] = work->from[i];
    }
    if (n <= b->degree) {
        for (size_t i = links[0]; i < n; i++)
            links[1 + i] = (uint32_t)keys[i];
        links[0] = (uint32_t)n;
        return;
    }
    link_score(b, worker, row, keys, n);
    vssi_hnsw_sort(keys, n);
    size_t most = vssi_min(b->packed_rows, vssi_max(b->kept, 2 * b->degree));
    links[0] = (uint32_t)vssi_hnsw_prune(b, worker, keys, vssi_min(n, most), links + 1);
}

static void link_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    size_t end = vssi_min((unit + 1) * LINK_UNIT, b->n_nodes);
    for (size_t i = unit * LINK_UNIT; i < end; i++)
        link_row(b, worker, arg, b->nodes[i]);
}

/* Count, then place. Returns the largest number of links to one row. */
static size_t link_count(const vssi_hnsw_build *b, size_t *begin)
{
    size_t most = 0;
    for (size_t i = 0; i < b->n_nodes; i++) {
        const uint32_t *links = vssi_hnsw_links(b, b->nodes[i]);
        for (size_t j = 1; j <= links[0]; j++)
            begin[links[j] + 1]++;
    }
    for (size_t row = 0; row < b->rows; row++) {
        most = vssi_max(most, begin[row + 1]);
        begin[row + 1] += begin[row];
    }
    return most;
}

static void link_place(const vssi_hnsw_build *b, link_work *work)
{
    for (size_t i = 0; i < b->n_nodes; i++) {
        const uint32_t *links = vssi_hnsw_links(b, b->nodes[i]);
        for (size_t j = 1; j <= links[0]; j++)
            work->from[work->begin[links[j]]++] = b->nodes[i];
    }
    memmove(work->begin + 1, work->begin, b->rows * sizeof *work->begin);
    work->begin[0] = 0;
}

vss_status vssi_hnsw_link(vssi_hnsw_build *b, vss_error *err)
{
    link_work work = {0};
    vss_status status;
    VSSI_TRY_GOTO(vssi_alloc_zero(b->heap, b->rows + 1, sizeof *work.begin, &work.begin, err), done);
    size_t most = link_count(b, work.begin);
    VSSI_TRY_GOTO(vssi_alloc(b->heap, work.begin[b->rows], sizeof *work.from, &work.from, err), done);
    VSSI_TRY_GOTO(vssi_hnsw_workers_fit(b, most + b->degree, err), done);
    link_place(b, &work);
    size_t units = b->n_nodes / LINK_UNIT + (b->n_nodes % LINK_UNIT != 0);
    status = vssi_hnsw_run(b, units, LINK_UNIT, link_unit, &work, err);
done:
    vssi_free(b->heap, work.begin);
    vssi_free(b->heap, work.from);
    return status;
}
