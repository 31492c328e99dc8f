/*
 * tile_avx512.c - panels of 32 rows, up to 14 queries at once: 28 registers of sums
 *
 * A step is one component: two loads of the panel, a broadcast a query, two multiply-adds a query. Packing transposes
 * blocks of 16 rows x 16 components in registers, widened to float32 as they are read.
 */
#include "tile_avx512.h"

#define TILE_INLINE VSSI_TILE512_INLINE
#define TILE512_ROWS VSSI_TILE512_ROWS

/* Sixteen components from the i-th on as float32, exactly; those not in the mask are 0 and are not read. */
TILE_INLINE __m512 tile512_load(vssi_simd_type type, const char *row, size_t i, __mmask16 mask)
{
    switch (type) {
    case VSSI_SIMD_F32:
        return _mm512_maskz_loadu_ps(mask, row + 4 * i);
    case VSSI_SIMD_F16:
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, row + 2 * i));
    case VSSI_SIMD_BF16:
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, row + 2 * i)), 16));
    case VSSI_SIMD_I8:
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, row + i)));
    default:
        return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, row + i)));
    }
}

TILE_INLINE void tile512_fill(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, float *panel)
{
    for (size_t i = 0; i < dim; i += 16) {
        size_t columns = dim - i < 16 ? dim - i : 16;
        __mmask16 mask = (__mmask16)((1u << columns) - 1);
        for (size_t half = 0; half < TILE512_ROWS; half += 16) {
            __m512 square[16];
#pragma GCC unroll 16
            for (size_t r = 0; r < 16; r++)
                square[r] = half + r < n ? tile512_load(type, rows[half + r], i, mask) : _mm512_setzero_ps();
            vssi_tile512_transpose(square);
            vssi_tile512_store(square, columns, panel + i * TILE512_ROWS + half);
        }
    }
}

static void tile512_pack(const char *const *rows, size_t n, size_t dim, float *panel)
{
    tile512_fill(VSSI_SIMD_F32, rows, n, dim, panel);
}

static void tile512_widen(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, float *panel)
{
    switch (type) {
    case VSSI_SIMD_F16:
        tile512_fill(VSSI_SIMD_F16, rows, n, dim, panel);
        break;
    case VSSI_SIMD_BF16:
        tile512_fill(VSSI_SIMD_BF16, rows, n, dim, panel);
        break;
    case VSSI_SIMD_I8:
        tile512_fill(VSSI_SIMD_I8, rows, n, dim, panel);
        break;
    default:
        tile512_fill(VSSI_SIMD_U8, rows, n, dim, panel);
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
    vssi_tile_next next = *job->next;
#pragma GCC unroll 14
    for (int q = 0; q < count; q++)
        low[q] = high[q] = _mm512_setzero_ps();
    if (job->part & VSSI_TILE_MORE_BEFORE) {
#pragma GCC unroll 14
        for (int q = 0; q < count; q++) {
            low[q] = _mm512_load_ps(job->sums + q * 32);
            high[q] = _mm512_load_ps(job->sums + q * 32 + 16);
        }
    }
    for (size_t i = 0; i < job->dim; i++, v += TILE512_ROWS, query += count) {
        __m512 v_low = _mm512_load_ps(v), v_high = _mm512_load_ps(v + 16);
        if (i < job->asks)
            vssi_tile_ask(&next, 2);
#pragma GCC unroll 14
        for (int q = 0; q < count; q++) {
            __m512 one = _mm512_set1_ps(query[q]);
            low[q] = _mm512_fmadd_ps(one, v_low, low[q]);
            high[q] = _mm512_fmadd_ps(one, v_high, high[q]);
        }
    }
    *job->next = next;
    if (job->part & VSSI_TILE_MORE_BEHIND) {
#pragma GCC unroll 14
        for (int q = 0; q < count; q++) {
            _mm512_store_ps(job->sums + q * 32, low[q]);
            _mm512_store_ps(job->sums + q * 32 + 16, high[q]);
        }
        return;
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

const vssi_tile vssi_tile_avx512 = {
    "avx512", TILE512_ROWS, 14, tile512_pack, tile512_widen, tile512_norms, tile512_multiply};
