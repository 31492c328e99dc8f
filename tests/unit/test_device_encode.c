/*
 * test_device_encode.c - inverted lists whose rows a device codes: the object is the CPU's, byte for byte, whatever the
 * device does
 *
 * The device "scribe" codes by the CPU's own functions, writes down what it was asked, and can fail and lie.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../../index/codec/rabitq.h"
#include "../../index/codec/rotate.h"
#include "../../index/ivf/ivf.h"
#include "../support/maker.h"
#include "../support/tier.h"

enum { ROWS = 12000, MANY = 60000, DIM = 40 }; /* MANY: more than go to a device at once */

static struct scribe {
    _Atomic int calls;
    _Atomic uint64_t rows;
    int fails_at;         /* the call that fails so, and all later ones; 0: none */
    vss_status fails;
    bool great_code, no_factor; /* spoilt answers */
    bool alters;          /* one more spoilt so that nobody can tell */
    _Atomic int made, forgotten;
} scribe;

static vss_status scribe_begin(size_t n, void *state, int (*stopped)(void *), vss_error *err)
{
    int call = atomic_fetch_add(&scribe.calls, 1) + 1;
    if (stopped(state))
        return maker_fail(err, VSS_ERR_CANCELLED, "scribe: stopped");
    if (scribe.fails_at != 0 && call >= scribe.fails_at)
        return maker_fail(err, scribe.fails, "scribe: out of ink");
    atomic_fetch_add(&scribe.rows, n);
    return VSS_OK;
}

static vss_status scribe_signs(void *state, const vss_device_signs *a, vss_error *err)
{
    float *r = malloc(a->width * sizeof *r);
    assert_ptr_equal(state, &scribe);
    assert_int_equal(a->struct_size, sizeof *a);
    assert_int_equal(a->n_tries, a->bits > 1 ? 5 : 0);
    vss_status status = scribe_begin(a->n, a->state, a->stopped, err);
    for (size_t i = 0; status == VSS_OK && i < a->n; i++) {
        vssi_rabitq_row factors;
        assert_true(a->where[i] < a->n_centers);
        memcpy(r, a->residuals + i * a->width, a->width * sizeof *r);
        vssi_rotate(a->signs, a->width, r);
        vssi_rabitq_encode(r, a->centers + a->where[i] * (size_t)a->width, a->width, a->bits, a->codes + i * a->width,
                           &factors);
        memcpy(a->factors + 4 * i, &factors, sizeof factors);
    }
    free(r);
    if (status == VSS_OK && scribe.great_code)
        a->codes[a->n * a->width - 1] = (uint8_t)(1u << a->bits);
    if (status == VSS_OK && scribe.no_factor)
        a->factors[4 * a->n - 1] = INFINITY;
    if (status == VSS_OK && scribe.alters)
        a->factors[0] += 1;
    return status;
}

static vss_status scribe_words(void *state, void **place, const vss_device_words *a, vss_error *err)
{
    const vssi_pq pq = {.width = a->width, .subs = a->n_runs, .bits = a->n_words == 16 ? 4 : 8, .words = a->words};
    static vssi_mutex mutex = PTHREAD_MUTEX_INITIALIZER;
    assert_ptr_equal(state, &scribe);
    assert_int_equal(a->struct_size, sizeof *a);
    assert_int_equal(a->n_words, vssi_pq_words(&pq));
    vss_status status = scribe_begin(a->n, a->state, a->stopped, err);
    vssi_mutex_lock(&mutex);
    if (*place == NULL) {
        atomic_fetch_add(&scribe.made, 1);
        *place = malloc(sizeof a->words);
        memcpy(*place, &a->words, sizeof a->words);
    }
    assert_memory_equal(*place, &a->words, sizeof a->words);
    vssi_mutex_unlock(&mutex);
    for (size_t i = 0; status == VSS_OK && i < a->n; i++)
        vssi_pq_encode(&pq, a->residuals + i * a->width, a->codes + i * a->n_runs);
    if (status == VSS_OK && scribe.great_code)
        a->codes[a->n * a->n_runs - 1] = (uint8_t)a->n_words;
    if (status == VSS_OK && scribe.alters)
        a->codes[0] ^= 1;
    return status;
}

static vss_status scribe_takes(void *state, const vss_device_vectors *vectors, uint32_t k, vss_error *err)
{
    (void)state, (void)vectors, (void)k;
    return maker_fail(err, VSS_ERR_UNSUPPORTED, "scribe: no vectors");
}

static vss_status scribe_search(void *state, void **place, const vss_device_vectors *vectors,
                                const vss_device_search *search, const vss_device_hits *hits, vss_error *err)
{
    (void)state, (void)place, (void)vectors, (void)search, (void)hits;
    return maker_fail(err, VSS_ERR_DEVICE, "scribe: asked for what it refused");
}

static void scribe_forget(void *state, void *place)
{
    assert_ptr_equal(state, &scribe);
    atomic_fetch_add(&scribe.forgotten, 1);
    free(place);
}

static const vss_device scribe_device = {
    .struct_size = sizeof scribe_device, .abi = VSS_DEVICE_ABI, .name = "scribe", .description = "pen and ink",
    .state = &scribe, .takes = scribe_takes, .search = scribe_search, .signs = scribe_signs, .words = scribe_words,
    .forget = scribe_forget,
};

static int begin(void **state)
{
    (void)state;
    memset(&scribe, 0, sizeof scribe);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return scribe.made != scribe.forgotten;
}

/* What is built. */
static const struct {
    const char *type, *params;
    vss_type vectors;
    vss_metric metric;
} kinds[] = {
    {"ivf_rabitq", "bits=1,nlist=600", VSS_TYPE_VECTOR_F32, VSS_METRIC_L2},
    {"ivf_rabitq", "bits=4,nlist=3", VSS_TYPE_VECTOR_F16, VSS_METRIC_COSINE},
    {"ivf_rabitq", "bits=8,nlist=50", VSS_TYPE_VECTOR_F32, VSS_METRIC_IP},
    {"ivf_rabitq", "bits=3,nlist=100", VSS_TYPE_VECTOR_U8, VSS_METRIC_L2},
    {"ivf_pq", "nlist=60", VSS_TYPE_VECTOR_F32, VSS_METRIC_L2},
    {"ivf_pq", "nlist=30,nbits=8,m=7", VSS_TYPE_VECTOR_F32, VSS_METRIC_IP},
    {"ivf_pq", "nlist=500,m=9", VSS_TYPE_VECTOR_BF16, VSS_METRIC_COSINE},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct rows {
    vssi_heap heap;
    const vssi_index_ops *ops;
    uint64_t params[16];
    uint8_t *data;
    float *inverse;
    vssi_vectors all;
    vssi_image model; /* trained once */
} rows;

static void rows_make(rows *r, size_t kind, size_t n)
{
    maker_random random = {kind + 3};
    double wide[DIM];
    vss_error err;
    vssi_heap_init(&r->heap, NULL, 0);
    r->ops = vssi_index_type_find(kinds[kind].type);
    MUST(vssi_param_parse("build", r->ops->params, r->ops->n_params, false, kinds[kind].params, r->params, &err));
    r->all = (vssi_vectors){.rows = n, .dim = DIM, .type = kinds[kind].vectors, .metric = kinds[kind].metric};
    vssi_vectors_bind(&r->all);
    r->data = malloc(n * r->all.row_size);
    r->inverse = malloc(n * sizeof *r->inverse);
    maker_typed(&random, r->data, n, r->all.type, DIM, false);
    for (size_t i = 0; i < n; i++) {
        double norm = 0;
        maker_widen(r->all.type, r->data + i * r->all.row_size, 1, DIM, wide);
        for (size_t j = 0; j < DIM; j++)
            norm += wide[j] * wide[j];
        r->inverse[i] = (float)(1 / sqrt(norm));
        r->all.max_norm = fmax(r->all.max_norm, sqrt(norm) * 1.000001);
    }
    r->all.data = r->data;
    r->all.inverse_norms = r->inverse;
    const vssi_build in = {.heap = &r->heap, .vectors = &r->all, .params = r->params, .threads = 2};
    MUST(r->ops->train(&in, &r->model, &err));
}

static void rows_free(rows *r)
{
    vssi_image_free(&r->heap, &r->model);
    assert_int_equal(atomic_load(&r->heap.used), 0);
    free(r->data);
    free(r->inverse);
}

static vss_status rows_build(rows *r, vssi_device_use *use, size_t threads, vssi_control *control, vssi_image *image,
                             vss_error *err)
{
    const vssi_build in = {.heap = &r->heap, .vectors = &r->all, .params = r->params, .threads = threads,
                           .control = control, .model = &r->model, .device = use};
    *image = (vssi_image){0};
    return r->ops->build(&in, image, err);
}

static void same(const vssi_image *a, const vssi_image *b)
{
    assert_int_equal(a->n_blocks, b->n_blocks);
    for (size_t i = 0; i < a->n_blocks; i++) {
        assert_int_equal(a->blocks[i].kind, b->blocks[i].kind);
        assert_int_equal(a->blocks[i].count, b->blocks[i].count);
        assert_memory_equal(a->blocks[i].data, b->blocks[i].data, a->blocks[i].element * a->blocks[i].count);
    }
}

/* The CPU's object, then the device's by one thread and by three. */
static void test_same(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind += tier_brief() ? 4 : 1) {
        rows r;
        vssi_image cpu, device;
        vss_error err;
        rows_make(&r, kind, ROWS);
        MUST(rows_build(&r, NULL, 2, NULL, &cpu, &err));
        for (size_t threads = 1; threads <= 3; threads += 2) {
            vssi_device_use use = {.device = &scribe_device, .required = true};
            uint64_t before = scribe.rows;
            MUST(rows_build(&r, &use, threads, NULL, &device, &err));
            assert_int_equal(scribe.rows - before, ROWS); /* each row once */
            same(&cpu, &device);
            vssi_image_free(&r.heap, &device);
        }
        scribe.alters = true; /* it is the device's answer that is stored */
        vssi_device_use use = {.device = &scribe_device, .required = true};
        MUST(rows_build(&r, &use, 1, NULL, &device, &err));
        bool equal = true;
        for (size_t i = 0; i < cpu.n_blocks; i++)
            equal &= memcmp(cpu.blocks[i].data, device.blocks[i].data,
                            cpu.blocks[i].element * cpu.blocks[i].count) == 0;
        assert_false(equal);
        scribe.alters = false;
        vssi_image_free(&r.heap, &device);
        vssi_image_free(&r.heap, &cpu);
        rows_free(&r);
    }
}

/* Few rows are not worth the way. */
static void test_few(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < KINDS; kind++) {
        rows r;
        vssi_image image;
        vss_error err;
        vssi_device_use use = {.device = &scribe_device, .required = true};
        rows_make(&r, kind, 2000);
        MUST(rows_build(&r, &use, 2, NULL, &image, &err));
        vssi_image_free(&r.heap, &image);
        rows_free(&r);
    }
    assert_int_equal(scribe.calls, 0);
}

/* Whatever call fails, the CPU goes on from there and comes to the same; or the build fails, where it is required. */
static void test_failures(void **state)
{
    (void)state;
    static const vss_status statuses[] = {VSS_ERR_DEVICE, VSS_ERR_NO_MEMORY, VSS_ERR_BUDGET, VSS_ERR_UNSUPPORTED};
    for (size_t kind = 1; kind < KINDS; kind += 3) {
        rows r;
        vssi_image cpu, device;
        vss_error err;
        rows_make(&r, kind, MANY);
        MUST(rows_build(&r, NULL, 2, NULL, &cpu, &err));
        for (int at = 1; at <= 3; at += tier_brief() ? 2 : 1)
            for (size_t threads = 1; threads <= 3; threads += 2) {
                vssi_device_use use = {.device = &scribe_device};
                scribe.calls = 0;
                scribe.fails_at = at;
                scribe.fails = statuses[(kind + (size_t)at) % 4];
                MUST(rows_build(&r, &use, threads, NULL, &device, &err));
                same(&cpu, &device);
                vssi_image_free(&r.heap, &device);
                assert_string_equal(use.failed.message, "scribe: out of ink");
                if (threads == 1)
                    assert_int_equal(scribe.calls, at); /* not asked again */
                use = (vssi_device_use){.device = &scribe_device, .required = true};
                scribe.calls = 0;
                assert_int_equal(rows_build(&r, &use, threads, NULL, &device, &err), scribe.fails);
                assert_string_equal(err.message, "scribe: out of ink");
            }
        vssi_image_free(&r.heap, &cpu);
        rows_free(&r);
    }
}

static void spoilt(rows *r, bool *how, const char *says)
{
    vss_error err;
    vssi_image image;
    vssi_device_use use = {.device = &scribe_device, .required = true};
    *how = true;
    assert_int_equal(rows_build(r, &use, 2, NULL, &image, &err), VSS_ERR_DEVICE);
    if (strstr(err.message, says) == NULL)
        fail_msg("%s: does not say %s", err.message, says);
    *how = false;
}

/* What a device answers is looked at. */
static void test_answers(void **state)
{
    (void)state;
    rows r;
    rows_make(&r, 1, ROWS);
    spoilt(&r, &scribe.great_code, "has code 16, of 16");
    spoilt(&r, &scribe.no_factor, "and inf");
    rows_free(&r);
    rows_make(&r, 4, ROWS);
    spoilt(&r, &scribe.great_code, "has code 16, of 16");
    rows_free(&r);
}

/* A wrong factor costs nothing but the time where the device is not required. */
static void test_answers_made_good(void **state)
{
    (void)state;
    rows r;
    vssi_image cpu, device;
    vss_error err;
    vssi_device_use use = {.device = &scribe_device};
    rows_make(&r, 1, ROWS);
    MUST(rows_build(&r, NULL, 2, NULL, &cpu, &err));
    scribe.no_factor = true;
    MUST(rows_build(&r, &use, 1, NULL, &device, &err));
    assert_non_null(strstr(use.failed.message, "and inf"));
    same(&cpu, &device);
    vssi_image_free(&r.heap, &device);
    vssi_image_free(&r.heap, &cpu);
    rows_free(&r);
}

/* Rows so far away that factors are no numbers: the device's are as right as the CPU's. */
static void test_far_rows(void **state)
{
    (void)state;
    rows r;
    vssi_image cpu, device;
    vss_error err;
    vssi_device_use use = {.device = &scribe_device, .required = true};
    rows_make(&r, 0, ROWS);
    for (size_t i = 0; i < DIM; i++)
        ((float *)(void *)r.data)[(size_t)i * DIM * 7] = 1e25f;
    r.all.max_norm = 1e26;
    MUST(rows_build(&r, NULL, 2, NULL, &cpu, &err));
    MUST(rows_build(&r, &use, 2, NULL, &device, &err));
    same(&cpu, &device);
    vssi_image_free(&r.heap, &device);
    vssi_image_free(&r.heap, &cpu);
    rows_free(&r);
}

static int no_more(void *state, const char *stage, uint64_t done, uint64_t total)
{
    (void)state, (void)done, (void)total;
    return strcmp(stage, "codes") == 0;
}

/* Stopped while codes are made, and while the device works. */
static void test_cancel(void **state)
{
    (void)state;
    for (size_t kind = 1; kind < KINDS; kind += 3) {
        rows r;
        vssi_image image;
        vss_error err;
        vssi_control control;
        vssi_device_use use = {.device = &scribe_device, .required = true};
        rows_make(&r, kind, MANY);
        vssi_control_init(&control, 0, no_more, NULL);
        assert_int_equal(rows_build(&r, &use, 2, &control, &image, &err), VSS_ERR_CANCELLED);
        assert_non_null(strstr(err.message, "stopped by the caller"));
        vssi_control_destroy(&control);
        rows_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same, begin, end),
        cmocka_unit_test_setup_teardown(test_few, begin, end),
        cmocka_unit_test_setup_teardown(test_failures, begin, end),
        cmocka_unit_test_setup_teardown(test_answers, begin, end),
        cmocka_unit_test_setup_teardown(test_answers_made_good, begin, end),
        cmocka_unit_test_setup_teardown(test_far_rows, begin, end),
        cmocka_unit_test_setup_teardown(test_cancel, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
