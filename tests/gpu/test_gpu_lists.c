/*
 * test_gpu_lists.c - libvss_gpu finds in inverted lists what a plain scan of them finds, to the bit: on the host's form
 * of its kernels, and, with VSS_GPU_REAL, on a GPU
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_lists.h"
#include "gpu_open.h"
#include "tier.h"

typedef struct one_case {
    const vss_device *device;
    gpu_case c;
    gpu_lists l;
    vss_error err;
} one_case;

static void begin_case(one_case *o, const vss_device *device, const gpu_spec *spec, uint32_t lists, uint32_t probes,
                       bool every)
{
    *o = (one_case){.device = device};
    gpu_case_make(&o->c, spec);
    gpu_lists_make(&o->l, &o->c, lists, probes, every);
}

/* Search and check. Returns how many queries stayed unsettled without need. */
static size_t search_case(one_case *o)
{
    if (gpu_case_search(&o->c, o->device, &o->err) != VSS_OK)
        fail_msg("%s", o->err.message);
    return gpu_case_check(&o->c);
}

static void end_case(one_case *o)
{
    gpu_lists_free(&o->l, &o->c, o->device);
    if (o->c.place != NULL)
        o->device->forget(o->device->state, o->c.place);
    gpu_case_free(&o->c);
}

static size_t run_case(const vss_device *device, const gpu_spec *spec, uint32_t lists, uint32_t probes, bool every)
{
    one_case o;
    begin_case(&o, device, spec, lists, probes, every);
    size_t unsettled = search_case(&o);
    end_case(&o);
    return unsettled;
}

/* Each pair, one query, a few and many, every kind of data. */
static void test_pairs(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 5, 40};
    const vss_device *device = open_device(GPU_OPTIONS);
    assert_int_equal(device->lists, 1);
    for (size_t i = 0; i < GPU_PAIRS; i++)
        for (int data = 0; data < GPU_DATA_RANDOM; data++)
            for (size_t n = 0; n < 3; n++) {
                gpu_spec spec = {.data = (gpu_data)data, .dim = 24, .k = 10, .width = 400, .rows = 2500,
                                 .queries = counts[n], .allow = -1, .seed = i * 100 + (size_t)data * 2};
                gpu_pair(i, &spec.type, &spec.metric);
                gpu_order((uint32_t)(i + (size_t)data));
                size_t unsettled = run_case(device, &spec, 40, 9, false);
                if (data == GPU_DATA_UNIFORM)
                    assert_int_equal(unsettled, 0);
            }
    vssg_close(device);
}

static void test_random(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",memory_mb=64");
    uint64_t random = 8;
    size_t unsettled = 0, queries = 0;
    for (size_t i = 0; i < tier_count(60, 300, 3000); i++) {
        gpu_spec spec = gpu_spec_draw(&random, 60, i);
        uint32_t lists = (uint32_t)(1 + gpu_random(&random) % (gpu_random(&random) % 4 == 0 ? 2000 : 30));
        uint32_t probes = (uint32_t)(gpu_random(&random) % 3 == 0 ? gpu_random(&random) % (lists + 1) : 12);
        gpu_order((uint32_t)(gpu_random(&random) % 128));
        unsettled += run_case(device, &spec, lists, probes, gpu_random(&random) % 2 == 0);
        queries += spec.queries;
    }
    printf("%zu queries, %zu unsettled without need\n", queries, unsettled);
    assert_true(unsettled * 100 < queries);
    vssg_close(device);
}

/* All lists: what a search of all rows finds. */
static void test_all(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t pair = 0; pair < GPU_PAIRS; pair++) {
        one_case o;
        gpu_spec spec = {.data = GPU_DATA_TIES, .dim = 20, .k = 15, .width = 1500, .rows = 1500, .queries = 4,
                         .allow = .8, .limits = true, .seed = pair};
        gpu_pair(pair, &spec.type, &spec.metric);
        begin_case(&o, device, &spec, 21, 21, true);
        uint32_t counts[4];
        assert_int_equal(search_case(&o), 0);
        memcpy(counts, o.c.hits.counts, sizeof counts);
        o.c.members = NULL;
        assert_int_equal(search_case(&o), 0);
        o.c.search.lists = NULL;
        assert_int_equal(search_case(&o), 0);
        assert_memory_equal(counts, o.c.hits.counts, sizeof counts);
        end_case(&o);
    }
    vssg_close(device);
}

/* One list, or two, of a row more or less than a block takes at once; no lists, no rows. */
static void test_edges(void **state)
{
    (void)state;
    static const uint32_t rows[] = {0, 1, 31, 32, 255, 256, 257, 511, 512, 513, 1025, 9000};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (uint32_t lists = 0; lists <= 3; lists++)
            for (uint32_t queries = 1; queries <= 40; queries += 13) {
                gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 3, .k = 5, .width = 9,
                                 .rows = rows[i], .queries = queries, .allow = -1, .seed = i};
                gpu_order(queries);
                assert_int_equal(run_case(device, &spec, lists, lists, true), 0);
                assert_int_equal(run_case(device, &spec, lists, 1, true), 0);
                assert_int_equal(run_case(device, &spec, lists, 0, true), 0);
            }
    vssg_close(device);
}

/* k above the rows of the lists, and as large as it gets. */
static void test_large_k(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t pair = 0; pair < GPU_PAIRS; pair += 4)
        for (uint32_t probes = 1; probes <= 12; probes += 11) {
            gpu_spec spec = {.dim = 16, .k = 2048, .width = 2500, .rows = 6000, .queries = 3, .allow = -1,
                             .seed = pair};
            gpu_pair(pair, &spec.type, &spec.metric);
            spec.width = spec.metric >= VSS_METRIC_HAMMING ? 6000 : 2500;
            assert_int_equal(run_case(device, &spec, 12, probes, true), 0);
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
            assert_int_equal(run_case(device, &spec, 8, 5, true), 0);
        }
    vssg_close(device);
}

/* More equal rows than a list of candidates holds, and than the answer has room for; values that differ by less than
 * float32 sums are off. */
static void test_equal(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    for (uint32_t rows = 20; rows <= 20000; rows *= 10) {
        one_case o;
        gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .data = GPU_DATA_EQUAL, .dim = 8, .k = 4,
                         .width = 25, .rows = rows, .queries = 10, .allow = -1};
        begin_case(&o, device, &spec, 2, 2, true);
        assert_int_equal(search_case(&o), 0);
        for (size_t q = 0; q < spec.queries; q++)
            assert_int_equal(o.c.hits.counts[q], rows == 20 ? 20 : VSS_DEVICE_UNSETTLED);
        end_case(&o);
    }
    for (size_t pair = 0; pair < GPU_PAIRS; pair += 3) {
        gpu_spec spec = {.data = GPU_DATA_CLOSE, .dim = 960, .k = 10, .width = 1500, .rows = 1500, .queries = 3,
                         .allow = -1, .seed = pair};
        gpu_pair(pair, &spec.type, &spec.metric);
        assert_int_equal(run_case(device, &spec, 4, 3, true), 0);
    }
    vssg_close(device);
}

/* More queries than go together; memory for few of them at once. */
static void test_passes(void **state)
{
    (void)state;
    static const char *const options[] = {GPU_OPTIONS, GPU_OPTIONS ",memory_mb=2"};
    for (size_t i = 0; i < 2; i++) {
        const vss_device *device = open_device(options[i]);
        gpu_spec spec = {.type = VSS_TYPE_VECTOR_U8, .metric = VSS_METRIC_L2, .dim = 16, .k = 4, .width = 60,
                         .rows = 600, .queries = i == 0 ? 5000 : 300, .allow = .9, .limits = true, .seed = i};
        assert_int_equal(run_case(device, &spec, 30, 6, true), 0);
        vssg_close(device);
    }
}

/* Numbers that are no row's are passed over; a row that is there twice sends every query to the CPU, until the lists
 * are others. */
static void test_numbers(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F16, .metric = VSS_METRIC_IP, .dim = 10, .k = 6, .width = 12,
                     .rows = 2000, .queries = 12, .allow = .7, .seed = 3};
    one_case o;
    begin_case(&o, device, &spec, 20, 8, true);
    static const uint32_t wrong[] = {2000, 2001, 2047, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < 700; i++)
        o.l.rows[i * 2] = wrong[i % 7];
    gpu_lists_members(&o.l, &o.c);
    assert_int_equal(search_case(&o), 0);
    device->forget(device->state, o.c.lists_place);
    o.c.lists_place = NULL;
    o.l.rows[1999] = o.l.rows[1];
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(gpu_case_search(&o.c, device, &o.err), VSS_OK);
        for (size_t q = 0; q < spec.queries; q++)
            assert_int_equal(o.c.hits.counts[q], VSS_DEVICE_UNSETTLED);
    }
    end_case(&o);
    vssg_close(device);
}

static void expect_invalid(one_case *o, const char *part)
{
    assert_int_equal(gpu_case_search(&o->c, o->device, &o->err), VSS_ERR_INVALID);
    assert_null(strchr(o->err.message, '\n'));
    if (strstr(o->err.message, part) == NULL)
        fail_msg("%s: does not say %s", o->err.message, part);
}

/* Lists that are none, queries that name what is not there: one line, and the next search is right. */
static void test_invalid(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_I8, .metric = VSS_METRIC_COSINE, .dim = 10, .k = 6, .width = 40,
                     .rows = 500, .queries = 4, .allow = -1, .seed = 3};
    one_case o;
    begin_case(&o, device, &spec, 9, 9, true);
    const uint32_t begin = o.l.begins[4];
    o.l.begins[4] = o.l.begins[5] + 1;
    expect_invalid(&o, "list 4 begins at ");
    o.l.begins[4] = begin;
    o.l.begins[0] = 1;
    expect_invalid(&o, "lists from 1 to 500, wanted 0 to 500 at most");
    o.l.begins[0] = 0;
    o.l.begins[9] = 501;
    expect_invalid(&o, "lists from 0 to 501, wanted 0 to 500 at most");
    o.l.begins[9] = 500;
    assert_int_equal(search_case(&o), 0);
    const uint32_t list = o.l.probes[30];
    o.l.probes[30] = 9;
    expect_invalid(&o, "query 3 names list 9 of 9");
    o.l.probes[30] = o.l.probes[29];
    while (o.l.begins[o.l.probes[30] + 1] - o.l.begins[o.l.probes[30]] <= o.l.begins[list + 1] - o.l.begins[list])
        o.l.probes[30] = (o.l.probes[30] + 1) % 9;
    expect_invalid(&o, "query 3 names a list twice");
    o.l.probes[30] = list;
    o.l.probe_begins[2] = 8;
    expect_invalid(&o, "the lists of query 1 begin at 9 and end at 8");
    o.l.probe_begins[2] = 18;
    assert_int_equal(search_case(&o), 0);
    end_case(&o);
    vssg_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),   cmocka_unit_test(test_random), cmocka_unit_test(test_all),
        cmocka_unit_test(test_edges),   cmocka_unit_test(test_large_k), cmocka_unit_test(test_long),
        cmocka_unit_test(test_equal),   cmocka_unit_test(test_passes), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_invalid),
    };
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
