/*
 * test_conformance.c - every index type, vector type and metric against a slow truth written here
 *
 * Exact types must return the truth's keys, order and distances to the bit; approximate ones the right number of rows,
 * no row twice or deleted or filtered out, true distances, true order, and most of the truth's rows.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"
#include "../support/tier.h"

typedef struct world {
    const char *type; /* NULL: no index defined */
    vss_type vector;
    vss_metric metric;
    uint32_t dim;
    size_t size;   /* bytes of a vector */
    size_t n;      /* rows ever inserted, keys 0 .. n - 1 */
    bool *alive;
    uint8_t *vectors;
    double *wide;  /* the same as numbers */
    vss_db *db;
    vss_collection *col;
} world;

typedef struct hit {
    float distance;
    int64_t key;
} hit;

static vss_metric hit_metric;

static bool nearer_is_less(vss_metric metric) { return metric != VSS_METRIC_IP && metric != VSS_METRIC_COSINE; }

static int hit_compare(const void *a, const void *b)
{
    const hit *x = a, *y = b;
    if (x->distance != y->distance)
        return (x->distance < y->distance) == nearer_is_less(hit_metric) ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* The filter of the test, as the library reads it and as the truth knows it. */
static const char *const filters[] = {NULL, "number < 50", "number == 7", "name == \"n4\" or name is null",
                                      "number > 100"};
static bool passes(int filter, int64_t key)
{
    bool null = key % 7 == 3;
    switch (filter) {
    case 1: return key % 100 < 50;
    case 2: return key % 100 == 7;
    case 3: return null || key % 10 == 4;
    case 4: return false;
    default: return true;
    }
}

static size_t truth(const world *w, const double *query, int filter, hit *out)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        if (w->alive[i] && passes(filter, (int64_t)i))
            out[n++] = (hit){maker_distance(query, w->wide + i * w->dim, w->dim, w->metric), (int64_t)i};
    hit_metric = w->metric;
    qsort(out, n, sizeof *out, hit_compare);
    return n;
}

static size_t counted_cases, counted_found, counted_wanted;

static void expect_query(const world *w, const hit *want, size_t n_want, const int64_t *keys, const float *distances,
                         size_t n, bool exact, const double *query, int filter)
{
    size_t found = 0;
    assert_int_equal(n, n_want);
    for (size_t i = 0; i < n; i++) {
        assert_true(keys[i] >= 0 && (size_t)keys[i] < w->n && w->alive[keys[i]] && passes(filter, keys[i]));
        float d = maker_distance(query, w->wide + (size_t)keys[i] * w->dim, w->dim, w->metric);
        assert_memory_equal(&d, &distances[i], sizeof d);
        if (i > 0) { /* strictly in order, so no key twice */
            hit a = {distances[i - 1], keys[i - 1]}, b = {distances[i], keys[i]};
            hit_metric = w->metric;
            assert_true(hit_compare(&a, &b) < 0);
        }
        if (exact)
            assert_int_equal(keys[i], want[i].key);
        bool farther = nearer_is_less(w->metric) ? d > want[n_want - 1].distance : d < want[n_want - 1].distance;
        found += !farther;
    }
    counted_cases++;
    counted_found += found;
    counted_wanted += n_want;
}

static void expect_search(const world *w, maker_random *r, uint32_t k, int filter, bool exact)
{
    enum { QUERIES = 3 };
    uint8_t *queries = malloc(QUERIES * w->size);
    double *wide = malloc(QUERIES * w->dim * sizeof *wide);
    hit *want = malloc((w->n + 1) * sizeof *want);
    vss_result *result;
    vss_error err;
    maker_typed(r, queries, QUERIES, w->vector, w->dim, maker_next(r) % 2);
    maker_widen(w->vector, queries, QUERIES, w->dim, wide);
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = queries;
    request.n_queries = QUERIES;
    request.dim = w->dim;
    request.k = k;
    request.filter = filters[filter];
    request.params = exact ? "exact=1" : NULL;
    request.threads = (uint32_t)(maker_next(r) % 3);
    MUST(vss_collection_search(w->col, &request, &result, &err));
    const int64_t *offsets = vss_result_offsets(result), *keys = vss_result_keys(result)->data;
    for (size_t q = 0; q < QUERIES; q++) {
        size_t n = truth(w, wide + q * w->dim, filter, want);
        expect_query(w, want, n < k ? n : k, keys + offsets[q], vss_result_distances(result) + offsets[q],
                     (size_t)(offsets[q + 1] - offsets[q]), exact, wide + q * w->dim, filter);
    }
    vss_result_free(result);
    free(want);
    free(queries);
    free(wide);
}

static void expect_all(const world *w, maker_random *r)
{
    static const uint32_t ks[] = {1, 2, 10, 100, 9000};
    bool exact = w->type == NULL || strcmp(w->type, "flat") == 0;
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        for (int filter = tier_brief() ? (int)i % 3 : 0; filter < 5; filter += tier_brief() ? 3 : 1) {
            expect_search(w, r, ks[i], filter, true);
            if (!exact)
                expect_search(w, r, ks[i], filter, false);
        }
}

static void delete_some(world *w, maker_random *r, size_t one_in)
{
    int64_t *keys = malloc(w->n * sizeof *keys + 1);
    size_t n = 0, live = 0;
    vss_error err;
    for (size_t i = 0; i < w->n; i++) {
        if (maker_next(r) % one_in == 0) {
            keys[n++] = (int64_t)i;
            live += w->alive[i];
            w->alive[i] = false;
        }
    }
    vss_column column = maker_keys(keys, n);
    vss_write_info info = VSS_INIT(vss_write_info);
    MUST(vss_collection_delete(w->col, &column, &info, &err));
    assert_int_equal(info.rows, live);
    free(keys);
}

static void reopen(world *w)
{
    vss_error err;
    MUST(vss_collection_close(w->col, &err));
    MUST(vss_collection_open(w->db, "c", &w->col, &err));
}

static void run_world(const char *type, const char *params, vss_type vector, vss_metric metric, uint32_t dim, size_t n,
                      bool coarse, uint64_t seed)
{
    maker_random r = {seed};
    vss_error err;
    world w = {.type = type, .vector = vector, .metric = metric, .dim = dim, .size = maker_size(vector, dim), .n = n};
    w.vectors = malloc((n + 1) * w.size);
    w.alive = malloc(n + 1);
    memset(w.alive, 1, n);
    w.wide = malloc((n + 1) * dim * sizeof *w.wide);
    maker_typed(&r, w.vectors, n, vector, dim, coarse);
    maker_widen(vector, w.vectors, n, dim, w.wide);
    MUST(vss_db_open("mem:", NULL, &w.db, &err));
    w.col = maker_create_typed(w.db, vector, dim, metric);
    size_t first = n - n / 8; /* sealed and indexed, then a second segment, then growing rows */
    maker_insert_typed(w.col, vector, w.vectors, first, dim, 0, 1);
    if (type != NULL)
        MUST(vss_collection_build_index(w.col, NULL, type, params, NULL, &err));
    maker_insert_typed(w.col, vector, w.vectors + first * w.size, n / 16, dim, (int64_t)first, 1);
    MUST(vss_collection_flush(w.col, &err));
    size_t rest = first + n / 16;
    maker_insert_typed(w.col, vector, w.vectors + rest * w.size, n - rest, dim, (int64_t)rest, 1);
    expect_all(&w, &r);
    delete_some(&w, &r, 5);
    expect_all(&w, &r);
    reopen(&w);
    expect_all(&w, &r);
    delete_some(&w, &r, 1);
    expect_all(&w, &r);
    MUST(vss_db_close(w.db, &err));
    free(w.vectors);
    free(w.wide);
    free(w.alive);
}

static const struct {
    uint32_t dim;
    size_t n;
    bool coarse;
} shapes[] = {{1, 1, false}, {3, 17, true}, {17, 300, true}, {2, 5000, true}, {24, 6000, false}, {65, 5500, true}};

/* Shapes [from, to) of one vector type under its metrics. Dimensions of binary vectors are 8 times as many. */
static void run_vector(const char *type, const char *params, vss_type vector, size_t from, size_t to)
{
    bool binary = vector == VSS_TYPE_VECTOR_BINARY;
    vss_metric metric = binary ? VSS_METRIC_HAMMING : VSS_METRIC_L2,
               last = binary ? VSS_METRIC_JACCARD : VSS_METRIC_COSINE;
    for (; metric <= last; metric = (vss_metric)(metric + 1))
        for (size_t s = from; s < to; s++)
            run_world(type, params, vector, metric, shapes[s].dim * (binary ? 8 : 1), shapes[s].n, shapes[s].coarse,
                      (uint64_t)metric * 100 + s);
}

static void run_type(const char *type)
{
    const char *params = type != NULL && strcmp(type, "hnsw") == 0 && tier_brief() ? "ef_construction=100" : NULL;
    counted_cases = counted_found = counted_wanted = 0;
    run_vector(type, params, VSS_TYPE_VECTOR_F32, 0, sizeof shapes / sizeof *shapes);
    for (int vector = VSS_TYPE_VECTOR_F16; vector <= VSS_TYPE_VECTOR_BINARY; vector++)
        run_vector(type, params, (vss_type)vector, type == NULL || strcmp(type, "flat") == 0 ? 2 : 4,
                   type == NULL ? 3 : 5);
    double recall = (double)counted_found / (double)counted_wanted;
    print_message("%s: %zu queries, recall %.4f\n", type == NULL ? "no index" : type, counted_cases, recall);
    assert_true(recall >= 0.95);
}

static void conformance__every_type(void **state)
{
    (void)state;
    run_type(NULL);
    for (size_t i = 0; vss_index_type(i) != NULL; i++)
        run_type(vss_index_type(i));
}

/* Graphs on codes that they would not choose themselves. */
static void conformance__codes(void **state)
{
    (void)state;
    static const char *const params[] = {"codes=sq4,ef_construction=100", "codes=f16,ef_construction=100"};
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        counted_cases = counted_found = counted_wanted = 0;
        run_vector("hnsw", params[i], VSS_TYPE_VECTOR_F32, 3, sizeof shapes / sizeof *shapes);
        run_vector("hnsw", params[i], VSS_TYPE_VECTOR_BF16, 4, 5);
        double recall = (double)counted_found / (double)counted_wanted;
        print_message("hnsw, %s: %zu queries, recall %.4f\n", params[i], counted_cases, recall);
        assert_true(recall >= 0.95);
    }
}

static void conformance__empty_collection(void **state)
{
    (void)state;
    vss_db *db;
    vss_error err;
    vss_result *result;
    float query[3] = {1, 2, 3};
    for (size_t i = 0; vss_index_type(i) != NULL; i++) {
        MUST(vss_db_open("mem:", NULL, &db, &err));
        vss_collection *col = maker_create(db, 3, VSS_METRIC_L2);
        MUST(vss_collection_build_index(col, "v", vss_index_type(i), NULL, NULL, &err));
        vss_search_request request = VSS_INIT(vss_search_request);
        request.queries = query;
        request.n_queries = 1;
        request.dim = 3;
        request.k = 5;
        MUST(vss_collection_search(col, &request, &result, &err));
        assert_int_equal(vss_result_rows(result), 0);
        assert_int_equal(vss_result_queries(result), 1);
        vss_result_free(result);
        request.n_queries = 0;
        MUST(vss_collection_search(col, &request, &result, &err));
        assert_int_equal(vss_result_queries(result), 0);
        vss_result_free(result);
        MUST(vss_db_close(db, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conformance__every_type),
        cmocka_unit_test(conformance__codes),
        cmocka_unit_test(conformance__empty_collection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
