/*
 * test_hnsw.c - the graph index: recall against a scan, equal bytes on any number of threads, hostile graphs
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../index/hnsw/hnsw.h"
#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/hash.h"

enum data_kind { UNIFORM, CLUSTERED, DUPLICATES, EQUAL, NEARLY_EQUAL, FAR_APART };

typedef struct hnsw_data {
    vssi_vectors vectors;
    float *data, *inverse;
    const float *query;
} hnsw_data;

static float hnsw_random(uint64_t *state) { return (float)((double)(vssi_random_next(state) >> 40) * 0x1p-23 - 1); }

static void hnsw_fill_row(float *row, size_t i, size_t dim, enum data_kind kind, uint64_t *state)
{
    uint64_t centre = vssi_random_next(state) % 20 + 1, copy = vssi_random_next(state) % 4 == 0 ? i : i % 7;
    uint64_t fixed = kind == DUPLICATES ? copy + 99 : kind == FAR_APART ? i % 2 + 5 : 11;
    for (size_t j = 0; j < dim; j++) {
        float noise = hnsw_random(state);
        switch (kind) {
        case UNIFORM: row[j] = noise; break;
        case CLUSTERED: row[j] = hnsw_random(&centre) * 10 + noise * 0.3f; break;
        case NEARLY_EQUAL: row[j] = 1 + noise * 1e-6f; break;
        case FAR_APART: row[j] = hnsw_random(&fixed) * 1e6f + noise; break;
        default: row[j] = hnsw_random(&fixed); break;
        }
    }
}

static void hnsw_make(hnsw_data *all, size_t rows, size_t dim, vss_metric metric, enum data_kind kind)
{
    uint64_t state = rows + 1000 * (uint64_t)kind;
    *all = (hnsw_data){.data = malloc((rows + 1) * dim * sizeof(float)), .inverse = malloc((rows + 1) * sizeof(float))};
    all->vectors = (vssi_vectors){rows, (uint32_t)dim, VSS_TYPE_VECTOR_F32, metric, all->data, all->inverse, 0,
                                  VSSI_SIMD_F32, 0, NULL, NULL};
    vssi_vectors_bind(&all->vectors);
    for (size_t i = 0; i < rows; i++) {
        float *row = all->data + i * dim;
        hnsw_fill_row(row, i, dim, kind, &state);
        double norm = sqrt(vssi_exact_ip_f32(row, row, dim));
        all->inverse[i] = (float)(1 / norm);
        all->vectors.max_norm = norm > all->vectors.max_norm ? norm : all->vectors.max_norm;
    }
}

static void hnsw_release(hnsw_data *all)
{
    free(all->data);
    free(all->inverse);
}

static vss_status hnsw_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    const hnsw_data *all = state;
    size_t dim = all->vectors.dim;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const float *row = all->data + rows[i] * dim;
        if (all->vectors.metric == VSS_METRIC_L2) {
            values[i] = (float)vssi_exact_l2_f32(all->query, row, dim);
            continue;
        }
        bool cosine = all->vectors.metric == VSS_METRIC_COSINE;
        double norm = cosine ? sqrt(vssi_exact_ip_f32(all->query, all->query, dim)) : 1;
        double scale = cosine ? (double)all->inverse[rows[i]] / norm : 1;
        values[i] = (float)(-vssi_exact_ip_f32(all->query, row, dim) * scale);
    }
    return VSS_OK;
}

static bool hnsw_key_before(void *state, uint32_t a, uint32_t b)
{
    (void)state;
    return a < b;
}

static vss_status hnsw_build(vssi_heap *heap, const vssi_vectors *vectors, const char *text, size_t threads,
                             vssi_control *control, vssi_image *image, vss_error *err)
{
    uint64_t params[HNSW_PARAMS];
    assert_int_equal(vssi_param_parse("hnsw", vssi_hnsw_ops.params, HNSW_PARAMS, false, text, params, err), VSS_OK);
    vssi_build build = {heap, vectors, params, NULL, threads, control};
    return vssi_hnsw_ops.build(&build, image, err);
}

/* hits by the index (or by a scan where index is NULL); returns how many. */
static size_t hnsw_ask(hnsw_data *all, const void *index, vssi_scratch *scratch, const uint64_t *allow, size_t n_allow,
                       size_t k, uint64_t ef, vssi_hit *hits)
{
    uint64_t params[HNSW_PARAMS] = {[HNSW_PARAM_EF] = ef};
    vssi_topk_source source = {all, hnsw_exact, hnsw_key_before};
    vssi_topk topk;
    vss_error err;
    const vssi_vectors *v = &all->vectors;
    double norm = sqrt(vssi_exact_ip_f32(all->query, all->query, v->dim));
    vssi_query query = {{all->query, (float)(1 / norm)}, allow, n_allow, params, NULL, 0, 0};
    bool l2 = v->metric == VSS_METRIC_L2;
    double gamma = vssi_simd_gamma(v->dim), scale = v->metric == VSS_METRIC_IP ? norm * v->max_norm : 1.01;
    assert_int_equal(vssi_topk_init(&topk, scratch, k, l2 ? gamma : 0, l2 ? 0 : gamma * scale, &source, &err),
                     VSS_OK);
    vss_status status = index ? vssi_hnsw_ops.search(index, v, &query, scratch, &topk, &err)
                              : vssi_flat_search(NULL, v, &query, scratch, &topk, &err);
    assert_int_equal(status, VSS_OK);
    assert_int_equal(vssi_topk_finish(&topk, &err), VSS_OK);
    memcpy(hits, topk.hits, topk.n_hits * sizeof *hits);
    return topk.n_hits;
}

static void hnsw_print_fault(void *state, const char *line)
{
    (void)state;
    print_message("%s\n", line);
}

typedef struct hnsw_case {
    size_t rows, dim;
    vss_metric metric;
    enum data_kind kind;
    double recall;    /* at least, at ef 64 */
    unsigned allowed; /* of 100; 100: no filter */
    const char *text; /* parameters of the build */
    bool coded;       /* what comes of codes=auto */
} hnsw_case;

/* Share of the hits that are no farther than the true k-th. */
static double hnsw_recall(hnsw_data *all, const void *index, vssi_scratch *scratch, const hnsw_case *c)
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
            query[j] = near[j] + 0.05f * hnsw_random(&state);
        const uint64_t *filter = c->allowed == 100 ? NULL : allow;
        size_t n = hnsw_ask(all, NULL, scratch, filter, n_allow, k, 0, truth);
        size_t got = hnsw_ask(all, index, scratch, filter, n_allow, k, 64, hits);
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
        hnsw_data all;
        vssi_heap heap;
        vssi_scratch scratch;
        vssi_image image;
        vss_error err;
        void *index;
        vssi_heap_init(&heap, NULL, 0);
        vssi_scratch_init(&scratch, &heap);
        hnsw_make(&all, c->rows, c->dim, c->metric, c->kind);
        assert_int_equal(hnsw_build(&heap, &all.vectors, c->text, 1, NULL, &image, &err), VSS_OK);
        assert_int_equal(image.n_blocks, c->coded ? 7 : 3);
        assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err), VSS_OK);
        assert_int_equal(vssi_hnsw_ops.validate(index, hnsw_print_fault, NULL), 0);
        double recall = hnsw_recall(&all, index, &scratch, c);
        print_message("%zu x %zu %s kind %d, %u %% allowed: recall %.3f\n", c->rows, c->dim, vss_metric_name(c->metric),
                      (int)c->kind, c->allowed, recall);
        assert_true(recall >= c->recall);
        vssi_hnsw_ops.free(index);
        vssi_image_free(&heap, &image);
        vssi_scratch_free(&scratch);
        assert_int_equal(heap.used, 0);
        hnsw_release(&all);
    }
}

static void test_bytes_do_not_depend_on_threads(void **state)
{
    (void)state;
    hnsw_data all;
    vssi_heap heap;
    vssi_image image[3];
    vss_error err;
    vssi_heap_init(&heap, NULL, 0);
    hnsw_make(&all, 9000, 12, VSS_METRIC_IP, DUPLICATES);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(hnsw_build(&heap, &all.vectors, "M=6, efConstruction=70, codes=sq8", i + 1, NULL, &image[i],
                                    &err), VSS_OK);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(image[i].n_blocks, image[0].n_blocks);
        for (size_t j = 0; j < image[0].n_blocks; j++) {
            const vssi_block *a = &image[0].blocks[j], *b = &image[i].blocks[j];
            assert_int_equal(a->count, b->count);
            assert_memory_equal(a->data, b->data, a->count * a->element);
        }
    }
    for (size_t i = 0; i < 3; i++)
        vssi_image_free(&heap, &image[i]);
    assert_int_equal(heap.used, 0);
    hnsw_release(&all);
}

static void test_parameters_at_their_ends(void **state)
{
    (void)state;
    static const char *const texts[] = {"m=2,ef_construction=8", "m=512,ef_construction=8", "m=2,ef_construction=4096"};
    static const size_t rows[] = {0, 1, 5, 40, 900};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            hnsw_data all;
            vssi_heap heap;
            vssi_image image;
            vss_error err;
            void *index;
            vssi_heap_init(&heap, NULL, 0);
            hnsw_make(&all, rows[j], 9, VSS_METRIC_L2, CLUSTERED);
            assert_int_equal(hnsw_build(&heap, &all.vectors, texts[i], 2, NULL, &image, &err), VSS_OK);
            assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, 3, &all.vectors, &index, &err), VSS_OK);
            assert_int_equal(vssi_hnsw_ops.validate(index, hnsw_print_fault, NULL), 0);
            vssi_hnsw_ops.free(index);
            vssi_image_free(&heap, &image);
            assert_int_equal(heap.used, 0);
            hnsw_release(&all);
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
    hnsw_data all;
    vssi_heap heap;
    vssi_image image;
    vssi_control control;
    vss_error err;
    vssi_heap_init(&heap, NULL, 0);
    hnsw_make(&all, 8000, 12, VSS_METRIC_L2, UNIFORM);
    for (size_t calls = 0; calls < 2; calls++) {
        size_t left = calls;
        vssi_control_init(&control, 0, hnsw_cancel, &left);
        assert_int_equal(hnsw_build(&heap, &all.vectors, NULL, 2, &control, &image, &err), VSS_ERR_CANCELLED);
        assert_int_equal(image.n_blocks, 0);
        assert_int_equal(heap.used, 0);
        vssi_control_destroy(&control);
    }
    vssi_control_init(&control, 0, NULL, NULL);
    control.deadline_ns = 1;
    assert_int_equal(hnsw_build(&heap, &all.vectors, NULL, 1, &control, &image, &err), VSS_ERR_DEADLINE);
    assert_int_equal(heap.used, 0);
    vssi_control_destroy(&control);
    hnsw_release(&all);
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
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hnsw_data all;
        vssi_heap heap;
        vssi_image image;
        vss_error err;
        uint64_t bytes = 0, room;
        hnsw_make(&all, cases[i].rows, cases[i].dim, cases[i].metric, CLUSTERED);
        vssi_heap_init(&heap, NULL, 0);
        assert_int_equal(hnsw_build(&heap, &all.vectors, cases[i].text, 2, NULL, &image, &err), VSS_OK);
        for (size_t j = 0; j < image.n_blocks; j++)
            bytes += image.blocks[j].element * image.blocks[j].count;
        room = 2 * bytes + all.vectors.rows * all.vectors.row_size;
        print_message("%zu x %zu: index %zu KB, most in use %.2f times that\n", cases[i].rows, cases[i].dim,
                      (size_t)bytes / 1000, (double)heap.peak / (double)bytes);
        assert_true(heap.peak <= room);
        vssi_image_free(&heap, &image);
        vssi_heap_init(&heap, NULL, room);
        assert_int_equal(hnsw_build(&heap, &all.vectors, cases[i].text, 2, NULL, &image, &err), VSS_OK);
        vssi_image_free(&heap, &image);
        vssi_heap_init(&heap, NULL, bytes);
        assert_int_equal(hnsw_build(&heap, &all.vectors, cases[i].text, 2, NULL, &image, &err), VSS_ERR_BUDGET);
        assert_int_equal(heap.used, 0);
        hnsw_release(&all);
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
    hnsw_data all;
    hnsw_make(&all, 900, 8, VSS_METRIC_L2, DUPLICATES);
    vss_status status = VSS_ERR_NO_MEMORY;
    size_t n = 0;
    for (; status != VSS_OK; n++) {
        hnsw_limit limit = {n};
        vss_allocator hook = {sizeof hook, &limit, hnsw_limit_alloc, hnsw_limit_release};
        vssi_heap heap;
        vssi_image image;
        vss_error err = {0};
        vssi_heap_init(&heap, &hook, 0);
        status = hnsw_build(&heap, &all.vectors, "m=4,ef_construction=64,codes=sq8", 1, NULL, &image, &err);
        assert_true(status == VSS_OK || status == VSS_ERR_NO_MEMORY);
        if (status == VSS_OK)
            vssi_image_free(&heap, &image);
        else
            assert_true(err.status == VSS_ERR_NO_MEMORY && image.n_blocks == 0);
        assert_int_equal(heap.used, 0);
    }
    assert_true(n > 10);
    hnsw_release(&all);
}

/* Graphs of random numbers: searches end, within bounds, and each row comes once; validate tells. */
static void test_hostile_graphs(void **state)
{
    (void)state;
    enum { ROWS = 500, STRIDE = 32, ENTRIES = 7 };
    uint64_t seed = 3;
    hnsw_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vss_error err;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    hnsw_make(&all, ROWS, 8, VSS_METRIC_L2, UNIFORM);
    all.query = all.data;
    uint32_t *graph = malloc(ROWS * STRIDE * sizeof *graph), entries[ENTRIES];
    uint32_t header[HNSW_HEADER_WORDS] = {HNSW_FORMAT, ROWS, 8, 4, STRIDE, ENTRIES};
    vssi_block blocks[] = {{HNSW_BLOCK_HEADER, 4, HNSW_HEADER_WORDS, header},
                           {HNSW_BLOCK_GRAPH, 4, ROWS * STRIDE, graph},
                           {HNSW_BLOCK_ENTRIES, 4, ENTRIES, entries}};
    for (size_t round = 0; round < 300; round++) {
        uint64_t range = round % 3 == 0 ? UINT32_MAX : round % 3 == 1 ? ROWS : 2 * ROWS;
        for (size_t i = 0; i < ROWS * STRIDE; i++)
            graph[i] = (uint32_t)(vssi_random_next(&seed) % range);
        for (size_t i = 0; i < ENTRIES; i++)
            entries[i] = (uint32_t)(vssi_random_next(&seed) % (2 * ROWS));
        void *index;
        vssi_hit hits[ROWS];
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, 3, &all.vectors, &index, &err), VSS_OK);
        size_t n = hnsw_ask(&all, index, &scratch, NULL, ROWS, ROWS, round % 2 ? 16384 : 1, hits);
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
    hnsw_release(&all);
}

static void test_open_refuses(void **state)
{
    (void)state;
    hnsw_data all;
    vssi_heap heap;
    vssi_image image;
    vss_error err;
    void *index;
    vssi_heap_init(&heap, NULL, 0);
    hnsw_make(&all, 100, 8, VSS_METRIC_L2, UNIFORM);
    assert_int_equal(hnsw_build(&heap, &all.vectors, NULL, 1, NULL, &image, &err), VSS_OK);
    uint32_t header[HNSW_HEADER_WORDS], right[HNSW_HEADER_WORDS];
    memcpy(right, image.blocks[0].data, sizeof right);
    vssi_block blocks[3] = {image.blocks[0], image.blocks[1], image.blocks[2]};
    blocks[0].data = header;
    static const uint32_t values[] = {0, 1, 2, 7, 15, 99, 101, 1024, 65536, 1u << 30, UINT32_MAX};
    for (size_t word = 0; word <= HNSW_HEADER_CODES; word++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            memcpy(header, right, sizeof right);
            header[word] = values[i];
            if (values[i] == right[word] || word == HNSW_HEADER_M)
                continue;
            vss_status status = vssi_hnsw_ops.open(&heap, blocks, 3, &all.vectors, &index, &err);
            assert_true(status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT);
            assert_null(index);
        }
    }
    memcpy(header, right, sizeof right);
    for (size_t n = 0; n < 3; n++)
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, n, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
    blocks[1].element = 2;
    assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, 3, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
    vssi_image_free(&heap, &image);
    hnsw_release(&all);
}

/* Codes and model of random bytes: searches end, and each row comes once; shapes not the vectors' are refused. */
static void test_hostile_codes(void **state)
{
    (void)state;
    enum { ROWS = 300 };
    uint64_t seed = 5;
    hnsw_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
    vss_error err;
    void *index;
    vssi_hit hits[ROWS];
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    hnsw_make(&all, ROWS, 18, VSS_METRIC_L2, UNIFORM);
    all.query = all.data;
    assert_int_equal(hnsw_build(&heap, &all.vectors, NULL, 1, NULL, &image, &err), VSS_OK);
    assert_int_equal(image.n_blocks, 7);
    for (size_t i = 3; i < 7; i++) {
        vssi_block blocks[7];
        memcpy(blocks, image.blocks, sizeof blocks);
        blocks[i].count++;
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, 7, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
        blocks[i].count--;
        blocks[i].element *= 2;
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, 7, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
        blocks[i].element /= 2;
        blocks[i].kind = 300;
        assert_int_equal(vssi_hnsw_ops.open(&heap, blocks, 7, &all.vectors, &index, &err), VSS_ERR_CORRUPT);
    }
    vssi_sq8_model *model = (vssi_sq8_model *)(uintptr_t)image.blocks[3].data;
    double *low = (double *)(uintptr_t)image.blocks[4].data;
    uint8_t *codes = (uint8_t *)(uintptr_t)image.blocks[5].data;
    for (size_t round = 0; round < 60; round++) {
        static const double numbers[] = {0, 1e-300, 1, 1e300};
        for (size_t i = 0; i < (size_t)ROWS * model->size; i++)
            codes[i] = (uint8_t)vssi_random_next(&seed);
        for (size_t i = 0; i < model->width; i++)
            low[i] = round % 4 < 2 ? (round % 4 ? -HUGE_VAL : (double)NAN) : (double)hnsw_random(&seed) * 1e30;
        model->radius = numbers[round % 4];
        model->step = numbers[1 + round % 3];
        assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, 7, &all.vectors, &index, &err), VSS_OK);
        size_t n = hnsw_ask(&all, index, &scratch, NULL, ROWS, 1 + round, round % 2 ? ROWS : 1, hits);
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
    hnsw_release(&all);
}

/* With the pool as large as the index the automatic rerank finds what a scan finds; a rerank of 1 still fills k. */
/* A map of any numbers leads to rows of the segment, and is told. */
static void test_hostile_map(void **state)
{
    (void)state;
    enum { ROWS = 300 };
    uint64_t seed = 6;
    hnsw_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
    vss_error err;
    void *index;
    vssi_hit hits[ROWS];
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    hnsw_make(&all, ROWS, 18, VSS_METRIC_L2, UNIFORM);
    float far[18];
    for (size_t i = 0; i < 18; i++)
        far[i] = 1e6f;
    assert_int_equal(hnsw_build(&heap, &all.vectors, NULL, 1, NULL, &image, &err), VSS_OK);
    uint32_t *map = (uint32_t *)(uintptr_t)image.blocks[6].data;
    for (size_t round = 0; round < 40; round++) {
        for (size_t i = 0; i < ROWS; i++)
            map[i] = (uint32_t)(round % 2 ? vssi_random_next(&seed) : vssi_random_next(&seed) % ROWS);
        assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, 7, &all.vectors, &index, &err), VSS_OK);
        all.query = round % 4 < 2 ? all.data : far; /* walked on codes, and on vectors */
        size_t n = hnsw_ask(&all, index, &scratch, NULL, ROWS, 10, ROWS, hits);
        for (size_t i = 0; i < n; i++)
            assert_true(hits[i].row < ROWS);
        assert_true(vssi_hnsw_ops.validate(index, NULL, NULL) > 0);
        vssi_hnsw_ops.free(index);
    }
    vssi_image_free(&heap, &image);
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
    hnsw_release(&all);
}

static void test_rerank(void **state)
{
    (void)state;
    static const vss_metric metrics[] = {VSS_METRIC_L2, VSS_METRIC_IP, VSS_METRIC_COSINE};
    for (size_t m = 0; m < 3; m++) {
        hnsw_data all;
        vssi_heap heap;
        vssi_scratch scratch;
        vssi_image image;
        vss_error err;
        void *index;
        vssi_hit truth[10], hits[10];
        vssi_heap_init(&heap, NULL, 0);
        vssi_scratch_init(&scratch, &heap);
        hnsw_make(&all, 2000, 16, metrics[m], CLUSTERED);
        assert_int_equal(hnsw_build(&heap, &all.vectors, "codes=sq8", 1, NULL, &image, &err), VSS_OK);
        assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, 7, &all.vectors, &index, &err), VSS_OK);
        for (size_t q = 0; q < 50; q++) {
            all.query = all.data + q * 37 * 16;
            assert_int_equal(hnsw_ask(&all, NULL, &scratch, NULL, 2000, 10, 0, truth), 10);
            assert_int_equal(hnsw_ask(&all, index, &scratch, NULL, 2000, 10, 2000, hits), 10);
            assert_memory_equal(truth, hits, sizeof hits);
            uint64_t params[HNSW_PARAMS] = {[HNSW_PARAM_EF] = 30, [HNSW_PARAM_RERANK] = 1};
            vssi_topk_source source = {&all, hnsw_exact, hnsw_key_before};
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
        hnsw_release(&all);
    }
}

/* The epoch of the visited marks wraps; an index of another size shares them. */
static void test_epoch_wraps(void **state)
{
    (void)state;
    hnsw_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
    vss_error err;
    vssi_hit first[10], hits[10];
    void *index;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    hnsw_make(&all, 300, 4, VSS_METRIC_L2, UNIFORM);
    all.query = all.data;
    assert_int_equal(hnsw_build(&heap, &all.vectors, "m=4", 1, NULL, &image, &err), VSS_OK);
    assert_int_equal(vssi_hnsw_ops.open(&heap, image.blocks, 3, &all.vectors, &index, &err), VSS_OK);
    size_t n = hnsw_ask(&all, index, &scratch, NULL, 300, 10, 20, first);
    scratch.epoch = 240;
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(hnsw_ask(&all, index, &scratch, NULL, 300, 10, 20, hits), n);
        assert_memory_equal(first, hits, n * sizeof *hits);
    }
    assert_in_range(scratch.epoch, 1, 100);
    vssi_hnsw_ops.free(index);
    vssi_image_free(&heap, &image);
    vssi_scratch_free(&scratch);
    hnsw_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_bytes_do_not_depend_on_threads),
        cmocka_unit_test(test_parameters_at_their_ends),
        cmocka_unit_test(test_cancel_and_deadline),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_hostile_graphs),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_hostile_codes),
        cmocka_unit_test(test_hostile_map),
        cmocka_unit_test(test_rerank),
        cmocka_unit_test(test_epoch_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
