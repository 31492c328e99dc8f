/*
 * test_flat_codes.c - the index object of flat with codes: same bytes on any number of threads, prefix and outliers
 * where they pay, batches that find what scans find, every promise checked by validate, and objects that say anything
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../index/codec/outliers.h"
#include "../../index/flat/flat_codes.h"
#include "../../lib/base/hash.h"

enum { ROWS = 10050, MANY = 32832, DIM = 40, K = 10, CODES_BLOCKS = 9 };

typedef enum codes_kind { CODES_SPREAD, CODES_NARROW, CODES_FAR } codes_kind;

typedef struct codes_data {
    vssi_vectors vectors;
    float *data, *inverse;
    size_t query; /* the row that is one */
} codes_data;

static float codes_random(uint64_t *state) { return (float)((double)(vssi_random_next(state) >> 40) * 0x1p-23 - 1); }

/* SPREAD: alike in all components. NARROW: less and less. FAR: so, and some rows a thousand times as far. */
static void codes_make_rows(codes_data *all, codes_kind kind, vss_metric metric, size_t rows)
{
    uint64_t seed = 17 + (uint64_t)kind;
    *all = (codes_data){.data = malloc(rows * DIM * sizeof(float)), .inverse = malloc(rows * sizeof(float))};
    for (size_t row = 0; row < rows; row++) {
        double norm = 0;
        for (size_t i = 0; i < DIM; i++) {
            float *value = &all->data[row * DIM + i];
            *value = codes_random(&seed) * (kind == CODES_SPREAD ? 1 : ldexpf(1, -(int)(i / 2)));
            *value *= kind == CODES_FAR && row % 3001 == 3000 ? 1000.0f : 1.0f;
            norm += (double)*value * (double)*value;
        }
        all->inverse[row] = (float)(1 / sqrt(norm));
    }
    all->vectors = (vssi_vectors){.rows = rows, .dim = DIM, .type = VSS_TYPE_VECTOR_F32, .metric = metric,
                                  .data = all->data, .inverse_norms = all->inverse, .max_norm = 1e5};
    vssi_vectors_bind(&all->vectors);
}

static void codes_make(codes_data *all, codes_kind kind, vss_metric metric)
{
    codes_make_rows(all, kind, metric, ROWS);
}

static void codes_release(codes_data *all)
{
    free(all->data);
    free(all->inverse);
}

static void codes_build(vssi_heap *heap, const codes_data *all, uint64_t prefix, size_t threads, vssi_image *image)
{
    uint64_t params[FLAT_PARAMS] = {[FLAT_PARAM_CODES] = FLAT_CODES_SQ8, [FLAT_PARAM_PREFIX] = prefix};
    vssi_control control;
    vss_error err;
    vssi_control_init(&control, 0, NULL, NULL);
    vssi_build build = {.heap = heap, .vectors = &all->vectors, .params = params, .threads = threads,
                        .control = &control};
    assert_int_equal(vssi_flat_ops.build(&build, image, &err), VSS_OK);
    vssi_control_destroy(&control);
}

static void *codes_block(const vssi_image *image, uint32_t kind)
{
    for (size_t i = 0; i < image->n_blocks; i++) {
        if (image->blocks[i].kind == kind)
            return (void *)(uintptr_t)image->blocks[i].data;
    }
    return NULL;
}

static void test_same_bytes(void **state)
{
    (void)state;
    codes_data all;
    vssi_heap heap;
    vssi_image image[3];
    vssi_heap_init(&heap, NULL, 0);
    codes_make(&all, CODES_FAR, VSS_METRIC_L2);
    for (size_t i = 0; i < 3; i++)
        codes_build(&heap, &all, FLAT_PREFIX_AUTO, 1 + 2 * i, &image[i]);
    assert_int_equal(image[0].n_blocks, CODES_BLOCKS);
    for (size_t i = 1; i < 3; i++) {
        for (size_t b = 0; b < image[0].n_blocks; b++) {
            assert_int_equal(image[i].blocks[b].count, image[0].blocks[b].count);
            assert_memory_equal(image[i].blocks[b].data, image[0].blocks[b].data,
                                image[0].blocks[b].count * image[0].blocks[b].element);
        }
    }
    for (size_t i = 0; i < 3; i++)
        vssi_image_free(&heap, &image[i]);
    assert_int_equal(heap.used, 0);
    codes_release(&all);
}

static void codes_fault(void *state, const char *line) { *(const char **)state = line; }

/* What is built is sound, has a prefix where few directions hold most, and sets aside what is far. */
static void test_shapes(void **state)
{
    (void)state;
    for (int kind = CODES_SPREAD; kind <= CODES_FAR; kind++) {
        for (vss_metric metric = VSS_METRIC_L2; metric <= VSS_METRIC_COSINE; metric++) {
            codes_data all;
            vssi_heap heap;
            vssi_image image;
            vss_error err;
            void *opened;
            const char *line = "";
            vssi_heap_init(&heap, NULL, 0);
            codes_make(&all, (codes_kind)kind, metric);
            codes_build(&heap, &all, FLAT_PREFIX_AUTO, 2, &image);
            assert_int_equal(vssi_flat_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &opened, &err),
                             VSS_OK);
            const flat_index *index = opened;
            assert_int_equal(index->prefix.panels != NULL, kind != CODES_SPREAD);
            bool far = kind == CODES_FAR && metric != VSS_METRIC_COSINE;
            assert_in_range(index->n_outliers, far ? ROWS / 3001 : 0, far ? ROWS / VSSI_OUTLIERS_SHARE : 0);
            assert_true(index->sq8.model.step < 0.1);
            uint64_t faults = vssi_flat_ops.validate(opened, codes_fault, &line);
            if (faults != 0)
                fail_msg("%llu faults: %s", (unsigned long long)faults, line);
            vssi_flat_ops.free(opened);
            vssi_image_free(&heap, &image);
            assert_int_equal(heap.used, 0);
            codes_release(&all);
        }
    }
}

static vss_status codes_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    const codes_data *all = state;
    bool l2 = all->vectors.metric == VSS_METRIC_L2;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const float *row = all->data + rows[i] * DIM, *query = all->data + all->query * DIM;
        values[i] = (float)(l2 ? vssi_exact_l2_f32(query, row, DIM) : -vssi_exact_ip_f32(query, row, DIM));
    }
    return VSS_OK;
}

static bool codes_key_before(void *state, uint32_t a, uint32_t b)
{
    (void)state;
    return a < b;
}

/* The nearest rows of row 0: distinct and in range, whatever the object says. */
static void codes_ask(codes_data *all, const void *index, vssi_scratch *scratch, vssi_hit *hits, size_t *n)
{
    vssi_topk_source source = {all, codes_exact, codes_key_before};
    vssi_query query = {.probe = {all->data, 1}, .n_allow = ROWS};
    vssi_topk topk;
    vss_error err;
    bool seen[ROWS] = {false};
    assert_int_equal(vssi_topk_init(&topk, scratch, K, vssi_simd_gamma(DIM), 0, &source, &err), VSS_OK);
    assert_int_equal(vssi_flat_ops.search(index, &all->vectors, &query, scratch, &topk, &err), VSS_OK);
    assert_int_equal(vssi_topk_finish(&topk, &err), VSS_OK);
    for (size_t i = 0; i < topk.n_hits; i++) {
        assert_true(topk.hits[i].row < ROWS && !seen[topk.hits[i].row]);
        seen[topk.hits[i].row] = true;
    }
    *n = topk.n_hits;
    memcpy(hits, topk.hits, topk.n_hits * sizeof *hits);
}

typedef struct codes_world {
    codes_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
} codes_world;

static void codes_begin(codes_world *w)
{
    vssi_heap_init(&w->heap, NULL, 0);
    vssi_scratch_init(&w->scratch, &w->heap);
    codes_make(&w->all, CODES_FAR, VSS_METRIC_L2);
    codes_build(&w->heap, &w->all, 16, 1, &w->image);
    assert_int_equal(w->image.n_blocks, CODES_BLOCKS);
}

static void codes_end(codes_world *w)
{
    vssi_image_free(&w->heap, &w->image);
    vssi_scratch_free(&w->scratch);
    assert_int_equal(w->heap.used, 0);
    codes_release(&w->all);
}

static vss_status codes_open(codes_world *w, const vssi_block *blocks, void **index)
{
    vss_error err;
    return vssi_flat_ops.open(&w->heap, blocks, CODES_BLOCKS, &w->all.vectors, index, &err);
}

/* One number or byte of each kind is changed: validate must see it. */
static void test_damage(void **state)
{
    (void)state;
    static const struct {
        uint32_t block;
        size_t at;
        double number; /* NAN: turn a byte instead */
    } damages[] = {
        {FLAT_BLOCK_MODEL, 32, 1e-3}, {FLAT_BLOCK_LOW, 8, INFINITY}, {FLAT_BLOCK_LOW, 16, -7},
        {FLAT_BLOCK_CODES, 4003, NAN}, {FLAT_BLOCK_NORMS, 4002, NAN},
        {FLAT_BLOCK_PREFIX, 32, 1e-3}, {FLAT_BLOCK_PREFIX_LOW, 0, 1e30}, {FLAT_BLOCK_TURN, 8, 0.7},
        {FLAT_BLOCK_TURN, 0, INFINITY}, {FLAT_BLOCK_PANELS, 1001, NAN}, {FLAT_BLOCK_OUTLIERS, 0, NAN},
    };
    codes_world w;
    void *index;
    codes_begin(&w);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        uint8_t *at = (uint8_t *)codes_block(&w.image, damages[i].block) + damages[i].at, before[8];
        memcpy(before, at, sizeof before);
        if (isnan(damages[i].number))
            *at ^= 0x80;
        else
            memcpy(at, &damages[i].number, sizeof damages[i].number);
        assert_int_equal(codes_open(&w, w.image.blocks, &index), VSS_OK);
        if (vssi_flat_ops.validate(index, NULL, NULL) == 0)
            fail_msg("damage %zu, block %u, is not seen", i, damages[i].block);
        vssi_flat_ops.free(index);
        memcpy(at, before, sizeof before);
    }
    codes_end(&w);
}

/* Sizes that are not right are refused, and outliers that are no rows or not in order. */
static void test_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, ROWS, UINT32_MAX};
    codes_world w;
    void *index;
    codes_begin(&w);
    for (size_t i = 0; i < CODES_BLOCKS; i++) {
        vssi_block blocks[CODES_BLOCKS];
        uint32_t kind = w.image.blocks[i].kind;
        memcpy(blocks, w.image.blocks, sizeof blocks);
        blocks[i].count += kind == FLAT_BLOCK_OUTLIERS ? ROWS : 1;
        assert_int_equal(codes_open(&w, blocks, &index), VSS_ERR_CORRUPT);
        blocks[i].count = w.image.blocks[i].count;
        blocks[i].element *= 2;
        assert_int_equal(codes_open(&w, blocks, &index), VSS_ERR_CORRUPT);
        blocks[i].kind = 300;
        bool needed = kind != FLAT_BLOCK_OUTLIERS && kind != FLAT_BLOCK_PREFIX;
        assert_int_equal(codes_open(&w, blocks, &index), needed ? VSS_ERR_CORRUPT : VSS_OK);
        vssi_flat_ops.free(index);
    }
    uint32_t *outliers = codes_block(&w.image, FLAT_BLOCK_OUTLIERS);
    for (size_t i = 0; i < 3; i++) {
        outliers[2] = wrong[i];
        assert_int_equal(codes_open(&w, w.image.blocks, &index), VSS_ERR_CORRUPT);
    }
    codes_end(&w);
}

/* Anything in the blocks that hold numbers and codes. */
static void codes_scramble(const vssi_image *image, uint64_t *seed)
{
    for (size_t i = 0; i < image->n_blocks; i++) {
        const vssi_block *b = &image->blocks[i];
        if (b->kind == FLAT_BLOCK_MODEL || b->kind == FLAT_BLOCK_PREFIX || b->kind == FLAT_BLOCK_OUTLIERS)
            continue;
        for (size_t at = 0; at < b->count * b->element; at += 1 + vssi_random_next(seed) % 16)
            ((uint8_t *)(uintptr_t)b->data)[at] = (uint8_t)vssi_random_next(seed);
    }
}

static void test_hostile(void **state)
{
    (void)state;
    static const double numbers[] = {0, 1e-300, 1, 1e300};
    codes_world w;
    void *index;
    vssi_hit hits[K];
    size_t n;
    uint64_t seed = 9;
    codes_begin(&w);
    assert_int_equal(codes_open(&w, w.image.blocks, &index), VSS_OK);
    codes_ask(&w.all, index, &w.scratch, hits, &n);
    assert_int_equal(n, K);
    assert_int_equal(hits[0].row, 0);
    vssi_flat_ops.free(index);
    vssi_sq8_model *model = codes_block(&w.image, FLAT_BLOCK_MODEL);
    vssi_prefix_model *prefix = codes_block(&w.image, FLAT_BLOCK_PREFIX);
    for (size_t round = 0; round < 40; round++) {
        codes_scramble(&w.image, &seed);
        model->radius = numbers[round % 4];
        model->step = numbers[1 + round % 3];
        prefix->radius = numbers[round / 4 % 4];
        prefix->step = numbers[1 + round / 3 % 3];
        assert_int_equal(codes_open(&w, w.image.blocks, &index), VSS_OK);
        codes_ask(&w.all, index, &w.scratch, hits, &n);
        assert_true(vssi_flat_ops.validate(index, NULL, NULL) > 0);
        vssi_flat_ops.free(index);
    }
    codes_end(&w);
}

enum { QUERIES = 70 };

/* The hits of n queries, every 100th row, through the index or, NULL, by scans. */
static void batch_ask(codes_data *all, const vssi_query *queries, size_t n, const void *index, vssi_scratch *scratch,
                      vssi_hit hits[][K])
{
    static codes_data sources_of[QUERIES];
    vssi_topk_source sources[QUERIES];
    vssi_topk topks[QUERIES];
    vss_error err;
    size_t size = vssi_topk_size(K);
    char *memory = aligned_alloc(64, n * size);
    for (size_t q = 0; q < n; q++) {
        sources_of[q] = *all;
        sources_of[q].query = 100 * q;
        sources[q] = (vssi_topk_source){&sources_of[q], codes_exact, codes_key_before};
        vssi_topk_begin(&topks[q], memory + q * size, K, vssi_simd_gamma(DIM), 2e-4, &sources[q], &err);
        if (index == NULL)
            assert_int_equal(vssi_flat_search(NULL, &all->vectors, &queries[q], scratch, &topks[q], &err), VSS_OK);
    }
    if (index != NULL)
        assert_int_equal(vssi_flat_ops.search_batch(index, &all->vectors, queries, n, scratch, topks, &err), VSS_OK);
    for (size_t q = 0; q < n; q++) {
        assert_int_equal(vssi_topk_finish(&topks[q], &err), VSS_OK);
        assert_int_equal(topks[q].n_hits, K);
        memcpy(hits[q], topks[q].hits, sizeof hits[q]);
    }
    free(memory);
}

/* Batches of all sizes, of all rows, a range of them and allowed ones, find what one query after another finds by the
 * vectors: with a prefix that rules out most rows, and one that rules out hardly any. */
static void test_batches(void **state)
{
    (void)state;
    static const size_t sizes[] = {3, 8, 16, 33, QUERIES};
    static vssi_hit hits[QUERIES][K], wanted[QUERIES][K];
    static uint64_t allow[ROWS / 64 + 1];
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    memset(allow, 0xb7, sizeof allow);
    for (int kind = CODES_SPREAD; kind <= CODES_FAR; kind++) {
        codes_data all;
        vssi_image image;
        vss_error err;
        void *index;
        codes_make(&all, (codes_kind)kind, kind == CODES_NARROW ? VSS_METRIC_IP : VSS_METRIC_L2);
        codes_build(&heap, &all, kind == CODES_SPREAD ? 8 : FLAT_PREFIX_AUTO, 1, &image);
        assert_int_equal(vssi_flat_ops.open(&heap, image.blocks, image.n_blocks, &all.vectors, &index, &err), VSS_OK);
        assert_non_null(((const flat_index *)index)->prefix.panels);
        for (size_t i = 0; i < 3 * sizeof sizes / sizeof *sizes; i++) {
            vssi_query queries[QUERIES];
            size_t n = sizes[i / 3];
            for (size_t q = 0; q < n; q++) {
                queries[q] = (vssi_query){.probe = {all.data + 100 * q * DIM, 1}, .n_allow = ROWS};
                queries[q].begin = i % 3 == 1 ? 777 : 0;
                queries[q].end = i % 3 == 1 ? 9001 : 0;
                queries[q].allow = i % 3 == 2 ? allow : NULL;
                queries[q].n_allow = i % 3 == 2 ? ROWS / 8 * 6 : ROWS;
            }
            batch_ask(&all, queries, n, NULL, &scratch, wanted);
            batch_ask(&all, queries, n, index, &scratch, hits);
            for (size_t q = 0; q < n; q++)
                assert_memory_equal(hits[q], wanted[q], sizeof hits[q]);
        }
        vssi_flat_ops.free(index);
        vssi_image_free(&heap, &image);
        codes_release(&all);
    }
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
}

/* The image with its codes moved to where a page begins that can't be read. */
static char *many_move(vssi_image *image, size_t *size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < image->n_blocks; i++) {
        vssi_block *b = &image->blocks[i];
        if (b->kind != FLAT_BLOCK_CODES)
            continue;
        size_t bytes = b->count * b->element;
        assert_int_equal(bytes % 64, 0);
        *size = (bytes + page - 1) / page * page + page;
        char *pages = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(pages, MAP_FAILED);
        assert_int_equal(mprotect(pages + *size - page, page, PROT_NONE), 0);
        b->data = memcpy(pages + *size - page - bytes, b->data, bytes);
        return pages;
    }
    fail();
    return NULL;
}

/* So many rows that some of them come first, and codes behind which nothing can be read; outliers among them. */
static void test_many(void **state)
{
    (void)state;
    static const size_t sizes[] = {16, 17, QUERIES}, ends[] = {0, MANY - 1, MANY - 40};
    static vssi_hit hits[QUERIES][K], wanted[QUERIES][K];
    vssi_query queries[QUERIES];
    codes_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_image image;
    vss_error err;
    void *index;
    size_t mapped = 0;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    codes_make_rows(&all, CODES_FAR, VSS_METRIC_L2, MANY);
    codes_build(&heap, &all, FLAT_PREFIX_NONE, 1, &image);
    vssi_image moved = image;
    char *pages = many_move(&moved, &mapped);
    assert_int_equal(vssi_flat_ops.open(&heap, moved.blocks, moved.n_blocks, &all.vectors, &index, &err), VSS_OK);
    assert_true(((const flat_index *)index)->n_outliers > 0);
    for (size_t i = 0; i < 9; i++) {
        size_t n = sizes[i / 3];
        for (size_t q = 0; q < n; q++)
            queries[q] = (vssi_query){.probe = {all.data + 100 * q * DIM, 1}, .n_allow = MANY, .end = ends[i % 3]};
        batch_ask(&all, queries, n, NULL, &scratch, wanted);
        batch_ask(&all, queries, n, index, &scratch, hits);
        for (size_t q = 0; q < n; q++)
            assert_memory_equal(hits[q], wanted[q], sizeof hits[q]);
    }
    vssi_flat_ops.free(index);
    munmap(pages, mapped);
    vssi_image_free(&heap, &image);
    codes_release(&all);
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
