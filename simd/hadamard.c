/*
 * hadamard.c - the choice of kernels, and those without vectors
 */
#include "hadamard.h"

#include <math.h>

#include "simd.h"

/* Steps of 4 and more go by rows that a compiler puts in registers. */
static void scalar_transform(float *v, size_t n, float shrink)
{
    for (size_t i = 0; i < n; i += 4) {
        float a = v[i] + v[i + 1], b = v[i] - v[i + 1], c = v[i + 2] + v[i + 3], d = v[i + 2] - v[i + 3];
        v[i] = a + c;
        v[i + 1] = b + d;
        v[i + 2] = a - c;
        v[i + 3] = b - d;
    }
    for (size_t step = 4; step < n; step *= 2) {
        for (size_t i = 0; i < n; i += 2 * step) {
            float *restrict low = v + i, *restrict high = v + i + step;
            for (size_t j = 0; j < step; j++) {
                float a = low[j], b = high[j];
                low[j] = a + b;
                high[j] = a - b;
            }
        }
    }
    for (size_t i = 0; i < n; i++)
        v[i] *= shrink;
}

static float scalar_step(const float *v, size_t n)
{
    float one = 0, four = 0;
    for (size_t i = 0; i < n; i += 4) {
        float a = fabsf(v[i]), b = fabsf(v[i + 1]), c = fabsf(v[i + 2]), d = fabsf(v[i + 3]);
        float low = a > b ? a : b, high = c > d ? c : d, sum = (a + b) + (c + d);
        low = low > high ? low : high;
        one = low > one ? low : one;
        four = sum > four ? sum : four;
    }
    return vssi_subsets_step(one, four);
}

static float scalar_subsets(const float *v, size_t n, int8_t *rounded, uint8_t *table)
{
    float step = scalar_step(v, n), inverse = step > 0 ? 1 / step : 0;
    for (size_t i = 0; i < n; i++)
        rounded[i] = (int8_t)(int)(v[i] * inverse + copysignf(0.5f, v[i]));
    for (size_t j = 0; j < n; j += 4) {
        int sums[16] = {0}, under = 0;
        for (size_t i = j; i < j + 4; i++)
            under += rounded[i] < 0 ? rounded[i] : 0;
        for (unsigned i = 0; i < 16; i++) {
            if (i > 0)
                sums[i] = sums[i & (i - 1)] + rounded[j + (size_t)__builtin_ctz(i)];
            table[4 * j + i] = (uint8_t)(sums[i] - under);
        }
    }
    return step;
}

const vssi_hadamard vssi_hadamard_scalar = {scalar_transform, scalar_subsets};

static const vssi_hadamard *hadamard_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    for (; level != NULL; level = level->below) {
        if (level == &vssi_simd_avx512)
            return &vssi_hadamard_avx512;
    }
#else
    (void)level;
#endif
    return &vssi_hadamard_scalar;
}

const vssi_hadamard *vssi_hadamard_best(void) { return hadamard_of(vssi_simd()); }

const vssi_hadamard *vssi_hadamard_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? hadamard_of(level) : NULL;
}
