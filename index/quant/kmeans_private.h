/*
 * kmeans_private.h - what the files of k-means share
 */
#ifndef VSSI_KMEANS_PRIVATE_H
#define VSSI_KMEANS_PRIVATE_H

#include "kmeans.h"

#define KMEANS_TASK 4096u /* rows a unit of work */
#define KMEANS_NEXT 128u  /* centers that a point is compared with once it has one */
#define KMEANS_POINTS VSSI_NEAREST_CROWD /* handed over at once */

typedef struct kmeans_run {
    const vssi_kmeans *job;
    size_t n_workers;
    uint8_t *scratch;     /* [n_workers][scratch_size] */
    size_t scratch_size;
    uint8_t *centers;     /* [clusters][size] */
    uint32_t *where;      /* [rows] */
    float *far;           /* [rows]: distance to centers[where] */
    uint32_t *order;      /* [rows]: rows by cluster, rising within one */
    uint32_t *begins;     /* [clusters + 1] in order */
    double *inertias;     /* [clusters] */
    void *panels;         /* room for all centers packed */
    vssi_nearest set;
    uint64_t done, total; /* units of progress */
    bool sorted;          /* order and begins are of the last round */
    void *place;          /* the device's, of the points */
    vss_device_nearest device; /* counts, inertias, sums and farthest of a round by the device */
} kmeans_run;

/* One unit of work with a worker's scratch memory, in any order. */
typedef void (*kmeans_unit)(kmeans_run *run, uint8_t *scratch, size_t unit);

/* Each unit once on the job's threads, then progress: weight units more. CANCELLED, DEADLINE. */
vss_status vssi_kmeans_share(kmeans_run *run, size_t n_units, uint64_t weight, kmeans_unit unit, vss_error *err);

/* The end of a step of so much weight, without units. CANCELLED, DEADLINE. */
vss_status vssi_kmeans_stepped(kmeans_run *run, uint64_t weight, vss_error *err);

/* kmeans_device.c: is the work for a device; then, where *done says so, it has done: where and far of all rows; far
 * brought down to what n new centers are away; a round, centers brought up to date. */
bool vssi_kmeans_on_device(const kmeans_run *run);
vss_status vssi_kmeans_device_all(kmeans_run *run, bool *done, vss_error *err);
vss_status vssi_kmeans_device_seeds(kmeans_run *run, const uint8_t *centers, size_t n, bool *done, vss_error *err);
vss_status vssi_kmeans_device_round(kmeans_run *run, double *inertia, bool *done, vss_error *err);
void vssi_kmeans_device_end(kmeans_run *run);

/* kmeans_seed.c: the first centers. */
vss_status vssi_kmeans_seed(kmeans_run *run, vss_error *err);

/* kmeans_assign.c: where and far of all rows, by all centers, or by those next to the old one. */
vss_status vssi_kmeans_all(kmeans_run *run, vss_error *err);
vss_status vssi_kmeans_next(kmeans_run *run, vss_error *err);
size_t vssi_kmeans_assign_scratch(const vssi_kmeans *job);

/* kmeans_update.c: order and begins by where; then centers and inertias by them. */
void vssi_kmeans_sort(kmeans_run *run);
vss_status vssi_kmeans_update(kmeans_run *run, vss_error *err);
/* A center from the sums of its n points; centers without points, in a round of the device's or the CPU's. */
void vssi_kmeans_center(const vssi_kmeans *job, const uint32_t *sums, size_t n, uint8_t *center);
vss_status vssi_kmeans_repair(kmeans_run *run, bool by_device, vss_error *err);

#endif
