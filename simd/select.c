/*
 * select.c - the choice of kernels, and those without vectors
 *
 * The k-th least is found by dividing the range of values that it lies in by proportion: a count of all values a step,
 * some five steps, a hundred at most, and no branch that depends on a value. Where only some of the values equal to it
 * are kept, their places are divided by halves in the same way.
 */
#include "select.h"

#include <stdbool.h>

#include "simd.h"

static uint32_t scalar_below(const float *values, size_t n, float cut)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < n; i++)
        mask |= (uint32_t)(values[i] <= cut) << i;
    return mask;
}

static uint32_t scalar_allowed(const uint32_t *rows, size_t n, const uint64_t *bits, uint32_t count)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < n; i++) {
        if (rows[i] < count)
            mask |= (uint32_t)(bits[rows[i] / 64] >> rows[i] % 64 & 1) << i;
    }
    return mask;
}

static void scalar_take(const float *values, uint32_t first, uint32_t mask, float *kept, uint32_t *places, size_t *n)
{
    for (; mask != 0; mask &= mask - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(mask);
        kept[*n] = values[i];
        places[(*n)++] = first + i;
    }
}

static size_t scalar_count(const float *kept, size_t n, int32_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += vssi_select_order(kept[i]) <= most;
    return count;
}

uint32_t vssi_select_last(const float *kept, const uint32_t *places, size_t n, int32_t last, size_t equal)
{
    uint32_t low = 0, high = UINT32_MAX;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
            count += vssi_select_order(kept[i]) == last && places[i] <= middle;
        low = count >= equal ? low : middle + 1;
        high = count >= equal ? middle : high;
    }
    return high;
}

static float scalar_least(float *kept, uint32_t *places, size_t n, size_t k)
{
    int64_t low = INT32_MAX, high = INT32_MIN;
    size_t under = 0, upto = n, out = 0;
    int32_t greatest = INT32_MIN;
    for (size_t i = 0; i < n; i++) {
        int32_t order = vssi_select_order(kept[i]);
        low = order < low ? order : low;
        high = order > high ? order : high;
    }
    for (unsigned round = 0; low < high && upto != k; round++) { /* the k-th least is in [low, high] */
        int64_t middle = vssi_select_middle(low, high, under, upto, k, round);
        size_t count = scalar_count(kept, n, (int32_t)middle);
        if (count >= k) {
            high = middle;
            upto = count;
        } else {
            low = middle + 1;
            under = count;
        }
    }
    uint32_t last = upto == k ? UINT32_MAX : vssi_select_last(kept, places, n, (int32_t)high, k - under);
    for (size_t i = 0; i < n; i++) {
        int32_t order = vssi_select_order(kept[i]);
        bool taken = order < high || (order == high && places[i] <= last);
        greatest = taken && order > greatest ? order : greatest;
        kept[out] = kept[i];
        places[out] = places[i];
        out += taken;
    }
    return vssi_select_value(greatest);
}

const vssi_select vssi_select_scalar = {scalar_below, scalar_allowed, scalar_take, scalar_least};

static const vssi_select *select_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    for (; level != NULL; level = level->below) {
        if (level == &vssi_simd_avx512)
            return &vssi_select_avx512;
    }
#else
    (void)level;
#endif
    return &vssi_select_scalar;
}

const vssi_select *vssi_select_best(void) { return select_of(vssi_simd()); }

const vssi_select *vssi_select_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? select_of(level) : NULL;
}
