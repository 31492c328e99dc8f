/*
 * simd_neondot.c - the kernels of bytes for arm64 with dot products (Armv8.2, FEAT_DotProd)
 *
 * Four rows at once; thirty-two bytes a step into two registers of sums a row, each lane the sum of four products. For
 * L2 the difference is taken in 8 bits without a sign. What is not here is the level below's.
 */
#include "kernels.h"
#include "simd_neon.h"

/* Sums are kept without a sign, and read as signed: a total is below 2^31 in size. */
NEON_INLINE uint32x4_t neondot_add(uint32x4_t sum, uint8x16_t q, uint8x16_t v, vssi_simd_type type, bool ip)
{
    if (type == VSSI_SIMD_I8) {
        int8x16_t a = vreinterpretq_s8_u8(q), b = vreinterpretq_s8_u8(v);
        if (ip)
            return vreinterpretq_u32_s32(vdotq_s32(vreinterpretq_s32_u32(sum), a, b));
        q = v = vreinterpretq_u8_s8(vabdq_s8(a, b));
    } else if (!ip) {
        q = v = vabdq_u8(q, v);
    }
    return vdotq_u32(sum, q, v);
}

NEON_INLINE void neondot_bytes(const void *query, const uint8_t *const *row, size_t count, size_t dim, bool stream,
                               float *scores, vssi_simd_type type, vssi_simd_op op)
{
    const uint8_t *bytes = query;
    bool ip = op == VSSI_SIMD_IP;
    uint32x4_t low[NEON_GROUP], high[NEON_GROUP];
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        low[j] = high[j] = vdupq_n_u32(0);
    size_t i = 0;
    for (; i + 32 <= dim; i += 32) {
        uint8x16_t q0 = vld1q_u8(bytes + i), q1 = vld1q_u8(bytes + i + 16);
#pragma GCC unroll 4
        for (size_t j = 0; j < count; j++) {
            if (stream)
                vssi_neon_prefetch(row[j] + i, NEON_AHEAD);
            low[j] = neondot_add(low[j], q0, vld1q_u8(row[j] + i), type, ip);
            high[j] = neondot_add(high[j], q1, vld1q_u8(row[j] + i + 16), type, ip);
        }
    }
    if (i + 16 <= dim) {
        uint8x16_t q = vld1q_u8(bytes + i);
#pragma GCC unroll 4
        for (size_t j = 0; j < count; j++)
            low[j] = neondot_add(low[j], q, vld1q_u8(row[j] + i), type, ip);
        i += 16;
    }
    if (i < dim) {
        uint8x16_t q = vssi_neon_part(bytes + i, dim - i);
#pragma GCC unroll 4
        for (size_t j = 0; j < count; j++)
            low[j] = neondot_add(low[j], q, vssi_neon_part(row[j] + i, dim - i), type, ip);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++) {
        int32_t all = vaddvq_s32(vreinterpretq_s32_u32(vaddq_u32(low[j], high[j])));
        scores[j] = (float)(ip ? -all : all);
    }
}

VSSI_KERNELS(vssi_neon, dot_l2_i8, neondot_bytes, VSSI_SIMD_I8, VSSI_SIMD_L2)
VSSI_KERNELS(vssi_neon, dot_ip_i8, neondot_bytes, VSSI_SIMD_I8, VSSI_SIMD_IP)
VSSI_KERNELS(vssi_neon, dot_l2_u8, neondot_bytes, VSSI_SIMD_U8, VSSI_SIMD_L2)
VSSI_KERNELS(vssi_neon, dot_ip_u8, neondot_bytes, VSSI_SIMD_U8, VSSI_SIMD_IP)

const vssi_kernels vssi_simd_neondot = {
    .level = "neondot",
    .below = &vssi_simd_neon,
    .rows = {[VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(vssi_neon, dot_l2_i8, dot_ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(vssi_neon, dot_l2_u8, dot_ip_u8)},
    .gather = {[VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(vssi_neon, dot_l2_i8, dot_ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(vssi_neon, dot_l2_u8, dot_ip_u8)},
};
