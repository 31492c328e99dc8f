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

static const struct {
    size_t rows;
    uint32_t dim;
    vss_type type;
    vss_metric metric;
    const char *index, *params;
    size_t threads;
} cases[] = {
    {20000, 32, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "hnsw", "m=8,codes=sq8,ef_construction=50", 1},
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
    size_t size = maker_size(cases[c].type, cases[c].dim);
    uint8_t *data = malloc(cases[c].rows * size);
    float *inverse = malloc(cases[c].rows * sizeof *inverse);
    double *wide = malloc(cases[c].dim * sizeof *wide);
    uint64_t params[16], bytes = 0;
    maker_random r = {c};
    vssi_heap heap;
    vssi_image image;
    vssi_cost cost;
    vss_error err;
    maker_typed(&r, data, cases[c].rows, cases[c].type, cases[c].dim, false);
    vssi_vectors v = {.rows = cases[c].rows, .dim = cases[c].dim, .type = cases[c].type, .metric = cases[c].metric,
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
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        estimate_case(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(estimate__is_within_a_tenth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
