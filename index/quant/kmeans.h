/*
 * kmeans.h - clusters of points on a grid of bytes
 *
 * Points and centers are codes of a byte a component (codec/sq8.h), centers thus points of the grid too: what a mean
 * loses to it is below a twelfth of a step squared a component, which costs no inertia that can be measured, and all
 * comparisons are of whole numbers. So the same seed gives the same centers on any number of threads and at every
 * level.
 *
 * Lloyd's rounds. The first centers are drawn in helpings, each point with a probability in proportion to its
 * squared distance from those drawn in helpings before (Bahmani et al., Scalable k-means++, VLDB 2012, without their
 * reclustering: as many are drawn as are wanted). From the second round on a point is compared only with the centers
 * next to its old one, where centers and points are many. A center that loses all its points is set on the farthest
 * point of the worst cluster. A device (kmeans_device.c) compares every point with every center.
 *
 * Cost: rows * clusters * size products for the seeds and as many for the first round, 128 * rows * size for every
 * other one. Memory: 12 bytes a row, and 5 bytes a component of a center.
 */
#ifndef VSSI_KMEANS_H
#define VSSI_KMEANS_H

#include "../../lib/base/heap.h"
#include "../../lib/base/parallel.h"
#include "../../simd/nearest.h"
#include "../device/device_use.h"

#define VSSI_KMEANS_MAX_ROWS (1u << 24) /* sums are of 32 bits */

typedef struct vssi_kmeans {
    vssi_heap *heap;
    const vss_executor *executor; /* or NULL */
    size_t threads;
    vssi_control *control;        /* or NULL */
    const uint8_t *codes;         /* [rows][size] */
    size_t rows, size;            /* size: a multiple of 4 */
    size_t clusters, rounds;      /* at least 1 */
    size_t helpings;              /* that the first centers are drawn in; 1: all points alike */
    uint64_t seed;
    /* Centers of unit length, for cosine: of the point low[i] + step * code[i], i < width. low NULL: means as they
     * are. */
    const float *low;
    float step;
    size_t width;
    vssi_device_use *device;      /* or NULL */
} vssi_kmeans;

/* Fill centers[clusters][size]; *inertia (may be NULL) = the sum of squared distances of the last round, in steps.
 * With fewer distinct points than clusters some centers are equal. CANCELLED, DEADLINE, NO_MEMORY, BUDGET. */
vss_status vssi_kmeans_train(const vssi_kmeans *job, uint8_t *centers, double *inertia, vss_error *err);

/* where[rows] = the nearest of centers[clusters][size] to each of the job's rows, distances[rows] (may be NULL) in
 * squared steps. */
vss_status vssi_kmeans_assign(const vssi_kmeans *job, const uint8_t *centers, uint32_t *where, float *distances,
                              vss_error *err);

#endif
