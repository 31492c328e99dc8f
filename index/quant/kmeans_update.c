/*
 * kmeans_update.c - centers from their points
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/fail.h"
#include "kmeans_private.h"

#define UPDATE_LEVELS 255.0

/* A counting sort. */
void vssi_kmeans_sort(kmeans_run *run)
{
    const vssi_kmeans *job = run->job;
    memset(run->begins, 0, (job->clusters + 1) * sizeof *run->begins);
    for (size_t i = 0; i < job->rows; i++)
        run->begins[run->where[i] + 1]++;
    for (size_t c = 0; c < job->clusters; c++)
        run->begins[c + 1] += run->begins[c];
    for (size_t i = 0; i < job->rows; i++)
        run->order[run->begins[run->where[i]]++] = (uint32_t)i;
    memmove(run->begins + 1, run->begins, job->clusters * sizeof *run->begins);
    run->begins[0] = 0;
}

/* What the means are multiplied with, so that the center they stand for has unit length; 1 without a metric that wants
 * it, or where the mean is next to nothing. */
static double update_scale(const vssi_kmeans *job, const uint32_t *sums, double n)
{
    double norm = 0;
    for (size_t i = 0; job->low && i < job->width; i++) {
        double value = (double)job->low[i] + (double)job->step * (sums[i] / n);
        norm += value * value;
    }
    return norm > 1e-12 ? 1 / sqrt(norm) : 1;
}

void vssi_kmeans_center(const vssi_kmeans *job, const uint32_t *sums, size_t n, uint8_t *center)
{
    double scale = update_scale(job, sums, (double)n);
    for (size_t i = 0; i < job->size; i++) {
        double code = sums[i] / (double)n;
        if (job->low && i < job->width)
            code = code * scale + (double)job->low[i] * (scale - 1) / (double)job->step;
        center[i] = (uint8_t)(fmin(fmax(code, 0), UPDATE_LEVELS) + 0.5);
    }
}

static void update_unit(kmeans_run *run, uint8_t *scratch, size_t c)
{
    const vssi_kmeans *job = run->job;
    uint32_t *sums = (uint32_t *)(void *)scratch;
    size_t begin = run->begins[c], n = run->begins[c + 1] - begin;
    run->inertias[c] = 0;
    if (n == 0)
        return;
    memset(sums, 0, job->size * sizeof *sums);
    for (size_t i = begin; i < begin + n; i++) {
        const uint8_t *code = job->codes + run->order[i] * job->size;
        for (size_t j = 0; j < job->size; j++)
            sums[j] += code[j];
        run->inertias[c] += (double)run->far[run->order[i]];
    }
    vssi_kmeans_center(job, sums, n, run->centers + c * job->size);
}

typedef struct update_cluster {
    double inertia;
    uint32_t number;
} update_cluster;

static int update_worse(const void *a, const void *b)
{
    const update_cluster *x = a, *y = b;
    if (x->inertia > y->inertia || x->inertia < y->inertia)
        return x->inertia > y->inertia ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static uint32_t update_farthest(const kmeans_run *run, bool by_device, uint32_t cluster)
{
    if (by_device)
        return run->device.farthest[cluster];
    uint32_t farthest = run->order[run->begins[cluster]];
    for (size_t i = run->begins[cluster]; i < run->begins[cluster + 1]; i++) {
        if (run->far[run->order[i]] > run->far[farthest])
            farthest = run->order[i];
    }
    return farthest;
}

static bool update_empty(const kmeans_run *run, bool by_device, size_t c)
{
    return by_device ? run->device.counts[c] == 0 : run->begins[c] == run->begins[c + 1];
}

/* Centers without points go to the farthest points of the worst clusters, one each. */
vss_status vssi_kmeans_repair(kmeans_run *run, bool by_device, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    update_cluster *worst;
    size_t next = 0, empty = 0;
    for (size_t c = 0; c < job->clusters; c++)
        empty += update_empty(run, by_device, c);
    if (empty == 0)
        return VSS_OK;
    VSSI_TRY(vssi_alloc(job->heap, job->clusters, sizeof *worst, &worst, err));
    for (size_t c = 0; c < job->clusters; c++)
        worst[c] = (update_cluster){run->inertias[c], (uint32_t)c};
    qsort(worst, job->clusters, sizeof *worst, update_worse);
    for (size_t c = 0; c < job->clusters && worst[next].inertia > 0; c++) {
        if (!update_empty(run, by_device, c))
            continue;
        uint32_t row = update_farthest(run, by_device, worst[next++].number);
        memcpy(run->centers + c * job->size, job->codes + row * job->size, job->size);
    }
    vssi_free(job->heap, worst);
    return VSS_OK;
}

vss_status vssi_kmeans_update(kmeans_run *run, vss_error *err)
{
    VSSI_TRY(vssi_kmeans_share(run, run->job->clusters, 0, update_unit, err));
    return vssi_kmeans_repair(run, false, err);
}
