/*
 * nibbles.h - a query of bytes against rows of codes of four bits, two a byte
 *
 * Byte j of a row holds code 2 j in its low half, code 2 j + 1 in its high half. A code c stands for 8 c on a scale on
 * which the query's components are whole numbers from -127 to 127: the score is sum (8 c - q)^2, rounded once to
 * float32, the same at every level. Up to 32,768 codes a row. Cost: six instructions a 128 codes.
 */
#ifndef VSSI_NIBBLES_H
#define VSSI_NIBBLES_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_NIBBLES_SCALE 8u
#define VSSI_NIBBLES_MOST 127 /* of the query */

typedef struct vssi_nibbles_query {
    const int8_t *even, *odd; /* [bytes of a row]: components 2 j and 2 j + 1 */
    int32_t norm;             /* sum q^2 */
} vssi_nibbles_query;

/* Scores of rows[n] of `size` bytes each from base on; a vssi_kernel_gather (simd.h), query a vssi_nibbles_query. */
typedef void (*vssi_nibbles_gather)(const void *query, const void *base, size_t size, const uint32_t *rows, size_t n,
                                    float *scores);

vssi_nibbles_gather vssi_nibbles_best(void);
vssi_nibbles_gather vssi_nibbles_level(size_t i);

void vssi_nibbles_scalar(const void *query, const void *base, size_t size, const uint32_t *rows, size_t n,
                         float *scores);
#if defined(__x86_64__)
void vssi_nibbles_avx2(const void *query, const void *base, size_t size, const uint32_t *rows, size_t n,
                       float *scores);
void vssi_nibbles_avx512vnni(const void *query, const void *base, size_t size, const uint32_t *rows, size_t n,
                             float *scores);
#endif

/* From sum c^2 and sum c q. */
static inline float vssi_nibbles_score(int32_t norm, int32_t square, int32_t product)
{
    return (float)(norm + (int32_t)(VSSI_NIBBLES_SCALE * VSSI_NIBBLES_SCALE) * square -
                   2 * (int32_t)VSSI_NIBBLES_SCALE * product);
}

#endif
