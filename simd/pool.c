/*
 * pool.c - the pool of a walk one number at a time, and which kernels go with a level
 *
 * Taking a row costs a binary search and the move of what lies behind it.
 */
#include "pool.h"

#include <string.h>

#include "simd.h"

/* Place of the first score above `score`. */
static size_t pool_place(const vssi_pool *pool, float score)
{
    size_t place = 0;
    for (size_t length = pool->n; length > 0;) {
        size_t half = length / 2;
        int behind = pool->scores[place + half] <= score;
        place = behind ? place + half + 1 : place;
        length = behind ? length - half - 1 : half;
    }
    return place;
}

static size_t pool_take(vssi_pool *pool, const float *scores, const uint32_t *rows, size_t n)
{
    size_t foremost = pool->capacity, last = pool->capacity - 1;
    for (size_t i = 0; i < n; i++) {
        if (!(scores[i] < pool->scores[last]))
            continue;
        size_t place = pool_place(pool, scores[i]);
        place = place < last ? place : last;
        size_t behind = (pool->n < last ? pool->n : last) - place;
        memmove(pool->scores + place + 1, pool->scores + place, behind * sizeof *pool->scores);
        memmove(pool->rows + place + 1, pool->rows + place, behind * sizeof *pool->rows);
        pool->scores[place] = scores[i];
        pool->rows[place] = rows[i];
        pool->n += pool->n < pool->capacity;
        foremost = place < foremost ? place : foremost;
    }
    return foremost;
}

static size_t pool_next(const vssi_pool *pool, size_t at)
{
    while (at < pool->n && (pool->rows[at] & VSSI_POOL_FOLLOWED))
        at++;
    return at;
}

const vssi_pool_kernels vssi_pool_scalar = {.take = pool_take, .next = pool_next};

const vssi_pool_kernels *vssi_pool_best(void)
{
#if defined(__x86_64__)
    for (const vssi_kernels *level = vssi_simd(); level != NULL; level = level->below) {
        if (level == &vssi_simd_avx512)
            return &vssi_pool_avx512;
    }
#endif
    return &vssi_pool_scalar;
}
