/*
 * scan4_neon.c - one table of sixteen bytes a look-up, 16 bytes of codes a step
 */
#include <arm_neon.h>

#include "scan4.h"

#define SCAN4_PART 256u

static uint32_t scan4_values(const vssi_scan4_query *query, uint32x4_t sums, const float *add, const float *mul,
                             float base, float cut, float *values)
{
    static const uint32_t bits[] = {1, 2, 4, 8};
    float32x4_t value = vmulq_n_f32(vcvtq_f32_u32(sums), query->step);
    value = vaddq_f32(value, vdupq_n_f32(query->bias));
    if (mul)
        value = vmulq_f32(value, vld1q_f32(mul));
    value = vaddq_f32(vaddq_f32(vdupq_n_f32(base), vld1q_f32(add)), value);
    vst1q_f32(values, value);
    return vaddvq_u32(vandq_u32(vcleq_f32(value, vdupq_n_f32(cut)), vld1q_u32(bits)));
}

uint32_t vssi_scan4_neon(const vssi_scan4_query *query, const uint8_t *block, const float *add, const float *mul,
                         float base, float cut, float *values)
{
    uint32x4_t sums[8];
    uint32_t mask = 0;
    for (size_t i = 0; i < 8; i++)
        sums[i] = vdupq_n_u32(0);
    for (size_t first = 0; first < query->subs; first += SCAN4_PART) {
        size_t end = first + SCAN4_PART < query->subs ? first + SCAN4_PART : query->subs;
        uint16x8_t words[4] = {vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0), vdupq_n_u16(0)};
        for (size_t j = first; j < end; j++) {
            uint8x16_t codes = vld1q_u8(block + 16 * j), table = vld1q_u8(query->table + 16 * j);
            uint8x16_t low = vqtbl1q_u8(table, vandq_u8(codes, vdupq_n_u8(15)));
            uint8x16_t high = vqtbl1q_u8(table, vshrq_n_u8(codes, 4));
            words[0] = vaddw_u8(words[0], vget_low_u8(low));
            words[1] = vaddw_u8(words[1], vget_high_u8(low));
            words[2] = vaddw_u8(words[2], vget_low_u8(high));
            words[3] = vaddw_u8(words[3], vget_high_u8(high));
        }
        for (size_t i = 0; i < 4; i++) {
            sums[2 * i] = vaddw_u16(sums[2 * i], vget_low_u16(words[i]));
            sums[2 * i + 1] = vaddw_u16(sums[2 * i + 1], vget_high_u16(words[i]));
        }
    }
    for (size_t i = 0; i < 8; i++)
        mask |= scan4_values(query, sums[i], add + 4 * i, mul ? mul + 4 * i : NULL, base, cut, values + 4 * i) << 4 * i;
    return mask;
}
