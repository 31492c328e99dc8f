/*
 * half.h - float32 rounded to 16 bits: IEEE half precision and bfloat16, to nearest, ties to even
 *
 * Too large a value becomes infinity; the caller has looked for that.
 */
#ifndef VSSI_HALF_H
#define VSSI_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint16_t vssi_bfloat_round(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

static inline uint16_t vssi_half_round(float value)
{
    uint32_t bits, sign;
    memcpy(&bits, &value, sizeof bits);
    sign = (bits >> 16) & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits >= 0x47800000u) /* 65,536 and above */
        return (uint16_t)(sign | 0x7c00u);
    if (bits < 0x38800000u) { /* below 2^-14: a subnormal half; the addition rounds at its last place, 2^-24 */
        float small, shift = 0.5f;
        memcpy(&small, &bits, sizeof small);
        small += shift;
        memcpy(&bits, &small, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000u));
    }
    bits += 0xfffu + ((bits >> 13) & 1); /* may carry into the exponent, and there into infinity */
    return (uint16_t)(sign | ((bits - 0x38000000u) >> 13));
}

#endif
