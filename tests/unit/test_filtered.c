/*
 * test_filtered.c - a filter costs a graph search no recall, wherever the rows that pass it lie
 *
 * 60,000 rows in the order of their first component: "number" picks rows at random, "id" those on one side, so that
 * of many queries all near rows are turned away. Against exact searches, with what a search without a filter finds at
 * the same ef as the measure.
 */
#include <stdlib.h>

#include "../support/maker.h"

enum { ROWS = 60000, DIM = 16, QUERIES = 100, HITS = 10 };

typedef struct filtered {
    vss_db *db;
    vss_collection *col;
    float *queries; /* [QUERIES][DIM] */
} filtered;

static int filtered_order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void filtered_make(filtered *f)
{
    vss_error err;
    maker_random r = {9};
    float *rows = malloc(sizeof(float) * ROWS * DIM);
    f->queries = malloc(sizeof(float) * QUERIES * DIM);
    maker_vectors(&r, rows, ROWS, DIM, false);
    maker_vectors(&r, f->queries, QUERIES, DIM, false);
    qsort(rows, ROWS, sizeof(float) * DIM, filtered_order);
    MUST(vss_db_open("mem:", NULL, &f->db, &err));
    f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
    maker_insert(f->col, rows, ROWS, DIM, 0, 1);
    MUST(vss_collection_build_index(f->col, "v", "hnsw", "ef_construction=100", NULL, &err));
    free(rows);
}

static vss_result *filtered_search(const filtered *f, const char *filter, const char *params)
{
    vss_error err;
    vss_result *result;
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = f->queries;
    request.n_queries = QUERIES;
    request.dim = DIM;
    request.k = HITS;
    request.filter = filter;
    request.params = params;
    request.explain = 1;
    MUST(vss_collection_search(f->col, &request, &result, &err));
    assert_int_equal(vss_result_rows(result), QUERIES * HITS);
    return result;
}

/* Hits no farther than the true last one; *plan is how the segment was searched, *distances how many were computed. */
static double filtered_recall(const filtered *f, const char *filter, const char *params, vss_plan *plan,
                              uint64_t *distances)
{
    vss_result *truth = filtered_search(f, filter, "exact=1"), *found = filtered_search(f, filter, params);
    const float *far = vss_result_distances(truth), *got = vss_result_distances(found);
    size_t good = 0;
    for (size_t i = 0; i < QUERIES * HITS; i++)
        good += got[i] <= far[i / HITS * HITS + HITS - 1];
    *plan = vss_result_explain(found)->segments[0].plan;
    *distances = vss_result_explain(found)->segments[0].distances;
    vss_result_free(truth);
    vss_result_free(found);
    return (double)good / (QUERIES * HITS);
}

static void filters__cost_no_recall(void **state)
{
    static const char *const params[] = {"ef=16", "ef=32", "ef=64"};
    static const struct {
        const char *filter;
        bool walked; /* by the graph alone */
    } cases[] = {{"number < 50", true}, {"number < 20", true}, {"number < 10", true},
                 {"id < 54000", false}, {"id < 30000", false}, {"id < 12000", false}, {"id >= 53000", false},
                 {"id < 20000 or id >= 40000", false}};
    filtered f;
    (void)state;
    filtered_make(&f);
    for (size_t p = 0; p < sizeof params / sizeof *params; p++) {
        vss_plan plan;
        uint64_t distances;
        double whole = filtered_recall(&f, NULL, params[p], &plan, &distances);
        assert_true(plan == VSS_PLAN_INDEX && whole > 0.9);
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            double recall = filtered_recall(&f, cases[c].filter, params[p], &plan, &distances);
            print_message("%s, %s: recall %.3f (%.3f), %llu distances a query, plan %d\n", params[p], cases[c].filter,
                          recall, whole, (unsigned long long)distances / QUERIES, (int)plan);
            assert_true(recall >= whole - 0.01);
            assert_true(plan == VSS_PLAN_INDEX || (!cases[c].walked && plan == VSS_PLAN_INDEX_THEN_SCAN));
        }
    }
    free(f.queries);
    vss_error err;
    MUST(vss_collection_close(f.col, &err));
    MUST(vss_db_close(f.db, &err));
}

/* As few as these are scanned, which finds them all: up to 4,096, or n with n^2 = 18 k rows (here 3,286). */
static void few__are_scanned(void **state)
{
    filtered f;
    vss_plan plan;
    uint64_t distances;
    (void)state;
    filtered_make(&f);
    assert_true(filtered_recall(&f, "id < 4096", "ef=16", &plan, &distances) == 1.0);
    assert_true(plan == VSS_PLAN_SCAN_ROWS);
    assert_true(filtered_recall(&f, "id < 5000", "ef=16", &plan, &distances) > 0.8);
    assert_true(plan != VSS_PLAN_SCAN_ROWS);
    free(f.queries);
    vss_error err;
    MUST(vss_collection_close(f.col, &err));
    MUST(vss_db_close(f.db, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters__cost_no_recall),
        cmocka_unit_test(few__are_scanned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
