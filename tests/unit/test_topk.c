/*
 * test_topk.c - the k nearest against a full sort, with scores that are off by as much as they may be
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../index/topk.h"
#include "../../lib/base/fail.h"
#include "../../lib/base/hash.h"

/* Rows with known exact values; keys run against row numbers or with them. */
typedef struct topk_rows {
    size_t n;
    double *exact;
    uint64_t *keys;
    size_t fail_after; /* calls of exact that succeed */
} topk_rows;

static vss_status topk_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    topk_rows *all = state;
    if (all->fail_after-- == 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "chunk is damaged");
    for (size_t i = 0; i < n; i++) {
        assert_in_range(rows[i], 0, all->n - 1);
        values[i] = (float)all->exact[rows[i]];
    }
    return VSS_OK;
}

static bool topk_key_before(void *state, uint32_t a, uint32_t b)
{
    topk_rows *all = state;
    return all->keys[a] < all->keys[b];
}

static const topk_rows *sorted_rows;

static int topk_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    float u = (float)sorted_rows->exact[x], v = (float)sorted_rows->exact[y];
    if (u < v || v < u)
        return u < v ? -1 : 1;
    return sorted_rows->keys[x] < sorted_rows->keys[y] ? -1 : 1;
}

static void topk_fill(topk_rows *all, size_t n, unsigned kind, uint64_t seed)
{
    *all = (topk_rows){.n = n, .exact = malloc(n * sizeof(double)), .keys = malloc(n * sizeof(uint64_t)),
                       .fail_after = SIZE_MAX};
    for (size_t i = 0; i < n; i++) {
        double u = (double)(vssi_random_next(&seed) >> 11) * 0x1p-53;
        switch (kind) {
        case 0: all->exact[i] = u; break;                                  /* spread */
        case 1: all->exact[i] = floor(u * 5) - 2; break;                   /* many ties, both signs */
        case 2: all->exact[i] = 7.25; break;                               /* all equal */
        case 3: all->exact[i] = 1 + u * 0x1p-24; break;                    /* nearer than a float tells apart */
        case 4: all->exact[i] = (double)(n - i); break;                    /* worst order */
        case 5: all->exact[i] = -1000 - u * 1e-3; break;                   /* negative, close */
        default: all->exact[i] = u < 0.5 ? 0.0 : u * 1e-44; break;         /* underflow */
        }
        all->keys[i] = vssi_random_next(&seed);
    }
}

static void topk_release(topk_rows *all)
{
    free(all->exact);
    free(all->keys);
}

/* Scores off by up to the bound, in the worst directions too. */
static float *topk_scores(const topk_rows *all, double relative, double absolute, uint64_t seed)
{
    float *scores = malloc(all->n * sizeof *scores);
    for (size_t i = 0; i < all->n; i++) {
        double slack = relative * fabs(all->exact[i]) + absolute;
        uint64_t r = vssi_random_next(&seed);
        double turn = r % 3 == 0 ? 1 : r % 3 == 1 ? -1 : (double)(r >> 11) * 0x1p-52 - 1;
        scores[i] = (float)(all->exact[i] + slack * turn);
    }
    return scores;
}

static void topk_try(size_t n, size_t k, unsigned kind, bool by_rows, double relative, double absolute)
{
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_topk topk;
    vss_error err;
    topk_rows all;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    topk_fill(&all, n, kind, n + k);
    float *scores = topk_scores(&all, relative, absolute, n * 3 + k);
    uint32_t *order = malloc(n * sizeof *order);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    vssi_topk_source source = {&all, topk_exact, topk_key_before};
    assert_int_equal(vssi_topk_init(&topk, &scratch, k, relative, absolute, &source, &err), VSS_OK);
    for (size_t i = 0; i < n; i += 100) {
        size_t count = n - i < 100 ? n - i : 100;
        if (by_rows)
            vssi_topk_add_rows(&topk, scores + i, i, count);
        else
            vssi_topk_add(&topk, scores + i, order + i, count);
    }
    assert_int_equal(vssi_topk_finish(&topk, &err), VSS_OK);
    sorted_rows = &all;
    qsort(order, n, sizeof *order, topk_compare);
    assert_int_equal(topk.n_hits, n < k ? n : k);
    for (size_t i = 0; i < topk.n_hits; i++) {
        if (topk.hits[i].row != order[i])
            fail_msg("kind %u n %zu k %zu: place %zu is row %u, expected %u", kind, n, k, i, topk.hits[i].row,
                     order[i]);
        float want = (float)all.exact[order[i]];
        assert_true(topk.hits[i].value <= want && topk.hits[i].value >= want);
    }
    free(order);
    free(scores);
    topk_release(&all);
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
}

static void test_against_sort(void **state)
{
    (void)state;
    static const size_t ns[] = {1, 31, 32, 33, 500, 20000}, ks[] = {1, 10, 100, 3000};
    for (unsigned kind = 0; kind < 7; kind++) {
        for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
            for (size_t j = 0; j < sizeof ks / sizeof *ks; j++) {
                topk_try(ns[i], ks[j], kind, true, 1e-5, 0);
                topk_try(ns[i], ks[j], kind, false, 0, 1e-5);
                topk_try(ns[i], ks[j], kind, true, 1e-3, 1e-3);
            }
        }
    }
}

/* A limit from outside keeps rows at the limit and may drop those above. */
static void test_limit(void **state)
{
    (void)state;
    vssi_heap heap;
    vssi_scratch scratch;
    vssi_topk topk;
    topk_rows all;
    vssi_heap_init(&heap, NULL, 0);
    vssi_scratch_init(&scratch, &heap);
    topk_fill(&all, 1000, 4, 1);
    float *scores = topk_scores(&all, 1e-4, 0, 5);
    vssi_topk_source source = {&all, topk_exact, topk_key_before};
    assert_int_equal(vssi_topk_init(&topk, &scratch, 50, 1e-4, 0, &source, NULL), VSS_OK);
    vssi_topk_limit(&topk, 20);
    vssi_topk_add_rows(&topk, scores, 0, 1000);
    assert_int_equal(vssi_topk_finish(&topk, NULL), VSS_OK);
    assert_int_equal(topk.n_hits, 20);
    assert_int_equal(topk.hits[19].row, 980);
    assert_int_equal(topk.recomputed, 20);
    free(scores);
    topk_release(&all);
    vssi_scratch_free(&scratch);
}

/* A failure of exact sticks, is told once and leaves no hits. */
static void test_failure_sticks(void **state)
{
    (void)state;
    for (size_t after = 0; after < 4; after++) {
        vssi_heap heap;
        vssi_scratch scratch;
        vssi_topk topk;
        vss_error err;
        topk_rows all;
        vssi_heap_init(&heap, NULL, 0);
        vssi_scratch_init(&scratch, &heap);
        topk_fill(&all, 5000, 2, 1);
        all.fail_after = after;
        float *scores = topk_scores(&all, 0, 0, 5);
        vssi_topk_source source = {&all, topk_exact, topk_key_before};
        assert_int_equal(vssi_topk_init(&topk, &scratch, 10, 0, 0, &source, &err), VSS_OK);
        vssi_topk_add_rows(&topk, scores, 0, 5000);
        assert_int_equal(vssi_topk_finish(&topk, &err), VSS_ERR_CORRUPT);
        assert_string_equal(err.message, "chunk is damaged");
        assert_int_equal(topk.n_hits, 0);
        free(scores);
        topk_release(&all);
        vssi_scratch_free(&scratch);
    }
}

static void test_scratch(void **state)
{
    (void)state;
    vssi_heap heap;
    vssi_scratch scratch;
    vss_error err;
    unsigned char *bytes;
    vssi_heap_init(&heap, NULL, 1u << 20);
    vssi_scratch_init(&scratch, &heap);
    assert_int_equal(vssi_scratch_get(&scratch, VSSI_SCRATCH_FREE, 100, 1, &bytes, &err), VSS_OK);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    memset(bytes, 7, 100);
    assert_int_equal(vssi_scratch_get(&scratch, VSSI_SCRATCH_FREE, 5000, 3, &bytes, &err), VSS_OK);
    for (size_t i = 0; i < 15000; i++)
        assert_int_equal(bytes[i], i < 100 ? 7 : 0);
    assert_int_equal(vssi_scratch_get(&scratch, VSSI_SCRATCH_FREE, SIZE_MAX, 2, &bytes, &err), VSS_ERR_NO_MEMORY);
    assert_null(bytes);
    assert_int_equal(vssi_scratch_get(&scratch, VSSI_SCRATCH_FREE, 1u << 21, 1, &bytes, &err), VSS_ERR_BUDGET);
    assert_null(bytes);
    assert_int_equal(vssi_scratch_get(&scratch, VSSI_SCRATCH_FREE, 1, 1, &bytes, &err), VSS_OK);
    assert_int_equal(bytes[99], 7);
    vssi_scratch_free(&scratch);
    assert_int_equal(heap.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_sort),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_failure_sticks),
        cmocka_unit_test(test_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
