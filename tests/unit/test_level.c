/*
 * test_level.c - which level of kernels is chosen: the best that the processor has, or the one VSS_SIMD names
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../simd/simd.h"

static void test_level_order(void **state)
{
    (void)state;
    const size_t levels = vssi_simd_detect();
    assert_true(levels > 0);
    assert_null(vssi_simd_level(levels));
    assert_string_equal(vssi_simd_level(0)->level, "scalar");
    for (size_t i = 1; i < levels; i++)
        assert_ptr_equal(vssi_simd_level(i)->below, vssi_simd_level(i - 1));
}

static void test_level_chosen(void **state)
{
    (void)state;
    const char *wanted = getenv("VSS_SIMD");
    const size_t levels = vssi_simd_detect();
    const vssi_kernels *expected = vssi_simd_level(levels - 1);
    for (size_t i = 0; wanted != NULL && i < levels; i++)
        if (strcmp(vssi_simd_level(i)->level, wanted) == 0)
            expected = vssi_simd_level(i);
    assert_ptr_equal(vssi_simd(), expected);
    assert_ptr_equal(vssi_simd(), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_level_order), cmocka_unit_test(test_level_chosen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
