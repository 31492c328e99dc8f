/*
 * rotate.c - signs, Hadamard, Kac
 */
#include "rotate.h"

#include <math.h>

#include "../../lib/base/hash.h"

void vssi_rotate_signs(uint64_t seed, size_t n, float *signs)
{
    uint64_t state = seed;
    for (size_t i = 0; i < VSSI_ROTATE_ROUNDS * n; i++)
        signs[i] = vssi_random_next(&state) >> 63 ? 1 : -1;
}

/* n is a power of two of at least 8; not scaled. Steps of 4 and more go by rows that a compiler puts in registers. */
static void rotate_hadamard(float *v, size_t n)
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
}

static void rotate_scale(float *restrict v, const float *restrict signs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] *= signs[i];
}

static void rotate_halves(float *v, size_t n)
{
    const float turn = 0.70710678f;
    float *restrict low = v, *restrict high = v + n / 2;
    for (size_t i = 0; i < n / 2; i++) {
        float a = low[i], b = high[i];
        low[i] = (a + b) * turn;
        high[i] = (a - b) * turn;
    }
}

void vssi_rotate(const float *signs, size_t n, float *vector)
{
    size_t power = 16;
    while (2 * power <= n)
        power *= 2;
    float shrink = 1 / sqrtf((float)power);
    for (size_t round = 0; round < VSSI_ROTATE_ROUNDS; round++) {
        float *part = round % 2 == 0 ? vector : vector + n - power;
        rotate_scale(vector, signs + round * n, n);
        rotate_hadamard(part, power);
        for (size_t i = 0; i < power; i++)
            part[i] *= shrink;
        if (power != n)
            rotate_halves(vector, n);
    }
}
