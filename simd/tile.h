/*
 * tile.h - many queries against many rows: products of float32 in registers, a threshold compared in place
 *
 * A panel is a few rows (the table's `rows`) packed with their first components side by side, then their second ones,
 * and so on: a register holds one component of many rows, a component of a query is broadcast to it, and no sum is ever
 * taken across a register. A call multiplies up to `queries` queries with one panel and says which rows may matter:
 *     bit r of hits[q] = sum_i query[q][i] * row[r][i] * scale[r] + base[r] <= cuts[q]
 * in float32, where sum, scaling and base are off by at most vssi_simd_gamma (simd.h) of the sum of their sizes. The
 * caller's base and cuts leave room for that error (flat_batch.c).
 *
 * Codes of a byte go the same way, four of them in place of one float32 and packed as one, in whole numbers without any
 * error. Their panels have 32 rows at every level, so that they may be stored, and a call takes several of them: with c
 * a row's codes and d a query's, query[q] = d - 128 as signed bytes, halves -floor((sum c^2 - 256 sum c) / 2),
 *     bit r of hits[p][q] = halves[p][r] + sum_i query[q][i] * c[r][i] >= least[q]
 * for up to 33,000 codes a row. The left side is floor((sum d^2 - sum (c - d)^2 + 1) / 2), so that with least =
 * ceil((sum d^2 - cut) / 2) a row whose sum (c - d)^2 is at most cut is always hit (and perhaps one of cut + 1).
 */
#ifndef VSSI_TILE_H
#define VSSI_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simd.h"

#define VSSI_TILE_ROWS 32u    /* most rows of a panel at any level */
#define VSSI_TILE_QUERIES 14u /* most queries a call at any level */

/* Rows that are wanted soon, and how far they have been asked for: the kernels ask for a few lines a step, so that the
 * memory works while they do. */
typedef struct vssi_tile_next {
    const char *const *rows; /* [n], and one more place that is not looked at */
    size_t n, size;          /* size: bytes of a row */
    size_t row, offset;      /* of the next line to ask for; row = n: all have been */
} vssi_tile_next;

/* Ask for up to `lines` lines, for the second cache. */
static inline __attribute__((always_inline)) void vssi_tile_ask(vssi_tile_next *next, size_t lines)
{
    for (; lines > 0 && next->row < next->n; lines--) {
        __builtin_prefetch(next->rows[next->row] + next->offset, 0, 2);
        next->offset += 64;
        bool over = next->offset >= next->size;
        next->offset = over ? 0 : next->offset;
        next->row += over;
    }
}

/* Long rows go in several calls, a part of the components each, so that a part of the panel stays in the first cache
 * for all queries; sums pass from one to the next in memory, and the last one gives the hits. */
typedef enum vssi_tile_part {
    VSSI_TILE_WHOLE = 0,
    VSSI_TILE_MORE_BEFORE = 1,
    VSSI_TILE_MORE_BEHIND = 2
} vssi_tile_part;

typedef struct vssi_tile_job {
    const float *queries; /* [dim][n_queries] */
    size_t n_queries;     /* even, from 2 to the table's queries */
    const float *panel;   /* [dim][rows], 64-byte aligned */
    size_t dim;
    const float *scale;   /* [rows], 64-byte aligned */
    const float *base;    /* [rows], 64-byte aligned */
    const float *cuts;    /* [n_queries] */
    vssi_tile_part part;
    float *sums;          /* [n_queries][rows], 64-byte aligned, of the parts before; not looked at for a whole */
    vssi_tile_next *next; /* two lines of which are asked for in each of the first `asks` components */
    size_t asks;
} vssi_tile_job;

typedef struct vssi_tile {
    const char *level;
    size_t rows, queries;
    /* The first n rows, of dim float32 each, into a panel; the other places become 0. */
    void (*pack)(const char *const *rows, size_t n, size_t dim, float *panel);
    /* The same of rows of F16, BF16, I8 or U8, which become float32 exactly. */
    void (*widen)(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, float *panel);
    /* norms[rows] = the squared norm of every place of a panel, in float32. */
    void (*norms)(const float *panel, size_t dim, float *norms);
    void (*multiply)(const vssi_tile_job *job, uint32_t *hits);
} vssi_tile;

typedef struct vssi_tile_codes_job {
    const int32_t *queries; /* [units][n_queries], four signed bytes each */
    size_t n_queries;       /* 1, or even up to the table's queries */
    const char *panels;     /* [n_panels][units][VSSI_TILE_ROWS] of four codes, 64-byte aligned */
    size_t n_panels, units;
    const int32_t *halves;  /* [n_panels][VSSI_TILE_ROWS], 64-byte aligned */
    const int32_t *least;   /* [n_queries] */
    const char *next;       /* as many bytes as the panels have that are wanted soon: prefetched on the way */
} vssi_tile_codes_job;

typedef struct vssi_tile_codes {
    size_t queries;
    double rate; /* products a nanosecond of `multiply`, about; 0: not known */
    /* The first n rows, of 4 * units codes each, into a panel; the other places become 0. */
    void (*pack)(const char *const *rows, size_t n, size_t units, char *panel);
    /* halves[n_panels][VSSI_TILE_ROWS] */
    void (*halves)(const char *panels, size_t n_panels, size_t units, int32_t *halves);
    /* hits[n_panels][n_queries] */
    void (*multiply)(const vssi_tile_codes_job *job, uint32_t *hits);
    /* Places of one query's hits that are set in allowed[n_panels] too, counted from `first` on, rising, into rows;
     * returns how many. hits[p * stride] are panel p's. VSSI_TILE_ROWS numbers behind the last may be overwritten. */
    size_t (*collect)(const uint32_t *hits, size_t stride, const uint32_t *allowed, size_t n_panels, uint32_t first,
                      uint32_t *rows);
} vssi_tile_codes;

/* The kernels of codes that go with vssi_simd(); and those of the i-th level, NULL past the last. */
const vssi_tile_codes *vssi_tile_codes_best(void);
const vssi_tile_codes *vssi_tile_codes_level(size_t i);

/* Rows of bytes go the same way as they are, in whole numbers, and what is compared is the score of simd.h. A panel
 * holds c = the row's bytes, of I8 plus 128; a query is signed bytes w, of U8 its bytes less 128. Bytes that fill up
 * the last unit: the row's are of value 0, the query's too. Up to 32,768 components,
 *     bit r of hits[q] = float(base[r] - m sum_i w[q][i] * c[r][i] + add[q]) * scale[r] <= cuts[q]
 * with add[q] = sum (w + 128)^2 for L2, 128 sum w for IP of I8, 0 for IP of U8; m is 2 for L2, else 1.
 *
 * Rows of BITS too, 32 in a unit: with x the bits in which they differ, base[r] and add[q] the bits of row and query,
 *     bit r of hits[q] = (HAMMING: x; JACCARD: x / ((base[r] + add[q] + x) / 2), 0 for 0 / 0) * scale[r] <= cuts[q] */
typedef struct vssi_tile_bytes_job {
    const int32_t *queries; /* [units][n_queries], four signed bytes or 32 bits each */
    size_t n_queries;       /* even, from 2 to the table's queries */
    const void *panel;      /* [units][rows] of four bytes, 64-byte aligned */
    size_t units;
    const int32_t *base;    /* [rows], 64-byte aligned */
    const int32_t *add;     /* [n_queries] */
    const float *scale;     /* [rows], 64-byte aligned */
    const float *cuts;      /* [n_queries] */
    vssi_simd_op op;
    vssi_tile_part part;
    int32_t *sums;          /* as above */
    vssi_tile_next *next;   /* two lines of which are asked for in each of the first `asks` units */
    size_t asks;
} vssi_tile_bytes_job;

typedef struct vssi_tile_bytes {
    size_t rows, queries;
    /* The first n rows into a panel with its bases; the other places become 0. */
    void (*pack)(vssi_simd_type type, vssi_simd_op op, const char *const *rows, size_t n, size_t dim, void *panel,
                 int32_t *base);
    void (*multiply)(const vssi_tile_bytes_job *job, uint32_t *hits);
} vssi_tile_bytes;

/* The kernels of I8 and U8 or those of BITS of this level; NULL: it has none. */
const vssi_tile_bytes *vssi_tile_bytes_best(vssi_simd_type type);

/* A few queries of float32 at once against rows that are anywhere, without panels: scores as in simd.h, each line of a
 * row read once. */
#define VSSI_FEW_QUERIES 4u
#define VSSI_FEW_AHEAD 16u    /* how many rows ahead memory is asked for */
#define VSSI_FEW_BEYOND (VSSI_FEW_AHEAD + 3u) /* rows named past the last: the last come four at a time */

typedef struct vssi_few_job {
    vssi_simd_type type;           /* F32, F16 or BF16 */
    vssi_simd_op op;
    const float *queries[VSSI_FEW_QUERIES];
    size_t n_queries;              /* 1 to VSSI_FEW_QUERIES */
    const char *const *rows;       /* [n + VSSI_FEW_BEYOND], all of them rows; those from n on are wanted soon */
    size_t n, dim;
    float *scores[VSSI_FEW_QUERIES]; /* [n rounded up to 4] each */
} vssi_few_job;

/* NULL: this level has none. */
typedef void (*vssi_few)(const vssi_few_job *job);
vssi_few vssi_few_best(void);

/* The table that goes with vssi_simd(), chosen once; and the one of the i-th level, NULL past the last. */
const vssi_tile *vssi_tile_best(void);
const vssi_tile *vssi_tile_level(size_t i);

extern const vssi_tile vssi_tile_scalar;
extern const vssi_tile_codes vssi_tile_codes_scalar;
size_t vssi_tile_codes_collect(const uint32_t *hits, size_t stride, const uint32_t *allowed, size_t n_panels,
                               uint32_t first, uint32_t *rows); /* in plain C */
#if defined(__x86_64__)
extern const vssi_tile vssi_tile_avx2;
extern const vssi_tile vssi_tile_avx512;
extern const vssi_tile_codes vssi_tile_codes_avx2;
extern const vssi_tile_codes vssi_tile_codes_vnni;
extern const vssi_tile_bytes vssi_tile_bytes_vnni;
extern const vssi_tile_bytes vssi_tile_bits_vpopcnt;
void vssi_few_avx512(const vssi_few_job *job);
#endif

#endif
