/*
 * test_ivf_model.c - models of inverted lists apart from any collection: what suits them, what damages them, and that
 * rows whose codes are taken over have the bytes that coding gives
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../index/ivf/ivf.h"
#include "../../lib/base/bitmap.h"
#include "../support/maker.h"

enum { ROWS = 3000, DIM = 20, PARTS = 3 };

static const struct {
    const char *type, *params;
    vss_type vectors;
    vss_metric metric;
} kinds[] = {
    {"ivf_flat", "nlist=40", VSS_TYPE_VECTOR_F32, VSS_METRIC_L2},
    {"ivf_sq8", "nlist=40", VSS_TYPE_VECTOR_F32, VSS_METRIC_IP},
    {"ivf_sq8", "nlist=700", VSS_TYPE_VECTOR_U8, VSS_METRIC_L2},
    {"ivf_rabitq", "bits=1", VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE},
    {"ivf_rabitq", "bits=5,nlist=17", VSS_TYPE_VECTOR_BF16, VSS_METRIC_IP},
    {"ivf_pq", "nlist=40", VSS_TYPE_VECTOR_F32, VSS_METRIC_L2},
    {"ivf_pq", "nlist=40,nbits=8,m=7", VSS_TYPE_VECTOR_I8, VSS_METRIC_COSINE},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Rows of a kind, all of them or the first of a range, and what a build of them wants. */
typedef struct rows {
    vssi_heap heap;
    const vssi_index_ops *ops;
    uint64_t params[16];
    uint8_t *data;
    float *inverse;
    vssi_vectors all;
} rows;

static void rows_make(rows *r, size_t kind, uint64_t seed, float scale)
{
    maker_random random = {seed};
    double wide[DIM];
    vss_error err;
    vssi_heap_init(&r->heap, NULL, 0);
    r->ops = vssi_index_type_find(kinds[kind].type);
    MUST(vssi_param_parse("build", r->ops->params, r->ops->n_params, false, kinds[kind].params, r->params, &err));
    r->all = (vssi_vectors){.rows = ROWS, .dim = DIM, .type = kinds[kind].vectors, .metric = kinds[kind].metric};
    vssi_vectors_bind(&r->all);
    r->data = malloc(ROWS * r->all.row_size);
    r->inverse = malloc(ROWS * sizeof *r->inverse);
    maker_typed(&random, r->data, ROWS, r->all.type, DIM, false);
    for (size_t i = 0; scale != 1 && i < (size_t)ROWS * DIM; i++)
        ((float *)(void *)r->data)[i] *= scale;
    for (size_t i = 0; i < ROWS; i++) {
        double norm = 0;
        maker_widen(r->all.type, r->data + i * r->all.row_size, 1, DIM, wide);
        for (size_t j = 0; j < DIM; j++)
            norm += wide[j] * wide[j];
        r->inverse[i] = (float)(1 / sqrt(norm));
        r->all.max_norm = fmax(r->all.max_norm, sqrt(norm) * 1.000001);
    }
    r->all.data = r->data;
    r->all.inverse_norms = r->inverse;
}

static void rows_free(rows *r)
{
    assert_int_equal(atomic_load(&r->heap.used), 0);
    free(r->data);
    free(r->inverse);
}

static vssi_vectors rows_range(const rows *r, size_t first, size_t n)
{
    vssi_vectors v = r->all;
    v.rows = n;
    v.data = r->data + first * v.row_size;
    v.inverse_norms = r->inverse + first;
    return v;
}

static vssi_build rows_build(rows *r, const vssi_vectors *v, const vssi_image *model)
{
    return (vssi_build){.heap = &r->heap, .vectors = v, .params = r->params, .threads = 2, .model = model};
}

static void expect_same(const vssi_image *a, const vssi_image *b)
{
    assert_int_equal(a->n_blocks, b->n_blocks);
    for (size_t i = 0; i < a->n_blocks; i++) {
        const vssi_block *x = &a->blocks[i], *y = &b->blocks[i];
        assert_int_equal(x->kind, y->kind);
        assert_int_equal(x->element, y->element);
        assert_int_equal(x->count, y->count);
        if (memcmp(x->data, y->data, x->element * x->count) != 0)
            fail_msg("block %u differs", x->kind);
    }
}

static void count_fault(void *state, const char *line)
{
    (void)line;
    ++*(size_t *)state;
}

/* The live rows of all parts, one after another, and where each part's begin. */
typedef struct merged {
    uint8_t *data;
    float *inverse;
    vssi_vectors v;
    vssi_source sources[PARTS];
    uint64_t deleted[PARTS][ROWS / 64 + 1];
} merged;

static void merged_make(merged *m, const rows *r, const size_t *begins)
{
    maker_random random = {5};
    size_t n = 0, size = r->all.row_size;
    memset(m, 0, sizeof *m);
    m->data = malloc(ROWS * size);
    m->inverse = malloc(ROWS * sizeof *m->inverse);
    for (size_t p = 0; p < PARTS; p++) {
        m->sources[p] = (vssi_source){NULL, p == 1 ? NULL : m->deleted[p], begins[p + 1] - begins[p], n};
        for (size_t row = begins[p]; row < begins[p + 1]; row++) {
            if (p != 1 && maker_unit(&random) < 0.3) {
                vssi_bitmap_set(m->deleted[p], row - begins[p]);
                continue;
            }
            memcpy(m->data + n * size, r->data + row * size, size);
            m->inverse[n++] = r->inverse[row];
        }
    }
    m->v = r->all;
    m->v.rows = n;
    m->v.data = m->data;
    m->v.inverse_norms = m->inverse;
}

static void merged_free(merged *m)
{
    free(m->data);
    free(m->inverse);
}

/* hostile: the second part's row numbers are garbage: some of its rows twice, some not at all, some beyond. */
static void merge_kind(size_t kind, bool hostile)
{
    static const size_t begins[PARTS + 1] = {0, 1200, 2100, ROWS};
    rows r;
    merged m;
    vss_error err;
    rows_make(&r, kind, 40 + kind, 1);
    merged_make(&m, &r, begins);
    vssi_image model, images[PARTS], coded, taken;
    void *opened[PARTS], *again;
    vssi_build build = rows_build(&r, &r.all, NULL);
    MUST(r.ops->train(&build, &model, &err));
    for (size_t p = 0; p < PARTS; p++) {
        vssi_vectors v = rows_range(&r, begins[p], begins[p + 1] - begins[p]);
        build = rows_build(&r, &v, p < 2 ? &model : NULL); /* the last has its own model: its rows are coded anew */
        MUST(r.ops->build(&build, &images[p], &err));
        for (size_t i = 0; hostile && p == 1 && i < images[p].n_blocks; i++)
            for (size_t at = 0; images[p].blocks[i].kind == IVF_BLOCK_ROWS && at < v.rows; at += 3)
                ((uint32_t *)(uintptr_t)images[p].blocks[i].data)[at] = at % 2 ? UINT32_MAX : 7;
        MUST(r.ops->open(&r.heap, images[p].blocks, images[p].n_blocks, &v, &opened[p], &err));
        m.sources[p].index = opened[p];
    }
    build = rows_build(&r, &m.v, &model);
    MUST(r.ops->build(&build, &coded, &err));
    build.sources = m.sources;
    build.n_sources = PARTS;
    MUST(r.ops->build(&build, &taken, &err));
    if (!hostile)
        expect_same(&coded, &taken);
    size_t faults = 0;
    MUST(r.ops->open(&r.heap, taken.blocks, taken.n_blocks, &m.v, &again, &err));
    assert_int_equal(r.ops->validate(again, count_fault, &faults), 0);
    r.ops->free(again);
    for (size_t p = 0; p < PARTS; p++) {
        r.ops->free(opened[p]);
        vssi_image_free(&r.heap, &images[p]);
    }
    vssi_image_free(&r.heap, &coded);
    vssi_image_free(&r.heap, &taken);
    vssi_image_free(&r.heap, &model);
    merged_free(&m);
    rows_free(&r);
}

static void codes_taken_over_are_those_of_coding(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++)
        merge_kind(kind, false);
}

static void sources_may_say_anything(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++)
        merge_kind(kind, true);
}

static bool suits(rows *r, const vssi_vectors *v, const vssi_image *model)
{
    bool good = false;
    vss_error err;
    vssi_build build = rows_build(r, v, model);
    MUST(r->ops->suits(&build, &good, &err));
    return good;
}

/* A model serves other rows of the same kind, not those of another, nor other parameters. */
static void models_suit_their_like(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        rows r, other;
        vssi_image model;
        vss_error err;
        rows_make(&r, kind, 1, 1);
        rows_make(&other, kind, 2, 1);
        other.all.max_norm = r.all.max_norm;
        vssi_build build = rows_build(&r, &r.all, NULL);
        MUST(r.ops->train(&build, &model, &err));
        assert_true(suits(&r, &r.all, &model));
        assert_true(suits(&other, &other.all, &model));
        for (size_t next = 0; next < KINDS; next++) {
            if (next == kind)
                continue;
            rows strange;
            rows_make(&strange, next, 1, 1);
            strange.all.max_norm = r.all.max_norm;
            assert_false(suits(&strange, &strange.all, &model) && strcmp(kinds[kind].type, kinds[next].type) != 0);
            rows_free(&strange);
        }
        rows_free(&other);
        vssi_image_free(&r.heap, &model);
        rows_free(&r);
    }
}

static void models_do_not_suit_rows_that_drifted(void **state)
{
    (void)state;
    rows r, far, many;
    vssi_image model, inner;
    vss_error err;
    rows_make(&r, 0, 1, 1);
    vssi_build build = rows_build(&r, &r.all, NULL);
    MUST(r.ops->train(&build, &model, &err));
    rows_make(&far, 0, 2, 1.8f);
    assert_false(suits(&far, &far.all, &model));
    rows_free(&far);
    rows_make(&far, 0, 2, 1.05f);
    assert_true(suits(&far, &far.all, &model));
    rows_free(&far);
    rows_make(&many, 0, 1, 1); /* with nlist=0 17 times the rows ask for more than four times the lists */
    many.params[IVF_PARAM_NLIST] = 0;
    vssi_vectors few = rows_range(&many, 0, 160);
    vssi_build small = rows_build(&many, &few, NULL);
    MUST(many.ops->train(&small, &inner, &err));
    assert_true(suits(&many, &few, &inner));
    assert_false(suits(&many, &many.all, &inner));
    vssi_image_free(&many.heap, &inner);
    rows_free(&many);
    vssi_image_free(&r.heap, &model);
    rows_free(&r);
    rows_make(&r, 1, 1, 1); /* ip: rows may not be longer than the carriers */
    build = rows_build(&r, &r.all, NULL);
    MUST(r.ops->train(&build, &model, &err));
    vssi_vectors longer = r.all;
    longer.max_norm *= 1.01;
    assert_false(suits(&r, &longer, &model));
    vssi_image_free(&r.heap, &model);
    rows_free(&r);
}

/* Every byte of a model is under its hash; a build never sees a damaged one. */
static void damaged_models_are_refused(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        rows r;
        vssi_image model, image;
        vss_error err;
        rows_make(&r, kind, 1, 1);
        vssi_build build = rows_build(&r, &r.all, NULL);
        MUST(r.ops->train(&build, &model, &err));
        build.model = &model;
        for (size_t i = 0; i < model.n_blocks; i++) {
            vssi_block *b = &model.blocks[i];
            uint8_t *bytes = (uint8_t *)(uintptr_t)b->data;
            size_t size = b->element * b->count, step = size > 64 ? size / 13 : 1;
            bool good;
            for (size_t at = 0; at < size; at += step) {
                bytes[at] ^= 0x81;
                assert_int_not_equal(r.ops->suits(&build, &good, &err), VSS_OK);
                assert_int_not_equal(r.ops->build(&build, &image, &err), VSS_OK);
                bytes[at] ^= 0x81;
            }
            b->count++;
            assert_int_equal(r.ops->suits(&build, &good, &err), VSS_ERR_CORRUPT);
            b->count--;
            b->kind += 100;
            assert_int_equal(r.ops->suits(&build, &good, &err), VSS_ERR_CORRUPT);
            b->kind -= 100;
        }
        assert_true(suits(&r, &r.all, &model));
        vssi_image_free(&r.heap, &model);
        rows_free(&r);
    }
}

/* Memory that ends anywhere ends in BUDGET, and leaves nothing behind. */
static void memory_may_end_anywhere(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        rows r;
        vssi_image model, image, made;
        void *opened;
        vss_error err;
        bool good;
        rows_make(&r, kind, 1, 1);
        vssi_build build = rows_build(&r, &r.all, NULL);
        MUST(r.ops->train(&build, &model, &err));
        build.model = &model;
        MUST(r.ops->build(&build, &image, &err));
        MUST(r.ops->open(&r.heap, image.blocks, image.n_blocks, &r.all, &opened, &err));
        const vssi_source source = {opened, NULL, ROWS, 0};
        const uint64_t held = atomic_load(&r.heap.used);
        vss_status status = VSS_ERR_BUDGET;
        for (uint64_t room = 1000; status != VSS_OK; room += room / 6) {
            r.heap.budget = held + room;
            build = rows_build(&r, &r.all, NULL);
            status = r.ops->train(&build, &made, &err);
            if (status == VSS_OK)
                vssi_image_free(&r.heap, &made);
            build.model = &model;
            if (status == VSS_OK)
                status = r.ops->suits(&build, &good, &err);
            build.sources = &source;
            build.n_sources = 1;
            if (status == VSS_OK)
                status = r.ops->build(&build, &made, &err);
            if (status == VSS_OK)
                vssi_image_free(&r.heap, &made);
            assert_true(status == VSS_OK || status == VSS_ERR_BUDGET);
            assert_int_equal(atomic_load(&r.heap.used), held);
        }
        r.heap.budget = 0;
        r.ops->free(opened);
        vssi_image_free(&r.heap, &image);
        vssi_image_free(&r.heap, &model);
        rows_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_taken_over_are_those_of_coding), cmocka_unit_test(sources_may_say_anything),
        cmocka_unit_test(models_suit_their_like),               cmocka_unit_test(models_do_not_suit_rows_that_drifted),
        cmocka_unit_test(damaged_models_are_refused),           cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
