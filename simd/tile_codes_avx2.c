/*
 * tile_codes_avx2.c - panels of 32 rows of codes, 16 of them at a time, up to 4 queries at once: 8 registers of sums
 *
 * AVX2 multiplies unsigned by signed bytes, but saturates. So the bytes of even and of odd place are widened to 16
 * bits, a mask and a shift for each register of codes whatever the number of queries, and multiplied as pairs, exactly.
 * Packing transposes blocks of 8 rows x 8 units in registers.
 */
#include <immintrin.h>

#include "tile.h"

#define TILE_INLINE static inline __attribute__((always_inline))
#define CODES_UNIT 128u /* bytes of a unit of a panel */
#define CODES_QUERIES 4u

TILE_INLINE __m256i codes_load(const void *at) { return _mm256_load_si256((const __m256i *)at); }

/* Units i to i + 7 of eight rows as eight registers, those from units on 0. */
TILE_INLINE void codes_square(const char *const *rows, size_t n, size_t i, size_t units, __m256i *square)
{
    __m256i left = _mm256_set1_epi32((int)(units - i)), place = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i mask = _mm256_cmpgt_epi32(left, place), pairs[8];
#pragma GCC unroll 8
    for (size_t r = 0; r < 8; r++)
        pairs[r] = r < n ? _mm256_maskload_epi32((const int *)(const void *)(rows[r] + 4 * i), mask)
                         : _mm256_setzero_si256();
#pragma GCC unroll 4
    for (size_t r = 0; r < 8; r += 2) {
        square[r] = _mm256_unpacklo_epi32(pairs[r], pairs[r + 1]);
        square[r + 1] = _mm256_unpackhi_epi32(pairs[r], pairs[r + 1]);
    }
#pragma GCC unroll 2
    for (size_t r = 0; r < 8; r += 4) {
        pairs[r] = _mm256_unpacklo_epi64(square[r], square[r + 2]);
        pairs[r + 1] = _mm256_unpackhi_epi64(square[r], square[r + 2]);
        pairs[r + 2] = _mm256_unpacklo_epi64(square[r + 1], square[r + 3]);
        pairs[r + 3] = _mm256_unpackhi_epi64(square[r + 1], square[r + 3]);
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; r++) {
        square[r] = _mm256_permute2x128_si256(pairs[r], pairs[r + 4], 0x20);
        square[r + 4] = _mm256_permute2x128_si256(pairs[r], pairs[r + 4], 0x31);
    }
}

static void codes_pack(const char *const *rows, size_t n, size_t units, char *panel)
{
    for (size_t i = 0; i < units; i += 8) {
        size_t columns = units - i < 8 ? units - i : 8;
        for (size_t first = 0; first < VSSI_TILE_ROWS; first += 8) {
            __m256i square[8];
            codes_square(rows + first, n > first ? n - first : 0, i, units, square);
#pragma GCC unroll 8
            for (size_t c = 0; c < 8; c++) {
                if (c < columns)
                    _mm256_store_si256((__m256i *)(void *)(panel + (i + c) * CODES_UNIT + 4 * first), square[c]);
            }
        }
    }
}

static void codes_halves(const char *panels, size_t n_panels, size_t units, int32_t *halves)
{
    const __m256i low = _mm256_set1_epi16(255), whole = _mm256_set1_epi16(256), one = _mm256_set1_epi32(1);
    for (size_t p = 0; p < n_panels; p++, halves += VSSI_TILE_ROWS, panels += units * CODES_UNIT) {
        __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                          _mm256_setzero_si256()};
        for (size_t i = 0; i < units; i++) {
#pragma GCC unroll 4
            for (size_t h = 0; h < 4; h++) {
                __m256i c = codes_load(panels + i * CODES_UNIT + 32 * h);
                __m256i even = _mm256_and_si256(c, low), odd = _mm256_srli_epi16(c, 8);
                __m256i a = _mm256_madd_epi16(even, _mm256_sub_epi16(whole, even));
                __m256i b = _mm256_madd_epi16(odd, _mm256_sub_epi16(whole, odd));
                sum[h] = _mm256_add_epi32(sum[h], _mm256_add_epi32(a, b));
            }
        }
#pragma GCC unroll 4
        for (size_t h = 0; h < 4; h++) /* -floor(-sum / 2) */
            _mm256_store_si256((__m256i *)(void *)(halves + 8 * h),
                               _mm256_srai_epi32(_mm256_add_epi32(sum[h], one), 1));
    }
}

/* Sixteen rows, from `rows` on, of a panel. */
TILE_INLINE void codes_block(const vssi_tile_codes_job *job, size_t panel, size_t rows, const int count, uint32_t *hits)
{
    const __m256i even = _mm256_set1_epi16(255);
    const char *c = job->panels + panel * job->units * CODES_UNIT + 4 * rows;
    const int32_t *halves = job->halves + panel * VSSI_TILE_ROWS + rows, *query = job->queries;
    __m256i low[CODES_QUERIES], high[CODES_QUERIES];
#pragma GCC unroll 4
    for (int q = 0; q < count; q++) {
        low[q] = codes_load(halves);
        high[q] = codes_load(halves + 8);
    }
    for (size_t i = 0; i < job->units; i++, c += CODES_UNIT, query += count) {
        __m256i a = codes_load(c), b = codes_load(c + 32);
        __m256i a_even = _mm256_and_si256(a, even), a_odd = _mm256_srli_epi16(a, 8);
        __m256i b_even = _mm256_and_si256(b, even), b_odd = _mm256_srli_epi16(b, 8);
#pragma GCC unroll 4
        for (int q = 0; q < count; q++) {
            __m256i four = _mm256_set1_epi32(query[q]), odd = _mm256_srai_epi16(four, 8);
            four = _mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8);
            low[q] = _mm256_add_epi32(low[q], _mm256_madd_epi16(a_even, four));
            high[q] = _mm256_add_epi32(high[q], _mm256_madd_epi16(b_even, four));
            low[q] = _mm256_add_epi32(low[q], _mm256_madd_epi16(a_odd, odd));
            high[q] = _mm256_add_epi32(high[q], _mm256_madd_epi16(b_odd, odd));
        }
    }
#pragma GCC unroll 4
    for (int q = 0; q < count; q++) {
        __m256i least = _mm256_set1_epi32(job->least[q]);
        int a = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(least, low[q])));
        int b = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(least, high[q])));
        hits[q] |= (~((uint32_t)a | (uint32_t)b << 8) & 0xffffu) << rows;
    }
}

TILE_INLINE void codes_panels(const vssi_tile_codes_job *job, const int count, uint32_t *hits)
{
    size_t size = job->units * CODES_UNIT;
    for (size_t p = 0; p < job->n_panels; p++, hits += count) {
        for (size_t at = 0; at < size; at += 64)
            _mm_prefetch(job->next + p * size + at, _MM_HINT_T0);
        for (int q = 0; q < count; q++)
            hits[q] = 0;
        codes_block(job, p, 0, count, hits);
        codes_block(job, p, 16, count, hits);
    }
}

static void codes_multiply(const vssi_tile_codes_job *job, uint32_t *hits)
{
    switch (job->n_queries) {
    case 1:
        codes_panels(job, 1, hits);
        break;
    case 2:
        codes_panels(job, 2, hits);
        break;
    default:
        codes_panels(job, 4, hits);
    }
}

const vssi_tile_codes vssi_tile_codes_avx2 = {CODES_QUERIES, 0, codes_pack, codes_halves, codes_multiply,
                                               vssi_tile_codes_collect};
