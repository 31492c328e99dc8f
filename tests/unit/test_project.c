/*
 * test_project.c - projections: every level to the bit as a plain loop, rows of any number and columns of any number;
 * rotations in float64: lengths and products stay
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../index/codec/rotate.h"
#include "../../lib/base/hash.h"
#include "../../simd/project.h"

enum { WIDTH = 300, DIMS = 70, ROWS = 19 };

static double draw(uint64_t *state) { return (double)(vssi_random_next(state) >> 12) * 0x1p-51 - 1; }

static void plain(const vssi_projection *p, double *out)
{
    for (size_t r = 0; r < p->n; r++) {
        for (size_t j = 0; j < p->dims; j++) {
            double sum = 0;
            for (size_t i = 0; i < p->width; i++)
                sum += p->rows[r * p->width + i] * p->matrix[i * p->stride + j];
            out[r * p->out_stride + j] = sum;
        }
    }
}

static void test_levels(void **state)
{
    static const size_t dims[] = {1, 3, 7, 8, 15, 16, 17, 31, 33, 69, 70}, counts[] = {1, 4, 8, 13, ROWS};
    static const size_t widths[] = {1, 255, 256, WIDTH};
    static double matrix[WIDTH * (DIMS + 1)], rows[ROWS * WIDTH], wanted[ROWS * (DIMS + 2)], out[ROWS * (DIMS + 2)];
    uint64_t random = 3;
    (void)state;
    for (size_t i = 0; i < WIDTH * (DIMS + 1); i++)
        matrix[i] = draw(&random);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        rows[i] = draw(&random);
    for (size_t c = 0; c < 11 * 5 * 4; c++) {
        vssi_projection p = {.matrix = matrix + 1, .stride = DIMS + 1, .width = widths[c / 55], .dims = dims[c % 11],
                             .rows = rows, .n = counts[c / 11 % 5], .out_stride = DIMS + 2};
        memset(wanted, 0x55, sizeof wanted);
        plain(&p, wanted);
        for (size_t level = 0; vssi_project_level(level) != NULL; level++) {
            memset(out, 0x55, sizeof out);
            p.out = out;
            vssi_project_level(level)(&p);
            assert_memory_equal(out, wanted, sizeof out);
        }
    }
}

static void test_rotation(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 27, 64, 127, 511};
    static double a[512], b[512];
    static float signs[VSSI_ROTATE_ROUNDS * 512];
    uint64_t random = 5;
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        double square = 0, product = 0, square_after = 0, product_after = 0, most = 0;
        vssi_rotate_signs(7, n, signs);
        for (size_t i = 0; i < n; i++) {
            a[i] = i == 0 ? 1 : 0;
            b[i] = draw(&random);
            square += b[i] * b[i];
            product += a[i] * b[i];
        }
        vssi_rotate_double(signs, n, a);
        vssi_rotate_double(signs, n, b);
        for (size_t i = 0; i < n; i++) {
            square_after += b[i] * b[i];
            product_after += a[i] * b[i];
            most = fmax(most, fabs(a[i]));
        }
        assert_true(fabs(square_after - square) <= 1e-13 * square);
        assert_true(fabs(product_after - product) <= 1e-13);
        if (n >= 27) /* one component becomes many */
            assert_true(most < 0.75);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
