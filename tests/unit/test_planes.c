/*
 * test_planes.c - products with rows stored a plane a bit: every level against float64
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/planes.h"

enum { PLANES_MOST = 2064 };

static void planes_check(size_t n, unsigned bits, uint64_t seed)
{
    float query[PLANES_MOST];
    uint8_t codes[PLANES_MOST], *row = malloc(vssi_planes_size(n, bits) + 1);
    double truth = 0, scale = 0;
    vssi_planes_kernel kernel;
    for (size_t i = 0; i < n; i++) {
        query[i] = (float)(int64_t)(vssi_random_next(&seed) % 20001 - 10000) / 777;
        codes[i] = (uint8_t)vssi_random_next(&seed); /* bits above `bits` are to be ignored */
        double product = (double)query[i] * (double)(codes[i] & ((1u << bits) - 1));
        truth += product;
        scale += fabs(product);
    }
    vssi_planes_set(row + 1, n, bits, codes); /* at no particular address */
    for (size_t level = 0; (kernel = vssi_planes_level(level)) != NULL; level++)
        assert_true(fabs((double)kernel(query, row + 1, n, bits) - truth) <= scale * (double)n * 0x1p-24);
    free(row);
}

static void planes__are_the_products(void **state)
{
    static const size_t sizes[] = {16, 32, 48, 128, 144, 912, 1024, PLANES_MOST};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (unsigned bits = 1; bits <= VSSI_PLANES_BITS; bits++)
            planes_check(sizes[s], bits, sizes[s] * 10 + bits);
    }
}

/* A single component: the bit is where the layout says, and no other component is touched. */
static void planes__keep_components_apart(void **state)
{
    float query[48];
    uint8_t codes[48], row[48 / 8 * VSSI_PLANES_BITS];
    vssi_planes_kernel kernel;
    (void)state;
    for (size_t one = 0; one < 48; one++) {
        for (size_t i = 0; i < 48; i++) {
            query[i] = i == one ? 1.0f : 0.0f;
            codes[i] = (uint8_t)((i * 7 + 3) % 128);
        }
        vssi_planes_set(row, 48, VSSI_PLANES_BITS, codes);
        for (size_t level = 0; (kernel = vssi_planes_level(level)) != NULL; level++)
            assert_int_equal((int)kernel(query, row, 48, VSSI_PLANES_BITS), codes[one]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planes__are_the_products),
        cmocka_unit_test(planes__keep_components_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
