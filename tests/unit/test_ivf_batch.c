/*
 * test_ivf_batch.c - a query finds the same in a batch of any size, on any number of threads
 *
 * Rows of few different components, so that distances of codes tie at every cut; all types of inverted lists and
 * metrics, with and without a filter, with vectors and by codes alone.
 */
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"

enum { ROWS = 5000, MANY = 40000, QUERIES = 130, K = 10, WIDEST = 150 };

typedef struct fixture {
    vss_db *db;
    vss_collection *col;
    float *rows, *queries;
    uint32_t dim;
} fixture;

typedef struct answer {
    int64_t keys[QUERIES][K];
    float distances[QUERIES][K];
    size_t counts[QUERIES];
} answer;

static void set_up(fixture *f, size_t rows, uint32_t dim, vss_metric metric)
{
    maker_random r = {91};
    vss_error err;
    f->dim = dim;
    f->rows = malloc(rows * dim * sizeof *f->rows);
    f->queries = malloc((size_t)QUERIES * dim * sizeof *f->queries);
    maker_vectors(&r, f->rows, rows, dim, true);
    maker_vectors(&r, f->queries, QUERIES, dim, true);
    MUST(vss_db_open("mem:", NULL, &f->db, &err));
    f->col = maker_create(f->db, dim, metric);
    maker_insert(f->col, f->rows, rows, dim, 0, 1);
    MUST(vss_collection_flush(f->col, &err));
}

static void tear_down(fixture *f)
{
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    free(f->rows);
    free(f->queries);
}

static void ask(fixture *f, size_t batch, uint32_t threads, const char *filter, const char *params, answer *out)
{
    vss_error err;
    memset(out, 0, sizeof *out);
    for (size_t first = 0; first < QUERIES; first += batch) {
        vss_search_request request = VSS_INIT(vss_search_request);
        vss_result *found;
        request.n_queries = batch < QUERIES - first ? batch : QUERIES - first;
        request.queries = f->queries + first * f->dim;
        request.dim = f->dim;
        request.k = K;
        request.threads = threads;
        request.filter = filter;
        request.params = params;
        MUST(vss_collection_search(f->col, &request, &found, &err));
        const int64_t *offsets = vss_result_offsets(found);
        for (size_t q = 0; q < request.n_queries; q++) {
            out->counts[first + q] = (size_t)(offsets[q + 1] - offsets[q]);
            memcpy(out->keys[first + q], (const int64_t *)vss_result_keys(found)->data + offsets[q],
                   out->counts[first + q] * sizeof(int64_t));
            memcpy(out->distances[first + q], vss_result_distances(found) + offsets[q],
                   out->counts[first + q] * sizeof(float));
        }
        vss_result_free(found);
    }
}

static void check(fixture *f, const char *type, const char *filter, const char *params)
{
    static const struct {
        size_t batch;
        uint32_t threads;
    } ways[] = {{2, 1}, {3, 1}, {5, 1}, {40, 2}, {QUERIES, 1}, {QUERIES, 2}};
    answer *alone = malloc(sizeof *alone), *other = malloc(sizeof *other);
    ask(f, 1, 1, filter, params, alone);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        ask(f, ways[w].batch, ways[w].threads, filter, params, other);
        if (memcmp(alone, other, sizeof *alone) != 0)
            fail_msg("%s, %u components, %s, filter %s: %zu queries a call find others than one", type, f->dim, params,
                     filter ? filter : "none", ways[w].batch);
    }
    for (size_t q = 0; q < QUERIES; q++)
        assert_int_equal(alone->counts[q], K);
    free(alone);
    free(other);
}

static void check_type(fixture *f, const char *type, const char *params)
{
    vss_build_options build = VSS_INIT(vss_build_options);
    vss_error err;
    MUST(vss_collection_build_index(f->col, "v", type, params, &build, &err));
    check(f, type, NULL, "nprobe=6");
    check(f, type, NULL, "nprobe=12,spread=60");
    check(f, type, "number < 60", "nprobe=6");
    check(f, type, "number < 4", "nprobe=6");
    if (strcmp(type, "ivf_flat") != 0)
        check(f, type, NULL, "nprobe=6,refine=0");
}

static void test_batches(void **state)
{
    static const char *const types[][2] = {{"ivf_rabitq", "nlist=24,bits=1"}, {"ivf_rabitq", "nlist=24,bits=4"},
                                           {"ivf_rabitq", "nlist=40,bits=7"}, {"ivf_sq8", "nlist=24"},
                                           {"ivf_pq", "nlist=24"}, {"ivf_pq", "nlist=24,nbits=8"},
                                           {"ivf_flat", "nlist=24"}};
    static const struct {
        uint32_t dim;
        vss_metric metric;
    } spaces[] = {{6, VSS_METRIC_L2}, {24, VSS_METRIC_COSINE}, {70, VSS_METRIC_IP}, {WIDEST, VSS_METRIC_L2}};
    (void)state;
    for (size_t s = 0; s < sizeof spaces / sizeof *spaces; s++) {
        fixture f;
        set_up(&f, ROWS, spaces[s].dim, spaces[s].metric);
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            check_type(&f, types[i][0], types[i][1]);
        tear_down(&f);
    }
}

/* Shortlists of all rows: the memory of so many is more than a batch has at once. */
static void test_divided(void **state)
{
    vss_build_options build = VSS_INIT(vss_build_options);
    fixture f;
    vss_error err;
    (void)state;
    set_up(&f, MANY, 6, VSS_METRIC_L2);
    MUST(vss_collection_build_index(f.col, "v", "ivf_sq8", "nlist=24", &build, &err));
    check(&f, "ivf_sq8", NULL, "nprobe=2,rerank=65536");
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_divided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
