/*
 * test_gpu_nearest_faults.c - whatever of the runtime fails while points are compared with centers, libvss_gpu says so
 * in one line, leaks nothing and works on; points keep to the budget beside rows; what is not taken; cancels
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_case.h"
#include "gpu_open.h"
#include "gpu_patience.h"
#include "gpu_points.h"

static vss_status ask(gpu_points *p, const vss_device *device, vss_error *err)
{
    return gpu_points_ask(p, device, &p->place, GPU_WANTED - 1, NULL, NULL, err);
}

/* Each call of the runtime fails once; the same place is asked again, and is right. */
static void test_each_call(void **state)
{
    (void)state;
    const gpu_point_spec spec = {.bytes = GPU_BYTES_UNIFORM, .size = 1028, .centers = 9, .rows = 300, .seed = 4};
    gpu_points p;
    vss_error err;
    size_t failed = 0;
    gpu_points_make(&p, &spec);
    for (uint64_t nth = 1, calls = 1; nth <= calls + 1; nth++) {
        /* Pieces of 127, tiles of 8, strips of 64 points. */
        const vss_device *device = open_device("memory_mb=1,tile_kb=1");
        (void)vssg_host_fail(nth);
        vss_status status = ask(&p, device, &err);
        calls = vssg_host_fail(0);
        assert_int_equal(status == VSS_OK, nth > calls);
        if (status != VSS_OK) {
            assert_true(status == VSS_ERR_DEVICE || status == VSS_ERR_NO_MEMORY);
            expect_line(&err, status, "a fault that was asked for");
            failed++;
        }
        assert_int_equal(ask(&p, device, &err), VSS_OK);
        device->forget(device->state, p.place);
        p.place = NULL;
        close_device(device);
    }
    printf("%zu failures\n", failed);
    assert_true(failed > 30);
    gpu_points_free(&p);
}

/* Points and rows in turn, and room for one of them: each is right, and drops the other. */
static void test_eviction(void **state)
{
    (void)state;
    const vss_device *device = open_device("memory_mb=2,tile_kb=64");
    const gpu_point_spec points = {.bytes = GPU_BYTES_FEW, .size = 128, .centers = 3, .rows = 4000, .seed = 1};
    gpu_spec rows = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_IP, .dim = 48, .k = 3, .width = 8, .rows = 4000,
                     .queries = 2, .allow = -1};
    gpu_points p;
    gpu_case c;
    vss_error err;
    gpu_points_make(&p, &points);
    gpu_case_make(&c, &rows);
    for (size_t turn = 0; turn < 8; turn++) {
        uint64_t calls[2];
        for (size_t i = 0; i < 2; i++) {
            (void)vssg_host_fail(0);
            if (ask(&p, device, &err) != VSS_OK)
                fail_msg("%s", err.message);
            calls[i] = vssg_host_fail(0);
        }
        assert_true(calls[1] < calls[0]); /* they were loaded, and have stayed */
        if (gpu_case_search(&c, device, &err) != VSS_OK)
            fail_msg("%s", err.message);
        assert_int_equal(gpu_case_check(&c), 0);
        /* Pinned memory is not the card's. */
        assert_true(vssg_host_used() <= ((size_t)2 << 20) + 3 * ((size_t)8 << 20));
    }
    device->forget(device->state, p.place);
    device->forget(device->state, c.place);
    gpu_points_free(&p);
    gpu_case_free(&c);
    close_device(device);
}

static void test_budget(void **state)
{
    (void)state;
    const gpu_point_spec spec = {.bytes = GPU_BYTES_UNIFORM, .size = 100, .centers = 2, .rows = 6000};
    gpu_points p;
    vss_error err;
    const vss_device *device = open_device("memory_mb=1");
    gpu_points_make(&p, &spec);
    assert_int_equal(ask(&p, device, &err), VSS_ERR_BUDGET);
    expect_line(&err, VSS_ERR_BUDGET, "6000 points of 100 bytes: ");
    expect_line(&err, VSS_ERR_BUDGET, "of 1048576 are in use");
    close_device(device);
    /* The budget allows what the card has not. */
    vssg_host_memory((size_t)1 << 20);
    device = open_device("memory_mb=100");
    p.place = NULL;
    assert_int_equal(ask(&p, device, &err), VSS_ERR_NO_MEMORY);
    expect_line(&err, VSS_ERR_NO_MEMORY, "allocate: out of memory");
    close_device(device);
    vssg_host_memory((size_t)8 << 30);
    gpu_points_free(&p);
}

/* What is not taken is said before anything is done. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t size, centers;
        uint64_t rows;
        bool sums;
        const char *line;
    } bad[] = {
        {0, 1, 1, false, "points of 0 bytes"},
        {6, 1, 1, false, "points of 6 bytes"},
        {32836, 1, 1, false, "points of 32836 bytes"},
        {4, 0, 1, false, "no centers"},
        {4, 1, 0, false, "0 points, wanted 1"},
        {4, 1, UINT64_C(0xfffffff1), false, "4294967281 points"},
        {4, 1, (1 << 24) + 1, true, "wanted 1 to 16777216"},
    };
    const vss_device *device = open_device("");
    const uint8_t codes[8] = {0};
    (void)vssg_host_fail(0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *place = NULL;
        uint32_t sums[4];
        uint64_t inertias[1];
        vss_error err = {0};
        const vss_device_points points = {sizeof points, bad[i].size, bad[i].rows, codes};
        vss_device_nearest n = {.struct_size = sizeof n, .n_centers = bad[i].centers, .centers = codes};
        if (bad[i].sums) {
            n.counts = n.sums = n.farthest = sums;
            n.inertias = inertias;
        }
        assert_int_equal(device->nearest(device->state, &place, &points, &n, &err), VSS_ERR_UNSUPPORTED);
        expect_line(&err, VSS_ERR_UNSUPPORTED, bad[i].line);
        assert_null(place);
    }
    assert_int_equal(vssg_host_fail(0), 0);
    close_device(device);
}

/* Points that leave little of the budget: tiles are as small as that. */
static void test_full(void **state)
{
    (void)state;
    static const struct {
        uint32_t size, rows, centers;
    } full[] = {{128, 3850, 3}, {128, 3200, 300}, {4, 51000, 40}, {4096, 120, 2}};
    for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
        const gpu_point_spec spec = {.bytes = GPU_BYTES_UNIFORM, .size = full[i].size, .rows = full[i].rows,
                                     .centers = full[i].centers, .seed = i};
        const vss_device *device = open_device("memory_mb=1");
        gpu_points p;
        vss_error err;
        gpu_points_make(&p, &spec);
        if (gpu_points_ask(&p, device, &p.place, GPU_WHERE | GPU_FAR, NULL, NULL, &err) != VSS_OK)
            fail_msg("%s", err.message);
        device->forget(device->state, p.place);
        gpu_points_free(&p);
        close_device(device);
    }
}

/* Cancelled at each point where the caller is asked; the next call is right. */
static void test_cancel(void **state)
{
    (void)state;
    const gpu_point_spec spec = {.bytes = GPU_BYTES_UNIFORM, .size = 12, .centers = 8, .rows = 1500};
    gpu_points p;
    vss_error err;
    patience left = {0, 0};
    vss_status status;
    const vss_device *device = open_device("tile_kb=1"); /* 32 points a tile */
    gpu_points_make(&p, &spec);
    while ((status = gpu_points_ask(&p, device, &p.place, GPU_WANTED - 1, patience_stopped, &left, &err)) ==
           VSS_ERR_CANCELLED) {
        expect_line(&err, VSS_ERR_CANCELLED, "cancelled");
        left = (patience){0, left.most + 1};
    }
    assert_int_equal(status, VSS_OK);
    assert_int_equal(left.most, 7); /* at first, and every 256 points */
    device->forget(device->state, p.place);
    gpu_points_free(&p);
    close_device(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call), cmocka_unit_test(test_eviction), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_cancel),   cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
