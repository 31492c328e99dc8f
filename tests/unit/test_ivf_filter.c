/*
 * test_ivf_filter.c - which lists are read: more with a filter, fewer with spread
 *
 * With one row in a hundred passing, inverted lists find as much as without a filter: the lists are walked, not the
 * rows scanned, alone and in a batch, and the recall is at most a point below that of the same settings without one.
 */
#include <math.h>
#include <stdlib.h>

#include "../support/maker.h"

enum { ROWS = 130000, DIM = 16, QUERIES = 200, K = 10, FREE = 7 };

typedef struct fixture {
    vss_db *db;
    vss_collection *col;
    float *queries;
} fixture;

/* n points of a bent space of FREE dimensions, by FREE + 1 directions each. */
static void fill(maker_random *r, const float *directions, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double free[FREE];
        for (size_t d = 0; d < FREE; d++)
            free[d] = maker_unit(r) + maker_unit(r) - 1;
        for (size_t j = 0; j < DIM; j++) {
            double sum = 0;
            for (size_t d = 0; d < FREE; d++)
                sum += free[d] * (double)directions[d * DIM + j];
            out[i * DIM + j] = (float)(sum + 0.3 * cos(3 * sum + (double)directions[FREE * DIM + j]));
        }
    }
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    float directions[(FREE + 1) * DIM], *rows = malloc((size_t)ROWS * DIM * sizeof *rows);
    maker_random r = {31};
    vss_error err;
    f->queries = malloc(QUERIES * DIM * sizeof *f->queries);
    maker_vectors(&r, directions, FREE + 1, DIM, false);
    fill(&r, directions, rows, ROWS);
    fill(&r, directions, f->queries, QUERIES);
    MUST(vss_db_open("mem:", NULL, &f->db, &err));
    f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
    maker_insert(f->col, rows, ROWS, DIM, 0, 1);
    MUST(vss_collection_flush(f->col, &err));
    free(rows);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    free(f->queries);
    free(f);
    return 0;
}

static vss_result *ask(fixture *f, size_t first, size_t n, const char *filter, const char *params)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    vss_result *result;
    vss_error err;
    request.queries = f->queries + first * DIM;
    request.n_queries = n;
    request.dim = DIM;
    request.k = K;
    request.filter = filter;
    request.params = params;
    request.explain = 1;
    MUST(vss_collection_search(f->col, &request, &result, &err));
    return result;
}

static double recall(fixture *f, size_t batch, const char *filter, const char *params)
{
    size_t hits = 0;
    for (size_t first = 0; first < QUERIES; first += batch) {
        vss_result *found = ask(f, first, batch, filter, params), *exact = ask(f, first, batch, filter, "exact=1");
        const float *a = vss_result_distances(found), *b = vss_result_distances(exact);
        assert_int_equal(vss_result_explain(found)->segments[0].plan, VSS_PLAN_INDEX);
        assert_int_equal(vss_result_rows(found), batch * K);
        for (size_t i = 0; i < batch * K; i++)
            hits += a[i] <= b[i / K * K + K - 1];
        vss_result_free(found);
        vss_result_free(exact);
    }
    return (double)hits / (QUERIES * K);
}

static void test_one_in_a_hundred(void **state)
{
    static const char *const types[][2] = {{"ivf_rabitq", "nlist=512,bits=3"}, {"ivf_sq8", "nlist=512"},
                                           {"ivf_pq", "nlist=512,m=8"}, {"ivf_flat", "nlist=512"}};
    fixture *f = *state;
    vss_build_options build = VSS_INIT(vss_build_options);
    vss_error err;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        MUST(vss_collection_build_index(f->col, "v", types[i][0], types[i][1], &build, &err));
        double all = recall(f, 50, NULL, "nprobe=4");
        double few = recall(f, 50, "number == 7", "nprobe=4"), alone = recall(f, 1, "number == 7", "nprobe=4");
        print_message("%s: recall %.4f, with one row in a hundred %.4f, query by query %.4f\n", types[i][0], all, few,
                      alone);
        assert_true(all > 0.8 && all < 0.99);
        assert_true(few >= all - 0.01);
        assert_true(alone >= all - 0.01);
    }
}

static uint64_t rows_read(fixture *f, size_t batch, const char *filter, const char *params)
{
    uint64_t read = 0;
    for (size_t first = 0; first < QUERIES; first += batch) {
        vss_result *found = ask(f, first, batch, filter, params);
        read += vss_result_explain(found)->segments[0].distances;
        vss_result_free(found);
    }
    return read;
}

/* Fewer rows are read, little is lost, a batch reads what its queries would, and no query is left without k rows. */
static void test_spread(void **state)
{
    static const char *const types[][2] = {{"ivf_rabitq", "nlist=512,bits=3"}, {"ivf_sq8", "nlist=512"}};
    fixture *f = *state;
    vss_build_options build = VSS_INIT(vss_build_options);
    vss_error err;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        MUST(vss_collection_build_index(f->col, "v", types[i][0], types[i][1], &build, &err));
        uint64_t all = rows_read(f, 50, NULL, "nprobe=24"), near = rows_read(f, 50, NULL, "nprobe=24,spread=250");
        double full = recall(f, 50, NULL, "nprobe=24"), less = recall(f, 50, NULL, "nprobe=24,spread=250");
        print_message("%s: spread=250 reads %.3f of the rows, recall %.4f and %.4f\n", types[i][0],
                      (double)near / (double)all, full, less);
        assert_true((double)near < 0.8 * (double)all);
        assert_true(less > full - 0.01);
        assert_int_equal(rows_read(f, 1, NULL, "nprobe=24,spread=250"), near);
        assert_int_equal(rows_read(f, 50, NULL, "nprobe=24,spread=100000"), all);
        assert_true(recall(f, 50, NULL, "nprobe=24,spread=1") > 0.3); /* asks for K rows of each */
        assert_int_equal(rows_read(f, 50, "number == 7", "nprobe=4,spread=1"),
                         rows_read(f, 50, "number == 7", "nprobe=4"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_in_a_hundred),
        cmocka_unit_test(test_spread),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
