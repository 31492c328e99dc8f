/*
 * tile_avx512vnni.c - panels of 32 rows of codes, up to 12 queries at once: 24 registers of sums
 *
 * A step is four codes: two loads of the panel, a broadcast a query, two vpdpbusd a query. The instruction is in
 * assembly: gcc 12 moves the sums of its intrinsic to memory and back from 24 registers on.
 */
#include <immintrin.h>

#include "tile.h"

#define TILE_INLINE static inline __attribute__((always_inline))
#define VNNI_QUERIES 12u

TILE_INLINE __m512i vnni_add(__m512i sum, __m512i codes, __m512i query)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(query));
    return sum;
}

static void vnni_bases(const void *panel, size_t units, int32_t *bases)
{
    const __m512i ones = _mm512_set1_epi8(1), top = _mm512_set1_epi8((char)-128);
    __m512i square[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, sum[2] = {square[0], square[0]};
    for (size_t i = 0; i < units; i++) {
        for (size_t h = 0; h < 2; h++) {
            __m512i v = _mm512_load_si512((const char *)panel + i * 128 + h * 64);
            square[h] = vnni_add(square[h], v, _mm512_xor_si512(v, top));
            sum[h] = vnni_add(sum[h], v, ones);
        }
    }
    for (size_t h = 0; h < 2; h++) /* sum c (c - 128) - 128 sum c */
        _mm512_store_si512(bases + h * 16, _mm512_sub_epi32(square[h], _mm512_slli_epi32(sum[h], 7)));
}

TILE_INLINE void vnni_block(const vssi_tile_codes_job *job, const int count, uint32_t *hits)
{
    __m512i low[VNNI_QUERIES], high[VNNI_QUERIES];
    const char *v = job->panel;
    const int32_t *query = job->queries;
#pragma GCC unroll 12
    for (int q = 0; q < count; q++)
        low[q] = high[q] = _mm512_setzero_si512();
    for (size_t i = 0; i < job->units; i++, v += 128, query += count) {
        __m512i v_low = _mm512_load_si512(v), v_high = _mm512_load_si512(v + 64);
        _mm_prefetch(job->next + i * 128, _MM_HINT_T0);
        _mm_prefetch(job->next + i * 128 + 64, _MM_HINT_T0);
#pragma GCC unroll 12
        for (int q = 0; q < count; q++) {
            __m512i four = _mm512_set1_epi32(query[q]);
            low[q] = vnni_add(low[q], v_low, four);
            high[q] = vnni_add(high[q], v_high, four);
        }
    }
    __m512i base_low = _mm512_load_si512(job->bases), base_high = _mm512_load_si512(job->bases + 16);
#pragma GCC unroll 12
    for (int q = 0; q < count; q++) {
        __m512i cut = _mm512_set1_epi32(job->cuts[q]);
        __m512i a = _mm512_sub_epi32(base_low, _mm512_slli_epi32(low[q], 1));
        __m512i b = _mm512_sub_epi32(base_high, _mm512_slli_epi32(high[q], 1));
        hits[q] = (uint32_t)_mm512_cmple_epi32_mask(a, cut) | (uint32_t)_mm512_cmple_epi32_mask(b, cut) << 16;
    }
}

static void vnni_multiply(const vssi_tile_codes_job *job, uint32_t *hits)
{
    switch (job->n_queries) {
    case 2:
        vnni_block(job, 2, hits);
        break;
    case 4:
        vnni_block(job, 4, hits);
        break;
    case 6:
        vnni_block(job, 6, hits);
        break;
    case 8:
        vnni_block(job, 8, hits);
        break;
    case 10:
        vnni_block(job, 10, hits);
        break;
    default:
        vnni_block(job, 12, hits);
    }
}

const vssi_tile_codes vssi_tile_codes_vnni = {VNNI_QUERIES, vnni_bases, vnni_multiply};
