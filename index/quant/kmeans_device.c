/*
 * kmeans_device.c - the nearest centers, and whole rounds, by a device (vss/device.h)
 *
 * A device compares every point with every center in every round and tells the sums of each cluster in whole numbers:
 * the same on every device. What it answers is looked at before it is used as a number of a row or a center. Where it
 * fails, and is not required, the CPU does the step and all that follow. Cost: the points are copied to it once, and a
 * round's centers and sums go to and fro.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../device/device.h"
#include "kmeans_private.h"

#define DEVICE_WORK ((uint64_t)1 << 24) /* products from which the way to a device pays */

bool vssi_kmeans_on_device(const kmeans_run *run)
{
    const vssi_kmeans *job = run->job;
    return vssi_device_useful(job->device) && job->device->device->nearest != NULL &&
           (uint64_t)job->rows * job->size >= DEVICE_WORK / job->clusters;
}

/* Are the numbers of centers and rows that came back such numbers. */
static vss_status device_check(const kmeans_run *run, const vss_device_nearest *asked, vss_error *err)
{
    const char *name = run->job->device->device->name;
    size_t rows = run->job->rows, members = 0;
    for (size_t i = 0; asked->where != NULL && i < rows; i++)
        if (asked->where[i] >= asked->n_centers)
            return vssi_fail(err, VSS_ERR_DEVICE, "device \"%s\": point %zu is nearest to center %u of %u", name, i,
                             asked->where[i], asked->n_centers);
    for (size_t c = 0; asked->counts != NULL && c < asked->n_centers; c++) {
        members += asked->counts[c];
        if (asked->counts[c] > 0 && asked->farthest[c] >= rows)
            return vssi_fail(err, VSS_ERR_DEVICE, "device \"%s\": the farthest point of center %zu is %u of %zu", name,
                             c, asked->farthest[c], rows);
    }
    if (asked->counts != NULL && members != rows)
        return vssi_fail(err, VSS_ERR_DEVICE, "device \"%s\": %zu points are nearest to some center, of %zu", name,
                         members, rows);
    return VSS_OK;
}

/* Ask the device; *done false: the CPU is to do it. */
static vss_status device_ask(kmeans_run *run, const uint8_t *centers, size_t n, vss_device_nearest *asked, bool *done,
                             vss_error *err)
{
    const vssi_kmeans *job = run->job;
    const vss_device *device = job->device->device;
    vss_error why = {.status = VSS_OK};
    const vss_device_points points = {.struct_size = sizeof points, .size = (uint32_t)job->size, .rows = job->rows,
                                      .codes = job->codes};
    asked->struct_size = sizeof *asked;
    asked->n_centers = (uint32_t)n;
    asked->centers = centers;
    asked->state = job->control;
    asked->stopped = vssi_device_stopped;
    vss_status status = device->nearest(device->state, &run->place, &points, asked, &why);
    if (status == VSS_OK)
        status = device_check(run, asked, &why);
    *done = true;
    if (vssi_device_stopped(job->control)) /* told by the step's end */
        return VSS_OK;
    *done = vssi_device_settles(job->device, &status, &why, err);
    return status;
}

/* Whole numbers [n] become float32 in place. */
static void device_floats(float *far, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t whole;
        memcpy(&whole, &far[i], sizeof whole);
        far[i] = (float)whole;
    }
}

vss_status vssi_kmeans_device_all(kmeans_run *run, bool *done, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    vss_device_nearest asked = {.where = run->where, .far = (uint32_t *)(void *)run->far};
    VSSI_TRY(device_ask(run, run->centers, job->clusters, &asked, done, err));
    if (*done && run->far != NULL)
        device_floats(run->far, job->rows);
    return *done ? vssi_kmeans_stepped(run, job->rows, err) : VSS_OK;
}

vss_status vssi_kmeans_device_seeds(kmeans_run *run, const uint8_t *centers, size_t n, bool *done, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    vss_device_nearest asked = {.far = run->order}; /* free until there are clusters */
    VSSI_TRY(device_ask(run, centers, n, &asked, done, err));
    for (size_t i = 0; *done && i < job->rows; i++)
        run->far[i] = fminf(run->far[i], (float)run->order[i]);
    return *done ? vssi_kmeans_stepped(run, job->rows * n / job->clusters, err) : VSS_OK;
}

vss_status vssi_kmeans_device_round(kmeans_run *run, double *inertia, bool *done, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    size_t n = job->clusters;
    if (run->device.counts == NULL)
        VSSI_TRY(vssi_alloc(job->heap, n, sizeof *run->device.counts, &run->device.counts, err));
    if (run->device.farthest == NULL)
        VSSI_TRY(vssi_alloc(job->heap, n, sizeof *run->device.farthest, &run->device.farthest, err));
    if (run->device.inertias == NULL)
        VSSI_TRY(vssi_alloc(job->heap, n, sizeof *run->device.inertias, &run->device.inertias, err));
    if (run->device.sums == NULL)
        VSSI_TRY(vssi_alloc(job->heap, n * job->size, sizeof *run->device.sums, &run->device.sums, err));
    vss_device_nearest asked = run->device;
    VSSI_TRY(device_ask(run, run->centers, n, &asked, done, err));
    if (!*done)
        return VSS_OK;
    VSSI_TRY(vssi_kmeans_stepped(run, job->rows, err));
    *inertia = 0;
    for (size_t c = 0; c < n; c++) {
        run->inertias[c] = (double)run->device.inertias[c];
        *inertia += run->inertias[c];
        if (run->device.counts[c] > 0)
            vssi_kmeans_center(job, run->device.sums + c * job->size, run->device.counts[c],
                               run->centers + c * job->size);
    }
    return vssi_kmeans_repair(run, true, err);
}

void vssi_kmeans_device_end(kmeans_run *run)
{
    vssi_heap *heap = run->job->heap;
    if (run->place != NULL)
        run->job->device->device->forget(run->job->device->device->state, run->place);
    vssi_free(heap, run->device.counts);
    vssi_free(heap, run->device.farthest);
    vssi_free(heap, run->device.inertias);
    vssi_free(heap, run->device.sums);
}
