/*
 * dense_amx.h - what the AMX kernels of dense.h share: the tiles, and the list of pairs
 */
#ifndef VSSI_DENSE_AMX_H
#define VSSI_DENSE_AMX_H

#include <stdbool.h>

#include "amx.h"
#include "dense.h"

#define AMX_TILE 1024u

/* Tiles 0 to 3: sums; 4, 5: rows; 6, 7: queries. All of 16 rows of 64 bytes. */
static const amx_config amx_tiles = {
    .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

/* Row `row`'s pairs in mask, with these values, behind the n listed. Returns how many there are then. */
AMX_INLINE size_t amx_list(uint32_t row, __mmask32 mask, uint32_t *where, size_t n)
{
    const __m512i number = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i pair = _mm512_or_si512(number, _mm512_set1_epi32((int)(row << 5)));
    for (int half = 0; half < 2; half++, mask >>= 16) {
        _mm512_storeu_si512(where + n, _mm512_maskz_compress_epi32((__mmask16)mask, pair));
        pair = _mm512_add_epi32(pair, _mm512_set1_epi32(16));
        n += (size_t)__builtin_popcount(mask & 0xffff);
    }
    return n;
}

/* dense_codes_amx.c: `codes` and `greatest` of dense.h. */
size_t vssi_dense_amx_codes(const vssi_dense_codes *job, uint32_t *where, int32_t *values);
void vssi_dense_amx_greatest(const vssi_dense_codes *job, int32_t *greatest);

#endif
