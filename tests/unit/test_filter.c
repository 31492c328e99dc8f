/*
 * test_filter.c - filters: random expressions against a slow evaluator, precedence, error lines, limits, failures
 */
#include "filter_oracle.h"

static vssi_filter *compile(const char *text)
{
    vss_error err = {0};
    vssi_filter *filter;
    if (vssi_filter_compile(&heap, schema, text, &filter, &err) != VSS_OK)
        fail_msg("%s\n%s", err.message, text);
    return filter;
}

static void rows_of(const char *text, table *t, uint64_t *bitmap, size_t *passing)
{
    vss_error err = {0};
    vssi_filter *filter = compile(text);
    vssi_filter_source source = {t, t->rows, table_column};
    assert_int_equal(vssi_filter_rows(filter, &source, bitmap, passing, &err), VSS_OK);
    vssi_filter_free(filter);
    assert_int_equal(*passing, vssi_bitmap_count(bitmap, t->rows));
}

static void check_expr(const expr *e, table *t, uint64_t *bitmap)
{
    static char text[65536];
    size_t passing;
    assert_true(print(e, 0, text, sizeof text) < sizeof text);
    rows_of(text, t, bitmap, &passing);
    for (size_t r = 0; r < t->rows; r++)
        if (vssi_bitmap_get(bitmap, r) != (evaluate(e, &t->cells[r * N_FIELDS]) == YES))
            fail_msg("row %zu: %d\n%s", r, (int)vssi_bitmap_get(bitmap, r), text);
    if (t->rows % 64 != 0)
        assert_true(bitmap[t->rows / 64] >> (t->rows % 64) == 0);
}

static void test_random(void **state)
{
    static const size_t sizes[] = {1, 63, 64, 65, 200, 300};
    static uint64_t bitmap[256];
    (void)state;
    for (size_t round = 0; round < 50; round++) {
        table *t = make_table(sizes[round % COUNT(sizes)]);
        for (size_t i = 0; i < 50; i++) {
            expr *e = random_expr((unsigned)below(6));
            check_expr(e, t, bitmap);
            free_expr(e);
        }
        free_table(t);
    }
}

static void test_parts(void **state)
{
    static uint64_t bitmap[256];
    (void)state;
    table *t = make_table(3 * VSSI_FILTER_PART - 5);
    for (size_t i = 0; i < 60; i++) {
        expr *e = random_expr((unsigned)below(4));
        check_expr(e, t, bitmap);
        free_expr(e);
    }
    free_table(t);
}

static void test_no_rows(void **state)
{
    (void)state;
    uint64_t bitmap[1] = {0};
    size_t passing;
    table *t = make_table(0);
    rows_of("i8 == 1 or not flag", t, bitmap, &passing);
    assert_int_equal(passing, 0);
    rows_of("true", t, bitmap, &passing);
    assert_int_equal(passing, 0);
    free_table(t);
}

/* Two texts that mean the same. */
static void test_precedence(void **state)
{
    static const char *const pairs[][2] = {
        {"i8 == 1 or i16 == 1 and i32 == 1", "i8 == 1 or (i16 == 1 and i32 == 1)"},
        {"i8 == 1 and i16 == 1 or i32 == 1", "(i8 == 1 and i16 == 1) or i32 == 1"},
        {"not i8 == 1 and flag", "(not (i8 == 1)) and flag"},
        {"not flag == true", "(not flag) and flag is not null"},
        {"not i8 in [1, 2]", "i8 not in [1, 2]"},
        {"not name like \"a%\"", "name not like 'a%'"},
        {"not not flag", "flag"},
        {"!!!flag", "flag == false"},
        {"not flag is null", "flag is not null"},
        {"-1 <= i8 < 3", "i8 >= -1 and i8 < 3"},
        {"3 >= i8 > -1", "i8 <= 3 && i8 > -1"},
        {"i8 < i16 < i32", "i8 < i16 and i16 < i32"},
        {"i8 == 0x7F", "i8 == 127"},
        {"i8 == 0b11", "i8 == 3"},
        {"i8 == 0144", "i8 == 100"},
        {"i8 == - -100", "i8 == +100"},
        {"i8 == 1e2", "i8 == 100"},
        {"i8 == 0x1p1", "i8 == 2.0"},
        {"price == .5", "price == 5.e-1"},
        {"name == \"\\x61\\u0062\\143\"", "name == 'abc'"},
        {"name == r\"a\\b\"", "name == \"a\\\\b\""},
        {"name like r\"a\\\\b\"", "name == \"a\\\\b\""},
        {"name == '\\u00e9'", "name == '\xc3\xa9'"},
        {"FALSE OR flag IS NULL", "flag is null"},
        {"i8 in [1, 2,]", "i8 in [2, 1, 1]"},
        {"at == \"1970-01-01T00:00:00.000002Z\"", "at == 2"},
        {"at < ISO '2000-01-01'", "at < 946684800000000"},
        {"ARRAY_CONTAINS(ai, 1)", "array_contains_any(ai, [1])"},
        {"2 > 1 and flag", "flag"},
        {"\"a\" < 'b'", "true"},
        {"9223372036854775807 < 9223372036854775808.0", "true"},
        {"i8 > 128 or i8 < -129", "false"},
        {"i8 < 1000", "i8 is not null"},
        {"i8 != 1000", "i8 is not null"},
        {"i8\n==\t1 ", "i8 == 1"},
        {"((((i8))) == (1))", "i8 == 1"},
    };
    static uint64_t a[8], b[8];
    size_t n, m;
    (void)state;
    table *t = make_table(500);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        rows_of(pairs[i][0], t, a, &n);
        rows_of(pairs[i][1], t, b, &m);
        if (n != m || memcmp(a, b, sizeof a) != 0)
            fail_msg("%s (%zu rows) is not %s (%zu rows)", pairs[i][0], n, pairs[i][1], m);
    }
    free_table(t);
}

static void expect_line(const char *text, const char *line)
{
    vss_error err = {0};
    vssi_filter *filter = (vssi_filter *)&err;
    assert_int_equal(vssi_filter_compile(&heap, schema, text, &filter, &err), VSS_ERR_INVALID);
    assert_null(filter);
    if (strncmp(err.message, line, strlen(line)) != 0)
        fail_msg("%s\nhas the line     %s\nand not          %s", text, err.message, line);
}

static const char *const lines[][2] = {
    {"", "filter: the text is empty"},
    {" \n", "filter: the text is empty"},
    {"flag and f64 == \"x\"", "filter, column 17: field \"f64\" is float64, compared with a string"},
    {"name == 1", "filter, column 9: field \"name\" is string, compared with a number"},
    {"true == i8", "filter, column 1: field \"i8\" is int8, compared with a bool"},
    {"nope == 1", "filter, column 1: unknown field \"nope\""},
    {"'\xc3\xa9' == nope", "filter, column 8: unknown field \"nope\""},
    {"v == 1", "filter, column 1: field \"v\" is vector<f32>: a vector can't be in a filter"},
    {"i8 == 1 i16", "filter, column 9: unexpected \"i16\", \"and\", \"or\" or the end is expected"},
    {"i8 ==", "filter, column 6: the text ends where a field, a literal or \"(\" is expected"},
    {"(i8 == 1", "filter, column 9: the text ends where \")\" is expected"},
    {"i8 == 1)", "filter, column 8: unexpected \")\""},
    {"name == \"abc", "filter, column 9: the string that begins here is not closed"},
    {"name == 'a\nb'", "filter, column 9: the string that begins here is not closed"},
    {"name == 'abc\\", "filter, column 9: the string that begins here is not closed"},
    {"name == '\\q'", "filter, column 10: unknown escape \"\\q\" in a string"},
    {"name == '\\xZZ'", "filter, column 10: unknown escape \"\\x\" in a string"},
    {"name == '\\ud800'", "filter, column 10: unknown escape \"\\ud800\" in a string"},
    {"name == '\\400'", "filter, column 10: unknown escape \"\\400\" in a string"},
    {"name == '\\xff'", "filter, column 9: the string is not valid UTF-8"},
    {"name == '\xff'", "filter, column 9: the string is not valid UTF-8"},
    {"i8 = 1", "filter, column 4: \"=\" is no operator; equality is \"==\""},
    {"i8 @ 1", "filter, column 4: unexpected character \"@\""},
    {"i8 == 12ab", "filter, column 7: \"12ab\" is not a number"},
    {"i8 == 089", "filter, column 7: \"089\" is not a number"},
    {"i8 == 0x", "filter, column 7: \"0x\" is not a number"},
    {"i8 == 0b2", "filter, column 7: \"0b2\" is not a number"},
    {"i8 == 1e", "filter, column 7: \"1e\" is not a number"},
    {"i8 == 1.2.3", "filter, column 7: \"1.2.3\" is not a number"},
    {"i8 == 0x1.8", "filter, column 7: \"0x1.8\" is not a number"},
    {"i8 == 1e999", "filter, column 7: the number \"1e999\" is too large"},
    {"i8 == 1e99999999999999999999", "filter, column 7: the number \"1e99999999999999999999\" is too large"},
    {"i8 == nan", "filter, column 7: unknown field \"nan\""},
    {"i8 + 1 == 2", "filter, column 4: \"+\" is not supported"},
    {"(i8 - 1) == 2", "filter, column 5: \"-\" is not supported"},
    {"i8 & 1 == 2", "filter, column 4: \"&\" is not supported"},
    {"name =~ 'a'", "filter, column 6: \"=~\" is not supported"},
    {"exists doc", "filter, column 1: \"exists\" is not supported"},
    {"i8 in {ids}", "filter, column 7: \"{\" is not supported"},
    {"$meta == 1", "filter, column 1: \"$\" is not supported"},
    {"doc['a'] == 1", "filter, column 4: \"[\" behind a field (a json path or an element) is not supported"},
    {"ai[0] == 1", "filter, column 3: \"[\" behind a field (a json path or an element) is not supported"},
    {"text_match(name, 'a')", "filter, column 1: function \"text_match\" is not supported"},
    {"array_length(ai) == 1", "filter, column 1: function \"array_length\" is not supported"},
    {"doc == 1", "filter, column 1: field \"doc\" is json: comparing json is not supported"},
    {"ai == 1", "filter, column 1: field \"ai\" is an array: it takes array_contains, not a comparison"},
    {"array_contains(i8, 1)", "filter, column 16: field \"i8\" is int8, not an array"},
    {"array_contains(ai, 'a')", "filter, column 20: field \"ai\" is an array of int32, compared with a string"},
    {"array_contains(ai, [1])", "filter, column 20: unexpected \"[\", a literal is expected"},
    {"array_contains_any(ai, 1)", "filter, column 24: unexpected \"1\", a list \"[...]\" is expected"},
    {"array_contains(1, 1)", "filter, column 16: unexpected \"1\", the name of an array field is expected"},
    {"i8", "filter, column 1: field \"i8\" is int8: alone it is no condition"},
    {"1", "filter, column 1: a literal alone is no condition"},
    {"flag < true", "filter, column 6: a bool has no order: it takes \"==\" and \"!=\" only"},
    {"flag == true == false", "filter, column 14: a condition can't be compared"},
    {"i8 == (i16 == 1)", "filter, column 12: a condition can't be compared"},
    {"(i16 == 1) < 2", "filter, column 6: a condition can't be compared"},
    {"1 < i8 > 2", "filter, column 8: a range goes one way"},
    {"i8 == null", "filter, column 7: null is tested with \"is null\" or \"is not null\""},
    {"i8 is 1", "filter, column 7: unexpected \"1\", \"null\" is expected"},
    {"i8 is not in [1]", "filter, column 11: unexpected \"in\", \"null\" is expected"},
    {"i8 not 1", "filter, column 8: unexpected \"1\", \"in\" or \"like\" is expected"},
    {"i8 in 1", "filter, column 7: unexpected \"1\", a list \"[...]\" is expected"},
    {"i8 in [1 2]", "filter, column 10: unexpected \"2\", \",\" or \"]\" is expected"},
    {"i8 in [i16]", "filter, column 8: unexpected \"i16\", a literal is expected"},
    {"i8 in [1, 'a']", "filter, column 11: field \"i8\" is int8, compared with a string"},
    {"1 in [1]", "filter, column 1: \"in\" takes a field on its left"},
    {"i8 in [1] in [2]", "filter, column 1: \"in\" takes a field on its left"},
    {"(flag or flag) is null", "filter, column 2: \"is null\" takes a field on its left"},
    {"i8 like 'a'", "filter, column 1: field \"i8\" is int8; \"like\" takes a string field"},
    {"name like 1", "filter, column 11: unexpected \"1\", a pattern in quotes is expected"},
    {"name like 'a\\\\'", "filter, column 11: the pattern ends in its escape character"},
    {"at == 'soon'", "filter, column 7: field \"at\" is timestamp, and \"soon\" is not an ISO 8601 time"},
    {"at == iso 'soon'", "filter, column 11: 'soon' is not an ISO 8601 time"},
    {"name == iso '2020-01-01'", "filter, column 9: field \"name\" is string, compared with a time"},
    {"name == i8", "filter, column 6: field \"name\" is string, compared with field \"i8\", which is int8"},
    {"1 == 'a'", "filter, column 6: literals of different types are compared"},
    {"i8 == -'a'", "filter, column 8: unexpected string 'a', a number behind the sign is expected"},
    {"i8 in [iso]", "filter, column 11: unexpected \"]\", a time in quotes is expected"},
    {"And == 1", "filter, column 1: unknown field \"And\""},
};

static void test_error_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++)
        expect_line(lines[i][0], lines[i][1]);
}

static char *repeat(const char *head, const char *part, size_t n, const char *tail)
{
    size_t size = strlen(part);
    char *text = malloc(strlen(head) + n * size + strlen(tail) + 1);
    char *at = text + sprintf(text, "%s", head);
    for (size_t i = 0; i < n; i++, at += size)
        memcpy(at, part, size);
    strcpy(at, tail);
    return text;
}

static void test_limits(void **state)
{
    static uint64_t bitmap[8], expected[8];
    size_t n, m;
    (void)state;
    table *t = make_table(300);
    char *text = repeat("", "(", 64, "flag");
    char *deep = repeat(text, ")", 64, "");
    rows_of(deep, t, bitmap, &n);
    rows_of("flag", t, expected, &m);
    assert_int_equal(n, m);
    free(text), free(deep);

    static const struct {
        const char *head, *part, *tail, *line;
        size_t n;
    } bad[] = {
        {"", "(", "flag", "filter, column 65: parentheses are nested more than 64 deep", 65},
        {"", "(", "", "filter, column 65: parentheses are nested more than 64 deep", 1000000},
        {"i8 in [", "1,", "]", "filter, column 7: the list has more than 65536 literals", 65537},
        {"i8 == ", "1", "", "filter, column 7: the number \"11111111", 1000},
        {"", " ", "flag", "filter: the text has 1048580 bytes, at most 1048576 are allowed", 1048576},
        {"", "x", " == 1", "filter, column 1: unknown field \"xxxxxxxx", 1000},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        text = repeat(bad[i].head, bad[i].part, bad[i].n, bad[i].tail);
        expect_line(text, bad[i].line);
        free(text);
    }
    text = repeat("", "not ", 200001, "flag");
    rows_of(text, t, bitmap, &n);
    rows_of("not flag", t, expected, &m);
    assert_int_equal(n, m);
    free(text);
    text = repeat("", "i8 == 5 or ", 60000, "i8 == 5");
    rows_of(text, t, bitmap, &n);
    rows_of("i8 == 5", t, expected, &m);
    assert_int_equal(n, m);
    free(text);
    text = repeat("price == 0.", "1", 100000, "");
    rows_of(text, t, bitmap, &n);
    free(text);
    text = repeat("i8 in [5", ",5", 65535, "]");
    rows_of(text, t, bitmap, &n);
    assert_int_equal(n, m);
    free(text);
    free_table(t);
}

static void test_long_lists(void **state)
{
    static uint64_t bitmap[256];
    enum { ITEMS = 10000 };
    size_t n, rows = 2 * VSSI_FILTER_PART;
    (void)state;
    table *t = make_table(rows);
    char *numbers = malloc(ITEMS * 16 + 64), *words = malloc(ITEMS * 48 + 64);
    size_t at = (size_t)sprintf(numbers, "id in ["), to = (size_t)sprintf(words, "name in [");
    for (size_t i = 0; i < ITEMS; i++) {
        at += (size_t)sprintf(numbers + at, "%s%zu", i ? "," : "", i * 3);
        to += (size_t)sprintf(words + to, "'00000000-0000-0000-0000-%012zu',", i);
    }
    strcpy(numbers + at, "]");
    strcpy(words + to, "'ab','']");
    rows_of(numbers, t, bitmap, &n);
    assert_int_equal(n, (rows + 2) / 3);
    for (size_t r = 0; r < rows; r++)
        assert_int_equal(vssi_bitmap_get(bitmap, r), r % 3 == 0);
    rows_of(words, t, bitmap, &n);
    for (size_t r = 0; r < rows; r++) {
        const value *v = &t->cells[r * N_FIELDS + S];
        assert_int_equal(vssi_bitmap_get(bitmap, r), !v->null && (*v->s == 0 || strcmp(v->s, "ab") == 0));
    }
    free(numbers), free(words);
    free_table(t);
}

/* What is settled is not read, and a source's failure is passed on. */
static void test_reads(void **state)
{
    static uint64_t bitmap[8];
    vss_error err = {0};
    size_t n;
    (void)state;
    table *t = make_table(100);
    t->fail_field = S;
    rows_of("name like 'a%' and id < 0", t, bitmap, &n);
    assert_int_equal(n, 0);
    rows_of("name == 'a' or id >= 0", t, bitmap, &n);
    assert_int_equal(n, 100);
    rows_of("not (name == 'a' or id >= 0)", t, bitmap, &n);
    assert_int_equal(n, 0);
    rows_of("name == 'a' and 1 == 2", t, bitmap, &n);
    assert_int_equal(n, 0);
    rows_of("id is null", t, bitmap, &n);
    assert_int_equal(n, 0);
    assert_int_equal(t->reads[ID], 3);
    vssi_filter *filter = compile("id >= 0 and name == 'a'");
    vssi_filter_source source = {t, t->rows, table_column};
    assert_int_equal(vssi_filter_rows(filter, &source, bitmap, &n, &err), VSS_ERR_CORRUPT);
    vssi_filter_free(filter);
    vssi_filter_free(NULL);
    free_table(t);
}

/* ---- allocation failures ---- */

typedef struct failing {
    size_t left;
    size_t live;
} failing;

static void *failing_alloc(void *state, size_t size, size_t align)
{
    failing *f = state;
    if (f->left == 0)
        return NULL;
    f->left--;
    f->live++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void failing_release(void *state, void *block, size_t size, size_t align)
{
    failing *f = state;
    (void)size, (void)align;
    f->live--;
    free(block);
}

static void test_no_memory(void **state)
{
    const char *text = "(name in ['a', 'b'] or i8 in [1, 2]) and (name like 'a%_' or array_contains_all(as, ['a']))";
    static uint64_t bitmap[8];
    (void)state;
    table *t = make_table(100);
    char *list = repeat("i8 == 1 and id in [1", ",12345", 3000, "]");
    for (int round = 0; round < 2; round++) {
        bool done = false;
        for (size_t allowed = 0; !done; allowed++) {
            failing f = {.left = allowed};
            vss_allocator hook = {sizeof hook, &f, failing_alloc, failing_release};
            vssi_heap own;
            vss_error err = {0};
            vssi_filter *filter;
            vssi_filter_source source = {t, t->rows, table_column};
            size_t n;
            vssi_heap_init(&own, &hook, 0);
            vss_status status = vssi_filter_compile(&own, schema, round == 0 ? text : list, &filter, &err);
            if (status == VSS_OK)
                status = vssi_filter_rows(filter, &source, bitmap, &n, &err);
            else
                assert_null(filter);
            done = status == VSS_OK;
            if (!done)
                assert_int_equal(status, VSS_ERR_NO_MEMORY);
            vssi_filter_free(filter);
            assert_int_equal(f.live, 0);
            assert_true(allowed < 1000);
        }
    }
    free(list);
    free_table(t);
}

/* ---- set-up ---- */

static int set_up(void **state)
{
    vss_field open[N_FIELDS];
    const vss_field *pointers[N_FIELDS];
    vss_schema all = VSS_INIT(vss_schema);
    vss_error err = {0};
    (void)state;
    vssi_heap_init(&heap, NULL, 0);
    for (size_t f = 0; f < N_FIELDS; f++) {
        open[f] = VSS_INIT(vss_field);
        open[f].name = fields[f].name;
        open[f].type = fields[f].type;
        open[f].element = fields[f].element;
        open[f].flags = fields[f].flags;
        open[f].dim = f == V ? 2 : 0;
        pointers[f] = &open[f];
    }
    all.n_fields = N_FIELDS;
    all.fields = pointers;
    vss_status status = vssi_schema_create(&heap, &all, &schema, &err);
    if (status != VSS_OK)
        print_error("%s\n", err.message);
    return status;
}

static int tear_down(void **state)
{
    (void)state;
    vssi_schema_free(schema);
    return heap.used == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),     cmocka_unit_test(test_parts),       cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_precedence), cmocka_unit_test(test_error_lines), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_long_lists), cmocka_unit_test(test_reads),       cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
