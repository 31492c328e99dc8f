/*
 * test_flat.c - the scan against a full sort: metrics, filters of every density, block boundaries, an early stop
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../index/index_ops.h"
#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/hash.h"

#define DIM 19u

typedef struct flat_data {
    vssi_vectors vectors;
    float *data, *inverse;
    float query[DIM];
} flat_data;

static float flat_random(uint64_t *state) { return (float)((double)(vssi_random_next(state) >> 40) * 0x1p-23 - 1); }

/* Few different values, so that many rows tie. */
static void flat_make(flat_data *all, size_t rows, vss_metric metric, bool ties)
{
    uint64_t state = rows + (uint64_t)metric;
    *all = (flat_data){.data = malloc((rows + 1) * DIM * sizeof(float)), .inverse = malloc((rows + 1) * sizeof(float))};
    all->vectors = (vssi_vectors){rows, DIM, VSS_TYPE_VECTOR_F32, metric, all->data, all->inverse, 0,
                                  VSSI_SIMD_F32, 0, NULL, NULL};
    vssi_vectors_bind(&all->vectors);
    for (size_t i = 0; i < rows; i++) {
        float *row = all->data + i * DIM;
        uint64_t same = vssi_random_next(&state) % 5, *source = ties ? &same : &state;
        for (size_t j = 0; j < DIM; j++)
            row[j] = flat_random(source);
        double norm = sqrt(vssi_exact_ip_f32(row, row, DIM));
        all->inverse[i] = (float)(1 / norm);
        all->vectors.max_norm = norm > all->vectors.max_norm ? norm : all->vectors.max_norm;
    }
    for (size_t j = 0; j < DIM; j++)
        all->query[j] = flat_random(&state);
}

static float flat_value(const flat_data *all, size_t row)
{
    const float *v = all->data + row * DIM;
    if (all->vectors.metric == VSS_METRIC_L2)
        return (float)vssi_exact_l2_f32(all->query, v, DIM);
    double ip = -vssi_exact_ip_f32(all->query, v, DIM);
    return (float)(all->vectors.metric == VSS_METRIC_COSINE ? ip * (double)all->inverse[row] : ip);
}

static vss_status flat_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    (void)err;
    for (size_t i = 0; i < n; i++)
        values[i] = flat_value(state, rows[i]);
    return VSS_OK;
}

static bool flat_key_before(void *state, uint32_t a, uint32_t b)
{
    (void)state;
    return a < b;
}

static const flat_data *sorted_data;

static int flat_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    float u = flat_value(sorted_data, x), v = flat_value(sorted_data, y);
    if (u < v || v < u)
        return u < v ? -1 : 1;
    return x < y ? -1 : 1;
}

static void flat_bound(const flat_data *all, double *relative, double *absolute)
{
    double norm = sqrt(vssi_exact_ip_f32(all->query, all->query, DIM));
    bool l2 = all->vectors.metric == VSS_METRIC_L2;
    double longest = all->vectors.metric == VSS_METRIC_IP ? all->vectors.max_norm : 1.01;
    *relative = l2 ? vssi_simd_gamma(DIM) : 0;
    *absolute = l2 ? 0 : vssi_simd_gamma(DIM) * norm * longest;
}

/* allow[] passes `density` of 256 rows. */
static void flat_try(size_t rows, size_t k, vss_metric metric, unsigned density, bool ties)
{
    flat_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_topk topk;
    vss_error err;
    double relative, absolute;
    size_t words = vssi_bitmap_words(rows), n = 0;
    uint64_t state = density * 7919, *allow = calloc(words + 1, sizeof *allow);
    uint32_t *order = malloc((rows + 1) * sizeof *order);
    flat_make(&all, rows, metric, ties);
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    for (uint32_t i = 0; i < rows; i++) {
        if (vssi_random_next(&state) % 256 >= density)
            continue;
        vssi_bitmap_set(allow, i);
        order[n++] = i;
    }
    vssi_topk_source source = {&all, flat_exact, flat_key_before};
    vssi_query query = {{all.query, 1}, density > 256 ? NULL : allow, n, NULL, NULL};
    flat_bound(&all, &relative, &absolute);
    assert_int_equal(vssi_topk_init(&topk, &scratch, k, relative, absolute, &source, &err), VSS_OK);
    assert_int_equal(vssi_flat_search(NULL, &all.vectors, &query, &scratch, &topk, &err), VSS_OK);
    assert_int_equal(vssi_topk_finish(&topk, &err), VSS_OK);
    sorted_data = &all;
    qsort(order, n, sizeof *order, flat_compare);
    assert_int_equal(topk.n_hits, vssi_min(n, k));
    for (size_t i = 0; i < topk.n_hits; i++)
        assert_int_equal(topk.hits[i].row, order[i]);
    free(order);
    free(allow);
    free(all.data);
    free(all.inverse);
    vssi_scratch_free(&scratch);
}

static void test_against_sort(void **state)
{
    (void)state;
    static const size_t rows[] = {0, 1, 63, 255, 256, 257, 1500};
    static const unsigned densities[] = {0, 3, 100, 200, 250, 256, 257};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t d = 0; d < sizeof densities / sizeof *densities; d++) {
            for (int metric = VSS_METRIC_L2; metric <= VSS_METRIC_COSINE; metric++) {
                flat_try(rows[i], 10, (vss_metric)metric, densities[d], false);
                flat_try(rows[i], 77, (vss_metric)metric, densities[d], true);
            }
        }
    }
}

static void test_stops(void **state)
{
    (void)state;
    flat_data all;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_topk topk;
    vssi_control control;
    flat_make(&all, 300, VSS_METRIC_L2, false);
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    vssi_control_init(&control, 0, NULL, NULL);
    atomic_store(&control.stop, VSS_ERR_DEADLINE);
    vssi_topk_source source = {&all, flat_exact, flat_key_before};
    vssi_query query = {{all.query, 1}, NULL, 300, NULL, &control};
    assert_int_equal(vssi_topk_init(&topk, &scratch, 5, 1e-5, 0, &source, NULL), VSS_OK);
    assert_int_equal(vssi_flat_search(NULL, &all.vectors, &query, &scratch, &topk, NULL), VSS_OK);
    assert_int_equal(vssi_topk_finish(&topk, NULL), VSS_OK);
    assert_int_equal(topk.n_hits, 0);
    vssi_control_destroy(&control);
    free(all.data);
    free(all.inverse);
    vssi_scratch_free(&scratch);
}

static void test_registry(void **state)
{
    (void)state;
    const vssi_index_ops *type;
    size_t n = 0;
    for (; (type = vssi_index_type_at(n)) != NULL; n++) {
        assert_ptr_equal(vssi_index_type_find(type->name), type);
        assert_non_null(type->search);
        for (size_t i = 0; i < type->n_params; i++)
            assert_in_range(type->params[i].default_value, type->params[i].min, type->params[i].max);
    }
    assert_true(n >= 2);
    assert_null(vssi_index_type_find("btree"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sort),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
