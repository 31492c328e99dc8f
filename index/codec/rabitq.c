/*
 * rabitq.c - codes, factors, tables of queries
 *
 * Sums are float64 in the order of the components: the same bytes on every machine.
 */
#include "rabitq.h"

#include <math.h>

#include "../../simd/hadamard.h"

/* The step of the best uniform quantiser of a standard normal variable with 2^bits levels (Max, 1960). */
static const double rabitq_steps[VSSI_RABITQ_BITS + 1] = {0, 1.596, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569,
                                                          0.0308};

const double vssi_rabitq_tries[VSSI_RABITQ_TRIES] = {1, 0.9, 1.1, 0.82, 1.2};

double vssi_rabitq_step(unsigned bits) { return rabitq_steps[bits]; }

typedef struct rabitq_fit {
    double product, square; /* <v, r>, |v|^2 */
} rabitq_fit;

static unsigned rabitq_code(double value, double inverse, unsigned bits)
{
    double half = (double)(1u << (bits - 1)), code = floor(value * inverse) + half;
    return (unsigned)fmin(fmax(code, 0), 2 * half - 1);
}

static rabitq_fit rabitq_try(const float *r, size_t n, unsigned bits, double inverse)
{
    double middle = ((double)(1u << bits) - 1) / 2;
    rabitq_fit fit = {0, 0};
    for (size_t i = 0; i < n; i++) {
        double v = rabitq_code((double)r[i], inverse, bits) - middle;
        fit.product += v * (double)r[i];
        fit.square += v * v;
    }
    return fit;
}

/* 1 / the step whose codes point best along r. */
static double rabitq_inverse(const float *r, size_t n, unsigned bits, double deviation)
{
    double best = -1, chosen = 1 / (deviation * rabitq_steps[bits]);
    for (size_t i = 0; bits > 1 && i < VSSI_RABITQ_TRIES; i++) {
        double inverse = 1 / (deviation * rabitq_steps[bits] * vssi_rabitq_tries[i]);
        rabitq_fit fit = rabitq_try(r, n, bits, inverse);
        double cosine = fit.product / sqrt(fit.square);
        if (cosine > best) {
            best = cosine;
            chosen = inverse;
        }
    }
    return chosen;
}

/* add and mul of codes of `bits` bits, each code shifted right by `drop`. */
static void rabitq_factors(const float *r, const float *c, size_t n, const uint8_t *codes, unsigned bits, unsigned drop,
                           float *add, float *mul)
{
    double middle = ((double)(1u << bits) - 1) / 2, square = 0, product = 0, center = 0;
    for (size_t i = 0; i < n; i++) {
        double v = (double)(codes[i] >> drop) - middle;
        square += (double)r[i] * (double)r[i];
        product += v * (double)r[i];
        center += v * (double)c[i];
    }
    double factor = product > 0 ? square / product : 0;
    *add = (float)(square + 2 * factor * center);
    *mul = (float)(-2 * factor);
}

void vssi_rabitq_encode(const float *r, const float *c, size_t n, unsigned bits, uint8_t *codes, vssi_rabitq_row *row)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (double)r[i] * (double)r[i];
    double deviation = sqrt(square / (double)n), inverse = 0;
    if (deviation > 1e-30)
        inverse = rabitq_inverse(r, n, bits, deviation);
    for (size_t i = 0; i < n; i++)
        codes[i] = (uint8_t)rabitq_code((double)r[i], inverse, bits);
    rabitq_factors(r, c, n, codes, 1, bits - 1, &row->add, &row->mul);
    rabitq_factors(r, c, n, codes, bits, 0, &row->more_add, &row->more_mul);
}

vssi_rabitq_tables vssi_rabitq_prepare(const float *query, size_t n, uint8_t *table, int8_t *rounded)
{
    float step = vssi_hadamard_best()->subsets(query, n, rounded, table);
    int32_t low = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        low += rounded[i] < 0 ? rounded[i] : 0;
        all += rounded[i];
    }
    return (vssi_rabitq_tables){step, step * ((float)(2 * low - all) / 2), low};
}
