/*
 * nibbles.c - the choice of a kernel, and the kernel without vectors
 */
#include "nibbles.h"

#include "simd.h"

static vssi_nibbles_gather nibbles_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    for (; level != NULL; level = level->below) {
        if (level == &vssi_simd_avx512vnni)
            return vssi_nibbles_avx512vnni;
        if (level == &vssi_simd_avx2)
            return vssi_nibbles_avx2;
    }
#else
    (void)level;
#endif
    return vssi_nibbles_scalar;
}

vssi_nibbles_gather vssi_nibbles_best(void) { return nibbles_of(vssi_simd()); }

vssi_nibbles_gather vssi_nibbles_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? nibbles_of(level) : NULL;
}

void vssi_nibbles_scalar(const void *query, const void *base, size_t size, const uint32_t *rows, size_t n,
                         float *scores)
{
    const vssi_nibbles_query *q = query;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = (const uint8_t *)base + rows[i] * size;
        int32_t square = 0, product = 0;
        for (size_t j = 0; j < size; j++) {
            int32_t low = row[j] & 15, high = row[j] >> 4;
            square += low * low + high * high;
            product += low * q->even[j] + high * q->odd[j];
        }
        scores[i] = vssi_nibbles_score(q->norm, square, product);
    }
}
