/*
 * test_gpu_signs.c - the codes of residuals that libvss_gpu makes are those that vss/device.h describes, to the bit:
 * on the host's form of its kernels, and, with VSS_GPU_REAL, on a GPU; whatever fails is one line and leaks nothing
 */
#include <math.h>
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

/* Residuals and what they must become, in blocks of exactly their size. */
typedef struct signs_case {
    vss_device_signs asked;
    float *residuals, *centers, *signs;
    uint32_t *where;
    uint8_t *codes, *wanted_codes;
    float *factors, *wanted_factors;
} signs_case;

static void *block(size_t bytes)
{
    void *memory = malloc(bytes);
    assert_non_null(memory);
    return memory;
}

static float unit(uint64_t *random) { return (float)(gpu_random(random) >> 40) * 0x1p-23f - 1; }

static void signs_turn(const vss_device_signs *a, float *v)
{
    uint32_t power = 1, n = a->width;
    while (2 * power <= n)
        power *= 2;
    for (uint32_t round = 0; round < 4; round++) {
        float *part = round % 2 == 0 ? v : v + n - power;
        for (uint32_t i = 0; i < n; i++)
            v[i] *= a->signs[round * n + i];
        for (uint32_t step = 1; step < power; step *= 2)
            for (uint32_t i = 0; i < power; i++)
                if ((i & step) == 0) {
                    float x = part[i], y = part[i + step];
                    part[i] = x + y;
                    part[i + step] = x - y;
                }
        for (uint32_t i = 0; i < power; i++)
            part[i] *= 1 / sqrtf((float)power);
        for (uint32_t i = 0; power != n && i < n / 2; i++) {
            float x = v[i], y = v[i + n / 2];
            v[i] = (x + y) * 0.70710678f;
            v[i + n / 2] = (x - y) * 0.70710678f;
        }
    }
}

static uint8_t signs_code(const vss_device_signs *a, float r, double inverse)
{
    double code = floor((double)r * inverse) + ldexp(1, (int)a->bits - 1), most = ldexp(1, (int)a->bits) - 1;
    return (uint8_t)(code < 0 ? 0 : code > most ? most : code);
}

static double signs_inverse(const vss_device_signs *a, const float *r, double deviation)
{
    double inverse = deviation > 1e-30 ? 1 / (deviation * a->step) : 0, best = -1;
    for (uint32_t k = 0; k < a->n_tries && deviation > 1e-30; k++) {
        double tried = 1 / (deviation * a->step * a->tries[k]), product = 0, square = 0;
        for (uint32_t i = 0; i < a->width; i++) {
            double v = signs_code(a, r[i], tried) - (ldexp(1, (int)a->bits) - 1) / 2;
            product += v * (double)r[i];
            square += v * v;
        }
        if (product / sqrt(square) > best) {
            best = product / sqrt(square);
            inverse = tried;
        }
    }
    return inverse;
}

static void signs_factors(const vss_device_signs *a, const float *r, const float *c, const uint8_t *codes,
                          uint32_t bits, float *factors)
{
    double square = 0, product = 0, center = 0;
    for (uint32_t i = 0; i < a->width; i++) {
        double v = (codes[i] >> (a->bits - bits)) - (ldexp(1, (int)bits) - 1) / 2;
        square += (double)r[i] * (double)r[i];
        product += v * (double)r[i];
        center += v * (double)c[i];
    }
    double f = product > 0 ? square / product : 0;
    factors[0] = (float)(square + 2 * f * center);
    factors[1] = (float)(-2 * f);
}

static void signs_want(signs_case *c, size_t row)
{
    const vss_device_signs *a = &c->asked;
    float *r = block(a->width * sizeof *r);
    uint8_t *codes = c->wanted_codes + row * a->width;
    const float *center = c->centers + (size_t)c->where[row] * a->width;
    double square = 0;
    memcpy(r, c->residuals + row * a->width, a->width * sizeof *r);
    signs_turn(a, r);
    for (uint32_t i = 0; i < a->width; i++)
        square += (double)r[i] * (double)r[i];
    double inverse = signs_inverse(a, r, sqrt(square / a->width));
    for (uint32_t i = 0; i < a->width; i++)
        codes[i] = signs_code(a, r[i], inverse);
    signs_factors(a, r, center, codes, 1, c->wanted_factors + 4 * row);
    signs_factors(a, r, center, codes, a->bits, c->wanted_factors + 4 * row + 2);
    free(r);
}

static void signs_fill(signs_case *c, uint64_t *random)
{
    vss_device_signs *a = &c->asked;
    for (size_t i = 0; i < a->n_centers * a->width; i++)
        c->centers[i] = unit(random);
    for (size_t i = 0; i < (size_t)4 * a->width; i++)
        c->signs[i] = gpu_random(random) % 2 ? 1 : -1;
    for (size_t row = 0; row < a->n; row++) {
        float length = ldexpf(1, (int)(gpu_random(random) % 41) - 20);
        c->where[row] = (uint32_t)(gpu_random(random) % a->n_centers);
        for (size_t i = 0; i < a->width; i++)
            c->residuals[row * a->width + i] = row % 9 == 8 ? 0 : length * unit(random); /* some are 0 */
    }
}

static void signs_make(signs_case *c, uint32_t width, uint32_t bits, size_t n, size_t centers, uint64_t seed)
{
    static const double steps[] = {0, 1.596, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308};
    static const double tries[] = {1, 0.9, 1.1, 0.82, 1.2, 0.7, 1.3, 1};
    uint64_t random = seed;
    *c = (signs_case){.asked = {.struct_size = sizeof c->asked, .width = width, .bits = bits, .step = steps[bits],
                                .tries = tries, .n_centers = centers, .n = n}};
    vss_device_signs *a = &c->asked;
    a->n_tries = bits > 1 ? (uint32_t)(seed % 9) : 0;
    a->residuals = c->residuals = block(n * width * sizeof(float));
    a->centers = c->centers = block(centers * width * sizeof(float));
    a->signs = c->signs = block((size_t)4 * width * sizeof(float));
    a->where = c->where = block(n * sizeof(uint32_t));
    a->codes = c->codes = block(n * width);
    a->factors = c->factors = block(4 * n * sizeof(float));
    c->wanted_codes = block(n * width);
    c->wanted_factors = block(4 * n * sizeof(float));
    signs_fill(c, &random);
    for (size_t row = 0; row < n; row++)
        signs_want(c, row);
}

static void signs_free(signs_case *c)
{
    free(c->residuals);
    free(c->centers);
    free(c->signs);
    free(c->where);
    free(c->codes);
    free(c->factors);
    free(c->wanted_codes);
    free(c->wanted_factors);
}

/* Ask, and check what is answered. */
static vss_status signs_ask(const signs_case *c, const vss_device *device, vss_error *err)
{
    const vss_device_signs *a = &c->asked;
    memset(c->codes, 0xee, a->n * a->width);
    memset(c->factors, 0xee, 4 * a->n * sizeof(float));
    *err = (vss_error){0};
    vss_status status = device->signs(device->state, a, err);
    for (size_t row = 0; status == VSS_OK && row < a->n; row++) {
        if (memcmp(c->codes + row * a->width, c->wanted_codes + row * a->width, a->width) != 0)
            fail_msg("codes of row %zu of %zu, %u components, %u bits", row, a->n, a->width, a->bits);
        if (memcmp(c->factors + 4 * row, c->wanted_factors + 4 * row, 4 * sizeof(float)) != 0)
            fail_msg("factors of row %zu of %zu, %u components, %u bits", row, a->n, a->width, a->bits);
    }
    return status;
}

static void signs_right(const vss_device *device, uint32_t width, uint32_t bits, size_t n, size_t centers,
                        uint64_t seed)
{
    signs_case c;
    vss_error err;
    signs_make(&c, width, bits, n, centers, seed);
    if (signs_ask(&c, device, &err) != VSS_OK)
        fail_msg("%s", err.message);
    signs_free(&c);
}

/* Widths that are powers of two and that are not, that fit a block many times, once and not at all; sizes around what
 * a block takes. */
static void test_signs(void **state)
{
    (void)state;
    static const uint32_t widths[] = {16, 32, 48, 64, 112, 128, 240, 256, 960, 1024, 1040, 4096, 8176, 8192, 32784};
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (uint32_t bits = 1; bits <= 8; bits += widths[i] > 2000 ? 7 : 1) {
            gpu_order((uint32_t)(i + bits));
            signs_right(device, widths[i], bits, widths[i] > 2000 ? 3 : 1 + (i * 8 + bits) % 70, 1 + bits, i + bits);
        }
    vssg_close(device);
}

/* Several pieces: little memory makes them small. */
static void test_signs_pieces(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",memory_mb=40");
    for (uint64_t seed = 0; seed < 3; seed++) {
        gpu_order((uint32_t)seed);
        signs_right(device, 1024, 1, tier_brief() ? 2100 : 6000, 4, seed);
        signs_right(device, 16, 4, 1000, 1000, seed);
    }
    vssg_close(device);
}

/* What is not taken is said before anything is done. */
static void test_signs_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, bits, tries;
        size_t n, centers;
        uint32_t where;
        vss_status status;
        const char *line;
    } bad[] = {
        {0, 4, 5, 1, 1, 0, VSS_ERR_UNSUPPORTED, "residuals of 0 components"},
        {24, 4, 5, 1, 1, 0, VSS_ERR_UNSUPPORTED, "residuals of 24 components"},
        {32800, 4, 5, 1, 1, 0, VSS_ERR_UNSUPPORTED, "residuals of 32800 components"},
        {16, 0, 0, 1, 1, 0, VSS_ERR_UNSUPPORTED, "codes of 0 bits"},
        {16, 9, 5, 1, 1, 0, VSS_ERR_UNSUPPORTED, "codes of 9 bits"},
        {16, 4, 9, 1, 1, 0, VSS_ERR_UNSUPPORTED, "and 9 tries"},
        {16, 4, 5, 0, 1, 0, VSS_ERR_UNSUPPORTED, "0 residuals of 1 centers"},
        {16, 4, 5, 1, 0, 0, VSS_ERR_UNSUPPORTED, "1 residuals of 0 centers"},
        {16, 4, 5, 1, 1, 1, VSS_ERR_INVALID, "residual 0 is of center 1 of 1"},
    };
    const vss_device *device = open_device(GPU_OPTIONS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vss_error err = {0};
        const vss_device_signs asked = {.struct_size = sizeof asked, .width = bad[i].width, .bits = bad[i].bits,
                                        .n_tries = bad[i].tries, .n = bad[i].n, .n_centers = bad[i].centers,
                                        .where = &bad[i].where};
        assert_int_equal(device->signs(device->state, &asked, &err), bad[i].status);
        assert_non_null(strstr(err.message, bad[i].line));
    }
    vssg_close(device);
}

/* Cancelled at each point where the caller is asked; the next call is right. */
static void test_signs_cancel(void **state)
{
    (void)state;
    const vss_device *device = open_device(GPU_OPTIONS ",memory_mb=40");
    signs_case c;
    vss_error err;
    vss_status status;
    patience left = {0, 0};
    signs_make(&c, 512, 1, 9000, 3, 1);
    c.asked.stopped = patience_stopped;
    c.asked.state = &left;
    while ((status = signs_ask(&c, device, &err)) == VSS_ERR_CANCELLED) {
        assert_non_null(strstr(err.message, "cancelled"));
        left = (patience){0, left.most + 1};
    }
    assert_int_equal(status, VSS_OK);
    assert_true(left.most >= 4);
    signs_free(&c);
    vssg_close(device);
}

#if !defined(VSS_GPU_REAL)
/* Each call of the runtime fails once, and the next ask is right. */
static void test_signs_each_call(void **state)
{
    (void)state;
    signs_case c;
    vss_error err;
    size_t failed = 0;
    signs_make(&c, 64, 2, 2000, 5, 7);
    bool fails = true;
    for (uint64_t nth = 1; fails; nth += tier_brief() ? 3 : 1) {
        const vss_device *device = open_device("memory_mb=1");
        (void)vssg_host_fail(nth);
        vss_status status = signs_ask(&c, device, &err);
        const uint64_t calls = vssg_host_fail(0);
        fails = nth <= calls;
        assert_int_equal(status == VSS_OK, nth > calls);
        if (status != VSS_OK) {
            assert_true(status == VSS_ERR_DEVICE || status == VSS_ERR_NO_MEMORY);
            expect_line(&err, status, "a fault that was asked for");
            failed++;
        }
        assert_int_equal(signs_ask(&c, device, &err), VSS_OK);
        close_device(device);
    }
    printf("%zu failures\n", failed);
    assert_true(failed > (tier_brief() ? 7 : 22));
    signs_free(&c);
}

/* Centers that leave no room for a row; less memory than the budget says. */
static void test_signs_budget(void **state)
{
    (void)state;
    const vss_device *device = open_device("memory_mb=1");
    signs_case c;
    vss_error err;
    signs_make(&c, 64, 2, 5000, 4200, 0);
    assert_int_equal(signs_ask(&c, device, &err), VSS_ERR_BUDGET);
    expect_line(&err, VSS_ERR_BUDGET, "bytes of the card's memory wanted");
    close_device(device);
    vssg_host_memory((size_t)1 << 20);
    device = open_device("memory_mb=100");
    assert_int_equal(signs_ask(&c, device, &err), VSS_ERR_NO_MEMORY);
    expect_line(&err, VSS_ERR_NO_MEMORY, "allocate: out of memory");
    close_device(device);
    vssg_host_memory((size_t)8 << 30);
    signs_free(&c);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signs),         cmocka_unit_test(test_signs_pieces),
        cmocka_unit_test(test_signs_refused), cmocka_unit_test(test_signs_cancel),
#if !defined(VSS_GPU_REAL)
        cmocka_unit_test(test_signs_each_call), cmocka_unit_test(test_signs_budget),
#endif
    };
    return gpu_skip() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
