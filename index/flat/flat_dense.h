/*
 * flat_dense.h - what batches by the kernels of dense.h share, over float rows and over codes
 */
#ifndef VSSI_FLAT_DENSE_H
#define VSSI_FLAT_DENSE_H

#include <math.h>

#include "../../lib/base/checked.h"
#include "../../simd/dense.h"
#include "flat_tile.h"
#include "flat_walk.h"

#define FLAT_DENSE_PANELS (FLAT_BLOCK / VSSI_DENSE_ROWS) /* most at once */
#define FLAT_DENSE_BYTES ((size_t)256 << 10) /* of panels at once, which stay in the second cache beside the queries */

/* Panels of that many steps that are multiplied at once, and groups of n queries. */
static inline size_t vssi_flat_dense_panels(size_t steps)
{
    return vssi_max(1, vssi_min(FLAT_DENSE_PANELS, FLAT_DENSE_BYTES / vssi_dense_size(steps)));
}
static inline size_t vssi_flat_dense_groups(size_t n) { return (n + VSSI_DENSE_QUERIES - 1) / VSSI_DENSE_QUERIES; }

/* The next `bytes` of memory from *at on, in whole lines; of NULL none, to count them. */
static inline void *vssi_flat_dense_take(char *memory, size_t *at, size_t bytes)
{
    void *taken = memory ? memory + *at : NULL;
    *at += (size_t)vssi_round_up(bytes, 64);
    return taken;
}

/* A batch over rows, of floats or of bytes. */
typedef struct flat_dense {
    const vssi_vectors *v;
    const vssi_query *queries;
    vssi_topk *topks;
    const vssi_dense *kernels;
    const struct flat_dense_kind *kind;
    size_t n, groups, steps, most;
    double off;         /* of floats: the greatest |q' - ~q'| / |q'| */
    struct flat_dense_query *of; /* [n] */
    char *panels, *packed;
    float *fall, *reach;             /* [groups][32] of dense.h */
    float *scale, *base, *rest;      /* [panels][32] */
    void *first, *second;            /* [32] numbers of four bytes: what packing a panel tells of its rows */
    void *row;                       /* [dim] numbers of four bytes */
    uint32_t *where;
    size_t last;                     /* byte of a row, as packing takes it */
    flat_walk walk;                  /* over the rows, whose block is in the panels */
} flat_dense;

#define FLAT_DENSE_NEAR 16u /* rows of a query that are scored together */

/* One query in the making. */
typedef struct flat_dense_query {
    double square; /* a part of fall that does not depend on the threshold */
    uint32_t n;
    uint32_t near[FLAT_DENSE_NEAR];
} flat_dense_query;

/* What differs between floats and bytes. */
typedef struct flat_dense_kind {
    /* Bytes of a row in a panel. */
    size_t (*bytes)(const vssi_vectors *v);
    /* Query q into its group, reach and what its fall takes. */
    void (*query)(flat_dense *d, size_t q);
    /* fall[q] from the top-k's threshold. */
    void (*cut)(flat_dense *d, size_t q);
    /* n rows into panel p, with their terms; base is infinite for places behind them. */
    void (*pack)(flat_dense *d, size_t p, const char *const *rows, size_t n);
    /* The kernel. */
    size_t (*multiply)(const flat_dense *d, const vssi_dense_job *job, const vssi_dense_floats *with);
} flat_dense_kind;

extern const flat_dense_kind vssi_flat_dense_floats; /* flat_dense_floats.c: f32, f16, bf16 */
extern const flat_dense_kind vssi_flat_dense_bytes;  /* flat_dense_bytes.c: i8, u8 */

/* The greatest float32 that is not above a number. */
static inline float vssi_flat_dense_below(double number)
{
    float below = (float)number;
    return (double)below > number ? nextafterf(below, -INFINITY) : below;
}

#endif
