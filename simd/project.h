/*
 * project.h - vectors times a matrix, in float64
 *
 * out[r][j] = sum of rows[r][i] * matrix[i][j], every product and every sum rounded once, i rising: the same numbers
 * from every level.
 */
#ifndef VSSI_PROJECT_H
#define VSSI_PROJECT_H

#include <stddef.h>

typedef struct vssi_projection {
    const double *matrix; /* [width][stride], of which the first dims of each are taken */
    size_t stride, width, dims;
    const double *rows;   /* [n][width] */
    size_t n;
    double *out;          /* [n][out_stride] */
    size_t out_stride;
} vssi_projection;

typedef void (*vssi_project)(const vssi_projection *p);

/* The kernel that goes with vssi_simd(); that of the i-th level, NULL past the last. */
vssi_project vssi_project_best(void);
vssi_project vssi_project_level(size_t i);

void vssi_project_scalar(const vssi_projection *p);
#if defined(__x86_64__)
void vssi_project_avx2(const vssi_projection *p);
void vssi_project_avx512(const vssi_projection *p);
#endif

#endif
