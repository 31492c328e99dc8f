/*
 * test_schema.c - schema files, validation, defaults, and the stored form
 */
#include "format_fixture.h"

static vssi_heap heap;
static fixture_memory memory;

static int setup(void **state)
{
    (void)state;
    fixture_heap(&heap, &memory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(memory.held, 0);
    return 0;
}

#define KEY "{\"name\": \"id\", \"type\": \"int64\", \"primary\": true}"
#define VECTOR "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 4}"
#define FIELDS(more) "{\"fields\": [" KEY ", " VECTOR more "]}"

/* Parse and create. */
static vss_status make(const char *json, vssi_schema **out, vss_error *err)
{
    vss_schema *open;
    *out = NULL;
    vss_status status = vss_schema_parse(json, strlen(json), &open, err);
    if (status == VSS_OK)
        status = vssi_schema_create(&heap, open, out, err);
    vss_schema_free(open);
    return status;
}

static void refused(const char *json, vss_status expected, const char *part)
{
    vss_error err = {0};
    vssi_schema *schema;
    assert_int_equal(make(json, &schema, &err), expected);
    assert_null(schema);
    if (strstr(err.message, part) == NULL)
        fail_msg("\"%s\" doesn't say \"%s\"", err.message, part);
}

static void test_whole(void **state)
{
    (void)state;
    vss_error err;
    vssi_schema *schema = fixture_schema(&heap, 0), *again;
    assert_int_equal(schema->n_fields, 16);
    assert_int_equal(schema->key, 0);
    assert_int_equal(schema->fields[15].id, 16);
    assert_int_equal(schema->fields[15].type, VSS_TYPE_ARRAY);
    assert_int_equal(schema->fields[15].element, VSS_TYPE_BOOL);
    assert_string_equal(schema->open.fields[2]->name, "w");
    assert_int_equal(vssi_schema_find(schema, "f64!", 3), 9);
    assert_int_equal(vssi_schema_find(schema, "f6", 2), SIZE_MAX);
    assert_int_equal(make(schema->json, &again, &err), VSS_OK);
    assert_string_equal(schema->json, again->json);
    vssi_schema_free(again);
    size_t index;
    assert_int_equal(vssi_schema_vector_field(schema, "w", &index, &err), VSS_OK);
    assert_int_equal(index, 2);
    assert_int_equal(vssi_schema_vector_field(schema, NULL, &index, &err), VSS_ERR_INVALID);
    assert_int_equal(vssi_schema_vector_field(schema, "i8", &index, &err), VSS_ERR_INVALID);
    assert_int_equal(vssi_schema_vector_field(schema, "none", &index, &err), VSS_ERR_NOT_FOUND);
    vssi_schema_free(schema);
    assert_int_equal(make(FIELDS(""), &schema, &err), VSS_OK);
    assert_int_equal(schema->fields[1].metric, VSS_METRIC_COSINE);
    assert_int_equal(vssi_schema_vector_field(schema, NULL, &index, &err), VSS_OK);
    assert_int_equal(index, 1);
    vssi_schema_free(schema);
}

static void test_refused_files(void **state)
{
    (void)state;
    char deep[400];
    refused("{\n\"fields\": [\n}", VSS_ERR_INVALID, "line 3");
    refused("[]", VSS_ERR_INVALID, "\"fields\"");
    refused("{\"fields\": []}", VSS_ERR_INVALID, "1 to 256");
    refused("{\"fields\": [1]}", VSS_ERR_INVALID, "field 0");
    refused("{\"fields\": [{\"type\": \"bool\"}]}", VSS_ERR_INVALID, "name");
    refused("{\"fields\": [" KEY "], \"x\": 1}", VSS_ERR_INVALID, "another member");
    refused("{\"fields\": [" KEY "], \"fields\": []}", VSS_ERR_INVALID, "duplicate");
    refused(FIELDS(", {\"name\": \"x\"}"), VSS_ERR_INVALID, "\"x\" has no \"type\"");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"int\"}"), VSS_ERR_INVALID, "unknown type \"int\"");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"array<json>\"}"), VSS_ERR_INVALID, "\"x\"");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"array<vector<f32>>\"}"), VSS_ERR_INVALID, "\"x\"");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"array<>\"}"), VSS_ERR_INVALID, "\"x\"");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"bool\", \"colour\": 1}"), VSS_ERR_INVALID, "\"colour\"");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"bool\", \"nullable\": 1}"), VSS_ERR_INVALID, "nullable");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"bool\", \"dim\": 0}"), VSS_ERR_INVALID, "dim");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"bool\", \"metric\": \"far\"}"), VSS_ERR_INVALID, "far");
    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = 0;
    refused(deep, VSS_ERR_INVALID, "deep");
}

static void test_refused_fields(void **state)
{
    (void)state;
    refused("{\"fields\": [" VECTOR "]}", VSS_ERR_INVALID, "primary");
    refused("{\"fields\": [" KEY "]}", VSS_ERR_INVALID, "vector");
    refused(FIELDS(", " KEY), VSS_ERR_INVALID, "twice");
    refused(FIELDS(", {\"name\": \"k\", \"type\": \"string\", \"primary\": true}"), VSS_ERR_INVALID, "one primary");
    refused(FIELDS(", {\"name\": \"k\", \"type\": \"int32\", \"primary\": true}"), VSS_ERR_INVALID, "int64 or string");
    refused(FIELDS(", {\"name\": \"k\", \"type\": \"string\", \"primary\": true, \"auto_id\": true}"), VSS_ERR_INVALID,
            "auto_id");
    refused(FIELDS(", {\"name\": \"k\", \"type\": \"int64\", \"auto_id\": true}"), VSS_ERR_INVALID, "auto_id");
    refused(FIELDS(", {\"name\": \"k\", \"type\": \"int64\", \"primary\": true, \"nullable\": true}"), VSS_ERR_INVALID,
            "nullable");
    refused(FIELDS(", {\"name\": \"9\", \"type\": \"int64\"}"), VSS_ERR_INVALID, "\"9\"");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"int64\", \"dim\": 2}"), VSS_ERR_INVALID, "dim");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"vector<f32>\"}"), VSS_ERR_INVALID, "dim is 0");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"vector<f32>\", \"dim\": 2, \"metric\": \"hamming\"}"),
            VSS_ERR_INVALID, "l2, ip or cosine");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"vector<f32>\", \"dim\": 2, \"nullable\": true}"), VSS_ERR_INVALID,
            "nullable");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"vector<binary>\", \"dim\": 12}"), VSS_ERR_INVALID, "multiple of 8");
    refused(FIELDS(", {\"name\": \"x\", \"type\": \"vector<binary>\", \"dim\": 16, \"metric\": \"l2\"}"),
            VSS_ERR_INVALID, "hamming or jaccard");
}

static vssi_schema *with_default(const char *type, const char *value, vss_status expected)
{
    char json[600];
    vss_error err = {0};
    vssi_schema *schema;
    snprintf(json, sizeof json, FIELDS(", {\"name\": \"x\", \"type\": \"%s\", \"default\": %s}"), type, value);
    if (make(json, &schema, &err) != expected)
        fail_msg("%s %s: %s", type, value, err.message);
    return schema;
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct { const char *type, *value; int64_t expected; } good[] = {
        {"bool", "true", 1},          {"int8", "-128", -128},   {"int16", "32767", 32767},
        {"int32", "-2147483648", INT32_MIN}, {"int64", "9223372036854775807", INT64_MAX}, {"timestamp", "17", 17},
        {"timestamp", "\"1970-01-01T00:00:01Z\"", 1000000}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        vssi_schema *s = with_default(good[i].type, good[i].value, VSS_OK);
        assert_int_equal(vssi_column_int(&s->fields[2].fallback->view, 0), good[i].expected);
        vssi_schema_free(s);
    }
    static const char *const bad[][2] = {
        {"bool", "1"}, {"int8", "128"}, {"int16", "-32769"}, {"int32", "2147483648"}, {"int64", "1.5"},
        {"int64", "\"1\""}, {"float32", "1e39"}, {"float64", "\"x\""}, {"string", "3"}, {"string", "null"},
        {"timestamp", "\"soon\""}, {"array<int8>", "[1, 300]"}, {"array<int8>", "3"}, {"array<bool>", "[null]"},
        {"json", "null"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(with_default(bad[i][0], bad[i][1], VSS_ERR_INVALID));
    vssi_schema *s = with_default("array<string>", "[\"a\", \"\", \"bc\"]", VSS_OK);
    const vss_column *view = &s->fields[2].fallback->view, *elements = view->data;
    assert_int_equal(view->offsets[1], 3);
    assert_int_equal(elements->offsets[3], 3);
    assert_memory_equal(elements->data, "abc", 3);
    vssi_schema_free(s);
    s = with_default("json", "{\"a\": [1, 2]}", VSS_OK);
    assert_memory_equal(s->fields[2].fallback->view.data, "{\"a\":[1,2]}", 11);
    vssi_schema_free(s);
    s = with_default("float32", "2", VSS_OK);
    assert_true(vssi_column_float(&s->fields[2].fallback->view, 0) == 2);
    vssi_schema_free(s);
    refused("{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true, \"default\": 1}, " VECTOR "]}",
            VSS_ERR_INVALID, "default");
    refused("{\"fields\": [" KEY ", {\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 1, \"default\": [1]}]}",
            VSS_ERR_INVALID, "default");
}

static void test_stored(void **state)
{
    (void)state;
    vss_error err;
    vssi_schema *s = with_default("string", "\"caf\xc3\xa9\"", VSS_OK), *back;
    vssi_writer w = {.heap = &heap}, again = {.heap = &heap};
    vssi_schema_encode(s, &w);
    vssi_reader r = {.data = w.data, .size = w.size};
    assert_int_equal(vssi_schema_decode(&heap, &r, &back, &err), VSS_OK);
    assert_int_equal(r.at, w.size);
    vssi_schema_encode(back, &again);
    assert_int_equal(again.size, w.size);
    assert_memory_equal(again.data, w.data, w.size);
    assert_string_equal(back->json, s->json);
    vssi_schema_free(back);
    for (size_t cut = 0; cut < w.size; cut++) {
        r = (vssi_reader){.data = w.data, .size = cut};
        assert_int_equal(vssi_schema_decode(&heap, &r, &back, &err), VSS_ERR_CORRUPT);
        assert_null(back);
    }
    for (size_t at = 0; at < w.size; at++)
        for (int bit = 0; bit < 8; bit++) {
            w.data[at] = (uint8_t)(w.data[at] ^ (1 << bit));
            r = (vssi_reader){.data = w.data, .size = w.size};
            const vss_status status = vssi_schema_decode(&heap, &r, &back, &err);
            assert_true(status == VSS_OK || status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT);
            vssi_schema_free(back);
            w.data[at] = (uint8_t)(w.data[at] ^ (1 << bit));
        }
    vssi_free(&heap, w.data);
    vssi_free(&heap, again.data);
    vssi_schema_free(s);
}

static void test_failing_memory(void **state)
{
    (void)state;
    static const char json[] = FIELDS(", {\"name\": \"x\", \"type\": \"array<string>\", \"default\": [\"a\", \"b\"]}");
    vss_error err;
    vssi_schema *schema;
    for (size_t fail = 1;; fail++) {
        memory.calls = 0;
        memory.fail_at = fail;
        const vss_status status = make(json, &schema, &err);
        memory.fail_at = 0;
        vssi_schema_free(schema);
        assert_int_equal(memory.held, 0);
        if (status == VSS_OK)
            break;
        assert_int_equal(status, VSS_ERR_NO_MEMORY);
    }
    assert_true(memory.calls > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
