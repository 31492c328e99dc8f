/*
 * test_segment.c - memory and sealed segments answer alike; damage is found; hostile bytes are harmless
 */
#include <math.h>
#include <pthread.h>

#include "format_fixture.h"

#include "../../lib/format/column_part.h"

static vssi_heap heap;
static fixture_memory memory;
static vss_storage storage;

static int setup(void **state)
{
    (void)state;
    fixture_heap(&heap, &memory);
    return vssi_storage_memory(&heap, &storage, NULL);
}

static int teardown(void **state)
{
    (void)state;
    storage.close(storage.state);
    assert_int_equal(memory.held, 0);
    return 0;
}

/* Parts of both segments, packed, are the same bytes. */
static void assert_same_part(vssi_segment *a, vssi_segment *b, size_t field, size_t part, bool nullable)
{
    vss_column x, y;
    vss_error err = {0};
    vssi_writer p = {.heap = &heap}, q = {.heap = &heap};
    if (vssi_segment_column(a, field, part, &x, &err) != VSS_OK ||
        vssi_segment_column(b, field, part, &y, &err) != VSS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(vssi_column_part_pack(&x, nullable, &p, &err), VSS_OK);
    assert_int_equal(vssi_column_part_pack(&y, nullable, &q, &err), VSS_OK);
    assert_int_equal(p.size, q.size);
    assert_memory_equal(p.data, q.data, p.size);
    vssi_free(&heap, p.data);
    vssi_free(&heap, q.data);
}

static void assert_same_vectors(vssi_segment *a, vssi_segment *b, size_t field, size_t dim)
{
    const void *x, *y;
    const float *xn, *yn;
    double xm, ym;
    vss_error err = {0};
    const size_t rows = vssi_segment_rows(a);
    assert_int_equal(vssi_segment_vectors(a, field, &x, &xn, &xm, &err), VSS_OK);
    assert_int_equal(vssi_segment_vectors(b, field, &y, &yn, &ym, &err), VSS_OK);
    assert_int_equal(vssi_segment_verify_vectors(a, field, 0, rows, &err), VSS_OK);
    assert_int_equal(vssi_segment_verify_vectors(b, field, rows / 2, rows - rows / 2, &err), VSS_OK);
    assert_memory_equal(x, y, rows * dim * sizeof(float));
    assert_true(xm == ym && xm > 0);
    assert_int_equal(xn == NULL, yn == NULL);
    if (xn != NULL) {
        assert_memory_equal(xn, yn, rows * sizeof(float));
        const float *v = x;
        assert_true(fabs(xn[0] * sqrt(v[0] * (double)v[0] + v[1] * (double)v[1] + v[2] * (double)v[2]) - 1) < 1e-6);
    }
}

static void assert_keys(vssi_segment *s)
{
    vss_error err = {0};
    assert_int_equal(vssi_segment_keys_ready(s, &err), VSS_OK);
    for (size_t row = 0; row < vssi_segment_rows(s); row++) {
        const vssi_key key = vssi_segment_key(s, row);
        assert_int_equal(vssi_segment_find(s, &key), row);
    }
    const vssi_key number = {.number = 1 << 30}, text = {.is_text = true, .text = "no", .size = 2};
    assert_int_equal(vssi_segment_find(s, &number), SIZE_MAX);
    assert_int_equal(vssi_segment_find(s, &text), SIZE_MAX);
}

static void round_trip(int text_key, size_t rows)
{
    vss_error err = {0};
    vssi_object_ref ref, again;
    vssi_schema *schema = fixture_schema(&heap, text_key);
    vssi_segment *grown = fixture_segment(&heap, schema, 0, rows), *sealed;
    assert_int_equal(vssi_segment_write(grown, &storage, "c/", "s/one", &ref, &err), VSS_OK);
    assert_int_equal(vssi_segment_write(grown, &storage, "c/", "s/two", &again, &err), VSS_OK);
    assert_int_equal(ref.tail_hash, again.tail_hash);
    if (vssi_segment_open(&heap, &storage, "c/", schema, &ref, &sealed, &err) != VSS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(vssi_segment_rows(sealed), rows);
    assert_true(vssi_segment_bytes(grown) > rows * 20);
    for (size_t f = 0; f < schema->n_fields; f++)
        for (size_t p = 0; p < (rows + VSSI_COLUMN_ROWS - 1) / VSSI_COLUMN_ROWS; p++)
            assert_same_part(grown, sealed, f, p, (schema->fields[f].flags & VSS_FIELD_NULLABLE) != 0);
    assert_same_vectors(grown, sealed, 1, 3);
    assert_same_vectors(grown, sealed, 2, 2);
    assert_keys(grown);
    assert_keys(sealed);
    assert_int_equal(vssi_segment_check(sealed, NULL, NULL), 0);
    assert_int_equal(vssi_segment_check(grown, NULL, NULL), 0);
    assert_ptr_equal(vssi_segment_ref(sealed), sealed);
    vssi_segment_unref(sealed);
    vssi_segment_unref(sealed);
    vssi_segment_unref(grown);
    assert_int_equal(storage.remove(storage.state, "c/s/one", &err), VSS_OK);
    assert_int_equal(storage.remove(storage.state, "c/s/two", &err), VSS_OK);
    vssi_free(&heap, ref.name);
    vssi_free(&heap, again.name);
    vssi_schema_free(schema);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 64, 4095, 4096, 4097, 9000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        round_trip(0, sizes[i]);
        round_trip(1, sizes[i]);
    }
}

static void test_zone(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    vssi_zone zone;
    vssi_schema *schema = fixture_schema(&heap, 0);
    vssi_segment *grown = fixture_segment(&heap, schema, 0, 5000), *s;
    assert_int_equal(vssi_segment_zone(grown, 6, 0, &zone, &err), VSS_OK);
    assert_false(zone.known);
    assert_int_equal(vssi_segment_write(grown, &storage, "c/", "s/one", &ref, &err), VSS_OK);
    assert_int_equal(vssi_segment_open(&heap, &storage, "c/", schema, &ref, &s, &err), VSS_OK);
    assert_int_equal(vssi_segment_zone(s, 6, 1, &zone, &err), VSS_OK); /* i32, nullable: row - 3 */
    assert_true(zone.known);
    assert_int_equal(zone.rows, 904);
    assert_int_equal(zone.nulls, 180);
    assert_int_equal(zone.min_int, 4096 - 3);
    assert_int_equal(zone.max_int, 4999 - 3);
    assert_int_equal(vssi_segment_zone(s, 9, 0, &zone, &err), VSS_OK); /* f64: 1.5 row - 7, row 0 null */
    assert_true(zone.known && zone.min_float == -5.5 && zone.max_float == 4094 * 1.5 - 7);
    assert_int_equal(vssi_segment_zone(s, 10, 0, &zone, &err), VSS_OK); /* string */
    assert_false(zone.known);
    assert_int_equal(vssi_segment_zone(s, 0, 0, &zone, &err), VSS_OK); /* key */
    assert_false(zone.known);
    vssi_segment_unref(s);
    vssi_segment_unref(grown);
    vssi_free(&heap, ref.name);
    vssi_schema_free(schema);
}

static void test_merge(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_schema *schema = fixture_schema(&heap, 1);
    vssi_segment *parts[3] = {fixture_segment(&heap, schema, 0, 100), fixture_segment(&heap, schema, 100, 1),
                              fixture_segment(&heap, schema, 101, 200)};
    vssi_segment *whole = fixture_segment(&heap, schema, 0, 301), *merged;
    const uint64_t *none[3] = {NULL, NULL, NULL};
    assert_int_equal(vssi_segment_merge(&heap, schema, parts, none, 3, &merged, &err), VSS_OK);
    assert_int_equal(vssi_segment_rows(merged), 301);
    for (size_t f = 0; f < schema->n_fields; f++)
        assert_same_part(whole, merged, f, 0, (schema->fields[f].flags & VSS_FIELD_NULLABLE) != 0);
    assert_keys(merged);
    vssi_segment_unref(merged);

    uint64_t first[2] = {0}, all[1] = {1}, third[4] = {~0ull, ~0ull, ~0ull, 0xff};
    for (size_t row = 0; row < 100; row += 3)
        vssi_bitmap_set(first, row);
    vssi_bitmap_clear(third, 77);
    const uint64_t *some[3] = {first, all, third};
    assert_int_equal(vssi_segment_merge(&heap, schema, parts, some, 3, &merged, &err), VSS_OK);
    assert_int_equal(vssi_segment_rows(merged), 66 + 1);
    const vssi_key last = vssi_segment_key(merged, 66), expected = vssi_segment_key(whole, 101 + 77);
    assert_int_equal(vssi_key_compare(&last, &expected), 0);
    const vssi_key gone = vssi_segment_key(whole, 3);
    assert_int_equal(vssi_segment_find(merged, &gone), SIZE_MAX);
    vssi_segment_unref(merged);

    vssi_bitmap_fill(first, 100);
    vssi_bitmap_fill(third, 200);
    assert_int_equal(vssi_segment_merge(&heap, schema, parts, some, 3, &merged, &err), VSS_OK);
    assert_null(merged);
    for (size_t i = 0; i < 3; i++)
        vssi_segment_unref(parts[i]);
    vssi_segment_unref(whole);
    vssi_schema_free(schema);
}

static void test_key_order(void **state)
{
    (void)state;
    const vssi_key a = {.is_text = true, .text = "a", .size = 1}, ab = {.is_text = true, .text = "ab", .size = 2};
    const vssi_key high = {.is_text = true, .text = "\xc3\xa9", .size = 2};
    const vssi_key least = {.number = INT64_MIN}, most = {.number = INT64_MAX};
    assert_true(vssi_key_compare(&a, &ab) < 0 && vssi_key_compare(&ab, &a) > 0 && vssi_key_compare(&a, &a) == 0);
    assert_true(vssi_key_compare(&ab, &high) < 0); /* bytes are unsigned */
    assert_true(vssi_key_compare(&least, &most) < 0 && vssi_key_compare(&most, &least) > 0);
}

/* Ask a segment everything; the answers don't matter. */
static void use_all(vssi_segment *s, const vssi_schema *schema)
{
    vss_error err;
    vss_column view;
    vssi_zone zone;
    for (size_t f = 0; f < schema->n_fields; f++)
        for (size_t p = 0; p < (vssi_segment_rows(s) + VSSI_COLUMN_ROWS - 1) / VSSI_COLUMN_ROWS; p++) {
            (void)vssi_segment_zone(s, f, p, &zone, &err);
            vssi_writer w = {.heap = &heap};
            if (vssi_segment_column(s, f, p, &view, &err) == VSS_OK)
                (void)vssi_column_part_pack(&view, (schema->fields[f].flags & VSS_FIELD_NULLABLE) != 0, &w, &err);
            vssi_free(&heap, w.data);
        }
    if (vssi_segment_keys_ready(s, &err) == VSS_OK)
        for (size_t row = 0; row < vssi_segment_rows(s); row++) {
            const vssi_key key = vssi_segment_key(s, row);
            (void)vssi_segment_find(s, &key);
        }
    const vssi_key text = {.is_text = true, .text = "x", .size = 1}, number = {.number = 5};
    (void)vssi_segment_find(s, &text);
    (void)vssi_segment_find(s, &number);
    (void)vssi_segment_check(s, NULL, NULL);
}

/* Flip every byte of a small segment; with mend, make all hashes fit again. */
static void flip_all(int text_key, bool mend)
{
    vss_error err = {0};
    vssi_object_ref ref;
    size_t size;
    vssi_schema *schema = fixture_schema(&heap, text_key);
    vssi_segment *s = fixture_segment(&heap, schema, 0, 6);
    assert_int_equal(vssi_segment_write(s, &storage, "c/", "s/one", &ref, &err), VSS_OK);
    vssi_segment_unref(s);
    uint8_t *data = fixture_load(&storage, "c/s/one", &size);
    for (size_t at = 0; at < size; at++) {
        uint8_t *copy = malloc(size);
        vssi_object_ref flipped = ref;
        assert_non_null(copy);
        memcpy(copy, data, size);
        copy[at] ^= (uint8_t)(at % 2 ? 0x80 : 0x01 << (at / 2 % 8));
        if (mend)
            fixture_mend(copy, &flipped);
        fixture_store(&storage, "c/s/one", copy, size);
        const vss_status status = vssi_segment_open(&heap, &storage, "c/", schema, &flipped, &s, &err);
        if (!mend && status == VSS_OK && vssi_segment_check(s, NULL, NULL) == 0)
            fail_msg("byte %zu of %zu flipped: nothing found", at, size);
        if (status == VSS_OK)
            use_all(s, schema);
        else
            assert_true(status == VSS_ERR_CORRUPT || (mend && status == VSS_ERR_NEWER_FORMAT));
        vssi_segment_unref(s);
        free(copy);
    }
    free(data);
    vssi_free(&heap, ref.name);
    vssi_schema_free(schema);
}

static void test_every_flip(void **state)
{
    (void)state;
    flip_all(0, false);
    (void)storage.remove(storage.state, "c/s/one", NULL);
    flip_all(1, false);
}

static void test_hostile(void **state)
{
    (void)state;
    flip_all(0, true);
    (void)storage.remove(storage.state, "c/s/one", NULL);
    flip_all(1, true);
}

/* Every word of keys, offsets and table at its worst, hashes mended: bounded, and found by the check. */
static void test_hostile_keys(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    size_t size;
    vssi_schema *schema = fixture_schema(&heap, 1);
    vssi_segment *s = fixture_segment(&heap, schema, 0, 40);
    assert_int_equal(vssi_segment_write(s, &storage, "c/", "s/one", &ref, &err), VSS_OK);
    vssi_segment_unref(s);
    uint8_t *data = fixture_load(&storage, "c/s/one", &size);
    vssi_object *o;
    assert_int_equal(vssi_object_open(&heap, &storage, "c/", &ref, &o, &err), VSS_OK);
    const vssi_object_entry table = o->entries[vssi_object_find(o, VSSI_BLOCK_KEY_TABLE, 1)];
    const vssi_object_entry offsets = o->entries[vssi_object_find(o, VSSI_BLOCK_KEY_OFFSETS, 1)];
    vssi_object_close(o);
    static const uint64_t words[] = {0, 1, 39, 40, 0xfffffffe, 0x7fffffffffffffffu, 0x8000000000000000u, UINT64_MAX};
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
        for (int which = 0; which < 2; which++) {
            uint8_t *copy = malloc(size);
            assert_non_null(copy);
            memcpy(copy, data, size);
            const vssi_object_entry *e = which ? &table : &offsets;
            for (uint64_t at = 0; at < e->size; at += e->element)
                memcpy(copy + e->offset + at, &words[w], e->element);
            fixture_mend(copy, &ref);
            fixture_store(&storage, "c/s/one", copy, size);
            assert_int_equal(vssi_segment_open(&heap, &storage, "c/", schema, &ref, &s, &err), VSS_OK);
            use_all(s, schema);
            assert_true(vssi_segment_check(s, NULL, NULL) > 0);
            vssi_segment_unref(s);
            free(copy);
        }
    free(data);
    vssi_free(&heap, ref.name);
    vssi_schema_free(schema);
}

/* A segment of another schema doesn't open. */
static void test_other_schema(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    vssi_schema *schema = fixture_schema(&heap, 0), *other = fixture_schema(&heap, 1);
    vssi_segment *s = fixture_segment(&heap, schema, 0, 10);
    assert_int_equal(vssi_segment_write(s, &storage, "c/", "s/one", &ref, &err), VSS_OK);
    vssi_segment_unref(s);
    assert_int_equal(vssi_segment_open(&heap, &storage, "c/", other, &ref, &s, &err), VSS_ERR_CORRUPT);
    assert_null(s);
    schema->fields[1].dim = 4;
    assert_int_equal(vssi_segment_open(&heap, &storage, "c/", schema, &ref, &s, &err), VSS_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "\"v\""));
    schema->fields[1].dim = 3;
    schema->fields[4].id = 99;
    assert_int_equal(vssi_segment_open(&heap, &storage, "c/", schema, &ref, &s, &err), VSS_ERR_CORRUPT);
    vssi_free(&heap, ref.name);
    vssi_schema_free(schema);
    vssi_schema_free(other);
}

typedef struct reader_job {
    vssi_segment *segment;
    const vssi_schema *schema;
    int failed;
} reader_job;

static void *read_parts(void *arg)
{
    reader_job *job = arg;
    vss_column view;
    vss_error err;
    for (size_t p = 0; p < 3; p++)
        for (size_t f = 0; f < job->schema->n_fields; f++)
            if (vssi_segment_column(job->segment, f, p, &view, &err) != VSS_OK || view.data == NULL)
                job->failed = 1;
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    vss_error err = {0};
    vssi_object_ref ref;
    vssi_schema *schema = fixture_schema(&heap, 1);
    vssi_segment *s = fixture_segment(&heap, schema, 0, 9000);
    assert_int_equal(vssi_segment_write(s, &storage, "c/", "s/one", &ref, &err), VSS_OK);
    vssi_segment_unref(s);
    vssi_heap shared; /* the counting hook of the fixture is for one thread */
    vssi_heap_init(&shared, NULL, 0);
    assert_int_equal(vssi_segment_open(&shared, &storage, "c/", schema, &ref, &s, &err), VSS_OK);
    reader_job jobs[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = (reader_job){s, schema, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_parts, &jobs[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].failed, 0);
    }
    vssi_segment_unref(s);
    assert_int_equal(shared.used, 0);
    vssi_free(&heap, ref.name);
    vssi_schema_free(schema);
}

static vss_status whole_life(const vssi_schema *schema)
{
    vssi_column *columns[VSS_MAX_FIELDS];
    vssi_segment *grown, *merged = NULL, *sealed = NULL;
    vssi_object_ref ref = {0};
    vss_error err;
    const uint64_t *none[1] = {NULL};
    vss_status status = fixture_columns(&heap, schema, 0, 12, columns, &err);
    if (status == VSS_OK)
        status = vssi_segment_from_columns(&heap, schema, columns, &grown, &err);
    if (status != VSS_OK)
        return status;
    status = vssi_segment_merge(&heap, schema, &grown, none, 1, &merged, &err);
    if (status == VSS_OK)
        status = vssi_segment_write(merged, &storage, "c/", "s/one", &ref, &err);
    if (status == VSS_OK)
        status = vssi_segment_open(&heap, &storage, "c/", schema, &ref, &sealed, &err);
    for (size_t f = 0; f < schema->n_fields && status == VSS_OK; f++) {
        vss_column view;
        status = vssi_segment_column(sealed, f, 0, &view, &err);
    }
    vssi_segment_unref(grown);
    vssi_segment_unref(merged);
    vssi_segment_unref(sealed);
    vssi_free(&heap, ref.name);
    return status;
}

static void test_failing_memory(void **state)
{
    (void)state;
    vssi_schema *schema = fixture_schema(&heap, 1);
    size_t failures = 0;
    for (size_t fail = 1;; fail += 3) {
        const long held = memory.held;
        memory.calls = 0;
        memory.fail_at = fail;
        const vss_status status = whole_life(schema);
        memory.fail_at = 0;
        (void)storage.remove(storage.state, "c/s/one", NULL);
        assert_true(memory.held <= held + 1); /* the storage may keep its table */
        if (status == VSS_OK)
            break;
        assert_int_equal(status, VSS_ERR_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 50);
    vssi_schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_zone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_flip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
