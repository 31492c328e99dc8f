/*
 * hnsw_work.c - workers of a build: each has its memory, takes units from a common counter, and stops when told
 *
 * What a unit writes depends on the unit alone, never on the worker, so the bytes built don't depend on the number
 * of threads.
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

typedef struct work_share {
    vssi_hnsw_build *build;
    size_t n_units;
    uint64_t weight;
    vssi_hnsw_unit unit;
    void *arg;
    _Atomic size_t next;
} work_share;

static void work_loop(void *arg, size_t worker)
{
    work_share *share = arg;
    vssi_hnsw_build *b = share->build;
    size_t i;
    while ((i = atomic_fetch_add(&share->next, 1)) < share->n_units) {
        if (vssi_control_stopped(b->in->control))
            return;
        share->unit(b, &b->workers[worker], share->arg, i);
        uint64_t done = atomic_fetch_add(&b->done, share->weight) + share->weight;
        if (vssi_control_report(b->in->control, "graph", vssi_min(done, b->total - 1), b->total))
            return;
    }
}

vss_status vssi_hnsw_run(vssi_hnsw_build *b, size_t n_units, uint64_t weight, vssi_hnsw_unit unit, void *arg,
                         vss_error *err)
{
    work_share share = {.build = b, .n_units = n_units, .weight = weight, .unit = unit, .arg = arg};
    vssi_parallel_for(b->in->executor, b->n_workers, vssi_min(b->n_workers, n_units), work_loop, &share);
    int stop = b->in->control ? atomic_load(&b->in->control->stop) : 0;
    if (stop == VSS_ERR_DEADLINE)
        return vssi_fail(err, VSS_ERR_DEADLINE, "index build: the deadline passed");
    if (stop)
        return vssi_fail(err, VSS_ERR_CANCELLED, "index build: cancelled by the caller");
    return VSS_OK;
}

/* Room for rows with lists_size candidates. */
static vss_status work_fit(const vssi_hnsw_build *b, vssi_hnsw_worker *w, size_t lists_size, vss_error *err)
{
    size_t seen = 16;
    while (seen < 2 * lists_size)
        seen *= 2;
    VSSI_TRY(vssi_realloc(b->heap, lists_size, sizeof *w->lists, &w->lists, err));
    VSSI_TRY(vssi_realloc(b->heap, lists_size, sizeof *w->ids, &w->ids, err));
    VSSI_TRY(vssi_realloc(b->heap, seen, sizeof *w->seen, &w->seen, err));
    w->lists_size = lists_size;
    return VSS_OK;
}

static vss_status work_make(const vssi_hnsw_build *b, vssi_hnsw_worker *w, vss_error *err)
{
    size_t n = b->packed_rows;
    VSSI_TRY(vssi_alloc(b->heap, n, b->vector_size, &w->packed, err));
    VSSI_TRY(vssi_alloc(b->heap, 1, b->vector_size, &w->query, err));
    VSSI_TRY(vssi_alloc(b->heap, n, sizeof *w->bases, &w->bases, err));
    VSSI_TRY(vssi_alloc(b->heap, b->vector_size * VSSI_PAIRS_QUERIES, 1, &w->queries, err));
    VSSI_TRY(vssi_alloc(b->heap, VSSI_PAIRS_QUERIES * b->keys_stride, sizeof *w->keys, &w->keys, err));
    VSSI_TRY(vssi_alloc(b->heap, n, sizeof *w->scores, &w->scores, err));
    VSSI_TRY(vssi_alloc(b->heap, n, sizeof *w->worst, &w->worst, err));
    VSSI_TRY(vssi_alloc(b->heap, n, sizeof *w->alive, &w->alive, err));
    return work_fit(b, w, n, err);
}

vss_status vssi_hnsw_workers_make(vssi_hnsw_build *b, vss_error *err)
{
    VSSI_TRY(vssi_alloc_zero(b->heap, b->n_workers, sizeof *b->workers, &b->workers, err));
    for (size_t i = 0; i < b->n_workers; i++)
        VSSI_TRY(work_make(b, &b->workers[i], err));
    return VSS_OK;
}

vss_status vssi_hnsw_workers_fit(vssi_hnsw_build *b, size_t lists_size, vss_error *err)
{
    for (size_t i = 0; i < b->n_workers; i++) {
        if (b->workers[i].lists_size < lists_size)
            VSSI_TRY(work_fit(b, &b->workers[i], lists_size, err));
    }
    return VSS_OK;
}

void vssi_hnsw_workers_free(vssi_hnsw_build *b)
{
    for (size_t i = 0; b->workers && i < b->n_workers; i++) {
        vssi_hnsw_worker *w = &b->workers[i];
        void *const parts[] = {w->packed, w->query, w->bases, w->queries, w->keys, w->scores,
                               w->worst,  w->alive, w->lists, w->ids,     w->seen};
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
            vssi_free(b->heap, parts[j]);
    }
    vssi_free(b->heap, b->workers);
    b->workers = NULL;
}
