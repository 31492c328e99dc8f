/*
 * simd_neondot.c - the kernels of bytes for arm64 with dot products (Armv8.2, FEAT_DotProd)
 *
 * Four rows at once; thirty-two bytes a step into two registers of sums a row, each lane the sum of four products. For
 * L2 the difference is taken in 8 bits without a sign. What is not here is the level below's.
 */
#include "simd_neon.h"

NEON_INLINE uint32x4_t neondot_add(const vssi_kernels_job *job, uint32x4_t sum, uint8x16_t q, uint8x16_t v)
{
    bool ip = job->op == VSSI_SIMD_IP;
    if (job->type == VSSI_SIMD_I8) {
        int8x16_t a = vreinterpretq_s8_u8(q), b = vreinterpretq_s8_u8(v);
        if (ip)
            return vreinterpretq_u32_s32(vdotq_s32(vreinterpretq_s32_u32(sum), a, b));
        q = v = vreinterpretq_u8_s8(vabdq_s8(a, b));
    } else if (!ip) {
        q = v = vabdq_u8(q, v);
    }
    return vdotq_u32(sum, q, v);
}

/* Sixteen bytes from the i-th on, of each row. */
NEON_INLINE void neondot_step(const vssi_kernels_job *job, const char *const *rows, int count, size_t i,
                              uint32x4_t *sum)
{
    uint8x16_t q = vssi_neon_load((const char *)job->query + i);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        sum[j] = neondot_add(job, sum[j], q, vssi_neon_load(rows[j] + i));
}

NEON_INLINE void neondot_block(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    size_t i = 0, rest;
    uint32x4_t low[VSSI_KERNELS_BLOCK], high[VSSI_KERNELS_BLOCK];
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        low[j] = high[j] = vdupq_n_u32(0);
    for (; i + 32 <= job->dim; i += 32) {
        vssi_neon_ahead(job, rows, count, i);
        neondot_step(job, rows, count, i, low);
        neondot_step(job, rows, count, i + 16, high);
    }
    if (i + 16 <= job->dim) {
        neondot_step(job, rows, count, i, low);
        i += 16;
    }
    if ((rest = job->dim - i) > 0) {
        uint8x16_t q = vssi_neon_part((const char *)job->query + i, rest);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            low[j] = neondot_add(job, low[j], q, vssi_neon_part(rows[j] + i, rest));
    }
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        scores[j] = vssi_neon_score(low[j], high[j], job->op);
}

NEON_INLINE int32_t neondot_prepare(const void *query, size_t dim, vssi_simd_type type, vssi_simd_op op)
{
    (void)query, (void)dim, (void)type, (void)op;
    return 0;
}

VSSI_KERNELS(neondot, l2_i8, VSSI_SIMD_I8, VSSI_SIMD_L2)
VSSI_KERNELS(neondot, ip_i8, VSSI_SIMD_I8, VSSI_SIMD_IP)
VSSI_KERNELS(neondot, l2_u8, VSSI_SIMD_U8, VSSI_SIMD_L2)
VSSI_KERNELS(neondot, ip_u8, VSSI_SIMD_U8, VSSI_SIMD_IP)

const vssi_kernels vssi_simd_neondot = {
    .level = "neondot",
    .below = &vssi_simd_neon,
    .rows = {[VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(neondot, l2_i8, ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(neondot, l2_u8, ip_u8)},
    .gather = {[VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(neondot, l2_i8, ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(neondot, l2_u8, ip_u8)},
};
