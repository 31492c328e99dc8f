/*
 * grid.c - points of a grid, and how far something is from the nearest one
 *
 * Roundings. Everything is float64. A sum of up to 32,769 squares is off by at most 2^-37 of itself, its root by 2^-38:
 * the distance is widened by 2^-36 of itself, and by GRID_PAD = 2^-46 of the size of what was subtracted, each
 * difference being within a few 2^-53 of its terms.
 */
#include "grid.h"

#include <math.h>
#include <string.h>

#define GRID_LEVELS 255.0
#define GRID_PAD 0x1p-46

void vssi_grid_span_begin(const vssi_grid_span *span, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        span->low[i] = INFINITY;
        span->high[i] = -INFINITY;
    }
}

void vssi_grid_span_add(const vssi_grid_span *span, const double *point, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        span->low[i] = point[i] < span->low[i] ? point[i] : span->low[i];
        span->high[i] = point[i] > span->high[i] ? point[i] : span->high[i];
    }
}

double vssi_grid_step(const vssi_grid_span *span, size_t width)
{
    double most = 0;
    for (size_t i = 0; i < width; i++)
        most = fmax(most, span->high[i] - span->low[i]);
    return most > 0 ? most / GRID_LEVELS : 1;
}

double vssi_grid_off(const vssi_grid *grid, const double *point, const uint8_t *code)
{
    double square = 0, size = 0;
    for (size_t i = 0; i < grid->width; i++) {
        double above = point[i] - grid->low[i], rest = above - grid->step * code[i];
        square += rest * rest;
        size += fabs(above) + fabs(point[i]) * 0x1p-6;
    }
    return sqrt(square) * (1 + 0x1p-36) + size * GRID_PAD;
}

double vssi_grid_code(const vssi_grid *grid, const double *point, uint8_t *code)
{
    double inverse = 1 / grid->step;
    for (size_t i = 0; i < grid->width; i++) {
        double steps = (point[i] - grid->low[i]) * inverse;
        steps = steps > 0 ? steps : 0; /* NaN too */
        code[i] = (uint8_t)((steps < GRID_LEVELS ? steps : GRID_LEVELS) + 0.5);
    }
    memset(code + grid->width, 0, grid->size - grid->width);
    return vssi_grid_off(grid, point, code);
}
