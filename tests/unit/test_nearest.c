/*
 * test_nearest.c - the nearest of many centers, against whole numbers compared one by one
 *
 * The level is the process's: CTest runs this program once a level (tests/CMakeLists.txt).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/nearest.h"

typedef struct nearest_case {
    size_t n, size, n_points;
    unsigned levels;    /* different values of a component: few give ties */
    bool numbers;
} nearest_case;

static void case_fill(uint8_t *out, size_t n, unsigned levels, uint64_t *seed)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(vssi_random_next(seed) % levels * (255 / (levels - 1)));
}

/* The place and distance by definition: the first of the least. */
static uint32_t case_truth(const nearest_case *c, const uint8_t *centers, const uint32_t *numbers, const uint8_t *point,
                           float *distance)
{
    uint32_t best = 0;
    for (size_t i = 0; i < c->n; i++) {
        const uint8_t *center = centers + (numbers ? numbers[i] : i) * c->size;
        int64_t sum = 0;
        for (size_t j = 0; j < c->size; j++)
            sum += (int64_t)(center[j] - point[j]) * (center[j] - point[j]);
        if (i == 0 || (float)sum < *distance) {
            *distance = (float)sum;
            best = (uint32_t)i;
        }
    }
    return best;
}

static void case_run(const nearest_case *c, uint64_t seed)
{
    size_t room, rows = 2 * c->n;
    uint8_t *centers = malloc(rows * c->size), *points = malloc(c->n_points * c->size);
    uint32_t *numbers = malloc(c->n * sizeof *numbers), *where = malloc(c->n_points * sizeof *where);
    float *distances = malloc(c->n_points * sizeof *distances), wanted = 0;
    const uint8_t **list = malloc(c->n_points * sizeof *list);
    void *scratch = aligned_alloc(64, (vssi_nearest_scratch(c->size) + 63) / 64 * 64);
    vssi_nearest set;
    case_fill(centers, rows * c->size, c->levels, &seed);
    case_fill(points, c->n_points * c->size, c->levels, &seed);
    for (size_t i = 0; i < c->n; i++)
        numbers[i] = (uint32_t)(vssi_random_next(&seed) % rows);
    for (size_t i = 0; i < c->n_points; i++)
        list[i] = points + i * c->size;
    assert_true(vssi_nearest_room(c->n, c->size, &room));
    void *memory = aligned_alloc(64, (room + 63) / 64 * 64);
    vssi_nearest_pack(&set, centers, c->numbers ? numbers : NULL, c->n, c->size, memory);
    vssi_nearest_find(&set, list, c->n_points, scratch, where, distances);
    for (size_t i = 0; i < c->n_points; i++) {
        uint32_t truth = case_truth(c, centers, c->numbers ? numbers : NULL, list[i], &wanted);
        assert_int_equal(where[i], truth);
        assert_true(distances[i] >= wanted && distances[i] <= wanted);
    }
    void *const made[] = {centers, points, numbers, where, distances, list, scratch, memory};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        free(made[i]);
}

static void nearest__is_the_first_of_the_least(void **state)
{
    static const size_t ns[] = {1, 2, 31, 32, 33, 100, 257}, sizes[] = {4, 20, 128, 132};
    static const size_t points[] = {1, 2, 3, 5, 11, 25, 65, 97, 141};
    static const unsigned levels[] = {2, 3, 256};
    uint64_t seed = 1;
    (void)state;
    for (size_t n = 0; n < sizeof ns / sizeof *ns; n++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            for (size_t p = 0; p < sizeof points / sizeof *points; p++, seed++)
                case_run(&(nearest_case){ns[n], sizes[s], points[p], levels[seed % 3], seed % 5 < 2}, seed);
        }
    }
}

/* Sums near 2^31. */
static void nearest__holds_the_greatest_sums(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++)
        case_run(&(nearest_case){40, 32772, 14, seed < 2 ? 2 : 256, false}, seed);
}

static void nearest__refuses_too_many(void **state)
{
    size_t room = 0;
    (void)state;
    assert_false(vssi_nearest_room(SIZE_MAX / 2, 128, &room));
    assert_true(vssi_nearest_room(1, 4, &room));
    assert_true(room >= VSSI_NEAREST_LANES * (4 + 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest__is_the_first_of_the_least),
        cmocka_unit_test(nearest__holds_the_greatest_sums),
        cmocka_unit_test(nearest__refuses_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
