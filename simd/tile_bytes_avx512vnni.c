/*
 * tile_bytes_avx512vnni.c - panels of 32 rows of bytes, up to 12 queries at once: 24 registers of sums
 *
 * As tile_avx512vnni.c, but a panel holds the rows themselves, and what is compared is the score that the kernels of
 * the single query would give: whole numbers below 2^31 for up to 32,768 components, rounded once.
 */
#include "tile_avx512.h"

#define BYTES_INLINE VSSI_TILE512_INLINE
#define BYTES_QUERIES 12u

/* In assembly: gcc 12 moves the sums of the intrinsic to memory and back from 24 registers on. */
BYTES_INLINE __m512i bytes_add(__m512i sum, __m512i bytes, __m512i query)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(query));
    return sum;
}

/* L2: sum c^2 - 256 c. IP of U8: -128 sum c. IP of I8: 0. */
static void bytes_bases(vssi_simd_type type, vssi_simd_op op, const char *panel, size_t units, int32_t *base)
{
    const __m512i ones = _mm512_set1_epi8(1), top = _mm512_set1_epi8((char)-128);
    __m512i square[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, sum[2] = {square[0], square[0]};
    for (size_t i = 0; i < units; i++) {
        for (size_t h = 0; h < 2; h++) {
            __m512i v = _mm512_load_si512(panel + i * 128 + h * 64);
            square[h] = bytes_add(square[h], v, _mm512_xor_si512(v, top));
            sum[h] = bytes_add(sum[h], v, ones);
        }
    }
    for (size_t h = 0; h < 2; h++) {
        __m512i shifted = _mm512_slli_epi32(sum[h], 7), value = _mm512_sub_epi32(_mm512_setzero_si512(), shifted);
        if (op == VSSI_SIMD_L2) /* sum c (c - 128) - 128 sum c */
            value = _mm512_sub_epi32(square[h], shifted);
        else if (type == VSSI_SIMD_I8)
            value = _mm512_setzero_si512();
        _mm512_store_si512(base + h * 16, value);
    }
}

static void bytes_pack(vssi_simd_type type, vssi_simd_op op, const char *const *rows, size_t n, size_t dim, void *panel,
                       int32_t *base)
{
    vssi_tile512_pack_bytes(rows, n, dim, type == VSSI_SIMD_I8 ? (char)-128 : 0, panel);
    bytes_bases(type, op, panel, (dim + 3) / 4, base);
}

BYTES_INLINE uint32_t bytes_compare(const vssi_tile_bytes_job *job, size_t q, __m512i sum, size_t at)
{
    __m512i twice = _mm512_sll_epi32(sum, _mm_cvtsi32_si128(job->op == VSSI_SIMD_L2));
    __m512i whole = _mm512_sub_epi32(_mm512_load_si512(job->base + at), twice);
    __m512 value = _mm512_cvtepi32_ps(_mm512_add_epi32(whole, _mm512_set1_epi32(job->add[q])));
    value = _mm512_mul_ps(value, _mm512_load_ps(job->scale + at));
    return _mm512_cmp_ps_mask(value, _mm512_set1_ps(job->cuts[q]), _CMP_LE_OQ);
}

BYTES_INLINE void bytes_block(const vssi_tile_bytes_job *job, const int count, uint32_t *hits)
{
    __m512i low[BYTES_QUERIES], high[BYTES_QUERIES];
    const char *v = job->panel;
    const int32_t *query = job->queries;
    vssi_tile_next next = *job->next;
#pragma GCC unroll 12
    for (int q = 0; q < count; q++)
        low[q] = high[q] = _mm512_setzero_si512();
    if (job->part & VSSI_TILE_MORE_BEFORE) {
#pragma GCC unroll 12
        for (int q = 0; q < count; q++) {
            low[q] = _mm512_load_si512(job->sums + q * 32);
            high[q] = _mm512_load_si512(job->sums + q * 32 + 16);
        }
    }
    for (size_t i = 0; i < job->units; i++, v += 128, query += count) {
        __m512i v_low = _mm512_load_si512(v), v_high = _mm512_load_si512(v + 64);
        if (i < job->asks)
            vssi_tile_ask(&next, 2);
#pragma GCC unroll 12
        for (int q = 0; q < count; q++) {
            __m512i four = _mm512_set1_epi32(query[q]);
            low[q] = bytes_add(low[q], v_low, four);
            high[q] = bytes_add(high[q], v_high, four);
        }
    }
    *job->next = next;
    if (job->part & VSSI_TILE_MORE_BEHIND) {
#pragma GCC unroll 12
        for (int q = 0; q < count; q++) {
            _mm512_store_si512(job->sums + q * 32, low[q]);
            _mm512_store_si512(job->sums + q * 32 + 16, high[q]);
        }
        return;
    }
#pragma GCC unroll 12
    for (int q = 0; q < count; q++)
        hits[q] = bytes_compare(job, (size_t)q, low[q], 0) | bytes_compare(job, (size_t)q, high[q], 16) << 16;
}

static void bytes_multiply(const vssi_tile_bytes_job *job, uint32_t *hits)
{
    switch (job->n_queries) {
    case 2:
        bytes_block(job, 2, hits);
        break;
    case 4:
        bytes_block(job, 4, hits);
        break;
    case 6:
        bytes_block(job, 6, hits);
        break;
    case 8:
        bytes_block(job, 8, hits);
        break;
    case 10:
        bytes_block(job, 10, hits);
        break;
    default:
        bytes_block(job, 12, hits);
    }
}

const vssi_tile_bytes vssi_tile_bytes_vnni = {VSSI_TILE512_ROWS, BYTES_QUERIES, bytes_pack, bytes_multiply};
