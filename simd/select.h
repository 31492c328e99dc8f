/*
 * select.h - which of 32 values are below a cut, which of 32 rows are in a bitmap, and the few least of many values
 *
 * Values are float32, never NaN where they are kept. Of equal ones those with the lowest places are kept, so that what
 * is kept of many does not depend on the order in which they came.
 */
#ifndef VSSI_SELECT_H
#define VSSI_SELECT_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_SELECT_STEP 32u

typedef struct vssi_select {
    /* Bit i is set where values[i] <= cut, i < n <= 32. Reads 32 values. */
    uint32_t (*below)(const float *values, size_t n, float cut);
    /* Bit i is set where rows[i] < count and the bitmap bits[count] has it, i < n <= 32; count >= 1. Reads n rows. */
    uint32_t (*allowed)(const uint32_t *rows, size_t n, const uint64_t *bits, uint32_t count);
    /* Append values[i] and first + i for every bit i of mask. Writes up to 32 places past *n. */
    void (*take)(const float *values, uint32_t first, uint32_t mask, float *kept, uint32_t *places, size_t *n);
    /* Keep the k least of n with places that differ, 0 < k <= n, in their order; returns the greatest kept. */
    float (*least)(float *kept, uint32_t *places, size_t n, size_t k);
} vssi_select;

/* The kernels that go with vssi_simd(); those of the i-th level, NULL past the last. */
const vssi_select *vssi_select_best(void);
const vssi_select *vssi_select_level(size_t i);

/* Where in [low, high] to look for the k-th least next, when `under` of the values are below low, and `upto` are not
 * above high: by proportion, every third time halfway. From low to below high. */
static inline int64_t vssi_select_middle(int64_t low, int64_t high, size_t under, size_t upto, size_t k, unsigned round)
{
    int64_t span = high - low;
    if (round % 3 == 2)
        return low + span / 2;
    double share = ((double)(k - under) - 0.5) / (double)(upto - under);
    int64_t step = (int64_t)((double)span * share);
    return low + (step < span ? step : span - 1);
}

/* The greatest place that is kept of those whose values have the order `last`, when `equal` > 0 of them are. */
uint32_t vssi_select_last(const float *kept, const uint32_t *places, size_t n, int32_t last, size_t equal);

/* An order of float32 as whole numbers, and back. */
static inline int32_t vssi_select_order(float value)
{
    union {
        float value;
        int32_t bits;
    } pun = {value};
    return pun.bits ^ (int32_t)((uint32_t)(pun.bits >> 31) >> 1);
}
static inline float vssi_select_value(int32_t order)
{
    union {
        int32_t bits;
        float value;
    } pun = {order ^ (int32_t)((uint32_t)(order >> 31) >> 1)};
    return pun.value;
}

extern const vssi_select vssi_select_scalar;
#if defined(__x86_64__)
extern const vssi_select vssi_select_avx512;
#endif

#endif
