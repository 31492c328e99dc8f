/*
 * test_tile.c - the tile kernels of every level against sums in float64: all shapes, partial panels, cuts
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
    float *rows, *queries, *panel;
    float scale[VSSI_TILE_ROWS], base[VSSI_TILE_ROWS], cuts[VSSI_TILE_QUERIES];
} tile_case;

static void tile_fill(tile_case *c, const vssi_tile *tile, size_t n, uint64_t seed)
{
    const char *rows[VSSI_TILE_ROWS];
    c->n = n;
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
    vssi_tile_job job = {c.queries, n_queries, c.panel, dim, lines, lines + VSSI_TILE_ROWS, c.cuts, NULL};
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
                fail_msg("units %zu panels %zu queries %zu: row %zu, query %zu: %lld, least %d", units, n_panels, n, r, q,
                         (long long)value, least[q]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multiply),
        cmocka_unit_test(test_pack_and_norms),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
