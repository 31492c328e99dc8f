/*
 * rotate.c - signs, Hadamard, Kac
 */
#include "rotate.h"

#include <math.h>

#include "../../lib/base/hash.h"
#include "../../simd/hadamard.h"

void vssi_rotate_signs(uint64_t seed, size_t n, float *signs)
{
    uint64_t state = seed;
    for (size_t i = 0; i < VSSI_ROTATE_ROUNDS * n; i++)
        signs[i] = vssi_random_next(&state) >> 63 ? 1 : -1;
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
    const vssi_hadamard *kernels = vssi_hadamard_best();
    size_t power = 16;
    while (2 * power <= n)
        power *= 2;
    float shrink = 1 / sqrtf((float)power);
    for (size_t round = 0; round < VSSI_ROTATE_ROUNDS; round++) {
        float *part = round % 2 == 0 ? vector : vector + n - power;
        rotate_scale(vector, signs + round * n, n);
        kernels->transform(part, power, shrink);
        if (power != n)
            rotate_halves(vector, n);
    }
}

static void rotate_hadamard(double *v, size_t n, double shrink)
{
    for (size_t step = 1; step < n; step *= 2) {
        for (size_t i = 0; i < n; i += 2 * step) {
            double *restrict low = v + i, *restrict high = v + i + step;
            for (size_t j = 0; j < step; j++) {
                double a = low[j], b = high[j];
                low[j] = a + b;
                high[j] = a - b;
            }
        }
    }
    for (size_t i = 0; i < n; i++)
        v[i] *= shrink;
}

void vssi_rotate_double(const float *signs, size_t n, double *vector)
{
    const double turn = 0.70710678118654752440;
    size_t power = 1;
    while (2 * power <= n)
        power *= 2;
    for (size_t round = 0; round < VSSI_ROTATE_ROUNDS; round++) {
        for (size_t i = 0; i < n; i++)
            vector[i] *= (double)signs[round * n + i];
        rotate_hadamard(round % 2 == 0 ? vector : vector + n - power, power, 1 / sqrt((double)power));
        double *restrict low = vector, *restrict high = vector + n - n / 2;
        for (size_t i = 0; power != n && i < n / 2; i++) {
            double a = low[i], b = high[i];
            low[i] = (a + b) * turn;
            high[i] = (a - b) * turn;
        }
    }
}
