/*
 * scan4_avx2.c - two tables of sixteen bytes a shuffle, 32 bytes of codes a step; else as scan4_avx512.c
 */
#include <immintrin.h>

#include "scan4.h"

#define SCAN4_PART 256u
#define SCAN4_INLINE static inline __attribute__((always_inline))

typedef struct scan4_words {
    __m256i even, odd;
} scan4_words;

SCAN4_INLINE void scan4_add(scan4_words *w, __m256i bytes)
{
    w->even = _mm256_add_epi16(w->even, bytes);
    w->odd = _mm256_add_epi16(w->odd, _mm256_srli_epi16(bytes, 8));
}

SCAN4_INLINE __m256i scan4_lanes(__m256i words)
{
    return _mm256_cvtepu16_epi32(_mm_add_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

/* Add the sums of sixteen rows to sums[0] and sums[1]. */
SCAN4_INLINE void scan4_join(const scan4_words *w, __m256i *sums)
{
    __m256i even = _mm256_sub_epi16(w->even, _mm256_slli_epi16(w->odd, 8));
    sums[0] = _mm256_add_epi32(sums[0], scan4_lanes(_mm256_unpacklo_epi16(even, w->odd)));
    sums[1] = _mm256_add_epi32(sums[1], scan4_lanes(_mm256_unpackhi_epi16(even, w->odd)));
}

SCAN4_INLINE uint32_t scan4_values(const vssi_scan4_query *query, __m256i sums, const float *add, const float *mul,
                                   float base, float cut, float *values)
{
    __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(query->step));
    value = _mm256_add_ps(value, _mm256_set1_ps(query->bias));
    if (mul)
        value = _mm256_mul_ps(value, _mm256_loadu_ps(mul));
    value = _mm256_add_ps(_mm256_add_ps(_mm256_set1_ps(base), _mm256_loadu_ps(add)), value);
    _mm256_storeu_ps(values, value);
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(value, _mm256_set1_ps(cut), _CMP_LE_OQ));
}

uint32_t vssi_scan4_avx2(const vssi_scan4_query *query, const uint8_t *block, const float *add, const float *mul,
                         float base, float cut, float *values)
{
    const __m256i half = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    __m256i sums[4] = {zero, zero, zero, zero};
    for (size_t first = 0; first < query->subs; first += SCAN4_PART) {
        size_t end = first + SCAN4_PART < query->subs ? first + SCAN4_PART : query->subs;
        scan4_words low = {zero, zero}, high = low;
        for (size_t j = first; j < end; j += 2) {
            __m256i codes = _mm256_loadu_si256((const __m256i *)(const void *)(block + 16 * j));
            __m256i table = _mm256_load_si256((const __m256i *)(const void *)(query->table + 16 * j));
            scan4_add(&low, _mm256_shuffle_epi8(table, _mm256_and_si256(codes, half)));
            scan4_add(&high, _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), half)));
        }
        scan4_join(&low, sums);
        scan4_join(&high, sums + 2);
    }
    uint32_t mask = 0;
    for (size_t i = 0; i < 4; i++)
        mask |= scan4_values(query, sums[i], add + 8 * i, mul ? mul + 8 * i : NULL, base, cut, values + 8 * i) << 8 * i;
    return mask;
}
