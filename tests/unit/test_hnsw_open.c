/*
 * test_hnsw_open.c - graph indexes of hostile bytes: what opening refuses, and searches of what it doesn't
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/hash.h"
#include "../support/graph.h"

enum { MOST_ROWS = 500 };

/* Vectors, and the blocks of an index of them, which tests damage. */
typedef struct fixture {
    graph_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
} fixture;

static void hostile_begin(fixture *f, size_t rows, size_t dim, bool build)
{
    vss_error err;
    *f = (fixture){0};
    vssi_heap_init(&f->heap, NULL, 0);
    vssi_scratch_init(&f->scratch, &f->heap);
    graph_make(&f->all, rows, dim, VSS_METRIC_L2, UNIFORM);
    f->all.query = f->all.data;
    if (build)
        assert_int_equal(graph_build(&f->heap, &f->all.vectors, NULL, 1, NULL, &f->image, &err), VSS_OK);
}

static void hostile_end(fixture *f)
{
    vssi_image_free(&f->heap, &f->image);
    vssi_scratch_free(&f->scratch);
    assert_int_equal(f->heap.used, 0);
    graph_release(&f->all);
}

/* The memory of a block, to write to. */
static void *hostile_block(const fixture *f, size_t i) { return (void *)(uintptr_t)f->image.blocks[i].data; }

static void hostile_refused(fixture *f, const vssi_block *blocks, size_t n_blocks)
{
    vss_error err;
    void *index;
    assert_int_equal(vssi_hnsw_ops.open(&f->heap, blocks, n_blocks, &f->all.vectors, &index, &err), VSS_ERR_CORRUPT);
    assert_null(index);
}

/* A search ends, within bounds; with `once` each row comes once. A full check tells. */
static void hostile_search(fixture *f, const vssi_block *blocks, size_t n_blocks, size_t k, uint64_t ef, bool once)
{
    const size_t rows = f->all.vectors.rows;
    bool seen[MOST_ROWS] = {false};
    vssi_hit hits[MOST_ROWS];
    vss_error err;
    void *index;
    assert_int_equal(vssi_hnsw_ops.open(&f->heap, blocks, n_blocks, &f->all.vectors, &index, &err), VSS_OK);
    size_t n = graph_ask(&f->all, index, &f->scratch, NULL, rows, k, ef, hits);
    for (size_t i = 0; i < n; i++) {
        assert_true(hits[i].row < rows && !(once && seen[hits[i].row]));
        seen[hits[i].row] = true;
    }
    assert_true(vssi_hnsw_ops.validate(index, NULL, NULL) > 0);
    vssi_hnsw_ops.free(index);
}

/* Graphs of random numbers. */
static void test_hostile_graphs(void **state)
{
    (void)state;
    enum { ROWS = MOST_ROWS, STRIDE = 32, ENTRIES = 40, GROUPS = 7 };
    uint64_t seed = 3;
    fixture f;
    hostile_begin(&f, ROWS, 8, false);
    uint32_t *graph = malloc(ROWS * STRIDE * sizeof *graph), entries[ENTRIES], groups[GROUPS + 1] = {0};
    uint32_t header[HNSW_HEADER_WORDS] = {HNSW_FORMAT, ROWS, 8, 4, STRIDE, ENTRIES, 0, GROUPS};
    const vssi_block blocks[] = {{HNSW_BLOCK_HEADER, 4, HNSW_HEADER_WORDS, header},
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
        hostile_search(&f, blocks, 4, ROWS, round % 2 ? 16384 : 1, true);
    }
    free(graph);
    hostile_end(&f);
}

/* Each word of the header, one at a time. */
static void test_open_refuses_headers(void **state)
{
    (void)state;
    static const uint32_t values[] = {0, 1, 2, 7, 15, 99, 101, 1024, 65536, 1u << 30, UINT32_MAX};
    uint32_t header[HNSW_HEADER_WORDS];
    vssi_block blocks[HNSW_BLOCKS_PLAIN];
    vss_error err;
    void *index;
    fixture f;
    hostile_begin(&f, 100, 8, true);
    const uint32_t *right = f.image.blocks[0].data;
    memcpy(blocks, f.image.blocks, sizeof blocks);
    blocks[0].data = header;
    for (size_t word = 0; word < HNSW_HEADER_WORDS; word++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            memcpy(header, right, sizeof header);
            header[word] = values[i];
            if (values[i] == right[word] || word == HNSW_HEADER_M)
                continue;
            vss_status status = vssi_hnsw_ops.open(&f.heap, blocks, HNSW_BLOCKS_PLAIN, &f.all.vectors, &index, &err);
            assert_true(status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT);
            assert_null(index);
        }
    }
    hostile_end(&f);
}

/* Blocks that are missing, groups of members that there are not, elements of another size. */
static void test_open_refuses_blocks(void **state)
{
    (void)state;
    uint32_t header[HNSW_HEADER_WORDS];
    vssi_block blocks[HNSW_BLOCKS_PLAIN];
    fixture f;
    hostile_begin(&f, 100, 8, true);
    memcpy(header, f.image.blocks[0].data, sizeof header);
    memcpy(blocks, f.image.blocks, sizeof blocks);
    for (size_t n = 0; n < HNSW_BLOCKS_PLAIN; n++)
        hostile_refused(&f, blocks, n);
    uint32_t groups[3] = {0, 1, header[HNSW_HEADER_ENTRIES]}; /* centres are no members */
    header[HNSW_HEADER_GROUPS] = 2;
    blocks[0].data = header;
    blocks[3].count = 3;
    blocks[3].data = groups;
    hostile_refused(&f, blocks, HNSW_BLOCKS_PLAIN);
    groups[2] = 0; /* before the group ahead of it */
    hostile_refused(&f, blocks, HNSW_BLOCKS_PLAIN);
    memcpy(blocks, f.image.blocks, sizeof blocks);
    blocks[1].element = 2;
    hostile_refused(&f, blocks, HNSW_BLOCKS_PLAIN);
    hostile_end(&f);
}

/* Codes and model of random bytes; shapes that are not the vectors' are refused. */
static void test_hostile_codes(void **state)
{
    (void)state;
    static const double numbers[] = {0, 1e-300, 1, 1e300};
    uint64_t seed = 5;
    fixture f;
    hostile_begin(&f, 300, 18, true);
    assert_int_equal(f.image.n_blocks, HNSW_BLOCKS_CODED);
    for (size_t i = HNSW_BLOCKS_PLAIN; i < HNSW_BLOCKS_CODED; i++) {
        vssi_block blocks[HNSW_BLOCKS_CODED];
        memcpy(blocks, f.image.blocks, sizeof blocks);
        blocks[i].count++;
        hostile_refused(&f, blocks, HNSW_BLOCKS_CODED);
        blocks[i].count--;
        blocks[i].element *= 2;
        hostile_refused(&f, blocks, HNSW_BLOCKS_CODED);
        blocks[i].element /= 2;
        blocks[i].kind = 300;
        hostile_refused(&f, blocks, HNSW_BLOCKS_CODED);
    }
    vssi_sq8_model *model = hostile_block(&f, 4);
    double *low = hostile_block(&f, 5);
    uint8_t *codes = hostile_block(&f, 6);
    for (size_t round = 0; round < 60; round++) {
        for (size_t i = 0; i < f.all.vectors.rows * model->size; i++)
            codes[i] = (uint8_t)vssi_random_next(&seed);
        for (size_t i = 0; i < model->width; i++)
            low[i] = round % 4 < 2 ? (round % 4 ? -HUGE_VAL : (double)NAN) : (double)graph_random(&seed) * 1e30;
        model->radius = numbers[round % 4];
        model->step = numbers[1 + round % 3];
        hostile_search(&f, f.image.blocks, f.image.n_blocks, 1 + round, round % 2 ? 300 : 1, true);
    }
    hostile_end(&f);
}

/* A map of any numbers leads to rows of the segment, walked on codes and on vectors. */
static void test_hostile_map(void **state)
{
    (void)state;
    uint64_t seed = 6;
    float far[18];
    fixture f;
    hostile_begin(&f, 300, 18, true);
    for (size_t i = 0; i < 18; i++)
        far[i] = 1e6f;
    uint32_t *map = hostile_block(&f, 7);
    for (size_t round = 0; round < 40; round++) {
        for (size_t i = 0; i < f.all.vectors.rows; i++)
            map[i] = (uint32_t)(round % 2 ? vssi_random_next(&seed) : vssi_random_next(&seed) % f.all.vectors.rows);
        f.all.query = round % 4 < 2 ? f.all.data : far;
        hostile_search(&f, f.image.blocks, f.image.n_blocks, 10, 300, false);
    }
    hostile_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_graphs),      cmocka_unit_test(test_open_refuses_headers),
        cmocka_unit_test(test_open_refuses_blocks), cmocka_unit_test(test_hostile_codes),
        cmocka_unit_test(test_hostile_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
