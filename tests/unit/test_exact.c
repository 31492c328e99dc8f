/*
 * test_exact.c - exact searches, random in type, metric, shape, filter, k, batch and threads, against a slow truth
 *
 * Keys, order and distances must be the truth's to the bit. Half of the float data lies far from the origin, so that
 * norms are much larger than distances; half of all data has many ties. Run at every level of kernels (CMakeLists.txt).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"

enum { MOST_QUERIES = 70 };

typedef struct world {
    maker_random random;
    vss_type type;
    vss_metric metric;
    uint32_t dim;
    size_t n, size;
    bool shaped;      /* rows that codes and their prefix are made for, and those they are not */
    uint8_t *vectors;
    double *wide;
    vss_db *db;
    vss_collection *col;
} world;

typedef struct hit {
    float distance;
    int64_t key;
    bool similarity;
} hit;

static size_t pick(world *w, size_t from, size_t to) { return from + maker_next(&w->random) % (to - from + 1); }

static int hit_compare(const void *a, const void *b)
{
    const hit *x = a, *y = b;
    if (x->distance != y->distance)
        return (x->distance < y->distance) != x->similarity ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* Rows of the world and queries near them, moved away from the origin where they are float32. */
static void fill(world *w, uint8_t *out, size_t n, bool coarse, float shift)
{
    maker_typed(&w->random, out, n, w->type, w->dim, coarse);
    for (size_t i = 0; w->type == VSS_TYPE_VECTOR_F32 && i < n * w->dim; i++) {
        float value;
        memcpy(&value, out + i * sizeof value, sizeof value);
        value += shift;
        memcpy(out + i * sizeof value, &value, sizeof value);
    }
}

/* Components that matter less and less; a few rows very far out, of which some have much in one component only; many
 * rows that are equal to others. */
static void shape(world *w, uint8_t *out, size_t n)
{
    for (size_t i = 0; w->type == VSS_TYPE_VECTOR_F32 && i < n * w->dim; i++) {
        float value;
        memcpy(&value, out + i * sizeof value, sizeof value);
        value *= ldexpf(1, -(int)(i % w->dim / 4));
        memcpy(out + i * sizeof value, &value, sizeof value);
    }
    for (size_t row = 0; row < n; row++) {
        size_t kind = pick(w, 0, 2999);
        uint8_t *at = out + row * w->size;
        for (size_t i = 0; w->type == VSS_TYPE_VECTOR_F32 && kind < 2 && i < w->dim; i += kind * 7 + 1) {
            float value;
            memcpy(&value, at + i * sizeof value, sizeof value);
            value *= 5000;
            memcpy(at + i * sizeof value, &value, sizeof value);
        }
        if (kind >= 2 && kind < 500)
            memcpy(at, out + pick(w, 0, row) * w->size, w->size);
    }
}

static void make(world *w, const char *params, bool coarse, float shift)
{
    vss_error err;
    w->size = maker_size(w->type, w->dim);
    w->vectors = malloc(w->n * w->size);
    w->wide = malloc(w->n * w->dim * sizeof *w->wide);
    fill(w, w->vectors, w->n, coarse, shift);
    if (w->shaped)
        shape(w, w->vectors, w->n);
    maker_widen(w->type, w->vectors, w->n, w->dim, w->wide);
    MUST(vss_db_open("mem:", NULL, &w->db, &err));
    w->col = maker_create_typed(w->db, w->type, w->dim, w->metric);
    size_t sealed = w->n - pick(w, 0, w->n / 4);
    maker_insert_typed(w->col, w->type, w->vectors, sealed, w->dim, 0, 1);
    MUST(vss_collection_flush(w->col, &err));
    if (params != NULL)
        MUST(vss_collection_build_index(w->col, NULL, "flat", params, NULL, &err));
    maker_insert_typed(w->col, w->type, w->vectors + sealed * w->size, w->n - sealed, w->dim, (int64_t)sealed, 1);
}

static void unmake(world *w)
{
    vss_error err;
    MUST(vss_db_close(w->db, &err));
    free(w->vectors);
    free(w->wide);
}

/* Rows with number = key % 100 below pass, the nearest first; returns how many. */
static size_t truth(const world *w, const double *query, int pass, hit *out)
{
    size_t n = 0;
    bool similarity = w->metric == VSS_METRIC_IP || w->metric == VSS_METRIC_COSINE;
    for (size_t i = 0; i < w->n; i++)
        if ((int)(i % 100) < pass)
            out[n++] = (hit){maker_distance(query, w->wide + i * w->dim, w->dim, w->metric), (int64_t)i, similarity};
    qsort(out, n, sizeof *out, hit_compare);
    return n;
}

/* One search of n_queries by `threads`, every row of it compared with the truth. */
static void try_search(world *w, size_t n_queries, uint32_t k, int pass, uint32_t threads, bool coarse, float shift)
{
    uint8_t *queries = malloc(n_queries * w->size);
    double *wide = malloc(n_queries * w->dim * sizeof *wide);
    hit *want = malloc(w->n * sizeof *want);
    char filter[32];
    vss_result *result;
    vss_error err;
    vss_search_request request = VSS_INIT(vss_search_request);
    fill(w, queries, n_queries, coarse, shift);
    maker_widen(w->type, queries, n_queries, w->dim, wide);
    snprintf(filter, sizeof filter, "number < %d", pass);
    request.queries = queries;
    request.n_queries = n_queries;
    request.dim = w->dim;
    request.k = k;
    request.filter = pass == 100 ? NULL : filter;
    request.threads = threads;
    MUST(vss_collection_search(w->col, &request, &result, &err));
    assert_int_equal(vss_result_flags_get(result), 0);
    const int64_t *offsets = vss_result_offsets(result), *keys = vss_result_keys(result)->data;
    for (size_t q = 0; q < n_queries; q++) {
        size_t n = truth(w, wide + q * w->dim, pass, want);
        n = n < k ? n : k;
        assert_int_equal(offsets[q + 1] - offsets[q], n);
        for (size_t i = 0; i < n; i++) {
            size_t at = (size_t)offsets[q] + i;
            float distance = vss_result_distances(result)[at];
            if (keys[at] != want[i].key || memcmp(&distance, &want[i].distance, sizeof distance) != 0)
                fail_msg("%s %s dim %u rows %zu queries %zu k %u pass %d threads %u: query %zu place %zu is %lld (%a), "
                         "must be %lld (%a)", vss_type_name(w->type), vss_metric_name(w->metric), w->dim, w->n,
                         n_queries, k, pass, threads, q, i, (long long)keys[at], (double)distance,
                         (long long)want[i].key, (double)want[i].distance);
        }
    }
    vss_result_free(result);
    free(want);
    free(queries);
    free(wide);
}

/* A world from a seed: what is drawn here is what the fast paths divide by. */
static world draw(uint64_t seed, size_t least, size_t most, uint32_t most_dim)
{
    world w = {.random = {seed * 7919 + 1}};
    bool any = pick(&w, 0, 2) == 0; /* mostly float32, which has paths of its own */
    w.type = any ? (vss_type)pick(&w, VSS_TYPE_VECTOR_F32, VSS_TYPE_VECTOR_BINARY) : VSS_TYPE_VECTOR_F32;
    bool binary = w.type == VSS_TYPE_VECTOR_BINARY;
    w.metric = binary ? (vss_metric)pick(&w, VSS_METRIC_HAMMING, VSS_METRIC_JACCARD)
                      : (vss_metric)pick(&w, VSS_METRIC_L2, VSS_METRIC_COSINE);
    w.dim = (uint32_t)pick(&w, 1, most_dim) * (binary ? 8 : 1);
    w.n = pick(&w, least, most);
    return w;
}

static bool inside(float distance, float low, float high) { return distance >= low && distance <= high; }

/* All rows in a range that two rows of the truth's give, and the flag when they are more than k. */
static void try_range(world *w, uint32_t k, int pass, uint32_t threads, bool coarse, float shift)
{
    enum { QUERIES = 3 };
    uint8_t *queries = malloc(QUERIES * w->size);
    double *wide = malloc(QUERIES * w->dim * sizeof *wide);
    hit *want = malloc(w->n * sizeof *want);
    bool capped = false;
    vss_result *result;
    vss_error err;
    char filter[32];
    vss_search_request request = VSS_INIT(vss_search_request);
    fill(w, queries, QUERIES, coarse, shift);
    maker_widen(w->type, queries, QUERIES, w->dim, wide);
    size_t n = truth(w, wide, pass, want), a = pick(w, 0, n), b = pick(w, 0, n);
    float x = a < n ? want[a].distance : INFINITY, y = b < n ? want[b].distance : -INFINITY;
    snprintf(filter, sizeof filter, "number < %d", pass);
    request.queries = queries;
    request.n_queries = QUERIES;
    request.dim = w->dim;
    request.k = k;
    request.filter = pass == 100 ? NULL : filter;
    request.threads = threads;
    request.range = 1;
    request.range_low = fminf(x, y);
    request.range_high = fmaxf(x, y);
    MUST(vss_collection_search(w->col, &request, &result, &err));
    const int64_t *offsets = vss_result_offsets(result), *keys = vss_result_keys(result)->data;
    for (size_t q = 0; q < QUERIES; q++) {
        size_t in = 0, got = (size_t)(offsets[q + 1] - offsets[q]);
        n = truth(w, wide + q * w->dim, pass, want);
        for (size_t i = 0; i < n; i++) {
            if (!inside(want[i].distance, request.range_low, request.range_high))
                continue;
            if (in < got)
                assert_int_equal(keys[(size_t)offsets[q] + in], want[i].key);
            in++;
        }
        assert_int_equal(got, in < k ? in : k);
        capped = capped || in > k;
    }
    assert_int_equal(vss_result_flags_get(result), capped ? VSS_RESULT_CAPPED : 0);
    vss_result_free(result);
    free(want);
    free(queries);
    free(wide);
}

static void run(uint64_t seed, size_t least, size_t most, uint32_t most_dim, size_t most_queries, bool codes)
{
    static const uint32_t ks[] = {1, 2, 10, 100, 1000, VSS_MAX_K};
    static const int passes[] = {100, 100, 99, 80, 50, 10, 1, 0};
    world w = draw(seed, least, most, most_dim);
    char params[32];
    bool coarse = pick(&w, 0, 1) == 1;
    float shift = pick(&w, 0, 1) == 1 ? 300.0f : 0.0f;
    if (codes && w.type > VSS_TYPE_VECTOR_BF16)
        w.type = VSS_TYPE_VECTOR_F16, w.metric = VSS_METRIC_L2;
    snprintf(params, sizeof params, "codes=sq8,prefix=%zu", pick(&w, 0, 3) == 0 ? pick(&w, 0, 1) : pick(&w, 2, 50));
    w.shaped = codes && pick(&w, 0, 3) > 0;
    make(&w, codes ? params : NULL, coarse, shift);
    for (int i = 0; i < 3; i++) {
        bool far = pick(&w, 0, 3) == 0; /* queries that are nowhere near the rows */
        try_search(&w, pick(&w, 1, most_queries), ks[pick(&w, 0, 5)], passes[pick(&w, 0, 7)], (uint32_t)pick(&w, 0, 4),
                   coarse, far ? -shift - 1 : shift);
        try_range(&w, ks[pick(&w, 0, 5)], passes[pick(&w, 0, 7)], (uint32_t)pick(&w, 0, 4), coarse, shift);
    }
    unmake(&w);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 150; seed++)
        run(seed, 1, 700, 70, MOST_QUERIES, false);
}

/* More dimensions than a step of any kernel. */
static void test_long(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++)
        run(1000 + seed, 1, 200, 1100, 20, false);
}

/* Enough rows that few queries share them among threads. */
static void test_ranges(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++)
        run(2000 + seed, 33000, 70000, 6, 5, false);
}

/* Codes that rule rows out, where they can and where they can't; so many rows that the prefix is chosen by itself. */
static void test_codes(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++)
        run(3000 + seed, 5500, 7000, 40, 30, true);
    for (uint64_t seed = 0; seed < 4; seed++)
        run(4000 + seed, 11000, 13000, 60, 10, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
