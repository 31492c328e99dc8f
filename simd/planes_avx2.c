/*
 * planes_avx2.c - a byte of a word, spread over eight lanes, tests a bit in each
 */
#include <immintrin.h>

#include "planes.h"

#define PLANES_INLINE static inline __attribute__((always_inline))

/* Eight codes: byte 0 of each word of the row given. */
PLANES_INLINE __m256 planes_codes(const uint8_t *row, unsigned bits)
{
    const __m256i lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i codes = _mm256_setzero_si256();
    for (unsigned b = 0; b < bits; b++) {
        __m256i clear = _mm256_andnot_si256(_mm256_set1_epi32(row[2 * b]), lanes);
        __m256i set = _mm256_cmpeq_epi32(clear, _mm256_setzero_si256());
        codes = _mm256_or_si256(codes, _mm256_and_si256(set, _mm256_set1_epi32(1 << b)));
    }
    return _mm256_cvtepi32_ps(codes);
}

float vssi_planes_avx2(const float *query, const uint8_t *row, size_t n, unsigned bits)
{
    __m256 sums[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    float lanes[8], sum = 0;
    for (size_t i = 0; i < n; i += 16, row += 2 * bits) {
        sums[0] = _mm256_fmadd_ps(planes_codes(row, bits), _mm256_loadu_ps(query + i), sums[0]);
        sums[1] = _mm256_fmadd_ps(planes_codes(row + 1, bits), _mm256_loadu_ps(query + i + 8), sums[1]);
    }
    _mm256_storeu_ps(lanes, _mm256_add_ps(sums[0], sums[1]));
    for (int i = 0; i < 8; i++)
        sum += lanes[i];
    return sum;
}
