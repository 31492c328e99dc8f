/*
 * planes.c - the choice of a kernel, the layout, and the kernel without vectors
 */
#include "planes.h"

#include <string.h>

#include "simd.h"

#define PLANES_GROUP 16u

static vssi_planes_kernel planes_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    for (; level != NULL; level = level->below) {
        if (level == &vssi_simd_avx512)
            return vssi_planes_avx512;
        if (level == &vssi_simd_avx2)
            return vssi_planes_avx2;
    }
#else
    (void)level;
#endif
    return vssi_planes_scalar;
}

vssi_planes_kernel vssi_planes_best(void) { return planes_of(vssi_simd()); }

vssi_planes_kernel vssi_planes_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? planes_of(level) : NULL;
}

void vssi_planes_set(uint8_t *row, size_t n, unsigned bits, const uint8_t *codes)
{
    for (size_t first = 0; first < n; first += PLANES_GROUP) {
        for (unsigned b = 0; b < bits; b++, row += 2) {
            unsigned word = 0;
            for (unsigned i = 0; i < PLANES_GROUP; i++)
                word |= (codes[first + i] >> b & 1u) << i;
            row[0] = (uint8_t)word;
            row[1] = (uint8_t)(word >> 8);
        }
    }
}

float vssi_planes_scalar(const float *query, const uint8_t *row, size_t n, unsigned bits)
{
    float sums[PLANES_GROUP] = {0}, sum = 0;
    for (size_t first = 0; first < n; first += PLANES_GROUP) {
        uint32_t codes[PLANES_GROUP] = {0};
        for (unsigned b = 0; b < bits; b++, row += 2) {
            uint32_t word = row[0] | (uint32_t)row[1] << 8;
            for (unsigned i = 0; i < PLANES_GROUP; i++)
                codes[i] |= (word >> i & 1u) << b;
        }
        for (unsigned i = 0; i < PLANES_GROUP; i++)
            sums[i] += query[first + i] * (float)codes[i];
    }
    for (unsigned i = 0; i < PLANES_GROUP; i++)
        sum += sums[i];
    return sum;
}
