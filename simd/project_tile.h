/*
 * project_tile.h - the one loop of project.h, for as many lanes and rows as the including file's level has registers
 *
 * PROJECT_ROWS rows times two registers of columns at a time, summed in registers over PROJECT_PART rows of the matrix,
 * whose lines stay in the second cache for all rows, whatever its stride. The last columns, no whole tile, are done
 * with those before them once more. Cost: a multiplication and an addition a product; the matrix read once for all
 * rows.
 */
#ifndef VSSI_PROJECT_TILE_H
#define VSSI_PROJECT_TILE_H

#include "project.h"

#define PROJECT_INLINE static inline __attribute__((always_inline))
#define PROJECT_COLUMNS (2 * PROJECT_LANES)
#define PROJECT_PART 256u
#define PROJECT_AHEAD 12u /* rows of the matrix that are asked for */

typedef double project_lanes __attribute__((vector_size(8 * PROJECT_LANES), aligned(8), may_alias));

/* Add rows [from, end) of the matrix to `count` rows of sums, from column j on. */
PROJECT_INLINE void project_tile(const vssi_projection *p, size_t r, size_t j, size_t from, size_t end, const int count)
{
    project_lanes low[PROJECT_ROWS], high[PROJECT_ROWS];
    const double *matrix = p->matrix + from * p->stride + j, *row = p->rows + r * p->width;
    double *out = p->out + r * p->out_stride + j;
#pragma GCC unroll 16
    for (int c = 0; c < count; c++) {
        low[c] = *(const project_lanes *)(out + (size_t)c * p->out_stride);
        high[c] = *(const project_lanes *)(out + (size_t)c * p->out_stride + PROJECT_LANES);
    }
    for (size_t i = from; i < end; i++, matrix += p->stride) {
        project_lanes first = *(const project_lanes *)matrix, second = *(const project_lanes *)(matrix + PROJECT_LANES);
        if (i + PROJECT_AHEAD < end) {
            __builtin_prefetch(matrix + PROJECT_AHEAD * p->stride);
            __builtin_prefetch(matrix + PROJECT_AHEAD * p->stride + PROJECT_COLUMNS - 1);
        }
#pragma GCC unroll 16
        for (int c = 0; c < count; c++) {
            low[c] += first * row[(size_t)c * p->width + i];
            high[c] += second * row[(size_t)c * p->width + i];
        }
    }
#pragma GCC unroll 16
    for (int c = 0; c < count; c++) {
        *(project_lanes *)(out + (size_t)c * p->out_stride) = low[c];
        *(project_lanes *)(out + (size_t)c * p->out_stride + PROJECT_LANES) = high[c];
    }
}

/* Columns of one tile, over rows [from, end) of the matrix. */
PROJECT_INLINE void project_columns(const vssi_projection *p, size_t j, size_t from, size_t end)
{
    size_t r = 0;
    for (; r + PROJECT_ROWS <= p->n; r += PROJECT_ROWS)
        project_tile(p, r, j, from, end, PROJECT_ROWS);
    for (; r < p->n; r++)
        project_tile(p, r, j, from, end, 1);
}

/* Columns from j on become 0. */
PROJECT_INLINE void project_zero(const vssi_projection *p, size_t j)
{
    for (size_t r = 0; r < p->n; r++) {
        for (size_t at = j; at < p->dims; at++)
            p->out[r * p->out_stride + at] = 0;
    }
}

/* Fewer columns than a tile has. */
PROJECT_INLINE void project_few(const vssi_projection *p)
{
    for (size_t r = 0; r < p->n; r++) {
        for (size_t i = 0; i < p->width; i++) {
            for (size_t j = 0; j < p->dims; j++)
                p->out[r * p->out_stride + j] += p->rows[r * p->width + i] * p->matrix[i * p->stride + j];
        }
    }
}

PROJECT_INLINE void project_all(const vssi_projection *p)
{
    const size_t whole = p->dims / PROJECT_COLUMNS * PROJECT_COLUMNS;
    project_zero(p, 0);
    for (size_t from = 0; from < p->width; from += PROJECT_PART) {
        size_t end = from + PROJECT_PART < p->width ? from + PROJECT_PART : p->width;
        for (size_t j = 0; j < whole; j += PROJECT_COLUMNS)
            project_columns(p, j, from, end);
    }
    if (whole == 0) {
        project_few(p);
    } else if (whole < p->dims) {
        project_zero(p, p->dims - PROJECT_COLUMNS);
        project_columns(p, p->dims - PROJECT_COLUMNS, 0, p->width);
    }
}

#endif
