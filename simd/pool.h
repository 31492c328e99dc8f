/*
 * pool.h - the nearest rows a walk has seen, sorted, and which of them it has followed
 *
 * Scores and rows lie in arrays of their own. Places past n hold infinite scores; a row's top bit is set once it
 * has been followed. Rows of equal scores stay in the order they came in. Every level does the same; scores are finite,
 * and with others (of damaged bytes) the order may differ, the bounds do not.
 */
#ifndef VSSI_POOL_H
#define VSSI_POOL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define VSSI_POOL_FOLLOWED 0x80000000u
#define VSSI_POOL_LANES 16u /* capacity is rounded up to it in memory */

typedef struct vssi_pool {
    float *scores;  /* [vssi_pool_room(capacity)], 64-byte aligned */
    uint32_t *rows; /* [vssi_pool_room(capacity)], 64-byte aligned */
    size_t n, capacity;
} vssi_pool;

typedef struct vssi_pool_kernels {
    /* Take rows[n], each below 2^31, whose scores are below that of the last place; the last places drop out. Returns
     * the foremost place taken, capacity where none was. */
    size_t (*take)(vssi_pool *pool, const float *scores, const uint32_t *rows, size_t n);
    /* The first place from `at` on whose row has not been followed; n or above: none. */
    size_t (*next)(const vssi_pool *pool, size_t at);
} vssi_pool_kernels;

static inline size_t vssi_pool_room(size_t capacity)
{
    return (capacity + VSSI_POOL_LANES - 1) / VSSI_POOL_LANES * VSSI_POOL_LANES;
}

/* Empty the pool. */
static inline void vssi_pool_clear(vssi_pool *pool)
{
    pool->n = 0;
    for (size_t i = 0; i < vssi_pool_room(pool->capacity); i++)
        pool->scores[i] = INFINITY;
}

/* The kernels that go with vssi_simd(). */
const vssi_pool_kernels *vssi_pool_best(void);

extern const vssi_pool_kernels vssi_pool_scalar;
#if defined(__x86_64__)
extern const vssi_pool_kernels vssi_pool_avx512;
#endif

#endif
