/*
 * test_device_build.c - k-means and inverted lists with a device that compares points with centers
 *
 * The device "abacus" compares by plain loops. Up to 256 clusters the CPU compares every point with every center, too:
 * then both must come to the same bytes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../index/codec/pq.h"
#include "../../index/quant/kmeans.h"
#include "../support/maker.h"
#include "../support/tier.h"

enum { ROWS = 12000, SIZE = 24, CLUSTERS = 90, DIM = 24, SEED = 5 };

static struct abacus {
    int calls, made, forgotten;
    int fails_at;      /* the call that fails so, and all later ones; 0: none */
    vss_status fails;
    bool no_center, no_row, no_member; /* spoilt answers */
} abacus;

static uint32_t abacus_distance(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (uint32_t)((a[i] - b[i]) * (a[i] - b[i]));
    return sum;
}

static void abacus_count(const vss_device_points *p, const vss_device_nearest *n, uint64_t row, uint32_t c,
                         uint32_t far, uint32_t *most)
{
    if (n->counts[c]++ == 0 || far > most[c]) {
        most[c] = far;
        n->farthest[c] = (uint32_t)row;
    }
    n->inertias[c] += far;
    for (size_t i = 0; i < p->size; i++)
        n->sums[c * p->size + i] += p->codes[row * p->size + i];
}

static void abacus_row(const vss_device_points *p, const vss_device_nearest *n, uint64_t row, uint32_t *most)
{
    uint32_t best = 0, far = UINT32_MAX;
    for (uint32_t c = 0; c < n->n_centers; c++) {
        uint32_t d = abacus_distance(p->codes + row * p->size, n->centers + (size_t)c * p->size, p->size);
        if (far == UINT32_MAX || (float)d < (float)far) {
            best = c;
            far = d;
        }
    }
    if (n->where != NULL)
        n->where[row] = best;
    if (n->far != NULL)
        n->far[row] = far;
    if (n->counts != NULL)
        abacus_count(p, n, row, best, far, most);
}

static void abacus_spoil(const vss_device_nearest *n, uint64_t rows)
{
    if (abacus.no_center && n->where != NULL)
        n->where[rows - 1] = n->n_centers;
    if (abacus.no_row && n->counts != NULL)
        n->farthest[0] = (uint32_t)rows;
    if (abacus.no_member && n->counts != NULL)
        n->counts[1]++;
}

static vss_status abacus_nearest(void *state, void **place, const vss_device_points *points,
                                 const vss_device_nearest *n, vss_error *err)
{
    assert_ptr_equal(state, &abacus);
    abacus.calls++;
    if (*place == NULL) {
        *place = malloc(sizeof points->codes);
        memcpy(*place, &points->codes, sizeof points->codes);
        abacus.made++;
    }
    assert_memory_equal(*place, &points->codes, sizeof points->codes);
    if (abacus.fails_at != 0 && abacus.calls >= abacus.fails_at)
        return maker_fail(err, abacus.fails, "abacus: a bead is missing");
    uint32_t *most = calloc(n->n_centers, sizeof *most);
    if (n->counts != NULL) {
        memset(n->counts, 0, n->n_centers * sizeof *n->counts);
        memset(n->inertias, 0, n->n_centers * sizeof *n->inertias);
        memset(n->sums, 0, (size_t)n->n_centers * points->size * sizeof *n->sums);
    }
    for (uint64_t row = 0; row < points->rows; row++)
        abacus_row(points, n, row, most);
    free(most);
    abacus_spoil(n, points->rows);
    return n->stopped(n->state) ? maker_fail(err, VSS_ERR_CANCELLED, "abacus: stopped") : VSS_OK;
}

static void abacus_forget(void *state, void *place)
{
    assert_ptr_equal(state, &abacus);
    abacus.forgotten++;
    free(place);
}

static vss_status abacus_takes(void *state, const vss_device_vectors *vectors, uint32_t k, vss_error *err)
{
    (void)state, (void)vectors, (void)k;
    return maker_fail(err, VSS_ERR_UNSUPPORTED, "abacus: no vectors");
}

static vss_status abacus_search(void *state, void **place, const vss_device_vectors *vectors,
                                const vss_device_search *search, const vss_device_hits *hits, vss_error *err)
{
    (void)state, (void)place, (void)vectors, (void)search, (void)hits;
    return maker_fail(err, VSS_ERR_DEVICE, "abacus: asked for what it refused");
}

static const vss_device abacus_device = {
    .struct_size = sizeof abacus_device, .abi = VSS_DEVICE_ABI, .name = "abacus", .description = "beads",
    .state = &abacus, .takes = abacus_takes, .search = abacus_search, .nearest = abacus_nearest,
    .forget = abacus_forget,
};

static int set_up(void **state)
{
    (void)state;
    return vss_device_register(&abacus_device, NULL) != VSS_OK;
}

static int begin(void **state)
{
    (void)state;
    abacus = (struct abacus){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    return abacus.made != abacus.forgotten;
}

/* Points around a few places, or few different ones. */
static uint8_t *points_made(bool few)
{
    uint8_t *codes = malloc((size_t)ROWS * SIZE);
    maker_random r = {17};
    for (size_t i = 0; i < (size_t)ROWS * SIZE; i++)
        codes[i] = (uint8_t)(few ? i / SIZE % 40 * 3 : (i / SIZE % 30) * 5 + maker_next(&r) % 60);
    return codes;
}

typedef struct trained {
    vss_status status;
    double inertia;
    uint8_t centers[CLUSTERS * SIZE];
    uint32_t where[ROWS];
    float far[ROWS];
} trained;

static trained *train(const uint8_t *codes, vssi_device_use *use, size_t threads, vss_error *err)
{
    vssi_heap heap;
    vssi_heap_init(&heap, NULL, 0);
    vssi_kmeans job = {.heap = &heap, .threads = threads, .codes = codes, .rows = ROWS, .size = SIZE,
                       .clusters = CLUSTERS, .rounds = 6, .helpings = 4, .seed = SEED, .device = use};
    trained *t = calloc(1, sizeof *t);
    t->status = vssi_kmeans_train(&job, t->centers, &t->inertia, err);
    if (t->status == VSS_OK)
        t->status = vssi_kmeans_assign(&job, t->centers, t->where, t->far, err);
    assert_true(heap.used == 0);
    return t;
}

static void same(const trained *a, const trained *b)
{
    assert_int_equal(a->status, VSS_OK);
    assert_int_equal(b->status, VSS_OK);
    assert_true(a->inertia == b->inertia);
    assert_memory_equal(a->centers, b->centers, sizeof a->centers);
    assert_memory_equal(a->where, b->where, sizeof a->where);
    assert_memory_equal(a->far, b->far, sizeof a->far);
}

static void test_same_centers(void **state)
{
    (void)state;
    vss_error err;
    for (int few = 0; few < 2; few++) {
        uint8_t *codes = points_made(few != 0);
        vssi_device_use use = {.device = &abacus_device, .required = true};
        trained *cpu = train(codes, NULL, 2, &err), *device = train(codes, &use, 1, &err);
        same(cpu, device);
        assert_int_equal(use.failed.status, VSS_OK);
        free(cpu);
        free(device);
        free(codes);
    }
    assert_true(abacus.calls > 10);
    assert_int_equal(abacus.made, 4); /* a place a training, one an assignment */
}

/* Whatever call fails, the CPU goes on from there and comes to the same. */
static void test_failures(void **state)
{
    (void)state;
    static const vss_status statuses[] = {VSS_ERR_DEVICE, VSS_ERR_NO_MEMORY, VSS_ERR_BUDGET, VSS_ERR_UNSUPPORTED};
    vss_error err;
    uint8_t *codes = points_made(false);
    vssi_device_use whole = {.device = &abacus_device};
    trained *wanted = train(codes, &whole, 1, &err);
    int calls = abacus.calls;
    for (int at = 1; at <= calls; at += tier_brief() ? 4 : 1) {
        vssi_device_use use = {.device = &abacus_device};
        abacus.calls = 0;
        abacus.fails_at = at;
        abacus.fails = statuses[(at + at / 4) % 4];
        trained *t = train(codes, &use, 2, &err);
        same(wanted, t);
        assert_int_equal(abacus.calls, at); /* not asked again */
        assert_string_equal(use.failed.message, "abacus: a bead is missing");
        free(t);
        use = (vssi_device_use){.device = &abacus_device, .required = true};
        abacus.calls = 0;
        t = train(codes, &use, 1, &err);
        assert_int_equal(t->status, statuses[(at + at / 4) % 4]);
        assert_string_equal(err.message, "abacus: a bead is missing");
        free(t);
    }
    free(wanted);
    free(codes);
}

static void spoilt(bool *how, const uint8_t *codes, const char *says)
{
    vss_error err;
    vssi_device_use use = {.device = &abacus_device, .required = true};
    *how = true;
    trained *t = train(codes, &use, 1, &err);
    assert_int_equal(t->status, VSS_ERR_DEVICE);
    assert_non_null(strstr(err.message, says));
    *how = false;
    free(t);
}

static void test_answers(void **state)
{
    (void)state;
    uint8_t *codes = points_made(false);
    spoilt(&abacus.no_center, codes, "point 11999 is nearest to center 90 of 90");
    spoilt(&abacus.no_row, codes, "the farthest point of center 0 is 12000 of 12000");
    spoilt(&abacus.no_member, codes, "12001 points are nearest to some center, of 12000");
    free(codes);
}

/* Codewords trained with the device, by runs of one thread, as the device here counts its calls. */
static vss_status words_of(const uint8_t *codes, vssi_device_use *use, float *words, vss_error *err)
{
    static const uint8_t centers[SIZE];
    static const uint32_t where[ROWS];
    vssi_heap heap;
    vssi_heap_init(&heap, NULL, 0);
    const vssi_pq pq = {.width = 16, .subs = 2, .bits = 8, .words = words};
    const vssi_pq_job job = {.heap = &heap, .threads = 1, .codes = codes, .centers = centers, .where = where,
                             .rows = ROWS, .size = SIZE, .step = 0.25f, .device = use};
    vss_status status = vssi_pq_train(&job, &pq, words, err);
    assert_true(heap.used == 0);
    return status;
}

static void test_words(void **state)
{
    (void)state;
    enum { WORDS = 16 * 256 };
    vss_error err;
    uint8_t *codes = points_made(false);
    float *cpu = malloc(2 * WORDS * sizeof *cpu), *device = cpu + WORDS;
    vssi_device_use use = {.device = &abacus_device, .required = true};
    MUST(words_of(codes, NULL, cpu, &err));
    MUST(words_of(codes, &use, device, &err));
    assert_memory_equal(cpu, device, WORDS * sizeof *cpu);
    assert_true(abacus.calls > 6);
    const int middle = abacus.calls / 2;
    abacus.fails = VSS_ERR_BUDGET;
    abacus.fails_at = abacus.calls + middle;
    use.required = false;
    MUST(words_of(codes, &use, device, &err));
    assert_memory_equal(cpu, device, WORDS * sizeof *cpu);
    assert_int_equal(abacus.calls, abacus.fails_at); /* not asked again, by no run */
    assert_string_equal(use.failed.message, "abacus: a bead is missing");
    use = (vssi_device_use){.device = &abacus_device, .required = true};
    assert_int_equal(words_of(codes, &use, device, &err), VSS_ERR_BUDGET);
    assert_string_equal(err.message, "abacus: a bead is missing");
    free(cpu);
    free(codes);
}

static vss_collection *rows_of(vss_db *db)
{
    maker_random r = {3};
    float *vectors = malloc(sizeof(float) * ROWS * DIM);
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_vectors(&r, vectors, ROWS, DIM, false);
    maker_insert(col, vectors, ROWS, DIM, 0, 1);
    free(vectors);
    return col;
}

static vss_result *found(vss_collection *col)
{
    enum { QUERIES = 40 };
    vss_error err;
    vss_result *result;
    maker_random r = {8};
    float queries[QUERIES * DIM];
    vss_search_request request = VSS_INIT(vss_search_request);
    maker_vectors(&r, queries, QUERIES, DIM, false);
    request.queries = queries;
    request.n_queries = QUERIES;
    request.dim = DIM;
    request.k = 10;
    MUST(vss_collection_search(col, &request, &result, &err));
    return result;
}

/* The lists that a device has helped to build, and those of the CPU alone, answer alike. */
static void lists_case(const char *type)
{
    vss_error err;
    vss_db *dbs[2];
    vss_result *results[2];
    vss_build_options options = VSS_INIT(vss_build_options);
    int calls = abacus.calls;
    for (int i = 0; i < 2; i++) {
        MUST(vss_db_open("mem:", NULL, &dbs[i], &err));
        vss_collection *col = rows_of(dbs[i]);
        options.device = i == 0 ? "cpu" : "abacus";
        options.device_required = i;
        MUST(vss_collection_build_index(col, NULL, type, "nlist=100", &options, &err));
        results[i] = found(col);
    }
    assert_true(abacus.calls > calls);
    size_t n = vss_result_rows(results[0]);
    assert_int_equal(n, vss_result_rows(results[1]));
    assert_memory_equal(vss_result_distances(results[0]), vss_result_distances(results[1]), n * sizeof(float));
    for (int i = 0; i < 2; i++) {
        vss_result_free(results[i]);
        MUST(vss_db_close(dbs[i], &err));
    }
}

static void log_line(void *state, vss_log_level level, const char *line)
{
    *(int *)state += level == VSS_LOG_WARNING && strstr(line, "in place of device \"abacus\": abacus: a bead");
}

static void test_lists(void **state)
{
    (void)state;
    lists_case("ivf_flat");
    lists_case("ivf_sq8");
    lists_case("ivf_rabitq");
    lists_case("ivf_pq");
}

static void test_builds(void **state)
{
    (void)state;
    int logged = 0;
    vss_error err;
    vss_db *db;
    vss_db_options open = VSS_INIT(vss_db_options);
    vss_build_options options = VSS_INIT(vss_build_options);
    open.log = log_line;
    open.log_state = &logged;
    MUST(vss_db_open("mem:", &open, &db, &err));
    vss_collection *col = rows_of(db);
    options.device = "cuda";
    assert_int_equal(vss_collection_build_index(col, NULL, "ivf_flat", NULL, &options, &err), VSS_ERR_DEVICE);
    assert_non_null(strstr(err.message, "there is no device \"cuda\""));
    options.device = "abacus";
    options.device_required = 1;
    assert_int_equal(vss_collection_build_index(col, NULL, "hnsw", NULL, &options, &err), VSS_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "indexes of type hnsw are not built there"));
    abacus.fails_at = 1;
    abacus.fails = VSS_ERR_DEVICE;
    assert_int_equal(vss_collection_build_index(col, NULL, "ivf_flat", NULL, &options, &err), VSS_ERR_DEVICE);
    assert_string_equal(err.message, "abacus: a bead is missing");
    options.device_required = 0;
    MUST(vss_collection_build_index(col, NULL, "ivf_flat", NULL, &options, &err));
    assert_int_equal(logged, 1);
    MUST(vss_collection_build_index(col, NULL, "hnsw", NULL, &options, &err));
    assert_int_equal(logged, 1);
    MUST(vss_db_close(db, &err));
}

static int no_more(void *state, const char *stage, uint64_t done, uint64_t total)
{
    (void)state, (void)total;
    return strcmp(stage, "clusters") == 0 && done > 0;
}

static void test_cancel(void **state)
{
    (void)state;
    vss_error err;
    vss_db *db;
    vss_build_options options = VSS_INIT(vss_build_options);
    MUST(vss_db_open("mem:", NULL, &db, &err));
    vss_collection *col = rows_of(db);
    options.device = "abacus";
    options.device_required = 1;
    options.progress = no_more;
    assert_int_equal(vss_collection_build_index(col, NULL, "ivf_flat", NULL, &options, &err), VSS_ERR_CANCELLED);
    MUST(vss_db_close(db, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_centers, begin, end),
        cmocka_unit_test_setup_teardown(test_failures, begin, end),
        cmocka_unit_test_setup_teardown(test_answers, begin, end),
        cmocka_unit_test_setup_teardown(test_words, begin, end),
        cmocka_unit_test_setup_teardown(test_lists, begin, end),
        cmocka_unit_test_setup_teardown(test_builds, begin, end),
        cmocka_unit_test_setup_teardown(test_cancel, begin, end),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
