/*
 * gpu_points.h - random points and centers and what a device must say of them, by a plain loop over whole numbers
 *
 * What the device reads and writes lies in blocks of exactly their size, so that a sanitizer sees every byte past
 * their end.
 */
#ifndef GPU_POINTS_H
#define GPU_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "vss/device.h"

typedef enum gpu_bytes {
    GPU_BYTES_UNIFORM, /* all values */
    GPU_BYTES_FEW,     /* 7 to 9: many equal distances, points and centers */
    GPU_BYTES_ENDS,    /* 0 and 255: the greatest products and distances */
    GPU_BYTES_EQUAL,   /* one point again and again, and it is every center */
    GPU_BYTES_APART,   /* distances that differ, but by less than float32 knows */
    GPU_BYTES
} gpu_bytes;

/* What is wanted of the device. */
enum { GPU_WHERE = 1, GPU_FAR = 2, GPU_SUMS = 4, GPU_WANTED = 8 };

typedef struct gpu_point_spec {
    gpu_bytes bytes;
    uint32_t size, centers;
    size_t rows;
    uint64_t seed;
} gpu_point_spec;

typedef struct gpu_points {
    gpu_point_spec spec;
    vss_device_points points;
    uint8_t *codes, *centers;
    uint32_t *where, *far; /* what they must be */
    size_t rounded;        /* points whose nearest center only float32 takes for the nearest */
    void *place;           /* for the device */
} gpu_points;

/* n points of so many bytes. */
void gpu_points_bytes(gpu_bytes bytes, uint8_t *to, size_t n, uint32_t size, uint64_t *state);
void gpu_points_make(gpu_points *p, const gpu_point_spec *spec);
void gpu_points_free(gpu_points *p);
/* Ask the device for what is wanted; fails the test if an answer is wrong. Changes nothing of p but *place: threads may
 * share it. */
vss_status gpu_points_ask(const gpu_points *p, const vss_device *device, void **place, int wanted,
                          int (*stopped)(void *state), void *state, vss_error *err);

#endif
