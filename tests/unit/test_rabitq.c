/*
 * test_rabitq.c - the rotation keeps lengths and angles; what codes say of distances is unbiased and within its bound
 *
 * Data: normal components; sparse and skewed ones as those of picture descriptors; a few tight clusters. All pairs of
 * rows and queries under several rotations.
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

#include "../../index/codec/rabitq.h"
#include "../../index/codec/rotate.h"
#include "../../lib/base/hash.h"
#include "../../simd/scan4.h"

#define ROTATION_DIGEST UINT64_C(0x2c07c03560fa387f)

enum { MOST = 1024, ROWS = 60, QUERIES = 30, ROTATIONS = 12 };

static double random_unit(uint64_t *seed) { return (double)(vssi_random_next(seed) >> 11) * 0x1p-53; }
static double random_normal(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += random_unit(seed);
    return sum - 6;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void rotate__is_orthogonal(void **state)
{
    static const size_t sizes[] = {16, 32, 48, 112, 128, 144, 912, MOST};
    float signs[VSSI_ROTATE_ROUNDS * MOST], a[MOST], b[MOST];
    uint64_t seed = 3;
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        vssi_rotate_signs(n, n, signs);
        for (size_t i = 0; i < n; i++) {
            a[i] = (float)random_normal(&seed);
            b[i] = (float)random_unit(&seed);
        }
        double aa = dot(a, a, n), bb = dot(b, b, n), ab = dot(a, b, n), slack = 1e-5 * sqrt(aa * bb);
        vssi_rotate(signs, n, a);
        vssi_rotate(signs, n, b);
        assert_true(fabs(dot(a, a, n) - aa) < 1e-5 * aa);
        assert_true(fabs(dot(b, b, n) - bb) < 1e-5 * bb);
        assert_true(fabs(dot(a, b, n) - ab) < slack);
    }
}

/* Every component of a vector is spread over all of them; where their number is no power of two, some of it stays. */
static void rotate__spreads(void **state)
{
    static const size_t sizes[] = {48, 128, 912};
    float signs[VSSI_ROTATE_ROUNDS * MOST], v[MOST];
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        vssi_rotate_signs(7, n, signs);
        for (size_t one = 0; one < n; one++) {
            memset(v, 0, sizeof v);
            v[one] = 1;
            vssi_rotate(signs, n, v);
            for (size_t i = 0; i < n; i++)
                assert_true(fabs((double)v[i]) < 12 / sqrt((double)n));
        }
    }
}

static void rotate__is_the_same_everywhere(void **state)
{
    float signs[VSSI_ROTATE_ROUNDS * 912], v[912];
    (void)state;
    vssi_rotate_signs(11, 912, signs);
    for (size_t i = 0; i < 912; i++)
        v[i] = (float)((double)(i * 7919 % 1000) / 7);
    vssi_rotate(signs, 912, v);
    uint64_t digest = vssi_hash(v, sizeof v, 0);
    if (digest != ROTATION_DIGEST)
        fail_msg("digest 0x%016" PRIx64, digest);
}

typedef enum data_kind { DATA_NORMAL, DATA_DESCRIPTORS, DATA_CLUSTERS, DATA_KINDS } data_kind;

static void data_row(data_kind kind, size_t n, float *out, uint64_t *seed)
{
    uint64_t place = vssi_random_next(seed) % 4 * 1000 + 17;
    for (size_t i = 0; i < n; i++) {
        if (kind == DATA_NORMAL)
            out[i] = (float)random_normal(seed);
        else if (kind == DATA_DESCRIPTORS) /* a third is 0, the rest falls off fast */
            out[i] = (float)floor(fmax(0, -40 * log(random_unit(seed) + 1e-9) - 16));
        else
            out[i] = (float)(5 * random_normal(&place) + 0.5 * random_normal(seed));
    }
}

/* What came out of many pairs: product errors as shares of |r| |q - c|. */
typedef struct tally {
    size_t pairs, beyond;
    double sum, square;
} tally;

typedef struct world {
    size_t n;
    float center[MOST], rows[ROWS][MOST], queries[QUERIES][MOST];
    float signs[VSSI_ROTATE_ROUNDS * MOST];
} world;

static void world_make(world *w, data_kind kind, size_t n, uint64_t seed)
{
    w->n = n;
    memset(w->center, 0, sizeof w->center);
    for (size_t r = 0; r < ROWS; r++) {
        data_row(kind, n, w->rows[r], &seed);
        for (size_t i = 0; i < n; i++)
            w->center[i] += w->rows[r][i] / ROWS;
    }
    for (size_t q = 0; q < QUERIES; q++)
        data_row(kind, n, w->queries[q], &seed);
}

static void world_row(const world *w, size_t row, const float *turned_center, unsigned bits, uint8_t *codes,
                      vssi_rabitq_row *factors)
{
    float r[MOST];
    for (size_t i = 0; i < w->n; i++)
        r[i] = w->rows[row][i] - w->center[i];
    vssi_rotate(w->signs, w->n, r);
    vssi_rabitq_encode(r, turned_center, w->n, bits, codes, factors);
}

/* S of rabitq.h by codes of `bits` bits, each shifted right by drop. */
static double world_product(const float *turned, const uint8_t *codes, size_t n, unsigned bits, unsigned drop)
{
    double sum = 0, middle = ((double)(1u << bits) - 1) / 2;
    for (size_t i = 0; i < n; i++)
        sum += ((double)(codes[i] >> drop) - middle) * (double)turned[i];
    return sum;
}

static void world_pair(const world *w, size_t row, size_t q, double product, float add, float mul, unsigned bits,
                       tally *t)
{
    double far = 0, base = 0, length = 0;
    for (size_t i = 0; i < w->n; i++) {
        double x = (double)w->rows[row][i], y = (double)w->queries[q][i], c = (double)w->center[i];
        far += (x - y) * (x - y);
        base += (y - c) * (y - c);
        length += (x - c) * (x - c);
    }
    double said = base + (double)add + (double)mul * product;
    double error = (said - far) / 2 / sqrt(base * length);
    t->pairs++;
    t->sum += error;
    t->square += error * error;
    t->beyond += fabs(error) > 2.4 / ((double)(1u << (bits - 1)) * sqrt((double)w->n));
}

/* All pairs under one rotation: of first bits (first) and of all bits. */
static void world_pairs(const world *w, unsigned bits, tally *first, tally *all)
{
    float center[MOST], turned[QUERIES][MOST];
    uint8_t codes[MOST];
    vssi_rabitq_row f;
    memcpy(center, w->center, sizeof center);
    vssi_rotate(w->signs, w->n, center);
    memcpy(turned, w->queries, sizeof turned);
    for (size_t q = 0; q < QUERIES; q++)
        vssi_rotate(w->signs, w->n, turned[q]);
    for (size_t row = 0; row < ROWS; row++) {
        world_row(w, row, center, bits, codes, &f);
        for (size_t q = 0; q < QUERIES; q++) {
            world_pair(w, row, q, world_product(turned[q], codes, w->n, 1, bits - 1), f.add, f.mul, 1, first);
            world_pair(w, row, q, world_product(turned[q], codes, w->n, bits, 0), f.more_add, f.more_mul, bits, all);
        }
    }
}

static double expect_tally(const tally *t, const char *what, unsigned bits)
{
    double mean = t->sum / (double)t->pairs, root = sqrt(t->square / (double)t->pairs);
    print_message("%s, %u bits: mean error %+.2e, root mean square %.2e, %.2f %% beyond the bound\n", what, bits, mean,
                  root, 100 * (double)t->beyond / (double)t->pairs);
    assert_true(fabs(mean) < 0.1 * root);
    assert_true((double)t->beyond <= 0.05 * (double)t->pairs);
    return root;
}

static void rabitq__holds_its_bound(void **state)
{
    static const char *const names[DATA_KINDS] = {"normal", "descriptors", "clusters"};
    static const size_t sizes[DATA_KINDS] = {128, 128, 912};
    world *w = malloc(sizeof *w);
    (void)state;
    for (data_kind kind = 0; kind < DATA_KINDS; kind++) {
        double before = 0;
        for (unsigned bits = 1; bits <= VSSI_RABITQ_BITS; bits++) {
            tally first = {0}, all = {0};
            world_make(w, kind, sizes[kind], 5);
            for (uint64_t turn = 0; turn < ROTATIONS; turn++) {
                vssi_rotate_signs(turn, w->n, w->signs);
                world_pairs(w, bits, &first, &all);
            }
            if (bits == 5)
                (void)expect_tally(&first, "  first bits of 5", 1);
            double root = expect_tally(&all, names[kind], bits);
            if (bits > 1) /* half a bit's worth at most is lost: 0.5 without any loss */
                assert_true(root < 0.62 * before);
            before = root;
        }
    }
    free(w);
}

/* A query's table gives the first bits' products but for the steps it is rounded to. */
static void rabitq__tables_are_the_products(void **state)
{
    static const size_t sizes[] = {16, 128, 912};
    uint8_t table[4 * MOST], code[MOST];
    int8_t rounded[MOST];
    float query[MOST];
    uint64_t seed = 4;
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        double truth = 0;
        int sum = 0, whole = 0;
        for (size_t i = 0; i < n; i++) {
            query[i] = (float)random_normal(&seed);
            code[i] = (uint8_t)(vssi_random_next(&seed) % 2);
            truth += ((double)code[i] - 0.5) * (double)query[i];
        }
        vssi_rabitq_tables t = vssi_rabitq_prepare(query, n, table, rounded);
        for (size_t j = 0; j < n / 4; j++)
            sum += table[16 * j + code[4 * j] + 2u * code[4 * j + 1] + 4u * code[4 * j + 2] + 8u * code[4 * j + 3]];
        for (size_t i = 0; i < n; i++)
            whole += code[i] * rounded[i];
        assert_int_equal(sum, whole - t.low);
        double said = (double)t.step * sum + (double)t.bias;
        assert_true(fabs(said - truth) <= (double)t.step * (double)(n / 4) * 1.01);
    }
}

/* A row on its center: nothing is divided by zero, and the estimate is the center's distance. */
static void rabitq__codes_a_row_without_residual(void **state)
{
    float r[16] = {0}, c[16];
    uint8_t codes[16];
    vssi_rabitq_row f;
    (void)state;
    for (size_t i = 0; i < 16; i++)
        c[i] = (float)i;
    for (unsigned bits = 1; bits <= VSSI_RABITQ_BITS; bits++) {
        vssi_rabitq_encode(r, c, 16, bits, codes, &f);
        assert_true(fabsf(f.add) + fabsf(f.mul) + fabsf(f.more_add) + fabsf(f.more_mul) <= 0);
        for (size_t i = 0; i < 16; i++)
            assert_true(codes[i] < 1u << bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotate__is_orthogonal),
        cmocka_unit_test(rotate__spreads),
        cmocka_unit_test(rotate__is_the_same_everywhere),
        cmocka_unit_test(rabitq__holds_its_bound),
        cmocka_unit_test(rabitq__tables_are_the_products),
        cmocka_unit_test(rabitq__codes_a_row_without_residual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
