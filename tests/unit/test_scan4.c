/*
 * test_scan4.c - sums of table entries: every level against plain arithmetic, to the bit
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
#include "../../simd/scan4.h"

typedef struct scan4_case {
    size_t subs;
    uint8_t *codes; /* [32][subs] */
    uint8_t *block, *table;
    float add[32], mul[32];
    vssi_scan4_query query;
} scan4_case;

static float scan4_random(uint64_t *seed) { return (float)(int64_t)(vssi_random_next(seed) % 2000) / 7 - 100; }

static scan4_case scan4_make(size_t subs, bool extreme, uint64_t *seed)
{
    scan4_case c = {.subs = subs};
    c.codes = malloc(32 * subs);
    c.block = aligned_alloc(64, 16 * subs);
    c.table = aligned_alloc(64, 16 * subs);
    memset(c.block, 0, 16 * subs);
    for (size_t i = 0; i < 32 * subs; i++)
        c.codes[i] = (uint8_t)(vssi_random_next(seed) % 16);
    for (size_t i = 0; i < 16 * subs; i++)
        c.table[i] = extreme ? 255 : (uint8_t)vssi_random_next(seed);
    for (size_t r = 0; r < 32; r++) {
        vssi_scan4_set(c.block, subs, r, c.codes + r * subs);
        c.add[r] = scan4_random(seed);
        c.mul[r] = scan4_random(seed);
    }
    c.query = (vssi_scan4_query){c.table, subs, scan4_random(seed), scan4_random(seed)};
    return c;
}

static void scan4_check(const scan4_case *c, vssi_scan4_kernel kernel, bool scaled)
{
    float values[32], wanted[32], base = 3.25f, cut = 10;
    uint32_t mask = kernel(&c->query, c->block, c->add, scaled ? c->mul : NULL, base, cut, values);
    for (size_t r = 0; r < 32; r++) {
        uint32_t sum = 0;
        for (size_t j = 0; j < c->subs; j++) {
            assert_int_equal(vssi_scan4_get(c->block, r, j), c->codes[r * c->subs + j]);
            sum += c->table[16 * j + c->codes[r * c->subs + j]];
        }
        volatile float value = (float)sum * c->query.step; /* rounded at every step */
        value = value + c->query.bias;
        value = scaled ? value * c->mul[r] : value;
        volatile float first = base + c->add[r];
        wanted[r] = first + value;
        assert_int_equal(mask >> r & 1, wanted[r] <= cut);
    }
    assert_memory_equal(values, wanted, sizeof values);
}

static void scan4__is_alike_at_every_level(void **state)
{
    static const size_t subs[] = {4, 8, 12, 32, 60, 256, 260, 512, 1000, 8192};
    uint64_t seed = 7;
    vssi_scan4_kernel kernel;
    (void)state;
    for (size_t s = 0; s < sizeof subs / sizeof *subs; s++) {
        for (int extreme = 0; extreme < 2; extreme++) {
            scan4_case c = scan4_make(subs[s], extreme, &seed);
            for (size_t level = 0; (kernel = vssi_scan4_level(level)) != NULL; level++) {
                scan4_check(&c, kernel, false);
                scan4_check(&c, kernel, true);
            }
            free(c.codes);
            free(c.block);
            free(c.table);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scan4__is_alike_at_every_level)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
