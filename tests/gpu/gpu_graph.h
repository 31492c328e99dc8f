/*
 * gpu_graph.h - random points in groups, rows with candidates, and what a device must say of them, by plain loops over
 * whole numbers
 *
 * What the device reads and writes lies in blocks of exactly their size, so that a sanitizer sees every byte past
 * their end.
 */
#ifndef GPU_GRAPH_H
#define GPU_GRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "gpu_points.h"
#include "vss/device.h"

typedef struct gpu_graph_spec {
    gpu_bytes bytes;
    uint32_t size, rows;
    size_t groups;
    uint32_t members, pivots; /* of a group, up to; pivots 0: members meet each other */
    uint32_t keep;
    bool full;                /* every group is as large as may be */
    uint64_t seed;
} gpu_graph_spec;

typedef struct gpu_graph {
    gpu_graph_spec spec;
    vss_device_points points;
    uint8_t *codes;
    uint64_t *begins, *pivot_begins;
    uint32_t *members, *pivots;
    uint16_t *answer; /* what it must be */
    size_t tied;      /* answers whose order the cut or the number decided */
    void *place;      /* for the device */
} gpu_graph;

typedef struct gpu_rows_spec {
    gpu_bytes bytes;
    uint32_t size, points;
    size_t rows;
    uint32_t candidates;   /* of a row, up to */
    uint32_t most, degree;
    float factor;
    unsigned repeats;      /* of 100 candidates, that say nothing new: none, the row's own point, one before */
    bool full;             /* every row has as many as may be */
    uint64_t seed;
} gpu_rows_spec;

/* Rows with candidates, and what they are pruned to. */
typedef struct gpu_rows {
    gpu_rows_spec spec;
    vss_device_points points;
    uint8_t *codes;
    uint32_t *rows, *candidates, *counts, *links;
    uint64_t *begins;
    size_t hidden; /* candidates that a link is nearer to */
    void *place;   /* for the device */
} gpu_rows;

void gpu_rows_make(gpu_rows *r, const gpu_rows_spec *spec);
void gpu_rows_free(gpu_rows *r);
/* As gpu_graph_ask. Rows of more than 1,024 candidates must be left to the CPU, and no others. */
vss_status gpu_rows_ask(const gpu_rows *r, const vss_device *device, void **place, int (*stopped)(void *state),
                        void *state, vss_error *err);

void gpu_graph_make(gpu_graph *g, const gpu_graph_spec *spec);
void gpu_graph_free(gpu_graph *g);
/* Ask the device; fails the test if an answer is wrong. Changes nothing of g but *place: threads may share it. */
vss_status gpu_graph_ask(const gpu_graph *g, const vss_device *device, void **place, int (*stopped)(void *state),
                         void *state, vss_error *err);

#endif
