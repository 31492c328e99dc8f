/*
 * prefix.c - points of few dimensions and their codes: what a stored prefix is used by
 *
 * Cost of a point: width * dims multiplications and additions in one order, so that it is the same on every machine;
 * the directions are read once for all that are asked for together.
 */
#include "prefix.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../../lib/base/fail.h"
#include "../../simd/project.h"
#include "principal.h"

#define PREFIX_PAD 0x1p-14 /* prefix.h */

void vssi_prefix_points(uint32_t width, uint32_t dims, const double *turn, double *carriers, size_t n, double *points,
                        double *lengths)
{
    const size_t stride = 1 + (size_t)dims;
    for (size_t i = 0; i < width; i++) {
        for (size_t r = 0; r < n; r++)
            carriers[r * width + i] -= turn[i * stride];
    }
    vssi_projection projection = {.matrix = turn + 1, .stride = stride, .width = width, .dims = dims, .rows = carriers,
                                  .n = n, .out = points, .out_stride = stride};
    vssi_project_best()(&projection);
    for (size_t r = 0; r < n; r++) {
        double square = 0, found = 0, *point = points + r * stride;
        for (size_t i = 0; i < width; i++)
            square += carriers[r * width + i] * carriers[r * width + i];
        for (size_t j = 0; j < dims; j++)
            found += point[j] * point[j];
        point[dims] = sqrt(fmax(square - found, 0));
        lengths[r] = sqrt(square);
    }
}

double vssi_prefix_code(const vssi_prefix_model *model, const double *low, const double *point, double length,
                        uint8_t *code)
{
    vssi_grid grid = {model->dims + 1, model->size, model->step, low};
    return vssi_grid_code(&grid, point, code) + length * PREFIX_PAD;
}

void vssi_prefix_row(const vssi_prefix *prefix, size_t row, uint8_t *code)
{
    uint32_t size = prefix->model.size;
    const char *panel = prefix->panels + row / VSSI_PREFIX_ROWS * vssi_prefix_panel(size);
    for (size_t i = 0; i < size; i += 4)
        memcpy(code + i, panel + i * VSSI_PREFIX_ROWS + row % VSSI_PREFIX_ROWS * 4, 4);
}

double vssi_prefix_off(const vssi_prefix *prefix, const double *point, double length, const uint8_t *code)
{
    const vssi_prefix_model *m = &prefix->model;
    vssi_grid grid = {m->dims + 1, m->size, m->step, prefix->low};
    return vssi_grid_off(&grid, point, code) + length * PREFIX_PAD;
}

vss_status vssi_prefix_orthonormal(const vssi_prefix *prefix, vssi_heap *heap, bool *yes, vss_error *err)
{
    size_t width = prefix->model.width, dims = prefix->model.dims;
    double *directions;
    VSSI_TRY(vssi_alloc(heap, dims * width, sizeof *directions, &directions, err));
    for (size_t i = 0; i < width; i++) {
        for (size_t j = 0; j < dims; j++)
            directions[j * width + i] = prefix->turn[i * (1 + dims) + 1 + j];
    }
    *yes = vssi_principal_orthonormal(directions, dims, width);
    vssi_free(heap, directions);
    return VSS_OK;
}

vss_status vssi_prefix_open(vssi_prefix *prefix, const void *model, const vssi_sq8 *sq8, vss_error *err)
{
    vssi_prefix_model *m = &prefix->model;
    memcpy(m, model, sizeof *m);
    if (m->rows != sq8->model.rows || m->width != sq8->model.width || m->width > VSSI_PREFIX_WIDTH || m->dims == 0 ||
        m->dims >= VSSI_PREFIX_MOST || m->dims > m->width || m->size != vssi_prefix_size(m->dims))
        return vssi_fail(err, VSS_ERR_CORRUPT, "flat: a prefix of %u of %u components, %u bytes, for %llu rows; the "
                         "codes are of %u components for %llu rows", m->dims, m->width, m->size,
                         (unsigned long long)m->rows, sq8->model.width, (unsigned long long)sq8->model.rows);
    if (!(m->step > 0 && m->step <= DBL_MAX) || !(m->radius >= 0 && m->radius <= DBL_MAX))
        return vssi_fail(err, VSS_ERR_CORRUPT, "flat: the prefix has step %g, radius %g", m->step, m->radius);
    return VSS_OK;
}

void vssi_prefix_prepare(const vssi_prefix *prefix, const double *point, double length, vssi_prefix_query *query)
{
    query->radius = vssi_prefix_code(&prefix->model, prefix->low, point, length, query->code);
}

double vssi_prefix_steps(const vssi_prefix *prefix, const vssi_prefix_query *query, double reach)
{
    if (reach < 0)
        return -1;
    double steps = (reach + query->radius + prefix->model.radius) / prefix->model.step;
    return steps * steps * (1 + 0x1p-40);
}
