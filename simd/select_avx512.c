/*
 * select_avx512.c - masks and compression: no branch that depends on a value; else as select.c
 */
#include <immintrin.h>

#include "select.h"

#define SELECT_INLINE static inline __attribute__((always_inline))

static uint32_t avx512_below(const float *values, size_t n, float cut)
{
    __m512 limit = _mm512_set1_ps(cut);
    uint32_t low = _mm512_cmp_ps_mask(_mm512_loadu_ps(values), limit, _CMP_LE_OQ);
    uint32_t high = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + 16), limit, _CMP_LE_OQ);
    uint32_t valid = n < 32 ? (1u << n) - 1 : ~0u;
    return (low | high << 16) & valid;
}

SELECT_INLINE uint32_t avx512_allowed_half(const uint32_t *rows, __mmask16 valid, const uint64_t *bits, uint32_t count)
{
    __m512i row = _mm512_maskz_loadu_epi32(valid, rows), place = _mm512_and_si512(row, _mm512_set1_epi32(31));
    valid = _mm512_mask_cmplt_epu32_mask(valid, row, _mm512_set1_epi32((int)count));
    __m512i word = _mm512_maskz_srli_epi32(valid, row, 5); /* of no row: the first */
    __m256i low = _mm256_i32gather_epi32((const int *)(const void *)bits, _mm512_castsi512_si256(word), 4);
    __m256i high = _mm256_i32gather_epi32((const int *)(const void *)bits, _mm512_extracti64x4_epi64(word, 1), 4);
    __m512i words = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    return _mm512_mask_test_epi32_mask(valid, words, _mm512_sllv_epi32(_mm512_set1_epi32(1), place));
}

static uint32_t avx512_allowed(const uint32_t *rows, size_t n, const uint64_t *bits, uint32_t count)
{
    uint32_t valid = n < 32 ? (1u << n) - 1 : ~0u;
    uint32_t low = avx512_allowed_half(rows, (__mmask16)valid, bits, count);
    if (n <= 16)
        return low;
    return low | avx512_allowed_half(rows + 16, (__mmask16)(valid >> 16), bits, count) << 16;
}

SELECT_INLINE size_t avx512_put(__m512 values, __m512i places, __mmask16 mask, float *kept, uint32_t *out)
{
    _mm512_storeu_ps(kept, _mm512_maskz_compress_ps(mask, values));
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(mask, places));
    return (size_t)__builtin_popcount(mask);
}

static void avx512_take(const float *values, uint32_t first, uint32_t mask, float *kept, uint32_t *places, size_t *n)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i low = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)first));
    __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(16));
    *n += avx512_put(_mm512_loadu_ps(values), low, (__mmask16)mask, kept + *n, places + *n);
    *n += avx512_put(_mm512_loadu_ps(values + 16), high, (__mmask16)(mask >> 16), kept + *n, places + *n);
}

SELECT_INLINE __m512i avx512_order(const float *kept)
{
    __m512i bits = _mm512_loadu_si512(kept);
    return _mm512_xor_si512(bits, _mm512_srli_epi32(_mm512_srai_epi32(bits, 31), 1));
}

SELECT_INLINE __mmask16 avx512_valid(size_t i, size_t n)
{
    return (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
}

static size_t avx512_count(const float *kept, size_t n, int32_t most)
{
    __m512i limit = _mm512_set1_epi32(most);
    size_t count = 0;
    for (size_t i = 0; i < n; i += 16)
        count +=
            (size_t)__builtin_popcount(_mm512_mask_cmple_epi32_mask(avx512_valid(i, n), avx512_order(kept + i), limit));
    return count;
}

/* Keep what is below the order given, and of those that have it the places up to `most`; returns the greatest. */
static int32_t avx512_keep(float *kept, uint32_t *places, size_t n, int32_t last, uint32_t most)
{
    __m512i limit = _mm512_set1_epi32(last), greatest = _mm512_set1_epi32(INT32_MIN);
    size_t out = 0;
    for (size_t i = 0; i < n; i += 16) {
        __m512i order = avx512_order(kept + i), place = _mm512_loadu_si512(places + i);
        __m512 value = _mm512_loadu_ps(kept + i);
        __mmask16 same = _mm512_mask_cmpeq_epi32_mask(avx512_valid(i, n), order, limit);
        same = _mm512_mask_cmple_epu32_mask(same, place, _mm512_set1_epi32((int)most));
        __mmask16 mask = (__mmask16)(_mm512_mask_cmplt_epi32_mask(avx512_valid(i, n), order, limit) | same);
        greatest = _mm512_mask_max_epi32(greatest, mask, greatest, order);
        out += avx512_put(value, place, mask, kept + out, places + out);
    }
    return _mm512_reduce_max_epi32(greatest);
}

static float avx512_least(float *kept, uint32_t *places, size_t n, size_t k)
{
    __m512i least = _mm512_set1_epi32(INT32_MAX), most = _mm512_set1_epi32(INT32_MIN);
    for (size_t i = 0; i < n; i += 16) {
        __m512i order = avx512_order(kept + i);
        least = _mm512_mask_min_epi32(least, avx512_valid(i, n), least, order);
        most = _mm512_mask_max_epi32(most, avx512_valid(i, n), most, order);
    }
    int64_t low = _mm512_reduce_min_epi32(least), high = _mm512_reduce_max_epi32(most);
    size_t under = 0, upto = n;
    for (unsigned round = 0; low < high && upto != k; round++) {
        int64_t middle = vssi_select_middle(low, high, under, upto, k, round);
        size_t count = avx512_count(kept, n, (int32_t)middle);
        if (count >= k) {
            high = middle;
            upto = count;
        } else {
            low = middle + 1;
            under = count;
        }
    }
    uint32_t last = upto == k ? UINT32_MAX : vssi_select_last(kept, places, n, (int32_t)high, k - under);
    return vssi_select_value(avx512_keep(kept, places, n, (int32_t)high, last));
}

const vssi_select vssi_select_avx512 = {avx512_below, avx512_allowed, avx512_take, avx512_least};
