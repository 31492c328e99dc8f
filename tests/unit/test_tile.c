/*
 * test_tile.c - the tile kernels of every level against slow sums: all shapes, types, partial panels, parts, cuts
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/hash.h"
#include "../../simd/simd.h"
#include "../../simd/tile.h"

static float tile_random(uint64_t *state) { return (float)((double)(vssi_random_next(state) >> 40) * 0x1p-23 - 1); }

typedef struct tile_case {
    size_t dim, n, n_queries;
    float *rows, *queries, *panel, *sums;
    float scale[VSSI_TILE_ROWS], base[VSSI_TILE_ROWS], cuts[VSSI_TILE_QUERIES];
} tile_case;

static void tile_fill(tile_case *c, const vssi_tile *tile, size_t n, uint64_t seed)
{
    const char *rows[VSSI_TILE_ROWS];
    c->n = n;
    c->sums = aligned_alloc(64, VSSI_TILE_QUERIES * VSSI_TILE_ROWS * sizeof *c->sums);
    c->rows = malloc(n * c->dim * sizeof *c->rows);
    c->queries = malloc(c->n_queries * c->dim * sizeof *c->queries);
    c->panel = aligned_alloc(64, (c->dim * tile->rows * sizeof *c->panel + 63) / 64 * 64);
    for (size_t i = 0; i < n * c->dim; i++)
        c->rows[i] = tile_random(&seed);
    for (size_t i = 0; i < c->n_queries * c->dim; i++)
        c->queries[i] = tile_random(&seed);
    for (size_t r = 0; r < tile->rows; r++) {
        c->scale[r] = tile_random(&seed);
        c->base[r] = tile_random(&seed);
        if (r < n)
            rows[r] = (const char *)(c->rows + r * c->dim);
    }
    for (size_t q = 0; q < c->n_queries; q++)
        c->cuts[q] = tile_random(&seed);
    tile->pack(rows, n, c->dim, c->panel);
}

static double tile_value(const tile_case *c, const vssi_tile *tile, size_t q, size_t r, double *bound)
{
    double sum = 0, size = 0;
    for (size_t i = 0; i < c->dim; i++) {
        double product = (double)c->queries[i * c->n_queries + q] * (double)c->panel[i * tile->rows + r];
        sum += product;
        size += fabs(product);
    }
    *bound = vssi_simd_gamma(c->dim) * (size * fabs((double)c->scale[r]) + fabs((double)c->base[r]));
    return sum * (double)c->scale[r] + (double)c->base[r];
}

static void tile_try(const vssi_tile *tile, size_t dim, size_t n, size_t n_queries)
{
    tile_case c = {.dim = dim, .n_queries = n_queries};
    uint32_t hits[VSSI_TILE_QUERIES];
    tile_fill(&c, tile, n, dim * 1000 + n * 20 + n_queries);
    float *lines = aligned_alloc(64, 2 * sizeof c.scale);
    memcpy(lines, c.scale, sizeof c.scale);
    memcpy(lines + VSSI_TILE_ROWS, c.base, sizeof c.base);
    const char *const wanted[] = {(const char *)c.rows, NULL};
    vssi_tile_next next = {.rows = wanted, .n = 1, .size = dim * sizeof *c.rows};
    vssi_tile_job job = {.queries = c.queries, .n_queries = n_queries, .panel = c.panel, .dim = dim, .scale = lines,
                         .base = lines + VSSI_TILE_ROWS, .cuts = c.cuts, .sums = c.sums, .next = &next, .asks = dim};
    if (dim > 8 && n_queries % 4 == 0) { /* in two parts */
        job.dim = dim / 2;
        job.part = VSSI_TILE_MORE_BEHIND;
        tile->multiply(&job, hits);
        job.queries += job.dim * n_queries;
        job.panel += job.dim * tile->rows;
        job.dim = dim - job.dim;
        job.part = VSSI_TILE_MORE_BEFORE;
    }
    tile->multiply(&job, hits);
    for (size_t q = 0; q < n_queries; q++) {
        for (size_t r = 0; r < tile->rows; r++) {
            double bound, value = tile_value(&c, tile, q, r, &bound), cut = (double)c.cuts[q];
            bool hit = hits[q] >> r & 1;
            if ((hit && value > cut + bound) || (!hit && value <= cut - bound))
                fail_msg("%s dim %zu rows %zu: query %zu of %zu row %zu is %g, cut %g, hit %d", tile->level, dim, n, q,
                         n_queries, r, value, cut, hit);
        }
        assert_true(tile->rows == 32 || hits[q] >> tile->rows == 0);
    }
    free(lines);
    free(c.rows);
    free(c.queries);
    free(c.panel);
    free(c.sums);
}

static void test_multiply(void **state)
{
    (void)state;
    static const size_t dims[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 129};
    const vssi_tile *tile;
    for (size_t level = 0; (tile = vssi_tile_level(level)) != NULL; level++) {
        assert_true(tile->rows <= VSSI_TILE_ROWS && tile->queries <= VSSI_TILE_QUERIES && tile->queries % 2 == 0);
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
            for (size_t n = 1; n <= tile->rows; n += 3)
                tile_try(tile, dims[d], n, 2 + 2 * (n % (tile->queries / 2)));
            for (size_t q = 2; q <= tile->queries; q += 2)
                tile_try(tile, dims[d], tile->rows, q);
        }
    }
}

static void test_pack_and_norms(void **state)
{
    (void)state;
    const vssi_tile *tile;
    for (size_t level = 0; (tile = vssi_tile_level(level)) != NULL; level++) {
        for (size_t dim = 1; dim < 70; dim++) {
            tile_case c = {.dim = dim, .n_queries = 2};
            size_t n = dim % tile->rows + 1;
            float *norms = aligned_alloc(64, VSSI_TILE_ROWS * sizeof *norms);
            tile_fill(&c, tile, n, dim);
            tile->norms(c.panel, dim, norms);
            for (size_t r = 0; r < tile->rows; r++) {
                double norm = 0;
                for (size_t i = 0; i < dim; i++) {
                    float want = r < n ? c.rows[r * dim + i] : 0;
                    assert_memory_equal(&c.panel[i * tile->rows + r], &want, sizeof want);
                    norm += (double)want * (double)want;
                }
                assert_true(fabs((double)norms[r] - norm) <= vssi_simd_gamma(dim) * norm);
            }
            free(norms);
            free(c.rows);
            free(c.queries);
            free(c.panel);
            free(c.sums);
        }
    }
}

/* Codes are compared in whole numbers: hits are exact. */
static void codes_try(const vssi_tile_codes *kernels, size_t units, size_t n_panels, size_t n, uint64_t seed)
{
    size_t rows = n_panels * VSSI_TILE_ROWS, size = 4 * units, panel = VSSI_TILE_ROWS * size;
    size_t last = seed % VSSI_TILE_ROWS + 1; /* rows of the last panel */
    uint8_t *codes = calloc(rows, size), *queries = malloc(n * size);
    char *panels = aligned_alloc(64, n_panels * panel);
    int32_t *halves = aligned_alloc(64, rows * sizeof *halves), *least = malloc(n * sizeof *least);
    uint32_t *packed = malloc(units * n * sizeof *packed), *hits = malloc(n_panels * n * sizeof *hits);
    for (size_t i = 0; i < (rows - VSSI_TILE_ROWS + last) * size; i++)
        codes[i] = (uint8_t)(n == 2 ? 255 : vssi_random_next(&seed));
    for (size_t i = 0; i < n * size; i++)
        queries[i] = (uint8_t)(n == 4 ? 0 : vssi_random_next(&seed));
    for (size_t p = 0; p < n_panels; p++) {
        const char *pointers[VSSI_TILE_ROWS];
        for (size_t r = 0; r < VSSI_TILE_ROWS; r++)
            pointers[r] = (const char *)codes + (p * VSSI_TILE_ROWS + r) * size;
        kernels->pack(pointers, p + 1 == n_panels ? last : VSSI_TILE_ROWS, units, panels + p * panel);
    }
    kernels->halves(panels, n_panels, units, halves);
    for (size_t q = 0; q < n; q++) {
        least[q] = (int32_t)(vssi_random_next(&seed) % (size * 16000)) - (int32_t)(size * 8000);
        for (size_t i = 0; i < units; i++) {
            memcpy(&packed[i * n + q], queries + q * size + 4 * i, 4);
            packed[i * n + q] ^= 0x80808080u;
        }
    }
    vssi_tile_codes_job job = {(const int32_t *)packed, n, panels, n_panels, units, halves, least, panels};
    kernels->multiply(&job, hits);
    for (size_t q = 0; q < n; q++) {
        for (size_t r = 0; r < rows; r++) {
            const uint8_t *c = codes + r * size, *d = queries + q * size;
            int64_t sum = 0; /* sum d^2 - sum (c - d)^2 */
            for (size_t i = 0; i < size; i++)
                sum += d[i] * d[i] - (c[i] - d[i]) * (c[i] - d[i]);
            int64_t value = (sum + 1 - ((sum + 1) % 2 != 0 && sum + 1 < 0)) / 2;
            if ((hits[r / VSSI_TILE_ROWS * n + q] >> r % VSSI_TILE_ROWS & 1) != (value >= least[q]))
                fail_msg("units %zu panels %zu queries %zu: row %zu, query %zu: %lld, least %d", units, n_panels, n,
                         r, q, (long long)value, least[q]);
        }
    }
    free(codes), free(queries), free(panels), free(halves), free(least), free(packed), free(hits);
}

static void test_codes(void **state)
{
    (void)state;
    static const size_t units[] = {1, 2, 6, 7, 8, 9, 16, 17, 37};
    const vssi_tile_codes *kernels;
    for (size_t level = 0; (kernels = vssi_tile_codes_level(level)) != NULL; level++) {
        assert_true(kernels->queries <= VSSI_TILE_QUERIES && kernels->queries % 2 == 0);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            for (size_t n = 1; n <= kernels->queries; n += n == 1 ? 1 : 2)
                codes_try(kernels, units[u], 1 + (n + u) % 5, n, 100 * u + n);
        }
    }
}

/* A case of the bytes: rows, queries as they are given, and the same as the kernel takes them. */
typedef struct bytes_case {
    vssi_simd_type type;
    vssi_simd_op op;
    size_t dim, units, n, n_queries;
    uint8_t rows[VSSI_TILE_ROWS][160], queries[VSSI_TILE_QUERIES][160];
    uint8_t *packed;  /* [units][n_queries][4] */
    void *panel;
    int32_t *base, *sums, add[VSSI_TILE_QUERIES];
    float *scale, cuts[VSSI_TILE_QUERIES];
} bytes_case;

static float bits_score(const bytes_case *c, size_t q, size_t r)
{
    int32_t differ = 0, either = 0;
    for (size_t i = 0; i < c->dim / 8; i++) {
        differ += __builtin_popcount(c->rows[r][i] ^ c->queries[q][i]);
        either += __builtin_popcount(c->rows[r][i] | c->queries[q][i]);
    }
    if (c->op == VSSI_SIMD_HAMMING)
        return (float)differ * c->scale[r];
    return either == 0 ? 0 : (float)differ / (float)either * c->scale[r];
}

static int32_t bytes_get(const bytes_case *c, const uint8_t *row, size_t i)
{
    return c->type == VSSI_SIMD_I8 ? (int8_t)row[i] : row[i];
}

static void bytes_query(bytes_case *c, size_t q)
{
    c->add[q] = 0;
    for (size_t i = 0; i < 4 * c->units; i++) {
        if (c->type == VSSI_SIMD_BITS) {
            uint8_t byte = i < c->dim / 8 ? c->queries[q][i] : 0;
            c->packed[(i / 4 * c->n_queries + q) * 4 + i % 4] = byte;
            c->add[q] += __builtin_popcount(byte);
            continue;
        }
        uint8_t given = i < c->dim ? c->queries[q][i] : 0, byte = c->type == VSSI_SIMD_I8 ? given : given ^ 0x80;
        int32_t w = (int8_t)byte;
        c->packed[(i / 4 * c->n_queries + q) * 4 + i % 4] = byte;
        if (c->op == VSSI_SIMD_L2)
            c->add[q] += (w + 128) * (w + 128);
        else if (c->type == VSSI_SIMD_I8)
            c->add[q] += 128 * w;
    }
}

static float bytes_score(const bytes_case *c, size_t q, size_t r)
{
    int32_t sum = 0;
    if (c->type == VSSI_SIMD_BITS)
        return bits_score(c, q, r);
    for (size_t i = 0; i < c->dim; i++) {
        int32_t a = bytes_get(c, c->queries[q], i), b = bytes_get(c, c->rows[r], i);
        sum += c->op == VSSI_SIMD_L2 ? (a - b) * (a - b) : -a * b;
    }
    return (float)sum * c->scale[r];
}

static void bytes_multiply(const vssi_tile_bytes *kernels, bytes_case *c, uint32_t *hits)
{
    const char *const wanted[] = {(const char *)c->rows, NULL};
    vssi_tile_next next = {.rows = wanted, .n = 1, .size = sizeof c->rows};
    vssi_tile_bytes_job job = {.queries = (const int32_t *)(const void *)c->packed, .n_queries = c->n_queries,
                               .panel = c->panel, .units = c->units, .base = c->base, .add = c->add, .scale = c->scale,
                               .cuts = c->cuts, .op = c->op, .sums = c->sums, .next = &next,
                               .asks = 9};
    if (c->units > 2 && c->n % 2 == 0) { /* in two parts */
        job.units = c->units / 2;
        job.part = VSSI_TILE_MORE_BEHIND;
        kernels->multiply(&job, hits);
        job.queries += job.units * c->n_queries;
        job.panel = (const char *)c->panel + job.units * kernels->rows * 4;
        job.units = c->units - job.units;
        job.part = VSSI_TILE_MORE_BEFORE;
    }
    kernels->multiply(&job, hits);
}

static void bytes_try(const vssi_tile_bytes *kernels, bytes_case *c, uint64_t seed)
{
    const char *rows[VSSI_TILE_ROWS];
    uint32_t hits[VSSI_TILE_QUERIES];
    bool extreme = seed % 7 == 0;
    for (size_t i = 0; i < sizeof c->rows; i++)
        c->rows[i / 160][i % 160] = (uint8_t)(extreme ? seed % 2 * 255 : vssi_random_next(&seed));
    for (size_t i = 0; i < sizeof c->queries; i++)
        c->queries[i / 160][i % 160] = (uint8_t)vssi_random_next(&seed);
    for (size_t r = 0; r < kernels->rows; r++) {
        rows[r] = (const char *)c->rows[r];
        c->scale[r] = seed % 3 != 0 ? 1 : tile_random(&seed) + 2;
    }
    kernels->pack(c->type, c->op, rows, c->n, c->dim, c->panel, c->base);
    for (size_t q = 0; q < c->n_queries; q++) {
        bytes_query(c, q);
        c->cuts[q] = bytes_score(c, q, vssi_random_next(&seed) % c->n); /* equality is a hit */
    }
    bytes_multiply(kernels, c, hits);
    for (size_t q = 0; q < c->n_queries; q++) {
        for (size_t r = 0; r < c->n; r++)
            assert_int_equal(hits[q] >> r & 1, bytes_score(c, q, r) <= c->cuts[q]);
    }
}

/* Bytes and bits are compared as the scores of simd.h: hits are exact. */
static void test_bytes(void **state)
{
    (void)state;
    static const vssi_simd_type types[] = {VSSI_SIMD_I8, VSSI_SIMD_U8, VSSI_SIMD_BITS};
    static bytes_case c;
    if (vssi_tile_bytes_best(VSSI_SIMD_I8) == NULL)
        skip();
    c.packed = malloc(sizeof c.queries);
    c.panel = aligned_alloc(64, sizeof c.rows);
    c.base = aligned_alloc(64, VSSI_TILE_ROWS * sizeof *c.base);
    c.sums = aligned_alloc(64, VSSI_TILE_QUERIES * VSSI_TILE_ROWS * sizeof *c.sums);
    c.scale = aligned_alloc(64, VSSI_TILE_ROWS * sizeof *c.scale);
    for (uint64_t seed = 1; seed < 900; seed++) {
        c.type = types[seed % 3];
        c.op = seed % 4 < 2 ? VSSI_SIMD_L2 : VSSI_SIMD_IP;
        c.dim = (1 + seed % 160) * (c.type == VSSI_SIMD_BITS ? 8 : 1);
        c.units = (vssi_simd_row_size(c.type, c.dim) + 3) / 4;
        const vssi_tile_bytes *kernels = vssi_tile_bytes_best(c.type);
        c.n = 1 + seed % kernels->rows;
        c.n_queries = 2 + 2 * (seed % (kernels->queries / 2));
        bytes_try(kernels, &c, seed);
    }
    free(c.packed);
    free(c.panel);
    free(c.base);
    free(c.sums);
    free(c.scale);
}

/* Scores of a few queries at once are within the bound of simd.h. */
static void few_try(vssi_simd_type type, vssi_simd_op op, size_t dim, size_t n, size_t n_queries)
{
    enum { MOST = 40 };
    uint64_t seed = dim * 100 + n;
    size_t size = vssi_simd_row_size(type, dim);
    uint16_t *data = malloc(MOST * dim * sizeof(float));
    float *queries = malloc(VSSI_FEW_QUERIES * dim * sizeof *queries), *wide = malloc(dim * sizeof *wide);
    float scores[VSSI_FEW_QUERIES][MOST];
    const char **rows = malloc((n + VSSI_FEW_BEYOND) * sizeof *rows); /* not one more: a sanitizer sees the next */
    vssi_few_job job = {.type = type, .op = op, .n_queries = n_queries, .rows = rows, .n = n, .dim = dim};
    for (size_t i = 0; i < MOST * dim; i++) {
        float value = tile_random(&seed);
        if (type == VSSI_SIMD_F32)
            memcpy(data + 2 * i, &value, sizeof value);
        else
            data[i] = (uint16_t)(0x3800 + vssi_random_next(&seed) % 0x400);
    }
    for (size_t i = 0; i < VSSI_FEW_QUERIES * dim; i++)
        queries[i] = tile_random(&seed);
    for (size_t r = 0; r < n + VSSI_FEW_BEYOND; r++)
        rows[r] = (const char *)data + vssi_random_next(&seed) % MOST * size;
    for (size_t q = 0; q < n_queries; q++) {
        job.queries[q] = queries + q * dim;
        job.scores[q] = scores[q];
    }
    vssi_few_best()(&job);
    for (size_t q = 0; q < n_queries; q++) {
        for (size_t r = 0; r < n; r++) {
            vssi_simd_widen(type, rows[r], dim, wide);
            double ip = vssi_exact_ip_f32(job.queries[q], wide, dim), l2 = vssi_exact_l2_f32(job.queries[q], wide, dim);
            double norm = vssi_exact_ip_f32(job.queries[q], job.queries[q], dim);
            double scale = op == VSSI_SIMD_L2 ? l2 : sqrt(vssi_exact_ip_f32(wide, wide, dim) * norm);
            double want = op == VSSI_SIMD_L2 ? l2 : -ip;
            assert_true(fabs((double)scores[q][r] - want) <= vssi_simd_gamma(dim) * scale);
        }
    }
    free(data);
    free(queries);
    free(wide);
    free(rows);
}

static void test_few(void **state)
{
    (void)state;
    if (vssi_few_best() == NULL)
        skip();
    for (size_t dim = 1; dim < 70; dim++) {
        for (vssi_simd_type type = VSSI_SIMD_F32; type <= VSSI_SIMD_BF16; type++) {
            few_try(type, VSSI_SIMD_L2, dim, 1 + dim % 40, 2 + dim % 3);
            few_try(type, VSSI_SIMD_IP, dim, 1 + dim % 37, 2 + (dim + 1) % 3);
        }
    }
}

/* Rows of every type become float32 as they are. */
static void test_widen(void **state)
{
    (void)state;
    const vssi_tile *tile;
    uint64_t seed = 11;
    for (size_t level = 0; (tile = vssi_tile_level(level)) != NULL; level++) {
        for (size_t dim = 1; dim < 70; dim++) {
            vssi_simd_type type = (vssi_simd_type)(VSSI_SIMD_F16 + dim % 4);
            size_t size = vssi_simd_row_size(type, dim), n = 1 + dim % tile->rows;
            uint8_t *data = malloc(n * size);
            float *panel = aligned_alloc(64, (dim * tile->rows * sizeof *panel + 63) / 64 * 64), wide[70];
            const char *rows[VSSI_TILE_ROWS];
            for (size_t i = 0; i < n * size; i++) /* no NaN: the exponent is never full */
                data[i] = (uint8_t)(vssi_random_next(&seed) & (i % 2 ? 0xb7 : 0xff));
            for (size_t r = 0; r < n; r++)
                rows[r] = (const char *)data + r * size;
            tile->widen(type, rows, n, dim, panel);
            for (size_t r = 0; r < tile->rows; r++) {
                memset(wide, 0, sizeof wide);
                if (r < n)
                    vssi_simd_widen(type, rows[r], dim, wide);
                for (size_t i = 0; i < dim; i++)
                    assert_true(panel[i * tile->rows + r] >= wide[i] && panel[i * tile->rows + r] <= wide[i]);
            }
            free(data);
            free(panel);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multiply),
        cmocka_unit_test(test_pack_and_norms),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_widen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
