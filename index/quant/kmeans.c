/*
 * kmeans.c - the rounds, their memory, and the sharing of their work
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "kmeans_private.h"

#define KMEANS_DENSE 128u  /* rows a center from which looking for its neighbours pays */
#define KMEANS_STILL 0.0005 /* a round that lowers the inertia by less is the last */

typedef struct kmeans_share {
    kmeans_run *run;
    size_t n_units;
    kmeans_unit unit;
    _Atomic size_t next;
} kmeans_share;

static void share_loop(void *arg, size_t worker)
{
    kmeans_share *share = arg;
    kmeans_run *run = share->run;
    size_t unit;
    while ((unit = atomic_fetch_add(&share->next, 1)) < share->n_units && !vssi_control_stopped(run->job->control))
        share->unit(run, run->scratch + worker * run->scratch_size, unit);
}

vss_status vssi_kmeans_share(kmeans_run *run, size_t n_units, uint64_t weight, kmeans_unit unit, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    kmeans_share share = {.run = run, .n_units = n_units, .unit = unit};
    vssi_parallel_for(job->executor, run->n_workers, vssi_min(run->n_workers, n_units), share_loop, &share);
    run->done += weight;
    vssi_control_report(job->control, "clusters", vssi_min(run->done, run->total), run->total);
    int stop = job->control ? atomic_load(&job->control->stop) : 0;
    if (stop == VSS_ERR_DEADLINE)
        return vssi_fail(err, VSS_ERR_DEADLINE, "k-means: the deadline passed");
    return stop ? vssi_fail(err, VSS_ERR_CANCELLED, "k-means: cancelled by the caller") : VSS_OK;
}

static vss_status kmeans_begin(kmeans_run *run, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    vssi_heap *heap = job->heap;
    size_t room;
    run->n_workers = vssi_max(1, job->threads);
    run->scratch_size = vssi_kmeans_assign_scratch(job);
    if (!vssi_nearest_room(job->clusters, job->size, &room))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(heap, run->n_workers, run->scratch_size, &run->scratch, err));
    return vssi_alloc(heap, room, 1, &run->panels, err);
}

static void kmeans_end(kmeans_run *run)
{
    vssi_heap *heap = run->job->heap;
    vssi_free(heap, run->scratch);
    vssi_free(heap, run->panels);
}

static vss_status kmeans_memory(kmeans_run *run, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    vssi_heap *heap = job->heap;
    VSSI_TRY(kmeans_begin(run, err));
    VSSI_TRY(vssi_alloc(heap, job->rows, sizeof *run->where, &run->where, err));
    VSSI_TRY(vssi_alloc(heap, job->rows, sizeof *run->far, &run->far, err));
    VSSI_TRY(vssi_alloc(heap, job->rows, sizeof *run->order, &run->order, err));
    VSSI_TRY(vssi_alloc(heap, job->clusters + 1, sizeof *run->begins, &run->begins, err));
    return vssi_alloc_zero(heap, job->clusters, sizeof *run->inertias, &run->inertias, err);
}

static double kmeans_sum(const kmeans_run *run)
{
    double sum = 0;
    for (size_t i = 0; i < run->job->rows; i++)
        sum += (double)run->far[i];
    return sum;
}

static vss_status kmeans_rounds(kmeans_run *run, double *inertia, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    bool many = job->clusters > 2 * KMEANS_NEXT && job->rows / job->clusters >= KMEANS_DENSE;
    run->total = (job->rounds + 2) * job->rows;
    VSSI_TRY(vssi_kmeans_seed(run, err));
    for (size_t round = 0; round < job->rounds; round++) {
        double before = *inertia;
        VSSI_TRY(round == 0 || !many ? vssi_kmeans_all(run, err) : vssi_kmeans_next(run, err));
        *inertia = kmeans_sum(run);
        vssi_kmeans_sort(run);
        VSSI_TRY(vssi_kmeans_update(run, err));
        if (round > 1 && before - *inertia < KMEANS_STILL * before)
            break;
    }
    return VSS_OK;
}

vss_status vssi_kmeans_train(const vssi_kmeans *job, uint8_t *centers, double *inertia, vss_error *err)
{
    kmeans_run run = {.job = job, .centers = centers};
    double sum = 0;
    vss_status status = kmeans_memory(&run, err);
    if (status == VSS_OK)
        status = kmeans_rounds(&run, &sum, err);
    if (inertia != NULL)
        *inertia = sum;
    vssi_free(job->heap, run.where);
    vssi_free(job->heap, run.far);
    vssi_free(job->heap, run.order);
    vssi_free(job->heap, run.begins);
    vssi_free(job->heap, run.inertias);
    kmeans_end(&run);
    return status;
}

vss_status vssi_kmeans_assign(const vssi_kmeans *job, const uint8_t *centers, uint32_t *where, float *distances,
                              vss_error *err)
{
    kmeans_run run = {.job = job, .where = where, .far = distances, .total = job->rows};
    vss_status status = kmeans_begin(&run, err);
    if (status == VSS_OK) {
        run.centers = (uint8_t *)(uintptr_t)centers; /* read only */
        status = vssi_kmeans_all(&run, err);
    }
    kmeans_end(&run);
    return status;
}
