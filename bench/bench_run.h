/*
 * bench_run.h - searching all queries against the clock
 */
#ifndef CLI_BENCH_RUN_H
#define CLI_BENCH_RUN_H

#include "bench_truth.h"

typedef struct cli_bench_run {
    const cli_memdb *memdb;
    const cli_truth *truth;
    uint32_t k, threads, batch;
    const char *filter, *params;
    const char *device; /* that must do it; NULL: the CPU */
    double recall, qps, p50_us, p99_us; /* measured */
} cli_bench_run;

/* Search every query several times and keep the fastest pass. */
vss_status cli_bench_run_measure(cli_bench_run *run, vss_error *err);

#endif
