/*
 * test_gpu_graph.c - the near points of groups that libvss_gpu finds, and the links that it prunes rows to, are a plain
 * loop's: on the host's form of its kernels, and, with VSS_GPU_REAL, on a GPU
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gpu_case.h"
#include "gpu_graph.h"
#include "gpu_open.h"
#include "tier.h"

/* Returns how many answers a tie decided. */
static size_t run_graph(const vss_device *device, const gpu_graph_spec *spec)
{
    gpu_graph g;
    vss_error err;
    gpu_graph_make(&g, spec);
    if (gpu_graph_ask(&g, device, &g.place, NULL, NULL, &err) != VSS_OK)
        fail_msg("%s", err.message);
    device->forget(device->state, g.place);
    size_t tied = g.tied;
    gpu_graph_free(&g);
    return tied;
}

/* Sizes around those of the forms (256, 512 and 1,024 are met) and of their queries, alone and with pivots. */
static void test_sizes(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 7, 8, 9, 16, 17, 32, 33, 255, 256, 257, 511, 512, 513, 700, 1023, 1024};
    const vss_device *device = open_device(GPU_OPTIONS);
    const size_t step = tier_count(3, 1, 1);
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i += (uint32_t)step) {
        gpu_graph_spec spec = {.bytes = (gpu_bytes)(i % GPU_BYTES), .size = 4 + i % 3 * 20, .rows = 900, .groups = 2,
                               .members = sizes[i], .keep = 1 + i * 7 % VSS_DEVICE_KEEP, .full = true, .seed = i};
        gpu_order(i);
        (void)run_graph(device, &spec);
        spec.pivots = sizes[i];
        spec.members = 40;
        (void)run_graph(device, &spec);
    }
    vssg_close(device);
}

/* Bytes of a point: around a piece, a tile of each form, and the most there can be. */
static void test_bytes(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4, 12, 16, 20, 32, 36, 64, 68, 128, 132, 900, 1028, 32832};
    static const uint32_t members[] = {60, 300, 600};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint32_t form = 0; form < 3; form += tier_brief() ? 2 : 1) {
            const uint32_t few = sizes[i] > 900 ? 8 : 1;
            gpu_graph_spec spec = {.bytes = (gpu_bytes)((i + form) % GPU_BYTES), .size = sizes[i], .rows = 200,
                                   .groups = 1, .members = few == 1 ? members[form] : 9, .keep = 8, .full = true,
                                   .seed = i, .pivots = few == 1 ? 0 : members[form] / 20};
            (void)run_graph(device, &spec);
        }
    vssg_close(device);
}

/* Points whose distances differ by less than a key tells, equal points, and equal distances. */
static void test_ties(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    for (uint32_t i = 0; i < 3; i++)
        for (int bytes = 0; bytes < GPU_BYTES; bytes++) {
            gpu_graph_spec spec = {.bytes = (gpu_bytes)bytes, .size = 100, .rows = 500, .groups = 2,
                                   .members = 200 + 200 * i, .keep = VSS_DEVICE_KEEP, .full = true, .seed = i};
            gpu_order(i * 9);
            size_t tied = run_graph(device, &spec);
            assert_true(tied > 1000);
        }
    vssg_close(device);
}

/* Groups of all sizes, empty ones among them, in strips of a few and of many; one place again and again. */
static void test_random(void **state)
{
    (void)state;
    static const char *const options[] = {GPU_OPTIONS, GPU_OPTIONS ",memory_mb=1"};
    uint64_t random = 5;
    for (size_t i = 0; i < tier_count(20, 120, 2000); i++) {
        const vss_device *device = open_device(options[i % 2]);
        gpu_graph_spec spec = {.bytes = (gpu_bytes)(gpu_random(&random) % GPU_BYTES),
                               .size = (uint32_t)(4 + gpu_random(&random) % 12 * 4),
                               .rows = (uint32_t)(1 + gpu_random(&random) % 3000),
                               .groups = gpu_random(&random) % 30,
                               .members = (uint32_t)(1 + gpu_random(&random) % (i % 5 == 0 ? 900 : 60)),
                               .pivots = (uint32_t)(gpu_random(&random) % (i % 3 == 0 ? 300 : 20) * (i % 2)),
                               .keep = (uint32_t)(1 + gpu_random(&random) % VSS_DEVICE_KEEP), .seed = i};
        gpu_order((uint32_t)(gpu_random(&random) % 128));
        (void)run_graph(device, &spec);
        vssg_close(device);
    }
}

/* More strips than go side by side. */
static void test_strips(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",memory_mb=1");
    for (uint32_t pivots = 0; pivots < 3; pivots += 2) {
        gpu_graph_spec spec = {.bytes = GPU_BYTES_UNIFORM, .size = 4, .rows = 44000,
                               .groups = tier_count(800, 2500, 9999), .members = 30,
                               .pivots = pivots, .keep = 2, .seed = 8};
        gpu_graph g;
        vss_error err;
        gpu_graph_make(&g, &spec);
        for (int again = 0; again < 2; again++)
            if (gpu_graph_ask(&g, device, &g.place, NULL, NULL, &err) != VSS_OK)
                fail_msg("%s", err.message);
        device->forget(device->state, g.place);
        gpu_graph_free(&g);
    }
    vssg_close(device);
}

/* Returns how many candidates links hide. */
static size_t run_rows(const vss_device *device, const gpu_rows_spec *spec)
{
    gpu_rows r;
    vss_error err;
    gpu_rows_make(&r, spec);
    if (gpu_rows_ask(&r, device, &r.place, NULL, NULL, &err) != VSS_OK)
        fail_msg("%s", err.message);
    device->forget(device->state, r.place);
    size_t hidden = r.hidden;
    gpu_rows_free(&r);
    return hidden;
}

/* Candidates around the sizes of the two forms, of what has keys, of turns; rows in all places of a block. */
static void test_candidates(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0,   1,   2,   31,  32,  33,   100,  128,  129,
                                     130, 255, 256, 257, 600, 1023, 1024, 1025, 1300};
    const vss_device *device = open_device(GPU_OPTIONS);
    size_t hidden = 0;
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint32_t repeats = 0; repeats < 100; repeats += tier_brief() ? 80 : 30) {
            gpu_rows_spec spec = {.bytes = (gpu_bytes)((i + repeats) % GPU_BYTES), .size = 4 + i % 4 * 12,
                                  .points = repeats == 30 ? 40 : 3000, .rows = 1 + i % 6, .candidates = sizes[i],
                                  .most = 1 + sizes[i] / 2, .degree = 1 + sizes[i] / 3, .factor = 1.21f,
                                  .repeats = repeats, .full = true, .seed = i};
            spec.most = spec.most > VSS_DEVICE_MET ? VSS_DEVICE_MET : spec.most;
            gpu_order(i);
            hidden += run_rows(device, &spec);
        }
    assert_true(hidden > 1000);
    vssg_close(device);
}

/* Bytes of a point, factors: all are links, those of a nearer link fall away, and in between. */
static void test_factors(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4, 16, 100, 128, 132, 900, 32832};
    static const float factors[] = {1, 1.21f, 3, INFINITY};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (uint32_t i = 0; i < 7; i++)
        for (uint32_t f = 0; f < 4; f++) {
            gpu_rows_spec spec = {.bytes = (gpu_bytes)((i + f) % GPU_BYTES), .size = sizes[i], .points = 60, .rows = 5,
                                  .candidates = i == 6 ? 7 : 90, .most = 20, .degree = 11 + f * 6,
                                  .factor = factors[f], .repeats = 10, .seed = i};
            size_t hidden = run_rows(device, &spec);
            assert_true(f < 3 || hidden == 0);
        }
    vssg_close(device);
}

static void test_random_rows(void **state)
{
    (void)state;
    static const char *const options[] = {GPU_OPTIONS, GPU_OPTIONS ",memory_mb=1"};
    uint64_t random = 9;
    for (size_t i = 0; i < tier_count(20, 150, 2000); i++) {
        const vss_device *device = open_device(options[i % 2]);
        gpu_rows_spec spec = {.bytes = (gpu_bytes)(gpu_random(&random) % GPU_BYTES),
                              .size = (uint32_t)(4 + gpu_random(&random) % 40 * 4),
                              .points = (uint32_t)(1 + gpu_random(&random) % 2000), .rows = gpu_random(&random) % 60,
                              .candidates = (uint32_t)(gpu_random(&random) % (i % 5 == 0 ? 1200 : 200)),
                              .most = (uint32_t)(1 + gpu_random(&random) % 90),
                              .degree = (uint32_t)(1 + gpu_random(&random) % 70),
                              .factor = i % 7 == 0 ? INFINITY : 1 + (float)(gpu_random(&random) % 100) / 100,
                              .repeats = (unsigned)(gpu_random(&random) % 50), .seed = i};
        gpu_order((uint32_t)(gpu_random(&random) % 128));
        (void)run_rows(device, &spec);
        vssg_close(device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_bytes),  cmocka_unit_test(test_ties),
        cmocka_unit_test(test_random), cmocka_unit_test(test_strips), cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_factors), cmocka_unit_test(test_random_rows),
    };
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
