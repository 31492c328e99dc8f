/*
 * sq8.h - vectors as points of a grid, a byte a component, with a proof of how far each is from its point
 *
 * What is coded is the carrier of a vector: for every metric the order of distances is that of l2 between carriers.
 *     l2      the vector                                     D^2 = |q - v|^2
 *     cosine  the vector divided by its norm                 D^2 = 2 - 2 cos
 *     ip      the vector and sqrt(M^2 - |v|^2), M the greatest norm; the query is scaled to the norm M and gets a 0
 *             D^2 = 2 M^2 - 2 (M / |q|) q v
 * The grid: component j of the point with code c is low[j] + step * c; one step for all, so that the distance of two
 * points is step * sqrt(sum (c - d)^2), a sum of whole numbers that every kernel computes alike.
 *
 * The bound. Let r be at least |v - v^| for every row v and its point v^, and s the same of the query. D >= D^ - s - r
 * by the triangle inequality, so a row whose D^ is above sqrt(T) + s + r, with T what the top-k's threshold is in terms
 * of D^2, is of no use. Nothing is cut off at training; a query's components outside the grid make s larger, no more.
 *
 * This is what an index needs of any codec: train, encode, open, prepare a query, distances to a block of codes (the
 * kernels of the type the codes are), and a cut for those distances from a threshold.
 */
#ifndef VSSI_SQ8_H
#define VSSI_SQ8_H

#include "../index_ops.h"

/* A trained grid, as it is stored. */
typedef struct vssi_sq8_model {
    uint64_t rows;
    uint32_t dim, metric; /* of the vectors */
    uint32_t width;       /* components of a carrier */
    uint32_t size;        /* bytes of a code: width rounded up to 4, or more; the rest is 0 */
    double step;          /* above 0 */
    double radius;        /* r, float64 roundings included */
    double most;          /* M; 1 for l2 and cosine */
    uint8_t zero[16];
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

/* Fit the grid to the vectors: model (radius still 0) and low[width], the same on any number of the build's threads.
 * One pass over the rows, two for ip. NO_MEMORY, BUDGET. */
vss_status vssi_sq8_train(const vssi_build *build, vssi_sq8_model *model, double *low, vss_error *err);

/* Codes [n][size] of the rows from first on. Returns the radius they need. carrier: room for width numbers. */
double vssi_sq8_encode(const vssi_sq8_model *model, const double *low, const vssi_vectors *v, size_t first, size_t n,
                       double *carrier, uint8_t *codes);

/* Check a stored model against the vectors and bind the kernels. CORRUPT. */
vss_status vssi_sq8_open(vssi_sq8 *sq8, const void *model, const double *low, const uint8_t *codes,
                         const vssi_vectors *v, vss_error *err);
/* The same of codes padded to `size` bytes, at least vssi_sq8_size, by model.size set after training. */
vss_status vssi_sq8_open_padded(vssi_sq8 *sq8, const void *model, const double *low, const uint8_t *codes,
                                uint32_t size, const vssi_vectors *v, vss_error *err);

/* Code and radius of a query. carrier: room for width numbers. */
void vssi_sq8_prepare(const vssi_sq8 *sq8, const vssi_probe *probe, double *carrier, vssi_sq8_query *query);

/* The greatest sum (c - d)^2 of a row that may have a score at or below the threshold; below 0: there is none.
 * Sums above it by less than 1 part in 2^20 are let pass, so that sums rounded to float32 can be compared. */
double vssi_sq8_cut(const vssi_sq8 *sq8, const vssi_sq8_query *query, float threshold);

#endif
