/*
 * test_estimate.c - what an index will take is told within a tenth, for every type; the choice keeps to its budget
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../index/index_ops.h"
#include "../support/maker.h"
#include "../support/tier.h"

static const struct {
    size_t rows;
    uint32_t dim;
    vss_type type;
    vss_metric metric;
    const char *index, *params;
    size_t threads;
} cases[] = {
    {20000, 32, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "hnsw", "m=8,codes=sq8,ef_construction=50", 1},
    {9000, 200, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "hnsw", "codes=f16", 1},
    {9000, 200, VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, "hnsw", "codes=sq4", 1},
    {9000, 100, VSS_TYPE_VECTOR_F16, VSS_METRIC_IP, "hnsw", "m=24,codes=none,ef_construction=100", 2},
    {8000, 256, VSS_TYPE_VECTOR_BINARY, VSS_METRIC_HAMMING, "hnsw", "m=16,ef_construction=50", 1},
    {30000, 40, VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, "flat", "codes=sq8,prefix=0", 1},
    {30000, 40, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "flat", "codes=none", 1},
    {30000, 64, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "ivf_flat", "nlist=200", 1},
    {30000, 64, VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, "ivf_sq8", "", 2},
    {30000, 64, VSS_TYPE_VECTOR_F32, VSS_METRIC_IP, "ivf_sq8", "nlist=64", 1},
    {30000, 100, VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, "ivf_rabitq", "bits=1", 1},
    {20000, 300, VSS_TYPE_VECTOR_BF16, VSS_METRIC_L2, "ivf_rabitq", "nlist=50", 2},
    {30000, 128, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "ivf_pq", "nlist=150", 1},
    {20000, 96, VSS_TYPE_VECTOR_I8, VSS_METRIC_L2, "ivf_pq", "nbits=8,m=24", 2},
    {70000, 16, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "ivf_pq", "nbits=8,nlist=16", 1},
};

static void expect_near(const char *what, const char *index, const char *params, uint64_t said, uint64_t truth)
{
    print_message("%s of %s %s: said %llu, is %llu\n", what, index, params, (unsigned long long)said,
                  (unsigned long long)truth);
    assert_true(fabs((double)said - (double)truth) <= 0.1 * (double)truth + 4096);
}

static void estimate_case(size_t c)
{
    const vssi_index_ops *ops = vssi_index_type_find(cases[c].index);
    const size_t rows = cases[c].rows / (strcmp(cases[c].index, "hnsw") == 0 ? tier_count(3, 1, 1) : 1);
    size_t size = maker_size(cases[c].type, cases[c].dim);
    uint8_t *data = malloc(rows * size);
    float *inverse = malloc(rows * sizeof *inverse);
    double *wide = malloc(cases[c].dim * sizeof *wide);
    uint64_t params[16], bytes = 0;
    maker_random r = {c};
    vssi_heap heap;
    vssi_image image;
    vssi_cost cost;
    vss_error err;
    maker_typed(&r, data, rows, cases[c].type, cases[c].dim, false);
    vssi_vectors v = {.rows = rows, .dim = cases[c].dim, .type = cases[c].type, .metric = cases[c].metric,
                      .data = data, .inverse_norms = inverse};
    for (size_t i = 0; i < v.rows; i++) {
        double norm = 0;
        maker_widen(v.type, data + i * size, 1, v.dim, wide);
        for (size_t j = 0; j < v.dim; j++)
            norm += wide[j] * wide[j];
        inverse[i] = (float)(1 / sqrt(norm));
        v.max_norm = fmax(v.max_norm, sqrt(norm) * 1.000001);
    }
    vssi_vectors_bind(&v);
    MUST(vssi_param_parse("build", ops->params, ops->n_params, false, cases[c].params, params, &err));
    vssi_heap_init(&heap, NULL, 0);
    vssi_build build = {.heap = &heap, .vectors = &v, .params = params, .threads = cases[c].threads};
    ops->estimate(&build, &cost);
    MUST(ops->build(&build, &image, &err));
    for (size_t i = 0; i < image.n_blocks; i++)
        bytes += image.blocks[i].element * image.blocks[i].count;
    expect_near("bytes", cases[c].index, cases[c].params, cost.bytes, bytes);
    expect_near("memory", cases[c].index, cases[c].params, cost.build_bytes, atomic_load(&heap.peak));
    vssi_image_free(&heap, &image);
    free(data);
    free(inverse);
    free(wide);
}

static void estimate__is_within_a_tenth(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c += tier_count(2, 1, 1))
        estimate_case(c);
}

/* Through the API: segments of 2^20 rows are added up, the largest is what a build holds. */
static void estimate__adds_segments_up(void **state)
{
    vss_index_cost one = VSS_INIT(vss_index_cost), many = VSS_INIT(vss_index_cost), rest = VSS_INIT(vss_index_cost);
    vss_error err;
    const vss_type u8 = VSS_TYPE_VECTOR_U8;
    (void)state;
    MUST(vss_index_estimate("ivf_sq8", NULL, u8, VSS_METRIC_L2, 64, 1u << 20, 1, &one, &err));
    MUST(vss_index_estimate("ivf_sq8", NULL, u8, VSS_METRIC_L2, 64, 5000, 1, &rest, &err));
    MUST(vss_index_estimate("ivf_sq8", NULL, u8, VSS_METRIC_L2, 64, (3u << 20) + 5000, 1, &many, &err));
    assert_int_equal(many.index_bytes, 3 * one.index_bytes + rest.index_bytes);
    assert_int_equal(many.build_bytes, one.build_bytes);
    MUST(vss_index_estimate("ivf_sq8", NULL, u8, VSS_METRIC_L2, 64, UINT64_MAX, 1, &many, &err)); /* at once */
    for (size_t i = 0; vss_index_type(i) != NULL; i++)
        MUST(vss_index_estimate(vss_index_type(i), NULL, u8, VSS_METRIC_COSINE, 1, 0, 0, &one, &err));
}

static void estimate__refuses(void **state)
{
    vss_index_cost cost = VSS_INIT(vss_index_cost);
    const vss_type f32 = VSS_TYPE_VECTOR_F32;
    (void)state;
    assert_int_equal(vss_index_estimate("tree", NULL, f32, VSS_METRIC_L2, 4, 1, 1, &cost, NULL), VSS_ERR_INVALID);
    assert_int_equal(vss_index_estimate("flat", "m=1", f32, VSS_METRIC_L2, 4, 1, 1, &cost, NULL), VSS_ERR_INVALID);
    assert_int_equal(vss_index_estimate("flat", NULL, VSS_TYPE_INT8, VSS_METRIC_L2, 4, 1, 1, &cost, NULL),
                     VSS_ERR_INVALID);
    assert_int_equal(vss_index_estimate("flat", NULL, f32, VSS_METRIC_HAMMING, 4, 1, 1, &cost, NULL), VSS_ERR_INVALID);
    assert_int_equal(vss_index_estimate("flat", NULL, f32, VSS_METRIC_L2, 0, 1, 1, &cost, NULL), VSS_ERR_INVALID);
    assert_int_equal(vss_index_estimate("flat", NULL, f32, VSS_METRIC_L2, 32769, 1, 1, &cost, NULL), VSS_ERR_INVALID);
    assert_int_equal(vss_index_estimate("flat", NULL, VSS_TYPE_VECTOR_BINARY, VSS_METRIC_HAMMING, 9, 1, 1, &cost, NULL),
                     VSS_ERR_INVALID);
    assert_int_equal(vss_index_estimate(NULL, NULL, f32, VSS_METRIC_L2, 4, 1, 1, &cost, NULL), VSS_ERR_INVALID);
    assert_int_equal(vss_index_estimate("flat", NULL, f32, VSS_METRIC_L2, 4, 1, 1, NULL, NULL), VSS_ERR_INVALID);
}

/* What is chosen can be built, keeps to its memory, and shrinks with it. */
static void choice__keeps_to_its_memory(void **state)
{
    enum { ROWS = 30000, DIM = 300 };
    static const struct {
        uint64_t memory;
        const char *type;
    } wanted[] = {{0, "ivf_rabitq"}, {6u << 20, "ivf_rabitq"}, {4u << 20, "ivf_rabitq"}, {1000, "flat"}};
    float *rows = malloc((size_t)ROWS * DIM * sizeof *rows);
    maker_random r = {3};
    uint64_t before = UINT64_MAX;
    vss_error err;
    vss_db *db;
    (void)state;
    MUST(vss_db_open("mem:", NULL, &db, &err));
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    vss_index_choice choice = VSS_INIT(vss_index_choice);
    MUST(vss_collection_choose_index(col, "v", 0, 1, &choice, &err));
    assert_string_equal(choice.type, "flat"); /* no rows yet */
    maker_vectors(&r, rows, ROWS, DIM, false);
    maker_insert(col, rows, ROWS, DIM, 0, 1);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        MUST(vss_collection_choose_index(col, "v", wanted[i].memory, 1, &choice, &err));
        assert_string_equal(choice.type, wanted[i].type);
        assert_true(wanted[i].memory == 0 || choice.index_bytes <= wanted[i].memory);
        assert_true(choice.index_bytes < before);
        assert_true(strstr(choice.reason, choice.type) != NULL && strchr(choice.reason, '\n') == NULL);
        before = choice.index_bytes;
    }
    MUST(vss_collection_build_index(col, "v", choice.type, choice.params, NULL, &err));
    assert_int_equal(vss_collection_choose_index(col, "none", 0, 1, &choice, NULL), VSS_ERR_NOT_FOUND);
    assert_int_equal(vss_collection_choose_index(col, "v", 0, 1, NULL, NULL), VSS_ERR_INVALID);
    assert_int_equal(vss_collection_choose_index(NULL, "v", 0, 1, &choice, NULL), VSS_ERR_INVALID);
    MUST(vss_db_close(db, &err));
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimate__is_within_a_tenth),
        cmocka_unit_test(estimate__adds_segments_up),
        cmocka_unit_test(estimate__refuses),
        cmocka_unit_test(choice__keeps_to_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
