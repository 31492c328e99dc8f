/*
 * gpu_case.h - random searches of a device and what they must answer, by a plain scan in float64
 *
 * Rows and queries lie in blocks of exactly their size, so that a sanitizer sees every byte read past their end.
 */
#ifndef GPU_CASE_H
#define GPU_CASE_H

#include <stdbool.h>

#include "vss/device.h"

typedef enum gpu_data {
    GPU_DATA_UNIFORM,  /* -1 to 1; bytes: all values */
    GPU_DATA_TIES,     /* a few whole numbers, many equal rows */
    GPU_DATA_FAR,      /* near each other, far from 0 */
    GPU_DATA_UNEVEN,   /* lengths from 2^-10 to 2^10 */
    GPU_DATA_TINY,     /* around 2^-70: bfloat16 of libvss_gpu knows them as 0 */
    GPU_DATA_HUGE,     /* around 2^50 */
    GPU_DATA_RANDOM,   /* how many kinds stand above */
    GPU_DATA_EQUAL = GPU_DATA_RANDOM, /* one row again and again */
    GPU_DATA_CLOSE     /* the same, but for the last bit of some components */
} gpu_data;

typedef struct gpu_spec {
    vss_type type;
    vss_metric metric;
    gpu_data data;
    uint32_t dim, k, width;
    uint32_t rows;
    size_t queries;
    double allow;      /* share of the rows, from 0 to 1; negative: no bitmap */
    bool limits;       /* some queries have one that cuts */
    uint64_t seed;
} gpu_spec;

typedef struct gpu_case {
    gpu_spec spec;
    vss_device_vectors vectors;
    vss_device_search search;
    vss_device_hits hits;
    void *rows, *queries;
    size_t row_bytes, query_bytes;
    uint64_t *allow;
    float *limits;
    float *values; /* [queries][rows]: what each must be */
    const uint8_t *members; /* [queries][rows]: is the row in a list of the query (gpu_lists.h); NULL: every one */
    void *place, *lists_place; /* for the device */
} gpu_case;

/* Pairs of type and metric: the i-th of GPU_PAIRS. */
#define GPU_PAIRS 17
void gpu_pair(size_t i, vss_type *type, vss_metric *metric);

uint64_t gpu_random(uint64_t *state);
/* Any spec, of at most so many queries. */
gpu_spec gpu_spec_draw(uint64_t *random, size_t queries, uint64_t seed);
/* The product of query and row over the row's length, in float32: what walks under cosine compare, negated. */
float gpu_case_share(const gpu_case *c, size_t query, size_t row);
/* dim is raised to whole bytes for bits. */
void gpu_case_make(gpu_case *c, const gpu_spec *spec);
void gpu_case_free(gpu_case *c);
/* Forget what the hits say, then search. */
vss_status gpu_case_search(gpu_case *c, const vss_device *device, vss_error *err);
/* Fails the test unless the hits are right to the bit. Returns how many queries are unsettled although their answer
 * would fit. */
size_t gpu_case_check(const gpu_case *c);

#endif
