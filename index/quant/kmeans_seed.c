/*
 * kmeans_seed.c - the first centers, drawn in helpings
 *
 * A helping is drawn by one random number: points laid end to end, each as long as its squared distance from the
 * nearest center so far, and a comb with as many teeth as are wanted laid over them.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../lib/base/hash.h"
#include "kmeans_private.h"

static double seed_random(uint64_t *state) { return (double)(vssi_random_next(state) >> 11) * 0x1p-53; }

/* Draw n points into centers; fewer than n when fewer are away from the centers there are. */
static size_t seed_draw(kmeans_run *run, size_t n, uint64_t *state, uint8_t *centers)
{
    const vssi_kmeans *job = run->job;
    double sum = 0, at = 0;
    size_t drawn = 0;
    for (size_t i = 0; i < job->rows; i++)
        sum += (double)run->far[i];
    double tooth = sum / (double)n, next = seed_random(state) * tooth;
    for (size_t i = 0; i < job->rows && drawn < n; i++) {
        at += (double)run->far[i];
        if (!(at > next) || !(run->far[i] > 0))
            continue;
        memcpy(centers + drawn++ * job->size, job->codes + i * job->size, job->size);
        next += tooth * ceil((at - next) / tooth);
    }
    return drawn;
}

static void seed_unit(kmeans_run *run, uint8_t *scratch, size_t unit)
{
    const vssi_kmeans *job = run->job;
    size_t first = unit * KMEANS_TASK, end = vssi_min(first + KMEANS_TASK, job->rows);
    const uint8_t *points[KMEANS_POINTS];
    uint32_t where[KMEANS_POINTS];
    float far[KMEANS_POINTS];
    for (size_t at = first; at < end; at += KMEANS_POINTS) {
        size_t n = vssi_min(KMEANS_POINTS, end - at);
        for (size_t i = 0; i < n; i++)
            points[i] = job->codes + (at + i) * job->size;
        vssi_nearest_find(&run->set, points, n, scratch, where, far);
        for (size_t i = 0; i < n; i++)
            run->far[at + i] = fminf(run->far[at + i], far[i]);
    }
}

/* Distances from the n centers drawn last. */
static vss_status seed_measure(kmeans_run *run, const uint8_t *centers, size_t n, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    bool done = false;
    if (vssi_kmeans_on_device(run))
        VSSI_TRY(vssi_kmeans_device_seeds(run, centers, n, &done, err));
    if (done)
        return VSS_OK;
    vssi_nearest_pack(&run->set, centers, NULL, n, job->size, run->panels);
    return vssi_kmeans_share(run, (job->rows + KMEANS_TASK - 1) / KMEANS_TASK, job->rows * n / job->clusters, seed_unit,
                             err);
}

vss_status vssi_kmeans_seed(kmeans_run *run, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    uint64_t state = job->seed;
    size_t helping = (job->clusters + job->helpings - 1) / job->helpings, have = 0;
    for (size_t i = 0; i < job->rows; i++)
        run->far[i] = 1; /* all alike at first */
    while (have < job->clusters) {
        uint8_t *centers = run->centers + have * job->size;
        size_t drawn = seed_draw(run, vssi_min(helping, job->clusters - have), &state, centers);
        if (drawn == 0)
            break;
        for (size_t i = 0; have == 0 && i < job->rows; i++)
            run->far[i] = VSSI_NEAREST_FAR;
        VSSI_TRY(seed_measure(run, centers, drawn, err));
        have += drawn;
    }
    for (size_t c = have; c < job->clusters; c++) /* no more distinct points: copies, which stay without any */
        memcpy(run->centers + c * job->size, run->centers, job->size);
    return VSS_OK;
}
