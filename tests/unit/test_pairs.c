/*
 * test_pairs.c - keys of pairs and the least of them, every level against plain loops
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/pairs.h"

static _Alignas(64) uint32_t keys[VSSI_PAIRS_MOST + 16];
static uint32_t sorted[VSSI_PAIRS_MOST + 16];

static int pairs_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* n keys of different numbers with scores below `spread`; one of them none. */
static void pairs_fill(size_t n, uint32_t spread, uint64_t *state)
{
    for (size_t i = 0; i < n; i++)
        keys[i] = vssi_pairs_key((float)(vssi_random_next(state) % spread), (uint32_t)i);
    keys[vssi_random_next(state) % n] = VSSI_PAIRS_NONE;
    for (size_t i = n; i % 16 != 0; i++)
        keys[i] = VSSI_PAIRS_NONE;
    memcpy(sorted, keys, n * sizeof *keys);
    qsort(sorted, n, sizeof *sorted, pairs_compare);
}

static void test_least(void **state)
{
    (void)state;
    static const size_t numbers[] = {1, 2, 15, 16, 17, 40, 100, 127, 128, 129, 300, 511, 1000, 1024};
    static const size_t wanted[] = {1, 3, 8, 10, 16, 17, 64, 128};
    static const uint32_t spreads[] = {1, 5, 1000, 1000000};
    uint64_t seed = 3;
    const vssi_pairs *pairs;
    for (size_t level = 0; (pairs = vssi_pairs_level(level)) != NULL; level++) {
        for (size_t c = 0; c < 14 * 8 * 4; c++) {
            size_t n = numbers[c % 14], k = wanted[c / 14 % 8];
            uint32_t out[128];
            pairs_fill(n, spreads[c / 14 / 8], &seed);
            pairs->least(keys, n, k, out);
            for (size_t i = 0; i < k; i++)
                assert_int_equal(out[i], i < n ? sorted[i] : VSSI_PAIRS_NONE);
        }
    }
}

/* Keys that fall all the time: every one is among the least when it comes. */
static void test_least_in_the_worst_order(void **state)
{
    (void)state;
    const vssi_pairs *pairs;
    for (size_t level = 0; (pairs = vssi_pairs_level(level)) != NULL; level++) {
        uint32_t out[10];
        for (uint32_t i = 0; i < VSSI_PAIRS_MOST; i++)
            keys[i] = vssi_pairs_key((float)(VSSI_PAIRS_MOST - i), i);
        pairs->least(keys, VSSI_PAIRS_MOST, 10, out);
        for (uint32_t i = 0; i < 10; i++)
            assert_int_equal(vssi_pairs_number(out[i]), VSSI_PAIRS_MOST - 1 - i);
    }
}

typedef struct pairs_case {
    _Alignas(64) uint32_t panel[8192][VSSI_PAIRS_ROWS];
    _Alignas(64) uint32_t out[VSSI_PAIRS_QUERIES][64];
    _Alignas(64) int32_t bases[VSSI_PAIRS_ROWS];
    uint8_t rows[VSSI_PAIRS_ROWS][32768], queries[VSSI_PAIRS_QUERIES][32768];
    int32_t packed[8192][VSSI_PAIRS_QUERIES], norms[VSSI_PAIRS_QUERIES];
} pairs_case;

static void pairs_prepare(pairs_case *c, size_t size, unsigned kind, uint64_t *seed)
{
    for (size_t v = 0; v < VSSI_PAIRS_ROWS + VSSI_PAIRS_QUERIES; v++) {
        uint8_t *code = v < VSSI_PAIRS_ROWS ? c->rows[v] : c->queries[v - VSSI_PAIRS_ROWS];
        int32_t sum = 0, square = 0;
        for (size_t i = 0; i < size; i++) {
            code[i] = kind == 0 ? (uint8_t)vssi_random_next(seed) : kind == 1 ? 255 * (v % 2) : 255 * (v / 16 % 2);
            sum += code[i];
            square += code[i] * code[i];
        }
        for (size_t u = 0; u < size / 4; u++) {
            uint32_t four;
            memcpy(&four, code + 4 * u, 4);
            if (v < VSSI_PAIRS_ROWS)
                c->panel[u][v] = four;
            else
                c->packed[u][v - VSSI_PAIRS_ROWS] = (int32_t)(four ^ 0x80808080u);
        }
        if (v < VSSI_PAIRS_ROWS)
            c->bases[v] = square - 256 * sum;
        else
            c->norms[v - VSSI_PAIRS_ROWS] = square;
    }
}

static void test_keys(void **state)
{
    (void)state;
    static const size_t sizes[] = {4, 8, 60, 128, 960, 32768};
    pairs_case *c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64);
    uint64_t seed = 9;
    const vssi_pairs *pairs;
    for (size_t level = 0; (pairs = vssi_pairs_level(level)) != NULL; level++) {
        for (size_t i = 0; pairs->keys && i < 6 * 3; i++) {
            size_t size = sizes[i % 6];
            pairs_prepare(c, size, (unsigned)(i / 6), &seed);
            vssi_pairs_job job = {c->packed[0], c->norms, c->panel, c->bases, size / 4, 96};
            pairs->keys(&job, c->out[0], 64);
            for (size_t q = 0; q < VSSI_PAIRS_QUERIES; q++) {
                for (uint32_t r = 0; r < VSSI_PAIRS_ROWS; r++) {
                    int32_t score = 0;
                    for (size_t j = 0; j < size; j++)
                        score += (c->rows[r][j] - c->queries[q][j]) * (c->rows[r][j] - c->queries[q][j]);
                    assert_int_equal(c->out[q][r], vssi_pairs_key((float)score, 96 + r));
                }
            }
        }
    }
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_least_in_the_worst_order),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
