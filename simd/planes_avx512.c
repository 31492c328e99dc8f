/*
 * planes_avx512.c - a word is a mask of sixteen lanes
 */
#include <immintrin.h>
#include <string.h>

#include "planes.h"

#define PLANES_INLINE static inline __attribute__((always_inline))

PLANES_INLINE __m512i planes_codes(const uint8_t *row, const unsigned bits)
{
    __m512i codes = _mm512_setzero_si512();
#pragma GCC unroll 7
    for (unsigned b = 0; b < bits; b++) {
        uint16_t word;
        memcpy(&word, row + 2 * b, sizeof word);
        codes = _mm512_mask_or_epi32(codes, word, codes, _mm512_set1_epi32(1 << b));
    }
    return codes;
}

PLANES_INLINE float planes_dot(const float *query, const uint8_t *row, size_t n, const unsigned bits)
{
    __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    size_t i = 0;
    for (; i + 32 <= n; i += 32, row += 4 * bits) {
        sums[0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(planes_codes(row, bits)), _mm512_loadu_ps(query + i), sums[0]);
        sums[1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(planes_codes(row + 2 * bits, bits)),
                                  _mm512_loadu_ps(query + i + 16), sums[1]);
    }
    if (i < n)
        sums[0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(planes_codes(row, bits)), _mm512_loadu_ps(query + i), sums[0]);
    return _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1]));
}

float vssi_planes_avx512(const float *query, const uint8_t *row, size_t n, unsigned bits)
{
    switch (bits) {
    case 1:
        return planes_dot(query, row, n, 1);
    case 2:
        return planes_dot(query, row, n, 2);
    case 3:
        return planes_dot(query, row, n, 3);
    case 4:
        return planes_dot(query, row, n, 4);
    case 5:
        return planes_dot(query, row, n, 5);
    case 6:
        return planes_dot(query, row, n, 6);
    default:
        return planes_dot(query, row, n, 7);
    }
}
