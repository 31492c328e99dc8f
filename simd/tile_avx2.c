/*
 * tile_avx2.c - panels of 16 rows, up to 6 queries at once: 12 registers of sums
 *
 * A step is one component: two loads of the panel, a broadcast a query, two multiply-adds a query. Packing transposes
 * blocks of 8 rows x 8 components in registers, widened to float32 as they are read.
 */
#include <immintrin.h>
#include <string.h>

#include "tile.h"

#define TILE_INLINE static inline __attribute__((always_inline))
#define TILE256_ROWS 16u

/* Eight registers, the rows of a square, become its columns. */
TILE_INLINE void tile256_transpose(__m256 *square)
{
    __m256 pairs[8], fours[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(square[i], square[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(square[i], square[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
        fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
        fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
        fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        square[c] = _mm256_permute2f128_ps(fours[c], fours[c + 4], 0x20);
        square[c + 4] = _mm256_permute2f128_ps(fours[c], fours[c + 4], 0x31);
    }
}

/* Lanes of the first n of eight. */
TILE_INLINE __m256i tile256_mask(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Eight components from the i-th on as float32, exactly; zeros beyond the first n, which are not read. */
TILE_INLINE __m256 tile256_load(vssi_simd_type type, const char *row, size_t i, size_t n)
{
    const char *at = row + i * vssi_simd_row_size(type, 1);
    char part[16] = {0};
    if (type == VSSI_SIMD_F32)
        return _mm256_maskload_ps((const float *)(const void *)at, tile256_mask(n));
    if (n < 8)
        at = memcpy(part, at, vssi_simd_row_size(type, n));
    if (type == VSSI_SIMD_I8)
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)at)));
    if (type == VSSI_SIMD_U8)
        return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)at)));
    __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)at);
    if (type == VSSI_SIMD_F16)
        return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

TILE_INLINE void tile256_fill(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, float *panel)
{
    for (size_t i = 0; i < dim; i += 8) {
        size_t columns = dim - i < 8 ? dim - i : 8;
        for (size_t half = 0; half < TILE256_ROWS; half += 8) {
            __m256 square[8];
#pragma GCC unroll 8
            for (size_t r = 0; r < 8; r++)
                square[r] = half + r < n ? tile256_load(type, rows[half + r], i, columns) : _mm256_setzero_ps();
            tile256_transpose(square);
            float *out = panel + i * TILE256_ROWS + half;
#pragma GCC unroll 8
            for (size_t c = 0; c < 8; c++) {
                if (c < columns)
                    _mm256_store_ps(out + c * TILE256_ROWS, square[c]);
            }
        }
    }
}

static void tile256_pack(const char *const *rows, size_t n, size_t dim, float *panel)
{
    tile256_fill(VSSI_SIMD_F32, rows, n, dim, panel);
}

static void tile256_widen(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, float *panel)
{
    switch (type) {
    case VSSI_SIMD_F16:
        tile256_fill(VSSI_SIMD_F16, rows, n, dim, panel);
        break;
    case VSSI_SIMD_BF16:
        tile256_fill(VSSI_SIMD_BF16, rows, n, dim, panel);
        break;
    case VSSI_SIMD_I8:
        tile256_fill(VSSI_SIMD_I8, rows, n, dim, panel);
        break;
    default:
        tile256_fill(VSSI_SIMD_U8, rows, n, dim, panel);
    }
}

static void tile256_norms(const float *panel, size_t dim, float *norms)
{
    __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t i = 0; i < dim; i++) {
        __m256 low = _mm256_load_ps(panel + i * TILE256_ROWS), high = _mm256_load_ps(panel + i * TILE256_ROWS + 8);
        __m256 *to = sum + 2 * (i % 2);
        to[0] = _mm256_fmadd_ps(low, low, to[0]);
        to[1] = _mm256_fmadd_ps(high, high, to[1]);
    }
    _mm256_store_ps(norms, _mm256_add_ps(sum[0], sum[2]));
    _mm256_store_ps(norms + 8, _mm256_add_ps(sum[1], sum[3]));
}

TILE_INLINE void tile256_block(const vssi_tile_job *job, const int count, uint32_t *hits)
{
    __m256 low[6], high[6];
    const float *v = job->panel, *query = job->queries;
    vssi_tile_next next = *job->next;
#pragma GCC unroll 6
    for (int q = 0; q < count; q++)
        low[q] = high[q] = _mm256_setzero_ps();
    if (job->part & VSSI_TILE_MORE_BEFORE) {
#pragma GCC unroll 6
        for (int q = 0; q < count; q++) {
            low[q] = _mm256_load_ps(job->sums + q * 16);
            high[q] = _mm256_load_ps(job->sums + q * 16 + 8);
        }
    }
    for (size_t i = 0; i < job->dim; i++, v += TILE256_ROWS, query += count) {
        __m256 v_low = _mm256_load_ps(v), v_high = _mm256_load_ps(v + 8);
        if (i < job->asks)
            vssi_tile_ask(&next, 2);
#pragma GCC unroll 6
        for (int q = 0; q < count; q++) {
            __m256 one = _mm256_set1_ps(query[q]);
            low[q] = _mm256_fmadd_ps(one, v_low, low[q]);
            high[q] = _mm256_fmadd_ps(one, v_high, high[q]);
        }
    }
    *job->next = next;
    if (job->part & VSSI_TILE_MORE_BEHIND) {
#pragma GCC unroll 6
        for (int q = 0; q < count; q++) {
            _mm256_store_ps(job->sums + q * 16, low[q]);
            _mm256_store_ps(job->sums + q * 16 + 8, high[q]);
        }
        return;
    }
    __m256 scale_low = _mm256_load_ps(job->scale), scale_high = _mm256_load_ps(job->scale + 8);
    __m256 base_low = _mm256_load_ps(job->base), base_high = _mm256_load_ps(job->base + 8);
#pragma GCC unroll 6
    for (int q = 0; q < count; q++) {
        __m256 cut = _mm256_set1_ps(job->cuts[q]);
        __m256 a = _mm256_cmp_ps(_mm256_fmadd_ps(low[q], scale_low, base_low), cut, _CMP_LE_OQ);
        __m256 b = _mm256_cmp_ps(_mm256_fmadd_ps(high[q], scale_high, base_high), cut, _CMP_LE_OQ);
        hits[q] = (uint32_t)_mm256_movemask_ps(a) | (uint32_t)_mm256_movemask_ps(b) << 8;
    }
}

static void tile256_multiply(const vssi_tile_job *job, uint32_t *hits)
{
    switch (job->n_queries) {
    case 2:
        tile256_block(job, 2, hits);
        break;
    case 4:
        tile256_block(job, 4, hits);
        break;
    default:
        tile256_block(job, 6, hits);
    }
}

const vssi_tile vssi_tile_avx2 = {
    "avx2", TILE256_ROWS, 6, tile256_pack, tile256_widen, tile256_norms, tile256_multiply};
