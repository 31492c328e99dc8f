/*
 * components.h - what plain C code reads of a row: components of every type as float32, and counts of bits
 *
 * Everything is inline, for the scalar level and the exact distances. Pointers need no alignment.
 */
#ifndef VSSI_COMPONENTS_H
#define VSSI_COMPONENTS_H

#include <stdint.h>
#include <string.h>

#include "simd.h"

static inline float vssi_components_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Exact for every half, infinities included; a NaN stays a NaN. Subnormals are counted in units of 2^-24, which is the
 * distance of floats from 0.5 on: no float32 subnormal occurs, so a caller who flushes them changes nothing. */
static inline float vssi_components_of_f16(uint16_t half)
{
    uint32_t magnitude = half & 0x7fffu, sign = (uint32_t)(half & 0x8000u) << 16, bits;
    float small = vssi_components_of_bits(0x3f000000u + magnitude) - 0.5f;
    uint32_t normal = (magnitude << 13) + (magnitude < 0x7c00 ? 112u << 23 : 224u << 23);
    memcpy(&bits, &small, sizeof bits);
    return vssi_components_of_bits((magnitude < 0x0400 ? bits : normal) | sign);
}

static inline float vssi_components_of_bf16(uint16_t half) { return vssi_components_of_bits((uint32_t)half << 16); }

/* Component i of a row, any type but BITS. type is a constant where this is called, so that it is a plain load. */
static inline __attribute__((always_inline)) float vssi_components_get(vssi_simd_type type, const void *row, size_t i)
{
    uint16_t half;
    float value;
    switch (type) {
    case VSSI_SIMD_F32:
        memcpy(&value, (const char *)row + i * sizeof value, sizeof value);
        return value;
    case VSSI_SIMD_F16:
        memcpy(&half, (const char *)row + i * sizeof half, sizeof half);
        return vssi_components_of_f16(half);
    case VSSI_SIMD_BF16:
        memcpy(&half, (const char *)row + i * sizeof half, sizeof half);
        return vssi_components_of_bf16(half);
    case VSSI_SIMD_I8:
        return ((const int8_t *)row)[i];
    default:
        return ((const uint8_t *)row)[i];
    }
}

/* Eight bytes, or the last n < 8 of a row with zeros behind them. */
static inline uint64_t vssi_components_word(const uint8_t *p, size_t n)
{
    uint64_t word = 0;
    memcpy(&word, p, n < sizeof word ? n : sizeof word);
    return word;
}

/* Bits set, with the instructions of every processor. */
static inline uint32_t vssi_components_count(uint64_t word)
{
    word -= (word >> 1) & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)((word * 0x0101010101010101u) >> 56);
}

/* Bits of two rows of dim / 8 bytes: how many differ, and how many are set in either. */
typedef struct vssi_components_bits {
    uint32_t differ, either;
} vssi_components_bits;

static inline vssi_components_bits vssi_components_compare(const void *a, const void *b, size_t dim)
{
    vssi_components_bits sum = {0, 0};
    for (size_t i = 0, bytes = dim / 8; i < bytes; i += 8) {
        uint64_t x = vssi_components_word((const uint8_t *)a + i, bytes - i);
        uint64_t y = vssi_components_word((const uint8_t *)b + i, bytes - i);
        sum.differ += vssi_components_count(x ^ y);
        sum.either += vssi_components_count(x | y);
    }
    return sum;
}

#endif
