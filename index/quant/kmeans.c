/*
 * kmeans.c - the rounds, and their memory
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "kmeans_private.h"

#define KMEANS_DENSE 128u  /* rows a center from which looking for its neighbours pays */
#define KMEANS_STILL 0.0005 /* a round that lowers the inertia by less is the last */

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
    vssi_kmeans_device_end(run);
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

/* Points to centers and centers to points, by the device where there is one. many: neighbours are looked for. */
static vss_status kmeans_round(kmeans_run *run, bool many, double *inertia, vss_error *err)
{
    bool done = false;
    if (vssi_kmeans_on_device(run))
        VSSI_TRY(vssi_kmeans_device_round(run, inertia, &done, err));
    if (done)
        return VSS_OK;
    VSSI_TRY(many && run->sorted ? vssi_kmeans_next(run, err) : vssi_kmeans_all(run, err));
    *inertia = kmeans_sum(run);
    vssi_kmeans_sort(run);
    run->sorted = true;
    return vssi_kmeans_update(run, err);
}

static vss_status kmeans_rounds(kmeans_run *run, double *inertia, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    bool many = job->clusters > 2 * KMEANS_NEXT && job->rows / job->clusters >= KMEANS_DENSE;
    run->total = (job->rounds + 2) * job->rows;
    VSSI_TRY(vssi_kmeans_seed(run, err));
    for (size_t round = 0; round < job->rounds; round++) {
        double before = *inertia;
        VSSI_TRY(kmeans_round(run, many, inertia, err));
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
