/*
 * test_dense.c - the matrix kernels against slow sums: all shapes, types, partial panels and groups; the least and the
 * greatest codes; and what a process has to whom the system refuses them
 */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../lib/base/half.h"
#include "../../lib/base/hash.h"
#include "../../simd/dense.h"

static const vssi_dense *dense_found(void)
{
    const vssi_dense *found = NULL;
    for (size_t i = 0; vssi_simd_level(i) != NULL; i++)
        found = vssi_dense_level(i);
    if (found == NULL)
        skip();
    return found;
}

typedef struct dense_case {
    size_t bytes, steps, rows, n_panels, n_queries, pairs;
    char *panels, *group;
    uint32_t *where;
    vssi_dense_job job;
} dense_case;

/* A case of `rows` rows with `bytes` bytes in a panel. */
static void dense_begin(dense_case *c, size_t bytes, size_t rows, size_t n_queries)
{
    c->bytes = bytes;
    c->rows = rows;
    c->steps = vssi_dense_steps(bytes);
    c->n_panels = (rows + VSSI_DENSE_ROWS - 1) / VSSI_DENSE_ROWS;
    c->n_queries = n_queries;
    c->pairs = c->n_panels * VSSI_DENSE_ROWS * n_queries + 16;
    c->panels = aligned_alloc(64, c->n_panels * vssi_dense_size(c->steps));
    c->group = aligned_alloc(64, vssi_dense_size(c->steps));
    memset(c->group, 0, vssi_dense_size(c->steps));
    c->where = malloc(c->pairs * sizeof *c->where);
    c->job = (vssi_dense_job){c->panels, c->group, c->n_panels, c->steps, n_queries};
}

static void dense_end(dense_case *c)
{
    free(c->panels);
    free(c->group);
    free(c->where);
}

/* The rows of panel p, of size bytes each, as pack wants them. Returns how many. */
static size_t dense_rows(const dense_case *c, size_t p, const void *rows, size_t size, const char **pointers)
{
    size_t n = c->rows - p * VSSI_DENSE_ROWS < VSSI_DENSE_ROWS ? c->rows - p * VSSI_DENSE_ROWS : VSSI_DENSE_ROWS;
    for (size_t r = 0; r < n; r++)
        pointers[r] = (const char *)rows + (p * VSSI_DENSE_ROWS + r) * size;
    return n;
}

static int64_t codes_value(const uint8_t *c, const uint8_t *d, size_t bytes)
{
    int64_t sum = 1;
    for (size_t i = 0; i < bytes; i++)
        sum += d[i] * d[i] - (c[i] - d[i]) * (c[i] - d[i]);
    return (sum - (sum & 1)) / 2; /* floor: what is halved is even */
}

/* What a call may read and no more: the rows up to a multiple of VSSI_DENSE_WHOLE, and the last steps of the last one;
 * behind it lies a page that can't be read. */
typedef struct codes_memory {
    char *pages, *rows;
    size_t size, bytes;
} codes_memory;

static void codes_map(codes_memory *m, size_t rows, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (rows + VSSI_DENSE_WHOLE - 1) / VSSI_DENSE_WHOLE;
    m->bytes = (whole * VSSI_DENSE_WHOLE - 1) * bytes + vssi_dense_steps(bytes) * VSSI_DENSE_STEP;
    m->size = (m->bytes + page - 1) / page * page;
    m->pages = mmap(NULL, m->size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(m->pages, MAP_FAILED);
    assert_int_equal(mprotect(m->pages + m->size, page, PROT_NONE), 0);
    m->rows = m->pages + m->size - m->bytes;
}

/* The pairs listed are those that hit, in order, with their values. */
static void codes_check(const vssi_dense_codes *job, const uint8_t *queries, size_t bytes, const uint32_t *where,
                        const int32_t *values, size_t n)
{
    size_t at = 0;
    for (size_t r = 0; r < job->n_rows; r++) {
        for (size_t q = 0; q < job->n_queries; q++) {
            int64_t value = codes_value((const uint8_t *)job->rows + r * bytes, queries + q * bytes, bytes);
            bool listed = at < n && where[at] == (r << 5 | q);
            if (listed != (value >= job->least[q]) || (listed && values[at] != value))
                fail_msg("%zu bytes, row %zu of %zu, query %zu of %zu: %lld, least %d, listed %d", bytes, r,
                         job->n_rows, q, job->n_queries, (long long)value, job->least[q], listed);
            at += listed;
        }
    }
    assert_int_equal(at, n);
}

/* extreme 0: random codes; 1 to 4: rows and queries all 0 or 255. reach: how far from 0 the least are drawn; below 0:
 * all pairs hit. */
static void codes_try(const vssi_dense *kernels, size_t bytes, size_t rows, size_t n_queries, int extreme, double reach)
{
    codes_memory m;
    uint64_t seed = bytes * 1000 + rows * 40 + n_queries;
    __attribute__((aligned(64))) int32_t least[VSSI_DENSE_QUERIES];
    uint8_t *queries = malloc(n_queries * bytes);
    size_t steps = vssi_dense_steps(bytes), pairs = rows * n_queries + 16;
    char *group = aligned_alloc(64, vssi_dense_size(steps));
    int32_t *norms = malloc(rows * sizeof *norms), *values = malloc(pairs * sizeof *values);
    uint32_t *where = malloc(pairs * sizeof *where);
    memset(group, 0, vssi_dense_size(steps));
    codes_map(&m, rows, bytes);
    for (size_t i = 0; i < m.bytes; i++)
        m.rows[i] = (char)(extreme ? (extreme & 1) * 255 : vssi_random_next(&seed) >> 20);
    for (size_t i = 0; i < n_queries * bytes; i++)
        queries[i] = (uint8_t)(extreme ? (extreme >> 1 & 1) * 255 : vssi_random_next(&seed) >> 20);
    for (size_t r = 0; r < rows; r++)
        norms[r] = vssi_dense_norm((const uint8_t *)m.rows + r * bytes, bytes);
    for (size_t q = 0; q < VSSI_DENSE_QUERIES; q++) {
        double drawn = ldexp((double)(vssi_random_next(&seed) >> 11), -52) - 1;
        least[q] = vssi_dense_least(q >= n_queries ? INFINITY : reach < 0 ? -INFINITY : reach * drawn);
        if (q < n_queries)
            vssi_dense_query_codes(queries + q * bytes, bytes, q, group);
    }
    vssi_dense_codes job = {m.rows, bytes, rows, steps, group, n_queries, norms, least, m.rows, m.bytes};
    size_t n = kernels->codes(&job, where, values);
    assert_true(reach >= 0 || n == rows * n_queries);
    codes_check(&job, queries, bytes, where, values, n);
    free(queries), free(group), free(norms), free(values), free(where);
    munmap(m.pages, m.size + (size_t)sysconf(_SC_PAGESIZE));
}

/* As many different rows' values as there are sixteens, and no more rows above the least of them than the others of
 * those sixteens. */
static void greatest_try(const vssi_dense *kernels, size_t bytes, size_t rows, size_t n_queries)
{
    codes_memory m;
    uint64_t seed = bytes + rows + n_queries;
    uint8_t *queries = malloc(n_queries * bytes);
    size_t steps = vssi_dense_steps(bytes), sixteens = rows / 16;
    char *group = aligned_alloc(64, vssi_dense_size(steps));
    int32_t *norms = malloc(rows * sizeof *norms), *greatest = malloc(sixteens * VSSI_DENSE_QUERIES * sizeof *greatest);
    int64_t *wanted = malloc(rows * sizeof *wanted);
    memset(group, 0, vssi_dense_size(steps));
    codes_map(&m, rows, bytes);
    for (size_t i = 0; i < m.bytes; i++)
        m.rows[i] = (char)(vssi_random_next(&seed) >> 20);
    for (size_t i = 0; i < n_queries * bytes; i++)
        queries[i] = (uint8_t)(vssi_random_next(&seed) >> 20);
    for (size_t r = 0; r < rows; r++)
        norms[r] = vssi_dense_norm((const uint8_t *)m.rows + r * bytes, bytes);
    for (size_t q = 0; q < n_queries; q++)
        vssi_dense_query_codes(queries + q * bytes, bytes, q, group);
    vssi_dense_codes job = {m.rows, bytes, rows, steps, group, n_queries, norms, NULL, m.rows, m.bytes};
    kernels->greatest(&job, greatest);
    for (size_t q = 0; q < n_queries; q++) {
        size_t found = 0;
        int64_t least = INT64_MAX;
        for (size_t r = 0; r < rows; r++)
            wanted[r] = codes_value((const uint8_t *)m.rows + r * bytes, queries + q * bytes, bytes);
        for (size_t i = 0; i < sixteens; i++) {
            int32_t value = greatest[i * VSSI_DENSE_QUERIES + q];
            least = value < least ? value : least;
            for (size_t r = 0; r < rows; r++) {
                if (wanted[r] == value) {
                    wanted[r] = INT64_MIN; /* a row stands for one sixteen only */
                    found++;
                    break;
                }
            }
        }
        assert_int_equal(found, sixteens);
        for (size_t r = 0, above = 0; r < rows; r++) {
            above += wanted[r] > least; /* at most 15 beside each of the greatest */
            assert_true(above <= 15 * (sixteens - 1));
        }
    }
    free(queries), free(group), free(norms), free(greatest), free(wanted);
    munmap(m.pages, m.size + (size_t)sysconf(_SC_PAGESIZE));
}

static void test_greatest(void **state)
{
    (void)state;
    const vssi_dense *kernels = dense_found();
    for (size_t n = 1; n <= VSSI_DENSE_QUERIES; n += 5) {
        greatest_try(kernels, 40, 64, n);
        greatest_try(kernels, 132, 192, n);
    }
}

static void test_codes(void **state)
{
    (void)state;
    static const size_t bytes[] = {4, 12, 60, 64, 68, 128, 132, 900};
    const vssi_dense *kernels = dense_found();
    for (size_t b = 0; b < sizeof bytes / sizeof *bytes; b++) {
        for (size_t n = 1; n <= VSSI_DENSE_QUERIES; n += n % 16 == 0 ? 1 : 5)
            codes_try(kernels, bytes[b], 1 + 29 * n % 197, n, 0, (double)bytes[b] * 4000);
        codes_try(kernels, bytes[b], 70, 20, 0, -1);
        codes_try(kernels, bytes[b], 130, 16, 0, -1);
    }
    for (int extreme = 1; extreme <= 4; extreme++) {
        codes_try(kernels, VSSI_DENSE_BYTES, 33, 3, extreme, 1.2e9);
        codes_try(kernels, VSSI_DENSE_BYTES, 3, 17, extreme, -1);
    }
}

static float dense_random(uint64_t *state) { return (float)((double)(vssi_random_next(state) >> 40) * 0x1p-23 - 1); }

/* A row's components as they are stored, and as float32. */
static void floats_store(vssi_simd_type type, const float *from, size_t n, void *to)
{
    uint16_t *halves = to;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &from[i], sizeof bits);
        if (type == VSSI_SIMD_F16)
            halves[i] = vssi_half_round(from[i]);
        else if (type == VSSI_SIMD_BF16)
            halves[i] = (uint16_t)(bits >> 16);
        else
            memcpy((float *)to + i, &from[i], sizeof bits);
    }
}

/* Is the sum of one pair within its bound of what exact numbers say about the limit. */
static void floats_check(const dense_case *c, const float *row, const float *query, double slack, double limit,
                         bool listed)
{
    double sum = vssi_exact_ip_f32(row, query, c->bytes), rounding = vssi_simd_gamma(1) * fabs(limit) * 4;
    if (listed ? sum < limit - slack - rounding : sum >= limit + slack + rounding)
        fail_msg("dim %zu: %.9g, limit %.9g, slack %.9g, listed %d", c->bytes, sum, limit, slack, listed);
}

static void floats_try(const vssi_dense *kernels, vssi_simd_type type, size_t dim, size_t rows, size_t n_queries,
                       float size)
{
    dense_case c;
    uint64_t seed = dim * 1000 + rows * 40 + n_queries;
    size_t row_size = vssi_simd_row_size(type, dim);
    dense_begin(&c, vssi_simd_row_size(VSSI_SIMD_BF16, dim), rows, n_queries);
    c.bytes = dim;
    size_t places = c.n_panels * VSSI_DENSE_ROWS;
    char *stored = malloc(rows * row_size);
    float *data = malloc(rows * dim * sizeof *data), *queries = malloc(n_queries * dim * sizeof *queries);
    float *terms = malloc(5 * places * sizeof *terms), *norms = terms + 3 * places, *rests = terms + 4 * places;
    __attribute__((aligned(64))) float fall[VSSI_DENSE_QUERIES], reach[VSSI_DENSE_QUERIES];
    double off[VSSI_DENSE_QUERIES];
    for (size_t i = 0; i < rows * dim; i++)
        data[i] = dense_random(&seed) * size;
    for (size_t i = 0; i < n_queries * dim; i++)
        queries[i] = dense_random(&seed) * size;
    for (size_t r = 0; r < rows; r++) {
        floats_store(type, data + r * dim, dim, stored + r * row_size);
        vssi_simd_widen(type, stored + r * row_size, dim, data + r * dim);
    }
    for (size_t p = 0; p < c.n_panels; p++) {
        const char *pointers[VSSI_DENSE_ROWS];
        size_t n = dense_rows(&c, p, stored, row_size, pointers), at = p * VSSI_DENSE_ROWS;
        kernels->pack_floats(type, pointers, n, dim, p * 64, c.panels + p * vssi_dense_size(c.steps), norms + at,
                             rests + at);
    }
    for (size_t r = 0; r < places; r++) {
        terms[r] = 1 + (float)(r % 3);                                  /* scale */
        terms[places + r] = r < rows ? dense_random(&seed) * size * size : INFINITY; /* base */
        terms[2 * places + r] = dense_random(&seed) * size;             /* rest */
    }
    for (size_t q = 0; q < VSSI_DENSE_QUERIES; q++) {
        fall[q] = q < n_queries ? dense_random(&seed) * size * size : INFINITY;
        reach[q] = dense_random(&seed) * size;
        off[q] = q < n_queries ? sqrt(vssi_dense_query_floats(queries + q * dim, dim, q, c.group)) : 0;
    }
    vssi_dense_floats with = {terms, terms + places, terms + 2 * places, fall, reach};
    size_t n = kernels->floats(&c.job, &with, c.where), at = 0;
    for (size_t r = 0; r < rows; r++) {
        double norm = vssi_exact_ip_f32(data + r * dim, data + r * dim, dim), rest = sqrt((double)rests[r]);
        assert_true(fabs((double)norms[r] - norm) <= vssi_simd_gamma(dim) * norm + 0x1p-120);
        assert_true(rest <= sqrt(norm) * 0x1.01p-8 + 0x1p-70 && (type != VSSI_SIMD_BF16 || rest == 0));
        for (size_t q = 0; q < n_queries; q++) {
            const float *query = queries + q * dim;
            double length = sqrt(vssi_exact_ip_f32(query, query, dim));
            double slack = length * rest + off[q] * (sqrt(norm) + rest) + vssi_simd_gamma(dim) * length * sqrt(norm);
            slack += (double)dim * 0x1p-70 * length + (double)dim * 0x1p-124;
            double limit = (double)fall[q] * (double)with.scale[r] + (double)with.base[r];
            bool listed = at < n && c.where[at] == (r << 5 | q);
            limit -= (double)reach[q] * (double)with.rest[r];
            floats_check(&c, data + r * dim, query, slack * 1.01 + vssi_simd_gamma(2) * fabs((double)with.base[r]),
                         limit, listed);
            at += listed;
        }
    }
    assert_int_equal(at, n);
    free(stored), free(data), free(queries), free(terms);
    dense_end(&c);
}

static void test_floats(void **state)
{
    (void)state;
    static const size_t dims[] = {1, 2, 15, 16, 17, 31, 32, 33, 48, 49, 100, 129};
    const vssi_dense *kernels = dense_found();
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        for (vssi_simd_type type = VSSI_SIMD_F32; type <= VSSI_SIMD_BF16; type++) {
            for (size_t n = 1; n <= VSSI_DENSE_QUERIES; n += n % 16 == 0 ? 1 : 5)
                floats_try(kernels, type, dims[d], 1 + 13 * n % 97, n, 1);
        }
        floats_try(kernels, VSSI_SIMD_F32, dims[d], 40, 20, 0x1p-66f); /* products below the least normal number */
        floats_try(kernels, VSSI_SIMD_F32, dims[d], 40, 20, 0x1p-130f);
        floats_try(kernels, VSSI_SIMD_F32, dims[d], 40, 20, 0x1p54f);
    }
}

/* Whole numbers that float32 holds, compared with limits between them: pairs are exact. */
static void bytes_try(const vssi_dense *kernels, vssi_simd_type type, size_t dim, size_t rows, size_t n_queries)
{
    dense_case c;
    uint64_t seed = dim * 1000 + rows * 40 + n_queries;
    const int flip = type == VSSI_SIMD_I8 ? 0x80 : 0;
    dense_begin(&c, dim, rows, n_queries);
    size_t places = c.n_panels * VSSI_DENSE_ROWS;
    uint8_t *data = malloc(rows * dim), *queries = malloc(n_queries * dim);
    float *terms = malloc(3 * places * sizeof *terms);
    int32_t *sums = malloc(2 * places * sizeof *sums), *squares = sums + places;
    __attribute__((aligned(64))) float fall[VSSI_DENSE_QUERIES], reach[VSSI_DENSE_QUERIES] = {0};
    for (size_t i = 0; i < rows * dim; i++)
        data[i] = (uint8_t)(vssi_random_next(&seed) >> 20);
    for (size_t i = 0; i < n_queries * dim; i++)
        queries[i] = (uint8_t)(vssi_random_next(&seed) >> 20);
    for (size_t p = 0; p < c.n_panels; p++) {
        const char *pointers[VSSI_DENSE_ROWS];
        size_t n = dense_rows(&c, p, data, dim, pointers), at = p * VSSI_DENSE_ROWS;
        kernels->pack_bytes(type, pointers, n, dim, p * 64, c.panels + p * vssi_dense_size(c.steps), sums + at,
                            squares + at);
    }
    for (size_t r = 0; r < places; r++) {
        terms[r] = 1;
        terms[places + r] = r < rows ? 0.5f : INFINITY;
        terms[2 * places + r] = 0;
    }
    for (size_t q = 0; q < VSSI_DENSE_QUERIES; q++) {
        fall[q] = q < n_queries ? (float)(int32_t)(vssi_random_next(&seed) % 20000) - 10000 : INFINITY;
        if (q < n_queries)
            vssi_dense_query_codes(queries + q * dim, dim, q, c.group);
    }
    vssi_dense_floats with = {terms, terms + places, terms + 2 * places, fall, reach};
    size_t n = kernels->bytes(&c.job, &with, c.where), at = 0;
    for (size_t r = 0; r < rows; r++) {
        int32_t sum = 0, square = 0;
        for (size_t i = 0; i < dim; i++) {
            int32_t byte = data[r * dim + i] ^ flip;
            sum += byte;
            square += byte * (byte - 128);
        }
        assert_true(sums[r] == sum && squares[r] == square);
        for (size_t q = 0; q < n_queries; q++) {
            int32_t product = 0;
            for (size_t i = 0; i < dim; i++)
                product += (queries[q * dim + i] - 128) * (data[r * dim + i] ^ flip);
            bool listed = at < n && c.where[at] == (r << 5 | q);
            assert_int_equal(listed, (float)product >= fall[q] + 0.5f);
            at += listed;
        }
    }
    assert_int_equal(at, n);
    free(data), free(queries), free(terms), free(sums);
    dense_end(&c);
}

static void test_bytes(void **state)
{
    (void)state;
    const vssi_dense *kernels = dense_found();
    for (size_t dim = 1; dim < 300; dim += dim < 70 ? 3 : 51) {
        for (vssi_simd_type type = VSSI_SIMD_I8; type <= VSSI_SIMD_U8; type++)
            bytes_try(kernels, type, dim, 1 + 13 * dim % 97, 1 + dim % VSSI_DENSE_QUERIES);
    }
}

/* A signal stack too small for the tiles is what the system refuses them for: the level below is there then. */
static int refused_try(void)
{
    static char stack[8192];
    stack_t small = {.ss_sp = stack, .ss_size = sizeof stack};
    if (sigaltstack(&small, NULL) != 0)
        return 2;
    bool lower = strcmp(vssi_simd()->level, "amx") != 0 && vssi_dense_best() == NULL;
    return lower && vssi_simd() == vssi_simd_level(vssi_simd_detect() - 2) ? 0 : 1;
}

#define REFUSED "--refused"

/* In a process of its own: leave that was given once stays. */
static void test_refused(void **state)
{
    (void)state;
    (void)dense_found();
    int status;
    pid_t child = fork();
    if (child == 0) {
        unsetenv("VSS_SIMD");
        execl("/proc/self/exe", "test_dense", REFUSED, (char *)NULL);
        _exit(3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(int n, char **words)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_codes), cmocka_unit_test(test_greatest),
                                       cmocka_unit_test(test_floats), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_refused)};
    if (n > 1 && strcmp(words[1], REFUSED) == 0)
        return refused_try();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
