/*
 * test_gpu_threads.c - several threads on one device: some with the same rows or points, more than calls may run, and
 * with less memory than all rows and points want; also under TSan
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gpu_graph.h"
#include "gpu_walks.h"
#include "gpu_lists.h"
#include "gpu_open.h"
#include "gpu_points.h"
#include "tier.h"

enum { THREADS = 7, SEGMENTS = 4 };

typedef struct work {
    const vss_device *device;
    gpu_case *segments;
    gpu_walks *walks;
    gpu_points *points;
    gpu_graph *graphs;
    void **places, **point_places, **graph_places;
    size_t turns, searched, refused, wrong;
    uint64_t random;
} work;

static void work_count(work *w, vss_status status)
{
    w->searched += status == VSS_OK;
    w->refused += status == VSS_ERR_BUDGET;
    w->wrong += status != VSS_OK && status != VSS_ERR_BUDGET;
}

static void work_points(work *w)
{
    size_t at = gpu_random(&w->random) % SEGMENTS;
    vss_error err;
    work_count(w, gpu_points_ask(&w->points[at], w->device, &w->point_places[at], GPU_WANTED - 1, NULL, NULL, &err));
}

static void work_graph(work *w)
{
    size_t at = gpu_random(&w->random) % SEGMENTS;
    vss_error err;
    work_count(w, gpu_graph_ask(&w->graphs[at], w->device, &w->graph_places[at], NULL, NULL, &err));
}

static void *work_run(void *state)
{
    work *w = state;
    for (size_t i = 0; i < w->turns; i++) {
        uint64_t kind = gpu_random(&w->random) % 4;
        if (kind < 2) {
            (kind == 0 ? work_points : work_graph)(w);
            continue;
        }
        size_t at = gpu_random(&w->random) % SEGMENTS;
        gpu_case mine = w->segments[at];
        vss_error err = {0};
        mine.hits.counts = malloc(mine.spec.queries * sizeof(uint32_t));
        mine.hits.rows = malloc(mine.spec.queries * mine.spec.width * sizeof(uint32_t));
        mine.hits.values = malloc(mine.spec.queries * mine.spec.width * sizeof(float));
        mine.hits.scored = malloc(mine.spec.queries * sizeof(uint32_t));
        if (mine.hits.scored == NULL || mine.hits.counts == NULL || mine.hits.rows == NULL || mine.hits.values == NULL)
            abort();
        vss_status status =
            w->device->search(w->device->state, &w->places[at], &mine.vectors, &mine.search, &mine.hits, &err);
        if (status == VSS_OK && mine.search.graph != NULL)
            gpu_walks_check(&w->walks[at], &mine);
        else if (status == VSS_OK)
            w->wrong += gpu_case_check(&mine);
        work_count(w, status);
        free(mine.hits.counts);
        free(mine.hits.rows);
        free(mine.hits.values);
        free(mine.hits.scored);
    }
    return NULL;
}

/* Searches and comparisons that all threads made. */
static size_t run_threads(const char *options, size_t turns, bool roomy)
{
    gpu_case segments[SEGMENTS];
    gpu_lists lists[SEGMENTS];
    gpu_walks walks[SEGMENTS];
    gpu_points points[SEGMENTS];
    gpu_graph graphs[SEGMENTS];
    void *places[SEGMENTS] = {NULL}, *lists_places[SEGMENTS] = {NULL}, *point_places[SEGMENTS] = {NULL};
    void *graph_places[SEGMENTS] = {NULL};
    work works[THREADS];
    pthread_t threads[THREADS];
    const vss_device *device;
    vss_error err = {0};
    size_t searched = 0;
    assert_int_equal(vssg_open(options, &device, &err), VSS_OK);
    for (size_t i = 0; i < SEGMENTS; i++) {
        gpu_spec spec = {.type = i % 2 == 0 ? VSS_TYPE_VECTOR_F32 : VSS_TYPE_VECTOR_U8, .metric = VSS_METRIC_L2,
                         .dim = 16, .k = 5, .width = 40, .rows = 2000, .queries = i < 2 ? 3 : 10, .allow = -1,
                         .seed = i};
        gpu_case_make(&segments[i], &spec);
        lists[i] = (gpu_lists){.begins = NULL};
        if (i % 3 == 2)
            gpu_lists_make(&lists[i], &segments[i], 20, 5, true);
        segments[i].search.lists_place = &lists_places[i];
        walks[i] = (gpu_walks){.place = NULL};
        if (i == 3)
            gpu_walks_make(&walks[i], &segments[i],
                           &(gpu_walks_spec){.stride = 16, .pool = 20, .entries = 20, .groups = 4, .code_size = 20,
                                             .coding = VSS_DEVICE_CODING_NIBBLES});
        gpu_points_make(&points[i], &(gpu_point_spec){.size = 64, .centers = 9, .rows = 3000, .seed = i});
        gpu_graph_make(&graphs[i], &(gpu_graph_spec){.size = 64, .rows = 3000, .groups = 9, .members = 60,
                                                     .pivots = i % 2 * 20, .keep = 6, .seed = i});
    }
    for (size_t i = 0; i < THREADS; i++) {
        works[i] = (work){.device = device, .segments = segments, .walks = walks, .points = points, .places = places,
                          .point_places = point_places, .graphs = graphs, .graph_places = graph_places,
                          .turns = turns, .random = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work_run, &works[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(works[i].wrong, 0);
        if (roomy)
            assert_int_equal(works[i].refused, 0);
        searched += works[i].searched;
    }
    for (size_t i = 0; i < SEGMENTS; i++) {
        gpu_lists_free(&lists[i], &segments[i], device);
        gpu_walks_free(&walks[i], &segments[i], device);
        device->forget(device->state, places[i]);
        device->forget(device->state, lists_places[i]);
        device->forget(device->state, point_places[i]);
        device->forget(device->state, graph_places[i]);
        gpu_case_free(&segments[i]);
        gpu_points_free(&points[i]);
        gpu_graph_free(&graphs[i]);
    }
    vssg_close(device);
    return searched;
}

static void test_roomy(void **state)
{
    (void)state;
    size_t turns = tier_count(4, 15, 100);
    assert_int_equal(run_threads(GPU_OPTIONS, turns, true), THREADS * turns);
}

/* Room for few: some are refused, none is wrong. */
static void test_tight(void **state)
{
    (void)state;
    assert_true(run_threads(GPU_OPTIONS ",memory_mb=3,tile_kb=40", tier_count(4, 15, 100), false) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_roomy), cmocka_unit_test(test_tight)};
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
