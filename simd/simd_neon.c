/*
 * simd_neon.c - the kernels for arm64 with Advanced SIMD, which every arm64 processor has
 *
 * Four rows at once, so that one load of the query serves four rows. Floats: sixteen components a step into four
 * registers of sums a row, by fused multiply-add; F16 and BF16 are widened to float32 first. Bytes: sixteen a step,
 * widening multiplies and pairwise additions into 32 bits; for L2 the difference is taken in 8 bits without a sign.
 * Bits: counted by byte, added pairwise into 16 bits (4,096 a lane at most). The last components of a row are loaded
 * with zeros behind them, which change no sum.
 */
#include "simd_neon.h"

/* Floats */

/* Four components from the i-th on as float32. */
NEON_INLINE float32x4_t neon_load(vssi_simd_type type, const char *row, size_t i)
{
    if (type == VSSI_SIMD_F32)
        return vreinterpretq_f32_u8(vssi_neon_load(row + 4 * i));
    uint16x4_t halves = vreinterpret_u16_u8(vld1_u8((const uint8_t *)row + 2 * i));
    if (type == VSSI_SIMD_F16)
        return vcvt_f32_f16(vreinterpret_f16_u16(halves));
    return vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

/* The same of n < 4 components, zeros behind them. */
NEON_INLINE float32x4_t neon_load_part(vssi_simd_type type, const char *row, size_t i, size_t n)
{
    if (type == VSSI_SIMD_F32)
        return vreinterpretq_f32_u8(vssi_neon_part(row + 4 * i, 4 * n));
    uint64_t halves = vssi_neon_half(row + 2 * i, 2 * n);
    return neon_load(type, (const char *)&halves, 0);
}

NEON_INLINE float32x4_t neon_add(float32x4_t sum, float32x4_t q, float32x4_t v, vssi_simd_op op)
{
    if (op == VSSI_SIMD_IP)
        return vfmaq_f32(sum, q, v);
    float32x4_t difference = vsubq_f32(q, v);
    return vfmaq_f32(sum, difference, difference);
}

/* Sixteen components from the i-th on, of each row. */
NEON_INLINE void neon_floats_step(const vssi_kernels_job *job, const char *const *rows, int count, size_t i,
                                  float32x4_t sum[][4])
{
#pragma GCC unroll 4
    for (size_t l = 0; l < 4; l++) {
        float32x4_t q = neon_load(VSSI_SIMD_F32, job->query, i + 4 * l);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            sum[j][l] = neon_add(sum[j][l], q, neon_load(job->type, rows[j], i + 4 * l), job->op);
    }
}

NEON_INLINE void neon_floats(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    size_t i = 0, rest;
    float32x4_t sum[VSSI_KERNELS_BLOCK][4];
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        sum[j][0] = sum[j][1] = sum[j][2] = sum[j][3] = vdupq_n_f32(0);
    for (; i + 16 <= job->dim; i += 16) {
        vssi_neon_ahead(job, rows, count, vssi_simd_row_size(job->type, i));
        neon_floats_step(job, rows, count, i, sum);
    }
    for (; i + 4 <= job->dim; i += 4) {
        float32x4_t q = neon_load(VSSI_SIMD_F32, job->query, i);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            sum[j][0] = neon_add(sum[j][0], q, neon_load(job->type, rows[j], i), job->op);
    }
    if ((rest = job->dim - i) > 0) {
        float32x4_t q = neon_load_part(VSSI_SIMD_F32, job->query, i, rest);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            sum[j][0] = neon_add(sum[j][0], q, neon_load_part(job->type, rows[j], i, rest), job->op);
    }
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        float all = vaddvq_f32(vaddq_f32(vaddq_f32(sum[j][0], sum[j][1]), vaddq_f32(sum[j][2], sum[j][3])));
        scores[j] = job->op == VSSI_SIMD_IP ? -all : all;
    }
}

/* Bytes */

NEON_INLINE void neon_bytes_add(const vssi_kernels_job *job, uint32x4_t sum[2], uint8x16_t q, uint8x16_t v)
{
    bool ip = job->op == VSSI_SIMD_IP;
    if (ip && job->type == VSSI_SIMD_I8) {
        int8x16_t a = vreinterpretq_s8_u8(q), b = vreinterpretq_s8_u8(v);
        int32x4_t low = vreinterpretq_s32_u32(sum[0]), high = vreinterpretq_s32_u32(sum[1]);
        sum[0] = vreinterpretq_u32_s32(vpadalq_s16(low, vmull_s8(vget_low_s8(a), vget_low_s8(b))));
        sum[1] = vreinterpretq_u32_s32(vpadalq_s16(high, vmull_high_s8(a, b)));
        return;
    }
    if (!ip && job->type == VSSI_SIMD_I8)
        q = v = vreinterpretq_u8_s8(vabdq_s8(vreinterpretq_s8_u8(q), vreinterpretq_s8_u8(v)));
    else if (!ip)
        q = v = vabdq_u8(q, v);
    sum[0] = vpadalq_u16(sum[0], vmull_u8(vget_low_u8(q), vget_low_u8(v)));
    sum[1] = vpadalq_u16(sum[1], vmull_high_u8(q, v));
}

NEON_INLINE void neon_bytes_step(const vssi_kernels_job *job, const char *const *rows, int count, size_t i,
                                 uint32x4_t sum[][2])
{
    uint8x16_t q = vssi_neon_load((const char *)job->query + i);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        neon_bytes_add(job, sum[j], q, vssi_neon_load(rows[j] + i));
}

NEON_INLINE void neon_bytes(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    size_t i = 0, rest;
    uint32x4_t sum[VSSI_KERNELS_BLOCK][2];
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        sum[j][0] = sum[j][1] = vdupq_n_u32(0);
    for (; i + 64 <= job->dim; i += 64) {
        vssi_neon_ahead(job, rows, count, i);
#pragma GCC unroll 4
        for (size_t l = 0; l < 64; l += 16)
            neon_bytes_step(job, rows, count, i + l, sum);
    }
    for (; i + 16 <= job->dim; i += 16)
        neon_bytes_step(job, rows, count, i, sum);
    if ((rest = job->dim - i) > 0) {
        uint8x16_t q = vssi_neon_part((const char *)job->query + i, rest);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            neon_bytes_add(job, sum[j], q, vssi_neon_part(rows[j] + i, rest));
    }
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        scores[j] = vssi_neon_score(sum[j][0], sum[j][1], job->op);
}

/* Bits. sum: those that differ, and those set in either. */

NEON_INLINE void neon_bits_add(const vssi_kernels_job *job, uint16x8_t sum[2], uint8x16_t q, uint8x16_t v)
{
    sum[0] = vpadalq_u8(sum[0], vcntq_u8(veorq_u8(q, v)));
    if (job->op == VSSI_SIMD_JACCARD)
        sum[1] = vpadalq_u8(sum[1], vcntq_u8(vorrq_u8(q, v)));
}

NEON_INLINE void neon_bits_step(const vssi_kernels_job *job, const char *const *rows, int count, size_t i,
                                uint16x8_t sum[][2])
{
    uint8x16_t q = vssi_neon_load((const char *)job->query + i);
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        neon_bits_add(job, sum[j], q, vssi_neon_load(rows[j] + i));
}

NEON_INLINE float neon_bits_score(const uint16x8_t sum[2], vssi_simd_op op)
{
    float differ = (float)vaddlvq_u16(sum[0]);
    if (op == VSSI_SIMD_HAMMING)
        return differ;
    uint32_t either = vaddlvq_u16(sum[1]);
    return either ? differ / (float)either : 0;
}

NEON_INLINE void neon_bits(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    size_t size = job->dim / 8, i = 0;
    uint16x8_t sum[VSSI_KERNELS_BLOCK][2];
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        sum[j][0] = sum[j][1] = vdupq_n_u16(0);
    for (; i + 64 <= size; i += 64) {
        vssi_neon_ahead(job, rows, count, i);
#pragma GCC unroll 4
        for (size_t l = 0; l < 64; l += 16)
            neon_bits_step(job, rows, count, i + l, sum);
    }
    for (; i + 16 <= size; i += 16)
        neon_bits_step(job, rows, count, i, sum);
    if (i < size) {
        uint8x16_t q = vssi_neon_part((const char *)job->query + i, size - i);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            neon_bits_add(job, sum[j], q, vssi_neon_part(rows[j] + i, size - i));
    }
#pragma GCC unroll 4
    for (int j = 0; j < count; j++)
        scores[j] = neon_bits_score(sum[j], job->op);
}

/* The table */

NEON_INLINE int32_t neon_prepare(const void *query, size_t dim, vssi_simd_type type, vssi_simd_op op)
{
    (void)query, (void)dim, (void)type, (void)op;
    return 0;
}

NEON_INLINE void neon_block(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    if (job->type == VSSI_SIMD_BITS)
        neon_bits(job, rows, count, scores);
    else if (job->type == VSSI_SIMD_I8 || job->type == VSSI_SIMD_U8)
        neon_bytes(job, rows, count, scores);
    else
        neon_floats(job, rows, count, scores);
}

VSSI_KERNELS(neon, l2_f32, VSSI_SIMD_F32, VSSI_SIMD_L2)
VSSI_KERNELS(neon, ip_f32, VSSI_SIMD_F32, VSSI_SIMD_IP)
VSSI_KERNELS(neon, l2_f16, VSSI_SIMD_F16, VSSI_SIMD_L2)
VSSI_KERNELS(neon, ip_f16, VSSI_SIMD_F16, VSSI_SIMD_IP)
VSSI_KERNELS(neon, l2_bf16, VSSI_SIMD_BF16, VSSI_SIMD_L2)
VSSI_KERNELS(neon, ip_bf16, VSSI_SIMD_BF16, VSSI_SIMD_IP)
VSSI_KERNELS(neon, l2_i8, VSSI_SIMD_I8, VSSI_SIMD_L2)
VSSI_KERNELS(neon, ip_i8, VSSI_SIMD_I8, VSSI_SIMD_IP)
VSSI_KERNELS(neon, l2_u8, VSSI_SIMD_U8, VSSI_SIMD_L2)
VSSI_KERNELS(neon, ip_u8, VSSI_SIMD_U8, VSSI_SIMD_IP)
VSSI_KERNELS(neon, hamming, VSSI_SIMD_BITS, VSSI_SIMD_HAMMING)
VSSI_KERNELS(neon, jaccard, VSSI_SIMD_BITS, VSSI_SIMD_JACCARD)

const vssi_kernels vssi_simd_neon = {
    .level = "neon",
    .below = &vssi_simd_scalar,
    .rows = {[VSSI_SIMD_F32] = VSSI_KERNELS_ROWS(neon, l2_f32, ip_f32),
             [VSSI_SIMD_F16] = VSSI_KERNELS_ROWS(neon, l2_f16, ip_f16),
             [VSSI_SIMD_BF16] = VSSI_KERNELS_ROWS(neon, l2_bf16, ip_bf16),
             [VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(neon, l2_i8, ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(neon, l2_u8, ip_u8),
             [VSSI_SIMD_BITS] = VSSI_KERNELS_ROWS(neon, hamming, jaccard)},
    .gather = {[VSSI_SIMD_F32] = VSSI_KERNELS_GATHER(neon, l2_f32, ip_f32),
               [VSSI_SIMD_F16] = VSSI_KERNELS_GATHER(neon, l2_f16, ip_f16),
               [VSSI_SIMD_BF16] = VSSI_KERNELS_GATHER(neon, l2_bf16, ip_bf16),
               [VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(neon, l2_i8, ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(neon, l2_u8, ip_u8),
               [VSSI_SIMD_BITS] = VSSI_KERNELS_GATHER(neon, hamming, jaccard)},
};
