/*
 * test_purge.c - after a purge no stored byte of a deleted or replaced row is left: keys, texts, vectors, logs
 *
 * Everything stored is searched for the bytes that only such rows have; before the purge they are found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/storage/storage.h"
#include "../support/maker.h"

enum { DIM = 8, ROWS = 30, MARKS = 3 };

/* Short and few, so that a compressed column holds them as they are. */
static const char *const secrets[] = {"Xq7-zulu", "Kp3*wolf", "Vj9+hexa"};
static const char *const keys_gone[] = {"key-of-Maria", "key-of-Ahmed", "key-of-Chiyo"};
static const uint32_t marks[MARKS] = {0x4d5e6f71, 0x4c3d2e1f, 0x4b1c2d3e}; /* floats of some 10^7 to 10^8 */

typedef struct fixture {
    vssi_heap heap;
    vss_storage storage;
    vss_db *db;
    vss_collection *col;
} fixture;

static void open_db(fixture *f)
{
    vss_error err;
    vss_storage storage = f->storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    storage.close = NULL;
    options.storage = &storage;
    MUST(vss_db_open("purge", &options, &f->db, &err));
}

static int set_up(void **state)
{
    static const char fields[] =
        "{\"fields\": [{\"name\": \"name\", \"type\": \"string\", \"primary\": true},"
        " {\"name\": \"text\", \"type\": \"string\", \"nullable\": true},"
        " {\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 8, \"metric\": \"l2\"}]}";
    fixture *f = calloc(1, sizeof *f);
    vss_schema *schema;
    vss_error err;
    *state = f;
    vssi_heap_init(&f->heap, NULL, 0);
    MUST(vssi_storage_memory(&f->heap, &f->storage, &err));
    open_db(f);
    MUST(vss_schema_parse(fields, sizeof fields - 1, &schema, &err));
    MUST(vss_collection_create(f->db, "c", schema, &f->col, &err));
    vss_schema_free(schema);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    free(f);
    return 0;
}

static vss_column texts_of(const char *const *texts, size_t n, int64_t *offsets, char *room)
{
    vss_column c = VSS_INIT(vss_column);
    offsets[0] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(texts[i]);
        memcpy(room + offsets[i], texts[i], size);
        offsets[i + 1] = offsets[i] + (int64_t)size;
    }
    c.type = VSS_TYPE_STRING, c.length = n, c.offsets = offsets, c.data = room;
    return c;
}

/* Rows with texts (NULL: null), every component of row i equal to values[i]. */
static void write_rows(fixture *f, const char *const *names, const char *const *texts, const float *values, size_t n)
{
    static float vectors[ROWS * DIM];
    static char rooms[2][4096];
    static const uint8_t nothing[8];
    int64_t offsets[2][ROWS + 1];
    const char *none[ROWS], *columns_of[] = {"name", "text", "v"};
    vss_error err;
    for (size_t i = 0; i < n; i++) {
        none[i] = "";
        for (size_t d = 0; d < DIM; d++)
            vectors[i * DIM + d] = values[i];
    }
    vss_column name = texts_of(names, n, offsets[0], rooms[0]);
    vss_column text = texts_of(texts == NULL ? none : texts, n, offsets[1], rooms[1]);
    text.validity = texts == NULL ? nothing : NULL;
    vss_column v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.dim = DIM, v.length = n, v.data = vectors;
    const vss_column *columns[] = {&name, &text, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = columns_of, batch.columns = columns;
    MUST(vss_collection_upsert(f->col, &batch, NULL, &err));
}

static void write_secrets(fixture *f)
{
    float values[MARKS];
    memcpy(values, marks, sizeof values);
    write_rows(f, keys_gone, secrets, values, MARKS);
}

static void write_others(fixture *f)
{
    char names[ROWS][16];
    const char *pointers[ROWS];
    float values[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        (void)snprintf(names[i], sizeof names[i], "plain-%zu", i);
        pointers[i] = names[i];
        values[i] = (float)i;
    }
    write_rows(f, pointers, NULL, values, ROWS);
}

static void remove_secrets(fixture *f)
{
    int64_t offsets[MARKS + 1];
    char room[256];
    vss_error err;
    vss_column keys = texts_of(keys_gone, MARKS, offsets, room);
    vss_write_info info = VSS_INIT(vss_write_info);
    MUST(vss_collection_delete(f->col, &keys, &info, &err));
    assert_int_equal(info.rows, MARKS);
}

typedef struct search {
    const vss_storage *storage;
    size_t objects;
    size_t names, texts, vectors; /* secrets seen */
} search;

static bool holds(const uint8_t *bytes, size_t size, const void *what, size_t length)
{
    for (size_t i = 0; i + length <= size; i++)
        if (memcmp(bytes + i, what, length) == 0)
            return true;
    return false;
}

static int search_object(void *arg, const char *name)
{
    search *s = arg;
    uint64_t size;
    vss_error err;
    MUST(s->storage->size(s->storage->state, name, &size, &err));
    uint8_t *bytes = malloc((size_t)size + 1);
    MUST(s->storage->read(s->storage->state, name, 0, bytes, (size_t)size, &err));
    for (size_t i = 0; i < MARKS; i++) {
        s->names += holds(bytes, (size_t)size, keys_gone[i], strlen(keys_gone[i]));
        s->texts += holds(bytes, (size_t)size, secrets[i], strlen(secrets[i]));
        s->vectors += holds(bytes, (size_t)size, &marks[i], sizeof marks[i]);
    }
    s->objects++;
    free(bytes);
    return 0;
}

static search search_all(const fixture *f)
{
    search s = {.storage = &f->storage};
    vss_error err;
    MUST(f->storage.list(f->storage.state, "", 0, search_object, &s, &err));
    assert_true(s.objects > 0);
    return s;
}

static void expect_found(const fixture *f)
{
    search s = search_all(f);
    assert_true(s.names >= MARKS && s.texts >= MARKS && s.vectors >= MARKS);
}

static void expect_purged(fixture *f)
{
    uint64_t rows;
    vss_error err;
    MUST(vss_collection_purge(f->col, &err));
    search s = search_all(f);
    assert_int_equal(s.names + s.texts + s.vectors, 0);
    MUST(vss_collection_count(f->col, NULL, &rows, &err));
    assert_int_equal(rows, ROWS);
    MUST(vss_collection_check(f->db, "c", NULL, NULL, NULL, NULL, NULL, &err));
}

static void purge__sealed_rows(void **state)
{
    fixture *f = *state;
    vss_error err;
    write_secrets(f);
    MUST(vss_collection_flush(f->col, &err));
    write_others(f);
    MUST(vss_collection_flush(f->col, &err));
    remove_secrets(f);
    expect_found(f);
    expect_purged(f);
}

/* One deleted row of many: compaction leaves it, a purge does not. */
static void purge__few_rows_of_a_segment(void **state)
{
    fixture *f = *state;
    vss_error err;
    write_others(f);
    write_secrets(f);
    MUST(vss_collection_flush(f->col, &err));
    remove_secrets(f);
    MUST(vss_collection_compact(f->col, &err));
    expect_found(f);
    expect_purged(f);
}

static void purge__growing_rows_and_their_log(void **state)
{
    fixture *f = *state;
    write_others(f);
    write_secrets(f);
    remove_secrets(f);
    expect_found(f); /* in the log */
    expect_purged(f);
}

/* Rows that were replaced, in a handle that recovered them. */
static void purge__replaced_and_recovered(void **state)
{
    fixture *f = *state;
    const float values[MARKS] = {1, 2, 3};
    vss_error err;
    write_others(f);
    write_secrets(f);
    MUST(vss_collection_flush(f->col, &err));
    write_secrets(f);
    write_rows(f, keys_gone, NULL, values, MARKS); /* the keys stay, their texts and vectors are gone */
    search s = search_all(f);
    assert_true(s.texts >= 2 * MARKS);
    MUST(vss_collection_purge(f->col, &err));
    s = search_all(f);
    assert_int_equal(s.texts + s.vectors, 0);
    assert_int_equal(s.names, MARKS);
    remove_secrets(f);
    expect_purged(f);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(purge__sealed_rows),
        CASE(purge__few_rows_of_a_segment),
        CASE(purge__growing_rows_and_their_log),
        CASE(purge__replaced_and_recovered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
