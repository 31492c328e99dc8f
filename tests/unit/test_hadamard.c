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

/* Components of several sizes: spread; one that is far above the others; fours that are; none but 0. */
static void draw_all(uint64_t *random, size_t kind, float *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        v[i] = kind == 3 ? 0 : draw(random);
        if ((kind == 1 && i == 5) || (kind == 2 && i / 4 == 3))
            v[i] = i % 2 ? -30 : 30;
    }
}

static void check_subsets(const float *v, size_t n, float step, const int8_t *rounded, const uint8_t *table)
{
    float one = 0, four = 0;
    for (size_t j = 0; j < n; j += 4) {
        float sum = 0;
        int under = 0;
        for (size_t i = j; i < j + 4; i++) {
            assert_true(fabs((double)v[i] - (double)step * rounded[i]) <= 0.5001 * (double)step);
            one = fmaxf(one, fabsf(v[i]));
            sum += fabsf(v[i]);
            under += rounded[i] < 0 ? rounded[i] : 0;
        }
        four = fmaxf(four, sum);
        for (unsigned i = 0; i < 16; i++) {
            int entry = -under;
            for (unsigned bit = 0; bit < 4; bit++)
                entry += i >> bit & 1 ? rounded[j + bit] : 0;
            assert_int_equal(table[4 * j + i], entry);
        }
    }
    assert_true(fabs(fmax((double)one / 127, (double)four / 253) - (double)step) <= 1e-6 * (double)step);
}

static void test_subsets(void **state)
{
    static const size_t sizes[] = {16, 48, 128, 912};
    uint64_t random = 9;
    (void)state;
    for (size_t c = 0; c < 16; c++) {
        _Alignas(64) uint8_t plain[4 * MOST], table[4 * MOST];
        int8_t rounded[MOST], again[MOST];
        float v[MOST];
        size_t n = sizes[c % 4];
        draw_all(&random, c / 4, v, n);
        float step = vssi_hadamard_scalar.subsets(v, n, rounded, plain);
        check_subsets(v, n, step, rounded, plain);
        for (size_t level = 0; vssi_hadamard_level(level) != NULL; level++) {
            assert_true(vssi_hadamard_level(level)->subsets(v, n, again, table) == step);
            assert_memory_equal(table, plain, 4 * n);
            assert_memory_equal(again, rounded, n);
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
