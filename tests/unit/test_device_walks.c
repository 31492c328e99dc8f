/*
 * test_device_walks.c - a device that walks over the graph of an index: what it is handed, what is taken of its
 * answers, and what the CPU does when it fails, lies or leaves queries
 *
 * The device "guide" looks at every number of the graph and walks on it some places at a time, by the codes where
 * there are any; of the pool it takes the nearest by the definition of a distance (maker.h).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"
#include "../support/tier.h"

enum { DIM = 24, ROWS = 6200, K = 10, QUERIES = 50, AT_ONCE = 8 };

static struct guide {
    int walks, scans, made, forgotten;
    vss_status fails;  /* of searches; OK: they don't */
    bool unsettled;    /* every other query is left to the CPU */
    bool spends;       /* a search takes until it is stopped */
    bool astray;       /* the farthest of the pool are answered */
    uint32_t stray;    /* answered in place of the first row, above 0 */
    uint32_t too_many; /* the count that is answered, above 0 */
    vss_device_coding coding; /* of the last graph */
    bool coded;        /* queries had codes */
    uint32_t pool;
} guide;

typedef struct guide_place {
    double score;
    uint32_t place;
    bool followed;
} guide_place;

typedef struct guide_walk {
    const vss_device_vectors *v;
    const vss_device_search *s;
    size_t query;
    guide_place *pool;
    size_t n;
    uint8_t *seen;
    uint32_t scored;
} guide_walk;

static vss_status guide_takes(void *state, const vss_device_vectors *vectors, uint32_t k, vss_error *err)
{
    (void)state, (void)vectors, (void)k, (void)err;
    return VSS_OK;
}

static float guide_value(const vss_device_vectors *v, const vss_device_search *s, size_t q, uint32_t r)
{
    double query[DIM], row[DIM];
    const bool similarity = v->metric == VSS_METRIC_IP || v->metric == VSS_METRIC_COSINE;
    maker_widen(v->type, (const char *)s->queries + q * s->query_stride, 1, v->dim, query);
    maker_widen(v->type, (const char *)v->data + r * maker_size(v->type, v->dim), 1, v->dim, row);
    float distance = maker_distance(query, row, v->dim, v->metric);
    return similarity ? -distance : distance;
}

static uint32_t guide_row(const vss_device_graph *g, uint32_t place) { return g->map != NULL ? g->map[place] : place; }

static double guide_score(guide_walk *w, uint32_t place)
{
    const vss_device_graph *g = w->s->graph;
    const uint8_t *code = g->codes + (size_t)place * g->code_size;
    const uint8_t *query = (const uint8_t *)w->s->codes + w->query * w->s->code_stride;
    double sum = 0;
    w->scored++;
    if (w->s->codes == NULL)
        return (double)guide_value(w->v, w->s, w->query, guide_row(g, place));
    for (size_t i = 0; i < g->code_size; i++) {
        const bool nibbles = g->coding == VSS_DEVICE_CODING_NIBBLES;
        int low = nibbles ? 8 * (code[i] & 15) - (int8_t)query[i] : code[i] - query[i];
        int high = nibbles ? 8 * (code[i] >> 4) - (int8_t)query[g->code_size + i] : 0;
        sum += low * low + high * high;
    }
    return sum;
}

static void guide_take(guide_walk *w, uint32_t place)
{
    guide_place one = {0, place, false};
    if (w->seen[place] != 0)
        return;
    w->seen[place] = 1;
    one.score = guide_score(w, place);
    size_t at = w->n;
    while (at > 0 && one.score < w->pool[at - 1].score)
        at--;
    memmove(w->pool + at + 1, w->pool + at, (w->n - at) * sizeof one);
    w->pool[at] = one;
    w->n = w->n < w->s->pool ? w->n + 1 : w->s->pool;
}

static void guide_run(guide_walk *w)
{
    const vss_device_graph *g = w->s->graph;
    uint32_t best = 0;
    for (uint32_t i = 1; i < g->n_groups; i++)
        best = guide_score(w, g->entries[i]) < guide_score(w, g->entries[best]) ? i : best;
    for (uint32_t i = 0; i < g->n_groups; i++)
        guide_take(w, g->entries[i]);
    for (uint32_t i = g->groups[best]; i < g->groups[best + 1]; i++)
        guide_take(w, g->entries[g->n_groups + i]);
    for (uint32_t chosen[AT_ONCE], n = 1; n > 0;) {
        n = 0;
        for (size_t at = 0; at < w->n && n < AT_ONCE; at++) {
            if (!w->pool[at].followed)
                chosen[n++] = w->pool[at].place;
            w->pool[at].followed = true;
        }
        for (uint32_t c = 0; c < n; c++) {
            const uint32_t *links = g->links + (size_t)chosen[c] * g->stride;
            for (uint32_t i = 1; i <= links[0]; i++)
                guide_take(w, links[i]);
        }
    }
}

static int guide_compare(const void *a, const void *b)
{
    const guide_place *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

/* Of the places, whose scores become values, the nearest k that are allowed and within the limit. */
static void guide_answer(guide_walk *w, const vss_device_hits *hits)
{
    const vss_device_search *s = w->s;
    size_t n = 0, allowed = 0, out = 0;
    for (size_t i = 0; i < w->n; i++) {
        uint32_t row = s->graph != NULL ? guide_row(s->graph, w->pool[i].place) : w->pool[i].place;
        if (s->allow != NULL && (s->allow[row / 64] >> row % 64 & 1) == 0)
            continue;
        guide_place one = {(double)guide_value(w->v, s, w->query, row), row, false};
        allowed++;
        if (one.score <= (double)s->limits[w->query])
            w->pool[n++] = one;
    }
    qsort(w->pool, n, sizeof *w->pool, guide_compare);
    size_t first = guide.astray && n > s->k ? n - s->k : 0, count = n < s->k ? n : s->k;
    while (first + count < n && count > 0 && w->pool[count].score == w->pool[count - 1].score)
        count++;
    for (size_t i = first; i < first + count && out < s->width; i++, out++) {
        hits->rows[w->query * s->width + out] = w->pool[i].place;
        hits->values[w->query * s->width + out] = (float)w->pool[i].score;
    }
    bool few = allowed < s->k && allowed < s->n_allow, left = guide.unsettled && w->query % 2 == 0;
    hits->counts[w->query] = few || left || count > s->width ? VSS_DEVICE_UNSETTLED : (uint32_t)out;
}

/* Every number of a graph that libvss has built is right. */
static void guide_look(const vss_device_graph *g, const vss_device_search *s, uint32_t rows)
{
    uint8_t *seen = calloc(rows, 1);
    assert_true(g->struct_size == sizeof *g && s->pool >= s->k);
    assert_true(g->n_groups > 0 && g->n_groups <= g->n_entries);
    assert_true(g->groups[0] == 0 && g->groups[g->n_groups] == g->n_entries - g->n_groups && s->lists == NULL);
    for (uint32_t i = 0; i < g->n_entries; i++)
        assert_true(g->entries[i] < rows);
    for (uint32_t place = 0; place < rows; place++) {
        const uint32_t *links = g->links + (size_t)place * g->stride;
        assert_true(links[0] < g->stride && guide_row(g, place) < rows && seen[guide_row(g, place)]++ == 0);
        for (uint32_t i = 1; i <= links[0]; i++)
            assert_true(links[i] < rows);
    }
    if (g->coding != VSS_DEVICE_CODING_NONE) {
        const size_t pieces = g->coding == VSS_DEVICE_CODING_NIBBLES ? 2 : 1;
        assert_true(g->codes != NULL && g->code_size > 0);
        assert_true(s->codes == NULL || s->code_stride == pieces * g->code_size);
    }
    free(seen);
}

static void guide_note(void **place)
{
    if (*place != NULL)
        return;
    guide.made++;
    *place = malloc(1);
}

static vss_status guide_search(void *state, void **place, const vss_device_vectors *v, const vss_device_search *s,
                               const vss_device_hits *hits, vss_error *err)
{
    guide_walk w = {.v = v, .s = s};
    assert_ptr_equal(state, &guide);
    guide_note(place);
    *(s->graph != NULL ? &guide.walks : &guide.scans) += 1;
    assert_true((s->graph != NULL) == (hits->scored != NULL));
    if (s->graph != NULL) {
        guide_note(s->graph_place);
        guide_look(s->graph, s, (uint32_t)v->rows);
        guide.coding = s->graph->coding;
        guide.coded = s->codes != NULL;
        guide.pool = s->pool;
    }
    while (guide.spends)
        if (s->stopped(s->state))
            return maker_fail(err, VSS_ERR_CANCELLED, "guide: stopped");
    if (guide.fails != VSS_OK)
        return maker_fail(err, guide.fails, "guide: guideMalloc: no room");
    w.pool = malloc((v->rows + 1) * sizeof *w.pool);
    w.seen = malloc(v->rows);
    for (; w.query < s->n_queries; w.query++) {
        w.n = w.scored = 0;
        memset(w.seen, 0, v->rows);
        if (s->graph != NULL)
            guide_run(&w);
        for (; s->graph == NULL && w.n < v->rows; w.n++)
            w.pool[w.n].place = (uint32_t)w.n;
        guide_answer(&w, hits);
        if (hits->scored != NULL)
            hits->scored[w.query] = w.scored;
    }
    free(w.pool);
    free(w.seen);
    hits->rows[0] = guide.stray != 0 ? guide.stray : hits->rows[0];
    hits->counts[0] = guide.too_many != 0 ? guide.too_many : hits->counts[0];
    return VSS_OK;
}

static void guide_forget(void *state, void *place)
{
    assert_ptr_equal(state, &guide);
    guide.forgotten++;
    free(place);
}

static vss_device guide_device = {
    .struct_size = sizeof guide_device, .abi = VSS_DEVICE_ABI, .name = "guide", .description = "a guide",
    .state = &guide, .graphs = 400, .takes = guide_takes, .search = guide_search, .forget = guide_forget,
};

static int set_up(void **state)
{
    (void)state;
    return vss_device_register(&guide_device, NULL) != VSS_OK;
}

/* Rows in one sealed segment with an hnsw index, some deleted. */
typedef struct world {
    vss_type type;
    vss_metric metric;
    vss_db *db;
    vss_collection *col;
    void *vectors, *queries;
} world;

static void world_open(world *w, vss_type type, vss_metric metric, const char *params, const vss_db_options *options)
{
    vss_error err;
    maker_random r = {(uint64_t)type * 8 + (uint64_t)metric};
    *w = (world){.type = type, .metric = metric};
    w->vectors = malloc(ROWS * maker_size(type, DIM));
    w->queries = malloc(QUERIES * maker_size(type, DIM));
    maker_typed(&r, w->vectors, ROWS, type, DIM, false);
    maker_typed(&r, w->queries, QUERIES, type, DIM, false);
    MUST(vss_db_open("mem:", options, &w->db, &err));
    w->col = maker_create_typed(w->db, type, DIM, metric);
    maker_insert_typed(w->col, type, w->vectors, ROWS, DIM, 0, 1);
    MUST(vss_collection_build_index(w->col, NULL, "hnsw", params, NULL, &err));
    MUST(vss_collection_delete_where(w->col, "number == 3", NULL, &err));
}

static void world_close(world *w)
{
    vss_error err;
    MUST(vss_db_close(w->db, &err));
    free(w->vectors);
    free(w->queries);
    assert_int_equal(guide.made, guide.forgotten);
}

static vss_search_request world_request(const world *w, const char *params)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = w->queries;
    request.query_type = w->type;
    request.n_queries = QUERIES;
    request.dim = DIM;
    request.k = K;
    request.explain = 1;
    request.params = params;
    request.device = "guide";
    request.device_required = 1;
    return request;
}

static vss_result *world_search(const world *w, const vss_search_request *request)
{
    vss_error err;
    vss_result *result;
    MUST(vss_collection_search(w->col, request, &result, &err));
    assert_int_equal(vss_result_rows(result), request->k * QUERIES);
    return result;
}

static vss_result *world_cpu(const world *w, vss_search_request request, const char *params)
{
    request.device = NULL;
    request.device_required = 0;
    request.params = params;
    return world_search(w, &request);
}

static void world_refuses(const world *w, const vss_search_request *request, vss_status wanted, const char *says)
{
    vss_error err;
    vss_result *result;
    assert_int_equal(vss_collection_search(w->col, request, &result, &err), wanted);
    if (strstr(err.message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void same(const vss_result *a, const vss_result *b)
{
    assert_int_equal(vss_result_rows(a), vss_result_rows(b));
    assert_memory_equal(vss_result_distances(a), vss_result_distances(b), vss_result_rows(a) * sizeof(float));
    assert_memory_equal(vss_result_keys(a)->data, vss_result_keys(b)->data, vss_result_rows(a) * sizeof(int64_t));
}

/* How many rows of the result are as near as the k-th nearest is. */
static size_t near(const vss_result *result, const vss_result *exact, uint32_t k, bool similarity)
{
    const float *found = vss_result_distances(result), *all = vss_result_distances(exact);
    size_t n = 0;
    for (size_t i = 0; i < (size_t)QUERIES * k; i++) {
        float most = all[i / k * k + k - 1];
        n += similarity ? found[i] >= most : found[i] <= most;
    }
    return n;
}

/* The device finds as much of what there is as the CPU does, but for one hit in a hundred. */
static void walked(const world *w, vss_search_request request, vss_plan plan)
{
    const bool similarity = w->metric == VSS_METRIC_IP || w->metric == VSS_METRIC_COSINE;
    int walks = guide.walks;
    vss_result *device = world_search(w, &request);
    assert_int_equal(guide.walks - walks, plan == VSS_PLAN_INDEX);
    vss_result *cpu = world_cpu(w, request, request.params), *exact = world_cpu(w, request, "exact=1");
    const vss_explain_segment *told = vss_result_explain(device)->segments;
    assert_string_equal(told->device, "guide");
    assert_int_equal(told->plan, plan);
    assert_string_equal(told->index, "hnsw");
    assert_true(told->distances > QUERIES * K);
    size_t found = near(device, exact, request.k, similarity), there = near(cpu, exact, request.k, similarity);
    if (found + QUERIES * request.k / 100 < there)
        fail_msg("type %d, metric %d, %s, %s: %zu of %u found, %zu by the CPU", (int)w->type, (int)w->metric,
                 request.params, request.filter ? request.filter : "no filter", found, request.k * QUERIES, there);
    vss_result_free(device);
    vss_result_free(cpu);
    vss_result_free(exact);
}

static void test_walks(void **state)
{
    (void)state;
    static const struct {
        vss_type type;
        vss_metric metric;
        const char *params;
        vss_device_coding coding;
    } cases[] = {
        {VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "m=12,codes=sq8", VSS_DEVICE_CODING_BYTES},
        {VSS_TYPE_VECTOR_F32, VSS_METRIC_IP, "m=12,codes=sq4", VSS_DEVICE_CODING_NIBBLES},
        {VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, "m=12,codes=f16", VSS_DEVICE_CODING_NONE},
        {VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, "m=12,codes=sq8", VSS_DEVICE_CODING_BYTES},
        {VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "m=12,codes=none", VSS_DEVICE_CODING_NONE},
        {VSS_TYPE_VECTOR_I8, VSS_METRIC_IP, "m=12", VSS_DEVICE_CODING_NONE},
        {VSS_TYPE_VECTOR_BINARY, VSS_METRIC_JACCARD, "m=12", VSS_DEVICE_CODING_NONE},
    };
    for (size_t i = 0; i < tier_count(3, 7, 7); i++) {
        world w;
        world_open(&w, cases[i].type, cases[i].metric, cases[i].params, NULL);
        vss_search_request request = world_request(&w, "ef=40");
        walked(&w, request, VSS_PLAN_INDEX);
        assert_int_equal(guide.coding, cases[i].coding);
        assert_true(guide.pool >= 40 && guide.pool <= 60); /* the deleted rows have room too */
        request.filter = "number < 70";
        walked(&w, request, VSS_PLAN_INDEX);
        assert_true(guide.pool > 40);
        request.params = "ef=10";
        walked(&w, request, VSS_PLAN_INDEX);
        guide.unsettled = true;
        walked(&w, request, VSS_PLAN_INDEX);
        guide.unsettled = false;
        request.params = "ef=500"; /* more than the device has room for */
        walked(&w, request, VSS_PLAN_INDEX_THEN_SCAN);
        world_close(&w);
    }
}

/* Queries far from all rows, of which codes say little. Of few, whatever the device answers, the CPU's answer is taken;
 * where many are, all walk on the vectors. */
static void test_outside(void **state)
{
    (void)state;
    world w;
    world_open(&w, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "m=12,codes=sq8", NULL);
    vss_search_request request = world_request(&w, "ef=40");
    for (size_t i = 0; i < 2 * DIM; i++)
        ((float *)w.queries)[i] *= 1000;
    guide.astray = true;
    vss_result *device = world_search(&w, &request), *cpu = world_cpu(&w, request, "ef=40");
    guide.astray = false;
    assert_true(guide.coded);
    const float *mine = vss_result_distances(device), *others = vss_result_distances(cpu);
    assert_memory_equal(mine, others, 2 * K * sizeof *mine);
    assert_memory_not_equal(mine + 2 * K, others + 2 * K, (QUERIES - 2) * K * sizeof *mine);
    vss_result_free(device);
    vss_result_free(cpu);
    for (size_t i = 2 * DIM; i < 8 * DIM; i++)
        ((float *)w.queries)[i] *= 1000;
    walked(&w, request, VSS_PLAN_INDEX);
    assert_false(guide.coded);
    world_close(&w);
}

static void log_line(void *state, vss_log_level level, const char *line)
{
    const char *wanted = "in place of device \"guide\": guide: guideMalloc: no room";
    *(int *)state += level == VSS_LOG_WARNING && strstr(line, wanted) != NULL;
}

static void test_failures(void **state)
{
    (void)state;
    static const vss_status statuses[] = {VSS_ERR_DEVICE, VSS_ERR_NO_MEMORY, VSS_ERR_BUDGET, VSS_ERR_UNSUPPORTED};
    int logged = 0;
    world w;
    vss_db_options options = VSS_INIT(vss_db_options);
    options.log = log_line;
    options.log_state = &logged;
    world_open(&w, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, "m=12,codes=sq8", &options);
    vss_search_request request = world_request(&w, "ef=40");
    vss_result *cpu = world_cpu(&w, request, "ef=40");
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        guide.fails = statuses[i];
        request.device_required = 1;
        world_refuses(&w, &request, statuses[i], "guide: guideMalloc: no room");
        request.device_required = 0;
        vss_result *instead = world_search(&w, &request);
        assert_int_equal(logged, i + 1);
        assert_null(vss_result_explain(instead)->segments[0].device);
        same(instead, cpu);
        vss_result_free(instead);
    }
    guide.fails = VSS_OK;
    request.device_required = 1;
    guide.stray = ROWS;
    world_refuses(&w, &request, VSS_ERR_DEVICE, "row 6200 for query 0, of 6200 rows, is not there");
    guide.stray = 3; /* deleted */
    world_refuses(&w, &request, VSS_ERR_DEVICE, "row 3 for query 0, of 6200 rows, is not allowed");
    guide.stray = 0;
    guide.too_many = K + 100;
    world_refuses(&w, &request, VSS_ERR_DEVICE, "110 rows for query 0");
    guide.too_many = 0;
    vss_result_free(cpu);
    world_close(&w);
}

/* A deadline ends the walk; a device without graphs is not asked. */
static void test_not_walked(void **state)
{
    (void)state;
    vss_error err;
    vss_result *result;
    world w;
    world_open(&w, VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, "m=12", NULL);
    vss_search_request request = world_request(&w, "ef=40");
    guide.spends = true;
    request.deadline_ms = 20;
    MUST(vss_collection_search(w.col, &request, &result, &err));
    assert_true(vss_result_flags_get(result) & VSS_RESULT_TRUNCATED);
    vss_result_free(result);
    guide.spends = false;
    request.deadline_ms = 0;
    int walks = guide.walks, scans = guide.scans;
    guide_device.graphs = 0;
    world_refuses(&w, &request, VSS_ERR_UNSUPPORTED, "indexes of type hnsw are not searched there");
    request.device_required = 0;
    result = world_search(&w, &request);
    vss_result *cpu = world_cpu(&w, request, "ef=40");
    same(result, cpu);
    assert_true(guide.walks == walks && guide.scans == scans);
    guide_device.graphs = 400;
    vss_result_free(result);
    vss_result_free(cpu);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks), cmocka_unit_test(test_outside), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_not_walked),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
