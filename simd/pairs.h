/*
 * pairs.h - every vector of a small set against many: keys of the pairs, and the least of many keys
 *
 * A key is a score that is not negative, shortened to its 22 leading bits without the sign, and below them a number
 * below 1,024: keys order as scores, equal ones by number, and no two of a set are equal. Scores apart by less than
 * 1 part in 2^14 may count as equal. Within the set every level gives the same keys for codes, and the same least.
 */
#ifndef VSSI_PAIRS_H
#define VSSI_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_PAIRS_MOST 1024u     /* numbers of a set */
#define VSSI_PAIRS_ROWS 32u       /* of a panel */
#define VSSI_PAIRS_QUERIES 12u    /* of a job */
#define VSSI_PAIRS_NONE UINT32_MAX /* no key */

static inline uint32_t vssi_pairs_key(float score, uint32_t number)
{
    union {
        float value;
        uint32_t bits;
    } pun = {score};
    return (pun.bits << 1 & ~(VSSI_PAIRS_MOST - 1)) | number;
}

static inline uint32_t vssi_pairs_number(uint32_t key) { return key & (VSSI_PAIRS_MOST - 1); }

/* Twelve queries against a panel of 32 rows, all of codes of a byte. With c a row's codes and d a query's, a query is
 * given as d - 128, as signed bytes, and a row's base is sum c^2 - 256 sum c; the score is sum (c - d)^2, a whole
 * number rounded once to float32. Up to 32,768 codes a row. */
typedef struct vssi_pairs_job {
    const int32_t *queries; /* [units][VSSI_PAIRS_QUERIES] of four codes */
    const int32_t *norms;   /* [VSSI_PAIRS_QUERIES] sum d^2 */
    const void *panel;      /* [units][VSSI_PAIRS_ROWS] of four codes, 64-byte aligned */
    const int32_t *bases;   /* [VSSI_PAIRS_ROWS], 64-byte aligned */
    size_t units;
    uint32_t first;         /* number of the panel's first row */
} vssi_pairs_job;

typedef struct vssi_pairs {
    const char *level;
    /* keys[q * stride + r] of query q and row r, 64-byte aligned. NULL: this level has none. */
    void (*keys)(const vssi_pairs_job *job, uint32_t *keys, size_t stride);
    /* The k least of keys[n], n at most VSSI_PAIRS_MOST, in rising order into out[k], filled up with NONE. keys are
     * 64-byte aligned, and NONE up to the next multiple of 16. */
    void (*least)(const uint32_t *keys, size_t n, size_t k, uint32_t *out);
} vssi_pairs;

/* The table that goes with vssi_simd(); and the one of the i-th level, NULL past the last. */
const vssi_pairs *vssi_pairs_best(void);
const vssi_pairs *vssi_pairs_level(size_t i);

/* The k least of keys[n] by insertion: for few, or few kept. */
void vssi_pairs_insert(const uint32_t *keys, size_t n, size_t k, uint32_t *out);

extern const vssi_pairs vssi_pairs_scalar;
#if defined(__x86_64__)
extern const vssi_pairs vssi_pairs_avx512vnni;
#endif

#endif
