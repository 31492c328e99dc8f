/*
 * tile_scalar.c - panels of eight rows in plain C
 *
 * Two queries at a time: sixteen sums, which compilers keep in vectors of four on every processor.
 */
#include <string.h>

#include "components.h"
#include "tile.h"

#define SCALAR_ROWS 8u

static void scalar_pack(const char *const *rows, size_t n, size_t dim, float *panel)
{
    memset(panel, 0, dim * SCALAR_ROWS * sizeof *panel);
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < dim; i++)
            memcpy(&panel[i * SCALAR_ROWS + r], rows[r] + i * sizeof *panel, sizeof *panel);
    }
}

static void scalar_widen(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, float *panel)
{
    memset(panel, 0, dim * SCALAR_ROWS * sizeof *panel);
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < dim; i++)
            panel[i * SCALAR_ROWS + r] = vssi_components_get(type, rows[r], i);
    }
}

static void scalar_norms(const float *panel, size_t dim, float *norms)
{
    float sum[SCALAR_ROWS] = {0};
    for (size_t i = 0; i < dim; i++) {
        for (size_t r = 0; r < SCALAR_ROWS; r++)
            sum[r] += panel[i * SCALAR_ROWS + r] * panel[i * SCALAR_ROWS + r];
    }
    memcpy(norms, sum, sizeof sum);
}

static void scalar_multiply(const vssi_tile_job *job, uint32_t *hits)
{
    for (size_t q = 0; q < job->n_queries; q += 2) {
        float sum[2][SCALAR_ROWS] = {{0}}, *before = job->sums + q * SCALAR_ROWS;
        if (job->part & VSSI_TILE_MORE_BEFORE)
            memcpy(sum, before, sizeof sum);
        for (size_t i = 0; i < job->dim; i++) {
            const float *v = job->panel + i * SCALAR_ROWS, *two = job->queries + i * job->n_queries + q;
            for (size_t r = 0; r < SCALAR_ROWS; r++) {
                sum[0][r] += two[0] * v[r];
                sum[1][r] += two[1] * v[r];
            }
        }
        if (job->part & VSSI_TILE_MORE_BEHIND) {
            memcpy(before, sum, sizeof sum);
            continue;
        }
        hits[q] = hits[q + 1] = 0;
        for (size_t r = 0; r < SCALAR_ROWS; r++) {
            hits[q] |= (uint32_t)(sum[0][r] * job->scale[r] + job->base[r] <= job->cuts[q]) << r;
            hits[q + 1] |= (uint32_t)(sum[1][r] * job->scale[r] + job->base[r] <= job->cuts[q + 1]) << r;
        }
    }
}

const vssi_tile vssi_tile_scalar = {
    "scalar", SCALAR_ROWS, 8, scalar_pack, scalar_widen, scalar_norms, scalar_multiply};
