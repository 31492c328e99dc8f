/*
 * dense_amx.h - AMX's instructions and tiles, for the files of that level
 *
 * AMX has no interface but its instructions: they are in assembly, as gcc 12's intrinsics do not say that they read
 * memory. Its products of bytes are exact; those of bfloat16 are float32 sums in the unit's own order, rounded to
 * nearest, in which numbers below 2^-126 count as 0 (Intel, Software Developer's Manual 2, TDPBF16PS).
 */
#ifndef VSSI_DENSE_AMX_H
#define VSSI_DENSE_AMX_H

#include <immintrin.h>

#include <stdbool.h>

#include "dense.h"

#define AMX_INLINE static inline __attribute__((always_inline))
#define AMX_TILE 1024u

#define AMX_LOAD(tile, at, stride)                                                                                    \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile : : "r"(at), "r"((size_t)(stride)) : "memory")
#define AMX_STORE(tile, at, stride)                                                                                   \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" : : "r"(at), "r"((size_t)(stride)) : "memory")
#define AMX_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile : : : "memory")
#define AMX_MULTIPLY(what, sum, rows, queries)                                                                        \
    __asm__ volatile(what " %%tmm" #queries ", %%tmm" #rows ", %%tmm" #sum : : : "memory")

/* Tiles 0 to 3: sums; 4, 5: rows; 6, 7: queries. All of 16 rows of 64 bytes. */
typedef struct amx_config {
    uint8_t palette, start, zero[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} amx_config;

static const amx_config amx_tiles = {
    .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

AMX_INLINE void amx_take(void) { __asm__ volatile("ldtilecfg %0" : : "m"(amx_tiles)); }
AMX_INLINE void amx_give_back(void) { __asm__ volatile("tilerelease"); }

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
