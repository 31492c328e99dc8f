/*
 * hnsw_work.c - workers of a build: each has its memory, takes units from a common counter, and stops when told
 *
 * What a unit writes depends on the unit alone, never on the worker, so the bytes built don't depend on the number
 * of threads.
 */
#include <math.h>
#include <string.h>

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

static vss_status work_make(const vssi_hnsw_build *b, vssi_hnsw_worker *w, vss_error *err)
{
    size_t floats;
    if (!vssi_mul(b->packed_rows, b->pdim, &floats))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(b->heap, floats, sizeof(float), &w->packed, err));
    VSSI_TRY(vssi_alloc(b->heap, b->pdim, sizeof(float), &w->query, err));
    VSSI_TRY(vssi_alloc(b->heap, b->packed_rows, sizeof(float), &w->scores, err));
    VSSI_TRY(vssi_alloc(b->heap, b->packed_rows, sizeof(float), &w->worst, err));
    w->lists_size = b->packed_rows * b->keep + 2 * (b->kept + HNSW_FANOUT * b->keep);
    return vssi_alloc(b->heap, w->lists_size, sizeof(uint64_t), &w->lists, err);
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
        if (b->workers[i].lists_size >= lists_size)
            continue;
        VSSI_TRY(vssi_realloc(b->heap, lists_size, sizeof(uint64_t), &b->workers[i].lists, err));
        b->workers[i].lists_size = lists_size;
    }
    return VSS_OK;
}

void vssi_hnsw_workers_free(vssi_hnsw_build *b)
{
    for (size_t i = 0; b->workers && i < b->n_workers; i++) {
        vssi_hnsw_worker *w = &b->workers[i];
        vssi_free(b->heap, w->packed);
        vssi_free(b->heap, w->query);
        vssi_free(b->heap, w->scores);
        vssi_free(b->heap, w->worst);
        vssi_free(b->heap, w->lists);
    }
    vssi_free(b->heap, b->workers);
    b->workers = NULL;
}

/* Sets compared by Jaccard lie about as near as their 0-1 vectors divided by their lengths. */
static void work_pack_set(const vssi_vectors *v, float *out)
{
    float sum = 0;
    for (size_t i = 0; i < v->dim; i++)
        sum += out[i];
    float scale = sum > 0 ? 1 / sqrtf(sum) : 0;
    for (size_t i = 0; i < v->dim; i++)
        out[i] *= scale;
}

void vssi_hnsw_pack(const vssi_hnsw_build *b, size_t row, float *out)
{
    const vssi_vectors *v = b->vectors;
    const void *vector = vssi_vectors_row(v, row);
    vssi_simd_widen(v->kind, vector, v->dim, out);
    if (v->metric == VSS_METRIC_COSINE) {
        float scale = v->inverse_norms[row];
        for (size_t i = 0; i < v->dim; i++)
            out[i] *= scale;
    } else if (v->metric == VSS_METRIC_IP) {
        double rest = v->max_norm * v->max_norm - vssi_exact(v->kind, VSSI_SIMD_IP, vector, vector, v->dim);
        out[v->dim] = rest > 0 ? (float)sqrt(rest) : 0.0f;
    } else if (v->metric == VSS_METRIC_JACCARD) {
        work_pack_set(v, out);
    }
}
