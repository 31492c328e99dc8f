/*
 * test_hnsw_open.c - graph indexes of hostile bytes: what opening refuses, and searches of what it doesn't
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/hash.h"
#include "../support/graph.h"

/* Graphs of random numbers: searches end, within bounds, and each row comes once; validate tells. */
static void test_hostile_graphs(void **state)
{
    (void)state;
    enum { ROWS = 500, STRIDE = 32, ENTRIES = 40, GROUPS = 7 };
    uint64_t seed = 3;
    graph_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vss_error err;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    graph_make(&all, ROWS, 8, VSS_METRIC_L2, UNIFORM);
    all.query = all.data;
    uint32_t *graph = malloc(ROWS * STRIDE * sizeof *graph), entries[ENTRIES], groups[GROUPS + 1] = {0};
    uint32_t header[HNSW_HEADER_WORDS] = {HNSW_FORMAT, ROWS, 8, 4, STRIDE, ENTRIES, 0, GROUPS};
    vssi_block blocks[] = {{HNSW_BLOCK_HEADER, 4, HNSW_HEADER_WORDS, header},
                           {HNSW_BLOCK_GRAPH, 4, ROWS * STRIDE, graph},
                           {HNSW_BLOCK_ENTRIES, 4, ENTRIES, entries},
                           {HNSW_BLOCK_GROUPS, 4, GROUPS + 1, groups}};
    for (size_t round = 0; round < 300; round++) {
        uint64_t range = round % 3 == 0 ? UINT32_MAX : round % 3 == 1 ? ROWS : 2 * ROWS;
        for (size_t i = 0; i < ROWS * STRIDE; i++)
            graph[i] = (uint32_t)(vssi_random_next(&seed) % range);
        for (size_t i = 0; i < ENTRIES; i++)
            entries[i] = (uint32_t)(vssi_random_next(&seed) % (round % 5 == 4 ? 3 : 2 * ROWS));
        for (size_t g = 0; g <= GROUPS; g++) /* empty ones among them */
            groups[g] = (uint32_t)vssi_min((g > 0 ? groups[g - 1] : 0) + vssi_random_next(&seed) % 8, ENTRIES - GROUPS);
        void *index;
        vssi_hit hits[ROWS];
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, 4, &all.vectors, &index, &err), VSS_OK);
        size_t n = graph_ask(&all, index, &scratch, NULL, ROWS, ROWS, round % 2 ? 16384 : 1, hits);
        bool seen[ROWS] = {false};
        for (size_t i = 0; i < n; i++) {
            assert_true(hits[i].row < ROWS && !seen[hits[i].row]);
            seen[hits[i].row] = true;
        }
        assert_true(vssi_hnsw_ops.validate(index, NULL, NULL) > 0);
        vssi_hnsw_ops.free(index);
    }
    free(graph);
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
    graph_release(&all);
}

static void test_open_refuses(void **state)
{
    (void)state;
    graph_data all;
    vssi_heap heap;
    vssi_image image;
    vss_error err;
    void *index;
    vssi_heap_init(&heap, NULL, 0);
    graph_make(&all, 100, 8, VSS_METRIC_L2, UNIFORM);
    assert_int_equal(graph_build(&heap, &all.vectors, NULL, 1, NULL, &image, &err), VSS_OK);
    uint32_t header[HNSW_HEADER_WORDS], right[HNSW_HEADER_WORDS];
    memcpy(right, image.blocks[0].data, sizeof right);
    vssi_block blocks[HNSW_BLOCKS_PLAIN];
    memcpy(blocks, image.blocks, sizeof blocks);
    blocks[0].data = header;
    static const uint32_t values[] = {0, 1, 2, 7, 15, 99, 101, 1024, 65536, 1u << 30, UINT32_MAX};
    for (size_t word = 0; word < HNSW_HEADER_WORDS; word++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            memcpy(header, right, sizeof right);
            header[word] = values[i];
            if (values[i] == right[word] || word == HNSW_HEADER_M)
                continue;
            vss_status status = vssi_hnsw_ops.open(&heap, blocks, HNSW_BLOCKS_PLAIN, &all.vectors, &index, &err);
            assert_true(status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT);
            assert_null(index);
        }
    }
    memcpy(header, right, sizeof right);
    for (size_t n = 0; n < HNSW_BLOCKS_PLAIN; n++)
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, n, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
    uint32_t groups[3] = {0, 1, right[HNSW_HEADER_ENTRIES]}; /* centres are no members */
    header[HNSW_HEADER_GROUPS] = 2;
    blocks[3].count = 3;
    blocks[3].data = groups;
    assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, HNSW_BLOCKS_PLAIN, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
    groups[2] = 0; /* before the group ahead of it */
    assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, HNSW_BLOCKS_PLAIN, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
    memcpy(header, right, sizeof right);
    memcpy(blocks, image.blocks, sizeof blocks);
    blocks[1].element = 2;
    assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, HNSW_BLOCKS_PLAIN, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
    vssi_image_free(&heap, &image);
    graph_release(&all);
}

/* Codes and model of random bytes: searches end, and each row comes once; shapes not the vectors' are refused. */
static void test_hostile_codes(void **state)
{
    (void)state;
    enum { ROWS = 300 };
    uint64_t seed = 5;
    graph_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
    vss_error err;
    void *index;
    vssi_hit hits[ROWS];
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    graph_make(&all, ROWS, 18, VSS_METRIC_L2, UNIFORM);
    all.query = all.data;
    assert_int_equal(graph_build(&heap, &all.vectors, NULL, 1, NULL, &image, &err), VSS_OK);
    assert_int_equal(image.n_blocks, HNSW_BLOCKS_CODED);
    for (size_t i = HNSW_BLOCKS_PLAIN; i < HNSW_BLOCKS_CODED; i++) {
        vssi_block blocks[HNSW_BLOCKS_CODED];
        memcpy(blocks, image.blocks, sizeof blocks);
        blocks[i].count++;
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, image.n_blocks, &all.vectors, &index, &err),
                         VSS_ERR_CORRUPT);
        blocks[i].count--;
        blocks[i].element *= 2;
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, image.n_blocks, &all.vectors, &index, &err),
                         VSS_ERR_CORRUPT);
        blocks[i].element /= 2;
        blocks[i].kind = 300;
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, image.n_blocks, &all.vectors, &index, &err),
                         VSS_ERR_CORRUPT);
    }
    vssi_sq8_model *model = (vssi_sq8_model *)(uintptr_t)image.blocks[4].data;
    double *low = (double *)(uintptr_t)image.blocks[5].data;
    uint8_t *codes = (uint8_t *)(uintptr_t)image.blocks[6].data;
    for (size_t round = 0; round < 60; round++) {
        static const double numbers[] = {0, 1e-300, 1, 1e300};
        for (size_t i = 0; i < (size_t)ROWS * model->size; i++)
            codes[i] = (uint8_t)vssi_random_next(&seed);
        for (size_t i = 0; i < model->width; i++)
            low[i] = round % 4 < 2 ? (round % 4 ? -HUGE_VAL : (double)NAN) : (double)graph_random(&seed) * 1e30;
        model->radius = numbers[round % 4];
        model->step = numbers[1 + round % 3];
        assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err), VSS_OK);
        size_t n = graph_ask(&all, index, &scratch, NULL, ROWS, 1 + round, round % 2 ? ROWS : 1, hits);
        bool seen[ROWS] = {false};
        for (size_t i = 0; i < n; i++) {
            assert_true(hits[i].row < ROWS && !seen[hits[i].row]);
            seen[hits[i].row] = true;
        }
        assert_true(vssi_hnsw_ops.validate(index, NULL, NULL) > 0);
        vssi_hnsw_ops.free(index);
    }
    vssi_image_free(&heap, &image);
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
    graph_release(&all);
}

/* A map of any numbers leads to rows of the segment, and is told. */
static void test_hostile_map(void **state)
{
    (void)state;
    enum { ROWS = 300 };
    uint64_t seed = 6;
    graph_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
    vss_error err;
    void *index;
    vssi_hit hits[ROWS];
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    graph_make(&all, ROWS, 18, VSS_METRIC_L2, UNIFORM);
    float far[18];
    for (size_t i = 0; i < 18; i++)
        far[i] = 1e6f;
    assert_int_equal(graph_build(&heap, &all.vectors, NULL, 1, NULL, &image, &err), VSS_OK);
    uint32_t *map = (uint32_t *)(uintptr_t)image.blocks[7].data;
    for (size_t round = 0; round < 40; round++) {
        for (size_t i = 0; i < ROWS; i++)
            map[i] = (uint32_t)(round % 2 ? vssi_random_next(&seed) : vssi_random_next(&seed) % ROWS);
        assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err), VSS_OK);
        all.query = round % 4 < 2 ? all.data : far; /* walked on codes, and on vectors */
        size_t n = graph_ask(&all, index, &scratch, NULL, ROWS, 10, ROWS, hits);
        for (size_t i = 0; i < n; i++)
            assert_true(hits[i].row < ROWS);
        assert_true(vssi_hnsw_ops.validate(index, NULL, NULL) > 0);
        vssi_hnsw_ops.free(index);
    }
    vssi_image_free(&heap, &image);
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
    graph_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_graphs),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_hostile_codes),
        cmocka_unit_test(test_hostile_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
