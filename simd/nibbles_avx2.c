/*
 * nibbles_avx2.c - 64 codes a step: products of bytes added by twos in 16 bits, which hold 8 times 15 * 127
 */
#include <immintrin.h>
#include <string.h>

#include "nibbles.h"

#define NIBBLES_INLINE static inline __attribute__((always_inline))
#define NIBBLES_STEP 32u

typedef struct nibbles_sums {
    __m256i square, product;
} nibbles_sums;

NIBBLES_INLINE void nibbles_add(nibbles_sums *sums, __m256i codes, __m256i even, __m256i odd)
{
    const __m256i mask = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    __m256i low = _mm256_and_si256(codes, mask), high = _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask);
    __m256i square = _mm256_add_epi16(_mm256_maddubs_epi16(low, low), _mm256_maddubs_epi16(high, high));
    __m256i product = _mm256_add_epi16(_mm256_maddubs_epi16(low, even), _mm256_maddubs_epi16(high, odd));
    sums->square = _mm256_add_epi32(sums->square, _mm256_madd_epi16(square, ones));
    sums->product = _mm256_add_epi32(sums->product, _mm256_madd_epi16(product, ones));
}

NIBBLES_INLINE int32_t nibbles_sum(__m256i lanes)
{
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

/* Bytes [at, at + n) and zeros. */
NIBBLES_INLINE __m256i nibbles_load(const void *at, size_t n)
{
    uint8_t part[NIBBLES_STEP] = {0};
    memcpy(part, at, n);
    return _mm256_loadu_si256((const __m256i *)(const void *)part);
}

void vssi_nibbles_avx2(const void *query, const void *base, size_t size, const uint32_t *rows, size_t n,
                       float *scores)
{
    const vssi_nibbles_query *q = query;
    const size_t rest = size % NIBBLES_STEP, whole = size - rest;
    const __m256i even = nibbles_load(q->even + whole, rest), odd = nibbles_load(q->odd + whole, rest);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = (const uint8_t *)base + rows[i] * size;
        nibbles_sums sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (size_t j = 0; j < whole; j += NIBBLES_STEP)
            nibbles_add(&sums, _mm256_loadu_si256((const __m256i *)(const void *)(row + j)),
                        _mm256_loadu_si256((const __m256i *)(const void *)(q->even + j)),
                        _mm256_loadu_si256((const __m256i *)(const void *)(q->odd + j)));
        if (rest != 0)
            nibbles_add(&sums, nibbles_load(row + whole, rest), even, odd);
        scores[i] = vssi_nibbles_score(q->norm, nibbles_sum(sums.square), nibbles_sum(sums.product));
    }
}
