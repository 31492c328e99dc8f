/*
 * carrier.c - float32 carriers of rows and queries
 */
#include "carrier.h"

#include <math.h>

static void carrier_scale(float *out, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        out[i] *= scale;
}

/* By the length of a 0-1 vector. */
static void carrier_set(float *out, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += out[i];
    carrier_scale(out, n, sum > 0 ? 1 / sqrtf(sum) : 0);
}

void vssi_carrier_row(const vssi_vectors *v, size_t row, float *out)
{
    const void *vector = vssi_vectors_row(v, row);
    vssi_simd_widen(v->kind, vector, v->dim, out);
    if (v->metric == VSS_METRIC_COSINE) {
        carrier_scale(out, v->dim, v->inverse_norms[row]);
    } else if (v->metric == VSS_METRIC_IP) {
        double rest = v->max_norm * v->max_norm - vssi_exact(v->kind, VSSI_SIMD_IP, vector, vector, v->dim);
        out[v->dim] = rest > 0 ? (float)sqrt(rest) : 0.0f;
    } else if (v->metric == VSS_METRIC_JACCARD) {
        carrier_set(out, v->dim);
    }
}

void vssi_carrier_probe(const vssi_vectors *v, const vssi_probe *probe, float *out)
{
    bool halves = v->kind == VSSI_SIMD_F16 || v->kind == VSSI_SIMD_BF16; /* whose queries are float32 */
    vssi_simd_widen(halves ? VSSI_SIMD_F32 : v->kind, probe->vector, v->dim, out);
    if (v->metric == VSS_METRIC_COSINE) {
        carrier_scale(out, v->dim, probe->scale);
    } else if (v->metric == VSS_METRIC_IP) {
        double norm = sqrt(vssi_exact_ip_f32(out, out, v->dim));
        carrier_scale(out, v->dim, norm > 0 ? (float)(v->max_norm / norm) : 1);
        out[v->dim] = 0;
    } else if (v->metric == VSS_METRIC_JACCARD) {
        carrier_set(out, v->dim);
    }
}
