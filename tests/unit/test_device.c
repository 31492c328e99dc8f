/*
 * test_device.c - a device beside the CPU: registered, asked, answering, failing, left out
 *
 * The device "toy" compares all rows by the definition of a distance (maker.h) and writes down what it was asked; what
 * it answers can be spoilt.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"

enum { DIM = 24, ROWS = 5000, K = 7, QUERIES = 9 };

static struct toy {
    _Atomic int searches, made, forgotten, by_lists;
    vss_status fails;     /* of searches; OK: they don't */
    bool unsettled;       /* every other query is left to the CPU */
    bool spends;          /* a search takes until it is stopped */
    uint32_t stray;       /* answered in place of the first row, above 0 */
    uint32_t too_many;    /* the count that is answered, above 0 */
    uint32_t most_k;      /* taken; 0: any */
} toy;

typedef struct toy_hit {
    float value;
    uint32_t row;
} toy_hit;

static vss_status toy_takes(void *state, const vss_device_vectors *vectors, uint32_t k, vss_error *err)
{
    assert_ptr_equal(state, &toy);
    assert_true(vectors->rows == 0 && vectors->data == NULL && vectors->dim > 0);
    return toy.most_k != 0 && k > toy.most_k ? maker_fail(err, VSS_ERR_UNSUPPORTED, "toy: k is too much") : VSS_OK;
}

static int toy_compare(const void *a, const void *b)
{
    const toy_hit *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value ? -1 : 1) : x->row < y->row ? 1 : -1; /* ties the wrong way */
}

/* Is the row in a list that the query looks at. */
static bool toy_probed(const vss_device_search *s, size_t q, uint32_t row)
{
    bool found = s->lists == NULL;
    for (uint64_t p = found ? 1 : s->probe_begins[q]; !found && p < s->probe_begins[q + 1]; p++)
        for (uint32_t i = s->lists->begins[s->probes[p]]; i < s->lists->begins[s->probes[p] + 1] && !found; i++)
            found = s->lists->rows[i] == row;
    return found;
}

static void toy_query(const vss_device_vectors *v, const vss_device_search *s, const vss_device_hits *hits, size_t q,
                      toy_hit *all)
{
    double query[DIM], row[DIM];
    bool halves = v->type == VSS_TYPE_VECTOR_F16 || v->type == VSS_TYPE_VECTOR_BF16;
    bool similarity = v->metric == VSS_METRIC_IP || v->metric == VSS_METRIC_COSINE;
    size_t n = 0, size = maker_size(v->type, v->dim);
    maker_widen(halves ? VSS_TYPE_VECTOR_F32 : v->type, (const char *)s->queries + q * s->query_stride, 1, v->dim,
                query);
    for (uint32_t r = 0; r < v->rows; r++) {
        if ((s->allow != NULL && (s->allow[r / 64] >> (r % 64) & 1) == 0) || !toy_probed(s, q, r))
            continue;
        maker_widen(v->type, (const char *)v->data + r * size, 1, v->dim, row);
        float distance = maker_distance(query, row, v->dim, v->metric);
        all[n] = (toy_hit){similarity ? -distance : distance, r};
        n += all[n].value <= s->limits[q];
    }
    qsort(all, n, sizeof *all, toy_compare);
    size_t kept = n < s->k ? n : s->k;
    while (kept > 0 && kept < n && all[kept].value == all[kept - 1].value)
        kept++;
    bool left = kept > s->width || (toy.unsettled && q % 2 == 0);
    hits->counts[q] = left ? VSS_DEVICE_UNSETTLED : (uint32_t)kept;
    for (size_t i = 0; i < kept && !left; i++) {
        hits->rows[q * s->width + i] = all[i].row;
        hits->values[q * s->width + i] = all[i].value;
    }
}

static vss_status toy_search(void *state, void **place, const vss_device_vectors *v, const vss_device_search *s,
                             const vss_device_hits *hits, vss_error *err)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    assert_ptr_equal(state, &toy);
    atomic_fetch_add(&toy.searches, 1);
    pthread_mutex_lock(&mutex);
    if (*place == NULL) {
        atomic_fetch_add(&toy.made, 1);
        *place = malloc(sizeof v->data);
        memcpy(*place, &v->data, sizeof v->data);
    }
    assert_memory_equal(*place, &v->data, sizeof v->data);
    if (s->lists != NULL) {
        atomic_fetch_add(&toy.by_lists, 1);
        if (*s->lists_place == NULL) {
            atomic_fetch_add(&toy.made, 1);
            *s->lists_place = malloc(sizeof s->lists->rows);
            memcpy(*s->lists_place, &s->lists->rows, sizeof s->lists->rows);
        }
        assert_memory_equal(*s->lists_place, &s->lists->rows, sizeof s->lists->rows);
    }
    pthread_mutex_unlock(&mutex);
    while (toy.spends)
        if (s->stopped(s->state))
            return maker_fail(err, VSS_ERR_CANCELLED, "toy: stopped");
    if (toy.fails != VSS_OK)
        return maker_fail(err, toy.fails, "toy: toyMalloc: no room");
    toy_hit *all = malloc((size_t)v->rows * sizeof *all);
    for (size_t q = 0; q < s->n_queries; q++)
        toy_query(v, s, hits, q, all);
    free(all);
    if (toy.stray != 0)
        hits->rows[0] = toy.stray;
    if (toy.too_many != 0)
        hits->counts[0] = toy.too_many;
    return VSS_OK;
}

static void toy_forget(void *state, void *place)
{
    assert_ptr_equal(state, &toy);
    atomic_fetch_add(&toy.forgotten, 1);
    free(place);
}

static const vss_device toy_device = {
    .struct_size = sizeof toy_device, .abi = VSS_DEVICE_ABI, .name = "toy", .description = "a toy", .state = &toy,
    .lists = 1, .takes = toy_takes, .search = toy_search, .forget = toy_forget,
};

static int set_up(void **state)
{
    (void)state;
    return vss_device_register(&toy_device, NULL) != VSS_OK;
}

static vss_status never(void *state, void **place, const vss_device_points *points,
                        const vss_device_neighbors *neighbors, vss_error *err)
{
    (void)state, (void)place, (void)points, (void)neighbors, (void)err;
    return VSS_ERR_INTERNAL;
}

static void refused(const vss_device *device, vss_status wanted, const char *says)
{
    vss_error err;
    assert_int_equal(vss_device_register(device, &err), wanted);
    assert_non_null(strstr(err.message, says));
}

static void test_register(void **state)
{
    (void)state;
    vss_error err;
    vss_device other = toy_device;
    refused(NULL, VSS_ERR_INVALID, "device is NULL");
    other.abi = 7;
    refused(&other, VSS_ERR_UNSUPPORTED, "ABI 7");
    other = toy_device;
    other.struct_size--;
    refused(&other, VSS_ERR_UNSUPPORTED, "bytes");
    other = toy_device;
    refused(&other, VSS_ERR_EXISTS, "\"toy\" is there already");
    other.name = "cpu";
    refused(&other, VSS_ERR_INVALID, "\"cpu\": not a name");
    other.name = "Toy";
    refused(&other, VSS_ERR_INVALID, "\"Toy\": not a name");
    other.name = "other";
    other.forget = NULL;
    refused(&other, VSS_ERR_INVALID, "search and forget are required");
    other.forget = toy_device.forget;
    other.neighbors = never;
    refused(&other, VSS_ERR_INVALID, "neighbors and prune go together");
    MUST(vss_device_register(&toy_device, &err));
    assert_ptr_equal(vss_device_find("toy"), &toy_device);
    assert_null(vss_device_find("other"));
    assert_null(vss_device_find(NULL));
}

static void test_load_refuses(void **state)
{
    (void)state;
    vss_error err;
    assert_int_equal(vss_device_load("libtoy.so", NULL, &err), VSS_ERR_INVALID);
    assert_int_equal(vss_device_load("/nowhere/libtoy.so", NULL, &err), VSS_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/libtoy.so"));
    assert_int_equal(vss_device_load(NULL, NULL, &err), VSS_ERR_INVALID);
}

/* Rows of a type, some deleted, in two sealed segments and a growing one, and queries for them. */
typedef struct world {
    vss_type type, query_type;
    vss_db *db;
    vss_collection *col;
    void *vectors, *queries;
} world;

static void world_open(world *w, vss_type type, vss_metric metric, bool coarse, const vss_db_options *options)
{
    vss_error err;
    size_t size = maker_size(type, DIM), first = ROWS / 5, second = ROWS / 2;
    maker_random r = {(uint64_t)type * 8 + (uint64_t)metric};
    bool halves = type == VSS_TYPE_VECTOR_F16 || type == VSS_TYPE_VECTOR_BF16;
    *w = (world){.type = type, .query_type = halves ? VSS_TYPE_VECTOR_F32 : type};
    w->vectors = malloc(ROWS * size);
    w->queries = malloc(QUERIES * maker_size(w->query_type, DIM));
    maker_typed(&r, w->vectors, ROWS, type, DIM, coarse);
    maker_typed(&r, w->queries, QUERIES, w->query_type, DIM, coarse);
    MUST(vss_db_open("mem:", options, &w->db, &err));
    w->col = maker_create_typed(w->db, type, DIM, metric);
    maker_insert_typed(w->col, type, w->vectors, first, DIM, 0, 1);
    MUST(vss_collection_flush(w->col, &err));
    maker_insert_typed(w->col, type, (char *)w->vectors + first * size, second - first, DIM, (int64_t)first, 1);
    MUST(vss_collection_flush(w->col, &err));
    maker_insert_typed(w->col, type, (char *)w->vectors + second * size, ROWS - second, DIM, (int64_t)second, 1);
    MUST(vss_collection_delete_where(w->col, "number == 3", NULL, &err));
}

static void world_close(world *w)
{
    vss_error err;
    MUST(vss_db_close(w->db, &err));
    free(w->vectors);
    free(w->queries);
}

static vss_search_request world_request(const world *w, const char *device)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = w->queries;
    request.query_type = w->query_type;
    request.n_queries = QUERIES;
    request.dim = DIM;
    request.k = K;
    request.explain = 1;
    request.device = device;
    return request;
}

static vss_result *world_search(const world *w, const vss_search_request *request)
{
    vss_error err;
    vss_result *result;
    MUST(vss_collection_search(w->col, request, &result, &err));
    return result;
}

static vss_status world_refuses(const world *w, const vss_search_request *request, const char *says)
{
    vss_error err;
    vss_result *result;
    vss_status status = vss_collection_search(w->col, request, &result, &err);
    assert_int_not_equal(status, VSS_OK);
    assert_null(result);
    if (strstr(err.message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
    return status;
}

static void same(const vss_result *a, const vss_result *b)
{
    assert_int_equal(vss_result_rows(a), vss_result_rows(b));
    assert_int_equal(vss_result_queries(a), vss_result_queries(b));
    assert_memory_equal(vss_result_offsets(a), vss_result_offsets(b), (vss_result_queries(a) + 1) * sizeof(int64_t));
    assert_memory_equal(vss_result_distances(a), vss_result_distances(b), vss_result_rows(a) * sizeof(float));
    assert_memory_equal(vss_result_keys(a)->data, vss_result_keys(b)->data, vss_result_rows(a) * sizeof(int64_t));
}

/* The request by the device and by the CPU: the same. Returns how many segments the device compared. */
static size_t same_as_cpu(const world *w, vss_search_request request)
{
    size_t n = 0;
    vss_result *device = world_search(w, &request);
    request.device = "cpu";
    vss_result *cpu = world_search(w, &request);
    same(device, cpu);
    const vss_explain *told = vss_result_explain(device);
    for (size_t i = 0; i < told->n_segments; i++)
        n += told->segments[i].device != NULL && strcmp(told->segments[i].device, "toy") == 0;
    assert_null(vss_result_explain(cpu)->segments[0].device);
    vss_result_free(device);
    vss_result_free(cpu);
    return n;
}

static void types_case(vss_type type, vss_metric metric, bool coarse)
{
    static const char *const filters[] = {NULL, "number < 50", "number == 7", "id == 17", "number > 100"};
    static const size_t by_device[] = {2, 2, 2, 1, 0};
    static const uint32_t ks[] = {1, K, 60, 6000};
    int64_t left_out[] = {0, 1, 2, 1500, 4000};
    vss_column exclude = maker_keys(left_out, 5);
    world w;
    world_open(&w, type, metric, coarse, NULL);
    for (size_t f = 0; f < sizeof filters / sizeof *filters; f++) {
        vss_search_request request = world_request(&w, "toy");
        request.filter = filters[f];
        assert_int_equal(same_as_cpu(&w, request), by_device[f]);
        request.n_queries = 0;
        same_as_cpu(&w, request);
    }
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        vss_search_request request = world_request(&w, "toy");
        request.k = ks[i];
        request.threads = 3;
        request.device_required = 1;
        request.exclude = i % 2 == 1 ? &exclude : NULL;
        assert_int_equal(same_as_cpu(&w, request), 2);
    }
    toy.unsettled = true;
    assert_int_equal(same_as_cpu(&w, world_request(&w, "toy")), 2);
    toy.unsettled = false;
    world_close(&w);
}

static void test_types(void **state)
{
    (void)state;
    for (int coarse = 0; coarse < 2; coarse++) {
        for (vss_type type = VSS_TYPE_VECTOR_F32; type <= VSS_TYPE_VECTOR_U8; type++)
            for (vss_metric metric = VSS_METRIC_L2; metric <= VSS_METRIC_COSINE; metric++)
                types_case(type, metric, coarse != 0);
        types_case(VSS_TYPE_VECTOR_BINARY, VSS_METRIC_HAMMING, coarse != 0);
        types_case(VSS_TYPE_VECTOR_BINARY, VSS_METRIC_JACCARD, coarse != 0);
    }
    assert_int_equal(toy.made, toy.forgotten);
}

/* A place a sealed segment, made once and forgotten when the segment ends. */
static void test_places(void **state)
{
    (void)state;
    vss_error err;
    world w;
    int made = toy.made, forgotten = toy.forgotten;
    world_open(&w, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, NULL);
    for (int i = 0; i < 3; i++)
        same_as_cpu(&w, world_request(&w, "toy"));
    assert_int_equal(toy.made - made, 2);
    assert_int_equal(toy.forgotten - forgotten, 0);
    MUST(vss_collection_flush(w.col, &err)); /* a third segment */
    assert_int_equal(same_as_cpu(&w, world_request(&w, "toy")), 3);
    assert_int_equal(toy.made - made, 3);
    MUST(vss_collection_delete_where(w.col, "number < 60", NULL, &err));
    MUST(vss_collection_compact(w.col, &err));
    assert_int_equal(toy.forgotten - forgotten, 3);
    same_as_cpu(&w, world_request(&w, "toy"));
    world_close(&w);
    assert_int_equal(toy.made, toy.forgotten);
}

static void log_line(void *state, vss_log_level level, const char *line)
{
    *(int *)state += level == VSS_LOG_WARNING && strstr(line, "in place of device \"toy\": toy: toyMalloc: no room");
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
    world_open(&w, VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, false, &options);
    vss_search_request request = world_request(&w, "toy");
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        toy.fails = statuses[i];
        request.device_required = 0;
        assert_int_equal(same_as_cpu(&w, request), 0);
        assert_int_equal(logged, 2 * (i + 1)); /* a segment each */
        request.device_required = 1;
        assert_int_equal(world_refuses(&w, &request, "toy: toyMalloc: no room"), statuses[i]);
    }
    toy.fails = VSS_ERR_INTERNAL; /* is not passed over */
    request.device_required = 0;
    assert_int_equal(world_refuses(&w, &request, "toy: toyMalloc"), VSS_ERR_INTERNAL);
    toy.fails = VSS_OK;
    request.device_required = 1;
    toy.stray = ROWS;
    assert_int_equal(world_refuses(&w, &request, "row 5000 for query 0, of 1000 rows, is not there"), VSS_ERR_DEVICE);
    toy.stray = 3; /* number 3: deleted */
    assert_int_equal(world_refuses(&w, &request, "row 3 for query 0, of 1000 rows, is not allowed"), VSS_ERR_DEVICE);
    toy.stray = 0;
    toy.too_many = K + 100;
    assert_int_equal(world_refuses(&w, &request, "107 rows for query 0"), VSS_ERR_DEVICE);
    toy.too_many = 0;
    toy.most_k = K - 1;
    assert_int_equal(world_refuses(&w, &request, "toy: k is too much"), VSS_ERR_UNSUPPORTED);
    request.device_required = 0;
    assert_int_equal(same_as_cpu(&w, request), 0);
    toy.most_k = 0;
    world_close(&w);
}

static int no_more(void *state, const char *stage, uint64_t done, uint64_t total)
{
    (void)state, (void)stage, (void)done, (void)total;
    return 1;
}

static void test_stopped(void **state)
{
    (void)state;
    world w;
    world_open(&w, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, NULL);
    vss_search_request request = world_request(&w, "toy");
    toy.spends = true;
    request.deadline_ms = 20;
    request.device_required = 1;
    vss_result *result = world_search(&w, &request);
    assert_true(vss_result_flags_get(result) & VSS_RESULT_TRUNCATED);
    vss_result_free(result);
    toy.spends = false;
    request.deadline_ms = 0;
    request.progress = no_more;
    assert_int_equal(world_refuses(&w, &request, "cancelled"), VSS_ERR_CANCELLED);
    world_close(&w);
}

/* Nearest rows by an index, the CPU's and the device's. Where nothing but vectors is compared they are the same; where
 * codes choose, the device's are no farther. */
static void lists_search(const world *w, const char *filter, bool flat)
{
    vss_search_request request = world_request(w, "toy");
    request.device_required = 1;
    request.filter = filter;
    int by_lists = toy.by_lists;
    vss_result *device = world_search(w, &request);
    assert_int_equal(toy.by_lists, by_lists + 1);
    const vss_explain_segment *told = vss_result_explain(device)->segments;
    assert_string_equal(told->device, "toy");
    assert_non_null(strstr(told->index, "ivf"));
    assert_true(told->distances > 0 && told->plan == VSS_PLAN_INDEX);
    request.device = NULL;
    vss_result *cpu = world_search(w, &request);
    if (flat)
        same(device, cpu);
    assert_int_equal(vss_result_rows(device), vss_result_rows(cpu));
    for (size_t i = 0; i < vss_result_rows(cpu); i++)
        assert_true(vss_result_distances(device)[i] <= vss_result_distances(cpu)[i]);
    vss_result_free(device);
    vss_result_free(cpu);
}

static void test_lists(void **state)
{
    (void)state;
    static const char *const types[] = {"ivf_flat", "ivf_sq8", "ivf_rabitq", "ivf_pq"};
    vss_error err;
    world w;
    world_open(&w, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, NULL);
    MUST(vss_collection_compact(w.col, &err));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        vss_search_request request = world_request(&w, "toy");
        MUST(vss_collection_build_index(w.col, NULL, types[i], "nlist=60", NULL, &err));
        MUST(vss_collection_compact(w.col, &err));
        lists_search(&w, NULL, i == 0);
        lists_search(&w, "number < 70", i == 0);
        toy.unsettled = true;
        lists_search(&w, NULL, i == 0);
        toy.unsettled = false;
        request.params = "nprobe=1";
        request.k = 400; /* more than a list has: the rest is scanned */
        assert_int_equal(same_as_cpu(&w, request), 1);
        request = world_request(&w, "toy");
        request.device_required = 1;
        request.params = "refine=0";
        if (i > 0)
            assert_int_equal(world_refuses(&w, &request, "are not searched there with refine=0"), VSS_ERR_UNSUPPORTED);
    }
    world_close(&w);
    assert_int_equal(toy.made, toy.forgotten);
}

/* What a device is asked for and what it isn't. */
static void test_plans(void **state)
{
    (void)state;
    vss_error err;
    world w;
    world_open(&w, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, NULL);
    vss_search_request request = world_request(&w, "cuda"), ranged = world_request(&w, "toy");
    assert_int_equal(world_refuses(&w, &request, "there is no device \"cuda\""), VSS_ERR_DEVICE);
    ranged.range = 1;
    ranged.range_high = 10;
    assert_int_equal(same_as_cpu(&w, ranged), 0);
    ranged.device_required = 1;
    assert_int_equal(world_refuses(&w, &ranged, "within a range"), VSS_ERR_UNSUPPORTED);

    MUST(vss_collection_build_index(w.col, NULL, "flat", "codes=sq8", NULL, &err)); /* seals all rows */
    request = world_request(&w, "toy");
    request.device_required = 1;
    assert_int_equal(same_as_cpu(&w, request), 3);
    MUST(vss_collection_compact(w.col, &err));
    MUST(vss_collection_build_index(w.col, NULL, "hnsw", NULL, NULL, &err));
    int searches = toy.searches;
    request.device_required = 0;
    assert_int_equal(same_as_cpu(&w, request), 0);
    assert_int_equal(toy.searches, searches);
    request.device_required = 1;
    assert_int_equal(world_refuses(&w, &request, "indexes of type hnsw are not searched there"), VSS_ERR_UNSUPPORTED);
    request.params = "exact=1";
    assert_true(same_as_cpu(&w, request) > 0);
    world_close(&w);
}

typedef struct side {
    const world *w;
    const vss_result *wanted;
} side;

static void *side_run(void *arg)
{
    const side *s = arg;
    vss_search_request request = world_request(s->w, "toy");
    request.device_required = 1;
    for (int i = 0; i < 20; i++) {
        vss_result *result = world_search(s->w, &request);
        same(result, s->wanted);
        vss_result_free(result);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    enum { SIDES = 3 };
    pthread_t threads[SIDES];
    world w;
    world_open(&w, VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, true, NULL);
    vss_search_request request = world_request(&w, NULL);
    vss_result *wanted = world_search(&w, &request);
    side s = {&w, wanted};
    int made = toy.made;
    for (int i = 0; i < SIDES; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, side_run, &s), 0);
    for (int i = 0; i < SIDES; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(toy.made - made, 2);
    vss_result_free(wanted);
    world_close(&w);
    assert_int_equal(toy.made, toy.forgotten);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_register), cmocka_unit_test(test_load_refuses), cmocka_unit_test(test_types),
        cmocka_unit_test(test_places),   cmocka_unit_test(test_failures),     cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_plans),    cmocka_unit_test(test_threads),      cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
