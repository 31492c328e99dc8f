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

/* With memory_mb=1 and 880,000 bytes of points: four strips of some 7,000 numbers. */
static const gpu_graph_spec several = {.bytes = GPU_BYTES_UNIFORM, .size = 8, .rows = 44000, .groups = 2400,
                                       .members = 20, .keep = 2, .seed = 4};

static vss_status ask(gpu_graph *g, const vss_device *device, vss_error *err)
{
    return gpu_graph_ask(g, device, &g->place, NULL, NULL, err);
}

/* Each call of the runtime fails once; the same place is asked again, and is right. */
static void test_each_call(void **state)
{
    (void)state;
    gpu_graph g;
    vss_error err;
    size_t failed = 0;
    gpu_graph_make(&g, &several);
    for (uint64_t nth = 1, calls = 1; nth <= calls + 1; nth++) {
        const vss_device *device = open_device("memory_mb=1");
        (void)vssg_host_fail(nth);
        vss_status status = ask(&g, device, &err);
        calls = vssg_host_fail(0);
        assert_int_equal(status == VSS_OK, nth > calls);
        if (status != VSS_OK) {
            assert_true(status == VSS_ERR_DEVICE || status == VSS_ERR_NO_MEMORY);
            expect_line(&err, status, "a fault that was asked for");
            failed++;
        }
        assert_int_equal(ask(&g, device, &err), VSS_OK);
        device->forget(device->state, g.place);
        g.place = NULL;
        close_device(device);
    }
    printf("%zu failures\n", failed);
    assert_true(failed > 30);
    gpu_graph_free(&g);
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
        {32776, 1, 1, 0, 0, 1, "points of 32776 bytes"},
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

typedef struct patience {
    size_t asked, most;
} patience;

static int patience_stopped(void *state)
{
    patience *p = state;
    return ++p->asked > p->most;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call), cmocka_unit_test(test_budget), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
