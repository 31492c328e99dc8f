/*
 * simd_neon.c - the kernels for arm64 with Advanced SIMD, which every arm64 processor has
 *
 * Four rows at once, so that one load of the query serves four rows. Floats: sixteen components a step into four
 * registers of sums a row, by fused multiply-add; F16 and BF16 are widened to float32 first. Bytes: sixteen a step,
 * widening multiplies and pairwise additions into 32 bits; for L2 the difference is taken in 8 bits without a sign.
 * Bits: counted by byte, added pairwise into 16 bits (4,096 a lane at most). The last components of a row are loaded
 * with zeros behind them, which change no sum.
 */
#include "kernels.h"
#include "simd_neon.h"

/* Floats */

/* Four components from the i-th on as float32. */
NEON_INLINE float32x4_t neon_load(vssi_simd_type type, const void *row, size_t i)
{
    if (type == VSSI_SIMD_F32)
        return vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)row + 4 * i));
    uint16x4_t halves = vreinterpret_u16_u8(vld1_u8((const uint8_t *)row + 2 * i));
    if (type == VSSI_SIMD_F16)
        return vcvt_f32_f16(vreinterpret_f16_u16(halves));
    return vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

/* The same of n < 4 components, zeros behind them. */
NEON_INLINE float32x4_t neon_load_part(vssi_simd_type type, const void *row, size_t i, size_t n)
{
    if (type == VSSI_SIMD_F32)
        return vreinterpretq_f32_u8(vssi_neon_part((const uint8_t *)row + 4 * i, 4 * n));
    uint64_t halves = vssi_neon_half((const uint8_t *)row + 2 * i, 2 * n);
    return neon_load(type, &halves, 0);
}

NEON_INLINE float32x4_t neon_add(float32x4_t sum, float32x4_t q, float32x4_t v, bool ip)
{
    if (ip)
        return vfmaq_f32(sum, q, v);
    float32x4_t difference = vsubq_f32(q, v);
    return vfmaq_f32(sum, difference, difference);
}

NEON_INLINE float neon_join(const float32x4_t *sum, bool ip)
{
    float all = vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
    return ip ? -all : all;
}

NEON_INLINE void neon_floats(const void *query, const uint8_t *const *row, size_t count, size_t dim, bool stream,
                             float *scores, vssi_simd_type type, vssi_simd_op op)
{
    bool ip = op == VSSI_SIMD_IP;
    size_t i = 0;
    float32x4_t sum[NEON_GROUP][4];
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        sum[j][0] = sum[j][1] = sum[j][2] = sum[j][3] = vdupq_n_f32(0);
    for (; i + 16 <= dim; i += 16) {
        float32x4_t q[4] = {neon_load(VSSI_SIMD_F32, query, i), neon_load(VSSI_SIMD_F32, query, i + 4),
                            neon_load(VSSI_SIMD_F32, query, i + 8), neon_load(VSSI_SIMD_F32, query, i + 12)};
#pragma GCC unroll 4
        for (size_t j = 0; j < count; j++) {
            if (stream)
                vssi_neon_prefetch(row[j] + vssi_simd_row_size(type, i), NEON_AHEAD);
#pragma GCC unroll 4
            for (size_t l = 0; l < 4; l++)
                sum[j][l] = neon_add(sum[j][l], q[l], neon_load(type, row[j], i + 4 * l), ip);
        }
    }
    for (; i + 4 <= dim; i += 4) {
        float32x4_t q = neon_load(VSSI_SIMD_F32, query, i);
#pragma GCC unroll 4
        for (size_t j = 0; j < count; j++)
            sum[j][0] = neon_add(sum[j][0], q, neon_load(type, row[j], i), ip);
    }
    if (i < dim) {
        float32x4_t q = neon_load_part(VSSI_SIMD_F32, query, i, dim - i);
#pragma GCC unroll 4
        for (size_t j = 0; j < count; j++)
            sum[j][0] = neon_add(sum[j][0], q, neon_load_part(type, row[j], i, dim - i), ip);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        scores[j] = neon_join(sum[j], ip);
}

/* The line NEON_AHEAD bytes past the i-th of each row. */
NEON_INLINE void neon_fetch_lines(const uint8_t *const *row, size_t count, size_t i)
{
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        vssi_neon_prefetch(row[j] + i, NEON_AHEAD);
}

/* Bytes. Sums are kept without a sign, and read as signed: a total is below 2^31 in size. */

NEON_INLINE void neon_bytes_add(uint32x4_t sum[2], uint8x16_t q, uint8x16_t v, vssi_simd_type type, bool ip)
{
    if (ip && type == VSSI_SIMD_I8) {
        int8x16_t a = vreinterpretq_s8_u8(q), b = vreinterpretq_s8_u8(v);
        int32x4_t low = vreinterpretq_s32_u32(sum[0]), high = vreinterpretq_s32_u32(sum[1]);
        sum[0] = vreinterpretq_u32_s32(vpadalq_s16(low, vmull_s8(vget_low_s8(a), vget_low_s8(b))));
        sum[1] = vreinterpretq_u32_s32(vpadalq_s16(high, vmull_high_s8(a, b)));
        return;
    }
    if (!ip && type == VSSI_SIMD_I8)
        q = v = vreinterpretq_u8_s8(vabdq_s8(vreinterpretq_s8_u8(q), vreinterpretq_s8_u8(v)));
    else if (!ip)
        q = v = vabdq_u8(q, v);
    sum[0] = vpadalq_u16(sum[0], vmull_u8(vget_low_u8(q), vget_low_u8(v)));
    sum[1] = vpadalq_u16(sum[1], vmull_high_u8(q, v));
}

NEON_INLINE void neon_bytes_step(uint32x4_t sum[][2], const uint8_t *query, const uint8_t *const *row, size_t count,
                                 size_t i, vssi_simd_type type, bool ip)
{
    uint8x16_t q = vld1q_u8(query + i);
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        neon_bytes_add(sum[j], q, vld1q_u8(row[j] + i), type, ip);
}

NEON_INLINE void neon_bytes(const void *query, const uint8_t *const *row, size_t count, size_t dim, bool stream,
                            float *scores, vssi_simd_type type, vssi_simd_op op)
{
    const uint8_t *bytes = query;
    bool ip = op == VSSI_SIMD_IP;
    uint32x4_t sum[NEON_GROUP][2];
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        sum[j][0] = sum[j][1] = vdupq_n_u32(0);
    size_t i = 0;
    for (; i + 64 <= dim; i += 64) {
        if (stream)
            neon_fetch_lines(row, count, i);
#pragma GCC unroll 4
        for (size_t l = 0; l < 64; l += 16)
            neon_bytes_step(sum, bytes, row, count, i + l, type, ip);
    }
    for (; i + 16 <= dim; i += 16)
        neon_bytes_step(sum, bytes, row, count, i, type, ip);
    if (i < dim) {
        uint8x16_t q = vssi_neon_part(bytes + i, dim - i);
#pragma GCC unroll 4
        for (size_t j = 0; j < count; j++)
            neon_bytes_add(sum[j], q, vssi_neon_part(row[j] + i, dim - i), type, ip);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++) {
        int32_t all = vaddvq_s32(vreinterpretq_s32_u32(vaddq_u32(sum[j][0], sum[j][1])));
        scores[j] = (float)(ip ? -all : all);
    }
}

/* Bits. sum: those that differ, and those set in either. */

NEON_INLINE void neon_bits_add(uint16x8_t sum[2], uint8x16_t q, uint8x16_t v, vssi_simd_op op)
{
    sum[0] = vpadalq_u8(sum[0], vcntq_u8(veorq_u8(q, v)));
    if (op == VSSI_SIMD_JACCARD)
        sum[1] = vpadalq_u8(sum[1], vcntq_u8(vorrq_u8(q, v)));
}

NEON_INLINE void neon_bits_step(uint16x8_t sum[][2], const uint8_t *query, const uint8_t *const *row, size_t count,
                                size_t i, vssi_simd_op op)
{
    uint8x16_t q = vld1q_u8(query + i);
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        neon_bits_add(sum[j], q, vld1q_u8(row[j] + i), op);
}

NEON_INLINE float neon_bits_score(const uint16x8_t sum[2], vssi_simd_op op)
{
    float differ = (float)vaddlvq_u16(sum[0]);
    if (op == VSSI_SIMD_HAMMING)
        return differ;
    uint32_t either = vaddlvq_u16(sum[1]);
    return either ? differ / (float)either : 0;
}

NEON_INLINE void neon_bits(const void *query, const uint8_t *const *row, size_t count, size_t dim, bool stream,
                           float *scores, vssi_simd_type type, vssi_simd_op op)
{
    const uint8_t *bytes = query;
    size_t size = vssi_simd_row_size(type, dim), i = 0;
    uint16x8_t sum[NEON_GROUP][2];
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        sum[j][0] = sum[j][1] = vdupq_n_u16(0);
    for (; i + 64 <= size; i += 64) {
        if (stream)
            neon_fetch_lines(row, count, i);
#pragma GCC unroll 4
        for (size_t l = 0; l < 64; l += 16)
            neon_bits_step(sum, bytes, row, count, i + l, op);
    }
    for (; i + 16 <= size; i += 16)
        neon_bits_step(sum, bytes, row, count, i, op);
    if (i < size) {
        uint8x16_t q = vssi_neon_part(bytes + i, size - i);
#pragma GCC unroll 4
        for (size_t j = 0; j < count; j++)
            neon_bits_add(sum[j], q, vssi_neon_part(row[j] + i, size - i), op);
    }
#pragma GCC unroll 4
    for (size_t j = 0; j < count; j++)
        scores[j] = neon_bits_score(sum[j], op);
}

VSSI_KERNELS(vssi_neon, l2_f32, neon_floats, VSSI_SIMD_F32, VSSI_SIMD_L2)
VSSI_KERNELS(vssi_neon, ip_f32, neon_floats, VSSI_SIMD_F32, VSSI_SIMD_IP)
VSSI_KERNELS(vssi_neon, l2_f16, neon_floats, VSSI_SIMD_F16, VSSI_SIMD_L2)
VSSI_KERNELS(vssi_neon, ip_f16, neon_floats, VSSI_SIMD_F16, VSSI_SIMD_IP)
VSSI_KERNELS(vssi_neon, l2_bf16, neon_floats, VSSI_SIMD_BF16, VSSI_SIMD_L2)
VSSI_KERNELS(vssi_neon, ip_bf16, neon_floats, VSSI_SIMD_BF16, VSSI_SIMD_IP)
VSSI_KERNELS(vssi_neon, l2_i8, neon_bytes, VSSI_SIMD_I8, VSSI_SIMD_L2)
VSSI_KERNELS(vssi_neon, ip_i8, neon_bytes, VSSI_SIMD_I8, VSSI_SIMD_IP)
VSSI_KERNELS(vssi_neon, l2_u8, neon_bytes, VSSI_SIMD_U8, VSSI_SIMD_L2)
VSSI_KERNELS(vssi_neon, ip_u8, neon_bytes, VSSI_SIMD_U8, VSSI_SIMD_IP)
VSSI_KERNELS(vssi_neon, hamming, neon_bits, VSSI_SIMD_BITS, VSSI_SIMD_HAMMING)
VSSI_KERNELS(vssi_neon, jaccard, neon_bits, VSSI_SIMD_BITS, VSSI_SIMD_JACCARD)

const vssi_kernels vssi_simd_neon = {
    .level = "neon",
    .below = &vssi_simd_scalar,
    .rows = {[VSSI_SIMD_F32] = VSSI_KERNELS_ROWS(vssi_neon, l2_f32, ip_f32),
             [VSSI_SIMD_F16] = VSSI_KERNELS_ROWS(vssi_neon, l2_f16, ip_f16),
             [VSSI_SIMD_BF16] = VSSI_KERNELS_ROWS(vssi_neon, l2_bf16, ip_bf16),
             [VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(vssi_neon, l2_i8, ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(vssi_neon, l2_u8, ip_u8),
             [VSSI_SIMD_BITS] = VSSI_KERNELS_ROWS(vssi_neon, hamming, jaccard)},
    .gather = {[VSSI_SIMD_F32] = VSSI_KERNELS_GATHER(vssi_neon, l2_f32, ip_f32),
               [VSSI_SIMD_F16] = VSSI_KERNELS_GATHER(vssi_neon, l2_f16, ip_f16),
               [VSSI_SIMD_BF16] = VSSI_KERNELS_GATHER(vssi_neon, l2_bf16, ip_bf16),
               [VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(vssi_neon, l2_i8, ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(vssi_neon, l2_u8, ip_u8),
               [VSSI_SIMD_BITS] = VSSI_KERNELS_GATHER(vssi_neon, hamming, jaccard)},
};
