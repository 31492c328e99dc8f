/*
 * principal.h - the directions in which vectors spread most
 */
#ifndef VSSI_PRINCIPAL_H
#define VSSI_PRINCIPAL_H

#include "../../lib/base/heap.h"
#include "../../lib/base/parallel.h"

/* rows[n][width], shifted by their mean. Up to `count` orthonormal directions, those of the greatest variance first, in
 * out[count][width]; *found: how many there are. The matrix of their products differs from that of orthonormal ones by
 * at most 2^-30 in the Frobenius norm. Same input, same bytes, on any number of threads. width is at most 4,096, count
 * at most 512. NO_MEMORY, BUDGET. */
vss_status vssi_principal(vssi_heap *heap, const vss_executor *executor, size_t threads, const double *rows, size_t n,
                          size_t width, size_t count, double *out, size_t *found, vss_error *err);

/* Is that so of directions[n][width]. */
bool vssi_principal_orthonormal(const double *directions, size_t n, size_t width);

#endif
