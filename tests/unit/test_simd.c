/*
 * test_simd.c - every level of the kernels against the exact distances, within the bound that searches rely on
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/simd.h"

#define MAX_DIM 32768u
#define ROWS 11u

typedef struct simd_data {
    char *block;
    float *query, *rows;
} simd_data;

static float simd_random(uint64_t *state)
{
    return (float)((double)(vssi_random_next(state) >> 11) * 0x1p-53 * 2 - 1);
}

/* Query and rows at an odd byte offset. They are written through memcpy: a float* may not be so crooked in plain C. */
static simd_data simd_make(size_t dim, size_t shift, float scale)
{
    uint64_t state = dim * 31 + shift;
    size_t size = (ROWS + 1) * dim * sizeof(float);
    simd_data data = {.block = malloc(size + shift)};
    assert_non_null(data.block);
    for (size_t i = 0; i < (ROWS + 1) * dim; i++) {
        float value = simd_random(&state) * scale;
        memcpy(data.block + shift + i * sizeof value, &value, sizeof value);
    }
    data.query = (float *)(void *)(data.block + shift);
    data.rows = (float *)(void *)(data.block + shift + dim * sizeof(float));
    return data;
}

static double simd_norm(const float *v, size_t dim) { return sqrt(vssi_exact_ip_f32(v, v, dim)); }

/* Check scores[n] of rows by number. */
static void simd_check(const vssi_kernels *k, const simd_data *data, size_t dim, const uint32_t *rows, size_t n,
                       bool ip, const float *scores)
{
    double gamma = vssi_simd_gamma(dim);
    for (size_t i = 0; i < n; i++) {
        const float *row = data->rows + rows[i] * dim;
        double exact = ip ? -vssi_exact_ip_f32(data->query, row, dim) : vssi_exact_l2_f32(data->query, row, dim);
        double scale = ip ? simd_norm(data->query, dim) * simd_norm(row, dim) : exact;
        if (!(fabs((double)scores[i] - exact) <= gamma * scale))
            fail_msg("%s %s dim %zu row %zu: %.9g, exact %.17g", k->level, ip ? "ip" : "l2", dim, i, (double)scores[i],
                     exact);
    }
}

static size_t simd_level_dim(const vssi_kernels *k, size_t dim, size_t shift, float scale)
{
    static const uint32_t order[ROWS] = {3, 0, 10, 7, 7, 1, 9, 2, 8, 4, 6};
    uint32_t straight[ROWS];
    simd_data data = simd_make(dim, shift, scale);
    size_t checks = 0;
    for (uint32_t i = 0; i < ROWS; i++)
        straight[i] = i;
    for (size_t n = 0; n <= ROWS; n++) {
        float l2[ROWS + 1], ip[ROWS + 1], one;
        l2[n] = ip[n] = 42;
        k->l2_f32_rows(data.query, data.rows, dim, n, l2);
        k->ip_f32_rows(data.query, data.rows, dim, n, ip);
        simd_check(k, &data, dim, straight, n, false, l2);
        simd_check(k, &data, dim, straight, n, true, ip);
        k->l2_f32_gather(data.query, data.rows, dim, order, n, l2);
        k->ip_f32_gather(data.query, data.rows, dim, order, n, ip);
        simd_check(k, &data, dim, order, n, false, l2);
        simd_check(k, &data, dim, order, n, true, ip);
        assert_true(l2[n] == 42 && ip[n] == 42);
        for (size_t i = 0; i < n; i++) { /* the score of a pair depends on the pair alone */
            k->l2_f32_rows(data.rows + order[i] * dim, data.query, dim, 1, &one);
            assert_memory_equal(&one, &l2[i], sizeof one);
            k->ip_f32_rows(data.query, data.rows + order[i] * dim, dim, 1, &one);
            assert_memory_equal(&one, &ip[i], sizeof one);
        }
        checks += 4 * n;
    }
    free(data.block);
    return checks;
}

static void test_levels_match_exact(void **state)
{
    (void)state;
    const vssi_kernels *k;
    for (size_t level = 0; (k = vssi_simd_level(level)) != NULL; level++) {
        size_t checks = 0;
        for (size_t dim = 1; dim <= 130; dim++) {
            for (size_t shift = 0; shift < 8; shift++)
                checks += simd_level_dim(k, dim, shift, 1);
        }
        static const size_t large[] = {768, 1536, MAX_DIM};
        for (size_t i = 0; i < sizeof large / sizeof *large; i++)
            checks += simd_level_dim(k, large[i], 3, 1);
        checks += simd_level_dim(k, 100, 0, 1e17f) + simd_level_dim(k, 100, 0, 1e-15f);
        print_message("%s: %zu scores within the bound\n", k->level, checks);
        assert_true(checks > 100000);
    }
    assert_true(k == NULL);
}

/* The fixed order, written out a second time. */
static void test_exact_order(void **state)
{
    (void)state;
    for (size_t dim = 1; dim < 40; dim++) {
        simd_data data = simd_make(dim, 0, 1);
        volatile double l2[8] = {0}, ip[8] = {0};
        for (size_t i = 0; i < dim; i++) {
            volatile double difference = (double)data.query[i] - (double)data.rows[i];
            volatile double square = difference * difference;
            volatile double product = (double)data.query[i] * (double)data.rows[i];
            l2[i % 8] += square;
            ip[i % 8] += product;
        }
        double want_l2 = ((l2[0] + l2[1]) + (l2[2] + l2[3])) + ((l2[4] + l2[5]) + (l2[6] + l2[7]));
        double want_ip = ((ip[0] + ip[1]) + (ip[2] + ip[3])) + ((ip[4] + ip[5]) + (ip[6] + ip[7]));
        double got_l2 = vssi_exact_l2_f32(data.query, data.rows, dim);
        double got_ip = vssi_exact_ip_f32(data.query, data.rows, dim);
        assert_memory_equal(&want_l2, &got_l2, sizeof got_l2);
        assert_memory_equal(&want_ip, &got_ip, sizeof got_ip);
        free(data.block);
    }
    float pair[2][3] = {{1, 2, 3}, {4, 6, 8}};
    assert_true(vssi_exact_l2_f32(pair[0], pair[1], 3) == 50.0);
    assert_true(vssi_exact_ip_f32(pair[0], pair[1], 3) == 40.0);
}

static void test_chosen_level(void **state)
{
    (void)state;
    const vssi_kernels *chosen = vssi_simd();
    const char *wanted = getenv("VSS_SIMD");
    size_t levels = vssi_simd_detect(), known = 0;
    for (size_t i = 0; i < levels; i++)
        known += vssi_simd_level(i) == chosen;
    assert_int_equal(known, 1);
    assert_null(vssi_simd_level(levels));
    assert_string_equal(vssi_simd_level(0)->level, "scalar");
    if (!wanted)
        assert_ptr_equal(chosen, vssi_simd_level(levels - 1));
    assert_ptr_equal(chosen, vssi_simd());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_match_exact),
        cmocka_unit_test(test_exact_order),
        cmocka_unit_test(test_chosen_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
