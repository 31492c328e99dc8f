/*
 * rabitq.h - vectors by the signs of their rotated residuals, and by more bits where asked
 *
 * RaBitQ (Gao, Long, "RaBitQ", SIGMOD 2024; Gao et al., "Practical and asymptotically optimal quantization", SIGMOD
 * 2025). A row x near a center c is the residual r = R (x - c), R a random rotation. Its code u has B bits a component;
 * v = u - (2^B - 1) / 2 points in about r's direction, and with f = |r|^2 / <v, r> the product <r, R (q - c)> is about
 * f <v, R q - R c>, without bias over rotations and with an error below  2.4 |r| |q - c| / (2^(B - 1) sqrt(n))  for
 * 95 % of all pairs (a tail bound, no proof for each). So
 *     |q - x|^2  is about  |q - c|^2 + add + mul * S,    S = <u, R q> - (2^B - 1) / 2 * sum R q,
 *     add = |r|^2 + 2 f <v, R c>,  mul = -2 f.
 * The query is rotated once, whatever the number of centers. The first bit of every component is apart, by fours in the
 * blocks of simd/scan4.h, with its own add and mul: it ranks all rows; the other bits, in planes of a bit a component
 * (simd/planes.h), rank the best of those again.
 *
 * Departure: the step of the B bits is not the best of all for each vector, but the best of a few about the one that is
 * best for a normal distribution, which rotated components come near to.
 */
#ifndef VSSI_RABITQ_H
#define VSSI_RABITQ_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_RABITQ_BITS 8u

typedef struct vssi_rabitq_row {
    float add, mul;           /* of the first bits */
    float more_add, more_mul; /* of all bits */
} vssi_rabitq_row;

/* What steps are tried with more than one bit: a step of standard deviations, times each of the factors. */
#define VSSI_RABITQ_TRIES 5u
extern const double vssi_rabitq_tries[VSSI_RABITQ_TRIES];
double vssi_rabitq_step(unsigned bits);

/* Code the residual r[n] of a row at a center rotated to c[n]: codes[n] of `bits` bits, 1 to 8. */
void vssi_rabitq_encode(const float *r, const float *c, size_t n, unsigned bits, uint8_t *codes, vssi_rabitq_row *row);

/* A rotated query [n], n a multiple of 16, rounded to whole numbers of a step (simd/hadamard.h), and its tables for
 * scan4: table[n / 4][16]. A sum of the table is that of rounded[n] less low, the sum of all that is below 0 there. */
typedef struct vssi_rabitq_tables {
    float step, bias;
    int32_t low;
} vssi_rabitq_tables;
vssi_rabitq_tables vssi_rabitq_prepare(const float *query, size_t n, uint8_t *table, int8_t *rounded);

#endif
