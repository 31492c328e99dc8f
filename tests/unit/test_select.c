/*
 * test_select.c - what is below a cut, and the few least, of equal ones by place: every level against plain loops
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/select.h"

enum { MOST = 700, ROOM = MOST + 64 };

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Values of the kinds that lists hold: spread, all equal, few distinct ones, one far away, signs mixed. */
static float draw(uint64_t *state, size_t kind, size_t i)
{
    float share = (float)(vssi_random_next(state) >> 40) / (float)(1 << 24);
    switch (kind) {
    case 0:
        return 1e4f + 1e3f * share;
    case 1:
        return 7;
    case 2:
        return (float)(int)(4 * share);
    case 3:
        return i == 3 ? 1e30f : share;
    default:
        return (share - 0.5f) * 1e-3f;
    }
}

/* Places in no order: all differ, as n and the factor have no common divisor for the sizes below. */
static uint32_t place_of(size_t i, size_t n) { return (uint32_t)((i * 1009 + 5) % n) * 6000011u; }

static void check_least(const vssi_select *select, const float *values, size_t n, size_t k)
{
    _Alignas(64) float kept[ROOM], sorted[ROOM];
    _Alignas(64) uint32_t places[ROOM];
    size_t equal = 0, at = 0;
    memcpy(kept, values, ROOM * sizeof *kept);
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0; i < n; i++)
        places[i] = place_of(i, n);
    for (size_t i = 0; i < k; i++)
        equal += sorted[i] == sorted[k - 1];
    assert_true(select->least(kept, places, n, k) == sorted[k - 1]);
    for (size_t i = 0; i < n; i++) { /* those wanted in their order, the lowest places of equal ones */
        size_t before = 0;
        for (size_t j = 0; j < n && values[i] == sorted[k - 1]; j++)
            before += values[j] == values[i] && place_of(j, n) < place_of(i, n);
        if (values[i] > sorted[k - 1] || (values[i] == sorted[k - 1] && before >= equal))
            continue;
        assert_int_equal(places[at], place_of(i, n));
        assert_true(kept[at++] == values[i]);
    }
    assert_int_equal(at, k);
}

static void test_least(void **state)
{
    static const size_t sizes[] = {1, 2, 15, 16, 17, 33, 300, MOST};
    uint64_t random = 5;
    (void)state;
    for (size_t level = 0; vssi_select_level(level) != NULL; level++) {
        for (size_t kind = 0; kind < 5; kind++) {
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                _Alignas(64) float values[ROOM] = {0};
                size_t n = sizes[s];
                for (size_t i = 0; i < n; i++)
                    values[i] = draw(&random, kind, i);
                for (size_t k = 1; k <= n; k += 1 + k / 3)
                    check_least(vssi_select_level(level), values, n, k);
                check_least(vssi_select_level(level), values, n, n);
            }
        }
    }
}

static void test_below(void **state)
{
    uint64_t random = 6;
    (void)state;
    for (size_t level = 0; vssi_select_level(level) != NULL; level++) {
        const vssi_select *select = vssi_select_level(level);
        for (size_t n = 1; n <= VSSI_SELECT_STEP; n++) {
            float values[VSSI_SELECT_STEP], kept[VSSI_SELECT_STEP + 32];
            uint32_t places[VSSI_SELECT_STEP + 32], mask = 0;
            size_t taken = 0, at = 0;
            for (size_t i = 0; i < VSSI_SELECT_STEP; i++) {
                values[i] = draw(&random, 2, i);
                mask |= (uint32_t)(i < n && values[i] <= 1) << i;
            }
            assert_int_equal(select->below(values, n, 1), mask);
            select->take(values, 1000, mask, kept, places, &taken);
            for (size_t i = 0; i < n; i++) {
                if (values[i] > 1)
                    continue;
                assert_int_equal(places[at], 1000 + i);
                assert_true(kept[at++] == values[i]);
            }
            assert_int_equal(taken, at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
