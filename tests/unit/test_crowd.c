/*
 * test_crowd.c - crowds of queries: products against plain sums, values to the bit those of the single queries' kernels
 *
 * Every count of queries up to 32, rows of fours that end within a step, blocks of bits, extreme bytes.
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
#include "../../simd/crowd.h"
#include "../../simd/hadamard.h"
#include "../../simd/nearest.h"
#include "../../simd/scan4.h"

enum { ROWS = VSSI_CROWD_ROWS, MOST = VSSI_CROWD_QUERIES, UNITS = 232, WIDTH = 4 * UNITS, STRIDE = 1024 };

typedef struct world {
    _Alignas(64) int8_t queries[MOST * STRIDE];
    _Alignas(64) uint8_t panel[ROWS * (WIDTH + 4)];
    _Alignas(64) int32_t sums[MOST * ROWS];
    _Alignas(64) float values[MOST * ROWS], single[ROWS];
    _Alignas(64) uint8_t table[MOST][4 * WIDTH];
    uint8_t codes[ROWS][WIDTH], points[MOST][WIDTH];
    float vectors[MOST][WIDTH];
    vssi_scan4_query scans[MOST];
    vssi_crowd_query with[MOST];
    uint32_t hits[MOST];
} world;

/* Bytes of all kinds; every third draw is at an end. */
static uint8_t draw_byte(uint64_t *random)
{
    uint64_t drawn = vssi_random_next(random);
    return drawn % 3 == 0 ? (drawn & 8 ? 255 : 0) : (uint8_t)(drawn >> 32);
}

static float draw(uint64_t *random) { return (float)(vssi_random_next(random) >> 40) / (float)(1 << 23) - 1; }

static void check_hits(const world *w, size_t q, uint32_t expected)
{
    assert_memory_equal(w->values + q * ROWS, w->single, sizeof w->single);
    assert_int_equal(w->hits[q], expected);
}

static void check_far(const vssi_crowd *crowd, world *w, size_t n, size_t units, uint64_t *random)
{
    const size_t size = 4 * units, stride = vssi_crowd_stride(units);
    const uint8_t *rows[ROWS], *point;
    int32_t squares[MOST];
    memset(w->queries, 0, sizeof w->queries);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < size; i++)
            w->codes[r][i] = draw_byte(random);
        rows[r] = w->codes[r];
    }
    vssi_panel_set(w->panel, rows, ROWS, size);
    for (size_t q = 0; q < n; q++) {
        for (size_t i = 0; i < size; i++)
            w->points[q][i] = draw_byte(random);
        point = w->points[q];
        int32_t *packed = (int32_t *)(void *)(w->queries + q * stride);
        assert_int_equal(vssi_panel_points(&point, 1, size, packed, &squares[q]), 1);
        w->with[q] = (vssi_crowd_query){.whole = squares[q], .cut = 10000.0f * (float)size};
    }
    crowd->begin(n);
    crowd->products(w->queries, n, units, w->panel, w->sums);
    crowd->end();
    crowd->far(w->with, n, w->sums, (const int32_t *)(const void *)(w->panel + ROWS * size), w->values, w->hits);
    for (size_t q = 0; q < n; q++) {
        uint32_t expected = 0;
        for (size_t r = 0; r < ROWS; r++) {
            int32_t sum = 0;
            for (size_t i = 0; i < size; i++)
                sum += (w->points[q][i] - 128) * w->codes[r][i];
            assert_int_equal(w->sums[q * ROWS + r], sum);
        }
        vssi_panel_scalar((const int32_t *)(const void *)(w->queries + q * stride), &squares[q], 1, units, w->panel,
                          w->single);
        for (size_t r = 0; r < ROWS; r++)
            expected |= (uint32_t)(w->single[r] <= w->with[q].cut) << r;
        check_hits(w, q, expected);
    }
}

static void check_codes(const vssi_crowd *crowd, world *w, size_t n, size_t subs, uint64_t *random)
{
    const size_t width = 4 * subs, stride = vssi_crowd_stride(subs);
    float add[ROWS], mul[ROWS];
    memset(w->queries, 0, sizeof w->queries);
    for (size_t i = 0; i < 16 * subs; i++)
        w->panel[i] = draw_byte(random);
    for (size_t r = 0; r < ROWS; r++) {
        add[r] = 3 * draw(random);
        mul[r] = draw(random);
    }
    for (size_t q = 0; q < n; q++) {
        int8_t *query = w->queries + q * stride;
        int32_t low = 0;
        for (size_t i = 0; i < width; i++)
            w->vectors[q][i] = draw(random);
        float step = vssi_hadamard_best()->subsets(w->vectors[q], width, query, w->table[q]);
        for (size_t i = 0; i < width; i++)
            low += query[i] < 0 ? query[i] : 0;
        crowd->order(query, width);
        w->scans[q] = (vssi_scan4_query){w->table[q], subs, step, draw(random)};
        w->with[q] = (vssi_crowd_query){low, step, w->scans[q].bias, draw(random), draw(random)};
    }
    crowd->begin(n);
    crowd->bits(w->queries, n, subs, w->panel, w->sums);
    crowd->end();
    crowd->codes(w->with, n, w->sums, add, mul, w->values, w->hits);
    for (size_t q = 0; q < n; q++)
        check_hits(w, q,
                   vssi_scan4_scalar(&w->scans[q], w->panel, add, mul, w->with[q].base, w->with[q].cut, w->single));
}

static void test_crowd(void **state)
{
    static const size_t units[] = {1, 8, 15, 16, 17, 32, 225}, subs[] = {4, 12, 16, 20, 32, 228};
    world *w = aligned_alloc(64, (sizeof *w + 63) / 64 * 64);
    bool met = false;
    (void)state;
    assert_non_null(w);
    for (size_t level = 0; vssi_crowd_best() != NULL && !met; level++) {
        const vssi_crowd *crowd = vssi_crowd_level(level);
        uint64_t random = 12;
        for (size_t n = 1; crowd != NULL && n <= MOST; n++) {
            for (size_t i = 0; i < sizeof units / sizeof *units; i++)
                check_far(crowd, w, n, units[i], &random);
            for (size_t i = 0; i < sizeof subs / sizeof *subs; i++)
                check_codes(crowd, w, n, subs[i], &random);
        }
        met = crowd == vssi_crowd_best();
    }
    bool none = vssi_crowd_best() == NULL;
    free(w);
    if (none)
        skip(); /* no level of this machine has such kernels */
    assert_true(met);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
