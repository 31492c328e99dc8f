/*
 * hadamard.h - what a query of rotated signs is prepared by: a Hadamard transform, and sums of all subsets of fours
 *
 * Every level gives the same bits: sums and differences of float32 in one order.
 */
#ifndef VSSI_HADAMARD_H
#define VSSI_HADAMARD_H

#include <stddef.h>
#include <stdint.h>

typedef struct vssi_hadamard {
    /* Transform v[n] in place, each result times `shrink`; n is a power of two of at least 16. */
    void (*transform)(float *v, size_t n, float shrink);
    /* table[n / 4][16], 16-byte aligned: entry i of a four of v is the sum of its components that i has a bit for,
     * above the least of the sixteen sums, times `inverse`, rounded, at most 255. n is a multiple of 4. */
    void (*subsets)(const float *v, size_t n, float inverse, uint8_t *table);
} vssi_hadamard;

/* The kernels that go with vssi_simd(); those of the i-th level, NULL past the last. */
const vssi_hadamard *vssi_hadamard_best(void);
const vssi_hadamard *vssi_hadamard_level(size_t i);

extern const vssi_hadamard vssi_hadamard_scalar;
#if defined(__x86_64__)
extern const vssi_hadamard vssi_hadamard_avx512;
#endif

#endif
