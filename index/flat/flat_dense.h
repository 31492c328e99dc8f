/*
 * flat_dense.h - what batches by the kernels of dense.h share, over float rows and over codes
 */
#ifndef VSSI_FLAT_DENSE_H
#define VSSI_FLAT_DENSE_H

#include "../../lib/base/checked.h"
#include "../../simd/dense.h"
#include "flat_tile.h"

#define FLAT_DENSE_PANELS 8u                 /* most at once */
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

#endif
