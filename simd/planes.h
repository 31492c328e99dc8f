/*
 * planes.h - products of a float32 query and a row of small whole numbers, stored a plane a bit
 *
 * A row has n codes of `bits` bits, 1 to 7: for every 16 components `bits` words of 16 bits, the lowest bits first;
 * bit i of a word belongs to component i. A word is a mask that puts its bit into sixteen lanes. Cost: bits + 2
 * instructions a 16 components.
 */
#ifndef VSSI_PLANES_H
#define VSSI_PLANES_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_PLANES_BITS 7u

/* Bytes of a row; n is a multiple of 16. */
static inline size_t vssi_planes_size(size_t n, unsigned bits) { return n / 8 * bits; }

/* sum query[i] * code[i]; float32 sums in any order. Rows need no alignment. */
typedef float (*vssi_planes_kernel)(const float *query, const uint8_t *row, size_t n, unsigned bits);

vssi_planes_kernel vssi_planes_best(void);
vssi_planes_kernel vssi_planes_level(size_t i);

/* Write the low `bits` bits of codes[n] as a row. */
void vssi_planes_set(uint8_t *row, size_t n, unsigned bits, const uint8_t *codes);

float vssi_planes_scalar(const float *query, const uint8_t *row, size_t n, unsigned bits);
#if defined(__x86_64__)
float vssi_planes_avx2(const float *query, const uint8_t *row, size_t n, unsigned bits);
float vssi_planes_avx512(const float *query, const uint8_t *row, size_t n, unsigned bits);
#endif

#endif
