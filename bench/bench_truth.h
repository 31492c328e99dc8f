/*
 * bench_truth.h - how far the true k-th nearest row of each query is
 */
#ifndef CLI_BENCH_TRUTH_H
#define CLI_BENCH_TRUTH_H

#include "memdb.h"

/* A hit counts when it is no farther than kth; count hits are there to be found. */
typedef struct cli_truth {
    float *kth;       /* [n_queries] */
    uint32_t *count;  /* [n_queries] min(k, rows that match) */
} cli_truth;

/* By an exact search. cli_truth_free, whether or not it worked. */
vss_status cli_truth_search(const cli_memdb *memdb, uint32_t k, const char *filter, uint32_t threads,
                            cli_progress *progress, cli_truth *truth, vss_error *err);
/* From a file of row numbers, nearest first, at least k a query; their distances are computed anew. */
vss_status cli_truth_load(cli_memdb *memdb, const char *path, uint32_t k, cli_truth *truth, vss_error *err);
void cli_truth_free(cli_truth *truth);

/* How many of n hits count for query q. */
uint32_t cli_truth_hits(const cli_truth *truth, vss_metric metric, uint64_t q, const float *distances, uint64_t n);

#endif
