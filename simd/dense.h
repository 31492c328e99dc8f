/*
 * dense.h - many queries against many rows by a matrix unit: tiles of products, compared where they come out
 *
 * For batches that compare every row with every query anyway. Queries lie in groups of up to 32, 64 bytes of each after
 * another, four bytes (two halves) of 16 queries side by side, what fills up the last 64 being 0. A call multiplies
 * some rows with one group and lists the pairs that may matter, by rising row:
 *     where = row << 5 | query, row counted from the call's first
 * Three kernels. codes: rows of codes c as they are stored, and a query's d, which is given as d - 128 in signed bytes;
 * what is compared is the whole number value = sum (d - 128) c - norm[row], with norm = floor(sum c^2 / 2) - 128 sum c,
 * so that value = floor((sum d^2 - sum (c - d)^2 + 1) / 2) without any error (tile.h): pairs with value >= least[query]
 * are listed, with their values.
 * The other two take rows in panels of 32, 64 bytes of each after another, filled up with 0 as queries are.
 * floats: rows and queries rounded to bfloat16, of 1e37 at most in the square; float32 sums of products, off by at
 * most vssi_simd_gamma (simd.h) of |query| |row| and by dim * 2^-124. Listed are the pairs with
 *     sum >= fall[query] * scale[row] + base[row] - reach[query] * rest[row]
 * computed with two roundings. rest is how far a row may be from what it was rounded to, in the caller's terms.
 * bytes: rows of I8, plus 128, and U8 times queries as codes have them; listed as floats' are, by sums that are rounded
 * once to float32.
 *
 * The unit's tiles belong to a call: it takes them and gives them back, and nothing is kept between calls.
 */
#ifndef VSSI_DENSE_H
#define VSSI_DENSE_H

#include "simd.h"

#define VSSI_DENSE_ROWS 32u    /* of a panel */
#define VSSI_DENSE_QUERIES 32u /* of a group */
#define VSSI_DENSE_STEP 64u    /* bytes of a row side by side */
#define VSSI_DENSE_BYTES 32772u /* of a row of codes at most */
#define VSSI_DENSE_WHOLE 64u    /* rows, to a multiple of which the memory behind rows of codes can be read */

/* Steps of a row of so many bytes; bytes of a panel and of a group of queries. */
static inline size_t vssi_dense_steps(size_t bytes) { return (bytes + VSSI_DENSE_STEP - 1) / VSSI_DENSE_STEP; }
static inline size_t vssi_dense_size(size_t steps) { return steps * VSSI_DENSE_STEP * VSSI_DENSE_ROWS; }

typedef struct vssi_dense_job {
    const char *panels;  /* [n_panels][steps][32 rows][64], 64-byte aligned */
    const char *queries; /* [steps][2][16][16 queries][4], 64-byte aligned */
    size_t n_panels, steps;
    size_t n_queries;    /* 1 to VSSI_DENSE_QUERIES */
} vssi_dense_job;

/* The least that is nearest to a wished one in what no value goes beyond, so that sums that begin there do not
 * overflow: |value| <= 255^2 / 2 and |sum| <= 255 * 128 a code. The greatest is never reached: for places without a
 * query. */
static inline int32_t vssi_dense_least(double wished)
{
    const double most = VSSI_DENSE_BYTES * (255.0 * 255.0 / 2) + 2;
    return (int32_t)(wished < -most ? -most : wished > most ? most : wished);
}

typedef struct vssi_dense_codes {
    const char *rows;     /* [n_rows][stride]; of each steps * 64 bytes are read, and of the places behind them */
    size_t stride, n_rows, steps;
    const char *queries;  /* as above */
    size_t n_queries;
    const int32_t *norms; /* [n_rows] */
    const int32_t *least; /* [32], 64-byte aligned, as vssi_dense_least makes them */
    const char *next;     /* what is asked for meanwhile */
    size_t next_bytes;
} vssi_dense_codes;

/* What a row of codes is compared with. */
int32_t vssi_dense_norm(const uint8_t *code, size_t bytes);

typedef struct vssi_dense_floats {
    const float *scale, *base, *rest; /* [n_panels][32] */
    const float *fall, *reach;        /* [32], 64-byte aligned */
} vssi_dense_floats;

typedef struct vssi_dense {
    /* The first n rows, of F32, F16 or BF16, rounded, while what follows is asked for, but nothing past byte `last` of
     * a row; norms[32] and rests[32] become the squared norms of the rows and of what rounding took off, in float32.
     * Components of rows or rests below 2^-70 may count as 0 there. */
    void (*pack_floats)(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, size_t last, char *panel,
                        float *norms, float *rests);
    /* The same of rows of I8 or U8; sums[32] and squares[32] become sum c and sum c (c - 128). */
    void (*pack_bytes)(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, size_t last, char *panel,
                       int32_t *sums, int32_t *squares);
    /* Pairs into where and values, [rows * n_queries + 16]; returns how many. */
    size_t (*codes)(const vssi_dense_codes *job, uint32_t *where, int32_t *values);
    /* Of n_rows, a multiple of VSSI_DENSE_WHOLE: the greatest value among every 16 of them, each row in one of the
     * sixteens, which are not consecutive; greatest[n_rows / 16][32], of queries behind the last one anything. least is
     * not looked at. */
    void (*greatest)(const vssi_dense_codes *job, int32_t *greatest);
    size_t (*floats)(const vssi_dense_job *job, const vssi_dense_floats *with, uint32_t *where);
    size_t (*bytes)(const vssi_dense_job *job, const vssi_dense_floats *with, uint32_t *where);
} vssi_dense;

/* The kernels that go with vssi_simd(); NULL: this level has none. And those of the i-th level. */
const vssi_dense *vssi_dense_best(void);
const vssi_dense *vssi_dense_level(size_t i);

/* Query q of a group, 0 to 31, whose bytes were 0: its `bytes` codes; its dim components, rounded. Returns the squared
 * norm of what rounding took off, in float64. */
void vssi_dense_query_codes(const uint8_t *code, size_t bytes, size_t q, char *group);
double vssi_dense_query_floats(const float *query, size_t dim, size_t q, char *group);

#if defined(VSS_SIMD_AMX)
extern const vssi_dense vssi_dense_amx;
#endif

#endif
