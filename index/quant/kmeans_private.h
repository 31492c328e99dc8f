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
} kmeans_run;

/* One unit of work with a worker's scratch memory, in any order. */
typedef void (*kmeans_unit)(kmeans_run *run, uint8_t *scratch, size_t unit);

/* Each unit once on the job's threads, then progress: weight units more. CANCELLED, DEADLINE. */
vss_status vssi_kmeans_share(kmeans_run *run, size_t n_units, uint64_t weight, kmeans_unit unit, vss_error *err);

/* kmeans_seed.c: the first centers. */
vss_status vssi_kmeans_seed(kmeans_run *run, vss_error *err);

/* kmeans_assign.c: where and far of all rows, by all centers, or by those next to the old one. */
vss_status vssi_kmeans_all(kmeans_run *run, vss_error *err);
vss_status vssi_kmeans_next(kmeans_run *run, vss_error *err);
size_t vssi_kmeans_assign_scratch(const vssi_kmeans *job);

/* kmeans_update.c: order and begins by where; then centers and inertias by them. */
void vssi_kmeans_sort(kmeans_run *run);
vss_status vssi_kmeans_update(kmeans_run *run, vss_error *err);

#endif
