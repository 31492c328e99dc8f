/*
 * rescore.c - the distances that are returned: float64 from the stored values, in one fixed order, rounded once
 *
 * The vectors of the rows are verified first. Values are "smaller is nearer": similarities are negated.
 */
#include <math.h>

#include "search.h"

#define RESCORE_AHEAD 4u    /* rows */
#define RESCORE_FETCH 1024u /* bytes */

/* The distance of the query and a row of the vectors, in float64. */
static double rescore_pair(const rescore *r, const void *row, vssi_simd_op op)
{
    const vssi_vectors *v = &r->part->vectors;
    if (v->kind != VSSI_SIMD_F16 && v->kind != VSSI_SIMD_BF16)
        return vssi_exact(v->kind, op, r->query, row, v->dim);
    vssi_simd_widen(v->kind, row, v->dim, r->widened); /* the query is float32 already */
    return vssi_exact(VSSI_SIMD_F32, op, r->query, r->widened, v->dim);
}

static float rescore_value(const rescore *r, const void *row)
{
    const vssi_vectors *v = &r->part->vectors;
    switch (v->metric) {
    case VSS_METRIC_IP:
        return -(float)rescore_pair(r, row, VSSI_SIMD_IP);
    case VSS_METRIC_COSINE:
        return -(float)(rescore_pair(r, row, VSSI_SIMD_IP) /
                        (r->query_norm * sqrt(vssi_exact(v->kind, VSSI_SIMD_IP, row, row, v->dim))));
    case VSS_METRIC_JACCARD:
        return (float)rescore_pair(r, row, VSSI_SIMD_JACCARD);
    default:
        return (float)rescore_pair(r, row, VSSI_SIMD_L2); /* and hamming */
    }
}

/* Rows are anywhere: the first lines of one that is wanted soon. */
static void rescore_fetch(const vssi_vectors *v, uint32_t row)
{
    const char *at = vssi_vectors_row(v, row);
    for (size_t offset = 0; offset < v->row_size && offset < RESCORE_FETCH; offset += 64)
        __builtin_prefetch(at + offset);
}

static vss_status rescore_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    const rescore *r = state;
    const vssi_vectors *vectors = &r->part->vectors;
    for (size_t i = 0; i < n && i < RESCORE_AHEAD; i++)
        rescore_fetch(vectors, rows[i]);
    for (size_t i = 0; i < n; i++) {
        if (i + RESCORE_AHEAD < n)
            rescore_fetch(vectors, rows[i + RESCORE_AHEAD]);
        VSSI_TRY(vssi_segment_verify_vectors(r->part->part->segment, r->search->field, rows[i], 1, err));
        values[i] = rescore_value(r, vssi_vectors_row(vectors, rows[i]));
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
 * simd.h bounds a score by gamma * scale. l2 and hamming: the scale is the distance itself; the absolute term covers
 * underflow. ip: the scale is |q||v|, at most |q| times the segment's greatest norm. cosine: the product is divided by
 * both norms, four more roundings that gamma has room for, so that the scale is 1 up to rounding. jaccard: 2^-23.
 */
void vssi_rescore_bound(const search_part *p, double query_norm, double *relative, double *absolute)
{
    double gamma = vssi_simd_gamma(p->vectors.dim), underflow = 0x1p-140 * (double)p->vectors.dim;
    *relative = 0;
    switch (p->vectors.metric) {
    case VSS_METRIC_IP:
        *absolute = gamma * query_norm * p->vectors.max_norm * 1.000001 + underflow;
        break;
    case VSS_METRIC_COSINE:
        *absolute = gamma * 1.000001 + 1e-10; /* underflow: 32,768 times 2^-149, over norms of at least 1e-15 each */
        break;
    case VSS_METRIC_JACCARD:
        *absolute = 0x1p-22;
        break;
    default:
        *relative = gamma;
        *absolute = underflow;
    }
}
