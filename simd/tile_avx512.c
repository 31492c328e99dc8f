/*
 * tile_avx512.c - panels of 32 rows, up to 14 queries at once: 28 registers of sums
 *
 * A step is one component: two loads of the panel, a broadcast a query, two multiply-adds a query. Packing transposes
 * blocks of 16 rows x 16 components in registers.
 */
#include <immintrin.h>

#include "tile.h"

#define TILE_INLINE static inline __attribute__((always_inline))
#define TILE512_ROWS 32u

/* Sixteen registers, the rows of a square, become its columns. */
TILE_INLINE void tile512_transpose(__m512 *square)
{
    __m512 pairs[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(square[i], square[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(square[i], square[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* square[i + c]: component c of rows i to i + 3, in each part of four */
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m512d low = _mm512_castps_pd(pairs[i + h]), high = _mm512_castps_pd(pairs[i + h + 2]);
            square[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            square[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        __m512 a = square[c], b = square[4 + c], d = square[8 + c], e = square[12 + c];
        __m512 even_low = _mm512_shuffle_f32x4(a, b, 0x88), even_high = _mm512_shuffle_f32x4(d, e, 0x88);
        __m512 odd_low = _mm512_shuffle_f32x4(a, b, 0xdd), odd_high = _mm512_shuffle_f32x4(d, e, 0xdd);
        pairs[c] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        pairs[8 + c] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        pairs[4 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        pairs[12 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        square[i] = pairs[i];
}

static void tile512_pack(const char *const *rows, size_t n, size_t dim, float *panel)
{
    for (size_t i = 0; i < dim; i += 16) {
        size_t columns = dim - i < 16 ? dim - i : 16;
        __mmask16 mask = (__mmask16)((1u << columns) - 1);
        for (size_t half = 0; half < TILE512_ROWS; half += 16) {
            __m512 square[16];
#pragma GCC unroll 16
            for (size_t r = 0; r < 16; r++)
                square[r] = half + r < n ? _mm512_maskz_loadu_ps(mask, (const float *)(const void *)rows[half + r] + i)
                                         : _mm512_setzero_ps();
            tile512_transpose(square);
            float *out = panel + i * TILE512_ROWS + half;
#pragma GCC unroll 16
            for (size_t c = 0; c < 16; c++) {
                if (c < columns)
                    _mm512_store_ps(out + c * TILE512_ROWS, square[c]);
            }
        }
    }
}

static void tile512_norms(const float *panel, size_t dim, float *norms)
{
    __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t i = 0; i < dim; i++) {
        __m512 low = _mm512_load_ps(panel + i * TILE512_ROWS), high = _mm512_load_ps(panel + i * TILE512_ROWS + 16);
        __m512 *to = sum + 2 * (i % 2);
        to[0] = _mm512_fmadd_ps(low, low, to[0]);
        to[1] = _mm512_fmadd_ps(high, high, to[1]);
    }
    _mm512_store_ps(norms, _mm512_add_ps(sum[0], sum[2]));
    _mm512_store_ps(norms + 16, _mm512_add_ps(sum[1], sum[3]));
}

TILE_INLINE void tile512_block(const vssi_tile_job *job, const int count, uint32_t *hits)
{
    __m512 low[VSSI_TILE_QUERIES], high[VSSI_TILE_QUERIES];
    const float *v = job->panel, *query = job->queries;
#pragma GCC unroll 14
    for (int q = 0; q < count; q++)
        low[q] = high[q] = _mm512_setzero_ps();
    for (size_t i = 0; i < job->dim; i++, v += TILE512_ROWS, query += count) {
        __m512 v_low = _mm512_load_ps(v), v_high = _mm512_load_ps(v + 16);
        _mm_prefetch(job->next + i * 128, _MM_HINT_T0);
        _mm_prefetch(job->next + i * 128 + 64, _MM_HINT_T0);
#pragma GCC unroll 14
        for (int q = 0; q < count; q++) {
            __m512 one = _mm512_set1_ps(query[q]);
            low[q] = _mm512_fmadd_ps(one, v_low, low[q]);
            high[q] = _mm512_fmadd_ps(one, v_high, high[q]);
        }
    }
    __m512 scale_low = _mm512_load_ps(job->scale), scale_high = _mm512_load_ps(job->scale + 16);
    __m512 base_low = _mm512_load_ps(job->base), base_high = _mm512_load_ps(job->base + 16);
#pragma GCC unroll 14
    for (int q = 0; q < count; q++) {
        __m512 cut = _mm512_set1_ps(job->cuts[q]);
        __mmask16 a = _mm512_cmp_ps_mask(_mm512_fmadd_ps(low[q], scale_low, base_low), cut, _CMP_LE_OQ);
        __mmask16 b = _mm512_cmp_ps_mask(_mm512_fmadd_ps(high[q], scale_high, base_high), cut, _CMP_LE_OQ);
        hits[q] = (uint32_t)a | (uint32_t)b << 16;
    }
}

static void tile512_multiply(const vssi_tile_job *job, uint32_t *hits)
{
    switch (job->n_queries) {
    case 2:
        tile512_block(job, 2, hits);
        break;
    case 4:
        tile512_block(job, 4, hits);
        break;
    case 6:
        tile512_block(job, 6, hits);
        break;
    case 8:
        tile512_block(job, 8, hits);
        break;
    case 10:
        tile512_block(job, 10, hits);
        break;
    case 12:
        tile512_block(job, 12, hits);
        break;
    default:
        tile512_block(job, 14, hits);
    }
}

const vssi_tile vssi_tile_avx512 = {"avx512", TILE512_ROWS, 14, tile512_pack, tile512_norms, tile512_multiply};
