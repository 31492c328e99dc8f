/*
 * test_gpu_nearest.c - the nearest centers that libvss_gpu finds, and what it adds up of each center's points, are a
 * plain loop's: on the host's form of its kernels, and, with VSS_GPU_REAL, on a GPU
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gpu_case.h"
#include "gpu_open.h"
#include "gpu_points.h"
#include "tier.h"

/* Every combination of answers in `wanted` calls with one place. Returns how often float32 decided. */
static size_t run_points(const vss_device *device, const gpu_point_spec *spec, bool every)
{
    gpu_points p;
    vss_error err;
    gpu_points_make(&p, spec);
    for (int wanted = every ? 0 : GPU_WANTED - 1; wanted < GPU_WANTED; wanted++)
        if (gpu_points_ask(&p, device, &p.place, wanted, NULL, NULL, &err) != VSS_OK)
            fail_msg("%s", err.message);
    device->forget(device->state, p.place);
    size_t rounded = p.rounded;
    gpu_points_free(&p);
    return rounded;
}

static void test_shapes(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4, 8, 24, 128, 900, 1024, 1028, 4096}, centers[] = {1, 2, 33, 300, 5000};
    const vss_device *device = open_device(GPU_OPTIONS ",tile_kb=64");
    for (uint32_t i = 0; i < 8; i++)
        for (uint32_t j = 0; j < 5; j++) {
            /* A million products of components, so that none takes long. */
            size_t rows = (size_t)(tier_brief() ? 1000000 : 4000000) / (sizes[i] * centers[j]);
            gpu_point_spec spec = {.bytes = (gpu_bytes)((i + j) % GPU_BYTES), .size = sizes[i], .centers = centers[j],
                                   .rows = rows > 700 ? 700 : rows + 1, .seed = i * 10 + j};
            gpu_order(i + j);
            (void)run_points(device, &spec, j < 3);
        }
    vssg_close(device);
}

static void test_random(void **state)
{
    (void)state;
    static const char *const options[] = {GPU_OPTIONS, GPU_OPTIONS ",tile_kb=0", GPU_OPTIONS ",tile_kb=9",
                                          GPU_OPTIONS ",memory_mb=1"};
    uint64_t random = 11;
    for (size_t i = 0; i < tier_count(20, 120, 2000); i++) {
        const vss_device *device = open_device(options[i % 4]);
        gpu_point_spec spec = {.bytes = (gpu_bytes)(gpu_random(&random) % GPU_BYTES),
                               .size = (uint32_t)(4 + gpu_random(&random) % 30 * 4),
                               .centers = (uint32_t)(1 + gpu_random(&random) % (i % 3 == 0 ? 400 : 20)),
                               .rows = 1 + gpu_random(&random) % 500, .seed = i};
        gpu_order((uint32_t)(gpu_random(&random) % 128));
        (void)run_points(device, &spec, true);
        vssg_close(device);
    }
}

/* Each kind of bytes where a point takes one part, two and all there can be. */
static void test_bytes(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {64, 1024, 1100, 32832};
    const vss_device *device = open_device(GPU_OPTIONS ",tile_kb=300");
    size_t rounded = 0;
    for (uint32_t i = 0; i < 4; i++)
        for (int bytes = 0; bytes < GPU_BYTES; bytes++) {
            gpu_point_spec spec = {.bytes = (gpu_bytes)bytes, .size = sizes[i], .centers = 21, .rows = i == 3 ? 7 : 90,
                                   .seed = i};
            size_t was = run_points(device, &spec, false);
            rounded += was;
            if (bytes == GPU_BYTES_APART && sizes[i] >= 1024)
                assert_true(was > 0);
        }
    assert_true(rounded > 50);
    vssg_close(device);
}

/* More centers than a tile takes, and as many, and one more; a strip's points, and one more. */
static void test_tiles(void **state)
{
    (void)state;
    static const uint32_t centers[] = {2047, 2048, 2049, 4097};
    const vss_device *device = open_device(GPU_OPTIONS ",tile_kb=20");
    for (uint32_t i = 0; i < 4; i++)
        for (size_t rows = 15; rows <= 17; rows++) { /* 2 points a tile, 8 tiles a strip */
            gpu_point_spec spec = {.bytes = GPU_BYTES_FEW, .size = 8, .centers = centers[i], .rows = rows, .seed = i};
            gpu_order(i);
            (void)run_points(device, &spec, true);
        }
    vssg_close(device);
}

/* One place, other centers: the points stay as they are. */
static void test_again(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    void *place = NULL;
    vss_error err;
    gpu_points first = {0};
    for (uint32_t round = 0; round < 4; round++) {
        gpu_point_spec spec = {.bytes = GPU_BYTES_UNIFORM, .size = 20, .centers = 5 + 90 * round, .rows = 3000,
                               .seed = 3};
        gpu_points p;
        gpu_points_make(&p, &spec); /* the same points: they are made first */
        if (round == 0)
            first = p;
        assert_memory_equal(p.codes, first.codes, spec.rows * spec.size);
        assert_int_equal(gpu_points_ask(&p, device, &place, GPU_WANTED - 1, NULL, NULL, &err), VSS_OK);
        if (round > 0)
            gpu_points_free(&p);
    }
    device->forget(device->state, place);
    gpu_points_free(&first);
    vssg_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_random), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_tiles),  cmocka_unit_test(test_again),
    };
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
