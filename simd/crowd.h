/*
 * crowd.h - a crowd of queries against 32 rows at a time by a matrix unit: what nearest.h and scan4.h compute query by
 * query, to the bit
 *
 * For lists that many queries of a batch have chosen. Rows lie in panels as nearest.h has them, [units][32][4] unsigned
 * bytes, or in scan4's blocks of bits, which are spread to ones and zeros on the way. Queries are signed bytes, each
 * filled up with 0 to whole steps of 64. Products are whole numbers without any error, values are made of them by the
 * operations of the other kernels in their order. Cost: products of up to 16 queries and 32 rows take some 40 cycles
 * for each 64 bytes, values some 10 cycles for 32 rows and a query, begin and end 300 cycles.
 *
 * A thread takes the unit's tiles by `begin` and gives them back by `end`, soon: while it has them, its switches cost
 * the system more.
 */
#ifndef VSSI_CROWD_H
#define VSSI_CROWD_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_CROWD_QUERIES 32u /* at once */
#define VSSI_CROWD_ROWS 32u

/* Bytes of a query of so many fours. */
static inline size_t vssi_crowd_stride(size_t units) { return (units + 15) / 16 * 64; }

/* Of n > 0 queries as many as are taken at once, so that no part has far fewer than another. */
static inline size_t vssi_crowd_most(size_t n)
{
    const size_t parts = (n + VSSI_CROWD_QUERIES - 1) / VSSI_CROWD_QUERIES;
    return (n + parts - 1) / parts;
}

typedef struct vssi_crowd_query {
    int32_t whole;          /* far: sum d^2; codes: what sums of the table are less than products */
    float step, bias, base; /* codes: as in scan4.h */
    float cut;
} vssi_crowd_query;

typedef struct vssi_crowd {
    void (*begin)(size_t n); /* for n <= 32 queries at once */
    void (*end)(void);
    /* sums[n][32]: products of queries[n][stride], n as begun, with the rows of a panel; 64-byte aligned all. */
    void (*products)(const int8_t *queries, size_t n, size_t units, const uint8_t *panel, int32_t *sums);
    /* The same with the 32 rows of a block of scan4, a component a bit; subs is a multiple of 4. The queries'
     * components are in the order that `order` makes. */
    void (*bits)(const int8_t *queries, size_t n, size_t subs, const uint8_t *block, int32_t *sums);
    /* A query's n components, a multiple of 16, in place: of four subs the first bits, then the second ones, ... */
    void (*order)(int8_t *query, size_t n);
    /* values[n][32], 64-byte aligned, and for each query the rows whose value is at most its cut. Of codes against
     * bytes d - 128, as vssi_panel_kernel; bases[32]: sum c^2 - 256 c. */
    void (*far)(const vssi_crowd_query *queries, size_t n, const int32_t *sums, const int32_t *bases, float *values,
                uint32_t *hits);
    /* Of bits, as vssi_scan4_kernel; add, mul [32]. */
    void (*codes)(const vssi_crowd_query *queries, size_t n, const int32_t *sums, const float *add, const float *mul,
                  float *values, uint32_t *hits);
    /* Of codes against bytes d - 128: for each of n points and each of the 32 lanes keep in best[n][32] the least
     * distance so far and in where[n][32] its row, counted from `first`. squares[n]: sum d^2. */
    void (*nearest)(const int32_t *squares, size_t n, const int32_t *sums, const int32_t *bases, uint32_t first,
                    float *best, uint32_t *where);
} vssi_crowd;

/* The kernels that go with vssi_simd(); NULL: this level has none. And those of the i-th level. */
const vssi_crowd *vssi_crowd_best(void);
const vssi_crowd *vssi_crowd_level(size_t i);

#if defined(VSS_SIMD_AMX)
extern const vssi_crowd vssi_crowd_amx;
#endif

#endif
