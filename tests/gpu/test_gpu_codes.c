/*
 * test_gpu_codes.c - searches of few queries that libvss_gpu begins by codes of the rows find what a plain scan finds,
 * to the bit, as those by the rows as stored do: on the host's form of its kernels, and, with VSS_GPU_REAL, on a GPU
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_lists.h"
#include "gpu_open.h"
#include "tier.h"

enum { FLOATS = 9 }; /* the first pairs of type and metric: those of floats */

static const vss_device *devices[2]; /* without codes, with them */

static int set_up(void **state)
{
    (void)state;
    devices[0] = open_device(GPU_OPTIONS ",codes=0");
    devices[1] = open_device(GPU_OPTIONS ",codes=1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    vssg_close(devices[0]);
    vssg_close(devices[1]);
    return 0;
}

/* Search, check, forget; of all rows, or with n_lists above 0 of `probes` lists a query. Returns how many queries
 * stayed unsettled without need. */
static size_t run_case(const vss_device *device, const gpu_spec *spec, uint32_t n_lists, uint32_t probes)
{
    gpu_case c;
    gpu_lists lists = {.begins = NULL};
    vss_error err;
    gpu_case_make(&c, spec);
    if (n_lists > 0)
        gpu_lists_make(&lists, &c, n_lists, probes, true);
    if (gpu_case_search(&c, device, &err) != VSS_OK)
        fail_msg("%s", err.message);
    size_t unsettled = gpu_case_check(&c);
    if (n_lists > 0)
        gpu_lists_free(&lists, &c, device);
    if (c.place != NULL)
        device->forget(device->state, c.place);
    gpu_case_free(&c);
    return unsettled;
}

/* Every pair, one query, a few and eight, every kind of data, in dimensions that do and do not fill their pieces. */
static void test_pairs(void **state)
{
    (void)state;
    static const uint32_t dims[] = {48, 61, 130}, counts[] = {1, 3, 8};
    for (size_t i = 0; i < FLOATS; i++)
        for (int data = 0; data <= GPU_DATA_CLOSE; data++)
            for (size_t n = 0; n < 3; n++) {
                gpu_spec spec = {.data = (gpu_data)data, .dim = dims[(i + n) % 3], .k = 10, .width = 400, .rows = 2500,
                                 .queries = counts[n], .allow = -1, .seed = i * 100 + (size_t)data * 2};
                gpu_pair(i, &spec.type, &spec.metric);
                gpu_order((uint32_t)(i + (size_t)data));
                for (size_t with = 0; with < 2; with++) {
                    size_t unsettled = run_case(devices[with], &spec, 0, 0);
                    if (data == GPU_DATA_UNIFORM)
                        assert_int_equal(unsettled, 0);
                }
            }
}

static void test_random(void **state)
{
    (void)state;
    static const uint32_t dims[] = {9, 15, 17, 48, 63, 64, 97, 130, 300};
    uint64_t random = 21;
    size_t unsettled = 0, queries = 0;
    for (size_t i = 0; i < tier_count(60, 400, 4000); i++) {
        gpu_spec spec = gpu_spec_draw(&random, 8, i);
        gpu_pair(gpu_random(&random) % FLOATS, &spec.type, &spec.metric);
        spec.queries = 1 + gpu_random(&random) % 8;
        spec.dim = dims[gpu_random(&random) % 9];
        uint32_t lists = (uint32_t)(gpu_random(&random) % 2 == 0 ? 0 : 1 + gpu_random(&random) % 40);
        gpu_order((uint32_t)(gpu_random(&random) % 128));
        unsettled += run_case(devices[1], &spec, lists, 12);
        queries += spec.queries;
    }
    printf("%zu queries, %zu unsettled without need\n", queries, unsettled);
    assert_true(unsettled * 100 < queries);
}

/* Strips and slices with one row more or less than they are made for, in each form of the kernel. */
static void test_edges(void **state)
{
    (void)state;
    static const uint32_t rows[] = {1, 31, 33, 63, 65, 127, 129, 255, 256, 257, 1023, 1025, 2049, 4097};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (uint32_t queries = 1; queries <= 8; queries++) {
            gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 18, .k = 5, .width = 9,
                             .rows = rows[i], .queries = queries, .allow = -1, .seed = i};
            gpu_order(queries);
            assert_int_equal(run_case(devices[1], &spec, 0, 0), 0);
        }
}

static void test_large(void **state)
{
    (void)state;
    static const struct {
        uint32_t dim, k, rows;
    } large[] = {{20, 700, 9000}, {64, 2048, 9000}, {1000, 3, 300}, {32768, 3, 40}};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        for (size_t pair = 0; pair < FLOATS; pair += tier_brief() ? 4 : 1) {
            gpu_spec spec = {.dim = large[i].dim, .k = large[i].k, .width = 2500, .rows = large[i].rows,
                             .queries = pair % 2 == 0 ? 1 : 6, .allow = -1, .seed = i + pair};
            gpu_pair(pair, &spec.type, &spec.metric);
            assert_int_equal(run_case(devices[1], &spec, 0, 0), 0);
            assert_int_equal(run_case(devices[1], &spec, 7, 5), 0);
        }
}

/* Codes can't tell these rows apart; the rows can. */
static void test_narrow(void **state)
{
    (void)state;
    for (uint32_t lists = 0; lists < 20; lists += 10) {
        gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .data = GPU_DATA_FAR, .dim = 40, .k = 10,
                         .width = 20, .rows = 8000, .queries = 5, .allow = -1};
        assert_int_equal(run_case(devices[1], &spec, lists, lists), 0);
    }
}

#if !defined(VSS_GPU_REAL)
/* Does a search of the case, whose rows are on the card, launch the kernel. */
static bool launches(gpu_case *c, const vss_device *device, const char *kernel)
{
    char line[64];
    vss_error err;
    (void)snprintf(line, sizeof line, "emulated: %s: ", kernel);
    for (uint64_t nth = 1;; nth++) {
        (void)vssg_host_fail(nth);
        vss_status status = gpu_case_search(c, device, &err);
        if (vssg_host_fail(0) < nth)
            return false;
        if (status != VSS_OK && strncmp(err.message, line, strlen(line)) == 0)
            return true;
    }
}

/* Codes where they spare enough and the budget has room beside the rows and a search, and nowhere else. */
static void test_used(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        vss_type type;
        uint32_t dim, queries;
        bool codes;
    } used[] = {
        {"", VSS_TYPE_VECTOR_F32, 32, 1, true},           {"", VSS_TYPE_VECTOR_F32, 32, 8, true},
        {"", VSS_TYPE_VECTOR_F16, 64, 3, true},           {"", VSS_TYPE_VECTOR_BF16, 64, 3, true},
        {"", VSS_TYPE_VECTOR_F32, 9, 1, true},            {"", VSS_TYPE_VECTOR_F32, 8, 1, false},
        {"", VSS_TYPE_VECTOR_F16, 20, 1, false},          {"", VSS_TYPE_VECTOR_U8, 64, 1, false},
        {"", VSS_TYPE_VECTOR_I8, 64, 1, false},           {"", VSS_TYPE_VECTOR_F32, 32, 9, false},
        {"codes=0", VSS_TYPE_VECTOR_F32, 32, 1, false},   {"memory_mb=1", VSS_TYPE_VECTOR_F32, 32, 1, false},
        {"memory_mb=2", VSS_TYPE_VECTOR_F32, 32, 1, true},
    };
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        const vss_device *device = open_device(used[i].options);
        gpu_spec spec = {.type = used[i].type, .metric = VSS_METRIC_L2, .dim = used[i].dim, .k = 3, .width = 8,
                         .rows = 4000, .queries = used[i].queries, .allow = -1};
        gpu_case c;
        vss_error err;
        gpu_case_make(&c, &spec);
        if (gpu_case_search(&c, device, &err) != VSS_OK)
            fail_msg("%s", err.message);
        assert_int_equal(gpu_case_check(&c), 0);
        if (launches(&c, device, "code") != used[i].codes)
            fail_msg("case %zu: codes should %s used", i, used[i].codes ? "be" : "not be");
        assert_int_equal(gpu_case_search(&c, device, &err), VSS_OK);
        assert_int_equal(gpu_case_check(&c), 0);
        device->forget(device->state, c.place);
        gpu_case_free(&c);
        vssg_close(device);
    }
}

/* Codes do not displace other rows. */
static void test_room(void **state)
{
    (void)state;
    const vss_device *device = open_device("memory_mb=3");
    gpu_case c[2];
    vss_error err;
    for (size_t i = 0; i < 2; i++) {
        gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_IP, .dim = 32, .k = 3, .width = 8,
                         .rows = 5000, .queries = 2, .allow = -1, .seed = i};
        gpu_case_make(&c[i], &spec);
        assert_int_equal(gpu_case_search(&c[i], device, &err), VSS_OK);
    }
    assert_true(launches(&c[0], device, "code"));
    assert_false(launches(&c[1], device, "code"));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(gpu_case_search(&c[i], device, &err), VSS_OK);
        assert_int_equal(gpu_case_check(&c[i]), 0);
        device->forget(device->state, c[i].place);
        gpu_case_free(&c[i]);
    }
    vssg_close(device);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs), cmocka_unit_test(test_random), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_large), cmocka_unit_test(test_narrow),
#if !defined(VSS_GPU_REAL)
        cmocka_unit_test(test_used), cmocka_unit_test(test_room),
#endif
    };
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, set_up, tear_down);
}
