/*
 * simd_avx512.h - what the levels of AVX-512 share: the sums of four registers, transposed as they are added
 */
#ifndef VSSI_SIMD_AVX512_H
#define VSSI_SIMD_AVX512_H

#include <immintrin.h>

#include "kernels.h"

/* The sums of the sixteen lanes of four registers. */
VSSI_KERNELS_INLINE __m128 vssi_avx512_join(const __m512 *four)
{
    __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(four[0], four[1]), _mm512_unpackhi_ps(four[0], four[1]));
    __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(four[2], four[3]), _mm512_unpackhi_ps(four[2], four[3]));
    __m512d x = _mm512_castps_pd(ab), y = _mm512_castps_pd(cd);
    __m512 all = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

/* The same of whole numbers, of which unpacklo_epi32 and unpackhi_epi32 are already added in pairs: [a b a b ...] and
 * [c d c d ...]. */
VSSI_KERNELS_INLINE __m128i vssi_avx512_join_pairs(__m512i ab, __m512i cd)
{
    __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* The sums of the sixteen lanes of four registers of whole numbers. */
VSSI_KERNELS_INLINE __m128i vssi_avx512_join_int(const __m512i *four)
{
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(four[0], four[1]), _mm512_unpackhi_epi32(four[0], four[1]));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(four[2], four[3]), _mm512_unpackhi_epi32(four[2], four[3]));
    return vssi_avx512_join_pairs(ab, cd);
}

/* One score or four. */
VSSI_KERNELS_INLINE void vssi_avx512_store(__m128 four, int count, float *scores)
{
    if (count == 1)
        *scores = _mm_cvtss_f32(four);
    else
        _mm_storeu_ps(scores, four);
}

#endif
