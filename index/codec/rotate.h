/*
 * rotate.h - a random rotation in O(n log n), the same for the same seed everywhere
 *
 * Four rounds of random signs and a fast Hadamard transform: over all components where their number is a power of two,
 * else over the greatest power of two, from the front and from the back in turn, and then a turn by 45 degrees of each
 * component of the first half with its fellow in the second (the walk of Kac that the RaBitQ library takes). Sums and
 * differences of float32 in one order; orthogonal up to their rounding, some 2^-20. The same in float64, of any number
 * of components, is so up to some 2^-48.
 */
#ifndef VSSI_ROTATE_H
#define VSSI_ROTATE_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_ROTATE_ROUNDS 4u

/* signs[4][n] of a seed: each 1 or -1. */
void vssi_rotate_signs(uint64_t seed, size_t n, float *signs);

/* Rotate vector[n] in place; n is a multiple of 16. */
void vssi_rotate(const float *signs, size_t n, float *vector);
/* Of float64, n of at least 1; where n is odd the middle one has no fellow. */
void vssi_rotate_double(const float *signs, size_t n, double *vector);

#endif
