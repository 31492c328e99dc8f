/*
 * flat_codes.h - the opened index object of flat, and one query against it
 */
#ifndef VSSI_FLAT_CODES_H
#define VSSI_FLAT_CODES_H

#include "../codec/sq8.h"
#include "flat.h"

typedef struct flat_index {
    vssi_heap *heap;
    vssi_sq8 sq8;
} flat_index;

#define FLAT_PENDING 64u

/* One query in the making. */
typedef struct flat_codes_query {
    vssi_sq8_query code;
    const vssi_query *query;
    vssi_topk *topk;
    double cut;                     /* of sum (c - d)^2 */
    uint32_t n_pending;
    uint32_t pending[FLAT_PENDING]; /* rows to score together */
} flat_codes_query;

/* Score and offer n <= FLAT_BLOCK rows. True: the cut has fallen. */
bool vssi_flat_codes_offer(const vssi_sq8 *sq8, const vssi_vectors *v, flat_codes_query *q, const uint32_t *rows,
                           size_t n);

/* flat_codes_tile.c: four queries and more, where the level has kernels for codes. */
vss_status vssi_flat_codes_tile(const vssi_sq8 *sq8, const vssi_vectors *v, flat_codes_query *of, size_t n,
                                vssi_scratch *scratch, vss_error *err);

#endif
