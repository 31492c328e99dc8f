/*
 * vectors.c - scores of a segment's rows under its metric, by the kernels of the process
 */
#include "index_ops.h"

static vssi_simd_type vectors_type(const vssi_vectors *v) { return (vssi_simd_type)(v->type - VSS_TYPE_VECTOR_F32); }

static vssi_simd_op vectors_op(const vssi_vectors *v)
{
    return v->metric == VSS_METRIC_L2 || v->metric == VSS_METRIC_HAMMING ? VSSI_SIMD_L2 : VSSI_SIMD_IP;
}

void vssi_vectors_bind(vssi_vectors *v)
{
    v->kind = vectors_type(v);
    v->row_size = vssi_simd_row_size(v->kind, v->dim);
    v->score_rows = vssi_simd_rows(vssi_simd(), v->kind, vectors_op(v));
    v->score_gather = vssi_simd_gather(vssi_simd(), v->kind, vectors_op(v));
}

void vssi_vectors_score_rows(const vssi_vectors *v, const vssi_probe *probe, size_t first, size_t n, float *scores)
{
    v->score_rows(probe->vector, (const char *)v->data + first * v->row_size, v->dim, n, scores);
    if (v->metric == VSS_METRIC_COSINE) {
        for (size_t i = 0; i < n; i++)
            scores[i] *= probe->scale * v->inverse_norms[first + i];
    }
}

void vssi_vectors_score_gather(const vssi_vectors *v, const vssi_probe *probe, const uint32_t *rows, size_t n,
                               float *scores)
{
    v->score_gather(probe->vector, v->data, v->dim, rows, n, scores);
    if (v->metric == VSS_METRIC_COSINE) {
        for (size_t i = 0; i < n; i++)
            scores[i] *= probe->scale * v->inverse_norms[rows[i]];
    }
}
