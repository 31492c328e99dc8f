/*
 * numbers.h - components of vectors, bounds and float64 sums, the same on the card and on the host
 *
 * Nothing here is contracted: the card's compiler is told not to (-fmad=false) and float64 goes through the operations
 * that never are; the host's is given -ffp-contract=off. float32 subnormals are kept (no -ftz). multiply_add alone may
 * round once or twice: only sums whose bound holds for either use it.
 */
#ifndef VSS_GPU_NUMBERS_H
#define VSS_GPU_NUMBERS_H

#include <cmath>

#include "block.h"

namespace vssg {

enum class Kind : uint32_t { f32, f16, bf16, i8, u8, bits, codes }; /* codes: of floats (codes.h), of no vectors */

VSSG_BOTH uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

VSSG_BOTH float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rising with the float; -0 before +0. */
VSSG_BOTH uint32_t order_of(float value)
{
    const uint32_t bits = bits_of(value);
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

VSSG_BOTH float of_order(uint32_t order)
{
    return float_of((order & 0x80000000u) != 0 ? order & 0x7fffffffu : ~order);
}

constexpr uint32_t ORDER_INFINITY = 0xff800000u; /* order_of(+infinity) */

VSSG_BOTH float infinity() { return float_of(0x7f800000u); }

/* The next float above a finite one. */
VSSG_BOTH float next_up(float value) { return value == 0 ? float_of(1) : of_order(order_of(value) + 1); }
VSSG_BOTH float next_down(float value) { return -next_up(-value); }

/* The nearest float that is not below; not above. */
VSSG_BOTH float float_up(double value)
{
    const float nearest = static_cast<float>(value);
    return static_cast<double>(nearest) < value ? next_up(nearest) : nearest;
}

VSSG_BOTH float float_down(double value) { return -float_up(-value); }

VSSG_BOTH double times(double a, double b)
{
#if defined(__CUDA_ARCH__)
    return __dmul_rn(a, b);
#else
    return a * b;
#endif
}

VSSG_BOTH double plus(double a, double b)
{
#if defined(__CUDA_ARCH__)
    return __dadd_rn(a, b);
#else
    return a + b;
#endif
}

VSSG_BOTH double root(double a)
{
#if defined(__CUDA_ARCH__)
    return __dsqrt_rn(a);
#else
    return std::sqrt(a);
#endif
}

VSSG_BOTH float root(float a)
{
#if defined(__CUDA_ARCH__)
    return __fsqrt_rn(a);
#else
    return std::sqrt(a);
#endif
}

VSSG_BOTH double divided(double a, double b)
{
#if defined(__CUDA_ARCH__)
    return __ddiv_rn(a, b);
#else
    return a / b;
#endif
}

VSSG_BOTH float multiply_add(float a, float b, float c)
{
#if defined(__CUDA_ARCH__)
    return __fmaf_rn(a, b, c);
#else
    return a * b + c;
#endif
}

/* a / b, rounded to nearest where both, their quotient and 1 / b are normal; else what has no slow path, which would
 * be a call: a kernel with one wants twice the registers. */
VSSG_BOTH float quotient(float a, float b)
{
#if defined(__CUDA_ARCH__)
    const float rough = __fdividef(1, b), inverse = __fmaf_rn(rough, __fmaf_rn(-b, rough, 1), rough);
    const float first = __fmul_rn(a, inverse), second = __fmaf_rn(__fmaf_rn(-b, first, a), inverse, first);
    return __fmaf_rn(__fmaf_rn(-b, second, a), inverse, second);
#else
    return a / b;
#endif
}

VSSG_BOTH uint32_t count_bits(uint32_t word)
{
#if defined(__CUDA_ARCH__)
    return static_cast<uint32_t>(__popc(word));
#else
    return static_cast<uint32_t>(__builtin_popcount(word));
#endif
}

/* sum + the products of four bytes each. */
template <bool SIGNED> VSSG_BOTH int32_t dot_bytes(uint32_t a, uint32_t b, int32_t sum)
{
#if defined(__CUDA_ARCH__)
    if (SIGNED)
        return __dp4a(static_cast<int>(a), static_cast<int>(b), sum);
    return static_cast<int32_t>(__dp4a(a, b, static_cast<uint32_t>(sum)));
#else
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        const uint8_t x = static_cast<uint8_t>(a >> shift), y = static_cast<uint8_t>(b >> shift);
        sum += SIGNED ? static_cast<int8_t>(x) * static_cast<int8_t>(y) : x * y;
    }
    return sum;
#endif
}

/* What a thread reads at once. */
struct alignas(16) Piece {
    uint32_t word[4];
};

/* Before a load of 16 bytes on the host: from where the card could not make it, the program ends. */
VSSG_BOTH void host_whole(const void *at)
{
#if !defined(__CUDA_ARCH__)
    if (reinterpret_cast<uintptr_t>(at) % 16 != 0)
        __builtin_trap();
#else
    (void)at;
#endif
}

VSSG_BOTH Piece load_piece(const uint8_t *at)
{
    Piece piece;
#if defined(__CUDA_ARCH__)
    const uint4 four = __ldg(reinterpret_cast<const uint4 *>(at));
    piece.word[0] = four.x;
    piece.word[1] = four.y;
    piece.word[2] = four.z;
    piece.word[3] = four.w;
#else
    host_whole(at);
    memcpy(&piece, at, sizeof piece);
#endif
    return piece;
}

/* Exact for every half. Subnormals are counted in units of 2^-24, the distance of floats from 0.5 on. */
VSSG_BOTH float float_of_f16(uint32_t half)
{
    const uint32_t magnitude = half & 0x7fffu, sign = (half & 0x8000u) << 16;
    const float small = float_of(0x3f000000u + magnitude) - 0.5f;
    const uint32_t normal = (magnitude << 13) + (magnitude < 0x7c00u ? 112u << 23 : 224u << 23);
    return float_of((magnitude < 0x0400u ? bits_of(small) : normal) | sign);
}

VSSG_BOTH float float_of_bf16(uint32_t half) { return float_of(half << 16); }

/* The nearest bfloat16, even where two are as near; what is below 2^-60 becomes 0, so that no product of two is
 * subnormal. Of 3e38 at most. */
VSSG_BOTH uint16_t bf16_of(float value)
{
    const uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) < 0x21800000u)
        return 0;
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* Component i of a vector of any kind but bits, 2- or 4-byte aligned. */
VSSG_BOTH float component(Kind kind, const uint8_t *vector, uint32_t i)
{
    switch (kind) {
    case Kind::f32:
        return reinterpret_cast<const float *>(vector)[i];
    case Kind::f16:
        return float_of_f16(reinterpret_cast<const uint16_t *>(vector)[i]);
    case Kind::bf16:
        return float_of_bf16(reinterpret_cast<const uint16_t *>(vector)[i]);
    case Kind::i8:
        return static_cast<float>(static_cast<int8_t>(vector[i]));
    default:
        return static_cast<float>(vector[i]);
    }
}

/* The lanes of a float64 sum, in libvss' order. lane: [8] */
VSSG_BOTH double sum_lanes(const double *lane)
{
    return plus(plus(plus(lane[0], lane[1]), plus(lane[2], lane[3])),
                plus(plus(lane[4], lane[5]), plus(lane[6], lane[7])));
}

} // namespace vssg

#endif
