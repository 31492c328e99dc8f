/*
 * test_text.c - lib/base: texts from outside: parameters, UTF-8, names, times
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../lib/base/fail.h"
#include "../../lib/base/param.h"
#include "../../lib/base/text.h"

/* ---- parameters ---- */

static const vssi_param param_table[] = {
    {"m", "M", 2, 512, 16, false, "links"},
    {"ef_construction", "efConstruction", 1, 4096, 200, false, "effort"},
    {"ef", NULL, 1, UINT64_MAX, 64, true, "search effort"},
};

static void param_ok(const char *text, bool search, uint64_t m, uint64_t efc, uint64_t ef)
{
    uint64_t values[3] = {0};
    vss_error err = {0};
    vss_status status = vssi_param_parse("hnsw", param_table, 3, search, text, values, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, VSS_OK);
    assert_true(values[0] == m && values[1] == efc && values[2] == ef);
}

static void param_bad(const char *text, bool search, const char *line)
{
    uint64_t values[3];
    vss_error err;
    assert_int_equal(vssi_param_parse("hnsw", param_table, 3, search, text, values, &err), VSS_ERR_INVALID);
    assert_string_equal(err.message, line);
}

static void test_param_accepts(void **state)
{
    (void)state;
    param_ok(NULL, false, 16, 200, 64);
    param_ok("", false, 16, 200, 64);
    param_ok(" \t", false, 16, 200, 64);
    param_ok("m=32,ef_construction=100", false, 32, 100, 64);
    param_ok(" efConstruction = 7 , M = 2 ", false, 2, 7, 64);
    param_ok("ef=18446744073709551615", true, 16, 200, UINT64_MAX);
    param_ok("m=0000000000000000000000032", false, 32, 200, 64);
}

static void test_param_refuses(void **state)
{
    (void)state;
    param_bad("m=1", false, "hnsw: parameter \"m\" is 1, must be 2 to 512");
    param_bad("M=513", false, "hnsw: parameter \"m\" is 513, must be 2 to 512");
    param_bad("m=-4", false, "hnsw: parameter \"m\" is \"-4\", must be a whole number, 2 to 512");
    param_bad("m=", false, "hnsw: parameter \"m\" is \"\", must be a whole number, 2 to 512");
    param_bad("m=1 2", false, "hnsw: parameter \"m\" is \"1 2\", must be a whole number, 2 to 512");
    param_bad("m=99999999999999999999", false, "hnsw: parameter \"m\" is 99999999999999999999, must be 2 to 512");
    param_bad("ef=18446744073709551616", true,
              "hnsw: parameter \"ef\" is 18446744073709551616, must be 1 to 18446744073709551615");
    param_bad("m=4,M=5", false, "hnsw: parameter \"m\" is given twice");
    param_bad("m", false, "hnsw: expected name=value, got \"m\"");
    param_bad("m=4,", false, "hnsw: expected name=value, got \"\"");
    param_bad(",", false, "hnsw: expected name=value, got \"\"");
    param_bad("=4", false, "hnsw: no parameter \"\"; there are m, ef_construction");
    param_bad("ef=64", false, "hnsw: no parameter \"ef\"; there are m, ef_construction");
    param_bad("mm=64", true, "hnsw: no parameter \"mm\"; there are ef");
    uint64_t values[1];
    vss_error err;
    assert_int_equal(vssi_param_parse("flat", NULL, 0, false, "x=1", values, &err), VSS_ERR_INVALID);
    assert_string_equal(err.message, "flat: no parameter \"x\"; there are none");
}

/* ---- texts ---- */

static bool utf8(const char *text) { return vssi_utf8_valid(text, strlen(text)); }

static void test_text_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"", "plain ascii, longer than eight", "\x7f", "\xc2\x80", "\xdf\xbf",
                                       "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "1234567\xe2\x82\xac_8901234567"};
    static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2" "a", "\xe0\x9f\xbf",
                                      "\xe2\x82", "\xe2\x82" "a", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
                                      "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "12345678\xc2"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(utf8(bad[i]));
    assert_true(vssi_utf8_valid("a\0b", 3));
    assert_false(vssi_utf8_valid("\xe2\x82\xac", 2));
}

static void test_text_names(void **state)
{
    (void)state;
    char name[600];
    assert_true(vssi_field_name_valid("_a9Z"));
    assert_false(vssi_field_name_valid(""));
    assert_false(vssi_field_name_valid("9a"));
    assert_false(vssi_field_name_valid("a-b"));
    memset(name, 'a', sizeof name);
    name[255] = '\0';
    assert_true(vssi_field_name_valid(name));
    name[255] = 'a';
    name[256] = '\0';
    assert_false(vssi_field_name_valid(name));
    assert_true(vssi_collection_name_valid("0a_-z"));
    assert_false(vssi_collection_name_valid(""));
    assert_false(vssi_collection_name_valid("-a"));
    assert_false(vssi_collection_name_valid("Ab"));
    assert_false(vssi_collection_name_valid("a/b"));
    name[64] = '\0';
    assert_false(vssi_collection_name_valid(name));
    name[63] = '\0';
    assert_true(vssi_collection_name_valid(name));
    static const char *const bad[] = {"", "/a", "a/", "a//b", ".", "..", "a/..", "a/../b", "./a", ".tmp-1", "a/.b", "A",
                                      "a b", "a\\b", "coll/LOCK", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(vssi_object_name_valid(bad[i]));
    assert_true(vssi_object_name_valid("coll/m-00.vss"));
    assert_true(vssi_object_name_valid("a/b/c..d/_-"));
    memset(name, 'a', sizeof name);
    name[512] = '\0';
    assert_true(vssi_object_name_valid(name));
    name[512] = 'a';
    name[513] = '\0';
    assert_false(vssi_object_name_valid(name));
}

static void time_is(const char *text, int64_t expected, const char *printed)
{
    int64_t micros = 1;
    char out[32];
    assert_true(vssi_time_parse(text, strlen(text), &micros));
    assert_int_equal(micros, expected);
    vssi_time_format(micros, out);
    assert_string_equal(out, printed);
}

static void test_text_times(void **state)
{
    (void)state;
    time_is("1970-01-01", 0, "1970-01-01T00:00:00.000000Z");
    time_is("1969-12-31T23:59:59.999999Z", -1, "1969-12-31T23:59:59.999999Z");
    time_is("2026-11-20T12:34:56.789Z", INT64_C(1795178096789000), "2026-11-20T12:34:56.789000Z");
    time_is("2026-11-20 12:34:56.789+01:00", INT64_C(1795174496789000), "2026-11-20T11:34:56.789000Z");
    time_is("2026-11-20T12:34", INT64_C(1795178040000000), "2026-11-20T12:34:00.000000Z");
    time_is("2000-02-29T00:00:00-23:59", INT64_C(951868740000000), "2000-02-29T23:59:00.000000Z");
    time_is("1900-03-01", INT64_C(-2203891200000000), "1900-03-01T00:00:00.000000Z");
    time_is("2026-11-20T00:00:00.123456789Z", INT64_C(1795132800123456), "2026-11-20T00:00:00.123456Z");
    time_is("0001-01-01", INT64_C(-62135596800000000), "0001-01-01T00:00:00.000000Z");
    time_is("9999-12-31T23:59:59.999999", INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z");
}

static void test_text_times_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "2026", "2026-11", "2026-1-1", "2026-13-01", "2026-00-01", "2026-02-29", "1900-02-29", "2026-04-31",
        "2026-11-00", "0000-01-01", "2026-11-20T", "2026-11-20T12", "2026-11-20T24:00", "2026-11-20T12:60",
        "2026-11-20T12:34:60", "2026-11-20T12:34:56.", "2026-11-20T12:34:56.1234567890", "2026-11-20T12:34:56Zx",
        "2026-11-20T12:34:56+1", "2026-11-20T12:34:56+01", "2026-11-20T12:34:56+24:00", "2026-11-20x", " 2026-11-20",
        "2026-11-20Z", "+026-11-20", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t micros = 42;
        assert_false(vssi_time_parse(bad[i], strlen(bad[i]), &micros));
        assert_int_equal(micros, 42);
    }
    int64_t micros;
    assert_true(vssi_time_parse("2026-11-20junk", 10, &micros));
}

static void test_text_times_of_every_day(void **state)
{
    (void)state;
    char previous[32] = "";
    for (int64_t day = -719162; day < 2932897; day += 13) {
        char text[32];
        int64_t back;
        int64_t micros = day * INT64_C(86400000000);
        vssi_time_format(micros, text);
        assert_true(strcmp(previous, text) < 0);
        assert_true(vssi_time_parse(text, strlen(text), &back));
        assert_int_equal(back, micros);
        memcpy(previous, text, sizeof text);
    }
    char out[32];
    vssi_time_format(INT64_MIN, out);
    assert_string_equal(out, "-290308-12-21T19:59:05.224192Z");
    vssi_time_format(INT64_MAX, out);
    assert_string_equal(out, "+294247-01-10T04:00:54.775807Z");
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_param_accepts),
        cmocka_unit_test(test_param_refuses),
        cmocka_unit_test(test_text_utf8),
        cmocka_unit_test(test_text_names),
        cmocka_unit_test(test_text_times),
        cmocka_unit_test(test_text_times_refused),
        cmocka_unit_test(test_text_times_of_every_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
