/*
 * test_requests.c - searches, gets, counts, deletes and index builds that can't be: status, line, nothing returned,
 * nothing changed
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/refusal.h"

static vss_result *request_mark(void)
{
    return (vss_result *)(uintptr_t)64; /* no result: must be overwritten by NULL */
}

static vss_status request_search(vss_collection *col, const vss_search_request *request, vss_error *e)
{
    vss_result *result = request_mark();
    const vss_status status = vss_collection_search(col, request, &result, e);
    if (status != VSS_OK)
        assert_null(result);
    else
        vss_result_free(result);
    return status;
}

static vss_status request_get(vss_collection *col, const vss_column *keys, const char *const *fields, size_t n,
                              vss_error *e)
{
    vss_result *result = request_mark();
    const vss_status status = vss_collection_get(col, keys, fields, n, &result, e);
    if (status != VSS_OK)
        assert_null(result);
    else
        vss_result_free(result);
    return status;
}

static vss_status request_count(vss_collection *col, const char *filter, vss_error *e)
{
    uint64_t count = 77;
    const vss_status status = vss_collection_count(col, filter, &count, e);
    assert_true(status == VSS_OK || count == 77);
    return status;
}

static vss_status request_delete_where(vss_collection *col, const char *filter, vss_error *e)
{
    vss_write_info info = {sizeof info, 1, 2, 3};
    const vss_status status = vss_collection_delete_where(col, filter, &info, e);
    assert_true(status == VSS_OK || (info.sequence == 1 && info.rows == 2 && info.first_key == 3));
    return status;
}

static const float request_vector[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static const int64_t request_numbers[2] = {1, 2};
static const int64_t request_offsets[3] = {0, 1, 2};

static vss_search_request request_sound(void)
{
    vss_search_request r = VSS_INIT(vss_search_request);
    r.field = "v";
    r.queries = request_vector;
    r.n_queries = 1;
    r.dim = 3;
    r.k = 5;
    return r;
}

/* A request with one part changed. */
#define WRONG(stage, wanted, says, change)                                            \
    do {                                                                              \
        vss_search_request r = request_sound();                                       \
        change;                                                                       \
        REFUSE(stage, wanted, says, request_search((stage)->col, &r, e));             \
    } while (0)

static void test_search_shape(void **state)
{
    refusal_stage s;
    vss_search_request good = request_sound();
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    ACCEPT(request_search(s.col, &good, e));
    REFUSE(&s, VSS_ERR_INVALID, "result", vss_collection_search(s.col, &good, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", request_search(NULL, &good, e));
    REFUSE(&s, VSS_ERR_INVALID, "request", request_search(s.col, NULL, e));
    WRONG(&s, VSS_ERR_INVALID, "struct_size", r.struct_size = 0);
    WRONG(&s, VSS_ERR_INVALID, "struct_size", r.struct_size = 3);
    WRONG(&s, VSS_ERR_INVALID, "struct_size", r.struct_size = 4097);
    WRONG(&s, VSS_ERR_INVALID, "struct_size", r.struct_size = UINT32_MAX);
    WRONG(&s, VSS_ERR_INVALID, "k is 0", r.struct_size = 4);
    WRONG(&s, VSS_ERR_INVALID, "k is 0", r.k = 0);
    WRONG(&s, VSS_ERR_INVALID, "k is 16385", r.k = VSS_MAX_K + 1);
    WRONG(&s, VSS_ERR_INVALID, "k is 4294967295", r.k = UINT32_MAX);
    WRONG(&s, VSS_ERR_INVALID, "16385", r.n_queries = VSS_MAX_QUERIES + 1);
    WRONG(&s, VSS_ERR_INVALID, "18446744073709551615", r.n_queries = SIZE_MAX);
    WRONG(&s, VSS_ERR_INVALID, "queries", r.queries = NULL);
    WRONG(&s, VSS_ERR_INVALID, "dimension 0", r.dim = 0);
    WRONG(&s, VSS_ERR_INVALID, "dimension 2", r.dim = 2);
    WRONG(&s, VSS_ERR_INVALID, "dimension 4294967295", r.dim = UINT32_MAX);
    WRONG(&s, VSS_ERR_INVALID, "several", r.field = NULL);
    WRONG(&s, VSS_ERR_NOT_FOUND, "nothing", r.field = "nothing");
    WRONG(&s, VSS_ERR_NOT_FOUND, "line", r.field = "line\nbreak");
    WRONG(&s, VSS_ERR_NOT_FOUND, "\"\"", r.field = "");
    WRONG(&s, VSS_ERR_INVALID, "i32", r.field = "i32");
    refusal_end(&s);
}

static void test_search_future(void **state)
{
    refusal_stage s;
    struct {
        vss_search_request request;
        uint8_t more[32];
    } later = {request_sound(), {0}};
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    later.request.struct_size = sizeof later;
    ACCEPT(request_search(s.col, &later.request, e));
    later.more[5] = 1;
    REFUSE(&s, VSS_ERR_UNSUPPORTED, "vss_search_request", request_search(s.col, &later.request, e));
    refusal_end(&s);
}

static void test_search_values(void **state)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    static const float zero[4] = {0}, huge[3] = {3e18f, 3e18f, 3e18f};
    refusal_stage s;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    for (size_t i = 0; i < 3; i++) {
        const float values[6] = {1, 2, 3, 4, 5, odd[i]};
        WRONG(&s, VSS_ERR_INVALID, "row 1: component 2", r.queries = values; r.n_queries = 2);
    }
    WRONG(&s, VSS_ERR_INVALID, "squared norm", r.queries = huge);
    WRONG(&s, VSS_ERR_INVALID, "zero vector", r.queries = zero; r.field = "w"; r.dim = 2);
    refusal_end(&s);
}

static void test_search_fields(void **state)
{
    static const char *const missing[] = {"i32", "nothing"}, *const twice[] = {"i32", "v", "i32"},
                             *const null[] = {"i32", NULL}, *const lines[] = {"a\nb"};
    static const char *many[VSS_MAX_FIELDS + 1];
    refusal_stage s;
    (void)state;
    for (size_t i = 0; i <= VSS_MAX_FIELDS; i++)
        many[i] = "i32";
    refusal_begin(&s, SPECIMEN_NUMBERS);
    WRONG(&s, VSS_ERR_NOT_FOUND, "nothing", r.fields = missing; r.n_fields = 2);
    WRONG(&s, VSS_ERR_NOT_FOUND, "a", r.fields = lines; r.n_fields = 1);
    WRONG(&s, VSS_ERR_INVALID, "twice", r.fields = twice; r.n_fields = 3);
    WRONG(&s, VSS_ERR_INVALID, "field 1", r.fields = null; r.n_fields = 2);
    WRONG(&s, VSS_ERR_INVALID, "257", r.fields = many; r.n_fields = VSS_MAX_FIELDS + 1);
    WRONG(&s, VSS_ERR_INVALID, "fields", r.fields = NULL; r.n_fields = 1);
    const vss_column one = {.struct_size = sizeof one, .type = VSS_TYPE_INT64, .length = 2, .data = request_numbers};
    REFUSE(&s, VSS_ERR_NOT_FOUND, "nothing", request_get(s.col, &one, missing, 2, e));
    REFUSE(&s, VSS_ERR_INVALID, "twice", request_get(s.col, &one, twice, 3, e));
    REFUSE(&s, VSS_ERR_INVALID, "field 1", request_get(s.col, &one, null, 2, e));
    REFUSE(&s, VSS_ERR_INVALID, "257", request_get(s.col, &one, many, VSS_MAX_FIELDS + 1, e));
    refusal_end(&s);
}

static void test_search_params(void **state)
{
    static const struct {
        const char *params, *says;
    } bad[] = {{"ef", "ef"},           {"=", "parameter"},    {",", "expected"},
               {"nothing=1", "nothing"}, {"exact=2", "exact"}, {"exact=", "exact"},
               {"exact=-1", "exact"},  {"exact=x", "exact"},  {"exact=1,exact=1", "twice"},
               {"exact=1,", "expected"}, {"m=32", "m"},       {"exact=99999999999999999999", "exact"},
               {"a\nb=1", "a"},        {"\xff=1", "parameter"}, {"exact=1;ef=3", "exact"}};
    refusal_stage s;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        WRONG(&s, VSS_ERR_INVALID, bad[i].says, r.params = bad[i].params);
    ACCEPT(vss_collection_build_index(s.col, "v", "hnsw", NULL, NULL, e));
    refusal_keep(s.col, &s.state);
    WRONG(&s, VSS_ERR_INVALID, "ef", r.params = "ef=0");
    WRONG(&s, VSS_ERR_INVALID, "ef", r.params = "ef=16385");
    WRONG(&s, VSS_ERR_INVALID, "m", r.params = "m=16");
    refusal_end(&s);
}

static const char *const request_filters[] = {
    "",
    " ",
    "i32",
    "i32 >",
    "> 3",
    "i32 > > 3",
    "nothing > 3",
    "i32 = 3",
    "i32 == \"a\"",
    "name == 3",
    "name > i32",
    "flag > 3",
    "v == 3",
    "i32 in",
    "i32 in [",
    "i32 in [1, \"a\"]",
    "i32 in 3",
    "name like 3",
    "i32 like \"a%\"",
    "(i32 > 3",
    "i32 > 3)",
    "i32 > 3 and",
    "i32 > 3 i64 < 2",
    "not",
    "i32 > 3 or or i64 < 2",
    "name == \"a",
    "name == \"\\x\"",
    "name == \"\xff\"",
    "i32 > 99999999999999999999999999999999999999999x",
    "at > \"yesterday\"",
    "array_contains(i32, 3)",
    "array_contains(tags, 3)",
    "array_contains(tags)",
    "array_contains(",
    "i32 > 3; drop",
    "i32 > 3\n\n\n@",
    "\xff\xfe",
    "i32 > 1e999 and name == 1",
    "doc == 3 3",
};

static void test_filters(void **state)
{
    refusal_stage s;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    for (size_t i = 0; i < sizeof request_filters / sizeof *request_filters; i++) {
        const char *filter = request_filters[i];
        WRONG(&s, VSS_ERR_INVALID, "filter", r.filter = filter);
        REFUSE(&s, VSS_ERR_INVALID, "filter", request_count(s.col, filter, e));
        REFUSE(&s, VSS_ERR_INVALID, "filter", request_delete_where(s.col, filter, e));
    }
    REFUSE(&s, VSS_ERR_INVALID, "filter", request_delete_where(s.col, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "count", vss_collection_count(s.col, NULL, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", request_count(NULL, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", request_delete_where(NULL, "i32 > 3", e));
    refusal_end(&s);
}

/* Long and deep texts: parentheses, nots, and more than a mebibyte. */
static void test_filters_large(void **state)
{
    const size_t size = (1u << 20) + 64;
    refusal_stage s;
    char *text = calloc(size + 1, 1);
    (void)state;
    assert_non_null(text);
    refusal_begin(&s, SPECIMEN_NUMBERS);
    memset(text, '(', 100000);
    REFUSE(&s, VSS_ERR_INVALID, "filter", request_count(s.col, text, e));
    memset(text, ' ', size);
    REFUSE(&s, VSS_ERR_INVALID, "filter", request_count(s.col, text, e));
    memcpy(text, "i32 > 3 ", 8);
    REFUSE(&s, VSS_ERR_INVALID, "filter", request_count(s.col, text, e));
    memset(text, 'x', size);
    REFUSE(&s, VSS_ERR_INVALID, "filter", request_count(s.col, text, e));
    memset(text, '[', 1u << 19);
    memcpy(text, "i32 in ", 7);
    text[1u << 19] = '\0';
    REFUSE(&s, VSS_ERR_INVALID, "filter", request_count(s.col, text, e));
    free(text);
    refusal_end(&s);
}

/* Columns of keys that are none; `use` gets each, as keys to get or delete and as keys to leave out. */
static void request_bad_keys(refusal_stage *s, void (*use)(refusal_stage *s, const vss_column *keys, const char *says))
{
    static const uint8_t second_null[1] = {1};
    const vss_column good = {.struct_size = sizeof good, .type = VSS_TYPE_INT64, .length = 2, .data = request_numbers};
    vss_column k;
    use(s, (k = good, k.struct_size = 0, &k), "struct_size");
    use(s, (k = good, k.struct_size = 3, &k), "struct_size");
    use(s, (k = good, k.struct_size = 1u << 20, &k), "struct_size");
    use(s, (k = good, k.struct_size = 4, &k), "");
    use(s, (k = good, k.type = VSS_TYPE_INT32, &k), "int32");
    use(s, (k = good, k.type = VSS_TYPE_STRING, k.offsets = request_offsets, &k), "string");
    use(s, (k = good, k.type = VSS_TYPE_STRING, &k), "offsets");
    use(s, (k = good, k.type = (vss_type)77, &k), "77");
    use(s, (k = good, k.type = VSS_TYPE_VECTOR_F32, &k), "vector");
    use(s, (k = good, k.data = NULL, &k), "data");
    use(s, (k = good, k.validity = second_null, &k), "row 1");
    use(s, (k = good, k.length = UINT64_MAX, &k), "rows");
    use(s, (k = good, k.length = VSS_MAX_BATCH_ROWS + 1, &k), "1048577");
}

static void request_use_get(refusal_stage *s, const vss_column *keys, const char *says)
{
    REFUSE(s, VSS_ERR_INVALID, says, request_get(s->col, keys, NULL, 0, e));
}

static void request_use_delete(refusal_stage *s, const vss_column *keys, const char *says)
{
    vss_write_info info = {sizeof info, 1, 2, 3};
    REFUSE(s, VSS_ERR_INVALID, says, vss_collection_delete(s->col, keys, &info, e));
    assert_true(info.sequence == 1 && info.rows == 2 && info.first_key == 3);
}

static void request_use_exclude(refusal_stage *s, const vss_column *keys, const char *says)
{
    WRONG(s, VSS_ERR_INVALID, says, r.exclude = keys);
}

static void test_keys(void **state)
{
    refusal_stage s;
    const vss_column good = {.struct_size = sizeof good, .type = VSS_TYPE_INT64, .length = 2, .data = request_numbers};
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    request_bad_keys(&s, request_use_get);
    request_bad_keys(&s, request_use_delete);
    request_bad_keys(&s, request_use_exclude);
    ACCEPT(request_get(s.col, &good, NULL, 0, e));
    REFUSE(&s, VSS_ERR_INVALID, "keys", request_get(s.col, NULL, NULL, 0, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", request_get(NULL, &good, NULL, 0, e));
    REFUSE(&s, VSS_ERR_INVALID, "result", vss_collection_get(s.col, &good, NULL, 0, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "keys", vss_collection_delete(s.col, NULL, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_delete(NULL, &good, NULL, e));
    refusal_end(&s);
}

static void test_text_keys(void **state)
{
    static const int64_t falling[3] = {0, 2, 1}, negative[3] = {-1, 0, 1};
    refusal_stage s;
    vss_column k = {.struct_size = sizeof k, .type = VSS_TYPE_STRING, .length = 2, .offsets = falling, .data = "ab"};
    (void)state;
    refusal_begin(&s, SPECIMEN_TEXTS);
    request_use_get(&s, &k, "row 1");
    request_use_delete(&s, &k, "row 1");
    k.offsets = negative;
    request_use_get(&s, &k, "-1");
    request_use_delete(&s, &k, "-1");
    k.offsets = request_offsets;
    k.data = "a\xff";
    request_use_get(&s, &k, "UTF-8");
    k.data = NULL;
    request_use_delete(&s, &k, "data");
    k = (vss_column){.struct_size = sizeof k, .type = VSS_TYPE_INT64, .length = 2, .data = request_numbers};
    request_use_get(&s, &k, "int64");
    refusal_end(&s);
}

static int request_stop(void *state, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    (void)done;
    (void)total;
    ++*(int *)state;
    return 1;
}

static void test_cancel(void **state)
{
    refusal_stage s;
    int called = 0;
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    WRONG(&s, VSS_ERR_CANCELLED, "cancelled", r.progress = request_stop; r.progress_state = &called);
    assert_int_equal(called, 2);
    refusal_end(&s);
}

static void test_build_index(void **state)
{
    static const struct {
        const char *field, *type, *params, *says;
        vss_status status;
    } bad[] = {{"v", "nothing", NULL, "nothing", VSS_ERR_INVALID},
               {"v", "", NULL, "type", VSS_ERR_INVALID},
               {"v", "HNSW", NULL, "HNSW", VSS_ERR_INVALID},
               {"v", "line\nbreak", NULL, "line", VSS_ERR_INVALID},
               {"v", "hnsw", "m=1", "m", VSS_ERR_INVALID},
               {"v", "hnsw", "m=513", "m", VSS_ERR_INVALID},
               {"v", "hnsw", "m=", "m", VSS_ERR_INVALID},
               {"v", "hnsw", "m=16,m=16", "twice", VSS_ERR_INVALID},
               {"v", "hnsw", "m=16,M=16", "twice", VSS_ERR_INVALID},
               {"v", "hnsw", "ef=64", "ef", VSS_ERR_INVALID},
               {"v", "hnsw", "ef_construction=1", "ef_construction", VSS_ERR_INVALID},
               {"v", "hnsw", "nothing", "nothing", VSS_ERR_INVALID},
               {"v", "flat", "m=16", "m", VSS_ERR_INVALID},
               {NULL, "hnsw", NULL, "several", VSS_ERR_INVALID},
               {"i32", "hnsw", NULL, "i32", VSS_ERR_INVALID},
               {"nothing", "hnsw", NULL, "nothing", VSS_ERR_NOT_FOUND}};
    refusal_stage s;
    vss_build_options options = VSS_INIT(vss_build_options);
    (void)state;
    refusal_begin(&s, SPECIMEN_NUMBERS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        REFUSE(&s, bad[i].status, bad[i].says,
               vss_collection_build_index(s.col, bad[i].field, bad[i].type, bad[i].params, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "type", vss_collection_build_index(s.col, "v", NULL, NULL, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_build_index(NULL, "v", "hnsw", NULL, NULL, e));
    options.struct_size = 3;
    REFUSE(&s, VSS_ERR_INVALID, "struct_size", vss_collection_build_index(s.col, "v", "hnsw", NULL, &options, e));
    REFUSE(&s, VSS_ERR_INVALID, "fn", vss_collection_indexes(s.col, NULL, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_flush(NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_upsert(NULL, NULL, NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_compact(NULL, e));
    REFUSE(&s, VSS_ERR_INVALID, "col", vss_collection_purge(NULL, e));
    refusal_end(&s);
}

/* Looks at nothing give nothing. */
static void test_no_result(void **state)
{
    (void)state;
    assert_int_equal(vss_result_queries(NULL), 0);
    assert_int_equal(vss_result_rows(NULL), 0);
    assert_null(vss_result_offsets(NULL));
    assert_null(vss_result_keys(NULL));
    assert_null(vss_result_distances(NULL));
    assert_null(vss_result_field(NULL, "v"));
    assert_int_equal(vss_result_flags_get(NULL), 0);
    assert_null(vss_result_explain(NULL));
    vss_result_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search_shape),  cmocka_unit_test(test_search_future),
        cmocka_unit_test(test_search_values), cmocka_unit_test(test_search_fields),
        cmocka_unit_test(test_search_params), cmocka_unit_test(test_filters),
        cmocka_unit_test(test_filters_large), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_text_keys),     cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_build_index),   cmocka_unit_test(test_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
