/*
 * test_scan.c - a scan gives every live row that matches once, in batches of one committed state
 */
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"

enum { DIM = 4, ROWS = 9000 };

typedef struct fixture {
    vss_db *db;
    vss_collection *col;
} fixture;

/* Rows in two segments and in memory, every tenth deleted. */
static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    float *vectors = malloc(ROWS * DIM * sizeof *vectors);
    maker_random r = {9};
    vss_error err;
    *state = f;
    maker_vectors(&r, vectors, ROWS, DIM, false);
    MUST(vss_db_open("mem:", NULL, &f->db, &err));
    f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
    for (int part = 0; part < 3; part++) {
        maker_insert(f->col, vectors, ROWS / 3, DIM, part * ROWS / 3, 1);
        if (part < 2)
            MUST(vss_collection_flush(f->col, &err));
    }
    MUST(vss_collection_delete_where(f->col, "number in [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]", NULL, &err));
    free(vectors);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    free(f);
    return 0;
}

typedef struct seen {
    vss_collection *col;
    uint8_t times[ROWS];
    size_t batches, rows, most, stop_after;
    uint64_t total;
    bool write; /* change the collection on the way */
} seen;

static int look(void *state, const vss_result *rows, uint64_t total)
{
    seen *s = state;
    const int64_t *keys = vss_result_keys(rows)->data;
    const vss_column *numbers = vss_result_field(rows, "number"), *vectors = vss_result_field(rows, "v");
    const size_t n = vss_result_rows(rows);
    assert_int_equal(vss_result_queries(rows), 1);
    assert_int_equal(vss_result_offsets(rows)[1], n);
    assert_true(n > 0 && vectors->length == n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(((const int64_t *)numbers->data)[i], keys[i] % 100);
        s->times[keys[i]]++;
    }
    s->batches++;
    s->rows += n;
    s->most = n > s->most ? n : s->most;
    s->total = total;
    if (s->write) {
        vss_error err;
        MUST(vss_collection_delete_where(s->col, "id < 5000", NULL, &err));
        MUST(vss_collection_flush(s->col, &err));
    }
    return s->stop_after != 0 && s->batches == s->stop_after;
}

static vss_status scan(vss_collection *col, const char *filter, uint32_t batch, seen *s, vss_error *err)
{
    const char *fields[] = {"number", "v"};
    vss_scan_options options = VSS_INIT(vss_scan_options);
    options.filter = filter, options.fields = fields, options.n_fields = 2, options.batch_rows = batch;
    s->col = col;
    return vss_collection_scan(col, &options, look, s, err);
}

static void scan__gives_each_row_once(void **state)
{
    fixture *f = *state;
    const uint32_t batches[] = {0, 1, 100, 4096, 5000, VSS_MAX_BATCH_ROWS};
    vss_error err;
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        seen s = {0};
        MUST(scan(f->col, NULL, batches[b], &s, &err));
        assert_int_equal(s.rows, ROWS / 10 * 9);
        assert_int_equal(s.total, s.rows);
        assert_true(s.most <= (batches[b] == 0 ? 4096 : batches[b]));
        for (int k = 0; k < ROWS; k++)
            assert_int_equal(s.times[k], k % 10 != 0);
    }
}

static void scan__obeys_the_filter(void **state)
{
    fixture *f = *state;
    seen s = {0}, none = {0};
    vss_error err;
    MUST(scan(f->col, "2500 <= id < 6500 and number == 7", 16, &s, &err));
    assert_int_equal(s.rows, 40);
    assert_int_equal(s.batches, 3);
    MUST(scan(f->col, "id < 0", 0, &none, &err));
    assert_int_equal(none.batches, 0);
}

static void scan__sees_one_state(void **state)
{
    fixture *f = *state;
    seen s = {.write = true};
    uint64_t left;
    vss_error err;
    MUST(scan(f->col, NULL, 1000, &s, &err));
    assert_int_equal(s.rows, ROWS / 10 * 9);
    MUST(vss_collection_count(f->col, NULL, &left, &err));
    assert_int_equal(left, 4000 / 10 * 9);
}

static void scan__can_be_ended(void **state)
{
    fixture *f = *state;
    seen s = {.stop_after = 2};
    vss_error err;
    assert_int_equal(scan(f->col, NULL, 10, &s, &err), VSS_ERR_CANCELLED);
    assert_int_equal(s.batches, 2);
}

static void scan__refuses_bad_arguments(void **state)
{
    fixture *f = *state;
    seen s = {0};
    const char *missing[] = {"nothing"}, *hole[] = {NULL};
    vss_scan_options options = VSS_INIT(vss_scan_options);
    vss_error err;
    assert_int_equal(vss_collection_scan(NULL, NULL, look, &s, &err), VSS_ERR_INVALID);
    assert_int_equal(vss_collection_scan(f->col, NULL, NULL, &s, &err), VSS_ERR_INVALID);
    assert_int_equal(scan(f->col, NULL, VSS_MAX_BATCH_ROWS + 1, &s, &err), VSS_ERR_INVALID);
    assert_int_equal(scan(f->col, "id <", 0, &s, &err), VSS_ERR_INVALID);
    options.n_fields = 1, options.fields = missing;
    assert_int_equal(vss_collection_scan(f->col, &options, look, &s, &err), VSS_ERR_NOT_FOUND);
    options.fields = hole;
    assert_int_equal(vss_collection_scan(f->col, &options, look, &s, &err), VSS_ERR_INVALID);
    assert_int_equal(s.batches, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(scan__gives_each_row_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scan__obeys_the_filter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scan__sees_one_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scan__can_be_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scan__refuses_bad_arguments, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
