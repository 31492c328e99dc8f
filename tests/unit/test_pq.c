/*
 * test_pq.c - product codes: layout, nearest codewords, tables, training the same on any number of threads
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../index/codec/pq.h"
#include "../../lib/base/hash.h"
#include "../../simd/scan4.h"

enum { WIDTH = 22, ROWS = 3000, SIZE = 24 };

static float random_float(uint64_t *seed) { return (float)(vssi_random_next(seed) >> 40) * 0x1p-23f - 1; }

static float words_of[WIDTH * 256];

static vssi_pq random_pq(uint32_t subs, uint32_t bits)
{
    uint64_t seed = subs * 10 + bits;
    for (size_t i = 0; i < (size_t)WIDTH << bits; i++)
        words_of[i] = random_float(&seed);
    return (vssi_pq){.width = WIDTH, .subs = subs, .bits = bits, .words = words_of};
}

static const struct {
    uint32_t subs, bits;
} shapes[] = {{1, 4}, {5, 4}, {11, 4}, {22, 4}, {1, 8}, {3, 8}, {6, 8}, {22, 8}};

/* Codes are the nearest codewords, found here one by one; tables give the products with what codes stand for. */
static void pq__codes_are_the_nearest_words(void **state)
{
    float r[WIDTH], p[WIDTH], query[WIDTH], *table = malloc(WIDTH * 256 * sizeof *table);
    uint8_t codes[WIDTH];
    uint64_t seed = 6;
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        vssi_pq pq = random_pq(shapes[s].subs, shapes[s].bits);
        size_t words = vssi_pq_words(&pq);
        double sum = 0, product = 0;
        for (size_t i = 0; i < WIDTH; i++) {
            r[i] = random_float(&seed);
            query[i] = random_float(&seed);
        }
        vssi_pq_encode(&pq, r, codes);
        vssi_pq_decode(&pq, codes, p);
        vssi_pq_table(&pq, query, table);
        assert_int_equal(vssi_pq_begin(&pq, 0), 0);
        assert_int_equal(vssi_pq_begin(&pq, pq.subs), WIDTH);
        for (size_t j = 0; j < pq.subs; j++) {
            double best = INFINITY, chosen = 0;
            for (size_t k = 0; k < words; k++) {
                double far = 0;
                for (size_t i = vssi_pq_begin(&pq, j); i < vssi_pq_begin(&pq, j + 1); i++)
                    far += pow((double)r[i] - (double)pq.words[i * words + k], 2);
                best = fmin(best, far);
                chosen = k == codes[j] ? far : chosen;
            }
            assert_true(chosen <= best * (1 + 1e-5));
            for (size_t i = vssi_pq_begin(&pq, j); i < vssi_pq_begin(&pq, j + 1); i++) {
                assert_memory_equal(&p[i], &pq.words[i * words + codes[j]], sizeof *p);
                product += -2 * (double)query[i] * (double)p[i];
            }
            sum += (double)table[j * words + codes[j]];
        }
        assert_true(fabs(sum - product) < 1e-4);
    }
    free(table);
}

static void pq__tables_in_bytes_are_close(void **state)
{
    float query[WIDTH], table[WIDTH * 16];
    uint8_t bytes[24 * 16];
    uint64_t seed = 2;
    (void)state;
    vssi_pq pq = random_pq(11, 4);
    for (size_t i = 0; i < WIDTH; i++)
        query[i] = random_float(&seed);
    vssi_pq_table(&pq, query, table);
    memset(bytes, 77, sizeof bytes);
    vssi_pq_scale scale = vssi_pq_bytes(table, 11, 12, bytes);
    for (size_t k = 0; k < 16; k++) {
        double said = (double)scale.bias, truth = 0;
        for (size_t j = 0; j < 11; j++) {
            truth += (double)table[16 * j + (k + j) % 16];
            said += (double)scale.step * bytes[16 * j + (k + j) % 16];
        }
        assert_true(fabs(said - truth) <= 11 * 0.51 * (double)scale.step);
        assert_int_equal(bytes[16 * 11 + k], 0); /* a place without a run adds nothing */
    }
    float flat[16] = {0};
    scale = vssi_pq_bytes(flat, 1, 4, bytes);
    assert_true(scale.step <= 0 && bytes[3] == 0);
}

static void pq__scans_bytes(void **state)
{
    enum { SUBS = 6, STRIDE = 12, N = 9 };
    float table[SUBS * 256], values[N], add;
    uint8_t rows[N * STRIDE];
    uint64_t seed = 3;
    (void)state;
    for (size_t i = 0; i < SUBS * 256; i++)
        table[i] = random_float(&seed);
    for (size_t r = 0; r < N; r++) {
        add = random_float(&seed);
        memcpy(rows + r * STRIDE, &add, sizeof add);
        for (size_t j = 4; j < STRIDE; j++)
            rows[r * STRIDE + j] = (uint8_t)vssi_random_next(&seed);
    }
    vssi_pq_scan8(table, SUBS, rows, STRIDE, N, 2.5f, values);
    for (size_t r = 0; r < N; r++) {
        memcpy(&add, rows + r * STRIDE, sizeof add);
        double truth = 2.5 + (double)add;
        for (size_t j = 0; j < SUBS; j++)
            truth += (double)table[256 * j + rows[r * STRIDE + 4 + j]];
        assert_true(fabs((double)values[r] - truth) < 1e-5);
    }
}

/* Residuals about a few places: codewords find them, and their means to within what a float32 holds. */
static void pq__training_finds_what_there_is(void **state)
{
    static uint8_t codes[ROWS * SIZE], centers[2 * SIZE];
    static uint32_t where[ROWS];
    float words[WIDTH * 16], p[WIDTH], r[WIDTH];
    uint8_t out[WIDTH];
    vss_error err;
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        where[i] = (uint32_t)(i % 2);
        for (size_t j = 0; j < SIZE; j++) {
            centers[where[i] * SIZE + j] = (uint8_t)(100 + 20 * where[i]);
            codes[i * SIZE + j] = j < WIDTH ? (uint8_t)(centers[where[i] * SIZE + j] + (i / (j / 2 + 1)) % 10 * 7) : 0;
        }
    }
    vssi_pq pq = {.width = WIDTH, .subs = 11, .bits = 4, .words = words};
    const vssi_pq_job job = {.heap = vssi_heap_default(), .threads = 1, .codes = codes, .centers = centers,
                             .where = where, .rows = ROWS, .size = SIZE, .step = 0.5f};
    assert_int_equal(vssi_pq_train(&job, &pq, words, &err), VSS_OK);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < WIDTH; j++)
            r[j] = 0.5f * (float)(codes[i * SIZE + j] - centers[where[i] * SIZE + j]);
        vssi_pq_encode(&pq, r, out);
        vssi_pq_decode(&pq, out, p);
        for (size_t j = 0; j < WIDTH; j++)
            assert_true(fabsf(r[j] - p[j]) <= 0.5f * 7); /* 10 values: 16 codewords hold each, or nearly */
    }
}

static void pq__training_does_not_depend_on_threads(void **state)
{
    static uint8_t codes[ROWS * SIZE], centers[SIZE];
    static uint32_t where[ROWS];
    static float words[WIDTH * 256];
    uint64_t digests[3], seed = 9;
    vss_error err;
    (void)state;
    memset(centers, 128, sizeof centers);
    for (size_t i = 0; i < sizeof codes; i++)
        codes[i] = (uint8_t)(vssi_random_next(&seed) % 100 + vssi_random_next(&seed) % 100);
    for (size_t s = 2; s < sizeof shapes / sizeof *shapes; s += 4) {
        vssi_pq pq = {.width = WIDTH, .subs = shapes[s].subs, .bits = shapes[s].bits, .words = words};
        for (size_t t = 0; t < 3; t++) {
            const vssi_pq_job job = {.heap = vssi_heap_default(), .threads = t + 1, .codes = codes, .centers = centers,
                                     .where = where, .rows = ROWS, .size = SIZE, .step = 0.5f};
            assert_int_equal(vssi_pq_train(&job, &pq, words, &err), VSS_OK);
            digests[t] = vssi_hash(words, sizeof *words * WIDTH << pq.bits, 0);
        }
        assert_int_equal(digests[0], digests[1]);
        assert_int_equal(digests[0], digests[2]);
    }
    vssi_control control;
    vssi_control_init(&control, 0, NULL, NULL);
    control.deadline_ns = 1;
    const vssi_pq pq = {.width = WIDTH, .subs = 2, .bits = 4, .words = words};
    const vssi_pq_job late = {.heap = vssi_heap_default(), .threads = 2, .control = &control, .codes = codes,
                              .centers = centers, .where = where, .rows = ROWS, .size = SIZE, .step = 1};
    assert_int_equal(vssi_pq_train(&late, &pq, words, &err), VSS_ERR_DEADLINE);
    vssi_control_destroy(&control);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pq__codes_are_the_nearest_words),
        cmocka_unit_test(pq__tables_in_bytes_are_close),
        cmocka_unit_test(pq__scans_bytes),
        cmocka_unit_test(pq__training_finds_what_there_is),
        cmocka_unit_test(pq__training_does_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
