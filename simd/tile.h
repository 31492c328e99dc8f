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

#include <stddef.h>
#include <stdint.h>

#define VSSI_TILE_ROWS 32u    /* most rows of a panel at any level */
#define VSSI_TILE_QUERIES 14u /* most queries a call at any level */

typedef struct vssi_tile_job {
    const float *queries; /* [dim][n_queries] */
    size_t n_queries;     /* even, from 2 to the table's queries */
    const float *panel;   /* [dim][rows], 64-byte aligned */
    size_t dim;
    const float *scale;   /* [rows], 64-byte aligned */
    const float *base;    /* [rows], 64-byte aligned */
    const float *cuts;    /* [n_queries] */
    const char *next;     /* 4 * dim * rows bytes that are wanted soon: prefetched on the way; NULL: none */
} vssi_tile_job;

typedef struct vssi_tile {
    const char *level;
    size_t rows, queries;
    /* The first n rows, of dim float32 each, into a panel; the other places become 0. */
    void (*pack)(const char *const *rows, size_t n, size_t dim, float *panel);
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
    /* The first n rows, of 4 * units codes each, into a panel; the other places become 0. */
    void (*pack)(const char *const *rows, size_t n, size_t units, char *panel);
    /* halves[n_panels][VSSI_TILE_ROWS] */
    void (*halves)(const char *panels, size_t n_panels, size_t units, int32_t *halves);
    /* hits[n_panels][n_queries] */
    void (*multiply)(const vssi_tile_codes_job *job, uint32_t *hits);
    /* Places of one query's hits that are set in allowed[n_panels] too, counted from `first` on, rising, into rows; returns
     * how many. hits[p * stride] are panel p's. Up to VSSI_TILE_ROWS numbers behind the last one may be overwritten. */
    size_t (*collect)(const uint32_t *hits, size_t stride, const uint32_t *allowed, size_t n_panels, uint32_t first,
                      uint32_t *rows);
} vssi_tile_codes;

/* The kernels of codes that go with vssi_simd(); and those of the i-th level, NULL past the last. */
const vssi_tile_codes *vssi_tile_codes_best(void);
const vssi_tile_codes *vssi_tile_codes_level(size_t i);

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
#endif

#endif
