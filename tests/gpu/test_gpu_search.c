/*
 * test_gpu_search.c - libvss_gpu finds what a plain scan finds, to the bit: on the host's form of its kernels, and,
 * with VSS_GPU_REAL, on a GPU
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_case.h"
#include "gpu_open.h"
#include "tier.h"

/* Search, check, forget. Returns how many queries stayed unsettled without need. */
static size_t run_case(const vss_device *device, const gpu_spec *spec)
{
    gpu_case c;
    vss_error err;
    gpu_case_make(&c, spec);
    if (gpu_case_search(&c, device, &err) != VSS_OK)
        fail_msg("%s", err.message);
    size_t unsettled = gpu_case_check(&c);
    if (c.place != NULL)
        device->forget(device->state, c.place);
    gpu_case_free(&c);
    return unsettled;
}

/* Each pair, a few queries and many, every kind of data. */
static void test_pairs(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",tile_kb=64");
    for (size_t i = 0; i < GPU_PAIRS; i++)
        for (int data = 0; data < GPU_DATA_RANDOM; data++)
            for (int many = 0; many < 2; many++) {
                gpu_spec spec = {.data = (gpu_data)data, .dim = 24, .k = 10, .width = 400, .rows = 2500,
                                 .queries = many ? 13 : 3, .allow = -1, .seed = i * 100 + (size_t)data * 2};
                gpu_pair(i, &spec.type, &spec.metric);
                gpu_order((uint32_t)(i + (size_t)data));
                size_t unsettled = run_case(device, &spec);
                /* Values that bfloat16 can't tell apart are told apart by the scan; equal bytes are not many. */
                if (data == GPU_DATA_UNIFORM)
                    assert_int_equal(unsettled, 0);
            }
    vssg_close(device);
}

static void test_random(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",tile_kb=100");
    uint64_t random = 7;
    size_t unsettled = 0, queries = 0;
    for (size_t i = 0; i < tier_count(60, 300, 3000); i++) {
        gpu_spec spec = gpu_spec_draw(&random, 40, i);
        gpu_order((uint32_t)(gpu_random(&random) % 128));
        unsettled += run_case(device, &spec);
        queries += spec.queries;
    }
    printf("%zu queries, %zu unsettled without need\n", queries, unsettled);
    assert_true(unsettled * 100 < queries);
    vssg_close(device);
}

/* A list, a slice or a block with one row more or less than it is made for. */
static void test_edges(void **state)
{
    (void)state;
    static const uint32_t rows[] = {1, 31, 32, 255, 256, 257, 1023, 1024, 1025, 2049, 4096, 4097};
    const vss_device *device = open_device(GPU_OPTIONS ",tile_kb=40");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (uint32_t queries = 1; queries <= 17; queries += queries < 10 ? 1 : 7) {
            gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 3, .k = 5, .width = 9,
                             .rows = rows[i], .queries = queries, .allow = -1, .seed = i};
            gpu_order(queries);
            assert_int_equal(run_case(device, &spec), 0);
        }
    vssg_close(device);
}

static void test_large_k(void **state)
{
    (void)state;
    static const uint32_t k[] = {700, 2048};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < 2; i++)
        for (size_t pair = 0; pair < GPU_PAIRS; pair += 4) {
            gpu_spec spec = {.dim = 20, .k = k[i], .width = 2500, .rows = 9000, .queries = i == 0 ? 2 : 10, .allow = -1,
                             .seed = i + pair};
            gpu_pair(pair, &spec.type, &spec.metric);
            assert_int_equal(run_case(device, &spec), 0);
        }
    vssg_close(device);
}

static void test_long(void **state)
{
    (void)state;
    static const uint32_t dims[] = {960, 1000, 32768};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < 3; i++)
        for (size_t pair = 0; pair < GPU_PAIRS; pair++) {
            gpu_spec spec = {.dim = dims[i], .k = 3, .width = 9, .rows = i == 2 ? 40 : 300,
                             .queries = pair % 2 == 0 ? 1 : 9, .allow = -1, .seed = pair};
            gpu_pair(pair, &spec.type, &spec.metric);
            assert_int_equal(run_case(device, &spec), 0);
        }
    vssg_close(device);
}

/* More equal rows than a list holds: only the caller can tell which come first. More than the answer has room for. */
static void test_unsettled(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    for (uint32_t queries = 1; queries < 20; queries += 9)
        for (uint32_t rows = 20; rows <= 20000; rows *= 10) {
            gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .data = GPU_DATA_EQUAL, .dim = 8,
                             .k = 4, .width = 25, .rows = rows, .queries = queries, .allow = -1};
            gpu_case c;
            vss_error err;
            gpu_case_make(&c, &spec);
            assert_int_equal(gpu_case_search(&c, device, &err), VSS_OK);
            assert_int_equal(gpu_case_check(&c), 0);
            for (size_t q = 0; q < queries; q++)
                assert_int_equal(c.hits.counts[q], rows == 20 ? 20 : VSS_DEVICE_UNSETTLED);
            gpu_case_free(&c);
        }
    vssg_close(device);
}

/* Products can't tell these rows apart; the scan that follows can. */
static void test_narrow(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .data = GPU_DATA_FAR, .dim = 40, .k = 10,
                     .width = 20, .rows = 8000, .queries = 20, .allow = -1};
    assert_int_equal(run_case(device, &spec), 0);
    vssg_close(device);
}

/* Values that differ by less than float32 sums are off. */
static void test_close(void **state)
{
    (void)state;
    static const size_t pairs[] = {0, 1, 2, 6, 9, 12, 13, 16};
    static const uint32_t dims[] = {960, 960, 960, 960, 3000, 3000, 3000, 16384};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i += tier_brief() ? 3 : 1)
        for (size_t queries = 2; queries <= 9; queries += 7) {
            gpu_spec spec = {.data = GPU_DATA_CLOSE, .dim = dims[i], .k = 10,
                             .width = 1200, .rows = 1200, .queries = queries, .allow = -1, .seed = i};
            gpu_pair(pairs[i], &spec.type, &spec.metric);
            gpu_order((uint32_t)i);
            assert_int_equal(run_case(device, &spec), 0);
        }
    vssg_close(device);
}

static void test_filters(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_U8, .metric = VSS_METRIC_L2, .dim = 16, .k = 10, .width = 60, .rows = 3000,
                     .queries = 12};
    gpu_case c;
    vss_error err;
    gpu_case_make(&c, &spec); /* nothing passes */
    assert_int_equal(c.search.n_allow, 0);
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_OK);
    for (size_t q = 0; q < spec.queries; q++)
        assert_int_equal(c.hits.counts[q], 0);
    c.allow[2999 / 64] |= UINT64_C(1) << 2999 % 64; /* the last row */
    c.search.n_allow = 1;
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_OK);
    assert_int_equal(gpu_case_check(&c), 0);
    assert_int_equal(c.hits.counts[0], 1);
    memset(c.allow, 0xff, (spec.rows + 63) / 64 * sizeof *c.allow);
    c.search.n_allow = spec.rows;
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_OK);
    assert_int_equal(gpu_case_check(&c), 0);
    device->forget(device->state, c.place);
    gpu_case_free(&c);
    vssg_close(device);
}

/* No rows; limits below every row. */
static void test_nothing(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 5, .k = 3, .width = 5, .queries = 2,
                     .allow = -1, .limits = true};
    assert_int_equal(run_case(device, &spec), 0);
    spec.rows = 100;
    gpu_case c;
    vss_error err;
    gpu_case_make(&c, &spec);
    for (size_t q = 0; q < spec.queries; q++)
        c.limits[q] = 0;
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_OK);
    assert_int_equal(gpu_case_check(&c), 0);
    assert_int_equal(c.hits.counts[0], 0);
    gpu_case_free(&c);
    vssg_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),     cmocka_unit_test(test_random),    cmocka_unit_test(test_edges),
        cmocka_unit_test(test_large_k),   cmocka_unit_test(test_long),      cmocka_unit_test(test_unsettled),
        cmocka_unit_test(test_narrow),    cmocka_unit_test(test_filters),   cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_close),
    };
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
