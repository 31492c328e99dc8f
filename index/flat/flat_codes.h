/*
 * flat_codes.h - the opened index object of flat, and one query against it
 */
#ifndef VSSI_FLAT_CODES_H
#define VSSI_FLAT_CODES_H

#include "../codec/prefix.h"
#include "../codec/sq8.h"
#include "flat.h"

typedef struct flat_index {
    vssi_heap *heap;
    vssi_vectors vectors;     /* to validate */
    vssi_sq8 sq8;
    const int32_t *norms;     /* [rows]: vssi_dense_norm of the codes */
    vssi_prefix prefix;       /* panels NULL: none */
    const uint32_t *outliers; /* [n_outliers], rising: rows that neither bound covers */
    size_t n_outliers;
} flat_index;

#define FLAT_FIRST 384u /* rows that wait for their codes: up to 64 and what comes at once, and room behind them */
#define FLAT_NEAR 64u   /* rows that wait for their vectors */

/* One query in the making. */
typedef struct flat_codes_query {
    vssi_sq8_query code;
    vssi_prefix_query start;     /* where there is a prefix */
    const vssi_query *query;
    vssi_topk *topk;
    double reach;                /* the greatest distance of use (sq8.h) */
    double cut;                  /* the same as the greatest sum (c - d)^2 of codes */
    uint32_t n_first, n_near;
    uint32_t first[FLAT_FIRST];  /* rows that the prefix can't rule out */
    uint32_t near[FLAT_NEAR];    /* rows that the codes can't rule out */
} flat_codes_query;

/* ---- flat_codes_keep.c ---- */

/* Bring reach and cut down to what the threshold says. True: they have fallen. */
bool vssi_flat_codes_cut(const flat_index *index, flat_codes_query *q, float threshold);
/* The codes' kernels give float32: their sums are compared with a cut that leaves room for its rounding. */
float vssi_flat_codes_limit(const flat_codes_query *q);
/* Score and offer n <= FLAT_BLOCK rows. True: the cut has fallen. */
bool vssi_flat_codes_offer(const flat_index *index, const vssi_vectors *v, flat_codes_query *q, const uint32_t *rows,
                           size_t n);
/* Rows that the prefix, or nothing yet, can't rule out: keep those that the codes can't, and offer them when there are
 * enough to score together. n <= FLAT_FIRST. True: the cut has fallen. */
bool vssi_flat_codes_narrow(const flat_index *index, const vssi_vectors *v, flat_codes_query *q, const uint32_t *rows,
                            size_t n);
/* Rows that the codes can't rule out, likewise. */
bool vssi_flat_codes_keep(const flat_index *index, const vssi_vectors *v, flat_codes_query *q, const uint32_t *rows,
                          size_t n);
/* Offer what waits for its vectors. True: the cut has fallen. */
bool vssi_flat_codes_flush(const flat_index *index, const vssi_vectors *v, flat_codes_query *q);
/* k rows that may be returned, none an outlier, have sums (c - d)^2 of at most `nearest`: bring the cut down to what
 * that proves. True: it has fallen. */
bool vssi_flat_codes_bound(const flat_index *index, flat_codes_query *q, double nearest);
/* Is a row of [begin, end) an outlier. */
bool vssi_flat_codes_outliers(const flat_index *index, size_t begin, size_t end);
/* flat_codes_search.c: offer what is left. */
void vssi_flat_codes_end(const flat_index *index, const vssi_vectors *v, flat_codes_query *q);

/* Rows [begin, end), by the prefix or by all codes. */
typedef struct flat_codes_range {
    size_t begin, end;
    bool prefix;
} flat_codes_range;

/* flat_codes_dense.c: several queries through all codes; where vssi_dense_best() has kernels. */
vss_status vssi_flat_codes_dense(const flat_index *index, const vssi_vectors *v, flat_codes_query *of, size_t n,
                                 const flat_codes_range *range, vssi_scratch *scratch, vss_error *err);

/* flat_codes_tile.c: through the prefix, or, several queries, through the codes, in panels. *left becomes how many
 * pairs of row and query the prefix has left over. */
vss_status vssi_flat_codes_tile(const flat_index *index, const vssi_vectors *v, flat_codes_query *of, size_t n,
                                const flat_codes_range *range, vssi_scratch *scratch, uint64_t *left, vss_error *err);

#endif
