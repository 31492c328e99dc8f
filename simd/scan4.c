/*
 * scan4.c - the choice of a kernel, the layout, and the kernel without vectors
 */
#include "scan4.h"

#include "simd.h"

static vssi_scan4_kernel scan4_of(const vssi_kernels *level)
{
    for (; level != NULL; level = level->below) {
#if defined(__x86_64__)
        if (level == &vssi_simd_avx512)
            return vssi_scan4_avx512;
        if (level == &vssi_simd_avx2)
            return vssi_scan4_avx2;
#elif defined(__aarch64__)
        if (level == &vssi_simd_neon)
            return vssi_scan4_neon;
#endif
    }
    return vssi_scan4_scalar;
}

vssi_scan4_kernel vssi_scan4_best(void) { return scan4_of(vssi_simd()); }

vssi_scan4_kernel vssi_scan4_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? scan4_of(level) : NULL;
}

void vssi_scan4_set(uint8_t *block, size_t subs, size_t r, const uint8_t *codes)
{
    for (size_t j = 0; j < subs; j++)
        block[16 * j + r % 16] |= (uint8_t)(codes[j] << (r < 16 ? 0 : 4));
}

uint32_t vssi_scan4_scalar(const vssi_scan4_query *query, const uint8_t *block, const float *add, const float *mul,
                           float base, float cut, float *values)
{
    uint32_t sums[VSSI_SCAN4_ROWS] = {0}, mask = 0;
    for (size_t j = 0; j < query->subs; j++) {
        for (size_t r = 0; r < 16; r++) {
            sums[r] += query->table[16 * j + (block[16 * j + r] & 15)];
            sums[r + 16] += query->table[16 * j + (block[16 * j + r] >> 4)];
        }
    }
    for (size_t r = 0; r < VSSI_SCAN4_ROWS; r++) {
        float product = (float)sums[r] * query->step;
        float value = product + query->bias;
        if (mul)
            value *= mul[r];
        values[r] = (base + add[r]) + value;
        mask |= (uint32_t)(values[r] <= cut) << r;
    }
    return mask;
}
