/*
 * tile_avx512vnni.c - panels of 32 rows of codes, up to 14 queries at once: 28 registers of sums
 *
 * A step is four codes: two loads of the panel, a broadcast a query, two vpdpbusd a query. The instruction is in
 * assembly: gcc 12 moves the sums of its intrinsic to memory and back from 24 registers on. Panels are packed as
 * float32's are: four codes move as one.
 */
#include <immintrin.h>

#include "tile.h"

#define TILE_INLINE static inline __attribute__((always_inline))

TILE_INLINE __m512i vnni_add(__m512i sum, __m512i codes, __m512i query)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(query));
    return sum;
}

static void vnni_pack(const char *const *rows, size_t n, size_t units, char *panel)
{
    vssi_tile_avx512.pack(rows, n, units, (float *)(void *)panel);
}

static void vnni_halves(const char *panels, size_t n_panels, size_t units, int32_t *halves)
{
    const __m512i ones = _mm512_set1_epi8(1), top = _mm512_set1_epi8((char)-128);
    for (size_t p = 0; p < n_panels; p++, halves += VSSI_TILE_ROWS) {
        __m512i square[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, sum[2] = {square[0], square[0]};
        for (size_t i = 0; i < units; i++, panels += 128) {
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; h++) {
                __m512i v = _mm512_load_si512(panels + h * 64);
                square[h] = vnni_add(square[h], v, _mm512_xor_si512(v, top));
                sum[h] = vnni_add(sum[h], v, ones);
            }
        }
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) { /* sum c (c - 128) - 128 sum c, halved downwards, negated */
            __m512i base = _mm512_sub_epi32(square[h], _mm512_slli_epi32(sum[h], 7));
            _mm512_store_si512(halves + h * 16, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_srai_epi32(base, 1)));
        }
    }
}

TILE_INLINE void vnni_panels(const vssi_tile_codes_job *job, const int count, uint32_t *hits)
{
    const char *v = job->panels, *next = job->next;
    const int32_t *halves = job->halves;
    for (size_t p = 0; p < job->n_panels; p++, halves += VSSI_TILE_ROWS, hits += count) {
        __m512i low[VSSI_TILE_QUERIES], high[VSSI_TILE_QUERIES];
        const int32_t *query = job->queries;
#pragma GCC unroll 14
        for (int q = 0; q < count; q++) {
            low[q] = _mm512_load_si512(halves);
            high[q] = _mm512_load_si512(halves + 16);
        }
        for (size_t i = 0; i < job->units; i++, v += 128, next += 128, query += count) {
            __m512i v_low = _mm512_load_si512(v), v_high = _mm512_load_si512(v + 64);
            _mm_prefetch(next, _MM_HINT_T0);
            _mm_prefetch(next + 64, _MM_HINT_T0);
#pragma GCC unroll 14
            for (int q = 0; q < count; q++) {
                __m512i four = _mm512_set1_epi32(query[q]);
                low[q] = vnni_add(low[q], v_low, four);
                high[q] = vnni_add(high[q], v_high, four);
            }
        }
#pragma GCC unroll 14
        for (int q = 0; q < count; q++) {
            __m512i least = _mm512_set1_epi32(job->least[q]);
            __mmask16 a = _mm512_cmpge_epi32_mask(low[q], least), b = _mm512_cmpge_epi32_mask(high[q], least);
            hits[q] = (uint32_t)a | (uint32_t)b << 16;
        }
    }
}

static void vnni_multiply(const vssi_tile_codes_job *job, uint32_t *hits)
{
    switch (job->n_queries) {
    case 1:
        vnni_panels(job, 1, hits);
        break;
    case 2:
        vnni_panels(job, 2, hits);
        break;
    case 4:
        vnni_panels(job, 4, hits);
        break;
    case 6:
        vnni_panels(job, 6, hits);
        break;
    case 8:
        vnni_panels(job, 8, hits);
        break;
    case 10:
        vnni_panels(job, 10, hits);
        break;
    case 12:
        vnni_panels(job, 12, hits);
        break;
    default:
        vnni_panels(job, 14, hits);
    }
}

/* Without a branch a hit: which rows are hit can't be predicted. */
static size_t vnni_collect(const uint32_t *hits, size_t stride, const uint32_t *allowed, size_t n_panels,
                           uint32_t first, uint32_t *rows)
{
    const __m512i next = _mm512_set1_epi32(16);
    __m512i number = _mm512_add_epi32(_mm512_set1_epi32((int)first), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                                                                       11, 12, 13, 14, 15));
    uint32_t *out = rows;
    for (size_t p = 0; p < n_panels; p++) {
        uint32_t bits = hits[p * stride] & allowed[p], low = bits & 0xffff;
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi32((__mmask16)low, number));
        number = _mm512_add_epi32(number, next);
        _mm512_storeu_si512(out + __builtin_popcount(low),
                            _mm512_maskz_compress_epi32((__mmask16)(bits >> 16), number));
        number = _mm512_add_epi32(number, next);
        out += __builtin_popcount(bits);
    }
    return (size_t)(out - rows);
}

const vssi_tile_codes vssi_tile_codes_vnni = {VSSI_TILE_QUERIES, 250, vnni_pack, vnni_halves, vnni_multiply,
                                               vnni_collect};
