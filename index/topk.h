/*
 * topk.h - the k nearest of many scored rows, exact in order and at the cut
 *
 * Rows come with float32 scores that are off by at most relative * |exact| + absolute. A row is dropped only when
 * k other rows are certainly nearer. What remains is recomputed by the caller's `exact` (float64, rounded once)
 * and ordered by that value, then by key. Rows whose values tie at the cut are settled by key, however many there
 * are.
 *
 * Method: rows below the threshold go into a buffer; when it is full the k-th best score is found by selection,
 * the threshold falls to it plus twice the bound, and the rest is dropped. If that drops too little (many equal
 * rows), the buffer is recomputed and cut to the exact k best. Cost: a comparison a row, amortised O(1) a row
 * kept; memory O(k).
 */
#ifndef VSSI_TOPK_H
#define VSSI_TOPK_H

#include <stdbool.h>

#include "scratch.h"

typedef struct vssi_hit {
    float value;   /* exact, smaller is nearer */
    uint32_t row;
} vssi_hit;

typedef struct vssi_candidate {
    float score;
    uint32_t row;
} vssi_candidate;

typedef struct vssi_topk_source {
    void *state;
    /* values[n] of rows[n]: float64 computed, rounded once, smaller is nearer. NULL: scores are the values. CORRUPT,
     * IO. */
    vss_status (*exact)(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err);
    /* Is row a's key before row b's. */
    bool (*key_before)(void *state, uint32_t a, uint32_t b);
} vssi_topk_source;

typedef struct vssi_topk {
    size_t k;
    double relative, absolute;     /* the bound */
    const vssi_topk_source *source;
    float threshold;               /* scores above it are of no use; +inf at first */
    float floor;                   /* nor are scores at or below it; -inf without a range */
    float sure;                    /* scores from it on are certainly not below near */
    float near, far;               /* values of hits */
    vssi_candidate *candidates;
    size_t n_candidates, capacity;
    uint32_t *rows;                /* [capacity], scratch of a selection or a recomputation */
    float *values;                 /* [capacity] */
    vssi_hit *hits;                /* [k + capacity]; the best recomputed so far in front, sorted */
    size_t n_hits;
    uint64_t recomputed;
    vss_status status;             /* the first failure of `exact`; sticks */
    vss_error *err;
} vssi_topk;

/* Bytes that a top-k of k, from 1 to 2^28, works in. */
size_t vssi_topk_size(size_t k);

/* Begin in memory [vssi_topk_size(k)] of the caller's, 64-byte aligned, which it needs until the hits
 * have been read. */
void vssi_topk_begin(vssi_topk *topk, void *memory, size_t k, double relative, double absolute,
                     const vssi_topk_source *source, vss_error *err);

/* The same in the scratch's memory (slot TOPK): one top-k at a time a scratch. NO_MEMORY, BUDGET. */
vss_status vssi_topk_init(vssi_topk *topk, vssi_scratch *scratch, size_t k, double relative, double absolute,
                          const vssi_topk_source *source, vss_error *err);

/* Rows whose exact value is above this are of no use (from other segments). Call before adding. */
void vssi_topk_limit(vssi_topk *topk, float value);

/* Only rows whose exact value is at least near and at most far are hits; infinities bound nothing. Call before
 * adding. */
void vssi_topk_range(vssi_topk *topk, float near, float far);

/* If the k nearest have scores of at most `score` and the range has no near end: scores above this are of no use. */
float vssi_topk_bound(const vssi_topk *topk, float score);

void vssi_topk_push(vssi_topk *topk, float score, uint32_t row);

/* Offer rows first .. first + n - 1 with their scores. */
void vssi_topk_add_rows(vssi_topk *topk, const float *scores, size_t first, size_t n);
/* Offer the rows given. */
void vssi_topk_add(vssi_topk *topk, const float *scores, const uint32_t *rows, size_t n);

/* Let the threshold fall to what the rows offered so far prove, once some more than k are waiting: for callers whose
 * rows are dear. */
void vssi_topk_tighten(vssi_topk *topk);

/* Recompute and order: hits[n_hits], n_hits <= k, good until the scratch is used for another top-k. */
vss_status vssi_topk_finish(vssi_topk *topk, vss_error *err);

#endif
