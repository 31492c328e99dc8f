/*
 * tile_avx512.h - what the panels of AVX-512 share: 32 rows, transposed in registers by squares of 16 x 16
 */
#ifndef VSSI_TILE_AVX512_H
#define VSSI_TILE_AVX512_H

#include <immintrin.h>

#include "tile.h"

#define VSSI_TILE512_INLINE static inline __attribute__((always_inline))
#define VSSI_TILE512_ROWS 32u

/* Sixteen registers, the rows of a square, become its columns. */
VSSI_TILE512_INLINE void vssi_tile512_transpose(__m512 *square)
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

/* Sixteen units of 32 rows, transposed: the first `columns` of them to out, a unit of all rows after another. */
VSSI_TILE512_INLINE void vssi_tile512_store(const __m512 *square, size_t columns, float *out)
{
#pragma GCC unroll 16
    for (size_t c = 0; c < 16; c++) {
        if (c < columns)
            _mm512_store_ps(out + c * VSSI_TILE512_ROWS, square[c]);
    }
}

/* The first n rows, of `bytes` bytes, into a panel of units of four bytes; what fills up is 0. Then all xor bias. */
VSSI_TILE512_INLINE void vssi_tile512_pack_bytes(const char *const *rows, size_t n, size_t bytes, char bias,
                                                 float *panel)
{
    const __m512i every = _mm512_set1_epi8(bias);
    for (size_t i = 0; i < bytes; i += 64, panel += 16 * VSSI_TILE512_ROWS) {
        size_t left = bytes - i < 64 ? bytes - i : 64;
        __mmask64 mask = ~(uint64_t)0 >> (64 - left);
        for (size_t half = 0; half < VSSI_TILE512_ROWS; half += 16) {
            __m512 square[16];
#pragma GCC unroll 16
            for (size_t r = 0; r < 16; r++) {
                __m512i row = half + r < n ? _mm512_maskz_loadu_epi8(mask, rows[half + r] + i) : _mm512_setzero_si512();
                square[r] = _mm512_castsi512_ps(_mm512_xor_si512(row, every));
            }
            vssi_tile512_transpose(square);
            vssi_tile512_store(square, (left + 3) / 4, panel + half);
        }
    }
}

#endif
