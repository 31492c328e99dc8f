/*
 * test_hnsw.c - the graph index: recall against a scan
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/hash.h"
#include "../support/graph.h"
#include "../support/tier.h"

typedef struct hnsw_case {
    size_t rows, dim;
    vss_metric metric;
    enum graph_kind kind;
    double recall;    /* at least, at ef 64 */
    unsigned allowed; /* of 100; 100: no filter */
    const char *text; /* parameters of the build */
    bool coded;       /* what comes of codes=auto */
} hnsw_case;

/* Share of the hits that are no farther than the true k-th. */
static double hnsw_recall(graph_data *all, const void *index, vssi_scratch *scratch, const hnsw_case *c)
{
    uint64_t state = 77, *allow = calloc(vssi_bitmap_words(c->rows), sizeof *allow);
    size_t n_allow = 0, good = 0, asked = 0, dim = c->dim, k = 10;
    float *query = malloc(dim * sizeof *query);
    vssi_hit truth[10], hits[10];
    for (size_t i = 0; i < c->rows; i++) {
        if (vssi_random_next(&state) % 100 < c->allowed) {
            vssi_bitmap_set(allow, i);
            n_allow++;
        }
    }
    all->query = query;
    for (size_t q = 0; q < 60; q++) {
        const float *near = all->data + (vssi_random_next(&state) % c->rows) * dim;
        for (size_t j = 0; j < dim; j++)
            query[j] = near[j] + 0.05f * graph_random(&state);
        const uint64_t *filter = c->allowed == 100 ? NULL : allow;
        size_t n = graph_ask(all, NULL, scratch, filter, n_allow, k, 0, truth);
        size_t got = graph_ask(all, index, scratch, filter, n_allow, k, 64, hits);
        for (size_t i = 0; i < got; i++) {
            assert_true(!filter || vssi_bitmap_get(allow, hits[i].row));
            good += hits[i].value <= truth[n - 1].value;
        }
        asked += n;
    }
    free(query);
    free(allow);
    return (double)good / (double)asked;
}

/* Recall of a graph of the case's rows built with the parameters of the text. */
static double hnsw_built_recall(const hnsw_case *c, const char *text)
{
    graph_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
    vss_error err;
    void *index;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    graph_make(&all, c->rows, c->dim, c->metric, c->kind);
    assert_int_equal(graph_build(&heap, &all.vectors, text, 1, NULL, &image, &err), VSS_OK);
    assert_int_equal(image.n_blocks, c->coded ? HNSW_BLOCKS_CODED : HNSW_BLOCKS_PLAIN);
    assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err), VSS_OK);
    assert_int_equal(vssi_hnsw_ops.validate(index, graph_print_fault, NULL), 0);
    double recall = hnsw_recall(&all, index, &scratch, c);
    vssi_hnsw_ops.free(index);
    vssi_image_free(&heap, &image);
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
    graph_release(&all);
    return recall;
}

static void test_recall(void **state)
{
    (void)state;
    static const hnsw_case cases[] = {
        {6000, 24, VSS_METRIC_L2, UNIFORM, 0.93, 100, NULL, true},
        {6000, 24, VSS_METRIC_L2, UNIFORM, 0.93, 100, "codes=none", false},
        {6000, 24, VSS_METRIC_L2, UNIFORM, 0.93, 100, "codes=f16", true},
        {6000, 24, VSS_METRIC_L2, UNIFORM, 0.90, 100, "codes=sq4", true},
        {6000, 24, VSS_METRIC_COSINE, UNIFORM, 0.93, 100, NULL, true},
        {6000, 24, VSS_METRIC_COSINE, UNIFORM, 0.93, 100, "codes=f16", true},
        {6000, 24, VSS_METRIC_COSINE, UNIFORM, 0.90, 100, "codes=sq4", true},
        {6000, 24, VSS_METRIC_IP, UNIFORM, 0.85, 100, NULL, true},
        {6000, 24, VSS_METRIC_IP, UNIFORM, 0.85, 100, "codes=none", false},
        {6000, 24, VSS_METRIC_IP, UNIFORM, 0.85, 100, "codes=f16", true},
        {6000, 24, VSS_METRIC_IP, UNIFORM, 0.82, 100, "codes=sq4", true},
        {700, 1, VSS_METRIC_L2, UNIFORM, 0.9, 100, "codes=f16", true},
        {700, 7, VSS_METRIC_L2, UNIFORM, 0.9, 100, "codes=sq4", true},
        {6000, 16, VSS_METRIC_L2, CLUSTERED, 0.95, 100, NULL, true},
        {6000, 16, VSS_METRIC_COSINE, CLUSTERED, 0.95, 100, NULL, true},
        {6000, 16, VSS_METRIC_L2, DUPLICATES, 0.95, 100, NULL, true},
        {10000, 16, VSS_METRIC_L2, EQUAL, 1.0, 100, NULL, true},
        {3000, 16, VSS_METRIC_L2, NEARLY_EQUAL, 0.9, 100, NULL, true},
        {3000, 16, VSS_METRIC_L2, NEARLY_EQUAL, 0.9, 100, "codes=f16", true},
        {3000, 16, VSS_METRIC_L2, NEARLY_EQUAL, 0.9, 100, "codes=sq4", true},
        {6000, 16, VSS_METRIC_L2, FAR_APART, 0.9, 100, NULL, false},
        {6000, 24, VSS_METRIC_L2, UNIFORM, 0.93, 20, NULL, true},
        {6000, 16, VSS_METRIC_L2, CLUSTERED, 0.9, 6, NULL, true},
        {1, 16, VSS_METRIC_L2, UNIFORM, 1.0, 100, NULL, true},
        {2, 16, VSS_METRIC_COSINE, UNIFORM, 1.0, 100, NULL, true},
        {30, 16, VSS_METRIC_IP, UNIFORM, 1.0, 100, NULL, true},
        {700, 1, VSS_METRIC_L2, UNIFORM, 0.9, 100, NULL, false},
        {700, 5, VSS_METRIC_IP, UNIFORM, 0.9, 100, "codes=sq8", true},
        {1300, 900, VSS_METRIC_L2, CLUSTERED, 0.95, 100, NULL, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const hnsw_case *c = &cases[i];
        char text[64];
        snprintf(text, sizeof text, "%s%sef_construction=%d", c->text != NULL ? c->text : "",
                 c->text != NULL ? "," : "", tier_brief() ? 100 : 400);
        double recall = hnsw_built_recall(c, text);
        print_message("%zu x %zu %s kind %d, %u %% allowed: recall %.3f\n", c->rows, c->dim, vss_metric_name(c->metric),
                      (int)c->kind, c->allowed, recall);
        assert_true(recall >= c->recall);
    }
}

/* Rounds beyond what a short row of links has room for add candidates, and lose none. */
static void test_many_rounds_of_few_links(void **state)
{
    (void)state;
    const hnsw_case c = {6000, 24, VSS_METRIC_L2, UNIFORM, 0, 100, NULL, true};
    double few = hnsw_built_recall(&c, "m=5,ef_construction=100");
    double many = hnsw_built_recall(&c, "m=5,ef_construction=700");
    print_message("recall %.3f, with more rounds %.3f\n", few, many);
    assert_true(many > few);
}

static void test_parameters_at_their_ends(void **state)
{
    (void)state;
    static const char *const texts[] = {"m=2,ef_construction=8", "m=512,ef_construction=8", "m=2,ef_construction=4096"};
    static const size_t rows[] = {0, 1, 5, 40, 900};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            graph_data all;
            vssi_heap heap;
            vssi_image image;
            vss_error err;
            void *index;
            vssi_heap_init(&heap, NULL, 0);
            graph_make(&all, rows[j], 9, VSS_METRIC_L2, CLUSTERED);
            assert_int_equal(graph_build(&heap, &all.vectors, texts[i], 2, NULL, &image, &err), VSS_OK);
            assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err),
                             VSS_OK);
            assert_int_equal(vssi_hnsw_ops.validate(index, graph_print_fault, NULL), 0);
            vssi_hnsw_ops.free(index);
            vssi_image_free(&heap, &image);
            assert_int_equal(heap.used, 0);
            graph_release(&all);
        }
    }
}

static int hnsw_cancel(void *state, const char *stage, uint64_t done, uint64_t total)
{
    size_t *left = state;
    assert_string_equal(stage, "graph");
    assert_true(done <= total);
    return (*left)-- == 0;
}

static void test_cancel_and_deadline(void **state)
{
    (void)state;
    graph_data all;
    vssi_heap heap;
    vssi_image image;
    vssi_control control;
    vss_error err;
    vssi_heap_init(&heap, NULL, 0);
    graph_make(&all, 8000, 12, VSS_METRIC_L2, UNIFORM);
    for (size_t calls = 0; calls < 2; calls++) {
        size_t left = calls;
        vssi_control_init(&control, 0, hnsw_cancel, &left);
        assert_int_equal(graph_build(&heap, &all.vectors, NULL, 2, &control, &image, &err), VSS_ERR_CANCELLED);
        assert_int_equal(image.n_blocks, 0);
        assert_int_equal(heap.used, 0);
        vssi_control_destroy(&control);
    }
    vssi_control_init(&control, 0, NULL, NULL);
    control.deadline_ns = 1;
    assert_int_equal(graph_build(&heap, &all.vectors, NULL, 1, &control, &image, &err), VSS_ERR_DEADLINE);
    assert_int_equal(heap.used, 0);
    vssi_control_destroy(&control);
    graph_release(&all);
}

/* A build fits in twice the index, with the vectors for what is not known to be codes yet, and in less with a
 * budget. */
static void test_memory(void **state)
{
    (void)state;
    static const struct {
        size_t rows, dim;
        vss_metric metric;
        const char *text;
    } cases[] = {{20000, 128, VSS_METRIC_L2, NULL},
                 {20000, 20, VSS_METRIC_L2, NULL},
                 {20000, 64, VSS_METRIC_COSINE, "m=16"},
                 {20000, 64, VSS_METRIC_IP, "ef_construction=500"},
                 {4000, 900, VSS_METRIC_L2, NULL}};
    const size_t n = sizeof cases / sizeof *cases; /* brief: fewer rows, but for the last they would be too few */
    for (size_t i = 0; i < tier_count(n - 1, n, n); i++) {
        graph_data all;
        vssi_heap heap;
        vssi_image image;
        vss_error err;
        uint64_t bytes = 0, room;
        graph_make(&all, cases[i].rows / tier_count(4, 1, 1), cases[i].dim, cases[i].metric, CLUSTERED);
        vssi_heap_init(&heap, NULL, 0);
        assert_int_equal(graph_build(&heap, &all.vectors, cases[i].text, 2, NULL, &image, &err), VSS_OK);
        for (size_t j = 0; j < image.n_blocks; j++)
            bytes += image.blocks[j].element * image.blocks[j].count;
        room = 2 * bytes + all.vectors.rows * all.vectors.row_size;
        print_message("%zu x %zu: index %zu KB, most in use %.2f times that\n", all.vectors.rows, cases[i].dim,
                      (size_t)bytes / 1000, (double)heap.peak / (double)bytes);
        assert_true(heap.peak <= room);
        vssi_image_free(&heap, &image);
        vssi_heap_init(&heap, NULL, room);
        assert_int_equal(graph_build(&heap, &all.vectors, cases[i].text, 2, NULL, &image, &err), VSS_OK);
        vssi_image_free(&heap, &image);
        vssi_heap_init(&heap, NULL, bytes);
        assert_int_equal(graph_build(&heap, &all.vectors, cases[i].text, 2, NULL, &image, &err), VSS_ERR_BUDGET);
        assert_int_equal(heap.used, 0);
        graph_release(&all);
    }
}

typedef struct hnsw_limit {
    size_t left;
} hnsw_limit;

static void *hnsw_limit_alloc(void *state, size_t size, size_t align)
{
    hnsw_limit *limit = state;
    return limit->left-- > 0 ? aligned_alloc(align, (size + align - 1) / align * align) : NULL;
}

static void hnsw_limit_release(void *state, void *block, size_t size, size_t align)
{
    (void)state;
    (void)size;
    (void)align;
    free(block);
}

/* Each allocation of a build fails once; nothing leaks. */
static void test_no_memory(void **state)
{
    (void)state;
    graph_data all;
    graph_make(&all, 900, 8, VSS_METRIC_L2, DUPLICATES);
    vss_status status = VSS_ERR_NO_MEMORY;
    size_t n = 0;
    for (; status != VSS_OK; n++) {
        hnsw_limit limit = {n};
        vss_allocator hook = {sizeof hook, &limit, hnsw_limit_alloc, hnsw_limit_release};
        vssi_heap heap;
        vssi_image image;
        vss_error err = {0};
        vssi_heap_init(&heap, &hook, 0);
        status = graph_build(&heap, &all.vectors, "m=4,ef_construction=64,codes=sq8", 1, NULL, &image, &err);
        assert_true(status == VSS_OK || status == VSS_ERR_NO_MEMORY);
        if (status == VSS_OK)
            vssi_image_free(&heap, &image);
        else
            assert_true(err.status == VSS_ERR_NO_MEMORY && image.n_blocks == 0);
        assert_int_equal(heap.used, 0);
    }
    assert_true(n > 10);
    graph_release(&all);
}

/* With the pool as large as the index the automatic rerank finds what a scan finds; a rerank of 1 still fills k. */
static void test_rerank(void **state)
{
    (void)state;
    static const vss_metric metrics[] = {VSS_METRIC_L2, VSS_METRIC_IP, VSS_METRIC_COSINE};
    for (size_t m = 0; m < 3; m++) {
        graph_data all;
        vssi_heap heap;
        vssi_scratch scratch;
        vssi_image image;
        vss_error err;
        void *index;
        vssi_hit truth[10], hits[10];
        vssi_heap_init(&heap, NULL, 0);
        vssi_scratch_init(&scratch, &heap);
        graph_make(&all, 2000, 16, metrics[m], CLUSTERED);
        assert_int_equal(graph_build(&heap, &all.vectors, "codes=sq8,ef_construction=100", 1, NULL, &image, &err),
                         VSS_OK);
        assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err), VSS_OK);
        for (size_t q = 0; q < 50; q++) {
            all.query = all.data + q * 37 * 16;
            assert_int_equal(graph_ask(&all, NULL, &scratch, NULL, 2000, 10, 0, truth), 10);
            assert_int_equal(graph_ask(&all, index, &scratch, NULL, 2000, 10, 2000, hits), 10);
            assert_memory_equal(truth, hits, sizeof hits);
            uint64_t params[HNSW_PARAMS] = {[HNSW_PARAM_EF] = 30, [HNSW_PARAM_RERANK] = 1};
            vssi_topk_source source = graph_source(&all);
            vssi_query query = {{all.query, 1}, NULL, 2000, params, NULL, 0, 0};
            vssi_topk topk;
            assert_int_equal(vssi_topk_init(&topk, &scratch, 7, 0.1, 1, &source, &err), VSS_OK);
            assert_int_equal(vssi_hnsw_ops.search(index, &all.vectors, &query, &scratch, &topk, &err), VSS_OK);
            assert_int_equal(vssi_topk_finish(&topk, &err), VSS_OK);
            assert_int_equal(topk.n_hits, 7);
        }
        vssi_hnsw_ops.free(index);
        vssi_image_free(&heap, &image);
        vssi_scratch_free(&scratch);
        assert_int_equal(heap.used, 0);
        graph_release(&all);
    }
}

/* Rows that an index has picked, of vectors that are no numbers until then. */
typedef struct hnsw_hidden {
    graph_data *all;
    const float *shown;
    size_t picked;
} hnsw_hidden;

static void hnsw_show(const vssi_vectors *v, const uint32_t *rows, size_t n)
{
    hnsw_hidden *hidden = v->owner;
    hidden->picked += n;
    for (size_t i = 0; i < n; i++)
        memcpy(hidden->all->data + rows[i] * v->dim, hidden->shown + rows[i] * v->dim, v->row_size);
}

/* A walk on codes reads the vectors of a few rows, which it picks first, also for a query somewhat outside the grid. */
static void test_few_vectors_are_read(void **state)
{
    (void)state;
    enum { ROWS = 3000, DIM = 24 };
    static const char *const texts[] = {"codes=sq8,ef_construction=100", "codes=f16,ef_construction=100",
                                        "codes=sq4,ef_construction=100"};
    for (size_t t = 0; t < 3; t++) {
        graph_data all;
        vssi_heap heap;
        vssi_scratch scratch;
        vssi_image image;
        vss_error err;
        vssi_hit truth[10], hits[10];
        float query[DIM];
        void *index;
        size_t good = 0;
        vssi_heap_init(&heap, NULL, 0);
        vssi_scratch_init(&scratch, &heap);
        graph_make(&all, ROWS, DIM, VSS_METRIC_L2, UNIFORM);
        assert_int_equal(graph_build(&heap, &all.vectors, texts[t], 1, NULL, &image, &err), VSS_OK);
        memcpy(query, all.data, sizeof query);
        query[0] = t == 2 ? 1.6f : 1.0f; /* rows are between -1 and 1 */
        all.query = query;
        assert_int_equal(graph_ask(&all, NULL, &scratch, NULL, ROWS, 10, 0, truth), 10);
        float *shown = malloc(ROWS * sizeof query);
        memcpy(shown, all.data, ROWS * sizeof query);
        memset(all.data, 0xff, ROWS * sizeof query);
        hnsw_hidden hidden = {&all, shown, 0};
        all.vectors.pick = hnsw_show;
        all.vectors.owner = &hidden;
        assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err), VSS_OK);
        assert_int_equal(graph_ask(&all, index, &scratch, NULL, ROWS, 10, 200, hits), 10);
        for (size_t i = 0; i < 10; i++)
            good += hits[i].value <= truth[9].value;
        assert_in_range(good, 8, 10);
        assert_in_range(hidden.picked, 10, 200);
        vssi_hnsw_ops.free(index);
        vssi_image_free(&heap, &image);
        vssi_scratch_free(&scratch);
        free(shown);
        graph_release(&all);
    }
}

/* The epoch of the visited marks wraps; an index of another size shares them. */
static void test_epoch_wraps(void **state)
{
    (void)state;
    graph_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
    vss_error err;
    vssi_hit first[10], hits[10];
    void *index;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    graph_make(&all, 300, 4, VSS_METRIC_L2, UNIFORM);
    all.query = all.data;
    assert_int_equal(graph_build(&heap, &all.vectors, "m=4", 1, NULL, &image, &err), VSS_OK);
    assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err), VSS_OK);
    size_t n = graph_ask(&all, index, &scratch, NULL, 300, 10, 20, first);
    scratch.epoch = 240;
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(graph_ask(&all, index, &scratch, NULL, 300, 10, 20, hits), n);
        assert_memory_equal(first, hits, n * sizeof *hits);
    }
    assert_in_range(scratch.epoch, 1, 100);
    vssi_hnsw_ops.free(index);
    vssi_image_free(&heap, &image);
    vssi_scratch_free(&scratch);
    graph_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_many_rounds_of_few_links),
        cmocka_unit_test(test_parameters_at_their_ends),
        cmocka_unit_test(test_cancel_and_deadline),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_rerank),
        cmocka_unit_test(test_few_vectors_are_read),
        cmocka_unit_test(test_epoch_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
