/*
 * vectors.c - scores of a segment's rows under its metric, by the kernels of the process
 */
#include "index_ops.h"

void vssi_vectors_score_rows(const vssi_vectors *v, const float *query, size_t first, size_t n, float *scores)
{
    const vssi_kernels *kernels = vssi_simd();
    const float *rows = v->data + first * v->dim;
    if (v->metric == VSS_METRIC_L2) {
        kernels->l2_f32_rows(query, rows, v->dim, n, scores);
        return;
    }
    kernels->ip_f32_rows(query, rows, v->dim, n, scores);
    if (v->metric == VSS_METRIC_COSINE) {
        for (size_t i = 0; i < n; i++)
            scores[i] *= v->inverse_norms[first + i];
    }
}

void vssi_vectors_score_gather(const vssi_vectors *v, const float *query, const uint32_t *rows, size_t n, float *scores)
{
    const vssi_kernels *kernels = vssi_simd();
    if (v->metric == VSS_METRIC_L2) {
        kernels->l2_f32_gather(query, v->data, v->dim, rows, n, scores);
        return;
    }
    kernels->ip_f32_gather(query, v->data, v->dim, rows, n, scores);
    if (v->metric == VSS_METRIC_COSINE) {
        for (size_t i = 0; i < n; i++)
            scores[i] *= v->inverse_norms[rows[i]];
    }
}
