/*
 * test_gpu_faults.c - whatever of the runtime fails, libvss_gpu says so in one line, leaks nothing and works on; its
 * memory stays within its budget; options, limits of what it takes, cancels
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_walks.h"
#include "gpu_lists.h"
#include "gpu_open.h"
#include "gpu_patience.h"
#include "tier.h"

/* What a search goes through. */
typedef enum where {
    EVERY_ROW,
    IN_LISTS,
    BY_GRAPH
} where;

typedef struct through {
    gpu_lists lists;
    gpu_walks walks;
} through;

static void through_make(through *t, gpu_case *c, where way)
{
    const gpu_walks_spec spec = {.stride = 16, .pool = 20, .entries = 20, .groups = 4, .mapped = true,
                                 .coding = VSS_DEVICE_CODING_BYTES, .code_size = 20};
    *t = (through){.lists = {.begins = NULL}};
    if (way == IN_LISTS)
        gpu_lists_make(&t->lists, c, 20, 4, true);
    if (way == BY_GRAPH)
        gpu_walks_make(&t->walks, c, &spec);
}

static void through_check(const through *t, const gpu_case *c, where way)
{
    if (way == BY_GRAPH)
        gpu_walks_check(&t->walks, c);
    else
        assert_int_equal(gpu_case_check(c), 0);
}

static void through_free(through *t, gpu_case *c, const vss_device *device)
{
    gpu_lists_free(&t->lists, c, device);
    gpu_walks_free(&t->walks, c, device);
}

/* Each call of the runtime in a search of the spec fails once, and the search after it is right. Returns how many
 * searches failed. */
static size_t fail_each_call(const char *options, const gpu_spec *spec, where way)
{
    size_t failed = 0;
    for (uint64_t nth = 1;; nth += tier_brief() ? 6 : 1) {
        const vss_device *device = open_device(options);
        gpu_case c;
        through t;
        vss_error err;
        gpu_case_make(&c, spec);
        through_make(&t, &c, way);
        (void)vssg_host_fail(nth);
        vss_status status = gpu_case_search(&c, device, &err);
        uint64_t calls = vssg_host_fail(0);
        if (nth <= calls) {
            assert_true(status == VSS_ERR_DEVICE || status == VSS_ERR_NO_MEMORY || status == VSS_OK);
            if (status != VSS_OK)
                expect_line(&err, status, "a fault that was asked for");
            failed += status != VSS_OK;
        } else {
            assert_int_equal(status, VSS_OK);
        }
        assert_int_equal(gpu_case_search(&c, device, &err), VSS_OK);
        through_check(&t, &c, way);
        through_free(&t, &c, device);
        device->forget(device->state, c.place);
        close_device(device);
        gpu_case_free(&c);
        if (nth > calls)
            break;
    }
    printf("%zu failures\n", failed);
    return failed;
}

/* A search that loads its rows, takes products and a scan. */
static void test_each_call(void **state)
{
    (void)state;
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .data = GPU_DATA_FAR, .dim = 12, .k = 4,
                     .width = 8, .rows = 20000, .queries = 10, .allow = .9, .limits = true};
    assert_true(fail_each_call("tile_kb=40", &spec, EVERY_ROW) > (tier_brief() ? 10 : 60));
}

/* One that codes can't settle. */
static void test_each_call_codes(void **state)
{
    (void)state;
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_COSINE, .data = GPU_DATA_FAR, .dim = 12, .k = 4,
                     .width = 8, .rows = 8000, .queries = 3, .allow = .9, .limits = true};
    assert_true(fail_each_call("", &spec, EVERY_ROW) > (tier_brief() ? 5 : 30));
}

/* One that loads its rows and its lists, in several passes. */
static void test_each_call_lists(void **state)
{
    (void)state;
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 12, .k = 4, .width = 8,
                     .rows = 3000, .queries = 6, .allow = .9, .limits = true};
    assert_true(fail_each_call("memory_mb=1", &spec, IN_LISTS) > (tier_brief() ? 10 : 60));
}

/* One that loads its rows and its graph, in several passes. */
static void test_each_call_graph(void **state)
{
    (void)state;
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 12, .k = 4, .width = 8,
                     .rows = 2000, .queries = 40, .allow = .9, .limits = true};
    assert_true(fail_each_call("memory_mb=1", &spec, BY_GRAPH) > (tier_brief() ? 10 : 60));
}

/* Opening fails at each of its calls. */
static void test_open(void **state)
{
    (void)state;
    const vss_device *device = (const vss_device *)&state;
    vss_error err = {0};
    (void)vssg_host_fail(1);
    assert_int_equal(vssg_open("", &device, &err), VSS_ERR_DEVICE);
    expect_line(&err, VSS_ERR_DEVICE, "open");
    assert_null(device);
    (void)vssg_host_fail(0);
    static const char *const bad[][2] = {
        {"memory_mb=", "memory_mb="},       {"memory_mb=12x", "expected a number"}, {"gpu=1", "there is one card"},
        {"experimental=2", "wanted 0 to 1"}, {"memory=1", "\"memory=1\""},           {"gpu", "\"gpu\""},
        {"gpu=0,,tile_kb=4", "\"\""},      {"gpu=-1", "expected a number"},
        {"gpu=99999999999999999999", "expected a number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vss_status status = vssg_open(bad[i][0], &device, &err);
        assert_true(status == VSS_ERR_INVALID || status == VSS_ERR_DEVICE);
        expect_line(&err, status, bad[i][1]);
        assert_null(device);
    }
    device = open_device("gpu=0,memory_mb=700");
    assert_string_equal(device->name, "emulated");
    assert_non_null(strstr(device->description, "of which 700 for libvss"));
    assert_int_equal(device->abi, VSS_DEVICE_ABI);
    assert_int_equal(device->struct_size, sizeof *device);
    close_device(device);
}

static void test_takes(void **state)
{
    (void)state;
    const vss_device *device = open_device(NULL);
    vss_error err = {0};
    vss_device_vectors v = {.struct_size = sizeof v, .type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 4};
    for (size_t i = 0; i < GPU_PAIRS; i++) {
        gpu_pair(i, &v.type, &v.metric);
        assert_int_equal(device->takes(device->state, &v, 2048, &err), VSS_OK);
        assert_int_equal(device->takes(device->state, &v, 2049, &err), VSS_ERR_UNSUPPORTED);
        expect_line(&err, VSS_ERR_UNSUPPORTED, "k = 2049");
    }
    v.metric = VSS_METRIC_L2;
    assert_int_equal(device->takes(device->state, &v, 1, &err), VSS_ERR_UNSUPPORTED);
    expect_line(&err, VSS_ERR_UNSUPPORTED, "under metric 1");
    v.type = VSS_TYPE_INT8;
    assert_int_equal(device->takes(device->state, &v, 1, &err), VSS_ERR_UNSUPPORTED);
    v.type = VSS_TYPE_VECTOR_U8;
    v.dim = 32769;
    assert_int_equal(device->takes(device->state, &v, 1, &err), VSS_ERR_UNSUPPORTED);
    expect_line(&err, VSS_ERR_UNSUPPORTED, "32769 components");
    close_device(device);
}

/* Eight segments, every other with lists or a graph, and room for three: all are found right, again and again. */
static void test_eviction(void **state)
{
    (void)state;
    enum { SEGMENTS = 8 };
    const vss_device *device = open_device("memory_mb=4,tile_kb=64");
    gpu_case c[SEGMENTS];
    through t[SEGMENTS];
    where ways[SEGMENTS];
    vss_error err;
    for (size_t i = 0; i < SEGMENTS; i++) {
        gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_IP, .dim = 32, .k = 3, .width = 8,
                         .rows = 4000, .queries = 2, .allow = -1, .seed = i};
        gpu_case_make(&c[i], &spec);
        ways[i] = i % 4 == 1 ? IN_LISTS : i % 4 == 3 ? BY_GRAPH : EVERY_ROW;
        through_make(&t[i], &c[i], ways[i]);
    }
    uint64_t random = 5, again = 0;
    for (size_t turn = 0; turn < 40; turn++) {
        size_t at = turn < SEGMENTS ? turn : gpu_random(&random) % SEGMENTS;
        gpu_case *one = &c[at];
        (void)vssg_host_fail(0);
        if (gpu_case_search(one, device, &err) != VSS_OK)
            fail_msg("%s", err.message);
        through_check(&t[at], one, ways[at]);
        /* Pinned memory is not the card's. */
        assert_true(vssg_host_used() <= ((size_t)4 << 20) + 3 * ((size_t)8 << 20));
        uint64_t first = vssg_host_fail(0);
        assert_int_equal(gpu_case_search(one, device, &err), VSS_OK);
        again += vssg_host_fail(0) < first; /* the rows have stayed: fewer calls */
    }
    assert_true(again > 10);
    for (size_t i = 0; i < SEGMENTS; i++) {
        through_free(&t[i], &c[i], device);
        device->forget(device->state, c[i].place);
        gpu_case_free(&c[i]);
    }
    close_device(device);
}

/* The rows leave a ninth of the budget: fewer queries go together. */
static void test_little_left(void **state)
{
    (void)state;
    const vss_device *device = open_device("memory_mb=3,tile_kb=40");
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 100, .k = 3, .width = 8, .rows = 4500,
                     .queries = 40, .allow = -1};
    gpu_case c;
    vss_error err;
    gpu_case_make(&c, &spec);
    if (gpu_case_search(&c, device, &err) != VSS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(gpu_case_check(&c), 0);
    gpu_case_free(&c);
    close_device(device);
}

static void test_budget(void **state)
{
    (void)state;
    const vss_device *device = open_device("memory_mb=1");
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_IP, .dim = 100, .k = 3, .width = 8, .rows = 4000,
                     .queries = 2, .allow = -1};
    gpu_case c;
    vss_error err;
    gpu_case_make(&c, &spec);
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_ERR_BUDGET);
    expect_line(&err, VSS_ERR_BUDGET, "4000 rows of 100 components: ");
    expect_line(&err, VSS_ERR_BUDGET, "of 1048576 are in use");
    close_device(device);
    /* The budget allows what the card has not. */
    vssg_host_memory((size_t)1 << 20);
    device = open_device("memory_mb=100");
    c.place = NULL;
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_ERR_NO_MEMORY);
    expect_line(&err, VSS_ERR_NO_MEMORY, "allocate: out of memory");
    close_device(device);
    vssg_host_memory((size_t)8 << 30);
    gpu_case_free(&c);
}

/* The rows fit, their numbers in lists do not; later they do. */
static void test_budget_lists(void **state)
{
    (void)state;
    const vss_device *device = open_device("memory_mb=1");
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_U8, .metric = VSS_METRIC_L2, .dim = 8, .k = 3, .width = 40, .rows = 24000,
                     .queries = 2, .allow = -1};
    gpu_case c;
    gpu_lists lists;
    vss_error err;
    gpu_case_make(&c, &spec);
    gpu_lists_make(&lists, &c, 50, 5, true);
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_ERR_BUDGET);
    expect_line(&err, VSS_ERR_BUDGET, "50 lists of 24000 rows: ");
    const size_t used = vssg_host_used();
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_ERR_BUDGET);
    assert_int_equal(vssg_host_used(), used);
    gpu_lists_free(&lists, &c, device);
    close_device(device);
    gpu_case_free(&c);
}

/* The rows fit, their graph does not. */
static void test_budget_graph(void **state)
{
    (void)state;
    const vss_device *device = open_device("memory_mb=1");
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_U8, .metric = VSS_METRIC_L2, .dim = 8, .k = 3, .width = 40, .rows = 9000,
                     .queries = 2, .allow = -1};
    gpu_case c;
    through t;
    vss_error err;
    gpu_case_make(&c, &spec);
    through_make(&t, &c, BY_GRAPH);
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_ERR_BUDGET);
    expect_line(&err, VSS_ERR_BUDGET, "a graph of 9000 rows, 15 links each: ");
    const size_t used = vssg_host_used();
    assert_int_equal(gpu_case_search(&c, device, &err), VSS_ERR_BUDGET);
    assert_int_equal(vssg_host_used(), used);
    through_free(&t, &c, device);
    close_device(device);
    gpu_case_free(&c);
}

/* Cancelled at each point where the caller is asked; the next search is right. Returns how many points there are. */
static size_t cancel_everywhere(const char *options, const gpu_spec *spec, where way)
{
    gpu_case c;
    through t;
    vss_error err;
    const vss_device *device = open_device(options);
    patience p = {0, 0};
    gpu_case_make(&c, spec);
    through_make(&t, &c, way);
    c.search.stopped = patience_stopped;
    c.search.state = &p;
    vss_status status;
    while ((status = gpu_case_search(&c, device, &err)) == VSS_ERR_CANCELLED) {
        expect_line(&err, VSS_ERR_CANCELLED, "cancelled");
        p = (patience){0, p.most + 1};
    }
    assert_int_equal(status, VSS_OK);
    through_check(&t, &c, way);
    through_free(&t, &c, device);
    gpu_case_free(&c);
    close_device(device);
    return p.most;
}

static void test_cancel(void **state)
{
    (void)state;
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_I8, .metric = VSS_METRIC_L2, .dim = 12, .k = 4, .width = 30,
                     .rows = 20000, .queries = 10, .allow = -1};
    /* A tile has 1,024 rows: of 20, the first, the 9th and the 17th, and before them. */
    assert_true(cancel_everywhere("tile_kb=40", &spec, EVERY_ROW) >= 4);
    /* By codes, then by rows as stored. */
    gpu_spec narrow = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .data = GPU_DATA_FAR, .dim = 12, .k = 4,
                       .width = 30, .rows = 8000, .queries = 3, .allow = -1};
    assert_int_equal(cancel_everywhere("", &narrow, EVERY_ROW), 2);
    /* Passes of few queries. */
    spec.rows = 3000;
    spec.queries = 40;
    assert_true(cancel_everywhere("memory_mb=1", &spec, IN_LISTS) >= 4);
    assert_true(cancel_everywhere("memory_mb=1", &spec, BY_GRAPH) >= 4);
}

static const vss_device *registered;

static vss_status note(const vss_device *device, vss_error *err)
{
    (void)err;
    registered = device;
    return VSS_OK;
}

extern vss_status vss_device_main(vss_status (*register_device)(const vss_device *device, vss_error *err),
                                  const char *options, vss_error *err);

/* What vss_device_load calls: one device a process, however often. */
static void test_main(void **state)
{
    (void)state;
    vss_error err = {0};
    assert_int_equal(vss_device_main(note, "size=3", &err), VSS_ERR_INVALID);
    assert_null(registered);
    assert_int_equal(vss_device_main(note, NULL, &err), VSS_OK);
    const vss_device *first = registered;
    assert_non_null(first);
    assert_int_equal(vss_device_main(note, "", &err), VSS_OK);
    assert_ptr_equal(registered, first);
    assert_int_equal(vss_device_main(note, "memory_mb=5", &err), VSS_ERR_EXISTS);
    expect_line(&err, VSS_ERR_EXISTS, "loaded already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call), cmocka_unit_test(test_each_call_lists), cmocka_unit_test(test_open),
        cmocka_unit_test(test_takes),     cmocka_unit_test(test_eviction),        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_cancel),    cmocka_unit_test(test_budget_lists),    cmocka_unit_test(test_main),
        cmocka_unit_test(test_little_left), cmocka_unit_test(test_each_call_graph),
        cmocka_unit_test(test_budget_graph), cmocka_unit_test(test_each_call_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
