/*
 * rescore.c - the distances that are returned: float64 from the stored values, in one fixed order, rounded once
 *
 * The vectors of the rows are verified first. Values are "smaller is nearer": similarities are negated.
 */
#include <math.h>

#include "search.h"

static float rescore_value(const rescore *r, const float *v)
{
    const vssi_vectors *vectors = &r->part->vectors;
    double ip;
    if (vectors->metric == VSS_METRIC_L2)
        return (float)vssi_exact_l2_f32(r->query, v, vectors->dim);
    ip = vssi_exact_ip_f32(r->query, v, vectors->dim);
    if (vectors->metric == VSS_METRIC_COSINE)
        ip /= r->query_norm * sqrt(vssi_exact_ip_f32(v, v, vectors->dim));
    return -(float)ip;
}

static vss_status rescore_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    const rescore *r = state;
    const vssi_vectors *vectors = &r->part->vectors;
    for (size_t i = 0; i < n; i++) {
        VSSI_TRY(vssi_segment_verify_vectors(r->part->part->segment, r->search->field, rows[i], 1, err));
        values[i] = rescore_value(r, vectors->data + (size_t)rows[i] * vectors->dim);
    }
    return VSS_OK;
}

static bool rescore_key_before(void *state, uint32_t a, uint32_t b)
{
    const rescore *r = state;
    vssi_key x = vssi_segment_key(r->part->part->segment, a), y = vssi_segment_key(r->part->part->segment, b);
    return vssi_key_compare(&x, &y) < 0;
}

void vssi_rescore_source(rescore *r, vssi_topk_source *source)
{
    *source = (vssi_topk_source){r, rescore_exact, rescore_key_before};
}

/*
 * simd.h bounds a score by gamma * scale. l2: the scale is the distance itself; the absolute term covers underflow. ip: the
 * scale is |q||v|, at most |q| times the segment's greatest norm. cosine: the query was divided by its norm and the
 * score multiplied by 1 / |v|, three more roundings that gamma has room for, so that the scale is 1 up to rounding.
 */
void vssi_rescore_bound(const search *s, const search_part *p, double query_norm, double *relative, double *absolute)
{
    double gamma = vssi_simd_gamma(p->vectors.dim);
    (void)s;
    *relative = p->vectors.metric == VSS_METRIC_L2 ? gamma : 0;
    if (p->vectors.metric == VSS_METRIC_L2)
        *absolute = 0x1p-140 * (double)p->vectors.dim;
    else if (p->vectors.metric == VSS_METRIC_IP)
        *absolute = gamma * query_norm * p->vectors.max_norm * 1.000001 + 0x1p-140 * (double)p->vectors.dim;
    else
        *absolute = gamma * 1.000001;
}
