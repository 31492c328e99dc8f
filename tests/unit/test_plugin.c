/*
 * test_plugin.c - an index type of another library: registered, built, stored, opened, searched, refused
 *
 * The type "toy" keeps the rows as it is given them and compares all of them; it writes down what it was asked.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/param.h"
#include "../support/maker.h"

enum { DIM = 8, ROWS = 5000, K = 5 };

/* What the type was told last, and how it is to behave. */
static struct toy {
    char text[64];
    uint64_t number, effort;
    vss_metric metric;
    uint32_t threads;
    bool in_place;
    _Atomic int opened, freed;
    uint64_t most_rows; /* more can't be indexed; 0: any number */
    bool reverse;       /* search proposes rows that are not allowed and not there, too */
    bool strange;       /* the nearest row's distance is no number */
    _Atomic int told;   /* searches that wanted distances */
} toy;

typedef struct toy_index {
    const float *rows;
    vss_metric metric;
} toy_index;

static vss_status toy_check(const vss_plugin_vectors *vectors, const vss_plugin_value *params, vss_error *err)
{
    assert_int_equal(vectors->rows, 0);
    assert_int_equal(vectors->dim, DIM);
    return strcmp(params[0].text, "wrong") == 0 ? maker_fail(err, VSS_ERR_INVALID, "toy: a wrong text") : VSS_OK;
}

static vss_status toy_build(const vss_plugin_build *build, void **bytes, size_t *size, vss_error *err)
{
    const vss_plugin_vectors *v = build->vectors;
    if (toy.most_rows != 0 && v->rows > toy.most_rows)
        return maker_fail(err, VSS_ERR_INVALID, "toy: too many rows");
    strcpy(toy.text, build->params[0].text);
    toy.number = build->params[1].number;
    toy.effort = build->params[2].number;
    toy.metric = v->metric;
    toy.threads = build->threads;
    toy.in_place = v->floats != NULL;
    *size = v->rows * v->dim * sizeof(float);
    vss_status status = build->allocate(build->state, *size, bytes, err);
    if (status != VSS_OK)
        return status;
    if (build->stopped(build->state))
        return VSS_ERR_CANCELLED;
    if (v->floats != NULL)
        memcpy(*bytes, v->floats, *size);
    else
        v->read(v->state, 0, v->rows, *bytes);
    return VSS_OK;
}

static vss_status toy_open(const vss_plugin_vectors *vectors, const void *bytes, size_t size, void **index,
                           vss_error *err)
{
    if (size != vectors->rows * vectors->dim * sizeof(float))
        return maker_fail(err, VSS_ERR_CORRUPT, "toy: other rows");
    toy_index *made = malloc(sizeof *made);
    *made = (toy_index){bytes, vectors->metric};
    *index = made;
    atomic_fetch_add(&toy.opened, 1);
    return VSS_OK;
}

static void toy_free(void *index)
{
    free(index);
    atomic_fetch_add(&toy.freed, 1);
}

static float toy_score(const toy_index *index, const float *query, uint64_t row)
{
    float sum = 0;
    for (size_t c = 0; c < DIM; c++) {
        float x = index->rows[row * DIM + c], d = x - query[c];
        sum += index->metric == VSS_METRIC_L2 ? d * d : -x * query[c];
    }
    return sum;
}

/* The k best, by insertion. Distances that are wanted are told as twice what they are: nobody else makes them so. */
static void toy_one(const toy_index *index, const vss_plugin_search *s, const float *query, int64_t *rows,
                    float *distances)
{
    float scores[64];
    size_t n = 0;
    for (uint64_t row = 0; row < s->rows; row++) {
        if (s->allow != NULL && (s->allow[row / 64] >> (row % 64) & 1) == 0)
            continue;
        float score = toy_score(index, query, row);
        size_t at = n < s->k ? n : s->k;
        for (; at > 0 && scores[at - 1] > score; at--)
            if (at < s->k) {
                scores[at] = scores[at - 1];
                rows[at] = rows[at - 1];
            }
        if (at < s->k) {
            scores[at] = score;
            rows[at] = (int64_t)row;
        }
        n += n < s->k;
    }
    for (size_t i = 0; i < n && distances != NULL; i++)
        distances[i] = i == 0 && toy.strange ? NAN : index->metric == VSS_METRIC_L2 ? 2 * scores[i] : -2 * scores[i];
    for (; n < s->k; n++)
        rows[n] = -1;
}

static vss_status toy_search(const void *index, const vss_plugin_search *s, int64_t *rows, vss_error *err)
{
    (void)err;
    toy.effort = s->params[2].number;
    toy.told += s->distances != NULL;
    for (size_t q = 0; q < s->n_queries; q++) {
        toy_one(index, s, s->queries + q * DIM, rows + q * s->k,
                s->distances != NULL ? s->distances + q * s->k : NULL);
        if (toy.reverse) { /* the last two places are wasted on rows that are not there */
            rows[q * s->k + s->k - 1] = (int64_t)s->rows;
            rows[q * s->k + s->k - 2] = INT64_MIN;
        }
    }
    return VSS_OK;
}

static const vss_plugin_param toy_params[] = {
    {.name = "text", .text = 1, .help = "a text"},
    {.name = "number", .min = 1, .max = 9, .default_value = 4, .help = "a number"},
    {.name = "effort", .alias = "care", .max = 100, .default_value = 7, .search = 1, .help = "a search's"},
};

static const vss_index_plugin toy_type = {
    .struct_size = sizeof toy_type, .abi = VSS_PLUGIN_ABI, .name = "toy", .format = 3, .trusting = 1, .estimates = 1,
    .params = toy_params, .n_params = 3, .check = toy_check, .build = toy_build, .open = toy_open,
    .search = toy_search, .free = toy_free,
};

static void refused(const vss_index_plugin *plugin, vss_status wanted, const char *says)
{
    vss_error err;
    assert_int_equal(vss_index_register(plugin, &err), wanted);
    assert_non_null(strstr(err.message, says));
}

static void test_register(void **state)
{
    (void)state;
    vss_error err;
    vss_index_plugin other = toy_type;
    vss_plugin_param params[VSS_PLUGIN_MAX_PARAMS + 1] = {{.name = "a", .max = 1, .help = "h"}};
    refused(NULL, VSS_ERR_INVALID, "plugin is NULL");
    other.abi = 1;
    refused(&other, VSS_ERR_UNSUPPORTED, "ABI 1");
    other = toy_type;
    other.name = "Toy";
    refused(&other, VSS_ERR_INVALID, "\"Toy\": not a name");
    other.name = "hnsw";
    refused(&other, VSS_ERR_EXISTS, "\"hnsw\" is there already");
    other = toy_type;
    other.search = NULL;
    refused(&other, VSS_ERR_INVALID, "search and free are required");
    other = toy_type;
    other.n_params = VSS_PLUGIN_MAX_PARAMS + 1;
    refused(&other, VSS_ERR_INVALID, "33 parameters");
    other.params = params;
    other.n_params = 1;
    params[0].default_value = 2;
    refused(&other, VSS_ERR_INVALID, "no range with its default");
    params[0] = (vss_plugin_param){.name = "t", .text = 1, .search = 1, .help = "h"};
    refused(&other, VSS_ERR_INVALID, "a text for searches");
    params[0] = (vss_plugin_param){.name = "trusted", .max = 1, .help = "h"};
    refused(&other, VSS_ERR_INVALID, "libvss' own");
    params[0] = (vss_plugin_param){.name = "t", .max = 1};
    refused(&other, VSS_ERR_INVALID, "no help");

    MUST(vss_index_register(&toy_type, &err));
    MUST(vss_index_register(&toy_type, &err));
    other = toy_type;
    refused(&other, VSS_ERR_EXISTS, "\"toy\" is there already");
    size_t n = 0, found = 0;
    for (; vss_index_type(n) != NULL; n++)
        found += strcmp(vss_index_type(n), "toy") == 0;
    assert_int_equal(found, 1);
    vss_param_info info = VSS_INIT(vss_param_info);
    MUST(vss_index_param("toy", 0, &info, &err));
    assert_int_equal(info.text, 1);
    MUST(vss_index_param("toy", 2, &info, &err));
    assert_true(info.search == 1 && info.text == 0 && info.max == 100 && info.default_value == 7);
    MUST(vss_index_param("toy", 3, &info, &err));
    assert_string_equal(info.name, "refine");
}

static void test_load_refuses(void **state)
{
    (void)state;
    vss_error err;
    assert_int_equal(vss_plugin_load("libtoy.so", &err), VSS_ERR_INVALID);
    assert_int_equal(vss_plugin_load("/nowhere/libtoy.so", &err), VSS_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/libtoy.so"));
    assert_int_equal(vss_plugin_load(NULL, &err), VSS_ERR_INVALID);
}

static const vssi_param text_table[] = {
    {.name = "text", .text = true, .help = "a text"},
    {.name = "n", .max = 9, .help = "a number"},
};

static void text_is(const char *text, const char *wanted, uint64_t number)
{
    uint64_t values[2];
    vss_error err;
    MUST(vssi_param_parse("toy", text_table, 2, false, text, values, &err));
    assert_int_equal(vssi_param_text_size(values[0]), strlen(wanted));
    assert_memory_equal(text + vssi_param_text_offset(values[0]), wanted, strlen(wanted));
    assert_int_equal(values[1], number);
}

static void test_texts(void **state)
{
    (void)state;
    uint64_t values[2];
    vss_error err;
    char longest[1100] = "text=";
    text_is("", "", 0);
    text_is("text=IVF256,PQ16x4fs", "IVF256,PQ16x4fs", 0);
    text_is(" text = a,b, c ,n=3", "a,b, c", 3);
    text_is("n=3,text=a", "a", 3);
    text_is("n=3,text=a,b,", "a,b,", 3);
    memset(longest + 5, 'x', 1023);
    text_is(longest, longest + 5, 0);
    longest[5 + 1023] = 'x';
    assert_int_equal(vssi_param_parse("toy", text_table, 2, false, longest, values, &err), VSS_ERR_INVALID);
    assert_int_equal(vssi_param_parse("toy", text_table, 2, false, "text=", values, &err), VSS_ERR_INVALID);
    assert_int_equal(vssi_param_parse("toy", text_table, 2, false, "n=1,2", values, &err), VSS_ERR_INVALID);
    assert_int_equal(vssi_param_parse("toy", text_table, 2, false, "text=a,text=b", values, &err), VSS_ERR_INVALID);
}

static vss_result *searched(vss_collection *col, vss_type type, const void *queries, size_t n, const char *filter,
                            const char *params)
{
    vss_error err;
    vss_result *result;
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = queries;
    request.query_type = type;
    request.n_queries = n;
    request.dim = DIM;
    request.k = K;
    request.filter = filter;
    request.params = params;
    request.explain = 1;
    MUST(vss_collection_search(col, &request, &result, &err));
    assert_int_equal(vss_result_rows(result), n * K);
    return result;
}

/* Distances of a search with the index are the index's own, in its order; those it comes short of are a scan's. */
static void estimated(vss_collection *col, vss_type type, const void *queries, size_t n, const char *filter)
{
    const int told = toy.told;
    const float factor = toy.reverse || toy.strange ? 1 : 2; /* too few rows: the scan's alone */
    vss_result *exact = searched(col, type, queries, n, filter, "exact=1");
    vss_result *own = searched(col, type, queries, n, filter, "trusted=1,refine=0");
    assert_true(vss_result_flags_get(own) & VSS_RESULT_ESTIMATED);
    assert_true(toy.told > told);
    for (size_t i = 0; i < n * K; i++) {
        float wanted = factor * vss_result_distances(exact)[i];
        assert_true(fabsf(vss_result_distances(own)[i] - wanted) <= 1e-3F * fmaxf(1, fabsf(wanted)));
    }
    vss_result_free(exact);
    vss_result_free(own);
}

/* The hits of a search with the index are those of a scan. */
static void same_as_scan(vss_collection *col, vss_type type, const void *queries, size_t n, const char *filter)
{
    vss_result *results[2] = {searched(col, type, queries, n, filter, "trusted=1,care=9"),
                              searched(col, type, queries, n, filter, "exact=1")};
    assert_string_equal(vss_result_explain(results[0])->segments[0].index, "toy");
    assert_memory_equal(vss_result_distances(results[0]), vss_result_distances(results[1]), n * K * sizeof(float));
    assert_memory_equal(vss_result_keys(results[0])->data, vss_result_keys(results[1])->data, n * K * sizeof(int64_t));
    vss_result_free(results[0]);
    vss_result_free(results[1]);
}

static void types_case(vss_type type, vss_metric metric)
{
    vss_error err;
    vss_db *db;
    maker_random r = {(uint64_t)type};
    void *vectors = malloc(ROWS * maker_size(type, DIM));
    maker_typed(&r, vectors, ROWS, type, DIM, false);
    MUST(vss_db_open("mem:", NULL, &db, &err));
    vss_collection *col = maker_create_typed(db, type, DIM, metric);
    maker_insert_typed(col, type, vectors, ROWS, DIM, 0, 1);
    vss_build_options options = VSS_INIT(vss_build_options);
    options.threads = 3;
    MUST(vss_collection_build_index(col, NULL, "toy", "text=a,b,number=5", &options, &err));
    assert_string_equal(toy.text, "a,b");
    assert_true(toy.number == 5 && toy.effort == 7 && toy.threads == 3);
    assert_int_equal(toy.metric, metric == VSS_METRIC_L2 ? VSS_METRIC_L2 : VSS_METRIC_IP);
    assert_int_equal(toy.in_place, type == VSS_TYPE_VECTOR_F32 && metric != VSS_METRIC_COSINE);
    for (int wasteful = 0; wasteful < 2; wasteful++) { /* what it comes short of is scanned */
        toy.reverse = wasteful;
        same_as_scan(col, type, vectors, 7, NULL);
        same_as_scan(col, type, vectors, 1, NULL);
        same_as_scan(col, type, vectors, 3, "number < 90");
    }
    assert_int_equal(toy.effort, 9);
    for (int way = 0; way < 3; way++) {
        toy.reverse = way == 1;
        toy.strange = way == 2;
        estimated(col, type, vectors, 7, NULL);
        estimated(col, type, vectors, 1, "number < 90");
    }
    toy.reverse = toy.strange = false;
    MUST(vss_db_close(db, &err));
    assert_int_equal(toy.opened, toy.freed);
    free(vectors);
}

static void test_types(void **state)
{
    (void)state;
    vss_error err;
    vss_db *db;
    static const vss_type types[] = {VSS_TYPE_VECTOR_F32, VSS_TYPE_VECTOR_F16, VSS_TYPE_VECTOR_BF16, VSS_TYPE_VECTOR_I8,
                                     VSS_TYPE_VECTOR_U8};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (vss_metric metric = VSS_METRIC_L2; metric <= VSS_METRIC_COSINE; metric++)
            types_case(types[i], metric);
    MUST(vss_db_open("mem:", NULL, &db, &err));
    vss_collection *bits = maker_create_typed(db, VSS_TYPE_VECTOR_BINARY, DIM, VSS_METRIC_HAMMING);
    assert_int_equal(vss_collection_build_index(bits, NULL, "toy", NULL, NULL, &err), VSS_ERR_UNSUPPORTED);
    MUST(vss_db_close(db, &err));
}

static int no_more(void *state, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage, (void)total;
    return done >= *(const uint64_t *)state;
}

static vss_status search_status(vss_collection *col, const float *query, const char *params, vss_error *err)
{
    vss_result *result;
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = query;
    request.n_queries = 1;
    request.dim = DIM;
    request.k = K;
    request.params = params;
    vss_status status = vss_collection_search(col, &request, &result, err);
    if (status == VSS_OK)
        vss_result_free(result);
    return status;
}

static void log_line(void *state, vss_log_level level, const char *line)
{
    (void)level;
    *(int *)state += strstr(line, "a segment is scanned: toy: too many rows") != NULL;
}

static void test_refusals(void **state)
{
    (void)state;
    vss_error err;
    vss_db *db;
    int logged = 0;
    maker_random r = {5};
    float *vectors = malloc(ROWS * DIM * sizeof *vectors);
    vss_db_options options = VSS_INIT(vss_db_options);
    options.log = log_line;
    options.log_state = &logged;
    maker_vectors(&r, vectors, ROWS, DIM, false);
    MUST(vss_db_open("mem:", &options, &db, &err));
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_insert(col, vectors, ROWS, DIM, 0, 1);
    assert_int_equal(vss_collection_build_index(col, NULL, "toy", "text=wrong", NULL, &err), VSS_ERR_INVALID);
    assert_string_equal(err.message, "toy: a wrong text");
    assert_int_equal(vss_collection_build_index(col, NULL, "toyx", NULL, NULL, &err), VSS_ERR_INVALID);
    assert_non_null(strstr(err.message, "ivf_pq, toy"));
    for (uint64_t at = 0; at < 2; at++) {
        vss_build_options build = VSS_INIT(vss_build_options);
        build.progress = no_more;
        build.progress_state = &at;
        assert_int_equal(vss_collection_build_index(col, NULL, "toy", NULL, &build, &err), VSS_ERR_CANCELLED);
    }
    toy.most_rows = 10;
    assert_int_equal(vss_collection_build_index(col, NULL, "toy", NULL, NULL, &err), VSS_ERR_INVALID);
    assert_string_equal(err.message, "toy: too many rows");
    toy.most_rows = 0;
    MUST(vss_collection_build_index(col, NULL, "toy", NULL, NULL, &err));
    assert_int_equal(search_status(col, vectors, NULL, &err), VSS_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "trusted=1"));
    assert_int_equal(search_status(col, vectors, "trusted=0", &err), VSS_ERR_UNSUPPORTED);
    assert_int_equal(search_status(col, vectors, "text=a", &err), VSS_ERR_INVALID);
    MUST(search_status(col, vectors, "exact=1", &err));
    MUST(search_status(col, vectors, "trusted=1", &err));

    toy.most_rows = 10; /* a later segment that can't be indexed is sealed all the same */
    maker_insert(col, vectors, ROWS, DIM, ROWS, 1);
    MUST(vss_collection_flush(col, &err));
    assert_int_equal(logged, 1);
    MUST(search_status(col, vectors, "trusted=1", &err));
    toy.most_rows = 0;
    MUST(vss_db_close(db, &err));
    free(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_register), cmocka_unit_test(test_load_refuses), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_types), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
