/*
 * test_batches.c - rows that must not come in, and keys that must not be asked for, each with its line and nothing
 * written
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/refusal.h"

#define BATCH_FIELDS 15 /* of the collection of numbers */
#define BATCH_LONG 65536 /* bytes: one more than a text may have */

/* Two sound rows of the collection of numbers, keys 100 and 101, to be made unsound. */
typedef struct batch_rows {
    const char *names[BATCH_FIELDS + 1];
    const vss_column *pointers[BATCH_FIELDS + 1];
    vss_column columns[BATCH_FIELDS];
    vss_column tag_values, num_values;
    vss_batch batch;
} batch_rows;

enum { ID, FLAG, I8, I16, I32, I64, F32, F64, NAME, DOC, AT, TAGS, NUMS, V, W };

static const int64_t batch_ids[2] = {100, 101};
static const int64_t batch_offsets[3] = {0, 2, 4};
static const float batch_vectors[6] = {1, 2, 3, 4, 5, 6};
static const uint8_t batch_values[32] = {1};
static const char batch_texts[] = "[][]";

static void batch_column(batch_rows *b, size_t i, const char *name, vss_type type, const void *data)
{
    b->names[i] = name;
    b->pointers[i] = &b->columns[i];
    b->columns[i] = (vss_column){.struct_size = sizeof b->columns[i], .type = type, .length = 2, .data = data};
    if (type == VSS_TYPE_STRING || type == VSS_TYPE_JSON || type == VSS_TYPE_ARRAY)
        b->columns[i].offsets = batch_offsets;
}

static void batch_make(batch_rows *b)
{
    static const int32_t numbers[4] = {1, 2, 3, 4};
    static const int64_t letters[5] = {0, 1, 2, 3, 4};
    *b = (batch_rows){.batch = VSS_INIT(vss_batch)};
    b->tag_values = (vss_column){.struct_size = sizeof b->tag_values, .type = VSS_TYPE_STRING, .length = 4,
                                 .offsets = letters, .data = "abcd"};
    b->num_values = (vss_column){.struct_size = sizeof b->num_values, .type = VSS_TYPE_INT32, .length = 4,
                                 .data = numbers};
    batch_column(b, ID, "id", VSS_TYPE_INT64, batch_ids);
    batch_column(b, FLAG, "flag", VSS_TYPE_BOOL, batch_values);
    batch_column(b, I8, "i8", VSS_TYPE_INT8, batch_values);
    batch_column(b, I16, "i16", VSS_TYPE_INT16, batch_values);
    batch_column(b, I32, "i32", VSS_TYPE_INT32, batch_values);
    batch_column(b, I64, "i64", VSS_TYPE_INT64, batch_ids);
    batch_column(b, F32, "f32", VSS_TYPE_FLOAT32, batch_vectors);
    batch_column(b, F64, "f64", VSS_TYPE_FLOAT64, batch_values);
    batch_column(b, NAME, "name", VSS_TYPE_STRING, batch_texts);
    batch_column(b, DOC, "doc", VSS_TYPE_JSON, batch_texts);
    batch_column(b, AT, "at", VSS_TYPE_TIMESTAMP, batch_ids);
    batch_column(b, TAGS, "tags", VSS_TYPE_ARRAY, &b->tag_values);
    batch_column(b, NUMS, "nums", VSS_TYPE_ARRAY, &b->num_values);
    batch_column(b, V, "v", VSS_TYPE_VECTOR_F32, batch_vectors);
    batch_column(b, W, "w", VSS_TYPE_VECTOR_F32, batch_vectors);
    b->columns[V].dim = 3;
    b->columns[W].dim = 2;
    b->batch.n_columns = BATCH_FIELDS;
    b->batch.names = b->names;
    b->batch.columns = b->pointers;
}

/* The batch must be refused; afterwards it is sound again. info stays as it was. */
static void batch_refused(refusal_stage *stage, batch_rows *b, vss_status wanted, const char *says)
{
    vss_write_info info = {sizeof info, 11, 12, 13};
    REFUSE(stage, wanted, says, vss_collection_insert(stage->col, &b->batch, &info, e));
    assert_true(info.sequence == 11 && info.rows == 12 && info.first_key == 13);
    batch_make(b);
}

static void test_batch_shape(void **state)
{
    refusal_stage s;
    batch_rows b;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    REFUSE(&s, VSS_ERR_INVALID, "batch", vss_collection_insert(s.col, NULL, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_insert(NULL, &b.batch, NULL, e));
    static const uint32_t sizes[] = {0, 1, 3, 5000, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        b.batch.struct_size = sizes[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "struct_size");
        b.columns[V].struct_size = sizes[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "v: struct_size");
        b.tag_values.struct_size = sizes[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "struct_size");
    }
    b.batch.n_columns = 0;
    batch_refused(&s, &b, VSS_ERR_INVALID, "no columns");
    b.batch.n_columns = SIZE_MAX;
    batch_refused(&s, &b, VSS_ERR_INVALID, "columns");
    b.batch.names = NULL;
    batch_refused(&s, &b, VSS_ERR_INVALID, "names");
    b.batch.columns = NULL;
    batch_refused(&s, &b, VSS_ERR_INVALID, "columns");
    b.names[3] = NULL;
    batch_refused(&s, &b, VSS_ERR_INVALID, "column 3");
    b.pointers[I8] = NULL;
    batch_refused(&s, &b, VSS_ERR_INVALID, "i8");
    b.names[I8] = "nothing";
    batch_refused(&s, &b, VSS_ERR_INVALID, "nothing");
    b.names[I8] = "";
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"\"");
    b.names[I8] = "line\nbreak";
    batch_refused(&s, &b, VSS_ERR_INVALID, "line");
    b.names[I8] = "i16";
    batch_refused(&s, &b, VSS_ERR_INVALID, "i16");
    b.names[BATCH_FIELDS] = "f32";
    b.pointers[BATCH_FIELDS] = &b.columns[F32];
    b.batch.n_columns = BATCH_FIELDS + 1;
    batch_refused(&s, &b, VSS_ERR_INVALID, "twice");
    b.columns[F32].length = 1;
    batch_refused(&s, &b, VSS_ERR_INVALID, "f32");
    for (size_t i = 0; i < BATCH_FIELDS; i++)
        b.columns[i].length = VSS_MAX_BATCH_ROWS + 1;
    batch_refused(&s, &b, VSS_ERR_INVALID, "1048577");
    b.columns[V].length = UINT64_MAX;
    batch_refused(&s, &b, VSS_ERR_INVALID, "18446744073709551615");
    b.batch.n_columns = V; /* neither v nor w */
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"v\"");
    refusal_end(&s);
}

static void test_batch_types(void **state)
{
    static const vss_type wrong[BATCH_FIELDS] = {
        VSS_TYPE_STRING,  VSS_TYPE_INT8,    VSS_TYPE_INT16, VSS_TYPE_INT32,      VSS_TYPE_INT64,
        VSS_TYPE_FLOAT64, VSS_TYPE_FLOAT64, VSS_TYPE_INT64, VSS_TYPE_JSON,       VSS_TYPE_STRING,
        VSS_TYPE_INT64,   VSS_TYPE_STRING,  VSS_TYPE_INT32, VSS_TYPE_VECTOR_F16, VSS_TYPE_FLOAT32};
    static const int absurd[] = {0, 12, 31, 38, 99, -1, 1 << 30};
    refusal_stage s;
    batch_rows b;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    for (size_t i = 0; i < BATCH_FIELDS; i++) {
        b.columns[i].type = wrong[i];
        b.columns[i].offsets = wrong[i] == VSS_TYPE_STRING || wrong[i] == VSS_TYPE_JSON ? batch_offsets : NULL;
        batch_refused(&s, &b, VSS_ERR_INVALID, b.names[i]);
    }
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        b.columns[I32].type = (vss_type)absurd[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "i32");
    }
    b.tag_values.type = VSS_TYPE_JSON;
    batch_refused(&s, &b, VSS_ERR_INVALID, "tags");
    b.num_values.type = VSS_TYPE_INT64;
    batch_refused(&s, &b, VSS_ERR_INVALID, "nums");
    b.num_values.type = VSS_TYPE_ARRAY;
    batch_refused(&s, &b, VSS_ERR_INVALID, "nums");
    refusal_end(&s);
}

static void test_batch_offsets(void **state)
{
    static const int64_t bad[][3] = {{-1, 2, 4}, {0, 3, 2}, {INT64_MIN, 0, 4}, {0, -1, 4}, {2, 1, 4},
                                     {0, INT64_MAX, 4}};
    static const int64_t far[3] = {0, 2, 5};
    static const size_t fields[] = {NAME, DOC, TAGS, NUMS};
    refusal_stage s;
    batch_rows b;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            b.columns[fields[f]].offsets = bad[i];
            batch_refused(&s, &b, VSS_ERR_INVALID, b.names[fields[f]]);
        }
        b.columns[fields[f]].offsets = NULL;
        batch_refused(&s, &b, VSS_ERR_INVALID, "offsets");
        b.columns[fields[f]].data = NULL;
        batch_refused(&s, &b, VSS_ERR_INVALID, b.names[fields[f]]);
    }
    b.columns[TAGS].offsets = far; /* there are 4 elements */
    batch_refused(&s, &b, VSS_ERR_INVALID, "tags");
    b.tag_values.length = 3;
    batch_refused(&s, &b, VSS_ERR_INVALID, "tags");
    b.tag_values.offsets = NULL;
    batch_refused(&s, &b, VSS_ERR_INVALID, "tags");
    static const int64_t falling[5] = {0, 3, 2, 3, 4};
    b.tag_values.offsets = falling;
    batch_refused(&s, &b, VSS_ERR_INVALID, "tags");
    for (size_t i = 0; i < BATCH_FIELDS; i++) {
        if (b.columns[i].offsets != NULL)
            continue;
        b.columns[i].data = NULL;
        batch_refused(&s, &b, VSS_ERR_INVALID, b.names[i]);
    }
    refusal_end(&s);
}

static void test_batch_nulls(void **state)
{
    static const uint8_t second_null[1] = {1};
    refusal_stage s;
    batch_rows b;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    for (size_t i = 0; i < BATCH_FIELDS; i++) {
        if (i == FLAG || i == I16 || i == F64 || i == NAME || i == NUMS)
            continue;
        b.columns[i].validity = second_null;
        batch_refused(&s, &b, VSS_ERR_INVALID, "row 1");
    }
    b.num_values.validity = second_null;
    batch_refused(&s, &b, VSS_ERR_INVALID, "nums");
    refusal_end(&s);
}

static void test_batch_numbers(void **state)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    refusal_stage s;
    batch_rows b;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        float values[6] = {1, odd[i], 1, 1, 1, 1};
        const double reals[2] = {1, (double)odd[i]};
        b.columns[F32].data = values;
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"f32\", row 1");
        b.columns[F64].data = reals;
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"f64\", row 1");
        b.columns[V].data = values;
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"v\", row 0: component 1");
        values[1] = 1;
        values[5] = odd[i];
        b.columns[V].data = values;
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"v\", row 1: component 2");
        values[5] = 1;
        values[2] = odd[i];
        b.columns[W].data = values;
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"w\", row 1: component 0");
    }
    static const float zero[6] = {1, 2, 0, -0.0f, 0, 0};
    b.columns[W].data = zero;
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"w\", row 1: a zero vector");
    static const float huge[6] = {1, 2, 3, 3e18f, 3e18f, 3e18f};
    b.columns[V].data = huge;
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"v\", row 1: squared norm");
    static const uint32_t dims[] = {0, 1, 2, 4, 32769, UINT32_MAX};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        b.columns[V].dim = dims[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"v\": dimension");
    }
    refusal_end(&s);
}

static void test_batch_texts(void **state)
{
    static const char *const not_utf8[] = {"ab\xff" "d", "ab\xc3" "(", "ab\xed\xa0", "ab\xc0\xaf", "\x80" "bcd"};
    static const char *const not_json[] = {"[][,", "[]{]", "[]nu", "[]01", "[]\"a", "[]  ", "[]NA"};
    refusal_stage s;
    batch_rows b;
    char *text = malloc(BATCH_LONG + 2);
    const int64_t offsets[3] = {0, 2, BATCH_LONG + 2};
    (void)state;
    assert_non_null(text);
    memset(text, '1', BATCH_LONG + 2);
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    for (size_t i = 0; i < sizeof not_utf8 / sizeof *not_utf8; i++) {
        b.columns[NAME].data = not_utf8[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"name\", row");
        b.tag_values.data = not_utf8[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "tags");
        b.columns[DOC].data = not_utf8[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"doc\", row");
    }
    for (size_t i = 0; i < sizeof not_json / sizeof *not_json; i++) {
        b.columns[DOC].data = not_json[i];
        batch_refused(&s, &b, VSS_ERR_INVALID, "\"doc\", row 1");
    }
    b.columns[NAME].offsets = b.columns[DOC].offsets = offsets;
    b.columns[NAME].data = b.columns[DOC].data = text;
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"name\", row 1: 65536 bytes");
    b.columns[DOC].offsets = offsets;
    b.columns[DOC].data = text;
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"doc\", row 1: 65536 bytes");
    memset(text, '[', BATCH_LONG); /* as deep as a text can be */
    const int64_t deep[3] = {0, 0, BATCH_LONG - 1};
    b.columns[DOC].offsets = deep;
    b.columns[DOC].data = text;
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"doc\", row");
    const int64_t many[3] = {0, 0, 4097};
    static const int32_t numbers[4097];
    b.columns[NUMS].offsets = many;
    b.num_values.length = 4097;
    b.num_values.data = numbers;
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"nums\", row 1: 4097 elements");
    free(text);
    refusal_end(&s);
}

static void test_batch_keys(void **state)
{
    static const int64_t twice[2] = {100, 100}, live[2] = {100, 7}, growing[2] = {22, 100};
    refusal_stage s;
    batch_rows b;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    b.columns[ID].data = twice;
    batch_refused(&s, &b, VSS_ERR_INVALID, "key 100");
    b.columns[ID].data = live;
    batch_refused(&s, &b, VSS_ERR_EXISTS, "key 7");
    b.columns[ID].data = growing;
    batch_refused(&s, &b, VSS_ERR_EXISTS, "key 22");
    b.pointers[ID] = &b.columns[FLAG];
    batch_refused(&s, &b, VSS_ERR_INVALID, "id");
    b.batch.names++; /* all but the key */
    b.batch.columns++;
    b.batch.n_columns--;
    batch_refused(&s, &b, VSS_ERR_INVALID, "\"id\"");
    ACCEPT(vss_collection_insert(s.col, &b.batch, NULL, e)); /* what was refused was sound but for that */
    refusal_keep(s.col, &s.state);
    assert_int_equal(s.state.rows, 27);
    batch_refused(&s, &b, VSS_ERR_EXISTS, "key 100");
    ACCEPT(vss_collection_upsert(s.col, &b.batch, NULL, e)); /* the same keys: as many rows as before */
    refusal_keep(s.col, &s.state);
    assert_int_equal(s.state.rows, 27);
    ACCEPT(vss_collection_compact(s.col, e));
    refusal_end(&s);
}

/* One text key and two vectors. */
static vss_status batch_insert_text_key(vss_collection *col, const char *key, size_t size, vss_error *e)
{
    const int64_t offsets[2] = {0, (int64_t)size};
    const vss_column keys = {.struct_size = sizeof keys, .type = VSS_TYPE_STRING, .length = 1, .offsets = offsets,
                             .data = key};
    const vss_column v = {.struct_size = sizeof v, .type = VSS_TYPE_VECTOR_F32, .dim = 2, .length = 1,
                          .data = batch_vectors};
    vss_column u = v;
    u.dim = 4;
    const char *const names[] = {"key", "v", "u"};
    const vss_column *const columns[] = {&keys, &v, &u};
    const vss_batch batch = {sizeof batch, 3, names, columns};
    return vss_collection_insert(col, &batch, NULL, e);
}

static void test_batch_text_keys(void **state)
{
    refusal_stage s;
    char *text = malloc(BATCH_LONG);
    (void)state;
    assert_non_null(text);
    memset(text, 'k', BATCH_LONG);
    refusal_begin(&s, SPECIMEN_TEXTS);
    REFUSE(&s, VSS_ERR_INVALID, "\"key\", row 0: an empty key", batch_insert_text_key(s.col, "", 0, e));
    REFUSE(&s, VSS_ERR_INVALID, "65536", batch_insert_text_key(s.col, text, BATCH_LONG, e));
    REFUSE(&s, VSS_ERR_INVALID, "UTF-8", batch_insert_text_key(s.col, "a\xff", 2, e));
    REFUSE(&s, VSS_ERR_EXISTS, "\"k0007\"", batch_insert_text_key(s.col, "k0007", 5, e));
    REFUSE(&s, VSS_ERR_EXISTS, "\"k0022\"", batch_insert_text_key(s.col, "k0022", 5, e));
    ACCEPT(batch_insert_text_key(s.col, text, BATCH_LONG - 1, e));
    ACCEPT(batch_insert_text_key(s.col, "line\nbreak", 10, e));
    refusal_keep(s.col, &s.state);
    REFUSE(&s, VSS_ERR_EXISTS, "kkk", batch_insert_text_key(s.col, text, BATCH_LONG - 1, e));
    REFUSE(&s, VSS_ERR_EXISTS, "line", batch_insert_text_key(s.col, "line\nbreak", 10, e));
    free(text);
    refusal_end(&s);
}

static void test_batch_auto_keys(void **state)
{
    static const char schema[] = "{\"fields\": ["
                                 "{\"name\": \"id\", \"type\": \"int64\", \"primary\": true, \"auto_id\": true},"
                                 "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 3}]}";
    refusal_stage s;
    batch_rows b;
    vss_write_info info = VSS_INIT(vss_write_info);
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    vss_collection *col = specimen_create(s.db, "auto", schema);
    const char *const names[] = {"v", "id"};
    const vss_column *const columns[] = {&b.columns[V], &b.columns[ID]};
    vss_batch batch = {sizeof batch, 2, names, columns};
    REFUSE(&s, VSS_ERR_INVALID, "auto_id", vss_collection_insert(col, &batch, &info, e));
    batch.n_columns = 1;
    ACCEPT(vss_collection_insert(col, &batch, &info, e));
    assert_int_equal(info.first_key, 0); /* what was refused has taken no number */
    assert_int_equal(info.rows, 2);
    ACCEPT(vss_collection_insert(col, &batch, &info, e));
    assert_int_equal(info.first_key, 2);
    refusal_end(&s);
}

/* The column of elements of a caller who knows fewer fields: what it hasn't must not be looked at. */
static void test_batch_short_elements(void **state)
{
    static const int64_t none[3] = {0, 0, 0};
    refusal_stage s;
    batch_rows b;
    vss_column *elements = malloc(offsetof(vss_column, validity));
    const vss_column empty = {.struct_size = offsetof(vss_column, validity), .type = VSS_TYPE_INT32};
    (void)state;
    assert_non_null(elements);
    memcpy(elements, &empty, offsetof(vss_column, validity));
    refusal_begin(&s, SPECIMEN_NUMBERS);
    batch_make(&b);
    b.columns[NUMS].offsets = none;
    b.columns[NUMS].data = elements;
    ACCEPT(vss_collection_insert(s.col, &b.batch, NULL, e));
    free(elements);
    refusal_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_shape),     cmocka_unit_test(test_batch_types),
        cmocka_unit_test(test_batch_offsets),   cmocka_unit_test(test_batch_nulls),
        cmocka_unit_test(test_batch_numbers),   cmocka_unit_test(test_batch_texts),
        cmocka_unit_test(test_batch_keys),      cmocka_unit_test(test_batch_text_keys),
        cmocka_unit_test(test_batch_auto_keys), cmocka_unit_test(test_batch_short_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
