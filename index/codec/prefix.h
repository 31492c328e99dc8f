/*
 * prefix.h - carriers (sq8.h) in few dimensions, with a proof of how much nearer that can bring them
 *
 * A row is the point of its carrier x in m + 1 dimensions: y = P (x - mean), P the m directions in which the rows
 * spread most (principal.h), turned among themselves so that they spread alike in all of them (rotate.h) and one step
 * fits all, and the length of what is left, sqrt(|x - mean|^2 - |y|^2). Points are coded on a grid (grid.h), a byte a
 * component.
 *
 * The bound. Let P* be m orthonormal directions, y* = P* (x - mean) and z*(x) = (y*, |x - mean - P*' y*|). Projections
 * and the length of a vector shorten distances or keep them: |z*(x) - z*(q)| <= |x - q|. So with r at least the
 * distance of z*(v) from the point that v's code stands for, for every row v, and s the same of the query q, D = |v -
 * q| >= D^ - s - r, D^ the distance of the two grid points: a row with D^ above reach + s + r is of no use.
 *
 * P is not orthonormal, but |P P' - 1| <= d = 2^-30 (Frobenius), so that P* = (P P')^(-1/2) P, which is, is near: |P -
 * P*| <= d, as |sqrt(t) - 1| <= |t - 1|. What is computed, with n = |x - mean| and u = 2^-53, then differs from z*(x):
 *     x - mean       by at most u n
 *     y              by at most (d + sqrt(m) (width + 2) u (1 + d)) n =: e n; e <= 2^-29.9 as width <= 4,096, m <= 255
 *     n^2 - |y|^2    by at most 2.2 e n^2 + 3 (width + 2) u n^2 <= 2^-28.7 n^2, whether or not it is cut off at 0
 *     its root       by at most the root of that, 2^-14.35 n, as |sqrt(a) - sqrt(b)| <= sqrt(|a - b|)
 * together by less than PREFIX_PAD n = 2^-14 n, which every radius contains: some hundredth of the grid's own.
 */
#ifndef VSSI_PREFIX_H
#define VSSI_PREFIX_H

#include "sq8.h"

#define VSSI_PREFIX_MOST 256u    /* bytes of a row */
#define VSSI_PREFIX_WIDTH 4096u  /* of a carrier, at most */
#define VSSI_PREFIX_ROWS 32u     /* of a panel, as tile.h has them */

/* A trained prefix, as it is stored. */
typedef struct vssi_prefix_model {
    uint64_t rows;
    uint32_t width; /* of a carrier */
    uint32_t dims;  /* m, above 0 */
    uint32_t size;  /* bytes of a row: m + 1 rounded up to 4 */
    uint32_t zero;
    double step;    /* above 0 */
    double radius;  /* r, what is said above included */
    uint8_t zeros[24];
} vssi_prefix_model;

typedef struct vssi_prefix {
    vssi_prefix_model model;
    const double *low;  /* [dims + 1] */
    const double *turn; /* [width][1 + dims]: of each component the mean, and what one of it adds to y */
    const char *panels; /* [rows / 32 rounded up][size / 4][32] of four codes; NULL: there is no prefix */
} vssi_prefix;

/* A query for a prefix. */
typedef struct vssi_prefix_query {
    uint8_t *code; /* [size], given by the caller */
    double radius; /* s */
} vssi_prefix_query;

/* Bytes of a row with m dimensions, and of all panels' elements. */
static inline uint32_t vssi_prefix_size(uint32_t dims) { return (dims + 1 + 3) / 4 * 4; }
static inline uint32_t vssi_prefix_panel(uint32_t size) { return VSSI_PREFIX_ROWS * size; }
static inline uint64_t vssi_prefix_panels(uint64_t rows) { return (rows + VSSI_PREFIX_ROWS - 1) / VSSI_PREFIX_ROWS; }

/* Choose the directions by a sample of the rows, and how many of them by what they rule out of it: size is the most
 * bytes a row, or 0: as many as pay (which may be none). *turn is the heap's; NULL and model->dims 0: no prefix.
 * NO_MEMORY, BUDGET. */
vss_status vssi_prefix_train(const vssi_build *build, const vssi_sq8 *sq8, const uint64_t *leave, uint32_t size,
                             vssi_prefix_model *model, double **turn, vss_error *err);

#define VSSI_PREFIX_TOGETHER 16u /* carriers that are worth turning at once */
/* The points of n carriers x, points[n][dims + 1], and their |x - mean|, lengths[n]. The carriers become x - mean. */
void vssi_prefix_points(uint32_t width, uint32_t dims, const double *turn, double *carriers, size_t n, double *points,
                        double *lengths);

/* The code of a point whose carrier is `length` from the mean. Returns the radius it needs. */
double vssi_prefix_code(const vssi_prefix_model *model, const double *low, const double *point, double length,
                        uint8_t *code);

/* Bytes [size] of a row in the panels. */
void vssi_prefix_row(const vssi_prefix *prefix, size_t row, uint8_t *code);
/* At least how far the row with that point and length is from what its code stands for, as vssi_prefix_code measures
 * it. */
double vssi_prefix_off(const vssi_prefix *prefix, const double *point, double length, const uint8_t *code);
/* Do the directions deviate from orthonormal ones by no more than the proof allows. NO_MEMORY, BUDGET. */
vss_status vssi_prefix_orthonormal(const vssi_prefix *prefix, vssi_heap *heap, bool *yes, vss_error *err);

/* Check a stored model against the codes'. CORRUPT. */
vss_status vssi_prefix_open(vssi_prefix *prefix, const void *model, const vssi_sq8 *sq8, vss_error *err);

/* Code and radius of the query with that point and length. */
void vssi_prefix_prepare(const vssi_prefix *prefix, const double *point, double length, vssi_prefix_query *query);

/* The greatest sum (c - d)^2 of a row within reach (sq8.h); below 0: there is none. */
double vssi_prefix_steps(const vssi_prefix *prefix, const vssi_prefix_query *query, double reach);

#endif
