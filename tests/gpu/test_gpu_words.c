/*
 * test_gpu_words.c - the product codes that libvss_gpu makes are those that vss/device.h describes, to the bit: on the
 * host's form of its kernels, and, with VSS_GPU_REAL, on a GPU; whatever fails is one line and leaks nothing
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_case.h"
#include "gpu_open.h"
#include "gpu_patience.h"
#include "tier.h"

typedef enum words_data {
    DATA_UNIFORM,
    DATA_TIES,   /* a few whole numbers: many equal distances */
    DATA_HUGE,   /* sums that are infinite, and some that are no number */
    DATA_KINDS
} words_data;

/* Residuals and what they must become, in blocks of exactly their size. */
typedef struct words_case {
    vss_device_words asked;
    float *residuals, *words;
    uint8_t *codes, *wanted;
    void *place;
} words_case;

static void *block(size_t bytes)
{
    void *memory = malloc(bytes);
    assert_non_null(memory);
    return memory;
}

static float words_number(words_data data, uint64_t *random)
{
    const float x = (float)(gpu_random(random) >> 40) * 0x1p-23f - 1;
    switch (data) {
    case DATA_TIES:
        return (float)(gpu_random(random) % 3);
    case DATA_HUGE:
        return gpu_random(random) % 4 == 0 ? INFINITY : x * 0x1p70f;
    default:
        return x;
    }
}

static uint8_t words_nearest(const vss_device_words *a, size_t row, size_t begin, size_t end)
{
    size_t best = 0;
    float least = 0;
    for (size_t k = 0; k < a->n_words; k++) {
        float sum = 0;
        for (size_t i = begin; i < end; i++) {
            float off = a->residuals[row * a->width + i] - a->words[i * a->n_words + k];
            sum += off * off;
        }
        if (k == 0 || sum < least) {
            least = sum;
            best = k;
        }
    }
    return (uint8_t)best;
}

static void words_make(words_case *c, words_data data, uint32_t width, uint32_t runs, uint32_t words, size_t n,
                       uint64_t seed)
{
    uint64_t random = seed;
    *c = (words_case){.asked = {.struct_size = sizeof c->asked, .width = width, .n_runs = runs, .n_words = words,
                                .n = n}};
    vss_device_words *a = &c->asked;
    a->residuals = c->residuals = block(n * width * sizeof(float));
    a->words = c->words = block((size_t)width * words * sizeof(float));
    a->codes = c->codes = block(n * runs);
    c->wanted = block(n * runs);
    for (size_t i = 0; i < n * width; i++)
        c->residuals[i] = words_number(data, &random);
    for (size_t i = 0; i < (size_t)width * words; i++)
        c->words[i] = words_number(data, &random);
    for (size_t row = 0; row < n; row++)
        for (size_t j = 0; j < runs; j++)
            c->wanted[row * runs + j] = words_nearest(a, row, j * width / runs, (j + 1) * width / runs);
}

static void words_free(words_case *c, const vss_device *device)
{
    if (c->place != NULL)
        device->forget(device->state, c->place);
    free(c->residuals);
    free(c->words);
    free(c->codes);
    free(c->wanted);
}

/* Ask, and check what is answered. */
static vss_status words_ask(words_case *c, const vss_device *device, vss_error *err)
{
    const vss_device_words *a = &c->asked;
    memset(c->codes, 0xee, a->n * a->n_runs);
    *err = (vss_error){0};
    vss_status status = device->words(device->state, &c->place, a, err);
    for (size_t i = 0; status == VSS_OK && i < a->n * a->n_runs; i++)
        if (c->codes[i] != c->wanted[i])
            fail_msg("row %zu, run %zu: %u for %u; %zu rows, %u components, %u runs, %u words", i / a->n_runs,
                     i % a->n_runs, c->codes[i], c->wanted[i], a->n, a->width, a->n_runs, a->n_words);
    return status;
}

static void words_right(const vss_device *device, words_data data, uint32_t width, uint32_t runs, uint32_t words,
                        size_t n, uint64_t seed)
{
    words_case c;
    vss_error err;
    words_make(&c, data, width, runs, words, n, seed);
    for (int turn = 0; turn < 2; turn++) /* the words have stayed */
        if (words_ask(&c, device, &err) != VSS_OK)
            fail_msg("%s", err.message);
    words_free(&c, device);
}

/* Runs of one component, uneven ones, one of all; longer than are staged; sizes around what a block takes. */
static void test_words(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, runs;
    } shapes[] = {{1, 1},  {7, 7},    {7, 3},    {24, 12},  {41, 7},     {64, 1},       {65, 1},
                  {130, 2}, {960, 240}, {300, 1}, {32769, 300}, {32769, 1}};
    static const size_t rows[] = {1, 63, 64, 65, 200};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t data = tier_brief() ? i % DATA_KINDS : 0; data < DATA_KINDS; data += tier_brief() ? DATA_KINDS : 1)
            for (uint32_t words = 16; words <= 256; words *= shapes[i].width > 2000 ? 16 : 4) {
                const size_t n = shapes[i].width > 2000 ? 2 : rows[(i + data) % 5];
                gpu_order((uint32_t)(i + data + words / 16));
                words_right(device, (words_data)data, shapes[i].width, shapes[i].runs, words, n, i + data);
            }
    vssg_close(device);
}

/* Several pieces. */
static void test_words_pieces(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",memory_mb=2");
    for (uint64_t seed = 0; seed < 3; seed++)
        words_right(device, (words_data)(seed % 2), 40, 10, 16, 8000, seed);
    vssg_close(device);
}

/* What is not taken is said before anything is done. */
static void test_words_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, runs, words;
        size_t n;
        const char *line;
    } bad[] = {
        {0, 1, 16, 1, "residuals of 0 components in 1 runs"}, {32770, 1, 16, 1, "residuals of 32770 components"},
        {4, 0, 16, 1, "4 components in 0 runs"},              {4, 5, 16, 1, "4 components in 5 runs"},
        {4, 2, 0, 1, "0 words a run"},                        {4, 2, 20, 1, "20 words a run"},
        {4, 2, 272, 1, "272 words a run"},                    {4, 2, 16, 0, "0 residuals"},
    };
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *place = NULL;
        vss_error err = {0};
        const vss_device_words asked = {.struct_size = sizeof asked, .width = bad[i].width, .n_runs = bad[i].runs,
                                        .n_words = bad[i].words, .n = bad[i].n};
        assert_int_equal(device->words(device->state, &place, &asked, &err), VSS_ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, bad[i].line));
        assert_null(place);
    }
    vssg_close(device);
}

/* A thread of several that ask for the same. */
typedef struct words_thread {
    const vss_device *device;
    words_case *c;
    uint8_t *codes;
    size_t wrong;
} words_thread;

static void *words_run(void *arg)
{
    words_thread *thread = arg;
    vss_device_words asked = thread->c->asked;
    asked.codes = thread->codes;
    for (size_t turn = 0; turn < 4; turn++) {
        vss_error err = {0};
        memset(thread->codes, 0xee, asked.n * asked.n_runs);
        thread->wrong += thread->device->words(thread->device->state, &thread->c->place, &asked, &err) != VSS_OK ||
                         memcmp(thread->codes, thread->c->wanted, asked.n * asked.n_runs) != 0;
    }
    return NULL;
}

/* Several threads, one place: more of them than calls. */
static void test_words_threads(void **state)
{
    (void)state;
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    words_thread works[THREADS];
    const vss_device *device = open_device(GPU_OPTIONS ",memory_mb=8");
    words_case c;
    words_make(&c, DATA_TIES, 24, 5, 16, 3000, 3);
    for (size_t i = 0; i < THREADS; i++) {
        works[i] = (words_thread){.device = device, .c = &c, .codes = block(c.asked.n * c.asked.n_runs)};
        assert_int_equal(pthread_create(&threads[i], NULL, words_run, &works[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(works[i].wrong, 0);
        free(works[i].codes);
    }
    words_free(&c, device);
    vssg_close(device);
}

/* Cancelled at each point where the caller is asked; the next call is right. */
static void test_words_cancel(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",memory_mb=2");
    words_case c;
    vss_error err;
    vss_status status;
    patience left = {0, 0};
    words_make(&c, DATA_UNIFORM, 40, 10, 16, 8000, 1);
    c.asked.stopped = patience_stopped;
    c.asked.state = &left;
    while ((status = words_ask(&c, device, &err)) == VSS_ERR_CANCELLED) {
        assert_non_null(strstr(err.message, "cancelled"));
        left = (patience){0, left.most + 1};
    }
    assert_int_equal(status, VSS_OK);
    assert_true(left.most >= 4);
    words_free(&c, device);
    vssg_close(device);
}

#if !defined(VSS_GPU_REAL)
/* Each call of the runtime fails once, and the next ask is right. */
static void test_words_each_call(void **state)
{
    (void)state;
    words_case c;
    vss_error err;
    size_t failed = 0;
    bool fails = true;
    words_make(&c, DATA_UNIFORM, 20, 5, 16, 5000, 7);
    for (uint64_t nth = 1; fails; nth += tier_brief() ? 3 : 1) {
        const vss_device *device = open_device("memory_mb=1");
        (void)vssg_host_fail(nth);
        vss_status status = words_ask(&c, device, &err);
        const uint64_t calls = vssg_host_fail(0);
        fails = nth <= calls;
        assert_int_equal(status == VSS_OK, !fails);
        if (status != VSS_OK) {
            assert_true(status == VSS_ERR_DEVICE || status == VSS_ERR_NO_MEMORY);
            expect_line(&err, status, "a fault that was asked for");
            failed++;
        }
        assert_int_equal(words_ask(&c, device, &err), VSS_OK);
        device->forget(device->state, c.place);
        c.place = NULL;
        close_device(device);
    }
    printf("%zu failures\n", failed);
    assert_true(failed > (tier_brief() ? 7 : 22));
    words_free(&c, NULL);
}

/* Words beyond the budget; less memory than the budget says. */
static void test_words_budget(void **state)
{
    (void)state;
    const vss_device *device = open_device("memory_mb=1");
    words_case c;
    vss_error err;
    words_make(&c, DATA_UNIFORM, 2000, 500, 256, 2, 0);
    assert_int_equal(words_ask(&c, device, &err), VSS_ERR_BUDGET);
    expect_line(&err, VSS_ERR_BUDGET, "256 codewords of 2000 components: ");
    device->forget(device->state, c.place);
    close_device(device);
    vssg_host_memory((size_t)1 << 20);
    device = open_device("memory_mb=100");
    c.place = NULL;
    assert_int_equal(words_ask(&c, device, &err), VSS_ERR_NO_MEMORY);
    expect_line(&err, VSS_ERR_NO_MEMORY, "allocate: out of memory");
    words_free(&c, device);
    close_device(device);
    vssg_host_memory((size_t)8 << 30);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),         cmocka_unit_test(test_words_pieces),
        cmocka_unit_test(test_words_refused), cmocka_unit_test(test_words_cancel),
        cmocka_unit_test(test_words_threads),
#if !defined(VSS_GPU_REAL)
        cmocka_unit_test(test_words_each_call), cmocka_unit_test(test_words_budget),
#endif
    };
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
