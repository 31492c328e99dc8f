/*
 * test_gpu_walks.c - libvss_gpu's walks over a graph find what a plain walk finds, and of that the nearest to the bit:
 * on the host's form of its kernels, and, with VSS_GPU_REAL, on a GPU
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_walks.h"
#include "gpu_open.h"
#include "tier.h"

enum { POOL = 2048 }; /* at most */

typedef struct one_case {
    const vss_device *device;
    gpu_case c;
    gpu_walks g;
    vss_error err;
} one_case;

static void begin_case(one_case *o, const vss_device *device, const gpu_spec *spec, const gpu_walks_spec *graph)
{
    *o = (one_case){.device = device};
    gpu_case_make(&o->c, spec);
    gpu_walks_make(&o->g, &o->c, graph);
}

static void search_case(one_case *o)
{
    if (gpu_case_search(&o->c, o->device, &o->err) != VSS_OK)
        fail_msg("%s", o->err.message);
    gpu_walks_check(&o->g, &o->c);
}

static void end_case(one_case *o)
{
    gpu_walks_free(&o->g, &o->c, o->device);
    if (o->c.place != NULL)
        o->device->forget(o->device->state, o->c.place);
    gpu_case_free(&o->c);
}

static void run_case(const vss_device *device, const gpu_spec *spec, const gpu_walks_spec *graph)
{
    one_case o;
    begin_case(&o, device, spec, graph);
    search_case(&o);
    end_case(&o);
}

/* Each pair by its vectors, with and without a map; one query and many, filters. */
static void test_pairs(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    assert_int_equal(device->graphs, POOL);
    for (size_t i = 0; i < GPU_PAIRS; i++)
        for (uint32_t turn = 0; turn < 4; turn++) {
            gpu_spec spec = {.data = GPU_DATA_TIES, .dim = 17 + 40 * turn, .k = 6, .width = 700, .rows = 700,
                             .queries = turn == 0 ? 1 : 12, .allow = turn % 2 == 0 ? -1 : .6, .limits = turn == 2,
                             .seed = i * 10 + turn};
            gpu_walks_spec graph = {.stride = 16, .pool = 20 + 30 * turn, .entries = 40, .groups = 6,
                                    .mapped = turn >= 2};
            gpu_pair(i, &spec.type, &spec.metric);
            gpu_order((uint32_t)i + turn);
            run_case(device, &spec, &graph);
        }
    vssg_close(device);
}

/* Codes of either kind, of every size around a piece's and a row of eight threads'. */
static void test_codes(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 4, 8, 15, 16, 17, 32, 64, 127, 128, 129, 192, 960};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int nibbles = 0; nibbles < 2; nibbles++) {
            gpu_spec spec = {.type = VSS_TYPE_VECTOR_F16, .metric = VSS_METRIC_IP, .dim = 9, .k = 5, .width = 40,
                             .rows = 900, .queries = 9, .allow = i % 3 == 0 ? .5 : -1, .seed = i};
            gpu_walks_spec graph = {.stride = 32, .pool = 40, .entries = 50, .groups = 7, .mapped = i % 2 == 0,
                                    .coding = nibbles ? VSS_DEVICE_CODING_NIBBLES : VSS_DEVICE_CODING_BYTES,
                                    .code_size = sizes[i]};
            gpu_order((uint32_t)i * 2);
            run_case(device, &spec, &graph);
        }
    vssg_close(device);
}

/* Any graph; wild ones hold numbers that are no place's, row's or entry's. */
static void test_random(void **state)
{
    (void)state;
    static const uint32_t strides[] = {1, 2, 3, 16, 48, 64, 65, 256, 300, 700};
    const vss_device *device = open_device(GPU_OPTIONS ",memory_mb=64");
    uint64_t random = 21;
    for (size_t i = 0; i < tier_count(80, 400, 4000); i++) {
        gpu_spec spec = gpu_spec_draw(&random, 30, i);
        gpu_walks_spec graph = {.stride = strides[gpu_random(&random) % 10]};
        graph.wild = gpu_random(&random) % 2 == 0;
        graph.mapped = gpu_random(&random) % 2 == 0;
        graph.code_size = (uint32_t)(1 + gpu_random(&random) % 200);
        graph.coding = (vss_device_coding)(gpu_random(&random) % 3);
        graph.uncoded = gpu_random(&random) % 8 == 0;
        if (graph.coding == VSS_DEVICE_CODING_NONE)
            graph.code_size = 0;
        if (graph.coding == VSS_DEVICE_CODING_NONE || graph.uncoded)
            spec.data = GPU_DATA_TIES; /* whose float32 sums are exact */
        spec.k = spec.k > 200 ? 200 : spec.k;
        spec.width = spec.rows; /* ties have room */
        graph.pool = (uint32_t)(1 + gpu_random(&random) % (gpu_random(&random) % 4 == 0 ? POOL : 3 * spec.k));
        graph.entries = (uint32_t)(gpu_random(&random) % (gpu_random(&random) % 4 == 0 ? 600 : 30));
        graph.groups = (uint32_t)(gpu_random(&random) % (graph.entries + 1));
        gpu_order((uint32_t)(gpu_random(&random) % 128));
        run_case(device, &spec, &graph);
    }
    vssg_close(device);
}

/* What float32 sums leave open: other places may be found, but rows are rows, found once, with their values. */
static void test_floats(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < 9; i++)
        for (int data = 0; data < GPU_DATA_RANDOM; data++) {
            one_case o;
            gpu_spec spec = {.data = (gpu_data)data, .dim = 24, .k = 900, .width = 900, .rows = 900, .queries = 5,
                             .allow = -1, .seed = i * 10 + (size_t)data};
            gpu_walks_spec graph = {.stride = 64, .pool = 1000, .entries = 40, .groups = 6, .mapped = i % 2 == 0};
            gpu_pair(i, &spec.type, &spec.metric);
            begin_case(&o, device, &spec, &graph);
            search_case(&o); /* the pool has room for all rows: all are found, whatever their scores */
            end_case(&o);
        }
    vssg_close(device);
}

/* The same rows and values in whatever order threads and blocks run. */
static void test_orders(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_COSINE, .dim = 40, .k = 300, .width = 340,
                     .rows = 9000, .queries = 4, .allow = -1, .seed = 4};
    gpu_walks_spec graph = {.stride = 64, .pool = 300, .entries = 60, .groups = 8};
    one_case o;
    begin_case(&o, device, &spec, &graph);
    uint64_t sums[4] = {0};
    for (uint32_t order = 0; order < 12; order++) {
        gpu_order(order * 7);
        assert_int_equal(gpu_case_search(&o.c, device, &o.err), VSS_OK);
        for (size_t q = 0; q < 4; q++) {
            uint64_t sum = 0;
            assert_true(o.c.hits.counts[q] >= 300 && o.c.hits.counts[q] <= 340);
            for (size_t i = 0; i < o.c.hits.counts[q]; i++)
                sum += (uint64_t)(o.c.hits.rows[q * 340 + i] + 1) * (o.c.hits.rows[q * 340 + i] + 77);
            if (order == 0)
                sums[q] = sum;
            assert_int_equal(sum, sums[q]);
        }
    }
    end_case(&o);
    vssg_close(device);
}

/* One row, two; no links, no entries, no groups; pools of one row and of as many as there can be. */
static void test_edges(void **state)
{
    (void)state;
    static const uint32_t rows[] = {1, 2, 33, 257, 2100};
    static const uint32_t pools[] = {1, 2, 255, 256, 257, POOL};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 6; j++)
            for (uint32_t kind = 0; kind < 4; kind++) {
                gpu_spec spec = {.type = VSS_TYPE_VECTOR_I8, .metric = VSS_METRIC_L2, .dim = 5, .k = 1,
                                 .width = rows[i], .rows = rows[i], .queries = 3, .allow = -1, .seed = i};
                gpu_walks_spec graph = {.stride = kind == 0 ? 1 : 20, .pool = pools[j], .entries = kind == 1 ? 0 : 3,
                                        .groups = kind == 2 ? 0 : kind == 1 ? 0 : kind};
                graph.groups = graph.groups > 3 ? 3 : graph.groups;
                gpu_order(kind);
                run_case(device, &spec, &graph);
            }
    vssg_close(device);
}

/* A line that leads to the nearest row in the end: followed as far as a walk goes, given up beyond. */
static void test_line(void **state)
{
    (void)state;
    static const uint32_t rows[] = {3000, 4100, 4200, 9000};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < 4; i++) {
        one_case o;
        gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .data = GPU_DATA_TIES, .dim = 3, .k = 3,
                         .width = 64, .rows = rows[i], .queries = 1, .allow = -1, .seed = i};
        gpu_walks_spec graph = {.stride = 3, .pool = 4, .entries = 1, .groups = 1, .line = true,
                                .coding = VSS_DEVICE_CODING_BYTES, .code_size = 40};
        begin_case(&o, device, &spec, &graph);
        memset(o.g.query_codes, 255, 40);
        for (uint32_t at = 0; at < rows[i] * 40; at++) { /* the further along the line, the nearer */
            uint32_t left = at / 40 > at % 40 * 255 ? at / 40 - at % 40 * 255 : 0;
            o.g.codes[at] = (uint8_t)(left < 255 ? left : 255);
        }
        gpu_walks_run(&o.g, &o.c);
        search_case(&o);
        assert_int_equal(o.c.hits.counts[0] == VSS_DEVICE_UNSETTLED, rows[i] > 4112);
        end_case(&o);
    }
    vssg_close(device);
}

/* A map that leaves a row out sends every query to the CPU, until it is another. */
static void test_maps(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {500, 0x80000000, 0xffffffff, 7};
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_U8, .metric = VSS_METRIC_COSINE, .data = GPU_DATA_TIES, .dim = 20, .k = 6,
                     .width = 500, .rows = 500, .queries = 4, .allow = .8, .seed = 9};
    gpu_walks_spec graph = {.stride = 16, .pool = 60, .entries = 20, .groups = 4, .mapped = true};
    for (size_t i = 0; i < 4; i++) {
        one_case o;
        begin_case(&o, device, &spec, &graph);
        const uint32_t at = o.g.map[3] == 7 ? 4 : 3, row = o.g.map[at];
        o.g.map[at] = wrong[i];
        for (int turn = 0; turn < 2; turn++) {
            assert_int_equal(gpu_case_search(&o.c, device, &o.err), VSS_OK);
            for (size_t q = 0; q < spec.queries; q++)
                assert_true(o.c.hits.counts[q] == VSS_DEVICE_UNSETTLED && o.g.scored[q] == 0);
        }
        device->forget(device->state, o.g.place);
        o.g.place = NULL;
        o.g.map[at] = row;
        search_case(&o);
        end_case(&o);
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
                         .rows = 600, .queries = i == 0 ? 4500 : 300, .allow = .9, .limits = true, .seed = i};
        gpu_walks_spec graph = {.stride = 16, .pool = 20, .entries = 20, .groups = 4,
                                .coding = VSS_DEVICE_CODING_NIBBLES, .code_size = 8};
        run_case(device, &spec, &graph);
        vssg_close(device);
    }
}

/* No row is allowed: nothing is found, nothing compared. */
static void test_none_allowed(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_F32, .metric = VSS_METRIC_L2, .dim = 8, .k = 4, .width = 40, .rows = 300,
                     .queries = 3, .allow = 0};
    gpu_walks_spec graph = {.stride = 16, .pool = 20, .entries = 20, .groups = 4};
    one_case o;
    begin_case(&o, device, &spec, &graph);
    assert_int_equal(gpu_case_search(&o.c, device, &o.err), VSS_OK);
    for (size_t q = 0; q < 3; q++)
        assert_true(o.c.hits.counts[q] == 0 && o.g.scored[q] == 0);
    end_case(&o);
    vssg_close(device);
}

static void expect_unsupported(one_case *o, const char *part)
{
    assert_int_equal(gpu_case_search(&o->c, o->device, &o->err), VSS_ERR_UNSUPPORTED);
    assert_null(strchr(o->err.message, '\n'));
    if (strstr(o->err.message, part) == NULL)
        fail_msg("%s: does not say %s", o->err.message, part);
}

/* Graphs that are not walked: one line, and the next search is right. */
static void test_refused(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS);
    gpu_spec spec = {.type = VSS_TYPE_VECTOR_I8, .metric = VSS_METRIC_COSINE, .data = GPU_DATA_TIES, .dim = 10, .k = 6,
                     .width = 500, .rows = 500, .queries = 4, .allow = -1, .seed = 3};
    gpu_walks_spec graph = {.stride = 16, .pool = 30, .entries = 20, .groups = 4,
                            .coding = VSS_DEVICE_CODING_BYTES, .code_size = 8};
    one_case o;
    begin_case(&o, device, &spec, &graph);
    o.c.search.pool = POOL + 1;
    expect_unsupported(&o, "a walk that keeps 2049 rows in view, wanted 1 to 2048");
    o.c.search.pool = 0;
    expect_unsupported(&o, "keeps 0 rows");
    o.c.search.pool = 30;
    o.g.graph.stride = 0;
    expect_unsupported(&o, "stride 0");
    o.g.graph.stride = 65537;
    expect_unsupported(&o, "stride 65537, wanted 1 to 65536");
    o.g.graph.stride = 16;
    o.g.graph.n_groups = 21;
    expect_unsupported(&o, "21 groups of 20 entries");
    o.g.graph.n_groups = 4;
    o.g.graph.n_entries = 65537;
    expect_unsupported(&o, "4 groups of 65537 entries, wanted 65536 at most");
    o.g.graph.n_entries = 20;
    o.g.graph.coding = (vss_device_coding)3;
    expect_unsupported(&o, "codes of kind 3 and 8 bytes");
    o.g.graph.coding = VSS_DEVICE_CODING_BYTES;
    o.g.graph.code_size = 0;
    expect_unsupported(&o, "codes of kind 1 and 0 bytes");
    o.g.graph.code_size = 32833;
    expect_unsupported(&o, "and 32833 bytes, wanted up to 2 and 1 to 32832");
    o.g.graph.code_size = 8;
    search_case(&o);
    end_case(&o);
    vssg_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),  cmocka_unit_test(test_codes), cmocka_unit_test(test_random),
        cmocka_unit_test(test_floats), cmocka_unit_test(test_orders), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_line),   cmocka_unit_test(test_maps),  cmocka_unit_test(test_passes),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_none_allowed),
    };
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
