/*
 * simd_scalar.c - the kernels of every type and operation in plain C, for every processor
 *
 * Eight float32 sums a row, so that a compiler may keep them in vector registers of the baseline; bytes are summed in
 * 32 bits, bits counted by 64.
 */
#include <stdbool.h>

#include "components.h"
#include "kernels.h"
#include "simd.h"

#define SCALAR_INLINE VSSI_KERNELS_INLINE
#define SCALAR_LANES 8

SCALAR_INLINE float scalar_term(const void *query, const void *row, size_t i, vssi_simd_type type, bool ip)
{
    float x = vssi_components_get(VSSI_SIMD_F32, query, i), y = vssi_components_get(type, row, i);
    return ip ? x * y : (x - y) * (x - y);
}

SCALAR_INLINE float scalar_floats(const void *query, const void *row, size_t dim, vssi_simd_type type, bool ip)
{
    float lane[SCALAR_LANES] = {0};
    size_t whole = dim - dim % SCALAR_LANES;
    for (size_t i = 0; i < whole; i += SCALAR_LANES) {
        for (size_t j = 0; j < SCALAR_LANES; j++)
            lane[j] += scalar_term(query, row, i + j, type, ip);
    }
    for (size_t i = whole; i < dim; i++)
        lane[i - whole] += scalar_term(query, row, i, type, ip);
    float sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    return ip ? -sum : sum;
}

SCALAR_INLINE float scalar_bytes(const void *query, const void *row, size_t dim, vssi_simd_type type, bool ip)
{
    int32_t sum = 0;
    for (size_t i = 0; i < dim; i++) {
        int32_t x = type == VSSI_SIMD_I8 ? ((const int8_t *)query)[i] : ((const uint8_t *)query)[i];
        int32_t y = type == VSSI_SIMD_I8 ? ((const int8_t *)row)[i] : ((const uint8_t *)row)[i];
        sum += ip ? x * y : (x - y) * (x - y);
    }
    return (float)(ip ? -sum : sum);
}

SCALAR_INLINE float scalar_pair(const void *query, const void *row, size_t dim, vssi_simd_type type, vssi_simd_op op)
{
    if (type == VSSI_SIMD_BITS) {
        vssi_components_bits bits = vssi_components_compare(query, row, dim);
        if (op == VSSI_SIMD_HAMMING)
            return (float)bits.differ;
        return bits.either ? (float)bits.differ / (float)bits.either : 0;
    }
    if (type == VSSI_SIMD_I8 || type == VSSI_SIMD_U8)
        return scalar_bytes(query, row, dim, type, op == VSSI_SIMD_IP);
    return scalar_floats(query, row, dim, type, op == VSSI_SIMD_IP);
}

SCALAR_INLINE int32_t scalar_prepare(const void *query, size_t dim, vssi_simd_type type, vssi_simd_op op)
{
    (void)query, (void)dim, (void)type, (void)op;
    return 0;
}

SCALAR_INLINE void scalar_block(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    for (int j = 0; j < count; j++)
        scores[j] = scalar_pair(job->query, rows[j], job->dim, job->type, job->op);
}

VSSI_KERNELS(scalar, l2_f32, VSSI_SIMD_F32, VSSI_SIMD_L2)
VSSI_KERNELS(scalar, ip_f32, VSSI_SIMD_F32, VSSI_SIMD_IP)
VSSI_KERNELS(scalar, l2_f16, VSSI_SIMD_F16, VSSI_SIMD_L2)
VSSI_KERNELS(scalar, ip_f16, VSSI_SIMD_F16, VSSI_SIMD_IP)
VSSI_KERNELS(scalar, l2_bf16, VSSI_SIMD_BF16, VSSI_SIMD_L2)
VSSI_KERNELS(scalar, ip_bf16, VSSI_SIMD_BF16, VSSI_SIMD_IP)
VSSI_KERNELS(scalar, l2_i8, VSSI_SIMD_I8, VSSI_SIMD_L2)
VSSI_KERNELS(scalar, ip_i8, VSSI_SIMD_I8, VSSI_SIMD_IP)
VSSI_KERNELS(scalar, l2_u8, VSSI_SIMD_U8, VSSI_SIMD_L2)
VSSI_KERNELS(scalar, ip_u8, VSSI_SIMD_U8, VSSI_SIMD_IP)
VSSI_KERNELS(scalar, hamming, VSSI_SIMD_BITS, VSSI_SIMD_HAMMING)
VSSI_KERNELS(scalar, jaccard, VSSI_SIMD_BITS, VSSI_SIMD_JACCARD)

const vssi_kernels vssi_simd_scalar = {
    .level = "scalar",
    .rows = {[VSSI_SIMD_F32] = VSSI_KERNELS_ROWS(scalar, l2_f32, ip_f32),
             [VSSI_SIMD_F16] = VSSI_KERNELS_ROWS(scalar, l2_f16, ip_f16),
             [VSSI_SIMD_BF16] = VSSI_KERNELS_ROWS(scalar, l2_bf16, ip_bf16),
             [VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(scalar, l2_i8, ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(scalar, l2_u8, ip_u8),
             [VSSI_SIMD_BITS] = VSSI_KERNELS_ROWS(scalar, hamming, jaccard)},
    .gather = {[VSSI_SIMD_F32] = VSSI_KERNELS_GATHER(scalar, l2_f32, ip_f32),
               [VSSI_SIMD_F16] = VSSI_KERNELS_GATHER(scalar, l2_f16, ip_f16),
               [VSSI_SIMD_BF16] = VSSI_KERNELS_GATHER(scalar, l2_bf16, ip_bf16),
               [VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(scalar, l2_i8, ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(scalar, l2_u8, ip_u8),
               [VSSI_SIMD_BITS] = VSSI_KERNELS_GATHER(scalar, hamming, jaccard)},
};
