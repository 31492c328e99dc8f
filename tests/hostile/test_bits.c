/*
 * test_bits.c - every bit of a log and of a record of deletes is flipped, and check reports each
 *
 * Beside that a collection with a flipped bit in its log opens with an error or with one of the states that there were
 * after a batch, never with another one. What check says of objects that contradict each other although every hash is
 * right is tested here, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/bytes.h"
#include "../../lib/format/manifest.h"
#include "../support/crash_disk.h"
#include "../support/maker.h"
#include "../support/probe.h"
#include "../support/rowset.h"

enum { DIM = 3, BATCHES = 5 };

typedef struct fixture {
    archive files;
    rowset states[BATCHES + 1]; /* at the last flush and after each batch */
} fixture;

static int add_file(void *arg, const char *name)
{
    void *const *both = arg;
    const vss_storage *storage = both[0];
    uint64_t size;
    vss_error err;
    MUST(storage->size(storage->state, name, &size, &err));
    uint8_t *bytes = malloc((size_t)size + 1);
    MUST(storage->read(storage->state, name, 0, bytes, (size_t)size, &err));
    (void)archive_set(both[1], name, bytes, (size_t)size);
    free(bytes);
    return 0;
}

static void write_batch(vss_collection *col, int i)
{
    static const float vectors[40 * DIM] = {1, 2, 3};
    vss_error err;
    if (i == 1)
        MUST(vss_collection_delete_where(col, "id < 5", NULL, &err));
    else
        maker_insert(col, vectors, i == 3 ? 1 : 6, DIM, 1000 + i * 100, 1);
}

/* A collection with two segments, deletes of one, and five batches in the log, as a crash leaves it. */
static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    crash_disk disk;
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    vss_error err;
    static const float vectors[40 * DIM] = {1, 2, 3};
    *state = f;
    crash_disk_init(&disk);
    crash_disk_storage(&disk, &storage);
    options.storage = &storage;
    MUST(vss_db_open("disk", &options, &db, &err));
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, vectors, 40, DIM, 0, 1);
    MUST(vss_collection_flush(col, &err));
    maker_insert(col, vectors, 40, DIM, 40, 1);
    MUST(vss_collection_delete_where(col, "id in [7, 11, 39]", NULL, &err));
    MUST(vss_collection_flush(col, &err));
    MUST(rowset_read(col, NULL, &f->states[0], &err));
    for (int i = 0; i < BATCHES; i++) {
        write_batch(col, i);
        MUST(rowset_read(col, NULL, &f->states[i + 1], &err));
    }
    void *both[] = {&storage, &f->files};
    MUST(storage.list(storage.state, "", 0, add_file, both, &err));
    disk.dead = true;
    (void)vss_db_close(db, NULL);
    crash_disk_free(&disk);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    for (int i = 0; i <= BATCHES; i++)
        rowset_free(&f->states[i]);
    archive_free(&f->files);
    free(f);
    return 0;
}

static archive_file *find_in(const fixture *f, const char *folder)
{
    for (size_t i = 0; i < f->files.n_files; i++)
        if (!f->files.files[i].removed && strstr(f->files.files[i].name, folder) != NULL)
            return &f->files.files[i];
    fail_msg("no file in %s", folder);
    return NULL;
}

/* Which state does the collection open with? -1: an error. */
static int opened_state(fixture *f)
{
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    vss_collection *col;
    rowset rows;
    vss_error err;
    int found = -1;
    archive_storage(&f->files, true, &storage);
    options.storage = &storage;
    options.mode = VSS_OPEN_READ_ONLY;
    MUST(vss_db_open("archive", &options, &db, &err));
    if (vss_collection_open(db, "c", &col, &err) == VSS_OK) {
        MUST(rowset_read(col, NULL, &rows, &err));
        for (found = BATCHES; found >= 0 && !rowset_equal(&rows, &f->states[found]); found--)
            ;
        if (found < 0)
            fail_msg("%zu rows, as after no batch", rows.n);
        rowset_free(&rows);
    }
    MUST(vss_db_close(db, &err));
    return found;
}

static vss_status check(fixture *f, vss_check_report *report, vss_error *err)
{
    *report = VSS_INIT(vss_check_report);
    return probe_check(&f->files, "c", true, report, NULL, err);
}

static void check__finds_nothing_in_sound_files(void **state)
{
    fixture *f = *state;
    vss_check_report report;
    vss_error err;
    MUST(check(f, &report, &err));
    assert_int_equal(report.errors, 0);
    assert_int_equal(opened_state(f), BATCHES);
}

static void flip_all(fixture *f, const char *folder, bool log)
{
    archive_file *file = find_in(f, folder);
    size_t bits = 0, reported = 0, refused = 0, cut = 0;
    for (size_t bit = 0; bit < file->size * 8; bit++, bits++) {
        vss_check_report report;
        vss_error err;
        file->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const vss_status status = check(f, &report, &err);
        const bool found = status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT;
        reported += found && report.errors > 0;
        if (!found)
            fail_msg("%s: bit %zu: check says %s", file->name, bit, vss_status_name(status));
        const int opened = opened_state(f);
        refused += opened < 0;
        cut += opened >= 0 && opened < BATCHES;
        if (!log)
            assert_int_equal(opened, -1);
        else if (opened == BATCHES)
            fail_msg("bit %zu of the log changes nothing", bit);
        file->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    print_message("%s: %zu bits flipped, %zu reported by check; opening: %zu refused, %zu cut\n", file->name, bits,
                  reported, refused, cut);
    assert_int_equal(reported, bits);
}

static void check__reports_every_bit_of_a_log(void **state) { flip_all(*state, "/w/", true); }
static void check__reports_every_bit_of_deletes(void **state) { flip_all(*state, "/d/", false); }

/* A log cut anywhere but behind a frame. */
static void check__reports_a_torn_log(void **state)
{
    fixture *f = *state;
    archive_file *log = find_in(f, "/w/");
    const size_t size = log->size;
    size_t ends = 0;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, log->data, size);
    for (size_t cut = 1; cut < size; cut++) {
        vss_check_report report;
        vss_error err;
        log = archive_set(&f->files, log->name, bytes, cut);
        const vss_status status = check(f, &report, &err);
        ends += status == VSS_OK;
        if (status != VSS_OK)
            assert_int_equal(status, VSS_ERR_CORRUPT);
        assert_true(opened_state(f) >= 0);
    }
    assert_int_equal(ends, BATCHES); /* behind the header and behind each frame but the last */
    free(bytes);
}

/* ---- objects that contradict each other ---- */

static vssi_heap heap;

static vssi_manifest *newest(const fixture *f, const char *name)
{
    vssi_manifest *m;
    vss_error err;
    const archive_file *file = archive_find(&f->files, name);
    assert_non_null(file);
    MUST(vssi_manifest_decode(&heap, name, file->data, file->size, &m, &err));
    return m;
}

/* Store the manifest in place of the one it came from. */
static void replace(fixture *f, const char *name, vssi_manifest *m)
{
    uint8_t *bytes;
    size_t size;
    vss_error err;
    MUST(vssi_manifest_encode(m, &heap, &bytes, &size, &err));
    (void)archive_set(&f->files, name, bytes, size);
    vssi_free(&heap, bytes);
    vssi_manifest_free(m);
}

/* The one line that check gives must hold the text. */
static int see_line(void *state, const char *object, const char *line)
{
    const char **text = state;
    (void)object;
    if (strstr(line, *text) == NULL)
        fail_msg("\"%s\" is not in: %s", *text, line);
    return 0;
}

static void expect_fault(fixture *f, const char *text)
{
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_check_report report = VSS_INIT(vss_check_report);
    vss_db *db;
    vss_error err;
    archive_storage(&f->files, true, &storage);
    options.storage = &storage;
    options.mode = VSS_OPEN_READ_ONLY;
    MUST(vss_db_open("archive", &options, &db, &err));
    assert_int_equal(vss_collection_check(db, "c", see_line, &text, NULL, NULL, &report, &err), VSS_ERR_CORRUPT);
    assert_int_equal(report.errors, 1);
    MUST(vss_db_close(db, &err));
}

static void check__finds_a_key_that_is_live_twice(void **state)
{
    static const char name[] = "c/m/00000000000000000003";
    fixture *f = *state;
    vss_error err;
    find_in(f, "/w/")->removed = true;
    vssi_manifest *m = newest(f, name);
    assert_int_equal(m->n_segments, 2);
    vssi_object_ref_free(&heap, &m->segments[1].object); /* the first segment once more */
    MUST(vssi_object_ref_copy(&heap, &m->segments[0].object, &m->segments[1].object, &err));
    replace(f, name, m);
    expect_fault(f, "37 keys");
}

static void check__finds_a_log_that_does_not_follow(void **state)
{
    static const char name[] = "c/m/00000000000000000003";
    fixture *f = *state;
    vssi_manifest *m = newest(f, name);
    m->sequence--; /* a batch is missing between them */
    replace(f, name, m);
    expect_fault(f, "follows");
    archive_find(&f->files, name)->removed = true;
    expect_fault(f, "the newest manifest is 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check__finds_nothing_in_sound_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(check__reports_every_bit_of_a_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(check__reports_every_bit_of_deletes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(check__reports_a_torn_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(check__finds_a_key_that_is_live_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(check__finds_a_log_that_does_not_follow, set_up, tear_down),
    };
    vssi_heap_init(&heap, NULL, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
