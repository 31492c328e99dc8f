/*
 * simd.h - distance kernels: one table a level, one of them chosen for the process
 *
 * A kernel compares one query with n rows and writes n scores, smaller = nearer for every metric:
 *     l2   sum (q - v)^2          ip   -sum q * v
 * Scores are float32 sums in any order. For every order, |score - exact| <= gamma * scale with
 * gamma = vssi_simd_gamma(dim) and scale = the exact distance for l2, |q| * |v| for ip; vssi_simd_gamma also covers the
 * rounding of what callers do with a score in two further operations.
 * Pointers need no alignment. q and rows may be of any finite values whose squared norms are at most 1e37.
 * Within a level the score of a pair depends on the pair alone: not on n, on the row's place, on which of rows and
 * gather was called, nor, for l2, on which of the two is the query.
 */
#ifndef VSSI_SIMD_H
#define VSSI_SIMD_H

#include <stddef.h>
#include <stdint.h>

/* rows [n][dim] one after another; reads them once, prefetching ahead. */
typedef void (*vssi_kernel_rows)(const float *query, const float *rows, size_t dim, size_t n, float *scores);
/* n of the rows of base, given by number; prefetches those to come. */
typedef void (*vssi_kernel_gather)(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                                   float *scores);

typedef struct vssi_kernels {
    const char *level;
    vssi_kernel_rows l2_f32_rows;
    vssi_kernel_rows ip_f32_rows;
    vssi_kernel_gather l2_f32_gather;
    vssi_kernel_gather ip_f32_gather;
} vssi_kernels;

/* The best table this processor runs, or the lower one that VSS_SIMD names. Chosen at the first call; thread-safe. */
const vssi_kernels *vssi_simd(void);

/* The i-th level from scalar upwards that this processor runs, NULL past the last: for tests and benchmarks. */
const vssi_kernels *vssi_simd_level(size_t i);

/* The tables by level, and how many of them, from scalar upwards, this processor runs (detect.c). */
extern const vssi_kernels vssi_simd_scalar;
#if defined(__x86_64__)
extern const vssi_kernels vssi_simd_avx2;
extern const vssi_kernels vssi_simd_avx512;
#endif
size_t vssi_simd_detect(void);

/* A bound on the relative error of a float32 sum of dim products, in any order, two further roundings included:
 * (dim + 4) u / (1 - (dim + 4) u), u = 2^-24. */
static inline double vssi_simd_gamma(size_t dim)
{
    double nu = ((double)dim + 4) * 0x1p-24;
    return nu / (1 - nu);
}

/* The distances that are returned: float64 in one fixed order on every machine, 8 lanes (component i goes to lane
 * i % 8), then ((l0+l1)+(l2+l3))+((l4+l5)+(l6+l7)); no fused multiply-add. */
double vssi_exact_l2_f32(const float *a, const float *b, size_t dim);
double vssi_exact_ip_f32(const float *a, const float *b, size_t dim);

#endif
