/*
 * sq8.h - vectors as points of a grid, a byte a component, with a proof of how far each is from its point
 *
 * What is coded is the carrier of a vector: for every metric the order of distances is that of l2 between carriers.
 *     l2      the vector                                     D^2 = |q - v|^2
 *     cosine  the vector divided by its norm                 D^2 = 2 - 2 cos
 *     ip      the vector and sqrt(M^2 - |v|^2), M the greatest norm; the query is scaled to the norm M and gets a 0
 *             D^2 = 2 M^2 - 2 (M / |q|) q v
 * It is coded by the nearest point of a grid with one step for all components (grid.h).
 *
 * The bound. Let r be at least |v - v^| for every row v and its point v^, and s the same of the query. D >= D^ - s - r
 * by the triangle inequality, so a row whose D^ is above sqrt(T) + s + r, with T what the top-k's threshold is in terms
 * of D^2, is of no use. A query's components outside the grid make s larger, no more. Rows that are left out at
 * training (outliers.h) are no part of the bound, nor of M: whoever leaves them out compares them by their vectors.
 *
 * This is what an index needs of any codec: train, encode, open, prepare a query, distances to a block of codes (the
 * kernels of the type the codes are), and a cut for those distances from a threshold.
 */
#ifndef VSSI_SQ8_H
#define VSSI_SQ8_H

#include "../index_ops.h"
#include "grid.h"

/* A trained grid, as it is stored. */
typedef struct vssi_sq8_model {
    uint64_t rows;
    uint32_t dim, metric; /* of the vectors */
    uint32_t width;       /* components of a carrier */
    uint32_t size;        /* bytes of a code: width rounded up to 4, or more; the rest is 0 */
    double step;          /* above 0 */
    double radius;        /* r, float64 roundings included */
    double most;          /* M; 1 for l2 and cosine */
    double usual;         /* root of the mean square of what radius is the greatest of; 0: not known */
    uint8_t zero[8];
} vssi_sq8_model;

typedef struct vssi_sq8 {
    vssi_sq8_model model;
    const double *low;    /* [width] */
    const uint8_t *codes; /* [rows][size] */
    vssi_kernel_rows score_rows;     /* sum (c - d)^2 as float32, rounded once */
    vssi_kernel_gather score_gather;
} vssi_sq8;

/* A query for codes. */
typedef struct vssi_sq8_query {
    uint8_t *code;     /* [size], given by the caller */
    double radius;     /* s */
    double scale;      /* ip: M / |q| */
} vssi_sq8_query;

/* Can vectors of the type and metric be coded: f32, f16, bf16; l2, ip, cosine. */
bool vssi_sq8_can(vss_type type, vss_metric metric);

/* Bytes of a carrier's code, and components, for a field. */
uint32_t vssi_sq8_width(uint32_t dim, vss_metric metric);
uint32_t vssi_sq8_size(uint32_t width);

/* The carrier of a row, [width]; most is M. */
void vssi_sq8_carrier(const vssi_vectors *v, size_t row, double most, double *carrier);

/* Fit the grid to the vectors, but for the rows whose bits are set in `leave` (NULL: none; at least one stays): model
 * (radius still 0) and low[width]. A pass over the rows, for ip two, one thread. carrier: room for 2 * width numbers.
 * */
void vssi_sq8_train(const vssi_vectors *v, const uint64_t *leave, double *carrier, vssi_sq8_model *model, double *low);

/* Codes [n][size] of the rows from first on. Returns the radius of those not left out. carrier: room for width
 * numbers. */
double vssi_sq8_encode(const vssi_sq8_model *model, const double *low, const vssi_vectors *v, const uint64_t *leave,
                       size_t first, size_t n, double *carrier, uint8_t *codes);

/* At least how far a row's carrier is from what its code stands for, as vssi_sq8_encode measures it; infinite where the
 * row is longer than M. */
double vssi_sq8_off(const vssi_sq8 *sq8, const vssi_vectors *v, size_t row, double *carrier);

/* Check a stored model against the vectors and bind the kernels. CORRUPT. */
vss_status vssi_sq8_open(vssi_sq8 *sq8, const void *model, const double *low, const uint8_t *codes,
                         const vssi_vectors *v, vss_error *err);
/* The same of codes padded to `size` bytes, at least vssi_sq8_size, by model.size set after training. */
vss_status vssi_sq8_open_padded(vssi_sq8 *sq8, const void *model, const double *low, const uint8_t *codes,
                                uint32_t size, const vssi_vectors *v, vss_error *err);

/* carrier[width] and scale of a query. */
void vssi_sq8_query_carrier(const vssi_sq8 *sq8, const vssi_probe *probe, double *carrier, vssi_sq8_query *query);
/* Code and radius of a query, and in carrier[width] what was coded. */
void vssi_sq8_prepare(const vssi_sq8 *sq8, const vssi_probe *probe, double *carrier, vssi_sq8_query *query);

/* The greatest D of a row that may have a score at or below the threshold, roundings included; below 0: there is none.
 * */
double vssi_sq8_reach(const vssi_sq8 *sq8, const vssi_sq8_query *query, float threshold);

/* At least the score of a row whose sum (c - d)^2 is at most `sum`, roundings included. */
float vssi_sq8_score(const vssi_sq8 *sq8, const vssi_sq8_query *query, double sum);

/* The greatest sum (c - d)^2 of a row that is within reach; below 0: there is none.
 * Sums above it by less than 1 part in 2^20 are let pass, so that sums rounded to float32 can be compared. */
double vssi_sq8_steps(const vssi_sq8 *sq8, const vssi_sq8_query *query, double reach);
/* The same from a threshold. */
double vssi_sq8_cut(const vssi_sq8 *sq8, const vssi_sq8_query *query, float threshold);

#endif
