/*
 * test_simd.c - the kernels of every level, type and operation against the exact distances
 *
 * Query and rows end at a page that may not be read, at every alignment. Floats are checked within the bound that
 * searches rely on, sums of bytes and bits for equality.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/simd.h"

#define MAX_DIM 32768u
#define ROWS 21u
#define SIZE (MAX_DIM * sizeof(float))

static const char *const simd_types[VSSI_SIMD_TYPES] = {"f32", "f16", "bf16", "i8", "u8", "bits"};

/* What components are made of. LOW and HIGH: the least and the greatest value of the type; MIX: both by turns. */
typedef enum simd_pattern { RANDOM, LARGE, SMALL, LOW, HIGH, MIX, ZERO, PATTERNS } simd_pattern;

/* Memory before a page that may not be read. */
typedef struct simd_guard {
    char *begin, *end;
    size_t mapped;
} simd_guard;

typedef struct simd_case {
    vssi_simd_type type;
    vssi_simd_op op;
    size_t dim, size, query_size;
    char *query, *rows;
    double exact[ROWS], bound[ROWS]; /* of the scores */
} simd_case;

static simd_guard query_guard, rows_guard;
static float widened[2][MAX_DIM];

static simd_guard guard_make(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
    char *begin = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(begin != MAP_FAILED);
    assert_int_equal(mprotect(begin + whole, page, PROT_NONE), 0);
    return (simd_guard){begin, begin + whole, whole + page};
}

static bool simd_is_int(vssi_simd_type type) { return type == VSSI_SIMD_I8 || type == VSSI_SIMD_U8; }

static bool simd_has_float_query(vssi_simd_type type) { return type <= VSSI_SIMD_BF16; }

static float simd_float(simd_pattern pattern, uint64_t word, size_t i)
{
    float value = (float)((double)(word >> 11) * 0x1p-53 * 2 - 1);
    switch (pattern) {
    case LARGE:
        return value * 1e16f;
    case SMALL:
        return value * 1e-15f;
    case MIX:
        return i % 2 ? -1e4f : 1e4f;
    case LOW:
        return -1e4f;
    case HIGH:
        return 1e4f;
    case ZERO:
        return 0;
    default:
        return value;
    }
}

/* bias: exponent field of 1; bits: of the mantissa; greatest: of finite values (bf16: of those with a small square). */
static uint16_t simd_half(simd_pattern pattern, uint64_t word, size_t i, unsigned bias, unsigned bits,
                          unsigned greatest)
{
    unsigned sign = (unsigned)(word >> 63) << 15, mantissa = (unsigned)(word >> 8) & ((1u << bits) - 1);
    switch (pattern) {
    case LARGE:
        return (uint16_t)(sign | greatest);
    case SMALL: /* subnormals */
        return (uint16_t)(sign | mantissa);
    case MIX:
        return (uint16_t)((i % 2 ? 0x8000u : 0) | greatest);
    case LOW:
        return (uint16_t)(0x8000u | greatest);
    case HIGH:
        return (uint16_t)greatest;
    case ZERO:
        return (uint16_t)sign;
    default:
        return (uint16_t)(sign | (bias - (unsigned)(word & 7)) << bits | mantissa);
    }
}

static uint8_t simd_byte(simd_pattern pattern, uint64_t word, size_t i, uint8_t low, uint8_t high)
{
    if (pattern == LOW || pattern == ZERO)
        return pattern == LOW ? low : 0;
    if (pattern == HIGH || pattern == MIX)
        return pattern == HIGH || i % 2 ? high : low;
    return (uint8_t)(word >> 32);
}

static void simd_fill(vssi_simd_type type, simd_pattern pattern, char *row, size_t dim, uint64_t *state)
{
    size_t count = type == VSSI_SIMD_BITS ? dim / 8 : dim;
    for (size_t i = 0; i < count; i++) {
        uint64_t word = vssi_random_next(state);
        float value = simd_float(pattern, word, i);
        uint16_t half = type == VSSI_SIMD_F16 ? simd_half(pattern, word, i, 15, 10, 0x7bff)
                                              : simd_half(pattern, word, i, 127, 7, 0x5a00);
        uint8_t byte = type == VSSI_SIMD_I8 ? simd_byte(pattern, word, i, 0x80, 0x7f)
                                            : simd_byte(pattern, word, i, 0, 255);
        if (type == VSSI_SIMD_F32)
            memcpy(row + i * sizeof value, &value, sizeof value);
        else if (type == VSSI_SIMD_F16 || type == VSSI_SIMD_BF16)
            memcpy(row + i * sizeof half, &half, sizeof half);
        else
            memcpy(row + i, &byte, 1);
    }
}

/* The exact score of a row, and how far from it a kernel may be. */
static void simd_expect(simd_case *c, size_t row)
{
    const char *r = c->rows + row * c->size;
    bool ip = c->op == VSSI_SIMD_IP;
    if (!simd_has_float_query(c->type)) {
        double exact = vssi_exact(c->type, c->op, c->query, r, c->dim);
        c->exact[row] = ip && simd_is_int(c->type) ? -exact : exact;
        c->bound[row] = c->type == VSSI_SIMD_BITS && c->op == VSSI_SIMD_JACCARD ? 0x1p-23 : 0;
        if (simd_is_int(c->type))
            c->exact[row] = (double)(float)c->exact[row];
        return;
    }
    vssi_simd_widen(VSSI_SIMD_F32, c->query, c->dim, widened[0]);
    vssi_simd_widen(c->type, r, c->dim, widened[1]);
    double gamma = vssi_simd_gamma(c->dim), ip_exact = vssi_exact_ip_f32(widened[0], widened[1], c->dim);
    double l2_exact = vssi_exact_l2_f32(widened[0], widened[1], c->dim);
    double norms = sqrt(vssi_exact_ip_f32(widened[0], widened[0], c->dim)) *
                   sqrt(vssi_exact_ip_f32(widened[1], widened[1], c->dim));
    c->exact[row] = ip ? -ip_exact : l2_exact;
    c->bound[row] = gamma * (ip ? norms : l2_exact) + (double)c->dim * 0x1p-149;
}

/* A case whose query and rows end shift bytes before their guards. */
static void simd_make(simd_case *c, vssi_simd_type type, vssi_simd_op op, size_t dim, size_t shift,
                      simd_pattern pattern)
{
    vssi_simd_type query = simd_has_float_query(type) ? VSSI_SIMD_F32 : type;
    simd_pattern query_pattern = pattern == LOW ? HIGH : pattern == HIGH ? LOW : pattern;
    uint64_t state = dim * 31 + shift;
    *c = (simd_case){.type = type, .op = op, .dim = dim, .size = vssi_simd_row_size(type, dim)};
    c->query_size = vssi_simd_row_size(query, dim);
    c->query = query_guard.end - shift - c->query_size;
    c->rows = rows_guard.end - (7 - shift) - ROWS * c->size;
    simd_fill(query, query_pattern, c->query, dim, &state);
    for (size_t i = 0; i < ROWS; i++) {
        simd_fill(type, i == 1 ? query_pattern : pattern, c->rows + i * c->size, dim, &state);
        simd_expect(c, i);
    }
}

static void simd_check(const vssi_kernels *k, const simd_case *c, size_t row, float score)
{
    if (!(fabs((double)score - c->exact[row]) <= c->bound[row]))
        fail_msg("%s %s operation %d dim %zu row %zu: %.9g, exact %.17g", k->level, simd_types[c->type], (int)c->op,
                 c->dim, row, (double)score, c->exact[row]);
}

/* Both kernels, for every n; the score of a pair must depend on the pair alone. Returns the scores checked. */
static size_t simd_run(const vssi_kernels *k, const simd_case *c)
{
    static const uint32_t order[ROWS] = {3, 0, 10, 7, 7, 1, 9, 2, 8, 4, 6, 20, 12, 11, 19, 15, 13, 18, 14, 17, 16};
    vssi_kernel_rows rows = vssi_simd_rows(k, c->type, c->op);
    vssi_kernel_gather gather = vssi_simd_gather(k, c->type, c->op);
    float alone[ROWS], scores[ROWS + 1];
    for (size_t i = 0; i < ROWS; i++) {
        rows(c->query, c->rows + i * c->size, c->dim, 1, &alone[i]);
        simd_check(k, c, i, alone[i]);
        if (c->query_size != c->size || (c->op == VSSI_SIMD_IP && c->type == VSSI_SIMD_F32))
            continue;
        float turned;
        rows(c->rows + i * c->size, c->query, c->dim, 1, &turned);
        assert_memory_equal(&turned, &alone[i], sizeof turned);
    }
    for (size_t n = 0; n <= ROWS; n++) {
        scores[n] = 42;
        rows(c->query, c->rows + (ROWS - n) * c->size, c->dim, n, scores);
        assert_memory_equal(scores, alone + (ROWS - n), n * sizeof *scores);
        gather(c->query, c->rows, c->dim, order, n, scores);
        for (size_t i = 0; i < n; i++)
            assert_memory_equal(&scores[i], &alone[order[i]], sizeof *scores);
        assert_true(scores[n] == 42);
    }
    return ROWS * (ROWS + 2);
}

static size_t simd_run_dim(const vssi_kernels *k, vssi_simd_type type, size_t dim, size_t shift, simd_pattern pattern)
{
    static simd_case c;
    size_t checks = 0;
    for (int op = 0; op < VSSI_SIMD_OPS; op++) {
        simd_make(&c, type, (vssi_simd_op)op, dim, shift, pattern);
        checks += simd_run(k, &c);
    }
    return checks;
}

static size_t simd_run_type(const vssi_kernels *k, vssi_simd_type type)
{
    static const size_t large[] = {768, 1000, 1536, 4096, MAX_DIM};
    size_t unit = type == VSSI_SIMD_BITS ? 8 : 1, checks = 0;
    for (size_t dim = unit; dim <= 130 * unit; dim += unit) {
        for (size_t shift = 0; shift < 8; shift += 1 + dim / unit % 2)
            checks += simd_run_dim(k, type, dim, shift, RANDOM);
        for (int pattern = LARGE; pattern < PATTERNS; pattern++)
            checks += simd_run_dim(k, type, dim, dim / unit % 8, (simd_pattern)pattern);
    }
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        for (int pattern = 0; pattern < PATTERNS; pattern++)
            checks += simd_run_dim(k, type, large[i], 3, (simd_pattern)pattern);
    }
    return checks;
}

static void test_levels_match_exact(void **state)
{
    (void)state;
    const vssi_kernels *k;
    for (size_t level = 0; (k = vssi_simd_level(level)) != NULL; level++) {
        for (int type = 0; type < VSSI_SIMD_TYPES; type++) {
            size_t checks = simd_run_type(k, (vssi_simd_type)type);
            print_message("%s %s: %zu scores right\n", k->level, simd_types[type], checks);
            assert_true(checks > 100000);
        }
    }
    assert_true(k == NULL);
}

/* Every half against arithmetic, and a few by value. */
static void test_widen(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x10000; half++) {
        uint16_t in = (uint16_t)half;
        float f16, bf16;
        vssi_simd_widen(VSSI_SIMD_F16, &in, 1, &f16);
        vssi_simd_widen(VSSI_SIMD_BF16, &in, 1, &bf16);
        int exponent = (int)(half >> 10 & 31), mantissa = (int)(half & 1023);
        double want = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
        if (exponent == 31)
            assert_true(mantissa ? isnan(f16) : isinf(f16));
        else
            assert_true((double)f16 == (half >> 15 ? -want : want));
        assert_true(isnan(f16) || !signbit(f16) == !(half >> 15));
        uint32_t bits;
        memcpy(&bits, &bf16, sizeof bits);
        assert_int_equal(bits, half << 16);
    }
    static const uint8_t bytes[2] = {0x85, 0xff};
    static const float bits[16] = {1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    float out[16];
    vssi_simd_widen(VSSI_SIMD_BITS, bytes, 16, out);
    assert_memory_equal(out, bits, sizeof bits);
    vssi_simd_widen(VSSI_SIMD_I8, bytes, 2, out);
    assert_true(out[0] == -123 && out[1] == -1);
    vssi_simd_widen(VSSI_SIMD_U8, bytes, 2, out);
    assert_true(out[0] == 133 && out[1] == 255);
}

/* The fixed order, written out a second time: of f32, and of halves through their float32. */
static void test_exact_order(void **state)
{
    (void)state;
    static simd_case c;
    for (size_t dim = 1; dim < 40; dim++) {
        for (int type = VSSI_SIMD_F32; type <= VSSI_SIMD_BF16; type++) {
            simd_make(&c, (vssi_simd_type)type, VSSI_SIMD_L2, dim, 4, RANDOM);
            vssi_simd_widen((vssi_simd_type)type, c.rows, dim, widened[0]);
            vssi_simd_widen((vssi_simd_type)type, c.rows + c.size, dim, widened[1]);
            volatile double l2[8] = {0}, ip[8] = {0};
            for (size_t i = 0; i < dim; i++) {
                volatile double difference = (double)widened[0][i] - (double)widened[1][i];
                volatile double square = difference * difference;
                volatile double product = (double)widened[0][i] * (double)widened[1][i];
                l2[i % 8] += square;
                ip[i % 8] += product;
            }
            double want_l2 = ((l2[0] + l2[1]) + (l2[2] + l2[3])) + ((l2[4] + l2[5]) + (l2[6] + l2[7]));
            double want_ip = ((ip[0] + ip[1]) + (ip[2] + ip[3])) + ((ip[4] + ip[5]) + (ip[6] + ip[7]));
            double got_l2 = vssi_exact((vssi_simd_type)type, VSSI_SIMD_L2, c.rows, c.rows + c.size, dim);
            double got_ip = vssi_exact((vssi_simd_type)type, VSSI_SIMD_IP, c.rows, c.rows + c.size, dim);
            assert_memory_equal(&want_l2, &got_l2, sizeof got_l2);
            assert_memory_equal(&want_ip, &got_ip, sizeof got_ip);
        }
    }
}

static void test_exact_values(void **state)
{
    (void)state;
    static const float floats[2][3] = {{1, 2, 3}, {4, 6, 8}};
    static const uint16_t f16[2][2] = {{0x3c00, 0x0001}, {0xc000, 0x8001}}; /* 1 2^-24, -2 -2^-24 */
    static const uint16_t bf16[2][2] = {{0x3f80, 0x4040}, {0xc000, 0x4080}}; /* 1 3, -2 4 */
    static const uint8_t bytes[2][2] = {{0, 255}, {128, 1}}, none[2] = {0, 0};
    assert_true(vssi_exact_l2_f32(floats[0], floats[1], 3) == 50);
    assert_true(vssi_exact_ip_f32(floats[0], floats[1], 3) == 40);
    assert_true(vssi_exact(VSSI_SIMD_F16, VSSI_SIMD_L2, f16[0], f16[1], 2) == 9 + 0x1p-46);
    assert_true(vssi_exact(VSSI_SIMD_F16, VSSI_SIMD_IP, f16[0], f16[1], 2) == -2 - 0x1p-48);
    assert_true(vssi_exact(VSSI_SIMD_BF16, VSSI_SIMD_L2, bf16[0], bf16[1], 2) == 10);
    assert_true(vssi_exact(VSSI_SIMD_BF16, VSSI_SIMD_IP, bf16[0], bf16[1], 2) == 10);
    assert_true(vssi_exact(VSSI_SIMD_I8, VSSI_SIMD_L2, bytes[0], bytes[1], 2) == 128 * 128 + 4);
    assert_true(vssi_exact(VSSI_SIMD_I8, VSSI_SIMD_IP, bytes[0], bytes[1], 2) == -1);
    assert_true(vssi_exact(VSSI_SIMD_U8, VSSI_SIMD_L2, bytes[0], bytes[1], 2) == 128 * 128 + 254 * 254);
    assert_true(vssi_exact(VSSI_SIMD_U8, VSSI_SIMD_IP, bytes[0], bytes[1], 2) == 255);
    assert_true(vssi_exact(VSSI_SIMD_BITS, VSSI_SIMD_HAMMING, bytes[0], bytes[1], 16) == 8);
    assert_true(vssi_exact(VSSI_SIMD_BITS, VSSI_SIMD_JACCARD, bytes[0], bytes[1], 16) == 1 - 1.0 / 9);
    assert_true(vssi_exact(VSSI_SIMD_BITS, VSSI_SIMD_JACCARD, none, none, 16) == 0);
    assert_true(vssi_exact(VSSI_SIMD_BITS, VSSI_SIMD_JACCARD, none, bytes[0], 16) == 1);
}

static int simd_setup(void **state)
{
    (void)state;
    query_guard = guard_make(SIZE + 8);
    rows_guard = guard_make(ROWS * SIZE + 8);
    return 0;
}

static int simd_teardown(void **state)
{
    (void)state;
    return munmap(query_guard.begin, query_guard.mapped) || munmap(rows_guard.begin, rows_guard.mapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_match_exact), cmocka_unit_test(test_widen),
        cmocka_unit_test(test_exact_order),        cmocka_unit_test(test_exact_values),
    };
    return cmocka_run_group_tests(tests, simd_setup, simd_teardown);
}
