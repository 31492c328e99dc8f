/*
 * exact.c - the distances that are returned: float64 in one fixed order, the same bits on every machine
 *
 * Component i is added to lane i % 8; the lanes are added in pairs. No sum is reordered and no product fused (the
 * project compiles with -ffp-contract=off), so a compiler may use any vector width. Sums of bytes are whole numbers
 * below 2^53, the same in any order, and are added as such. Cost: one multiplication and addition a component, 2 to 8
 * at once; F16 and BF16 are widened first, a few integer operations each.
 */
#include <float.h>
#include <stdbool.h>
#include <string.h>

#include "components.h"
#include "simd.h"

#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "libvss needs a floating point unit that rounds every operation to its type"
#endif

#define EXACT_INLINE static inline __attribute__((always_inline))
#define EXACT_LANES 8

EXACT_INLINE double exact_term(vssi_simd_type type, bool ip, const void *a, const void *b, size_t i)
{
    double x = (double)vssi_components_get(type, a, i), y = (double)vssi_components_get(type, b, i);
    return ip ? x * y : (x - y) * (x - y);
}

EXACT_INLINE double exact_floats(vssi_simd_type type, bool ip, const void *a, const void *b, size_t dim)
{
    double lane[EXACT_LANES] = {0};
    size_t whole = dim - dim % EXACT_LANES;
    for (size_t i = 0; i < whole; i += EXACT_LANES) {
        for (size_t j = 0; j < EXACT_LANES; j++)
            lane[j] += exact_term(type, ip, a, b, i + j);
    }
    for (size_t i = whole; i < dim; i++)
        lane[i - whole] += exact_term(type, ip, a, b, i);
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

EXACT_INLINE double exact_bytes(bool is_signed, bool ip, const void *a, const void *b, size_t dim)
{
    int64_t sum = 0;
    for (size_t i = 0; i < dim; i++) {
        int32_t x = is_signed ? ((const int8_t *)a)[i] : ((const uint8_t *)a)[i];
        int32_t y = is_signed ? ((const int8_t *)b)[i] : ((const uint8_t *)b)[i];
        sum += ip ? x * y : (x - y) * (x - y);
    }
    return (double)sum;
}

static double exact_bits(vssi_simd_op op, const void *a, const void *b, size_t dim)
{
    vssi_components_bits bits = vssi_components_compare(a, b, dim);
    if (op == VSSI_SIMD_HAMMING)
        return (double)bits.differ;
    /* Both sizes are whole: the division rounds once, and so does the subtraction. */
    return bits.either ? 1 - (double)(bits.either - bits.differ) / (double)bits.either : 0;
}

#if defined(__x86_64__)
#define EXACT_WIDE(op, a, b, dim)                                                                                     \
    if (vssi_simd_has(vssi_simd(), &vssi_simd_avx512))                                                                \
        return vssi_exact_##op##_f32_avx512(a, b, dim);
#else
#define EXACT_WIDE(op, a, b, dim)
#endif

double vssi_exact_l2_f32(const float *a, const float *b, size_t dim)
{
    EXACT_WIDE(l2, a, b, dim)
    return exact_floats(VSSI_SIMD_F32, false, a, b, dim);
}

double vssi_exact_ip_f32(const float *a, const float *b, size_t dim)
{
    EXACT_WIDE(ip, a, b, dim)
    return exact_floats(VSSI_SIMD_F32, true, a, b, dim);
}

double vssi_exact(vssi_simd_type type, vssi_simd_op op, const void *a, const void *b, size_t dim)
{
    bool ip = op == VSSI_SIMD_IP;
    switch (type) {
    case VSSI_SIMD_F32:
        return ip ? vssi_exact_ip_f32(a, b, dim) : vssi_exact_l2_f32(a, b, dim);
    case VSSI_SIMD_F16:
        return ip ? exact_floats(VSSI_SIMD_F16, true, a, b, dim) : exact_floats(VSSI_SIMD_F16, false, a, b, dim);
    case VSSI_SIMD_BF16:
        return ip ? exact_floats(VSSI_SIMD_BF16, true, a, b, dim) : exact_floats(VSSI_SIMD_BF16, false, a, b, dim);
    case VSSI_SIMD_I8:
        return ip ? exact_bytes(true, true, a, b, dim) : exact_bytes(true, false, a, b, dim);
    case VSSI_SIMD_U8:
        return ip ? exact_bytes(false, true, a, b, dim) : exact_bytes(false, false, a, b, dim);
    default:
        return exact_bits(op, a, b, dim);
    }
}

EXACT_INLINE void exact_widen(vssi_simd_type type, const void *row, size_t dim, float *out)
{
    for (size_t i = 0; i < dim; i++)
        out[i] = vssi_components_get(type, row, i);
}

void vssi_simd_widen(vssi_simd_type type, const void *row, size_t dim, float *out)
{
    switch (type) {
    case VSSI_SIMD_F32:
        memcpy(out, row, dim * sizeof(float));
        return;
    case VSSI_SIMD_F16:
        exact_widen(VSSI_SIMD_F16, row, dim, out);
        return;
    case VSSI_SIMD_BF16:
        exact_widen(VSSI_SIMD_BF16, row, dim, out);
        return;
    case VSSI_SIMD_I8:
        exact_widen(VSSI_SIMD_I8, row, dim, out);
        return;
    case VSSI_SIMD_U8:
        exact_widen(VSSI_SIMD_U8, row, dim, out);
        return;
    default:
        for (size_t i = 0; i < dim; i++)
            out[i] = (float)(((const uint8_t *)row)[i / 8] >> i % 8 & 1);
    }
}
