/*
 * grid.h - points of a grid with one step for all components, a byte a component
 *
 * Component j of the point with code c is low[j] + step * c, so that the distance of two points is
 * step * sqrt(sum (c - d)^2), a sum of whole numbers that every kernel computes alike.
 */
#ifndef VSSI_GRID_H
#define VSSI_GRID_H

#include <stddef.h>
#include <stdint.h>

typedef struct vssi_grid {
    uint32_t width; /* components */
    uint32_t size;  /* bytes of a code, at least width; the rest is 0 */
    double step;    /* above 0 */
    const double *low;
} vssi_grid;

/* The least and the greatest of components met so far. */
typedef struct vssi_grid_span {
    double *low, *high; /* [width] */
} vssi_grid_span;
void vssi_grid_span_begin(const vssi_grid_span *span, size_t width);
void vssi_grid_span_add(const vssi_grid_span *span, const double *point, size_t width);
/* The step of a grid from span->low on that holds all that was added. */
double vssi_grid_step(const vssi_grid_span *span, size_t width);

/* The code of the nearest point of the grid, components outside of it cut off. Returns at least how far the point is
 * from what its code stands for. */
double vssi_grid_code(const vssi_grid *grid, const double *point, uint8_t *code);

/* At least how far the point is from what the code stands for; the same number as from vssi_grid_code. */
double vssi_grid_off(const vssi_grid *grid, const double *point, const uint8_t *code);

#endif
