/*
 * test_collection.c - the life of a collection: made, filled, flushed, reopened, read-only, locked, dropped; budget and
 * cancel
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/maker.h"

enum { DIM = 4 };

typedef struct fixture {
    char folder[64];
    float *vectors;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    maker_random r = {11};
    strcpy(f->folder, "/tmp/vss-test-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    f->vectors = malloc(6000 * DIM * sizeof *f->vectors);
    maker_vectors(&r, f->vectors, 6000, DIM, false);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    int rc = system(command);
    free(f->vectors);
    free(f);
    return rc;
}

static vss_db *open_db(const fixture *f, vss_open_mode mode)
{
    vss_db *db;
    vss_error err;
    vss_db_options options = VSS_INIT(vss_db_options);
    options.mode = mode;
    MUST(vss_db_open(f->folder, &options, &db, &err));
    return db;
}

static vss_collection *open_collection(vss_db *db)
{
    vss_collection *col;
    vss_error err;
    MUST(vss_collection_open(db, "c", &col, &err));
    return col;
}

static vss_collection_stats stats_of(vss_collection *col)
{
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    vss_error err;
    MUST(vss_collection_stats_get(col, &stats, &err));
    return stats;
}

static uint64_t count_of(vss_collection *col, const char *filter)
{
    uint64_t count;
    vss_error err;
    MUST(vss_collection_count(col, filter, &count, &err));
    return count;
}

/* The nearest key of row i's own vector. */
static int64_t nearest(vss_collection *col, const fixture *f, size_t i)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    vss_result *result;
    vss_error err;
    request.queries = f->vectors + i * DIM;
    request.n_queries = 1;
    request.dim = DIM;
    request.k = 1;
    MUST(vss_collection_search(col, &request, &result, &err));
    int64_t key = vss_result_rows(result) == 0 ? -1 : *(const int64_t *)vss_result_keys(result)->data;
    vss_result_free(result);
    return key;
}

static void collection__survives_reopening(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_db *db = open_db(f, VSS_OPEN_CREATE);
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, f->vectors, 5000, DIM, 0, 1);
    MUST(vss_collection_build_index(col, "v", "hnsw", "m=8", NULL, &err));
    maker_insert(col, f->vectors + 5000 * DIM, 1000, DIM, 5000, 1);
    int64_t gone[] = {17, 4999, 5000, 123456};
    vss_column keys = maker_keys(gone, 4);
    vss_write_info info = VSS_INIT(vss_write_info);
    MUST(vss_collection_delete(col, &keys, &info, &err));
    assert_int_equal(info.rows, 3);
    MUST(vss_db_close(db, &err)); /* flushes */

    db = open_db(f, VSS_OPEN_READ_ONLY);
    col = open_collection(db);
    vss_collection_stats stats = stats_of(col);
    assert_int_equal(stats.rows, 5997);
    assert_int_equal(stats.deleted, 2); /* the third was dropped when its segment was sealed */
    assert_int_equal(stats.segments, 2);
    assert_int_equal(stats.growing, 0);
    assert_int_equal(count_of(col, "id in [17, 4999, 5000]"), 0);
    assert_int_equal(count_of(col, "number == 17"), 59);
    assert_int_equal(nearest(col, f, 2500), 2500);
    assert_int_equal(nearest(col, f, 5999), 5999);
    assert_true(nearest(col, f, 17) != 17);
    vss_check_report report = VSS_INIT(vss_check_report);
    MUST(vss_collection_check(db, "c", NULL, NULL, NULL, NULL, &report, &err));
    assert_int_equal(report.errors, 0);
    assert_int_equal(report.bytes, stats.bytes);
    MUST(vss_db_close(db, &err));
}

static void collection__unflushed_rows_are_visible(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_db *db = open_db(f, VSS_OPEN_CREATE);
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    for (int64_t i = 0; i < 40; i++)
        maker_insert(col, f->vectors + i * DIM, 1, DIM, i, 1);
    assert_int_equal(stats_of(col).growing, 40);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(nearest(col, f, i), (int64_t)i);
    MUST(vss_db_close(db, &err));
}

static int64_t insert_auto(vss_collection *col, const float *vectors, size_t n)
{
    vss_column v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.length = n, v.dim = DIM, v.data = vectors;
    const char *names[] = {"v"};
    const vss_column *columns[] = {&v};
    vss_batch batch = VSS_INIT(vss_batch);
    vss_write_info info = VSS_INIT(vss_write_info);
    vss_error err;
    batch.n_columns = 1, batch.names = names, batch.columns = columns;
    MUST(vss_collection_insert(col, &batch, &info, &err));
    return info.first_key;
}

static void collection__auto_keys_are_never_reused(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_schema *schema;
    vss_collection *col;
    const char json[] = "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true, \"auto_id\": true},"
                        "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 4, \"metric\": \"l2\"}]}";
    MUST(vss_schema_parse(json, sizeof json - 1, &schema, &err));
    vss_db *db = open_db(f, VSS_OPEN_CREATE);
    MUST(vss_collection_create(db, "c", schema, &col, &err));
    vss_schema_free(schema);
    assert_int_equal(insert_auto(col, f->vectors, 10), 0);
    assert_int_equal(insert_auto(col, f->vectors, 5), 10);
    MUST(vss_collection_delete_where(col, "id >= 0", NULL, &err));
    MUST(vss_db_close(db, &err));
    db = open_db(f, VSS_OPEN_EXISTING);
    col = open_collection(db);
    assert_int_equal(stats_of(col).rows, 0);
    assert_int_equal(insert_auto(col, f->vectors, 1), 15);
    MUST(vss_db_close(db, &err));
}

static void collection__has_one_writer(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_collection *second, *again;
    vss_db *db = open_db(f, VSS_OPEN_CREATE), *other = open_db(f, VSS_OPEN_EXISTING);
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, f->vectors, 10, DIM, 0, 1);
    assert_int_equal(vss_collection_open(other, "c", &second, &err), VSS_ERR_BUSY);
    char pid[24];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    MUST(vss_collection_open(db, "c", &again, &err)); /* the same handle */
    assert_ptr_equal(again, col);
    MUST(vss_collection_close(again, &err));
    assert_int_equal(vss_collection_drop(db, "c", &err), VSS_ERR_BUSY);
    vss_db *reader = open_db(f, VSS_OPEN_READ_ONLY);
    vss_collection *seen = open_collection(reader);
    assert_int_equal(count_of(seen, NULL), 10); /* by way of the log */
    maker_insert(col, f->vectors, 10, DIM, 10, 1);
    MUST(vss_collection_flush(col, &err));
    assert_int_equal(count_of(seen, NULL), 10); /* a snapshot stays what it was */
    MUST(vss_db_close(reader, &err));
    MUST(vss_collection_close(col, &err));
    MUST(vss_collection_open(other, "c", &second, &err));
    assert_int_equal(count_of(second, NULL), 20);
    MUST(vss_db_close(db, &err));
    MUST(vss_db_close(other, &err));
}

static void collection__drops_and_begins_anew(void **state)
{
    const fixture *f = *state;
    vss_error err;
    char **names;
    size_t n;
    vss_collection *col;
    vss_db *db = open_db(f, VSS_OPEN_CREATE);
    col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, f->vectors, 100, DIM, 0, 1);
    MUST(vss_collection_close(col, &err));
    MUST(vss_db_list(db, &names, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "c");
    vss_names_free(names);
    MUST(vss_collection_drop(db, "c", &err));
    assert_int_equal(vss_collection_open(db, "c", &col, &err), VSS_ERR_NOT_FOUND);
    assert_int_equal(vss_collection_drop(db, "c", &err), VSS_ERR_NOT_FOUND);
    MUST(vss_db_list(db, &names, &n, &err));
    assert_int_equal(n, 0);
    vss_names_free(names);
    col = maker_create(db, DIM, VSS_METRIC_IP);
    assert_int_equal(count_of(col, NULL), 0);
    MUST(vss_db_close(db, &err));
}

static void collection__get_keeps_the_order(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_result *result;
    vss_db *db = open_db(f, VSS_OPEN_CREATE);
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, f->vectors, 50, DIM, 0, 1);
    MUST(vss_collection_flush(col, &err));
    maker_insert(col, f->vectors + 50 * DIM, 50, DIM, 50, 1);
    int64_t wanted[] = {77, 3, 1000, 3, 50};
    const char *fields[] = {"name", "v", "number"};
    vss_column keys = maker_keys(wanted, 5);
    MUST(vss_collection_get(col, &keys, fields, 3, &result, &err));
    static const int64_t offsets[] = {0, 1, 2, 2, 3, 4}, found[] = {77, 3, 3, 50};
    assert_memory_equal(vss_result_offsets(result), offsets, sizeof offsets);
    assert_memory_equal(vss_result_keys(result)->data, found, sizeof found);
    assert_null(vss_result_distances(result));
    const vss_column *name = vss_result_field(result, "name"), *v = vss_result_field(result, "v");
    assert_int_equal(name->validity[0] & 0xf, 0x9); /* 77 and 50 have one, 3 (3 % 7 == 3) has none */
    assert_int_equal(name->offsets[1] - name->offsets[0], 2);
    assert_memory_equal(v->data, f->vectors + 77 * DIM, DIM * sizeof(float));
    assert_memory_equal((const float *)v->data + 3 * DIM, f->vectors + 50 * DIM, DIM * sizeof(float));
    assert_int_equal(((const int64_t *)vss_result_field(result, "number")->data)[3], 50);
    assert_null(vss_result_field(result, "id"));
    vss_result_free(result);
    MUST(vss_db_close(db, &err));
}

static void collection__result_outlives_the_database(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_result *result;
    vss_db *db = open_db(f, VSS_OPEN_CREATE);
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, f->vectors, 50, DIM, 0, 1);
    int64_t wanted[] = {7};
    vss_column keys = maker_keys(wanted, 1);
    MUST(vss_collection_get(col, &keys, NULL, 0, &result, &err));
    MUST(vss_db_close(db, &err));
    assert_int_equal(*(const int64_t *)vss_result_keys(result)->data, 7);
    vss_result_free(result);
}

static void collection__explains_its_plans(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_result *result;
    vss_db *db = open_db(f, VSS_OPEN_CREATE);
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, f->vectors, 6000, DIM, 0, 1);
    MUST(vss_collection_build_index(col, NULL, "hnsw", NULL, NULL, &err));
    static const struct {
        const char *filter, *params;
        vss_plan plan;
        uint64_t passing;
    } cases[] = {{NULL, NULL, VSS_PLAN_INDEX, 6000},
                 {NULL, "exact=1", VSS_PLAN_SCAN, 6000},
                 {"number < 90", "ef=100", VSS_PLAN_INDEX, 5400},
                 {"number < 50", NULL, VSS_PLAN_SCAN_ROWS, 3000}, /* at most 4,096 */
                 {"number < 0", NULL, VSS_PLAN_NOTHING, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vss_search_request request = VSS_INIT(vss_search_request);
        request.queries = f->vectors;
        request.n_queries = 2;
        request.dim = DIM;
        request.k = 10;
        request.filter = cases[i].filter;
        request.params = cases[i].params;
        request.explain = 1;
        MUST(vss_collection_search(col, &request, &result, &err));
        const vss_explain *explain = vss_result_explain(result);
        assert_non_null(explain);
        assert_int_equal(explain->n_segments, 1);
        assert_int_equal(explain->segments[0].plan, cases[i].plan);
        assert_int_equal(explain->segments[0].passing, cases[i].passing);
        if (cases[i].plan == VSS_PLAN_SCAN)
            assert_int_equal(explain->segments[0].distances, 12000);
        if (cases[i].plan == VSS_PLAN_INDEX)
            assert_in_range(explain->segments[0].distances, 20, 11999);
        assert_int_equal((vss_result_flags_get(result) & VSS_RESULT_APPROXIMATE) != 0, cases[i].plan == VSS_PLAN_INDEX);
        vss_result_free(result);
    }
    MUST(vss_db_close(db, &err));
}

static int refuse(void *state, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    (void)done;
    (void)total;
    ++*(int *)state;
    return 1;
}

static void collection__cancels_long_calls(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_result *result;
    int calls = 0;
    vss_db *db = open_db(f, VSS_OPEN_CREATE);
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, f->vectors, 6000, DIM, 0, 1);
    vss_build_options build = VSS_INIT(vss_build_options);
    build.progress = refuse;
    build.progress_state = &calls;
    assert_int_equal(vss_collection_build_index(col, "v", "hnsw", NULL, &build, &err), VSS_ERR_CANCELLED);
    assert_int_equal(calls, 1);
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = f->vectors;
    request.n_queries = 100;
    request.dim = DIM;
    request.k = 10;
    request.progress = refuse;
    request.progress_state = &calls;
    assert_int_equal(vss_collection_search(col, &request, &result, &err), VSS_ERR_CANCELLED);
    assert_null(result);
    assert_int_equal(calls, 2);
    assert_int_equal(count_of(col, NULL), 6000);
    MUST(vss_db_close(db, &err));
}

static void collection__keeps_its_budget(void **state)
{
    const fixture *f = *state;
    vss_error err;
    vss_db *db;
    uint64_t peak;
    vss_db_options options = VSS_INIT(vss_db_options);
    options.memory_budget = 256 * 1024;
    MUST(vss_db_open("mem:", &options, &db, &err));
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, f->vectors, 500, DIM, 0, 1);
    vss_column v = VSS_INIT(vss_column), key = VSS_INIT(vss_column), number = VSS_INIT(vss_column);
    int64_t *keys = malloc(5000 * sizeof *keys);
    for (int64_t i = 0; i < 5000; i++)
        keys[i] = 1000 + i;
    key = number = maker_keys(keys, 5000);
    v.type = VSS_TYPE_VECTOR_F32, v.length = 5000, v.dim = DIM, v.data = f->vectors;
    const char *names[] = {"id", "number", "v"};
    const vss_column *columns[] = {&key, &number, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    assert_int_equal(vss_collection_insert(col, &batch, NULL, &err), VSS_ERR_BUDGET);
    assert_int_equal(count_of(col, NULL), 500);
    MUST(vss_db_memory(db, NULL, &peak, &err));
    assert_true(peak <= options.memory_budget);
    MUST(vss_db_close(db, &err));
    free(keys);
}

static void collection__opens_without_touching_rows(void **state)
{
    const fixture *f = *state;
    vss_error err;
    uint64_t used[2];
    for (int round = 0; round < 2; round++) {
        char name[96];
        snprintf(name, sizeof name, "%s/%d", f->folder, round);
        vss_db *db;
        MUST(vss_db_open(name, NULL, &db, &err));
        vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
        maker_insert(col, f->vectors, round == 0 ? 100 : 6000, DIM, 0, 1);
        MUST(vss_db_close(db, &err));
        MUST(vss_db_open(name, NULL, &db, &err));
        col = open_collection(db);
        MUST(vss_db_memory(db, &used[round], NULL, &err));
        MUST(vss_db_close(db, &err));
    }
    assert_int_equal(used[0], used[1]); /* memory after open does not grow with the rows */
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(collection__survives_reopening),
        CASE(collection__unflushed_rows_are_visible),
        CASE(collection__auto_keys_are_never_reused),
        CASE(collection__has_one_writer),
        CASE(collection__drops_and_begins_anew),
        CASE(collection__get_keeps_the_order),
        CASE(collection__result_outlives_the_database),
        CASE(collection__explains_its_plans),
        CASE(collection__cancels_long_calls),
        CASE(collection__keeps_its_budget),
        CASE(collection__opens_without_touching_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
