/*
 * test_pool.c - the pool of a walk: every kernel against a sorted list, at every capacity and fill
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
#include "../../simd/pool.h"
#include "../../simd/simd.h"

#define BATCH 40u

static vssi_pool pool_make(size_t capacity)
{
    size_t room = vssi_pool_room(capacity);
    vssi_pool pool = {.capacity = capacity};
    pool.scores = aligned_alloc(64, room * sizeof(float));
    pool.rows = aligned_alloc(64, room * sizeof(uint32_t));
    memset(pool.rows, 0, room * sizeof(uint32_t));
    vssi_pool_clear(&pool);
    return pool;
}

static void pool_free(vssi_pool *pool)
{
    free(pool->scores);
    free(pool->rows);
}

/* One row, place by place. */
static size_t pool_model(vssi_pool *pool, float score, uint32_t row)
{
    size_t place = 0;
    while (place < pool->n && pool->scores[place] <= score)
        place++;
    if (place == pool->capacity)
        return place;
    pool->n += pool->n < pool->capacity;
    for (size_t i = pool->n - 1; i > place; i--) {
        pool->scores[i] = pool->scores[i - 1];
        pool->rows[i] = pool->rows[i - 1];
    }
    pool->scores[place] = score;
    pool->rows[place] = row;
    return place;
}

static void pool_step(const vssi_pool_kernels *kernels, vssi_pool *pool, vssi_pool *model, uint64_t *seed)
{
    float scores[BATCH];
    uint32_t rows[BATCH];
    size_t n = vssi_random_next(seed) % (BATCH + 1), foremost = model->capacity;
    for (size_t i = 0; i < n; i++) {
        scores[i] = (float)(int64_t)(vssi_random_next(seed) % 500) - 200; /* many are equal */
        rows[i] = (uint32_t)vssi_random_next(seed) & 0x7fffffffu;
        size_t place = pool_model(model, scores[i], rows[i]);
        foremost = place < foremost ? place : foremost;
    }
    assert_int_equal(kernels->take(pool, scores, rows, n), foremost);
    assert_int_equal(pool->n, model->n);
    assert_memory_equal(pool->scores, model->scores, model->n * sizeof(float));
    assert_memory_equal(pool->rows, model->rows, model->n * sizeof(uint32_t));
    for (size_t at = 0; at < model->n; at++) {
        size_t next = at;
        while (next < model->n && (model->rows[next] & VSSI_POOL_FOLLOWED))
            next++;
        size_t found = kernels->next(pool, at);
        assert_true(next < model->n ? found == next : found >= model->n);
    }
    assert_true(kernels->next(pool, model->n) >= model->n);
    for (size_t i = 0; i < model->n; i++) {
        uint32_t mark = vssi_random_next(seed) % 3 ? 0 : VSSI_POOL_FOLLOWED;
        model->rows[i] |= mark;
        pool->rows[i] |= mark;
    }
}

static void pool_check(const vssi_pool_kernels *kernels)
{
    static const size_t capacities[] = {1, 2, 10, 15, 16, 17, 31, 32, 33, 64, 127, 128, 129, 150, 300, 512};
    uint64_t seed = 1;
    for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++) {
        for (size_t round = 0; round < 20; round++) {
            vssi_pool pool = pool_make(capacities[c]), model = pool_make(capacities[c]);
            for (size_t step = 0; step < 3 + capacities[c] / 4; step++)
                pool_step(kernels, &pool, &model, &seed);
            pool_free(&pool);
            pool_free(&model);
        }
    }
}

static void test_scalar(void **state)
{
    (void)state;
    pool_check(&vssi_pool_scalar);
}

static void test_best(void **state)
{
    (void)state;
    pool_check(vssi_pool_best());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scalar), cmocka_unit_test(test_best)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
