/*
 * exact_avx512.c - exact.c's eight lanes of float32 in one register: the same operations in the same order
 *
 * Cost: an addition waits for the one before it, four cycles for eight components.
 */
#include <immintrin.h>

#include "simd.h"

#define EXACT_INLINE static inline __attribute__((always_inline))

EXACT_INLINE __m512d exact_term(__m256 a, __m256 b, const int ip)
{
    __m512d x = _mm512_cvtps_pd(a), y = _mm512_cvtps_pd(b);
    if (ip)
        return _mm512_mul_pd(x, y);
    x = _mm512_sub_pd(x, y);
    return _mm512_mul_pd(x, x);
}

EXACT_INLINE double exact_sum(const float *a, const float *b, size_t dim, const int ip)
{
    double lane[8];
    __m512d sums = _mm512_setzero_pd();
    size_t i = 0;
    for (; i + 8 <= dim; i += 8)
        sums = _mm512_add_pd(sums, exact_term(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), ip));
    if (i < dim) {
        __mmask8 rest = (__mmask8)((1u << (dim - i)) - 1);
        __m512d term = exact_term(_mm256_maskz_loadu_ps(rest, a + i), _mm256_maskz_loadu_ps(rest, b + i), ip);
        sums = _mm512_mask_add_pd(sums, rest, sums, term);
    }
    _mm512_storeu_pd(lane, sums);
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

double vssi_exact_l2_f32_avx512(const float *a, const float *b, size_t dim) { return exact_sum(a, b, dim, 0); }
double vssi_exact_ip_f32_avx512(const float *a, const float *b, size_t dim) { return exact_sum(a, b, dim, 1); }
