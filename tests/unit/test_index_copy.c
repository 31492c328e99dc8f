/*
 * test_index_copy.c - an index in a file that is searched often moves into memory, and the answers stay
 *
 * 5,000 rows in a directory; 1,500 searches, before, at and after the copy, from one thread and from four at once; and
 * with a budget that has no room for a copy.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"

enum { ROWS = 5000, DIM = 24, HITS = 5, SEARCHES = 1500, THREADS = 4 };

typedef struct fixture {
    char folder[64];
    float *rows;     /* [ROWS][DIM] */
    vss_db *db;
    vss_collection *col;
} fixture;

static int fixture_remove(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

/* Open anew what is stored, so that no search has come yet. */
static void fixture_open(fixture *f, uint64_t budget)
{
    vss_error err;
    vss_db_options options = VSS_INIT(vss_db_options);
    options.mode = VSS_OPEN_EXISTING;
    options.memory_budget = budget;
    MUST(vss_db_open(f->folder, &options, &f->db, &err));
    MUST(vss_collection_open(f->db, "c", &f->col, &err));
}

static void fixture_close(fixture *f)
{
    vss_error err;
    MUST(vss_collection_close(f->col, &err));
    MUST(vss_db_close(f->db, &err));
}

static void fixture_make(fixture *f)
{
    vss_error err;
    maker_random r = {7};
    vss_db_options options = VSS_INIT(vss_db_options);
    options.sync = VSS_SYNC_OFF;
    snprintf(f->folder, sizeof f->folder, "/tmp/vss-index-copy-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->rows = malloc(sizeof(float) * ROWS * DIM);
    maker_vectors(&r, f->rows, ROWS, DIM, false);
    MUST(vss_db_open(f->folder, &options, &f->db, &err));
    f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
    maker_insert(f->col, f->rows, ROWS, DIM, 0, 1);
    MUST(vss_collection_build_index(f->col, "v", "hnsw", "codes=sq8", NULL, &err));
    fixture_close(f);
}

static void fixture_end(fixture *f)
{
    free(f->rows);
    assert_int_equal(nftw(f->folder, fixture_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void copy_search(const fixture *f, size_t row, int64_t *keys, float *distances)
{
    vss_error err;
    vss_result *result;
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = f->rows + row * DIM;
    request.n_queries = 1;
    request.dim = DIM;
    request.k = HITS;
    MUST(vss_collection_search(f->col, &request, &result, &err));
    assert_int_equal(vss_result_rows(result), HITS);
    memcpy(keys, vss_result_keys(result)->data, HITS * sizeof *keys);
    memcpy(distances, vss_result_distances(result), HITS * sizeof *distances);
    vss_result_free(result);
}

static uint64_t copy_held(const fixture *f)
{
    uint64_t used, peak;
    vss_error err;
    MUST(vss_db_memory(f->db, &used, &peak, &err));
    return used;
}

/* The same ten queries again and again. Returns the bytes held at the end more than after the first ones. */
static uint64_t copy_searches(const fixture *f)
{
    int64_t first[10][HITS], keys[HITS];
    float far[10][HITS], distances[HITS];
    uint64_t held = 0;
    for (size_t i = 0; i < SEARCHES; i++) {
        size_t q = i % 10;
        copy_search(f, q * 37, i < 10 ? first[q] : keys, i < 10 ? far[q] : distances);
        if (i == 10)
            held = copy_held(f);
        if (i < 10)
            continue;
        assert_memory_equal(keys, first[q], sizeof keys);
        assert_memory_equal(distances, far[q], sizeof distances);
    }
    return copy_held(f) - held;
}

static void test_moves_once(void **state)
{
    (void)state;
    fixture f;
    fixture_make(&f);
    fixture_open(&f, 0);
    uint64_t grown = copy_searches(&f);
    assert_in_range(grown, ROWS * 32, ROWS * 512); /* codes alone are 32 bytes a row */
    assert_true(copy_searches(&f) == 0);
    fixture_close(&f);
    fixture_end(&f);
}

static void test_stays_without_room(void **state)
{
    (void)state;
    fixture f;
    fixture_make(&f);
    fixture_open(&f, 256 * 1024);
    assert_true(copy_searches(&f) == 0);
    fixture_close(&f);
    fixture_end(&f);
}

static void *copy_thread(void *state)
{
    (void)copy_searches(state);
    return NULL;
}

static void test_moves_under_searches(void **state)
{
    (void)state;
    fixture f;
    pthread_t threads[THREADS];
    fixture_make(&f);
    fixture_open(&f, 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, copy_thread, &f), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    fixture_close(&f);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_once),
        cmocka_unit_test(test_stays_without_room),
        cmocka_unit_test(test_moves_under_searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
