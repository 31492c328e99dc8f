/*
 * amx.h - AMX's instructions, for the files of that level
 *
 * AMX has no interface but its instructions: they are in assembly, as gcc 12's intrinsics do not say that they read
 * memory. Products of bytes are exact; those of bfloat16 are float32 sums in the unit's own order, rounded to nearest,
 * in which numbers below 2^-126 count as 0 (Intel, Software Developer's Manual 2, TDPBF16PS).
 */
#ifndef VSSI_AMX_H
#define VSSI_AMX_H

#include <immintrin.h>

#include <stddef.h>
#include <stdint.h>

#define AMX_INLINE static inline __attribute__((always_inline))

#define AMX_LOAD(tile, at, stride)                                                                                    \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile : : "r"(at), "r"((size_t)(stride)) : "memory")
#define AMX_STORE(tile, at, stride)                                                                                   \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" : : "r"(at), "r"((size_t)(stride)) : "memory")
#define AMX_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile : : : "memory")
#define AMX_MULTIPLY(what, sum, left, right)                                                                        \
    __asm__ volatile(what " %%tmm" #right ", %%tmm" #left ", %%tmm" #sum : : : "memory")

/* The shapes of the tiles: bytes of a row, and rows. */
typedef struct amx_config {
    uint8_t palette, start, zero[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} amx_config;

AMX_INLINE void amx_take(const amx_config *config) { __asm__ volatile("ldtilecfg %0" : : "m"(*config)); }
AMX_INLINE void amx_give_back(void) { __asm__ volatile("tilerelease"); }

#endif
