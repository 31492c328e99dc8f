/*
 * scan4_avx512.c - four tables of sixteen bytes a shuffle, 64 bytes of codes a step
 *
 * Bytes are summed as words, the odd ones beside: a word of `even` holds both, and the odd sum is taken out in the end.
 * The bytes of 256 subs fit a word, the four lanes of the register together; longer rows are summed in parts.
 */
#include <immintrin.h>

#include "scan4.h"

#define SCAN4_PART 256u
#define SCAN4_INLINE static inline __attribute__((always_inline))

typedef struct scan4_words {
    __m512i even, odd;
} scan4_words;

SCAN4_INLINE void scan4_add(scan4_words *w, __m512i bytes)
{
    w->even = _mm512_add_epi16(w->even, bytes);
    w->odd = _mm512_add_epi16(w->odd, _mm512_srli_epi16(bytes, 8));
}

SCAN4_INLINE __m128i scan4_lanes(__m512i words)
{
    __m256i two = _mm256_add_epi16(_mm512_castsi512_si256(words), _mm512_extracti64x4_epi64(words, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
}

/* The sums of sixteen rows. */
SCAN4_INLINE __m512i scan4_join(const scan4_words *w)
{
    __m512i even = _mm512_sub_epi16(w->even, _mm512_slli_epi16(w->odd, 8));
    __m128i low = scan4_lanes(_mm512_unpacklo_epi16(even, w->odd));
    __m128i high = scan4_lanes(_mm512_unpackhi_epi16(even, w->odd));
    return _mm512_cvtepu16_epi32(_mm256_set_m128i(high, low));
}

SCAN4_INLINE __mmask16 scan4_values(const vssi_scan4_query *query, __m512i sums, const float *add, const float *mul,
                                    float base, float cut, float *values)
{
    __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(query->step));
    value = _mm512_add_ps(value, _mm512_set1_ps(query->bias));
    if (mul)
        value = _mm512_mul_ps(value, _mm512_loadu_ps(mul));
    value = _mm512_add_ps(_mm512_add_ps(_mm512_set1_ps(base), _mm512_loadu_ps(add)), value);
    _mm512_storeu_ps(values, value);
    return _mm512_cmp_ps_mask(value, _mm512_set1_ps(cut), _CMP_LE_OQ);
}

uint32_t vssi_scan4_avx512(const vssi_scan4_query *query, const uint8_t *block, const float *add, const float *mul,
                           float base, float cut, float *values)
{
    const __m512i half = _mm512_set1_epi8(15);
    __m512i sums[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t first = 0; first < query->subs; first += SCAN4_PART) {
        size_t end = first + SCAN4_PART < query->subs ? first + SCAN4_PART : query->subs;
        scan4_words low = {_mm512_setzero_si512(), _mm512_setzero_si512()}, high = low;
        for (size_t j = first; j < end; j += VSSI_SCAN4_GROUP) {
            __m512i codes = _mm512_loadu_si512(block + 16 * j), table = _mm512_load_si512(query->table + 16 * j);
            scan4_add(&low, _mm512_shuffle_epi8(table, _mm512_and_si512(codes, half)));
            scan4_add(&high, _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(codes, 4), half)));
        }
        sums[0] = _mm512_add_epi32(sums[0], scan4_join(&low));
        sums[1] = _mm512_add_epi32(sums[1], scan4_join(&high));
    }
    uint32_t low = scan4_values(query, sums[0], add, mul, base, cut, values);
    uint32_t high = scan4_values(query, sums[1], add + 16, mul ? mul + 16 : NULL, base, cut, values + 16);
    return low | high << 16;
}
