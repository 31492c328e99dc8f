/*
 * bench_run.c - runs the queries through the public search and takes the time of every call
 *
 * With a batch of 1 each thread makes calls of one query; with more, one caller hands over a batch and the search
 * shares it among the threads. After one pass that warms up, passes are repeated for two seconds, at most nine times,
 * and the one of median speed counts. Recall is the same in each.
 */
#include "bench_run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tool.h"

enum { RUN_PASSES = 9 };
#define RUN_SECONDS 2.0

typedef struct run_pass {
    const cli_bench_run *run;
    uint64_t calls;
    double *micros;      /* [calls] */
    atomic_uint_least64_t next, hits;
    pthread_mutex_t lock; /* of status and err */
    vss_status status;
    vss_error err;
} run_pass;

static void run_failed(run_pass *pass, vss_status status, const vss_error *err)
{
    pthread_mutex_lock(&pass->lock);
    if (pass->status == VSS_OK) {
        pass->status = status;
        pass->err = *err;
    }
    pthread_mutex_unlock(&pass->lock);
    atomic_store(&pass->next, pass->calls);
}

static uint64_t run_count(const cli_bench_run *run, uint64_t first, const vss_result *result)
{
    const int64_t *offsets = vss_result_offsets(result);
    uint64_t hits = 0;
    for (size_t q = 0; q < vss_result_queries(result); q++)
        hits += cli_truth_hits(run->truth, run->memdb->metric, first + q, vss_result_distances(result) + offsets[q],
                               (uint64_t)(offsets[q + 1] - offsets[q]));
    return hits;
}

static void *run_worker(void *state)
{
    run_pass *pass = state;
    const cli_bench_run *run = pass->run;
    for (;;) {
        uint64_t call = atomic_fetch_add(&pass->next, 1), first = call * run->batch;
        if (call >= pass->calls)
            return NULL;
        uint64_t left = run->memdb->n_queries - first, n = left < run->batch ? left : run->batch;
        vss_search_request request = cli_memdb_request(run->memdb, first, n, run->k);
        request.filter = run->filter;
        request.params = run->params;
        request.device = run->device;
        request.device_required = run->device != NULL;
        request.threads = run->batch > 1 ? run->threads : 1;
        vss_result *result;
        vss_error err;
        double begin = cli_seconds();
        vss_status status = vss_collection_search(run->memdb->col, &request, &result, &err);
        pass->micros[call] = (cli_seconds() - begin) * 1e6;
        if (status != VSS_OK) {
            run_failed(pass, status, &err);
            return NULL;
        }
        atomic_fetch_add(&pass->hits, run_count(run, first, result));
        vss_result_free(result);
    }
}

/* The calls of one pass, by as many callers as there are threads; returns the seconds it took. */
static double run_once(run_pass *pass, uint32_t callers)
{
    pthread_t *threads = cli_alloc(callers, sizeof *threads);
    uint32_t started = 1;
    atomic_store(&pass->next, 0);
    atomic_store(&pass->hits, 0);
    double begin = cli_seconds();
    while (started < callers && pthread_create(&threads[started], NULL, run_worker, pass) == 0)
        started++;
    run_worker(pass);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(threads[i], NULL);
    double seconds = cli_seconds() - begin;
    free(threads);
    if (started < callers) {
        vss_error err;
        run_failed(pass, cli_fail(&err, VSS_ERR_NO_MEMORY, "thread %u could not be started", started), &err);
    }
    return seconds;
}

static int run_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What one pass showed. */
typedef struct run_figures {
    double qps, p50_us, p99_us; /* qps first: figures are compared by it */
} run_figures;

static run_figures run_figure(const cli_bench_run *run, run_pass *pass, double seconds)
{
    qsort(pass->micros, pass->calls, sizeof *pass->micros, run_compare);
    return (run_figures){(double)run->memdb->n_queries / (seconds > 0 ? seconds : 1e-9),
                         pass->micros[(pass->calls - 1) / 2], pass->micros[(pass->calls - 1) * 99 / 100]};
}

static double run_recall(const cli_bench_run *run, const run_pass *pass)
{
    uint64_t expected = 0;
    for (uint64_t q = 0; q < run->memdb->n_queries; q++)
        expected += run->truth->count[q];
    return expected ? (double)atomic_load(&pass->hits) / (double)expected : 1;
}

vss_status cli_bench_run_measure(cli_bench_run *run, vss_error *err)
{
    run_pass pass = {.run = run, .lock = PTHREAD_MUTEX_INITIALIZER};
    run_figures figures[RUN_PASSES];
    int n = 0;
    pass.calls = (run->memdb->n_queries + run->batch - 1) / run->batch;
    pass.micros = cli_alloc(pass.calls, sizeof *pass.micros);
    uint32_t callers = run->batch > 1 ? 1 : run->threads;
    (void)run_once(&pass, callers);
    double begin = cli_seconds();
    while (n < RUN_PASSES && pass.status == VSS_OK && (n == 0 || cli_seconds() - begin < RUN_SECONDS)) {
        double seconds = run_once(&pass, callers);
        figures[n++] = run_figure(run, &pass, seconds);
    }
    if (pass.status == VSS_OK) {
        qsort(figures, (size_t)n, sizeof *figures, run_compare);
        run->qps = figures[(n - 1) / 2].qps;
        run->p50_us = figures[(n - 1) / 2].p50_us;
        run->p99_us = figures[(n - 1) / 2].p99_us;
        run->recall = run_recall(run, &pass);
    } else {
        *err = pass.err;
    }
    free(pass.micros);
    pthread_mutex_destroy(&pass.lock);
    return pass.status;
}
