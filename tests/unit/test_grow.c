/*
 * test_grow.c - rows that are not sealed yet: found at once, by indexes in memory where there are many
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"

enum { DIM = 16, ROWS = 20480, BATCH = 512, K = 10 };

typedef struct fixture {
    vss_db *db;
    vss_collection *col;
    float *vectors;        /* [ROWS][DIM] */
    _Atomic size_t limit;  /* larger allocations fail */
    _Atomic size_t warned; /* lines in the log */
    size_t wrong;          /* of the reading thread */
} fixture;

static void *grow_alloc(void *state, size_t size, size_t align)
{
    fixture *f = state;
    return size > atomic_load(&f->limit) ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}

static void grow_release(void *state, void *block, size_t size, size_t align)
{
    (void)state, (void)size, (void)align;
    free(block);
}

static void grow_log(void *state, vss_log_level level, const char *line)
{
    fixture *f = state;
    (void)level;
    if (strstr(line, "growing rows are scanned") != NULL)
        atomic_fetch_add(&f->warned, 1);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    maker_random r = {8};
    vss_error err;
    vss_allocator allocator = {sizeof allocator, f, grow_alloc, grow_release};
    vss_db_options options = VSS_INIT(vss_db_options);
    *state = f;
    atomic_init(&f->limit, SIZE_MAX);
    options.allocator = &allocator;
    options.log = grow_log;
    options.log_state = f;
    f->vectors = malloc(ROWS * DIM * sizeof *f->vectors);
    maker_vectors(&r, f->vectors, ROWS, DIM, false);
    MUST(vss_db_open("mem:", &options, &f->db, &err));
    f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
    MUST(vss_collection_build_index(f->col, NULL, "hnsw", "ef_construction=100", NULL, &err));
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vss_error err;
    atomic_store(&f->limit, SIZE_MAX);
    MUST(vss_db_close(f->db, &err));
    free(f->vectors);
    free(f);
    return 0;
}

static void grow_fill(fixture *f, size_t rows)
{
    for (size_t at = 0; at < rows; at += BATCH)
        maker_insert(f->col, f->vectors + at * DIM, BATCH, DIM, (int64_t)at, 1);
}

static vss_result *grow_search(fixture *f, const float *queries, size_t n, const char *params)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    vss_result *result;
    vss_error err;
    request.queries = queries;
    request.n_queries = n;
    request.dim = DIM;
    request.k = K;
    request.params = params;
    request.explain = 1;
    MUST(vss_collection_search(f->col, &request, &result, &err));
    return result;
}

/* Rows of which a search has told the writer that there are many. */
static void grow_fill_searched(fixture *f)
{
    grow_fill(f, ROWS - BATCH);
    vss_result_free(grow_search(f, f->vectors, 1, NULL));
    maker_insert(f->col, f->vectors + (ROWS - BATCH) * DIM, BATCH, DIM, ROWS - BATCH, 1);
}

/* Growing segments that were searched through an index, and their rows. */
static size_t grow_indexed(fixture *f, uint64_t *rows)
{
    vss_result *result = grow_search(f, f->vectors, 1, NULL);
    const vss_explain *explain = vss_result_explain(result);
    size_t n = 0;
    *rows = 0;
    for (size_t i = 0; i < explain->n_segments; i++) {
        if (explain->segments[i].plan != VSS_PLAN_INDEX)
            continue;
        assert_string_equal(explain->segments[i].index, "hnsw");
        *rows += explain->segments[i].rows;
        n++;
    }
    vss_result_free(result);
    return n;
}

/* Share of hits that are no farther than the true k-th. */
static double grow_recall(fixture *f)
{
    enum { QUERIES = 100 };
    static float queries[QUERIES * DIM];
    maker_random r = {77};
    size_t good = 0;
    maker_vectors(&r, queries, QUERIES, DIM, false);
    vss_result *truth = grow_search(f, queries, QUERIES, "exact=1"), *hits = grow_search(f, queries, QUERIES, NULL);
    assert_int_equal(vss_result_rows(truth), QUERIES * K);
    assert_int_equal(vss_result_rows(hits), QUERIES * K);
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        good += vss_result_distances(hits)[i] <= vss_result_distances(truth)[i / K * K + K - 1];
    vss_result_free(truth);
    vss_result_free(hits);
    return (double)good / (QUERIES * K);
}

/* Each batch is found by the next search, whether its segment has an index by then or not. */
static void test_found_at_once(void **state)
{
    fixture *f = *state;
    uint64_t rows = 0;
    for (size_t at = 0; at < ROWS; at += BATCH) {
        maker_insert(f->col, f->vectors + at * DIM, BATCH, DIM, (int64_t)at, 1);
        size_t row = at + at / BATCH * 7 % BATCH;
        vss_result *hits = grow_search(f, f->vectors + row * DIM, 1, NULL);
        assert_int_equal(((const int64_t *)vss_result_keys(hits)->data)[0], row);
        assert_true(vss_result_distances(hits)[0] == 0);
        vss_result_free(hits);
    }
    assert_int_equal(grow_indexed(f, &rows), 1);
    assert_in_range(rows, 16384, ROWS);
    double recall = grow_recall(f);
    print_message("%d growing rows, %d of them in a graph: recall %.3f\n", ROWS, (int)rows, recall);
    assert_true(recall >= 0.97);
    assert_int_equal(f->warned, 0);
}

/* The same rows in the same batches give the same hits. */
static void test_deterministic(void **state)
{
    fixture *f = *state;
    vss_error err;
    grow_fill_searched(f);
    vss_result *first = grow_search(f, f->vectors, 200, "ef=12");
    vss_db *db = f->db;
    set_up(state);
    fixture *again = *state;
    grow_fill_searched(again);
    vss_result *second = grow_search(again, again->vectors, 200, "ef=12");
    assert_int_equal(vss_result_rows(first), vss_result_rows(second));
    assert_memory_equal(vss_result_keys(first)->data, vss_result_keys(second)->data,
                        vss_result_rows(first) * sizeof(int64_t));
    vss_result_free(first);
    vss_result_free(second);
    MUST(vss_db_close(db, &err));
    free(f->vectors);
    free(f);
}

/* What makes a stored index move into a copy (segment_index.c) leaves one in memory where it is. */
static void test_searched_often(void **state)
{
    enum { OFTEN = 1100 };
    fixture *f = *state;
    uint64_t rows;
    grow_fill_searched(f);
    assert_int_equal(grow_indexed(f, &rows), 1);
    for (size_t i = 0; i < OFTEN; i++) {
        vss_result *hits = grow_search(f, f->vectors + i * DIM, 1, NULL);
        assert_int_equal(((const int64_t *)vss_result_keys(hits)->data)[0], i);
        vss_result_free(hits);
    }
    assert_int_equal(grow_indexed(f, &rows), 1);
}

static void test_deletes_and_upserts(void **state)
{
    fixture *f = *state;
    vss_error err;
    static int64_t keys[ROWS / 3];
    static float moved[BATCH * DIM];
    static int64_t numbers[BATCH];
    uint64_t rows;
    grow_fill_searched(f);
    for (size_t i = 0; i < ROWS / 3; i++)
        keys[i] = (int64_t)(3 * i);
    vss_column gone = maker_keys(keys, ROWS / 3);
    MUST(vss_collection_delete(f->col, &gone, NULL, &err));
    for (size_t i = 0; i < BATCH; i++) { /* rows of the graph go elsewhere */
        keys[i] = (int64_t)(3 * i + 1);
        for (size_t j = 0; j < DIM; j++)
            moved[i * DIM + j] = 5 + f->vectors[(3 * i + 1) * DIM + j];
    }
    vss_column columns[] = {maker_keys(keys, BATCH), maker_keys(numbers, BATCH),
                            {sizeof(vss_column), VSS_TYPE_VECTOR_F32, DIM, BATCH, NULL, NULL, moved}};
    const vss_column *parts[] = {&columns[0], &columns[1], &columns[2]};
    vss_batch batch = {sizeof batch, 3, (const char *[]){"id", "number", "v"}, parts};
    MUST(vss_collection_upsert(f->col, &batch, NULL, &err));
    assert_int_equal(grow_indexed(f, &rows), 1);
    for (size_t i = 0; i < 300; i++) {
        vss_result *hits = grow_search(f, f->vectors + i * DIM, 1, NULL);
        assert_int_equal(vss_result_rows(hits), K);
        for (size_t j = 0; j < K; j++) {
            int64_t key = ((const int64_t *)vss_result_keys(hits)->data)[j];
            assert_true(key % 3 != 0 && (key % 3 != 1 || key >= 3 * BATCH));
        }
        vss_result_free(hits);
        hits = grow_search(f, moved + i * DIM, 1, NULL);
        assert_int_equal(((const int64_t *)vss_result_keys(hits)->data)[0], 3 * i + 1);
        vss_result_free(hits);
    }
    assert_true(grow_recall(f) >= 0.97);
}

/* Rows that nobody searches cost the writer no graph. */
static void test_no_graph_unless_missed(void **state)
{
    fixture *f = *state;
    uint64_t rows;
    grow_fill(f, ROWS);
    assert_int_equal(grow_indexed(f, &rows), 0); /* this search misses it */
    maker_insert(f->col, f->vectors, BATCH, DIM, ROWS, 1);
    assert_int_equal(grow_indexed(f, &rows), 1);
}

/* Without the memory for a graph rows are inserted and scanned; the attempt is not made again. */
static void test_no_memory_for_a_graph(void **state)
{
    fixture *f = *state;
    uint64_t rows;
    atomic_store(&f->limit, (size_t)3 << 20); /* the graph of 16,384 rows takes 4.2 MB, their vectors 1 MB */
    grow_fill_searched(f);
    assert_int_equal(f->warned, 1);
    assert_int_equal(grow_indexed(f, &rows), 0);
    maker_insert(f->col, f->vectors, BATCH, DIM, ROWS, 1);
    assert_int_equal(f->warned, 1);
    assert_true(grow_recall(f) == 1.0);
}

/* Counts what is wrong: only the test's own thread may fail. */
static void *grow_reader(void *state)
{
    fixture *f = state;
    for (size_t i = 0; i < 300; i++) {
        vss_search_request request = VSS_INIT(vss_search_request);
        vss_result *hits;
        vss_error err;
        request.queries = f->vectors + i * DIM;
        request.n_queries = 1;
        request.dim = DIM;
        request.k = K;
        if (vss_collection_search(f->col, &request, &hits, &err) != VSS_OK) {
            f->wrong++;
            continue;
        }
        bool right = vss_result_rows(hits) == K && ((const int64_t *)vss_result_keys(hits)->data)[0] == (int64_t)i;
        f->wrong += !right;
        vss_result_free(hits);
    }
    return NULL;
}

static void test_searches_beside(void **state)
{
    fixture *f = *state;
    pthread_t reader;
    vss_error err;
    grow_fill(f, BATCH);
    assert_int_equal(pthread_create(&reader, NULL, grow_reader, f), 0);
    for (size_t at = BATCH; at < ROWS; at += BATCH)
        maker_insert(f->col, f->vectors + at * DIM, BATCH, DIM, (int64_t)at, 1);
    MUST(vss_collection_flush(f->col, &err));
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(f->wrong, 0);
    assert_true(grow_recall(f) >= 0.95);
}

#define GROW_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GROW_TEST(test_found_at_once),         GROW_TEST(test_deterministic),
        GROW_TEST(test_searched_often),        GROW_TEST(test_deletes_and_upserts),
        GROW_TEST(test_no_memory_for_a_graph), GROW_TEST(test_searches_beside),
        GROW_TEST(test_no_graph_unless_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
