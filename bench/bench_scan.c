/*
 * bench_scan.c - vss-bench-scan [rows] [dim]: the scan against what the memory gives
 *
 * Fills more than 400 MB of rows (1,000,000 x 128 unless told) and times, one after another in each of 15 rounds, plain
 * read loops (32- and 64-byte loads, each without and with a prefetch 4 KiB ahead), the f32 l2 kernel and the whole
 * vssi_flat_search with its top 10 and top 1,000. Prints medians, the least times (which strangers disturb less),
 * GB/s by the medians, and by both what share of the best read loop kernel and scan reach. Then batches of 2 to 256
 * queries by vssi_flat_search_batch, in 5 rounds: time a query, the speed of the arithmetic and how many times a
 * batch takes the time of one query. Then one query and 64 over the rows that a bitmap lets pass, here and there, right
 * after a search of all rows and once more: how many times faster than that, and nanoseconds a row. One thread. Sees
 * internal headers: it is linked with the library's objects.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../index/index_ops.h"
#include "../lib/base/bitmap.h"
#include "../lib/base/checked.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BENCH_ROUNDS 15u
#define BENCH_BLOCK 256u /* rows a call of the kernel, as the scan does */
#define BENCH_AHEAD 4096u
#define BENCH_QUERIES 256u
#define BENCH_BATCH_ROUNDS 5u
#define BENCH_PASSING_ROUNDS 7u

typedef struct bench_scan {
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_vectors vectors;
    float *data, *query; /* [BENCH_QUERIES], the first one alone but for batches */
    uint64_t *allow;     /* rows that pass, or NULL */
    size_t n_allow;
    size_t bytes;
    uint64_t sink; /* keeps the loops alive */
} bench_scan;

typedef struct bench_runner {
    const char *name;
    void (*run)(bench_scan *bench);
    size_t level; /* of vssi_simd_detect that it needs */
    bool reads;   /* a plain read loop */
} bench_runner;

static void bench_kernel(bench_scan *bench)
{
    float scores[BENCH_BLOCK], least = 0;
    const vssi_vectors *v = &bench->vectors;
    for (size_t row = 0; row < v->rows; row += BENCH_BLOCK) {
        size_t n = vssi_min(BENCH_BLOCK, v->rows - row);
        v->score_rows(bench->query, vssi_vectors_row(v, row), v->dim, n, scores);
        least += scores[0];
    }
    bench->sink += least > 0;
}

static vss_status bench_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    const bench_scan *bench = state;
    size_t dim = bench->vectors.dim;
    (void)err;
    for (size_t i = 0; i < n; i++)
        values[i] = (float)vssi_exact_l2_f32(bench->query, bench->data + rows[i] * dim, dim);
    return VSS_OK;
}

static bool bench_key_before(void *state, uint32_t a, uint32_t b)
{
    (void)state;
    return a < b;
}

static void bench_check(vss_status status, const vss_error *err)
{
    if (status == VSS_OK)
        return;
    fprintf(stderr, "vss-bench-scan: %s\n", err->message);
    exit(1);
}

static void bench_flat(bench_scan *bench, size_t k)
{
    vssi_topk_source source = {bench, bench_exact, bench_key_before};
    vssi_query query = {{bench->query, 1}, bench->allow, bench->n_allow, NULL, NULL};
    vssi_topk topk;
    vss_error err;
    double gamma = vssi_simd_gamma(bench->vectors.dim);
    bench_check(vssi_topk_init(&topk, &bench->scratch, k, gamma, 0, &source, &err), &err);
    bench_check(vssi_flat_search(NULL, &bench->vectors, &query, &bench->scratch, &topk, &err), &err);
    bench_check(vssi_topk_finish(&topk, &err), &err);
    bench->sink += topk.hits[0].row;
}

static void bench_batch(bench_scan *bench, size_t n, size_t k)
{
    vssi_topk_source source = {bench, bench_exact, bench_key_before};
    vssi_query queries[BENCH_QUERIES];
    vssi_topk topks[BENCH_QUERIES];
    vss_error err;
    uint8_t *memory;
    double gamma = vssi_simd_gamma(bench->vectors.dim);
    bench_check(vssi_scratch_get(&bench->scratch, VSSI_SCRATCH_TOPK, n, vssi_topk_size(k), &memory, &err), &err);
    for (size_t q = 0; q < n; q++) {
        queries[q] = (vssi_query){{bench->query + q * bench->vectors.dim, 1}, bench->allow, bench->n_allow, NULL, NULL};
        vssi_topk_begin(&topks[q], memory + q * vssi_topk_size(k), k, gamma, 0, &source, &err);
    }
    bench_check(vssi_flat_search_batch(NULL, &bench->vectors, queries, n, &bench->scratch, topks, &err), &err);
    for (size_t q = 0; q < n; q++)
        bench->sink += topks[q].n_candidates;
}

static void bench_flat_10(bench_scan *bench) { bench_flat(bench, 10); }
static void bench_flat_1000(bench_scan *bench) { bench_flat(bench, 1000); }

#if defined(__x86_64__)

#define BENCH_INLINE static inline __attribute__((always_inline))

/* 256 bytes a step into four sums. */
BENCH_INLINE __attribute__((target("avx2"))) void bench_read_avx2(bench_scan *bench, bool prefetch)
{
    const char *at = (const char *)bench->data, *end = at + bench->bytes / 256 * 256;
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
    for (; at < end; at += 256) {
        if (prefetch) {
            _mm_prefetch((const char *)((uintptr_t)at + BENCH_AHEAD), _MM_HINT_T0);
            _mm_prefetch((const char *)((uintptr_t)at + BENCH_AHEAD + 64), _MM_HINT_T0);
            _mm_prefetch((const char *)((uintptr_t)at + BENCH_AHEAD + 128), _MM_HINT_T0);
            _mm_prefetch((const char *)((uintptr_t)at + BENCH_AHEAD + 192), _MM_HINT_T0);
        }
        for (int i = 0; i < 8; i++)
            sum[i % 4] = _mm256_add_epi64(sum[i % 4], _mm256_loadu_si256((const __m256i *)(const void *)(at + i * 32)));
    }
    __m256i all = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3]));
    bench->sink += (uint64_t)_mm256_extract_epi64(all, 0) + (uint64_t)_mm256_extract_epi64(all, 2);
}

BENCH_INLINE __attribute__((target("avx512f"))) void bench_read_avx512(bench_scan *bench, bool prefetch)
{
    const char *at = (const char *)bench->data, *end = at + bench->bytes / 256 * 256;
    __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (; at < end; at += 256) {
        if (prefetch) {
            _mm_prefetch((const char *)((uintptr_t)at + BENCH_AHEAD), _MM_HINT_T0);
            _mm_prefetch((const char *)((uintptr_t)at + BENCH_AHEAD + 64), _MM_HINT_T0);
            _mm_prefetch((const char *)((uintptr_t)at + BENCH_AHEAD + 128), _MM_HINT_T0);
            _mm_prefetch((const char *)((uintptr_t)at + BENCH_AHEAD + 192), _MM_HINT_T0);
        }
        for (int i = 0; i < 4; i++)
            sum[i] = _mm512_add_epi64(sum[i], _mm512_loadu_si512(at + i * 64));
    }
    __m512i all = _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]), _mm512_add_epi64(sum[2], sum[3]));
    bench->sink += (uint64_t)_mm512_reduce_add_epi64(all);
}

__attribute__((target("avx2"))) static void bench_avx2(bench_scan *bench) { bench_read_avx2(bench, false); }
__attribute__((target("avx2"))) static void bench_avx2_ahead(bench_scan *bench) { bench_read_avx2(bench, true); }
__attribute__((target("avx512f"))) static void bench_avx512(bench_scan *bench) { bench_read_avx512(bench, false); }
__attribute__((target("avx512f"))) static void bench_avx512_ahead(bench_scan *bench) { bench_read_avx512(bench, true); }

#else

static void bench_plain(bench_scan *bench)
{
    const uint64_t *words = (const uint64_t *)(const void *)bench->data;
    uint64_t sum = 0;
    for (size_t i = 0; i < bench->bytes / sizeof *words; i++)
        sum += words[i];
    bench->sink += sum;
}

#endif

static const bench_runner bench_runners[] = {
#if defined(__x86_64__)
    {"read, 32-byte loads", bench_avx2, 2, true},
    {"read, 32-byte loads, prefetch", bench_avx2_ahead, 2, true},
    {"read, 64-byte loads", bench_avx512, 3, true},
    {"read, 64-byte loads, prefetch", bench_avx512_ahead, 3, true},
#else
    {"read", bench_plain, 1, true},
#endif
    {"kernel l2_f32_rows", bench_kernel, 1, false},
    {"vssi_flat_search, k = 10", bench_flat_10, 1, false},
    {"vssi_flat_search, k = 1,000", bench_flat_1000, 1, false},
};
#define BENCH_RUNNERS (sizeof bench_runners / sizeof *bench_runners)

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void bench_measure(bench_scan *bench)
{
    double times[BENCH_RUNNERS][BENCH_ROUNDS], median = INFINITY, least = INFINITY;
    for (size_t round = 0; round < BENCH_ROUNDS; round++) {
        for (size_t i = 0; i < BENCH_RUNNERS; i++) {
            uint64_t begin = vssi_now_ns();
            if (bench_runners[i].level <= vssi_simd_detect())
                bench_runners[i].run(bench);
            times[i][round] = (double)(vssi_now_ns() - begin) * 1e-9;
        }
    }
    for (size_t i = 0; i < BENCH_RUNNERS; i++) {
        if (bench_runners[i].level > vssi_simd_detect())
            continue;
        qsort(times[i], BENCH_ROUNDS, sizeof(double), bench_compare);
        double middle = times[i][BENCH_ROUNDS / 2], best = times[i][0];
        if (bench_runners[i].reads) {
            median = fmin(median, middle);
            least = fmin(least, best);
        }
        printf("%-32s %8.2f ms %8.2f ms  %6.2f GB/s", bench_runners[i].name, middle * 1e3, best * 1e3,
               (double)bench->bytes / middle * 1e-9);
        if (!bench_runners[i].reads)
            printf("  %.3f %.3f of the best read loop", median / middle, least / best);
        printf("\n");
    }
}

static void bench_batches(bench_scan *bench)
{
    static const size_t counts[] = {1, 2, 4, 6, 8, 12, 16, 32, 64, 256};
    enum { COUNTS = sizeof counts / sizeof *counts };
    double times[COUNTS][BENCH_BATCH_ROUNDS];
    for (size_t round = 0; round < BENCH_BATCH_ROUNDS; round++) {
        for (size_t i = 0; i < COUNTS; i++) {
            uint64_t begin = vssi_now_ns();
            bench_batch(bench, counts[i], 10);
            times[i][round] = (double)(vssi_now_ns() - begin) * 1e-9;
        }
    }
    for (size_t i = 0; i < COUNTS; i++) {
        qsort(times[i], BENCH_BATCH_ROUNDS, sizeof(double), bench_compare);
        double middle = times[i][BENCH_BATCH_ROUNDS / 2], n = (double)counts[i];
        printf("%3zu queries a call               %8.3f ms a query  %6.1f GFLOP/s  %6.2f times one query\n", counts[i],
               middle / n * 1e3, 2 * n * (double)(bench->vectors.rows * bench->vectors.dim) / middle * 1e-9,
               middle / times[0][BENCH_BATCH_ROUNDS / 2]);
    }
}

/* Nanoseconds of a search by the rows given; NULL: by all. */
static double bench_search(bench_scan *bench, size_t n, uint64_t *allow, size_t n_allow)
{
    bench->allow = allow;
    bench->n_allow = allow ? n_allow : bench->vectors.rows;
    uint64_t begin = vssi_now_ns();
    if (n == 1)
        bench_flat(bench, 10);
    else
        bench_batch(bench, n, 10);
    return (double)(vssi_now_ns() - begin);
}

static void bench_passing(bench_scan *bench, uint64_t *allow, size_t n_allow, size_t n)
{
    double times[3][BENCH_PASSING_ROUNDS];
    for (size_t round = 0; round < BENCH_PASSING_ROUNDS; round++) {
        times[0][round] = bench_search(bench, n, NULL, 0);
        times[1][round] = bench_search(bench, n, allow, n_allow);
        times[2][round] = bench_search(bench, n, allow, n_allow);
    }
    for (size_t i = 0; i < 3; i++)
        qsort(times[i], BENCH_PASSING_ROUNDS, sizeof(double), bench_compare);
    double all = times[0][BENCH_PASSING_ROUNDS / 2];
    for (size_t i = 1; i < 3; i++) {
        double middle = times[i][BENCH_PASSING_ROUNDS / 2];
        printf("%3zu queries, %7zu rows pass, %s %8.3f ms a call  %6.1f ns a row  %6.2f times all rows\n", n, n_allow,
               i == 1 ? "after all rows" : "once more     ", middle * 1e-6, middle / (double)n_allow, all / middle);
    }
}

static void bench_passings(bench_scan *bench)
{
    static const uint32_t percents[] = {50, 10, 1};
    vss_error err;
    uint64_t *allow;
    size_t rows = bench->vectors.rows;
    bench_check(vssi_alloc(&bench->heap, vssi_bitmap_words(rows), sizeof *allow, &allow, &err), &err);
    for (size_t i = 0; i < 2 * sizeof percents / sizeof *percents; i++) {
        uint32_t state = 1;
        memset(allow, 0, vssi_bitmap_words(rows) * sizeof *allow);
        for (size_t row = 0; row < rows; row++) {
            state = state * 1664525u + 1013904223u;
            if ((state >> 16) % 100 < percents[i / 2])
                vssi_bitmap_set(allow, row);
        }
        bench_passing(bench, allow, vssi_bitmap_count(allow, rows), i % 2 == 0 ? 1 : 64);
    }
    vssi_free(&bench->heap, allow);
}

static int bench_fill(bench_scan *bench, size_t rows, size_t dim)
{
    uint32_t state = 1;
    vss_error err;
    if (vssi_alloc(&bench->heap, rows * dim, sizeof(float), &bench->data, &err) != VSS_OK ||
        vssi_alloc(&bench->heap, BENCH_QUERIES * dim, sizeof(float), &bench->query, &err) != VSS_OK) {
        fprintf(stderr, "vss-bench-scan: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < rows * dim; i++) {
        state = state * 1664525u + 1013904223u;
        bench->data[i] = (float)(state >> 24);
    }
    for (size_t i = 0; i < BENCH_QUERIES * dim; i++)
        bench->query[i] = (float)((i + i / dim * 7) % 256);
    bench->bytes = rows * dim * sizeof(float);
    bench->n_allow = rows;
    bench->vectors = (vssi_vectors){rows, (uint32_t)dim, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, bench->data, NULL, 0,
                                    VSSI_SIMD_F32, 0, NULL, NULL};
    vssi_vectors_bind(&bench->vectors);
    return 0;
}

int main(int argc, char **argv)
{
    size_t rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, dim = argc > 2 ? strtoul(argv[2], NULL, 10) : 128, n;
    bool known = rows > 0 && rows <= UINT32_MAX && dim > 0 && dim <= 32768;
    if (argc > 3 || !known || !vssi_mul(rows, dim * sizeof(float), &n)) {
        fprintf(stderr, "usage: vss-bench-scan [rows] [dim]\n");
        return 2;
    }
    bench_scan bench = {0};
    vssi_heap_init(&bench.heap, NULL, 0);
    vssi_scratch_init(&bench.scratch, &bench.heap);
    int failed = bench_fill(&bench, rows, dim);
    if (!failed) {
        printf("%zu rows x %zu float32, %.0f MB, kernels %s, %u rounds\n", rows, dim, (double)bench.bytes * 1e-6,
               vssi_simd()->level, BENCH_ROUNDS);
        bench_measure(&bench);
        bench_batches(&bench);
        bench_passings(&bench);
        printf("checksum %" PRIu64 "\n", bench.sink);
    }
    vssi_scratch_free(&bench.scratch);
    vssi_free(&bench.heap, bench.data);
    vssi_free(&bench.heap, bench.query);
    return failed;
}
