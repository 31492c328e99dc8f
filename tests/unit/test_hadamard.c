/*
 * test_hadamard.c - the transform against its definition, sums of subsets against plain sums, every level to the bit
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/hadamard.h"

enum { MOST = 2048 };

static float draw(uint64_t *state) { return (float)(vssi_random_next(state) >> 40) / (float)(1 << 23) - 1; }

static void test_transform(void **state)
{
    uint64_t random = 8;
    (void)state;
    for (size_t n = 16; n <= MOST; n *= 2) {
        float in[MOST], plain[MOST], out[MOST];
        for (size_t i = 0; i < n; i++)
            in[i] = draw(&random);
        memcpy(plain, in, sizeof in);
        vssi_hadamard_scalar.transform(plain, n, 0.25f);
        for (size_t i = 0; i < n; i++) { /* entry (i, j) is -1 to the number of bits that both have */
            double sum = 0;
            for (size_t j = 0; j < n; j++)
                sum += __builtin_popcountll(i & j) % 2 ? -(double)in[j] : (double)in[j];
            assert_true(fabs(sum / 4 - (double)plain[i]) <= 1e-6 * (double)n);
        }
        for (size_t level = 0; vssi_hadamard_level(level) != NULL; level++) {
            memcpy(out, in, sizeof in);
            vssi_hadamard_level(level)->transform(out, n, 0.25f);
            assert_memory_equal(out, plain, n * sizeof *out);
        }
    }
}

static void test_subsets(void **state)
{
    static const size_t sizes[] = {4, 16, 128, 912};
    static const float inverses[] = {0, 31, 63.7f, 500};
    uint64_t random = 9;
    (void)state;
    for (size_t c = 0; c < 16; c++) {
        _Alignas(64) uint8_t plain[4 * MOST], table[4 * MOST];
        float v[MOST], inverse = inverses[c / 4];
        size_t n = sizes[c % 4];
        for (size_t i = 0; i < n; i++)
            v[i] = draw(&random);
        vssi_hadamard_scalar.subsets(v, n, inverse, plain);
        for (size_t i = 0; i < 4 * n; i++) {
            double sum = 0;
            for (size_t bit = 0; bit < 4; bit++) {
                double one = (double)v[i / 16 * 4 + bit];
                sum += (i >> bit & 1 ? one : 0) - fmin(one, 0);
            }
            assert_true(fabs(fmin(sum * (double)inverse, 255) - plain[i]) <= 0.501);
        }
        for (size_t level = 0; vssi_hadamard_level(level) != NULL; level++) {
            vssi_hadamard_level(level)->subsets(v, n, inverse, table);
            assert_memory_equal(table, plain, 4 * n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transform),
        cmocka_unit_test(test_subsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
