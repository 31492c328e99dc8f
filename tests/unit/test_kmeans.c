/*
 * test_kmeans.c - clusters: the same on any number of threads and at every level, and as good as plain Lloyd
 *
 * CTest runs this program once a level: KMEANS_DIGEST is the same at all of them.
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../index/quant/kmeans_private.h"
#include "../../lib/base/hash.h"

#define KMEANS_DIGEST UINT64_C(0xc6a54309c7be82d0)

static double random_unit(uint64_t *seed) { return (double)(vssi_random_next(seed) >> 11) * 0x1p-53; }

/* About normal, of deviation 1. */
static double random_normal(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += random_unit(seed);
    return sum - 6;
}

/* Points about `blobs` places, the first of which gets half of all. */
static uint8_t *points_make(size_t rows, size_t size, size_t blobs, double spread, uint64_t seed)
{
    uint8_t *codes = malloc(rows * size), *places = malloc(blobs * size);
    for (size_t i = 0; i < blobs * size; i++)
        places[i] = (uint8_t)(40 + vssi_random_next(&seed) % 176);
    for (size_t i = 0; i < rows; i++) {
        size_t blob = i % 2 == 0 ? 0 : (size_t)(vssi_random_next(&seed) % blobs);
        for (size_t j = 0; j < size; j++)
            codes[i * size + j] = (uint8_t)fmin(fmax(places[blob * size + j] + spread * random_normal(&seed), 0), 255);
    }
    free(places);
    return codes;
}

static vssi_kmeans job_of(const uint8_t *codes, size_t rows, size_t size, size_t clusters)
{
    return (vssi_kmeans){.heap = vssi_heap_default(), .threads = 1, .codes = codes, .rows = rows, .size = size,
                         .clusters = clusters, .rounds = 12, .helpings = 8, .seed = 5};
}

static uint8_t *must_train(const vssi_kmeans *job, double *inertia)
{
    vss_error err;
    uint8_t *centers = malloc(job->clusters * job->size);
    if (vssi_kmeans_train(job, centers, inertia, &err) != VSS_OK)
        fail_msg("%s", err.message);
    return centers;
}

/* Every row to the nearest of centers[clusters][size] by float64; the sum of squared distances. */
static double lloyd_assign(const vssi_kmeans *job, const double *centers, uint32_t *where)
{
    double inertia = 0;
    for (size_t i = 0; i < job->rows; i++) {
        double best = INFINITY;
        for (size_t c = 0; c < job->clusters; c++) {
            double far = 0;
            for (size_t j = 0; j < job->size; j++) {
                double d = job->codes[i * job->size + j] - centers[c * job->size + j];
                far += d * d;
            }
            if (far < best) {
                best = far;
                where[i] = (uint32_t)c;
            }
        }
        inertia += best;
    }
    return inertia;
}

static void lloyd_update(const vssi_kmeans *job, const uint32_t *where, double *centers)
{
    size_t *counts = calloc(job->clusters, sizeof *counts);
    double *sums = calloc(job->clusters * job->size, sizeof *sums);
    for (size_t i = 0; i < job->rows; i++) {
        counts[where[i]]++;
        for (size_t j = 0; j < job->size; j++)
            sums[where[i] * job->size + j] += job->codes[i * job->size + j];
    }
    for (size_t i = 0; i < job->clusters * job->size; i++) {
        if (counts[i / job->size] > 0)
            centers[i] = sums[i] / (double)counts[i / job->size];
    }
    free(counts);
    free(sums);
}

/* Plain Lloyd from rows drawn at random; then its inertia. */
static double lloyd_inertia(const vssi_kmeans *job)
{
    double *centers = malloc(job->clusters * job->size * sizeof *centers), inertia;
    uint32_t *where = malloc(job->rows * sizeof *where);
    uint64_t seed = 99;
    for (size_t c = 0; c < job->clusters; c++) {
        const uint8_t *row = job->codes + vssi_random_next(&seed) % job->rows * job->size;
        for (size_t j = 0; j < job->size; j++)
            centers[c * job->size + j] = row[j];
    }
    for (size_t round = 0; round < job->rounds; round++) {
        (void)lloyd_assign(job, centers, where);
        lloyd_update(job, where, centers);
    }
    inertia = lloyd_assign(job, centers, where);
    free(centers);
    free(where);
    return inertia;
}

static double inertia_of(const vssi_kmeans *job, const uint8_t *codes)
{
    double *centers = malloc(job->clusters * job->size * sizeof *centers), inertia;
    uint32_t *where = malloc(job->rows * sizeof *where);
    for (size_t i = 0; i < job->clusters * job->size; i++)
        centers[i] = codes[i];
    inertia = lloyd_assign(job, centers, where);
    free(centers);
    free(where);
    return inertia;
}

static void expect_good(size_t rows, size_t size, size_t clusters)
{
    uint8_t *codes = points_make(rows, size, clusters / 2, 12, rows);
    vssi_kmeans job = job_of(codes, rows, size, clusters);
    uint8_t *centers = must_train(&job, NULL);
    double ours = inertia_of(&job, centers), plain = lloyd_inertia(&job);
    print_message("%zu rows, %zu clusters: inertia %.4g, plain Lloyd %.4g\n", rows, clusters, ours, plain);
    assert_true(ours <= 1.01 * plain);
    free(centers);
    free(codes);
}

static void kmeans__is_no_worse_than_lloyd(void **state)
{
    (void)state;
    expect_good(4000, 16, 50);
    expect_good(300 * 130, 8, 300); /* many enough for rounds that look at neighbours only */
}

static void kmeans__does_not_depend_on_threads(void **state)
{
    const size_t rows = 300 * 140, size = 20, clusters = 300;
    uint8_t *codes = points_make(rows, size, 400, 20, 1);
    vssi_kmeans job = job_of(codes, rows, size, clusters);
    uint64_t digests[3];
    double inertias[3];
    (void)state;
    for (size_t t = 0; t < 3; t++) {
        job.threads = t + 1;
        uint8_t *centers = must_train(&job, &inertias[t]);
        digests[t] = vssi_hash(centers, clusters * size, 0);
        free(centers);
    }
    assert_int_equal(digests[0], digests[1]);
    assert_int_equal(digests[0], digests[2]);
    assert_memory_equal(&inertias[0], &inertias[2], sizeof(double));
    if (digests[0] != KMEANS_DIGEST)
        fail_msg("digest 0x%016" PRIx64, digests[0]);
    job.seed++;
    uint8_t *others = must_train(&job, NULL);
    assert_int_not_equal(vssi_hash(others, clusters * size, 0), digests[0]);
    free(others);
    free(codes);
}

static void kmeans__copes_with_equal_points(void **state)
{
    uint8_t codes[500 * 8];
    double inertia = -1;
    (void)state;
    memset(codes, 77, sizeof codes);
    vssi_kmeans job = job_of(codes, 500, 8, 10);
    uint8_t *centers = must_train(&job, &inertia);
    for (size_t i = 0; i < 10 * 8; i++)
        assert_int_equal(centers[i], 77);
    assert_true(inertia >= 0 && inertia <= 0);
    free(centers);
}

static void kmeans__finds_all_of_few_distinct_points(void **state)
{
    uint8_t codes[500 * 8];
    double inertia = -1;
    (void)state;
    for (size_t i = 0; i < sizeof codes; i++)
        codes[i] = (uint8_t)(i / 8 % 7 * 30);
    vssi_kmeans job = job_of(codes, 500, 8, 12);
    uint8_t *centers = must_train(&job, &inertia);
    assert_true(inertia >= 0 && inertia <= 0);
    for (size_t point = 0; point < 7; point++) {
        bool found = false;
        for (size_t c = 0; c < 12; c++)
            found = found || memcmp(centers + c * 8, codes + point * 8, 8) == 0;
        assert_true(found);
    }
    free(centers);
}

/* Clusters 1 and 3 lose all their points: they go to the farthest points of the two worst. */
static void kmeans__repairs_empty_clusters(void **state)
{
    uint8_t codes[12 * 4], centers[4 * 4] = {0}, scratch[64];
    uint32_t where[12], order[12], begins[5];
    double inertias[4];
    float far[12];
    vss_error err;
    (void)state;
    for (size_t i = 0; i < 12; i++) {
        memset(codes + 4 * i, (int)(20 * i), 4);
        where[i] = i < 6 ? 0 : 2;
        far[i] = (float)(i == 4 ? 900 : i == 9 ? 1500 : i);
    }
    vssi_kmeans job = job_of(codes, 12, 4, 4);
    kmeans_run run = {.job = &job, .n_workers = 1, .scratch = scratch, .scratch_size = sizeof scratch,
                      .centers = centers, .where = where, .far = far, .order = order, .begins = begins,
                      .inertias = inertias, .total = 1};
    vssi_kmeans_sort(&run);
    assert_int_equal(vssi_kmeans_update(&run, &err), VSS_OK);
    assert_memory_equal(centers + 4, codes + 4 * 9, 4);  /* cluster 2 is the worst */
    assert_memory_equal(centers + 12, codes + 4 * 4, 4); /* then cluster 0 */
    assert_int_equal(centers[0], 50);
    assert_int_equal(centers[8], 170);
}

/* Points about a few directions, on a grid over [-1, 1]. */
static void kmeans__gives_unit_centers(void **state)
{
    enum { ROWS = 3000, SIZE = 32, CLUSTERS = 20 };
    static uint8_t codes[ROWS * SIZE];
    float low[SIZE];
    const double step = 2.0 / 255;
    uint64_t seed = 8;
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        low[i] = -1;
    for (size_t i = 0; i < ROWS; i++) {
        double v[SIZE], norm = 0;
        for (size_t j = 0; j < SIZE; j++) {
            v[j] = random_normal(&seed) + (j == i % CLUSTERS ? 4 : 0);
            norm += v[j] * v[j];
        }
        for (size_t j = 0; j < SIZE; j++)
            codes[i * SIZE + j] = (uint8_t)((v[j] / sqrt(norm) + 1) / step + 0.5);
    }
    vssi_kmeans job = job_of(codes, ROWS, SIZE, CLUSTERS);
    job.low = low;
    job.step = (float)step;
    job.width = SIZE;
    uint8_t *centers = must_train(&job, NULL);
    for (size_t c = 0; c < CLUSTERS; c++) {
        double norm = 0;
        for (size_t j = 0; j < SIZE; j++)
            norm += pow((double)low[j] + step * centers[c * SIZE + j], 2);
        assert_true(fabs(sqrt(norm) - 1) < step * sqrt(SIZE) / 2);
    }
    free(centers);
}

static int answer_no(void *state, const char *stage, uint64_t done, uint64_t total)
{
    assert_string_equal(stage, "clusters");
    assert_true(done <= total);
    ++*(int *)state;
    return 1;
}

static void kmeans__stops_when_told(void **state)
{
    uint8_t *codes = points_make(20000, 16, 30, 10, 4), centers[100 * 16];
    vssi_kmeans job = job_of(codes, 20000, 16, 100);
    vssi_control control;
    vss_error err;
    int asked = 0;
    (void)state;
    vssi_control_init(&control, 0, answer_no, &asked);
    job.control = &control;
    assert_int_equal(vssi_kmeans_train(&job, centers, NULL, &err), VSS_ERR_CANCELLED);
    assert_int_equal(asked, 1);
    vssi_control_destroy(&control);
    vssi_control_init(&control, 0, NULL, NULL);
    control.deadline_ns = 1;
    assert_int_equal(vssi_kmeans_train(&job, centers, NULL, &err), VSS_ERR_DEADLINE);
    vssi_control_destroy(&control);
    free(codes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kmeans__is_no_worse_than_lloyd),
        cmocka_unit_test(kmeans__does_not_depend_on_threads),
        cmocka_unit_test(kmeans__copes_with_equal_points),
        cmocka_unit_test(kmeans__finds_all_of_few_distinct_points),
        cmocka_unit_test(kmeans__repairs_empty_clusters),
        cmocka_unit_test(kmeans__gives_unit_centers),
        cmocka_unit_test(kmeans__stops_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
