/*
 * hadamard.h - what a query of rotated signs is prepared by: a Hadamard transform, and sums of all subsets of fours
 *
 * Every level gives the same bits: sums and differences of float32 in one order.
 */
#ifndef VSSI_HADAMARD_H
#define VSSI_HADAMARD_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_SUBSETS_ONE 127.0f  /* steps, of a component */
#define VSSI_SUBSETS_FOUR 253.0f /* of four together; rounding adds 2 at most */

typedef struct vssi_hadamard {
    /* Transform v[n] in place, each result times `shrink`; n is a power of two of at least 16. */
    void (*transform)(float *v, size_t n, float shrink);
    /* v[n] in whole numbers of a step, as small as it can be: rounded[i] = v[i] / step, nearest, of at most 127, and of
     * at most 255 in each four together. table[n / 4][16], 16-byte aligned: entry i of a four is the sum of its whole
     * numbers that i has a bit for, above the least of the sixteen sums. Returns the step; 0: all are 0. n is a
     * multiple of 16. */
    float (*subsets)(const float *v, size_t n, int8_t *rounded, uint8_t *table);
} vssi_hadamard;

/* The step, from the greatest component and the greatest sum of four; 0 where its inverse may be no number. */
static inline float vssi_subsets_step(float one, float four)
{
    one /= VSSI_SUBSETS_ONE;
    four /= VSSI_SUBSETS_FOUR;
    one = one > four ? one : four;
    return one >= 0x1p-126f ? one : 0;
}

/* The kernels that go with vssi_simd(); those of the i-th level, NULL past the last. */
const vssi_hadamard *vssi_hadamard_best(void);
const vssi_hadamard *vssi_hadamard_level(size_t i);

extern const vssi_hadamard vssi_hadamard_scalar;
#if defined(__x86_64__)
extern const vssi_hadamard vssi_hadamard_avx512;
#endif

#endif
