/*
 * test_arguments.c - databases, collections, schemas and index types asked for in ways that can't be: status, line,
 * nothing returned, nothing changed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/refusal.h"

static vss_status argument_open_db(const char *path, const vss_db_options *options, vss_error *e)
{
    vss_db *db = (vss_db *)(uintptr_t)64;
    const vss_status status = vss_db_open(path, options, &db, e);
    if (status != VSS_OK)
        assert_null(db);
    else
        assert_int_equal(vss_db_close(db, NULL), VSS_OK);
    return status;
}

static vss_status argument_open(vss_db *db, const char *name, vss_error *e)
{
    vss_collection *col = (vss_collection *)(uintptr_t)64;
    const vss_status status = vss_collection_open(db, name, &col, e);
    assert_true((status == VSS_OK) == (col != NULL));
    (void)vss_collection_close(col, NULL);
    return status;
}

static vss_status argument_create(vss_db *db, const char *name, const vss_schema *schema, vss_error *e)
{
    vss_collection *col = (vss_collection *)(uintptr_t)64;
    const vss_status status = vss_collection_create(db, name, schema, &col, e);
    assert_true((status == VSS_OK) == (col != NULL));
    (void)vss_collection_close(col, NULL);
    return status;
}

static vss_status argument_check(vss_db *db, const char *name, vss_error *e)
{
    vss_check_report report = VSS_INIT(vss_check_report);
    const vss_status status = vss_collection_check(db, name, NULL, NULL, NULL, NULL, &report, e);
    assert_int_equal(report.errors, 0);
    return status;
}

static const vss_field argument_key = {.struct_size = sizeof(vss_field), .name = "id", .type = VSS_TYPE_INT64,
                                       .flags = VSS_FIELD_PRIMARY};
static const vss_field argument_vector = {.struct_size = sizeof(vss_field), .name = "v",
                                          .type = VSS_TYPE_VECTOR_F32, .dim = 3};
static const vss_field argument_number = {.struct_size = sizeof(vss_field), .name = "n", .type = VSS_TYPE_INT32};

static size_t argument_collections(vss_db *db)
{
    char **names;
    size_t count;
    ACCEPT(vss_db_list(db, &names, &count, e));
    vss_names_free(names);
    return count;
}

/* ---- databases ---- */

static void test_db_open(void **state)
{
    (void)state;
    vss_db_options o = VSS_INIT(vss_db_options);
    static const uint32_t sizes[] = {0, 1, 3, 4097, UINT32_MAX};
    ACCEPT(argument_open_db("mem:", &o, e));
    REFUSE(NULL, VSS_ERR_INVALID, "db", vss_db_open("mem:", NULL, NULL, e));
    REFUSE(NULL, VSS_ERR_INVALID, "path", argument_open_db(NULL, NULL, e));
    REFUSE(NULL, VSS_ERR_INVALID, "path", argument_open_db("", NULL, e));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        o.struct_size = sizes[i];
        REFUSE(NULL, VSS_ERR_INVALID, "vss_db_options: struct_size", argument_open_db("mem:", &o, e));
    }
    o = VSS_INIT(vss_db_options);
    o.mode = (vss_open_mode)3;
    REFUSE(NULL, VSS_ERR_INVALID, "mode 3", argument_open_db("mem:", &o, e));
    o.mode = (vss_open_mode)-1;
    REFUSE(NULL, VSS_ERR_INVALID, "mode", argument_open_db("mem:", &o, e));
    o.mode = VSS_OPEN_EXISTING;
    REFUSE(NULL, VSS_ERR_NOT_FOUND, "/nonexistent", argument_open_db("/nonexistent/dir", &o, e));
    o.mode = VSS_OPEN_READ_ONLY;
    REFUSE(NULL, VSS_ERR_NOT_FOUND, "/nonexistent", argument_open_db("/nonexistent/dir", &o, e));
    assert_int_equal(vss_db_close(NULL, NULL), VSS_OK);
}

static void *argument_no_memory(void *state, size_t size, size_t align)
{
    (void)state;
    (void)size;
    (void)align;
    return NULL;
}

static void argument_no_release(void *state, void *block, size_t size, size_t align)
{
    (void)state;
    (void)block;
    (void)size;
    (void)align;
}

static void test_db_hooks(void **state)
{
    vss_db_options o = VSS_INIT(vss_db_options);
    vss_allocator allocator = VSS_INIT(vss_allocator);
    vss_executor executor = VSS_INIT(vss_executor);
    (void)state;
    o.allocator = &allocator;
    REFUSE(NULL, VSS_ERR_INVALID, "vss_allocator", argument_open_db("mem:", &o, e));
    allocator.alloc = argument_no_memory;
    REFUSE(NULL, VSS_ERR_INVALID, "vss_allocator", argument_open_db("mem:", &o, e));
    allocator.release = argument_no_release;
    REFUSE(NULL, VSS_ERR_NO_MEMORY, "memory", argument_open_db("mem:", &o, e));
    allocator.struct_size = 3;
    REFUSE(NULL, VSS_ERR_INVALID, "vss_allocator: struct_size", argument_open_db("mem:", &o, e));
    o.allocator = NULL;
    o.executor = &executor;
    REFUSE(NULL, VSS_ERR_INVALID, "vss_executor", argument_open_db("mem:", &o, e));
    executor.struct_size = 0;
    REFUSE(NULL, VSS_ERR_INVALID, "vss_executor: struct_size", argument_open_db("mem:", &o, e));
    o.executor = NULL;
    o.memory_budget = 64;
    REFUSE(NULL, VSS_ERR_BUDGET, "64", argument_open_db("mem:", &o, e));
}

static void argument_closed(void *state)
{
    ++**(int **)state;
}

/* A storage of the caller's: what it must have, and its close when the open fails. */
static void test_db_storage(void **state)
{
    archive a = {0};
    vss_storage good, bad;
    vss_db_options o = VSS_INIT(vss_db_options);
    int closed = 0;
    int *counter = &closed;
    (void)state;
    archive_storage(&a, true, &good);
    o.storage = &bad;
    bad = good;
    bad.read = NULL;
    REFUSE(NULL, VSS_ERR_INVALID, "vss_storage", argument_open_db("x", &o, e));
    bad = good;
    bad.remove = NULL;
    REFUSE(NULL, VSS_ERR_INVALID, "vss_storage", argument_open_db("x", &o, e));
    bad = good;
    bad.unmap = NULL;
    REFUSE(NULL, VSS_ERR_INVALID, "unmap", argument_open_db("x", &o, e));
    bad = good;
    bad.struct_size = 3;
    REFUSE(NULL, VSS_ERR_INVALID, "vss_storage: struct_size", argument_open_db("x", &o, e));
    bad = good;
    bad.state = &counter;
    bad.close = argument_closed;
    o.mode = (vss_open_mode)9;
    REFUSE(NULL, VSS_ERR_INVALID, "mode", argument_open_db("x", &o, e));
    assert_int_equal(closed, 2);
    o.mode = VSS_OPEN_CREATE;
    o.memory_budget = 1;
    REFUSE(NULL, VSS_ERR_BUDGET, "budget", argument_open_db("x", &o, e));
    assert_int_equal(closed, 4);
    o.memory_budget = 0;
    ACCEPT(argument_open_db("x", &o, e));
    assert_int_equal(closed, 5);
    archive_free(&a);
}

static void test_db_calls(void **state)
{
    refusal_stage s;
    char **names = (char **)(uintptr_t)64;
    size_t count = 7;
    uint64_t used = 5, peak = 6;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    REFUSE(&s, VSS_ERR_INVALID, "names", vss_db_list(s.db, NULL, &count, e));
    REFUSE(&s, VSS_ERR_INVALID, "count", vss_db_list(s.db, &names, NULL, e));
    assert_null(names);
    REFUSE(&s, VSS_ERR_INVALID, "db", vss_db_list(NULL, &names, &count, e));
    REFUSE(&s, VSS_ERR_INVALID, "db", vss_db_memory(NULL, &used, &peak, e));
    assert_true(used == 5 && peak == 6 && count == 7);
    ACCEPT(vss_db_memory(s.db, NULL, NULL, e));
    vss_names_free(NULL);
    assert_null(vss_collection_name(NULL));
    assert_null(vss_collection_schema(NULL));
    assert_null(vss_collection_schema_json(NULL));
    assert_int_equal(vss_collection_close(NULL, NULL), VSS_OK);
    REFUSE(&s, VSS_ERR_INVALID, "stats", vss_collection_stats_get(s.col, NULL, e));
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_stats_get(NULL, &stats, e));
    stats.rows = 99;
    stats.struct_size = 4; /* a caller who knows no field gets none */
    ACCEPT(vss_collection_stats_get(s.col, &stats, e));
    assert_int_equal(stats.rows, 99);
    refusal_end(&s);
}

/* ---- names ---- */

static void test_collection_names(void **state)
{
    static const char long_name[] = "a123456789012345678901234567890123456789012345678901234567890123";
    static const char *const bad[] = {NULL, "",   "../x", ".",    "..",  "/",   "a/b",  "a/",       "-a",    "_a",  "A",
                                      "aB", " a", "a ",   "a.b",  "a\n", "a\\b", "a:b", "\xc3\xa9", "a\x01", "t\t",
                                      long_name};
    const vss_field *fields[] = {&argument_key, &argument_vector};
    const vss_schema schema = {sizeof schema, 2, fields};
    refusal_stage s;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        REFUSE(&s, VSS_ERR_INVALID, "collection name", argument_create(s.db, bad[i], &schema, e));
        REFUSE(&s, VSS_ERR_INVALID, "collection name", argument_open(s.db, bad[i], e));
        REFUSE(&s, VSS_ERR_INVALID, "collection name", vss_collection_drop(s.db, bad[i], e));
        REFUSE(&s, VSS_ERR_INVALID, "collection name", argument_check(s.db, bad[i], e));
    }
    ACCEPT(argument_create(s.db, long_name + 1, &schema, e)); /* 63 bytes */
    REFUSE(&s, VSS_ERR_NOT_FOUND, "absent", argument_open(s.db, "absent", e));
    REFUSE(&s, VSS_ERR_NOT_FOUND, "absent", vss_collection_drop(s.db, "absent", e));
    REFUSE(&s, VSS_ERR_NOT_FOUND, "absent", argument_check(s.db, "absent", e));
    REFUSE(&s, VSS_ERR_EXISTS, "numbers", argument_create(s.db, "numbers", &schema, e));
    REFUSE(&s, VSS_ERR_BUSY, "numbers", vss_collection_drop(s.db, "numbers", e));
    REFUSE(&s, VSS_ERR_INVALID, "db", argument_open(NULL, "numbers", e));
    REFUSE(&s, VSS_ERR_INVALID, "db", argument_create(NULL, "x", &schema, e));
    REFUSE(&s, VSS_ERR_INVALID, "db", vss_collection_drop(NULL, "x", e));
    REFUSE(&s, VSS_ERR_INVALID, "db", argument_check(NULL, "numbers", e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_open(s.db, "numbers", NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_create(s.db, "x", &schema, NULL, e));
    assert_int_equal(argument_collections(s.db), 2);
    refusal_end(&s);
}

/* ---- schemas ---- */

static vss_status argument_field(vss_db *db, const vss_field *key, const vss_field *vector, const vss_field *other,
                                 vss_error *e)
{
    const vss_field *fields[] = {key, vector, other};
    const vss_schema schema = {sizeof schema, other != NULL ? 3 : 2, fields};
    return argument_create(db, "made", &schema, e);
}

/* Refuse a schema of key, vector and number of which one is changed. */
#define SCHEMA(stage, wanted, says, change)                                           \
    do {                                                                              \
        vss_field key = argument_key, vector = argument_vector, other = argument_number; \
        change;                                                                       \
        REFUSE(stage, wanted, says, argument_field((stage)->db, &key, &vector, &other, e)); \
        assert_int_equal(argument_collections((stage)->db), 1);                       \
    } while (0)

static void test_schema_names(void **state)
{
    static char long_name[257];
    static const char *const bad[] = {NULL, "", "1a", "a b", "a-b", "a.b", "\xc3\xa9", "a\n", " a", long_name};
    refusal_stage s;
    (void)state;
    memset(long_name, 'a', 256);
    refusal_begin(&s, SPECIMEN_NUMBERS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        SCHEMA(&s, VSS_ERR_INVALID, "field 2", other.name = bad[i]);
    SCHEMA(&s, VSS_ERR_INVALID, "\"v\"", other.name = "v");
    SCHEMA(&s, VSS_ERR_INVALID, "struct_size", other.struct_size = 3);
    SCHEMA(&s, VSS_ERR_INVALID, "struct_size", key.struct_size = 0);
    SCHEMA(&s, VSS_ERR_INVALID, "field 2", other.struct_size = 4);
    SCHEMA(&s, VSS_ERR_INVALID, "struct_size", vector.struct_size = UINT32_MAX);
    refusal_end(&s);
}

static void test_schema_keys_and_vectors(void **state)
{
    refusal_stage s;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    SCHEMA(&s, VSS_ERR_INVALID, "primary", key.flags = 0);
    SCHEMA(&s, VSS_ERR_INVALID, "primary", other.type = VSS_TYPE_INT64; other.flags = VSS_FIELD_PRIMARY);
    SCHEMA(&s, VSS_ERR_INVALID, "\"id\"", key.type = VSS_TYPE_INT32);
    SCHEMA(&s, VSS_ERR_INVALID, "\"id\"", key.type = VSS_TYPE_VECTOR_F32; key.dim = 3);
    SCHEMA(&s, VSS_ERR_INVALID, "\"id\"", key.flags |= VSS_FIELD_NULLABLE);
    SCHEMA(&s, VSS_ERR_INVALID, "auto_id", key.type = VSS_TYPE_STRING; key.flags |= VSS_FIELD_AUTO_ID);
    SCHEMA(&s, VSS_ERR_INVALID, "\"id\"", key.default_json = "1");
    SCHEMA(&s, VSS_ERR_INVALID, "auto_id", other.flags = VSS_FIELD_AUTO_ID);
    SCHEMA(&s, VSS_ERR_INVALID, "flags", other.flags = 8);
    SCHEMA(&s, VSS_ERR_INVALID, "flags", other.flags = UINT32_MAX);
    SCHEMA(&s, VSS_ERR_INVALID, "dim is 0", vector.dim = 0);
    SCHEMA(&s, VSS_ERR_INVALID, "dim is 32769", vector.dim = VSS_MAX_DIM + 1);
    SCHEMA(&s, VSS_ERR_INVALID, "dim is 4294967295", vector.dim = UINT32_MAX);
    SCHEMA(&s, VSS_ERR_INVALID, "metric", vector.metric = VSS_METRIC_HAMMING);
    SCHEMA(&s, VSS_ERR_INVALID, "metric", vector.metric = (vss_metric)99);
    SCHEMA(&s, VSS_ERR_INVALID, "\"v\"", vector.flags = VSS_FIELD_NULLABLE);
    SCHEMA(&s, VSS_ERR_INVALID, "\"v\"", vector.default_json = "[1, 2, 3]");
    SCHEMA(&s, VSS_ERR_INVALID, "\"v\"", vector.element = VSS_TYPE_INT32);
    SCHEMA(&s, VSS_ERR_INVALID, "\"v\"", vector.type = VSS_TYPE_VECTOR_BINARY);
    SCHEMA(&s, VSS_ERR_INVALID, "vector", vector.type = VSS_TYPE_INT32; vector.dim = 0);
    SCHEMA(&s, VSS_ERR_INVALID, "dim", other.dim = 3);
    SCHEMA(&s, VSS_ERR_INVALID, "metric", other.metric = VSS_METRIC_L2);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = VSS_TYPE_NONE);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = (vss_type)12);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = (vss_type)-5);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.element = VSS_TYPE_INT32);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = VSS_TYPE_ARRAY);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = VSS_TYPE_ARRAY; other.element = VSS_TYPE_ARRAY);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = VSS_TYPE_ARRAY; other.element = VSS_TYPE_JSON);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = VSS_TYPE_ARRAY; other.element = VSS_TYPE_VECTOR_F32);
    refusal_end(&s);
}

static void test_schema_defaults(void **state)
{
    static const struct {
        vss_type type;
        const char *text;
    } bad[] = {{VSS_TYPE_INT32, ""},      {VSS_TYPE_INT32, "x"},          {VSS_TYPE_INT32, "null"},
               {VSS_TYPE_INT32, "1.5"},   {VSS_TYPE_INT32, "\"1\""},      {VSS_TYPE_INT32, "2147483648"},
               {VSS_TYPE_INT32, "1 2"},   {VSS_TYPE_INT8, "128"},         {VSS_TYPE_INT16, "-32769"},
               {VSS_TYPE_BOOL, "1"},      {VSS_TYPE_STRING, "1"},         {VSS_TYPE_STRING, "\"\xff\""},
               {VSS_TYPE_FLOAT32, "1e39"}, {VSS_TYPE_FLOAT64, "NaN"},     {VSS_TYPE_FLOAT64, "1e999"},
               {VSS_TYPE_JSON, "{"},      {VSS_TYPE_JSON, "{\"a\": 1, \"a\": 2}"}, {VSS_TYPE_TIMESTAMP, "\"soon\""},
               {VSS_TYPE_TIMESTAMP, "1.5"}, {VSS_TYPE_INT64, "99999999999999999999"}};
    refusal_stage s;
    char *deep = calloc(100001, 1);
    (void)state;
    assert_non_null(deep);
    memset(deep, '[', 100000);
    refusal_begin(&s, SPECIMEN_NUMBERS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = bad[i].type; other.default_json = bad[i].text);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = VSS_TYPE_JSON; other.default_json = deep);
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = VSS_TYPE_ARRAY; other.element = VSS_TYPE_INT32;
           other.default_json = "[1, \"a\"]");
    SCHEMA(&s, VSS_ERR_INVALID, "\"n\"", other.type = VSS_TYPE_ARRAY; other.element = VSS_TYPE_INT32;
           other.default_json = "1");
    free(deep);
    refusal_end(&s);
}

static void test_schema_shape(void **state)
{
    const vss_field *fields[VSS_MAX_FIELDS + 1], *holes[] = {&argument_key, NULL};
    vss_schema schema = VSS_INIT(vss_schema);
    refusal_stage s;
    (void)state;
    for (size_t i = 0; i <= VSS_MAX_FIELDS; i++)
        fields[i] = &argument_number;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    REFUSE(&s, VSS_ERR_INVALID, "schema", argument_create(s.db, "made", NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "fields", argument_create(s.db, "made", &schema, e));
    schema.fields = fields;
    REFUSE(&s, VSS_ERR_INVALID, "fields", argument_create(s.db, "made", &schema, e));
    schema.n_fields = VSS_MAX_FIELDS + 1;
    REFUSE(&s, VSS_ERR_INVALID, "257", argument_create(s.db, "made", &schema, e));
    schema.n_fields = SIZE_MAX;
    REFUSE(&s, VSS_ERR_INVALID, "fields", argument_create(s.db, "made", &schema, e));
    schema.fields = holes;
    schema.n_fields = 2;
    REFUSE(&s, VSS_ERR_INVALID, "field 1", argument_create(s.db, "made", &schema, e));
    schema.struct_size = 3;
    REFUSE(&s, VSS_ERR_INVALID, "vss_schema: struct_size", argument_create(s.db, "made", &schema, e));
    assert_int_equal(argument_collections(s.db), 1);
    refusal_end(&s);
}

static vss_status argument_parse(const char *json, size_t size, vss_error *e)
{
    vss_schema *schema = (vss_schema *)(uintptr_t)64;
    const vss_status status = vss_schema_parse(json, size, &schema, e);
    assert_true((status == VSS_OK) == (schema != NULL));
    vss_schema_free(schema);
    return status;
}

static void test_schema_parse(void **state)
{
#define FIELD(text) "{\"fields\": [{\"name\": \"f\", " text "}]}"
    static const struct {
        const char *json, *says;
    } bad[] = {
        {"", "line"},
        {"{", "line 1"},
        {"{\n\n\"fields\": [}\n", "line 3"},
        {"[]", "fields"},
        {"null", "line"},
        {"{}", "fields"},
        {"{\"fields\": {}}", "fields"},
        {"{\"fields\": []}", "0"},
        {"{\"fields\": [], \"more\": 1}", "fields"},
        {"{\"fields\": [], \"fields\": []}", "fields"},
        {"{\"fields\": [1]}", "field 0"},
        {"{\"fields\": [{}]}", "name"},
        {"{\"fields\": [{\"name\": 1}]}", "name"},
        {"{\"fields\": [{\"name\": \"f\"}]}", "type"},
        {FIELD("\"type\": 1"), "type"},
        {FIELD("\"type\": \"int\""), "int"},
        {FIELD("\"type\": \"int\\n\""), "int"},
        {FIELD("\"type\": \"array<array<int32>>\""), "array"},
        {FIELD("\"type\": \"array<>\""), "array"},
        {FIELD("\"type\": \"vector<f32\""), "vector"},
        {FIELD("\"type\": \"int32\", \"type\": \"int32\""), "type"},
        {FIELD("\"type\": \"int32\", \"more\": 1"), "more"},
        {FIELD("\"type\": \"int32\", \"primary\": 1"), "primary"},
        {FIELD("\"type\": \"int32\", \"nullable\": \"yes\""), "nullable"},
        {FIELD("\"type\": \"vector<f32>\", \"dim\": 0"), "dim"},
        {FIELD("\"type\": \"vector<f32>\", \"dim\": -1"), "dim"},
        {FIELD("\"type\": \"vector<f32>\", \"dim\": 32769"), "dim"},
        {FIELD("\"type\": \"vector<f32>\", \"dim\": 4294967297"), "dim"},
        {FIELD("\"type\": \"vector<f32>\", \"dim\": 2.5"), "dim"},
        {FIELD("\"type\": \"vector<f32>\", \"dim\": 2, \"metric\": \"far\""), "far"},
        {FIELD("\"type\": \"vector<f32>\", \"dim\": 2, \"metric\": 1"), "metric"},
        {"{\"fields\": [{\"name\": \"a\xff\", \"type\": \"int32\"}]}", "line"},
        {"{\"fields\": [{\"name\": \"a\\u0000b\", \"type\": \"int32\"}]}", "line"},
    };
#undef FIELD
    char *deep = malloc(1 << 20);
    (void)state;
    assert_non_null(deep);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSE(NULL, VSS_ERR_INVALID, bad[i].says, argument_parse(bad[i].json, strlen(bad[i].json), e));
    memset(deep, '[', 1 << 20);
    REFUSE(NULL, VSS_ERR_INVALID, "deep", argument_parse(deep, 1 << 20, e));
    free(deep);
    REFUSE(NULL, VSS_ERR_INVALID, "json", argument_parse(NULL, 0, e));
    REFUSE(NULL, VSS_ERR_INVALID, "bytes", argument_parse("{}", SIZE_MAX, e));
    REFUSE(NULL, VSS_ERR_INVALID, "schema", vss_schema_parse("{}", 2, NULL, e));
    vss_schema_free(NULL);
}

/* ---- index types and names of things ---- */

static void test_index_types(void **state)
{
    vss_param_info info = VSS_INIT(vss_param_info);
    (void)state;
    REFUSE(NULL, VSS_ERR_INVALID, "nothing", vss_index_param("nothing", 0, &info, e));
    REFUSE(NULL, VSS_ERR_INVALID, "line", vss_index_param("line\nbreak", 0, &info, e));
    REFUSE(NULL, VSS_ERR_INVALID, "type", vss_index_param(NULL, 0, &info, e));
    REFUSE(NULL, VSS_ERR_INVALID, "info", vss_index_param("hnsw", 0, NULL, e));
    REFUSE(NULL, VSS_ERR_NOT_FOUND, "hnsw", vss_index_param("hnsw", 1000, &info, e));
    REFUSE(NULL, VSS_ERR_NOT_FOUND, "hnsw", vss_index_param("hnsw", SIZE_MAX, &info, e));
    REFUSE(NULL, VSS_ERR_NOT_FOUND, "flat", vss_index_param("flat", 1000, &info, e));
    assert_null(info.name);
    assert_null(vss_index_type(1000));
    assert_null(vss_index_type(SIZE_MAX));
    for (int i = -40; i < 60; i++) {
        assert_non_null(vss_status_name((vss_status)i));
        assert_non_null(vss_type_name((vss_type)i));
        assert_non_null(vss_metric_name((vss_metric)i));
    }
    assert_string_equal(vss_status_name((vss_status)-22), "UNKNOWN");
    assert_string_equal(vss_status_name((vss_status)1), "UNKNOWN");
    assert_string_equal(vss_status_name((vss_status)INT32_MIN), "UNKNOWN");
    assert_string_equal(vss_type_name((vss_type)INT32_MAX), "none");
    assert_string_equal(vss_metric_name((vss_metric)INT32_MIN), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_db_open),          cmocka_unit_test(test_db_hooks),
        cmocka_unit_test(test_db_calls),         cmocka_unit_test(test_collection_names),
        cmocka_unit_test(test_schema_names),     cmocka_unit_test(test_schema_keys_and_vectors),
        cmocka_unit_test(test_schema_defaults),  cmocka_unit_test(test_schema_shape),
        cmocka_unit_test(test_schema_parse),     cmocka_unit_test(test_index_types),
        cmocka_unit_test(test_db_storage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
