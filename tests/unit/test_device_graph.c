/*
 * test_device_graph.c - graphs built with a device are, byte for byte, those of the CPU
 *
 * The device "loom" compares by plain loops. It fails or lies at any call that it is told to, as threads come: tests
 * that count its calls build on one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../../index/device/device_use.h"
#include "../../index/index_ops.h"
#include "../../lib/base/parallel.h"
#include "../support/maker.h"
#include "../support/tier.h"

/* What an answer is spoilt with. */
enum lie { LIE_NONE, LIE_BEYOND, LIE_SELF, LIE_MISSING, LIE_EXTRA, LIE_LINK, LIE_OWN_LINK, LIE_LINKS };

static struct loom {
    size_t calls, meetings, prunings, first_prune, made, forgotten;
    size_t fails_at;      /* the call that fails so; 0: none */
    vss_status fails;
    bool mute;            /* and does not say why */
    enum lie lie;
    size_t lies_at;       /* the call */
    size_t leaves;        /* every so many rows to the CPU; 0: none */
    vssi_control *stop;   /* set in a call, if it is there */
} loom;

static vssi_mutex loom_mutex = PTHREAD_MUTEX_INITIALIZER;

static float loom_distance(const vss_device_points *p, uint32_t a, uint32_t b)
{
    const uint8_t *left = p->codes + (size_t)a * p->size, *right = p->codes + (size_t)b * p->size;
    uint32_t sum = 0;
    for (size_t i = 0; i < p->size; i++)
        sum += (uint32_t)((left[i] - right[i]) * (left[i] - right[i]));
    return (float)sum;
}

static uint32_t loom_bits(float distance)
{
    uint32_t bits;
    memcpy(&bits, &distance, sizeof bits);
    return bits >> 9;
}

static void loom_member(const vss_device_points *p, const uint32_t *met, size_t n, uint32_t member, size_t self,
                        size_t keep, uint16_t *answer)
{
    uint32_t bits[VSS_DEVICE_KEEP]; /* of the answer so far */
    size_t have = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t here = i != self ? loom_bits(loom_distance(p, member, met[i])) : UINT32_MAX;
        if (i == self || (have == keep && here >= bits[keep - 1]))
            continue;
        size_t at = have < keep ? have++ : keep - 1;
        for (; at > 0 && bits[at - 1] > here; at--) {
            bits[at] = bits[at - 1];
            answer[at] = answer[at - 1];
        }
        bits[at] = here;
        answer[at] = (uint16_t)i;
    }
    while (have < keep)
        answer[have++] = VSS_DEVICE_NONE;
}

static void loom_group(const vss_device_points *p, const vss_device_neighbors *n, size_t g)
{
    const size_t first = n->begins[g], members = n->begins[g + 1] - first;
    const bool pivots = n->pivot_begins != NULL;
    const uint32_t *met = pivots ? n->pivots + n->pivot_begins[g] : n->members + first;
    const size_t n_met = pivots ? n->pivot_begins[g + 1] - n->pivot_begins[g] : members;
    assert_true(members <= VSS_DEVICE_MET && n_met <= VSS_DEVICE_MET);
    for (size_t i = 0; i < members; i++) {
        assert_true(n->members[first + i] < p->rows);
        loom_member(p, met, n_met, n->members[first + i], pivots ? SIZE_MAX : i, n->keep,
                    n->answer + (first + i) * n->keep);
    }
}

/* Spoil the last answer of the last group that meets itself. */
static void loom_spoil(const vss_device_neighbors *n)
{
    const size_t last = n->n_groups - 1, members = n->begins[last + 1] - n->begins[last];
    uint16_t *answer = n->answer + (n->begins[last + 1] - 1) * n->keep;
    if (loom.lie == LIE_BEYOND)
        answer[0] = (uint16_t)VSS_DEVICE_MET;
    if (loom.lie == LIE_SELF)
        answer[0] = (uint16_t)(members - 1);
    if (loom.lie == LIE_MISSING)
        answer[0] = VSS_DEVICE_NONE;
    if (loom.lie == LIE_EXTRA)
        answer[n->keep - 1] = 0;
}

/* Every call begins here and gets its number. The place is made of where the points lie. */
static vss_status loom_begin(void *state, void **place, const vss_device_points *points, bool prunes, size_t *call,
                             vss_error *err)
{
    assert_ptr_equal(state, &loom);
    vssi_mutex_lock(&loom_mutex);
    *call = ++loom.calls;
    loom.meetings += !prunes;
    loom.prunings += prunes;
    if (prunes && loom.first_prune == 0)
        loom.first_prune = *call;
    if (*place == NULL) {
        *place = malloc(sizeof points->codes);
        memcpy(*place, &points->codes, sizeof points->codes);
        loom.made++;
    }
    assert_memory_equal(*place, &points->codes, sizeof points->codes);
    vssi_mutex_unlock(&loom_mutex);
    if (*call != loom.fails_at)
        return VSS_OK;
    return loom.mute ? loom.fails : maker_fail(err, loom.fails, "loom: a thread is torn");
}

static vss_status loom_end(int (*stopped)(void *), void *control, vss_error *err)
{
    if (loom.stop != NULL)
        atomic_store(&loom.stop->stop, VSS_ERR_CANCELLED);
    return stopped(control) ? maker_fail(err, VSS_ERR_CANCELLED, "loom: stopped") : VSS_OK;
}

static vss_status loom_neighbors(void *state, void **place, const vss_device_points *points,
                                 const vss_device_neighbors *n, vss_error *err)
{
    size_t call;
    vss_status status = loom_begin(state, place, points, false, &call, err);
    if (status != VSS_OK)
        return status;
    for (size_t g = 0; g < n->n_groups; g++)
        loom_group(points, n, g);
    if (call == loom.lies_at)
        loom_spoil(n);
    return loom_end(n->stopped, n->state, err);
}

typedef struct loom_candidate {
    uint32_t point, order;
    float far;
} loom_candidate;

/* By order, then by point or as they came. */
static void loom_sort(loom_candidate *c, size_t n, bool by_point)
{
    for (size_t i = 1; i < n; i++) {
        loom_candidate moving = c[i];
        size_t at = i;
        for (; at > 0 && (c[at - 1].order > moving.order ||
                          (by_point && c[at - 1].order == moving.order && c[at - 1].point > moving.point)); at--)
            c[at] = c[at - 1];
        c[at] = moving;
    }
}

/* The row's candidates in the order in which they are looked at. Returns how many. */
static size_t loom_candidates(const vss_device_points *p, const vss_device_prune *job, size_t row, loom_candidate *c)
{
    size_t n = 0;
    for (uint64_t i = job->begins[row]; i < job->begins[row + 1]; i++) {
        const uint32_t point = job->candidates[i];
        bool counts = point != VSS_DEVICE_FREE && point != job->rows[row];
        for (size_t j = 0; counts && j < n; j++)
            counts = c[j].point != point;
        if (counts)
            c[n++] = (loom_candidate){point, 0, loom_distance(p, job->rows[row], point)};
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(&c[i].order, &c[i].far, sizeof c[i].order);
        c[i].order = n <= 128 ? c[i].order >> 9 : c[i].order;
    }
    loom_sort(c, n, n > 128);
    return n < job->most ? n : job->most;
}

static void loom_row(const vss_device_points *p, const vss_device_prune *job, size_t row)
{
    loom_candidate *c = malloc((job->begins[row + 1] - job->begins[row] + 1) * sizeof *c);
    uint32_t *links = job->links + row * job->degree, n = 0;
    size_t candidates = loom_candidates(p, job, row, c);
    for (size_t i = 0; i < candidates && n < job->degree; i++) {
        bool passed = false;
        for (uint32_t l = 0; l < n && !passed && job->factor < INFINITY; l++)
            passed = job->factor * loom_distance(p, links[l], c[i].point) < c[i].far;
        if (!passed)
            links[n++] = c[i].point;
    }
    job->counts[row] = loom.leaves != 0 && row % loom.leaves == 0 ? VSS_DEVICE_UNSETTLED : n;
    free(c);
}

static vss_status loom_prune(void *state, void **place, const vss_device_points *points, const vss_device_prune *job,
                             vss_error *err)
{
    size_t call;
    vss_status status = loom_begin(state, place, points, true, &call, err);
    if (status != VSS_OK)
        return status;
    assert_true(job->most >= 1 && job->most <= VSS_DEVICE_MET && job->degree >= 1 && job->degree <= VSS_DEVICE_MET);
    for (size_t row = 0; row < job->n_rows; row++)
        loom_row(points, job, row);
    if (call == loom.lies_at && loom.lie == LIE_LINK)
        job->links[0] = (uint32_t)points->rows;
    if (call == loom.lies_at && loom.lie == LIE_OWN_LINK)
        job->links[0] = job->rows[0];
    if (call == loom.lies_at && loom.lie == LIE_LINKS)
        job->counts[0] = job->degree + 1;
    return loom_end(job->stopped, job->state, err);
}

static void loom_forget(void *state, void *place)
{
    assert_ptr_equal(state, &loom);
    loom.forgotten++;
    free(place);
}

static vss_status loom_takes(void *state, const vss_device_vectors *vectors, uint32_t k, vss_error *err)
{
    (void)state, (void)vectors, (void)k;
    return maker_fail(err, VSS_ERR_UNSUPPORTED, "loom: no vectors");
}

static vss_status loom_search(void *state, void **place, const vss_device_vectors *vectors,
                              const vss_device_search *search, const vss_device_hits *hits, vss_error *err)
{
    (void)state, (void)place, (void)vectors, (void)search, (void)hits;
    return maker_fail(err, VSS_ERR_DEVICE, "loom: asked for what it refused");
}

static const vss_device loom_device = {
    .struct_size = sizeof loom_device, .abi = VSS_DEVICE_ABI, .name = "loom", .description = "threads",
    .state = &loom, .takes = loom_takes, .search = loom_search, .neighbors = loom_neighbors,
    .prune = loom_prune, .forget = loom_forget,
};

static int set_up(void **state)
{
    (void)state;
    return vss_device_register(&loom_device, NULL) != VSS_OK;
}

static int begin(void **state)
{
    (void)state;
    loom = (struct loom){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    return loom.made != loom.forgotten;
}

typedef struct graph_case {
    size_t rows;
    uint32_t dim;
    vss_type type;
    vss_metric metric;
    bool coarse; /* equal rows and many equal distances */
    const char *params;
} graph_case;

typedef struct graph_rows {
    vssi_vectors vectors;
    void *data;
    float *inverse;
} graph_rows;

static graph_rows rows_made(const graph_case *c)
{
    size_t size = maker_size(c->type, c->dim);
    graph_rows r = {.data = malloc(c->rows * size), .inverse = malloc(c->rows * sizeof(float))};
    double *wide = malloc(c->dim * sizeof *wide);
    maker_random random = {c->rows + c->dim};
    maker_typed(&random, r.data, c->rows, c->type, c->dim, c->coarse);
    r.vectors = (vssi_vectors){.rows = c->rows, .dim = c->dim, .type = c->type, .metric = c->metric, .data = r.data,
                               .inverse_norms = r.inverse};
    for (size_t i = 0; i < c->rows; i++) {
        double norm = 0;
        maker_widen(c->type, (const char *)r.data + i * size, 1, c->dim, wide);
        for (size_t j = 0; j < c->dim; j++)
            norm += wide[j] * wide[j];
        r.inverse[i] = (float)(1 / sqrt(norm));
        r.vectors.max_norm = fmax(r.vectors.max_norm, sqrt(norm) * 1.000001);
    }
    vssi_vectors_bind(&r.vectors);
    free(wide);
    return r;
}

static void rows_free(graph_rows *r)
{
    free(r->data);
    free(r->inverse);
}

static vss_status build(const graph_case *c, const graph_rows *r, vssi_device_use *use, size_t threads,
                        vssi_control *control, vssi_heap *heap, vssi_image *image, vss_error *err)
{
    const vssi_index_ops *ops = vssi_index_type_find("hnsw");
    uint64_t params[16];
    vss_error wrong;
    if (vssi_param_parse("build", ops->params, ops->n_params, false, c->params, params, &wrong) != VSS_OK)
        fail_msg("%s", wrong.message);
    vssi_heap_init(heap, NULL, 0);
    const vssi_build job = {.heap = heap, .vectors = &r->vectors, .params = params, .threads = threads,
                            .control = control, .device = use};
    vss_status status = ops->build(&job, image, err);
    if (status != VSS_OK)
        assert_true(heap->used == 0);
    return status;
}

static void same_images(const graph_case *c, const vssi_image *a, const vssi_image *b)
{
    assert_int_equal(a->n_blocks, b->n_blocks);
    for (size_t i = 0; i < a->n_blocks; i++) {
        assert_int_equal(a->blocks[i].count, b->blocks[i].count);
        if (memcmp(a->blocks[i].data, b->blocks[i].data, a->blocks[i].count * a->blocks[i].element) != 0)
            fail_msg("block %zu of %zu rows of %u components, %s, differs", i, c->rows, c->dim, c->params);
    }
}

/* The CPU's graph, and the one that `use` has helped with. */
static void expect_same(const graph_case *c, const graph_rows *r, vssi_device_use *use, size_t threads)
{
    vssi_heap heaps[2];
    vssi_image images[2];
    vss_error err;
    MUST(build(c, r, NULL, 2, NULL, &heaps[0], &images[0], &err));
    MUST(build(c, r, use, threads, NULL, &heaps[1], &images[1], &err));
    same_images(c, &images[0], &images[1]);
    for (int i = 0; i < 2; i++) {
        vssi_image_free(&heaps[i], &images[i]);
        assert_true(heaps[i].used == 0);
    }
}

static void test_same_bytes(void **state)
{
    (void)state;
    static const graph_case cases[] = {
        {5000, 24, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, "m=16,ef_construction=200"},
        {1, 8, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, "codes=sq8"},
        {2, 8, VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, false, ""},
        {30, 9, VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, true, "m=3"},
        {700, 4, VSS_TYPE_VECTOR_F32, VSS_METRIC_IP, false, "m=4,ef_construction=30,codes=sq8"},
        {3000, 17, VSS_TYPE_VECTOR_F16, VSS_METRIC_COSINE, false, "m=8,ef_construction=120,codes=sq8"},
        {3000, 12, VSS_TYPE_VECTOR_I8, VSS_METRIC_L2, true, "m=8,ef_construction=150"},
        {2500, 33, VSS_TYPE_VECTOR_BF16, VSS_METRIC_IP, true, "m=16,ef_construction=100"},
        {3000, 64, VSS_TYPE_VECTOR_BINARY, VSS_METRIC_HAMMING, false, "m=8,ef_construction=100"},
        {1500, 20, VSS_TYPE_VECTOR_BF16, VSS_METRIC_L2, true, "m=2,ef_construction=400,codes=sq4"},
        {900, 900, VSS_TYPE_VECTOR_F32, VSS_METRIC_COSINE, false, "m=24,ef_construction=60,codes=sq8"},
        {900, 8, VSS_TYPE_VECTOR_F16, VSS_METRIC_L2, false, "m=3,ef_construction=700,codes=sq8"},
        {4000, 6, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, "m=64,ef_construction=700,codes=f16"},
        {90000, 4, VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, false, "m=4,ef_construction=20"}, /* parts, cells of cells */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (tier_brief() && cases[i].rows * cases[i].dim > 10000)
            continue;
        graph_rows r = rows_made(&cases[i]);
        vssi_device_use use = {.device = &loom_device, .required = true};
        loom.meetings = loom.prunings = 0;
        loom.leaves = i % 4 * 3; /* none, or every so many rows */
        expect_same(&cases[i], &r, &use, 1 + i % 3);
        assert_int_equal(use.failed.status, VSS_OK);
        assert_true(loom.meetings > 0 && loom.prunings > 0);
        rows_free(&r);
    }
}

static const graph_case few = {700, 4, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, "m=6,ef_construction=100,codes=sq8"};

/* Whatever call fails, the CPU goes on from there and comes to the same; or, where it must not, the build fails. */
static void test_failures(void **state)
{
    (void)state;
    static const vss_status statuses[] = {VSS_ERR_DEVICE, VSS_ERR_NO_MEMORY, VSS_ERR_BUDGET, VSS_ERR_UNSUPPORTED};
    graph_rows r = rows_made(&few);
    vssi_device_use use = {.device = &loom_device, .required = true};
    expect_same(&few, &r, &use, 1);
    size_t calls = loom.calls;
    assert_true(calls >= 8);
    for (size_t at = 1; at <= calls; at += tier_brief() ? 5 : 1) {
        vssi_heap heap;
        vssi_image image;
        vss_error err;
        loom.calls = 0;
        loom.fails_at = at;
        loom.fails = statuses[at % 4];
        use = (vssi_device_use){.device = &loom_device};
        expect_same(&few, &r, &use, 1);
        assert_int_equal(loom.calls, at); /* not asked again */
        assert_string_equal(use.failed.message, "loom: a thread is torn");
        loom.calls = 0;
        use = (vssi_device_use){.device = &loom_device, .required = true};
        assert_int_equal(build(&few, &r, &use, 1 + at % 3, NULL, &heap, &image, &err), loom.fails);
        assert_string_equal(err.message, "loom: a thread is torn");
        loom.calls = 0;
        use = (vssi_device_use){.device = &loom_device};
        if (at % 3 == 0)
            expect_same(&few, &r, &use, 3); /* while other threads ask */
        /* What the CPU can't make up for is the build's failure either way. */
        loom.calls = 0;
        loom.fails = VSS_ERR_INTERNAL;
        use = (vssi_device_use){.device = &loom_device};
        assert_int_equal(build(&few, &r, &use, 1, NULL, &heap, &image, &err), VSS_ERR_INTERNAL);
    }
    rows_free(&r);
}

/* A device that fails without a line has failed all the same. */
static void test_failures_without_a_word(void **state)
{
    (void)state;
    const char *says = "device \"loom\": it failed and has not said why";
    graph_rows r = rows_made(&few);
    loom.mute = true;
    for (size_t at = 1; at <= 8; at++) { /* of the calls that test_failures counts */
        vssi_heap heap;
        vssi_image image;
        vss_error err;
        loom.calls = 0;
        loom.fails_at = at;
        loom.fails = VSS_ERR_BUDGET;
        vssi_device_use use = {.device = &loom_device};
        expect_same(&few, &r, &use, 1);
        assert_string_equal(use.failed.message, says);
        use = (vssi_device_use){.device = &loom_device, .required = true};
        loom.calls = 0;
        assert_int_equal(build(&few, &r, &use, 1, NULL, &heap, &image, &err), VSS_ERR_BUDGET);
        assert_string_equal(err.message, says);
    }
    rows_free(&r);
}

static void lie(const graph_case *c, const graph_rows *r, enum lie how, size_t at, const char *says)
{
    vssi_heap heap;
    vssi_image image;
    vss_error err;
    vssi_device_use use = {.device = &loom_device, .required = true};
    loom = (struct loom){.made = loom.made, .forgotten = loom.forgotten, .lie = how, .lies_at = at};
    assert_int_equal(build(c, r, &use, 1, NULL, &heap, &image, &err), VSS_ERR_DEVICE);
    if (strstr(err.message, says) == NULL)
        fail_msg("%s: does not say %s", err.message, says);
    loom.calls = 0;
    use.required = false;
    expect_same(c, r, &use, 1);
    assert_non_null(strstr(use.failed.message, says));
}

/* An answer that can't be right is a failure of the device, in every call. */
static void test_answers(void **state)
{
    (void)state;
    static const graph_case six = {6, 8, VSS_TYPE_VECTOR_U8, VSS_METRIC_L2, false, "m=3"};
    graph_rows r = rows_made(&few), small = rows_made(&six);
    vssi_device_use use = {.device = &loom_device, .required = true};
    expect_same(&few, &r, &use, 1);
    const size_t narrow = loom.first_prune, reverse = loom.calls;
    lie(&few, &r, LIE_BEYOND, 1, "keeps points that it has not met"); /* pivots */
    lie(&few, &r, LIE_MISSING, 1, "keeps points that it has not met");
    lie(&few, &r, LIE_BEYOND, 2, "keeps points that it has not met");
    /* Six rows are one leaf: the first call. */
    lie(&six, &small, LIE_BEYOND, 1, "member 5 of a group of 6 keeps points that it has not met");
    lie(&six, &small, LIE_SELF, 1, "member 5 of a group of 6 keeps points that it has not met");
    lie(&six, &small, LIE_MISSING, 1, "member 5 of a group of 6 keeps points that it has not met");
    /* Fewer are met than are kept. */
    lie(&six, &small, LIE_EXTRA, 1, "member 5 of a group of 6 keeps points that it has not met");
    /* The second call keeps the nearest candidates. */
    lie(&six, &small, LIE_LINK, 2, "row 0 has 5 links, wanted 8 at most, to other rows of 6");
    lie(&six, &small, LIE_OWN_LINK, 2, "row 0 has ");
    lie(&six, &small, LIE_LINKS, 2, "row 0 has 9 links");
    lie(&few, &r, LIE_LINKS, narrow, "links, wanted 12 at most");
    lie(&few, &r, LIE_LINK, reverse, "links, wanted 12 at most");
    rows_free(&r);
    rows_free(&small);
}

static void test_stopped(void **state)
{
    (void)state;
    graph_rows r = rows_made(&few);
    for (int required = 0; required < 2; required++) {
        vssi_heap heap;
        vssi_image image;
        vss_error err;
        vssi_control control;
        vssi_device_use use = {.device = &loom_device, .required = required != 0};
        vssi_control_init(&control, 0, NULL, NULL);
        loom.stop = &control;
        assert_int_equal(build(&few, &r, &use, 1, &control, &heap, &image, &err), VSS_ERR_CANCELLED);
        assert_string_equal(err.message, "index build: cancelled by the caller");
        assert_int_equal(use.failed.status, VSS_OK);
        vssi_control_destroy(&control);
    }
    assert_int_equal(loom.calls, 2);
    rows_free(&r);
}

/* Builds that compare float32 have no codes that a device could be given. */
static void test_floats(void **state)
{
    (void)state;
    static const graph_case floats = {600, 12, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, false, "codes=none,m=8"};
    vssi_heap heap;
    vssi_image image;
    vss_error err;
    graph_rows r = rows_made(&floats);
    vssi_device_use use = {.device = &loom_device, .required = true};
    assert_int_equal(build(&floats, &r, &use, 1, NULL, &heap, &image, &err), VSS_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "device \"loom\": graphs whose vectors are compared as float32, not by codes, "
                                     "are not built there");
    use.required = false;
    expect_same(&floats, &r, &use, 1);
    assert_non_null(strstr(use.failed.message, "compared as float32"));
    assert_int_equal(loom.calls, 0);
    rows_free(&r);
}

static void log_line(void *state, vss_log_level level, const char *line)
{
    *(int *)state += level == VSS_LOG_WARNING && strstr(line, "in place of device \"loom\": loom: a thread") != NULL;
}

/* Through the public functions: two segments, what is asked for, what is logged. */
static void test_builds(void **state)
{
    (void)state;
    enum { ROWS = 9000, DIM = 8 };
    static const char params[] = "m=8,codes=sq8,ef_construction=30", others[] = "m=9,codes=sq8,ef_construction=30";
    int logged = 0;
    vss_error err;
    vss_db *db;
    vss_db_options open = VSS_INIT(vss_db_options);
    vss_build_options options = VSS_INIT(vss_build_options);
    maker_random random = {3};
    float *vectors = malloc(sizeof(float) * ROWS * DIM);
    open.log = log_line;
    open.log_state = &logged;
    MUST(vss_db_open("mem:", &open, &db, &err));
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_vectors(&random, vectors, ROWS, DIM, false);
    for (int half = 0; half < 2; half++) {
        maker_insert(col, vectors + half * (ROWS / 2) * DIM, ROWS / 2, DIM, half * ROWS, 1);
        MUST(vss_collection_flush(col, &err));
    }
    options.device = "loom";
    options.device_required = 1;
    loom.fails_at = 3;
    loom.fails = VSS_ERR_DEVICE;
    assert_int_equal(vss_collection_build_index(col, NULL, "hnsw", params, &options, &err), VSS_ERR_DEVICE);
    assert_string_equal(err.message, "loom: a thread is torn");
    MUST(vss_collection_build_index(col, NULL, "hnsw", params, &options, &err));
    assert_int_equal(logged, 0);
    assert_true(loom.calls > 6);
    options.device_required = 0;
    loom.calls = 0;
    MUST(vss_collection_build_index(col, NULL, "hnsw", others, &options, &err));
    assert_int_equal(logged, 1);
    assert_int_equal(loom.calls, 3);
    options.device_required = 1;
    assert_int_equal(vss_collection_build_index(col, NULL, "ivf_flat", NULL, &options, &err), VSS_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "indexes of type ivf_flat are not built there"));
    MUST(vss_db_close(db, &err));
    free(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_bytes, begin, end),
        cmocka_unit_test_setup_teardown(test_failures, begin, end),
        cmocka_unit_test_setup_teardown(test_answers, begin, end),
        cmocka_unit_test_setup_teardown(test_failures_without_a_word, begin, end),
        cmocka_unit_test_setup_teardown(test_stopped, begin, end),
        cmocka_unit_test_setup_teardown(test_floats, begin, end),
        cmocka_unit_test_setup_teardown(test_builds, begin, end),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
