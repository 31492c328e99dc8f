/*
 * kmeans_share.c - the units of a step, shared among the workers: who is done takes the next one
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "kmeans_private.h"

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

vss_status vssi_kmeans_stepped(kmeans_run *run, uint64_t weight, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    run->done += weight;
    vssi_control_report(job->control, "clusters", vssi_min(run->done, run->total), run->total);
    int stop = job->control ? atomic_load(&job->control->stop) : 0;
    if (stop == VSS_ERR_DEADLINE)
        return vssi_fail(err, VSS_ERR_DEADLINE, "k-means: the deadline passed");
    return stop ? vssi_fail(err, VSS_ERR_CANCELLED, "k-means: cancelled by the caller") : VSS_OK;
}

vss_status vssi_kmeans_share(kmeans_run *run, size_t n_units, uint64_t weight, kmeans_unit unit, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    kmeans_share share = {.run = run, .n_units = n_units, .unit = unit};
    vssi_parallel_for(job->executor, run->n_workers, vssi_min(run->n_workers, n_units), share_loop, &share);
    return vssi_kmeans_stepped(run, weight, err);
}
