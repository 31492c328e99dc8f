/*
 * test_nibbles.c - scores of codes of four bits: every level against whole numbers
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/nibbles.h"

enum { ROWS = 9, MOST = 16384 };

typedef struct nibbles_case {
    size_t size; /* bytes of a row */
    int8_t even[MOST], odd[MOST];
    uint8_t *rows; /* [ROWS][size], at no particular address */
    vssi_nibbles_query query;
} nibbles_case;

static int64_t nibbles_truth(const nibbles_case *c, size_t row)
{
    int64_t sum = 0;
    for (size_t j = 0; j < c->size; j++) {
        int64_t low = 8 * (c->rows[row * c->size + j] % 16) - c->even[j];
        int64_t high = 8 * (c->rows[row * c->size + j] / 16) - c->odd[j];
        sum += low * low + high * high;
    }
    return sum;
}

static void nibbles_check(const nibbles_case *c)
{
    vssi_nibbles_gather kernel;
    uint32_t rows[2 * ROWS];
    float scores[2 * ROWS + 1];
    for (uint32_t i = 0; i < 2 * ROWS; i++)
        rows[i] = i * 5 % ROWS;
    for (size_t level = 0; (kernel = vssi_nibbles_level(level)) != NULL; level++) {
        for (size_t n = 0; n <= 2 * ROWS; n++) {
            scores[n] = -1;
            kernel(&c->query, c->rows, c->size, rows, n, scores);
            assert_true(scores[n] == -1.0f);
        }
        for (size_t i = 0; i < 2 * ROWS; i++)
            assert_true(scores[i] == (float)nibbles_truth(c, rows[i]));
    }
}

/* Random, and all at their greatest: fill picks. */
static void nibbles_fill(nibbles_case *c, size_t size, int fill)
{
    uint64_t seed = size;
    c->size = size;
    c->query = (vssi_nibbles_query){c->even, c->odd, 0};
    for (size_t j = 0; j < size; j++) {
        c->even[j] = (int8_t)(fill ? 127 * (fill - 2) : (int)(vssi_random_next(&seed) % 255) - 127);
        c->odd[j] = (int8_t)(fill ? 127 * (fill - 2) : (int)(vssi_random_next(&seed) % 255) - 127);
        c->query.norm += c->even[j] * c->even[j] + c->odd[j] * c->odd[j];
    }
    for (size_t i = 0; i < ROWS * size; i++)
        c->rows[i] = (uint8_t)(fill ? 255 * (i / size % 2) : vssi_random_next(&seed));
}

static void nibbles__are_squares(void **state)
{
    static const size_t sizes[] = {4, 8, 16, 32, 33, 63, 64, 65, 128, 450, 512, MOST};
    nibbles_case *c = malloc(sizeof *c);
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint8_t *room = malloc(ROWS * sizes[s] + 1);
        c->rows = room + 1;
        for (int fill = 0; fill < 4; fill++) {
            nibbles_fill(c, sizes[s], fill);
            nibbles_check(c);
        }
        free(room);
    }
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nibbles__are_squares)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
