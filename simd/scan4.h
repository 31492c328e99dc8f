/*
 * scan4.h - sums of table entries by codes of four bits, 32 rows at once, and the few that may matter
 *
 * A block holds 32 rows of `subs` codes each; the table of a query has 16 bytes for every sub-code. A row's value is
 *     base + add[r] + mul[r] * (step * sum_j table[j][code_j(r)] + bias)
 * in float32, sums in whole numbers, so that every level computes the same. In a register the tables of four sub-codes
 * are looked up for sixteen rows by one shuffle of bytes (Andre, Kermarrec, Le Scouarnec, "Cache locality is not
 * enough", VLDB 2015): some four instructions a row of 128 sub-codes, and no memory but the codes.
 * Layout of a block: for each j 16 bytes, byte i is the code of row i, in its high half that of row i + 16.
 */
#ifndef VSSI_SCAN4_H
#define VSSI_SCAN4_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_SCAN4_ROWS 32u
#define VSSI_SCAN4_GROUP 4u /* subs is a multiple */

typedef struct vssi_scan4_query {
    const uint8_t *table; /* [subs][16], 64-byte aligned */
    size_t subs;
    float step, bias;
} vssi_scan4_query;

/* The value of every row of a block [subs][16], 16-byte aligned; add and mul [32], mul NULL: 1. The result: bit r is
 * set where values[r] <= cut. */
typedef uint32_t (*vssi_scan4_kernel)(const vssi_scan4_query *query, const uint8_t *block, const float *add,
                                      const float *mul, float base, float cut, float *values);

/* The kernel that goes with vssi_simd(); that of the i-th level, NULL past the last. */
vssi_scan4_kernel vssi_scan4_best(void);
vssi_scan4_kernel vssi_scan4_level(size_t i);

/* Write the codes [subs] of row r, below 16 each, into a block that was zero. */
void vssi_scan4_set(uint8_t *block, size_t subs, size_t r, const uint8_t *codes);
/* Code j of row r. */
static inline uint8_t vssi_scan4_get(const uint8_t *block, size_t r, size_t j)
{
    return (uint8_t)(block[16 * j + r % 16] >> (r < 16 ? 0 : 4) & 15);
}

uint32_t vssi_scan4_scalar(const vssi_scan4_query *query, const uint8_t *block, const float *add, const float *mul,
                           float base, float cut, float *values);
#if defined(__x86_64__)
uint32_t vssi_scan4_avx2(const vssi_scan4_query *query, const uint8_t *block, const float *add, const float *mul,
                         float base, float cut, float *values);
uint32_t vssi_scan4_avx512(const vssi_scan4_query *query, const uint8_t *block, const float *add, const float *mul,
                           float base, float cut, float *values);
#elif defined(__aarch64__)
uint32_t vssi_scan4_neon(const vssi_scan4_query *query, const uint8_t *block, const float *add, const float *mul,
                         float base, float cut, float *values);
#endif

#endif
