/*
 * test_gpu_graph_faults.c - whatever of the runtime fails while points are compared with each other, libvss_gpu says so
 * in one line, leaks nothing and works on; its memory keeps to the budget; what is not taken; cancels
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_case.h"
#include "gpu_graph.h"
#include "gpu_open.h"
#include "gpu_patience.h"

/* With memory_mb=1 and 880,000 bytes of points: four strips of some 7,000 numbers. */
static const gpu_graph_spec several = {.bytes = GPU_BYTES_UNIFORM, .size = 8, .rows = 44000, .groups = 2400,
                                       .members = 20, .keep = 2, .seed = 4};

static vss_status ask(gpu_graph *g, const vss_device *device, vss_error *err)
{
    return gpu_graph_ask(g, device, &g->place, NULL, NULL, err);
}

/* The same of rows with candidates: strips of some 10,000 of these. */
static const gpu_rows_spec long_ones = {.bytes = GPU_BYTES_UNIFORM, .size = 8, .points = 44000, .rows = 400,
                                        .candidates = 300, .most = 20, .degree = 12, .factor = 1.5f, .seed = 4};

static vss_status prune(gpu_rows *r, const vss_device *device, vss_error *err)
{
    return gpu_rows_ask(r, device, &r->place, NULL, NULL, err);
}

/* Each call of the runtime fails once; the same place is asked again, and is right. */
static size_t each_call(vss_status (*ask_any)(void *what, const vss_device *device, vss_error *err), void *what,
                        void **place)
{
    vss_error err;
    size_t failed = 0;
    for (uint64_t nth = 1, calls = 1; nth <= calls + 1; nth++) {
        const vss_device *device = open_device("memory_mb=1");
        (void)vssg_host_fail(nth);
        vss_status status = ask_any(what, device, &err);
        calls = vssg_host_fail(0);
        assert_int_equal(status == VSS_OK, nth > calls);
        if (status != VSS_OK) {
            assert_true(status == VSS_ERR_DEVICE || status == VSS_ERR_NO_MEMORY);
            expect_line(&err, status, "a fault that was asked for");
            failed++;
        }
        assert_int_equal(ask_any(what, device, &err), VSS_OK);
        device->forget(device->state, *place);
        *place = NULL;
        close_device(device);
    }
    printf("%zu failures\n", failed);
    return failed;
}

static vss_status ask_graph(void *what, const vss_device *device, vss_error *err) { return ask(what, device, err); }
static vss_status ask_rows(void *what, const vss_device *device, vss_error *err) { return prune(what, device, err); }

static void test_each_call(void **state)
{
    (void)state;
    gpu_graph g;
    gpu_rows r;
    gpu_graph_make(&g, &several);
    assert_true(each_call(ask_graph, &g, &g.place) > 30);
    gpu_graph_free(&g);
    gpu_rows_make(&r, &long_ones);
    assert_true(each_call(ask_rows, &r, &r.place) > 30);
    gpu_rows_free(&r);
}

static void test_budget(void **state)
{
    (void)state;
    const gpu_graph_spec large = {.bytes = GPU_BYTES_UNIFORM, .size = 100, .rows = 9500, .keep = 1};
    /* Room for the points, but for no strip. */
    const gpu_graph_spec full = {.bytes = GPU_BYTES_UNIFORM, .size = 100, .rows = 8800, .groups = 1, .members = 3,
                                 .keep = 24};
    gpu_graph g;
    vss_error err;
    const vss_device *device = open_device("memory_mb=1");
    gpu_graph_make(&g, &large);
    assert_int_equal(ask(&g, device, &err), VSS_ERR_BUDGET);
    expect_line(&err, VSS_ERR_BUDGET, "9500 points of 100 bytes: ");
    expect_line(&err, VSS_ERR_BUDGET, "of 1048576 are in use");
    close_device(device);
    gpu_graph_free(&g);
    device = open_device("memory_mb=1");
    gpu_graph_make(&g, &full);
    assert_int_equal(ask(&g, device, &err), VSS_ERR_BUDGET);
    expect_line(&err, VSS_ERR_BUDGET, "scratch memory: ");
    close_device(device);
    gpu_graph_free(&g);
    /* The budget allows what the card has not. */
    vssg_host_memory((size_t)1 << 19);
    device = open_device("memory_mb=100");
    gpu_graph_make(&g, &full);
    assert_int_equal(ask(&g, device, &err), VSS_ERR_NO_MEMORY);
    expect_line(&err, VSS_ERR_NO_MEMORY, "allocate: out of memory");
    close_device(device);
    vssg_host_memory((size_t)8 << 30);
    gpu_graph_free(&g);
}

/* What is not taken is said before it is done. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t size, keep, members, pivots, member;
        uint64_t rows;
        const char *line;
    } bad[] = {
        {0, 1, 1, 0, 0, 1, "points of 0 bytes"},
        {6, 1, 1, 0, 0, 1, "points of 6 bytes"},
        {32836, 1, 1, 0, 0, 1, "points of 32836 bytes"},
        {4, 1, 1, 0, 0, 0, "0 points"},
        {4, 1, 1, 0, 0, UINT64_C(0xfffffff1), "4294967281 points"},
        {4, 0, 1, 0, 0, 2, "the 0 nearest of a group, wanted 1 to 24"},
        {4, 25, 1, 0, 0, 2, "the 25 nearest of a group"},
        {4, 1, 1025, 0, 0, 2, "group 0 of 1025 members and 0 pivots, wanted 1024 at most"},
        {4, 1, 1, 1025, 0, 2, "group 0 of 1 members and 1025 pivots"},
        {4, 1, 5, 0, 2, 2, "point 2 of 2 in a group"},
        {4, 1, 1, 3, 7, 2, "point 7 of 2 in a group"},
    };
    static uint32_t members[2000], pivots[2000];
    static uint16_t answer[4000];
    const uint8_t codes[8] = {0};
    const vss_device *device = open_device("");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const uint64_t begins[2] = {0, bad[i].members}, pivot_begins[2] = {0, bad[i].pivots};
        void *place = NULL;
        vss_error err = {0};
        const vss_device_points points = {sizeof points, bad[i].size, bad[i].rows, codes};
        const vss_device_neighbors job = {.struct_size = sizeof job, .keep = bad[i].keep, .n_groups = 1,
                                          .begins = begins, .members = members, .pivots = pivots, .answer = answer,
                                          .pivot_begins = bad[i].pivots > 0 ? pivot_begins : NULL};
        uint32_t *last = bad[i].pivots > 0 ? &pivots[bad[i].pivots - 1] : &members[bad[i].members - 1];
        *last = bad[i].member;
        assert_int_equal(device->neighbors(device->state, &place, &points, &job, &err), VSS_ERR_UNSUPPORTED);
        expect_line(&err, VSS_ERR_UNSUPPORTED, bad[i].line);
        *last = 0;
        if (place != NULL)
            device->forget(device->state, place);
    }
    close_device(device);
}

static void test_refused_rows(void **state)
{
    (void)state;
    static const struct {
        uint32_t most, degree, row, candidate;
        float factor;
        const char *line;
    } bad[] = {
        {0, 1, 0, 1, 1, "1 links of the 0 nearest candidates, wanted 1 to 1024"},
        {1025, 1, 0, 1, 1, "1 links of the 1025 nearest"},
        {1, 0, 0, 1, 1, "0 links of the 1 nearest"},
        {1, 1025, 0, 1, 1, "1025 links of the 1 nearest"},
        {1, 1, 0, 1, 0.5f, "a factor of 0.5, wanted 1 or more"},
        {1, 1, 2, 1, 1, "point 2 of 2 in row 0"},
        {1, 1, 0, 7, 1, "point 7 of 2 in row 0"},
    };
    const uint8_t codes[8] = {0};
    const uint64_t begins[2] = {0, 1};
    const vss_device_points points = {sizeof points, 4, 2, codes};
    const vss_device *device = open_device("");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *place = NULL;
        vss_error err = {0};
        uint32_t count, link;
        const vss_device_prune job = {.struct_size = sizeof job, .most = bad[i].most, .degree = bad[i].degree,
                                      .factor = bad[i].factor, .n_rows = 1, .rows = &bad[i].row, .begins = begins,
                                      .candidates = &bad[i].candidate, .counts = &count, .links = &link};
        assert_int_equal(device->prune(device->state, &place, &points, &job, &err), VSS_ERR_UNSUPPORTED);
        expect_line(&err, VSS_ERR_UNSUPPORTED, bad[i].line);
        if (place != NULL)
            device->forget(device->state, place);
    }
    close_device(device);
}

/* Cancelled at each point where the caller is asked; the next call is right. */
static void test_cancel(void **state)
{
    (void)state;
    gpu_graph g;
    vss_error err;
    patience left = {0, 0};
    vss_status status;
    const vss_device *device = open_device("memory_mb=1");
    gpu_graph_make(&g, &several);
    while ((status = gpu_graph_ask(&g, device, &g.place, patience_stopped, &left, &err)) == VSS_ERR_CANCELLED) {
        expect_line(&err, VSS_ERR_CANCELLED, "cancelled");
        left = (patience){0, left.most + 1};
    }
    assert_int_equal(status, VSS_OK);
    assert_true(left.most >= 3); /* before each strip */
    assert_int_equal(ask(&g, device, &err), VSS_OK);
    device->forget(device->state, g.place);
    gpu_graph_free(&g);
    close_device(device);
}

static void test_cancel_rows(void **state)
{
    (void)state;
    gpu_rows r;
    vss_error err;
    patience left = {0, 0};
    vss_status status;
    const vss_device *device = open_device("memory_mb=1");
    gpu_rows_make(&r, &long_ones);
    while ((status = gpu_rows_ask(&r, device, &r.place, patience_stopped, &left, &err)) == VSS_ERR_CANCELLED) {
        expect_line(&err, VSS_ERR_CANCELLED, "cancelled");
        left = (patience){0, left.most + 1};
    }
    assert_int_equal(status, VSS_OK);
    assert_true(left.most >= 2); /* before each strip */
    assert_int_equal(prune(&r, device, &err), VSS_OK);
    device->forget(device->state, r.place);
    gpu_rows_free(&r);
    close_device(device);
}

/* Groups and rows of one place, and room for the points of one of two. */
static void test_eviction(void **state)
{
    (void)state;
    gpu_graph g[2];
    gpu_rows r[2];
    const vss_device *device = open_device("memory_mb=1");
    for (uint32_t i = 0; i < 2; i++) {
        const gpu_graph_spec groups = {.bytes = GPU_BYTES_FEW, .size = 100, .rows = 6000, .groups = 4, .members = 50,
                                       .keep = 5, .seed = i};
        const gpu_rows_spec rows = {.bytes = GPU_BYTES_FEW, .size = 100, .points = 6000, .rows = 20, .candidates = 60,
                                    .most = 20, .degree = 9, .factor = 1.2f, .seed = i};
        gpu_graph_make(&g[i], &groups);
        gpu_rows_make(&r[i], &rows); /* the same points: they are made first */
        assert_memory_equal(g[i].codes, r[i].codes, (size_t)groups.rows * groups.size);
    }
    for (size_t turn = 0; turn < 6; turn++) {
        vss_error err;
        const size_t i = turn % 2;
        (void)vssg_host_fail(0);
        if (ask(&g[i], device, &err) != VSS_OK)
            fail_msg("%s", err.message);
        const uint64_t first = vssg_host_fail(0);
        if (gpu_rows_ask(&r[i], device, &g[i].place, NULL, NULL, &err) != VSS_OK)
            fail_msg("%s", err.message);
        assert_true(vssg_host_fail(0) < first); /* the points had to come, and have stayed */
    }
    for (size_t i = 0; i < 2; i++) {
        device->forget(device->state, g[i].place);
        gpu_graph_free(&g[i]);
        gpu_rows_free(&r[i]);
    }
    close_device(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call), cmocka_unit_test(test_budget),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cancel),    cmocka_unit_test(test_refused_rows), cmocka_unit_test(test_cancel_rows),
        cmocka_unit_test(test_eviction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
