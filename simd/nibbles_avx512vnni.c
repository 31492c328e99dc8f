/*
 * nibbles_avx512vnni.c - 128 codes a step, four rows at once
 */
#include "simd_avx512.h"

#include "nibbles.h"

#define NIBBLES_INLINE VSSI_KERNELS_INLINE
#define NIBBLES_STEP 64u

NIBBLES_INLINE void nibbles_block(const vssi_nibbles_query *q, const uint8_t *const *rows, int count, size_t size,
                                  float *scores)
{
    const __m512i low_half = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
    __m512i square[4] = {zero, zero, zero, zero}, product[4] = {zero, zero, zero, zero}, total[4];
    for (size_t j = 0; j < size; j += NIBBLES_STEP) {
        const __mmask64 mask = size - j < NIBBLES_STEP ? ((__mmask64)1 << (size - j)) - 1 : ~(__mmask64)0;
        const __m512i even = _mm512_maskz_loadu_epi8(mask, q->even + j);
        const __m512i odd = _mm512_maskz_loadu_epi8(mask, q->odd + j);
#pragma GCC unroll 4
        for (int i = 0; i < count; i++) {
            __m512i codes = _mm512_maskz_loadu_epi8(mask, rows[i] + j), low = _mm512_and_si512(codes, low_half);
            __m512i high = _mm512_and_si512(_mm512_srli_epi16(codes, 4), low_half);
            product[i] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(product[i], low, even), high, odd);
            square[i] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(square[i], low, low), high, high);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        total[i] = _mm512_sub_epi32(_mm512_slli_epi32(square[i], 6), _mm512_slli_epi32(product[i], 4));
    __m128i four = _mm_add_epi32(vssi_avx512_join_int(total), _mm_set1_epi32(q->norm));
    vssi_avx512_store(_mm_cvtepi32_ps(four), count, scores);
}

void vssi_nibbles_avx512vnni(const void *query, const void *base, size_t size, const uint32_t *rows, size_t n,
                             float *scores)
{
    const uint8_t *at = base;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const uint8_t *four[4] = {at + rows[i] * size, at + rows[i + 1] * size, at + rows[i + 2] * size,
                                  at + rows[i + 3] * size};
        nibbles_block(query, four, 4, size, scores + i);
    }
    for (; i < n; i++) {
        const uint8_t *row = at + rows[i] * size;
        nibbles_block(query, &row, 1, size, scores + i);
    }
}
