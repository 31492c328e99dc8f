/*
 * test_gpu_beside.c - no two threads of a block race: the kernels with 256 threads side by side (gpu/beside.h)
 *
 * Compiled with ThreadSanitizer, which ends the program where two threads meet in memory between barriers, or the
 * threads of a block wait at different ones. Small cases of everything that a device is asked for; what is right is
 * looked at as the other tests do, and for codes of residuals by asking for each row alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_graph.h"
#include "gpu_lists.h"
#include "gpu_open.h"
#include "gpu_points.h"
#include "gpu_walks.h"

static void search(const vss_device *device, const gpu_spec *spec, uint32_t lists, const gpu_walks_spec *graph)
{
    gpu_case c;
    gpu_lists l;
    gpu_walks g;
    vss_error err;
    gpu_case_make(&c, spec);
    if (lists > 0)
        gpu_lists_make(&l, &c, lists, lists / 2, true);
    if (graph != NULL)
        gpu_walks_make(&g, &c, graph);
    if (gpu_case_search(&c, device, &err) != VSS_OK)
        fail_msg("%s", err.message);
    if (graph != NULL)
        gpu_walks_check(&g, &c);
    else
        (void)gpu_case_check(&c);
    if (lists > 0)
        gpu_lists_free(&l, &c, device);
    if (graph != NULL)
        gpu_walks_free(&g, &c, device);
    if (c.place != NULL)
        device->forget(device->state, c.place);
    gpu_case_free(&c);
}

/* By rows as stored, by products, by codes; lists that are cut on the way. */
static void test_scans(void **state)
{
    (void)state;
    static const struct {
        vss_type type;
        vss_metric metric;
        uint32_t dim, queries, k;
    } cases[] = {{VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, 24, 5, 4},     {VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, 24, 9, 4},
                 {VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, 100, 2, 4},   {VSS_TYPE_VECTOR_F16, VSS_METRIC_IP, 70, 8, 30},
                 {VSS_TYPE_VECTOR_BINARY, VSS_METRIC_JACCARD, 64, 1, 4}};
    const vss_device *device = open_device(GPU_OPTIONS ",tile_kb=40");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gpu_spec spec = {.type = cases[i].type, .metric = cases[i].metric, .dim = cases[i].dim, .k = cases[i].k,
                         .width = 60, .rows = 600, .queries = cases[i].queries, .allow = i % 2 == 0 ? -1 : .9,
                         .limits = i == 2, .seed = i};
        search(device, &spec, 0, NULL);
        spec.queries = 2;
        if (i == 1)
            search(device, &spec, 8, NULL);
    }
    close_device(device);
}

/* Vectors, bytes, half bytes; a pool that is filled, and more links than a strip. */
static void test_walks(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    for (uint32_t i = 0; i < 4; i++) {
        const gpu_spec spec = {.type = VSS_TYPE_VECTOR_U8, .metric = VSS_METRIC_L2, .data = GPU_DATA_TIES, .dim = 16,
                               .k = 6, .width = 60, .rows = 900, .queries = 2, .allow = i == 1 ? .5 : -1, .seed = i};
        const gpu_walks_spec graph = {.stride = i == 3 ? 300 : 24, .pool = i == 2 ? 300 : 40, .entries = 330,
                                      .groups = i == 2 ? 280 : 6, .mapped = i == 1, .code_size = 24,
                                      .coding = i == 3 ? VSS_DEVICE_CODING_NONE : (vss_device_coding)i};
        search(device, &spec, 0, &graph);
    }
    close_device(device);
}

static void test_points(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",tile_kb=16");
    const gpu_point_spec spec = {.bytes = GPU_BYTES_FEW, .size = 20, .centers = 70, .rows = 90, .seed = 1};
    gpu_points p;
    vss_error err;
    gpu_points_make(&p, &spec);
    if (gpu_points_ask(&p, device, &p.place, GPU_WANTED - 1, NULL, NULL, &err) != VSS_OK)
        fail_msg("%s", err.message);
    device->forget(device->state, p.place);
    gpu_points_free(&p);
    close_device(device);
}

/* Groups for every form, with pivots and without; rows with few candidates and with many. */
static void test_graph(void **state)
{
    (void)state;
    static const uint32_t members[] = {100, 400, 1024}, candidates[] = {60, 500};
    const vss_device *device = open_device(GPU_OPTIONS);
    vss_error err;
    for (size_t i = 0; i < 3; i++) {
        const gpu_graph_spec spec = {.bytes = GPU_BYTES_FEW, .size = 36, .rows = 700, .groups = 2, .full = i == 2,
                                     .members = members[i], .pivots = i == 1 ? 300 : 0, .keep = 6, .seed = i};
        gpu_graph g;
        gpu_graph_make(&g, &spec);
        if (gpu_graph_ask(&g, device, &g.place, NULL, NULL, &err) != VSS_OK)
            fail_msg("%s", err.message);
        device->forget(device->state, g.place);
        gpu_graph_free(&g);
    }
    for (size_t i = 0; i < 2; i++) {
        const gpu_rows_spec spec = {.bytes = GPU_BYTES_UNIFORM, .size = 36, .points = 900, .rows = 6,
                                    .candidates = candidates[i], .most = 40, .degree = 12, .factor = 1.21f,
                                    .repeats = 30, .full = true, .seed = i};
        gpu_rows r;
        gpu_rows_make(&r, &spec);
        if (gpu_rows_ask(&r, device, &r.place, NULL, NULL, &err) != VSS_OK)
            fail_msg("%s", err.message);
        device->forget(device->state, r.place);
        gpu_rows_free(&r);
    }
    close_device(device);
}

static void fill(float *to, size_t n, uint64_t *random)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)(gpu_random(random) >> 40) * 0x1p-23f - 1;
}

/* Rows that are staged, and rows that are too wide for that. */
static void test_signs(void **state)
{
    (void)state;
    static const uint32_t widths[] = {48, 8208};
    static const double tries[] = {1, .9, 1.1};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < 2; i++) {
        enum { N = 5 };
        const size_t width = widths[i];
        uint64_t random = i;
        float *signs = malloc(4 * width * sizeof *signs), *rows = malloc((N + 1) * width * sizeof *rows);
        uint8_t *codes = malloc((N + 1) * width);
        float factors[N + 1][4];
        uint32_t where[N] = {0};
        vss_error err;
        fill(rows, (N + 1) * width, &random);
        for (size_t j = 0; j < 4 * width; j++)
            signs[j] = gpu_random(&random) % 2 ? 1 : -1;
        vss_device_signs asked = {.struct_size = sizeof asked, .width = (uint32_t)width, .bits = 4, .n_tries = 3,
                                  .step = .3352, .tries = tries, .signs = signs, .n_centers = 1, .n = N,
                                  .centers = rows + N * width, .residuals = rows, .where = where, .codes = codes,
                                  .factors = factors[0]};
        assert_int_equal(device->signs(device->state, &asked, &err), VSS_OK);
        for (size_t row = 0; row < N; row++) {
            asked.n = 1;
            asked.residuals = rows + row * width;
            asked.codes = codes + N * width;
            asked.factors = factors[N];
            assert_int_equal(device->signs(device->state, &asked, &err), VSS_OK);
            assert_memory_equal(codes + row * width, codes + N * width, width);
            assert_memory_equal(factors[row], factors[N], sizeof factors[N]);
        }
        free(signs);
        free(rows);
        free(codes);
    }
    close_device(device);
}

/* Runs that are staged, and one that is too long for that. */
static void test_words(void **state)
{
    (void)state;
    static const uint32_t widths[] = {40, 70}, runs[] = {7, 1};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < 2; i++) {
        enum { N = 70, WORDS = 32 };
        uint64_t random = i;
        void *place = NULL;
        float *words = malloc(widths[i] * WORDS * sizeof *words), *rows = malloc(widths[i] * N * sizeof *rows);
        uint8_t codes[N * 7], alone[7];
        vss_error err;
        fill(words, (size_t)widths[i] * WORDS, &random);
        fill(rows, (size_t)widths[i] * N, &random);
        vss_device_words asked = {.struct_size = sizeof asked, .width = widths[i], .n_runs = runs[i], .n_words = WORDS,
                                  .words = words, .n = N, .residuals = rows, .codes = codes};
        assert_int_equal(device->words(device->state, &place, &asked, &err), VSS_OK);
        for (size_t row = 0; row < N; row += 23) {
            asked.n = 1;
            asked.residuals = rows + row * widths[i];
            asked.codes = alone;
            assert_int_equal(device->words(device->state, &place, &asked, &err), VSS_OK);
            assert_memory_equal(codes + row * runs[i], alone, runs[i]);
        }
        device->forget(device->state, place);
        free(words);
        free(rows);
    }
    close_device(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scans), cmocka_unit_test(test_walks), cmocka_unit_test(test_points),
        cmocka_unit_test(test_graph), cmocka_unit_test(test_signs), cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
