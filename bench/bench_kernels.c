/*
 * bench_kernels.c - vss-bench-kernels [--cold-mb N] [--rounds N]: what a distance costs
 *
 * In cache: one query against the rows of a block that the first and second cache hold, for each type, operation,
 * dimension and level; built with -DVSS_SIMSIMD_DIR=DIR, simsimd's best kernel beside them, called row by row. Out of
 * cache: the best level over N MB of rows (0: not at all), beside plain loops that only read them. Contenders run by
 * turns in every round; medians over the rounds of the time of the one
 * thread. Sees internal headers and is linked with the objects.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../lib/base/hash.h"
#include "../simd/simd.h"
#ifdef BENCH_SIMSIMD
#include "simsimd_loop.h"
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BENCH_CONTENDERS 8u
#define BENCH_ROUNDS 64u       /* at most */
#define BENCH_MAX_ROWS 256u    /* of a block */
#define BENCH_BLOCK 262144u    /* bytes, if 64 rows are not more */
#define BENCH_SAMPLE 150000.0  /* ns a round and contender, about */
#define BENCH_AHEAD 4096u

static const char *const bench_types[VSSI_SIMD_TYPES] = {"f32", "f16", "bf16", "i8", "u8", "bits"};
static const size_t bench_dims[] = {96, 128, 768, 1536};

/* One way to score rows. */
typedef struct bench_contender {
    const char *name;
    vssi_kernel_rows kernel; /* NULL: simsimd */
    bool ours;
    size_t repeats;
    double times[BENCH_ROUNDS];
} bench_contender;

typedef struct bench_state {
    char *data;             /* random components of every type, at least of a block */
    void *query, *narrow;   /* the query, and the same in the rows' type */
    size_t bytes, cold, rounds;
    uint64_t sink; /* keeps the loops alive */
} bench_state;

static const char *bench_op(vssi_simd_type type, vssi_simd_op op)
{
    static const char *const names[2][VSSI_SIMD_OPS] = {{"l2", "ip"}, {"hamming", "jaccard"}};
    return names[type == VSSI_SIMD_BITS][op];
}

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Time this thread has run: what other processes take does not count. */
static double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double bench_median(double *times, size_t n)
{
    qsort(times, n, sizeof *times, bench_compare);
    return times[n / 2];
}

/* Components of about 1, none of them subnormal: halves between 1 and 2. */
static void bench_fill(char *data, size_t bytes, vssi_simd_type type)
{
    uint64_t state = 1;
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        uint64_t word = vssi_random_next(&state);
        if (type == VSSI_SIMD_F32)
            word = (word & 0x807fffff807fffffu) | 0x3f8000003f800000u;
        else if (type == VSSI_SIMD_F16)
            word = (word & 0x83ff83ff83ff83ffu) | 0x3c003c003c003c00u;
        else if (type == VSSI_SIMD_BF16)
            word = (word & 0x807f807f807f807fu) | 0x3f803f803f803f80u;
        memcpy(data + i, &word, sizeof word);
    }
}

static void bench_set_query(bench_state *bench, vssi_simd_type type, size_t dim)
{
    memcpy(bench->narrow, bench->data, vssi_simd_row_size(type, dim));
    if (type <= VSSI_SIMD_BF16)
        vssi_simd_widen(type, bench->narrow, dim, bench->query);
    else
        memcpy(bench->query, bench->narrow, vssi_simd_row_size(type, dim));
}

static void bench_score(const bench_state *bench, const bench_contender *c, vssi_simd_type type, size_t dim,
                        const char *rows, size_t n, float *scores)
{
    if (c->ours)
        c->kernel(bench->query, rows, dim, n, scores);
#ifdef BENCH_SIMSIMD
    else
        bench_simsimd_rows(bench->narrow, rows, vssi_simd_row_size(type, dim),
                           type == VSSI_SIMD_BITS ? dim / 8 : dim, n, scores);
#else
    (void)type;
#endif
}

/* The levels that have a kernel of their own, and simsimd. */
static size_t bench_contenders(bench_contender *all, vssi_simd_type type, vssi_simd_op op)
{
    size_t n = 0;
    const vssi_kernels *level;
    for (size_t i = 0; (level = vssi_simd_level(i)) != NULL; i++) {
        if (level->rows[type][op])
            all[n++] = (bench_contender){.name = level->level, .kernel = level->rows[type][op], .ours = true};
    }
#ifdef BENCH_SIMSIMD
    const char *name = bench_simsimd_choose(type, op);
    if (name)
        all[n++] = (bench_contender){.name = name};
#endif
    return n;
}

static double bench_sample(bench_state *bench, const bench_contender *c, vssi_simd_type type, size_t dim, size_t rows)
{
    float scores[BENCH_MAX_ROWS];
    double begin = bench_now();
    for (size_t i = 0; i < c->repeats; i++) {
        bench_score(bench, c, type, dim, bench->data, rows, scores);
        bench->sink += scores[i % rows] > 0;
    }
    return (bench_now() - begin) / (double)(c->repeats * rows);
}

static void bench_hot(bench_state *bench, vssi_simd_type type, vssi_simd_op op, size_t dim)
{
    bench_contender all[BENCH_CONTENDERS];
    size_t n = bench_contenders(all, type, op), size = vssi_simd_row_size(type, dim), rows = BENCH_BLOCK / size;
    double ours = 0;
    rows = rows < 64 ? 64 : rows > BENCH_MAX_ROWS ? BENCH_MAX_ROWS : rows;
    bench_set_query(bench, type, dim);
    for (size_t i = 0; i < n; i++) {
        all[i].repeats = 8;
        double once = bench_sample(bench, &all[i], type, dim, rows) * (double)rows;
        all[i].repeats = (size_t)(BENCH_SAMPLE / (once + 1)) + 1;
    }
    for (size_t round = 0; round < bench->rounds; round++) {
        for (size_t i = 0; i < n; i++)
            all[i].times[round] = bench_sample(bench, &all[i], type, dim, rows);
    }
    for (size_t i = 0; i < n; i++) {
        double ns = bench_median(all[i].times, bench->rounds);
        printf("%-5s %-8s %5zu  %s%-11s %8.2f ns %7.1f GB/s", bench_types[type], bench_op(type, op), dim,
               all[i].ours ? "" : "simsimd ", all[i].name, ns, (double)size / ns);
        if (all[i].ours)
            ours = ns;
        else
            printf("  simsimd / ours %.2f", ns / ours);
        printf("\n");
    }
}

static void bench_all_hot(bench_state *bench)
{
    printf("in cache, ns a distance\n");
    for (int type = 0; type < VSSI_SIMD_TYPES; type++) {
        bench_fill(bench->data, bench->bytes, (vssi_simd_type)type);
        for (int op = 0; op < VSSI_SIMD_OPS; op++) {
            for (size_t i = 0; i < sizeof bench_dims / sizeof *bench_dims; i++)
                bench_hot(bench, (vssi_simd_type)type, (vssi_simd_op)op, bench_dims[i]);
        }
    }
}

#if defined(__x86_64__)

static inline __attribute__((always_inline, target("avx512f"))) uint64_t bench_read_wide(const char *at, size_t bytes,
                                                                                        bool ahead)
{
    __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (const char *end = at + bytes; at < end; at += 256) {
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            if (ahead)
                __builtin_prefetch((const void *)((uintptr_t)at + BENCH_AHEAD + i * 64), 0, 3);
            sum[i] = _mm512_add_epi64(sum[i], _mm512_loadu_si512(at + i * 64));
        }
    }
    __m512i all = _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]), _mm512_add_epi64(sum[2], sum[3]));
    return (uint64_t)_mm512_reduce_add_epi64(all);
}

__attribute__((target("avx512f"))) static uint64_t bench_read_64(const char *at, size_t bytes)
{
    return bench_read_wide(at, bytes, false);
}

__attribute__((target("avx512f"))) static uint64_t bench_read_64_ahead(const char *at, size_t bytes)
{
    return bench_read_wide(at, bytes, true);
}

#endif

/* Whatever vectors the compiler chooses. */
static uint64_t bench_read_plain(const char *at, size_t bytes)
{
    uint64_t sum[8] = {0}, word;
    for (size_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch((const void *)((uintptr_t)at + i + BENCH_AHEAD), 0, 3);
        for (size_t j = 0; j < 8; j++) {
            memcpy(&word, at + i + j * 8, 8);
            sum[j] += word;
        }
    }
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

static const struct {
    const char *name;
    uint64_t (*run)(const char *at, size_t bytes);
    bool wide;
} bench_reads[] = {
    {"read, prefetch", bench_read_plain, false},
#if defined(__x86_64__)
    {"read, 64-byte loads", bench_read_64, true},
    {"read, 64-byte loads, prefetch", bench_read_64_ahead, true},
#endif
};
#define BENCH_READS (sizeof bench_reads / sizeof *bench_reads)

static double bench_cold_kernel(bench_state *bench, vssi_kernel_rows kernel, vssi_simd_type type, size_t dim)
{
    float scores[BENCH_MAX_ROWS];
    size_t size = vssi_simd_row_size(type, dim), rows = bench->bytes / size;
    double begin = bench_now();
    for (size_t i = 0; i < rows; i += BENCH_MAX_ROWS) {
        size_t n = rows - i < BENCH_MAX_ROWS ? rows - i : BENCH_MAX_ROWS;
        kernel(bench->query, bench->data + i * size, dim, n, scores);
        bench->sink += scores[0] > 0;
    }
    return (double)(rows * size) / (bench_now() - begin);
}

static double bench_cold_read(bench_state *bench, size_t i)
{
    double begin = bench_now();
    bench->sink += bench_reads[i].run(bench->data, bench->bytes);
    return (double)bench->bytes / (bench_now() - begin);
}

/* Both operations of a type at one dimension, and the read loops, by turns. */
static void bench_cold(bench_state *bench, vssi_simd_type type, size_t dim)
{
    double rates[BENCH_READS + VSSI_SIMD_OPS][BENCH_ROUNDS], best = 0;
    const size_t rounds = bench->rounds < 7 ? bench->rounds : 7;
    const bool wide = vssi_simd_detect() > 2;
    bench_set_query(bench, type, dim);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < BENCH_READS; i++)
            rates[i][round] = bench_reads[i].wide && !wide ? 0 : bench_cold_read(bench, i);
        for (int op = 0; op < VSSI_SIMD_OPS; op++)
            rates[BENCH_READS + (size_t)op][round] =
                bench_cold_kernel(bench, vssi_simd_rows(vssi_simd(), type, (vssi_simd_op)op), type, dim);
    }
    for (size_t i = 0; i < BENCH_READS; i++) {
        double rate = bench_median(rates[i], rounds);
        best = rate > best ? rate : best;
    }
    printf("%-5s %5zu  read %6.2f GB/s", bench_types[type], dim, best);
    for (int op = 0; op < VSSI_SIMD_OPS; op++) {
        double rate = bench_median(rates[BENCH_READS + (size_t)op], rounds);
        printf("  %-7s %6.2f GB/s %.3f", bench_op(type, (vssi_simd_op)op), rate, rate / best);
    }
    printf("\n");
}

static void bench_all_cold(bench_state *bench)
{
    printf("out of cache: %zu MB, level %s; share of the best read loop\n", bench->bytes >> 20, vssi_simd()->level);
    for (int type = 0; type < VSSI_SIMD_TYPES; type++) {
        bench_fill(bench->data, bench->bytes, (vssi_simd_type)type);
        for (size_t i = 0; i < sizeof bench_dims / sizeof *bench_dims; i++)
            bench_cold(bench, (vssi_simd_type)type, bench_dims[i]);
    }
}

static bool bench_arguments(bench_state *bench, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        size_t value = i + 1 < argc ? strtoul(argv[i + 1], &end, 10) : 0;
        bool number = end && end != argv[i + 1] && !*end;
        if (number && strcmp(argv[i], "--cold-mb") == 0 && value <= 65536)
            bench->cold = value << 20;
        else if (number && strcmp(argv[i], "--rounds") == 0 && value >= 1 && value <= BENCH_ROUNDS)
            bench->rounds = value;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    bench_state bench = {.rounds = 15, .cold = (size_t)1 << 30};
    if (!bench_arguments(&bench, argc, argv)) {
        fprintf(stderr, "usage: vss-bench-kernels [--cold-mb N] [--rounds 1..%u]\n", BENCH_ROUNDS);
        return 2;
    }
    const size_t hot = BENCH_MAX_ROWS * 1536 * sizeof(float), total = bench.cold > hot ? bench.cold : hot;
    bench.data = aligned_alloc(4096, total);
    bench.query = malloc(1536 * sizeof(float));
    bench.narrow = malloc(1536 * sizeof(float));
    if (!bench.data || !bench.query || !bench.narrow) {
        fprintf(stderr, "vss-bench-kernels: no memory for %zu bytes\n", total);
        return 1;
    }
    bench.bytes = hot;
    bench_all_hot(&bench);
    bench.bytes = bench.cold;
    if (bench.cold)
        bench_all_cold(&bench);
    printf("checksum %llu\n", (unsigned long long)bench.sink);
    free(bench.data);
    free(bench.query);
    free(bench.narrow);
    return 0;
}
