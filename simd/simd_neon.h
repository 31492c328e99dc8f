/*
 * simd_neon.h - what the levels for arm64 share: loads of bytes, and of the last few of a row
 */
#ifndef VSSI_SIMD_NEON_H
#define VSSI_SIMD_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "kernels.h"

#define NEON_INLINE VSSI_KERNELS_INLINE

NEON_INLINE uint8x16_t vssi_neon_load(const char *p) { return vld1q_u8((const uint8_t *)p); }

/* n < 8 bytes and zeros behind them. */
NEON_INLINE uint64_t vssi_neon_half(const char *p, size_t n)
{
    uint64_t value = 0;
    size_t at = 0;
    if (n & 4) {
        uint32_t four;
        memcpy(&four, p, sizeof four);
        value = four;
        at = 4;
    }
    if (n & 2) {
        uint16_t two;
        memcpy(&two, p + at, sizeof two);
        value |= (uint64_t)two << (8 * at);
        at += 2;
    }
    return n & 1 ? value | (uint64_t)(uint8_t)p[at] << (8 * at) : value;
}

/* n < 16 bytes and zeros behind them. */
NEON_INLINE uint8x16_t vssi_neon_part(const char *p, size_t n)
{
    if (n < 8)
        return vcombine_u8(vcreate_u8(vssi_neon_half(p, n)), vcreate_u8(0));
    return vcombine_u8(vld1_u8((const uint8_t *)p), vcreate_u8(vssi_neon_half(p + 8, n - 8)));
}

/* Where rows are streamed: ask for what is to be read after the offset of each row. */
NEON_INLINE void vssi_neon_ahead(const vssi_kernels_job *job, const char *const *rows, int count, size_t offset)
{
    if (!job->stream)
        return;
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        vssi_kernels_ahead(job, rows[j] + offset);
}

/* The score of bytes: sums are kept without a sign and read as signed; a total is below 2^31 in size. */
NEON_INLINE float vssi_neon_score(uint32x4_t low, uint32x4_t high, vssi_simd_op op)
{
    int32_t all = vaddvq_s32(vreinterpretq_s32_u32(vaddq_u32(low, high)));
    return (float)(op == VSSI_SIMD_IP ? -all : all);
}

#endif
