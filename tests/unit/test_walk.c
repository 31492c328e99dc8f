/*
 * test_walk.c - walks over passing rows that are asked for ahead: all of them, once, in order, whatever lies where
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../index/flat/flat_walk.h"
#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/hash.h"

#define BYTES ((size_t)12 << 20) /* of vectors: more than the caches are taken to hold */
#define K 10u

typedef struct walk_data {
    vssi_vectors vectors;
    float *data;
    uint64_t *allow;
    size_t n_allow;
} walk_data;

static void walk_make(walk_data *all, uint32_t dim)
{
    uint64_t state = dim;
    size_t rows = BYTES / sizeof(float) / dim;
    all->data = malloc(rows * dim * sizeof(float));
    all->allow = malloc(vssi_bitmap_words(rows) * sizeof *all->allow);
    for (size_t i = 0; i < rows * dim; i++)
        all->data[i] = (float)(vssi_random_next(&state) % 1000);
    all->vectors = (vssi_vectors){rows, dim, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, all->data, NULL, 0,
                                  VSSI_SIMD_F32, 0, NULL, NULL};
    vssi_vectors_bind(&all->vectors);
}

static void walk_free(walk_data *all)
{
    free(all->data);
    free(all->allow);
}

/* Let one row in that many pass, from the first one on none for a while. */
static void walk_allow(walk_data *all, size_t one_in)
{
    uint64_t state = one_in;
    size_t rows = all->vectors.rows;
    memset(all->allow, 0, vssi_bitmap_words(rows) * sizeof *all->allow);
    for (size_t i = rows / 16; i < rows; i++) {
        if (vssi_random_next(&state) % one_in == 0)
            vssi_bitmap_set(all->allow, i);
    }
    all->n_allow = vssi_bitmap_count(all->allow, rows);
}

/* The rows of [begin, end) that pass, or all, are those of the walk in blocks of n, asked for on the way or not. */
static void walk_try(const walk_data *all, bool filtered, size_t begin, size_t end, size_t n, size_t ask)
{
    flat_walk walk;
    vssi_query query = {.allow = filtered ? all->allow : NULL};
    size_t row = begin, count;
    vssi_flat_walk_begin(&walk, &all->vectors, &query, begin, end, 0);
    while ((count = vssi_flat_walk_next(&walk, n)) > 0) {
        assert_true(count <= n);
        for (size_t i = 0; i < count; i++, row++) {
            while (filtered && !vssi_bitmap_get(all->allow, row))
                row++;
            assert_int_equal(walk.ids[i], row);
            if (ask > 0 && i % ask == 0)
                vssi_flat_walk_ask(&walk, vssi_min(i + ask, count));
        }
    }
    while (filtered && row < end && !vssi_bitmap_get(all->allow, row))
        row++;
    assert_int_equal(row, end);
    assert_int_equal(vssi_flat_walk_next(&walk, n), 0);
}

static void test_walks_meet_every_passing_row_in_order(void **state)
{
    static const uint32_t dims[] = {16, 128, 900, 9000};
    static const size_t shares[] = {1, 2, 10, 100, 5000};
    (void)state;
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        walk_data all;
        walk_make(&all, dims[d]);
        size_t rows = all.vectors.rows;
        for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
            walk_allow(&all, shares[s]);
            for (size_t ask = 0; ask <= 32; ask = ask * 8 + 4) {
                walk_try(&all, true, 0, rows, FLAT_BLOCK, ask);
                walk_try(&all, true, rows / 3, rows - rows / 7, 32, ask);
                walk_try(&all, false, rows / 3, rows - 1, FLAT_BLOCK, ask);
            }
            walk_try(&all, true, rows, rows, FLAT_BLOCK, 4);
        }
        walk_free(&all);
    }
}

static float walk_value(const walk_data *all, const float *query, size_t row)
{
    return (float)vssi_exact_l2_f32(query, all->data + row * all->vectors.dim, all->vectors.dim);
}

typedef struct walk_source {
    const walk_data *all;
    const float *query;
} walk_source;

static vss_status walk_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    const walk_source *source = state;
    (void)err;
    for (size_t i = 0; i < n; i++)
        values[i] = walk_value(source->all, source->query, rows[i]);
    return VSS_OK;
}

static bool walk_key_before(void *state, uint32_t a, uint32_t b)
{
    (void)state;
    return a < b;
}

/* The k nearest of the passing rows, by brute force. */
static void walk_nearest(const walk_data *all, const float *query, vssi_hit *hits)
{
    size_t n = 0;
    for (size_t row = 0; row < all->vectors.rows; row++) {
        if (!vssi_bitmap_get(all->allow, row))
            continue;
        vssi_hit hit = {walk_value(all, query, row), (uint32_t)row};
        if (n == K && hit.value >= hits[K - 1].value)
            continue;
        size_t at = n < K ? n++ : K - 1;
        for (; at > 0 && hits[at - 1].value > hit.value; at--)
            hits[at] = hits[at - 1];
        hits[at] = hit;
    }
    assert_int_equal(n, K);
}

/* n queries, one alone or all at once, by the search of passing rows. */
static void walk_search(const walk_data *all, const vssi_query *queries, size_t n, vssi_hit (*wanted)[K])
{
    vssi_heap heap;
    vssi_scratch scratch;
    vss_error err;
    vssi_topk topks[24];
    walk_source sources[24];
    vssi_topk_source exact[24];
    uint8_t *memory;
    size_t size = vssi_topk_size(K);
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    assert_int_equal(vssi_scratch_get(&scratch, VSSI_SCRATCH_TOPK, n, size, &memory, &err), VSS_OK);
    for (size_t q = 0; q < n; q++) {
        sources[q] = (walk_source){all, queries[q].probe.vector};
        exact[q] = (vssi_topk_source){&sources[q], walk_exact, walk_key_before};
        vssi_topk_begin(&topks[q], memory + q * size, K, vssi_simd_gamma(all->vectors.dim), 0, &exact[q], &err);
    }
    if (n == 1)
        assert_int_equal(vssi_flat_search(NULL, &all->vectors, queries, &scratch, topks, &err), VSS_OK);
    else
        assert_int_equal(vssi_flat_search_batch(NULL, &all->vectors, queries, n, &scratch, topks, &err), VSS_OK);
    for (size_t q = 0; q < n; q++) {
        assert_int_equal(vssi_topk_finish(&topks[q], &err), VSS_OK);
        assert_int_equal(topks[q].n_hits, K);
        for (size_t i = 0; i < K; i++)
            assert_int_equal(topks[q].hits[i].row, wanted[q][i].row);
    }
    vssi_scratch_free(&scratch);
}

static void test_searches_of_passing_rows_that_are_asked_for(void **state)
{
    static const uint32_t dims[] = {128, 900};
    static const size_t shares[] = {2, 5, 50}, counts[] = {1, 3, 24};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        walk_data all;
        vssi_query queries[24];
        vssi_hit wanted[24][K];
        walk_make(&all, dims[i / 3]);
        walk_allow(&all, shares[i % 3]);
        for (size_t q = 0; q < 24; q++) {
            queries[q] = (vssi_query){.probe = {all.data + q * 77 * all.vectors.dim, 1}, .allow = all.allow,
                                      .n_allow = all.n_allow};
            walk_nearest(&all, queries[q].probe.vector, wanted[q]);
        }
        for (size_t c = 0; c < 3; c++)
            walk_search(&all, queries, counts[c], wanted);
        walk_free(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks_meet_every_passing_row_in_order),
        cmocka_unit_test(test_searches_of_passing_rows_that_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
