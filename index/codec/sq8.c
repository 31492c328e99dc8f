/*
 * sq8.c - a byte a component, one step for all of them
 *
 * Roundings. Everything is float64. A sum of up to 32,769 squares is off by at most 2^-37 of itself, so the norm of a
 * carrier of cosine or ip is within 2^-36 of what it stands for; the cut is widened by 2^-30 of its terms (SQ8_SLACK).
 * A radius is widened by 2^-36 of itself for its sum, and by SQ8_PAD = 2^-46 of the size of what was subtracted, each
 * difference being within a few 2^-53 of its terms.
 */
#include "sq8.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"

#define SQ8_LEVELS 255.0
#define SQ8_PAD 0x1p-46
#define SQ8_SLACK 0x1p-30

bool vssi_sq8_can(vss_type type, vss_metric metric)
{
    bool floats = type == VSS_TYPE_VECTOR_F32 || type == VSS_TYPE_VECTOR_F16 || type == VSS_TYPE_VECTOR_BF16;
    return floats && (metric == VSS_METRIC_L2 || metric == VSS_METRIC_IP || metric == VSS_METRIC_COSINE);
}

uint32_t vssi_sq8_width(uint32_t dim, vss_metric metric) { return dim + (metric == VSS_METRIC_IP); }
uint32_t vssi_sq8_size(uint32_t width) { return (width + 3) / 4 * 4; }

static void sq8_carrier(const vssi_vectors *v, size_t row, double most, double *carrier)
{
    float part[64];
    const char *at = vssi_vectors_row(v, row);
    double norm = 0;
    for (size_t i = 0; i < v->dim; i += 64) {
        size_t n = vssi_min(64, v->dim - i);
        vssi_simd_widen(v->kind, at + vssi_simd_row_size(v->kind, i), n, part);
        for (size_t j = 0; j < n; j++) {
            carrier[i + j] = (double)part[j];
            norm += carrier[i + j] * carrier[i + j];
        }
    }
    if (v->metric == VSS_METRIC_IP)
        carrier[v->dim] = sqrt(fmax(most * most - norm, 0));
    double inverse = 1 / sqrt(norm);
    for (size_t i = 0; v->metric == VSS_METRIC_COSINE && i < v->dim; i++)
        carrier[i] *= inverse;
}

/* Training shares the rows among threads by parts. */
typedef struct sq8_parts {
    const vssi_vectors *v;
    size_t n, width;
    double most;
    double *room; /* [n][3][width]: carrier, least, greatest; the greatest squared norm is put at the carrier */
} sq8_parts;

static void sq8_norms(void *arg, size_t part)
{
    const sq8_parts *p = arg;
    double *carrier = p->room + part * 3 * p->width, most = 0;
    for (size_t row = p->v->rows * part / p->n; row < p->v->rows * (part + 1) / p->n; row++) {
        double norm = 0;
        sq8_carrier(p->v, row, 0, carrier);
        for (size_t i = 0; i < p->v->dim; i++)
            norm += carrier[i] * carrier[i];
        most = norm > most ? norm : most;
    }
    carrier[0] = most;
}

static void sq8_bounds(void *arg, size_t part)
{
    const sq8_parts *p = arg;
    double *carrier = p->room + part * 3 * p->width, *low = carrier + p->width, *high = low + p->width;
    size_t first = p->v->rows * part / p->n;
    for (size_t row = first; row < p->v->rows * (part + 1) / p->n; row++) {
        sq8_carrier(p->v, row, p->most, carrier);
        for (size_t i = 0; i < p->width; i++) {
            low[i] = row == first || carrier[i] < low[i] ? carrier[i] : low[i];
            high[i] = row == first || carrier[i] > high[i] ? carrier[i] : high[i];
        }
    }
}

/* Of equal bounds the first, so that zeros have the sign they have on one thread. */
static double sq8_span(const sq8_parts *p, double *low)
{
    double span = 0;
    for (size_t i = 0; i < p->width; i++) {
        double high = p->room[2 * p->width + i];
        low[i] = p->room[p->width + i];
        for (size_t part = 1; part < p->n; part++) {
            const double *bounds = p->room + part * 3 * p->width + p->width;
            low[i] = bounds[i] < low[i] ? bounds[i] : low[i];
            high = fmax(high, bounds[p->width + i]);
        }
        span = fmax(span, high - low[i]);
    }
    return span;
}

vss_status vssi_sq8_train(const vssi_build *build, vssi_sq8_model *model, double *low, vss_error *err)
{
    const vssi_vectors *v = build->vectors;
    uint32_t width = vssi_sq8_width(v->dim, v->metric);
    sq8_parts p = {.v = v, .n = vssi_max(1, vssi_min(build->threads, v->rows)), .width = width, .most = 1};
    VSSI_TRY(vssi_alloc_zero(build->heap, p.n * 3 * width, sizeof *p.room, &p.room, err));
    if (v->metric == VSS_METRIC_IP) {
        vssi_parallel_for(build->executor, build->threads, p.n, sq8_norms, &p);
        p.most = 0;
        for (size_t part = 0; part < p.n; part++)
            p.most = fmax(p.most, sqrt(p.room[part * 3 * width]));
    }
    vssi_parallel_for(build->executor, build->threads, p.n, sq8_bounds, &p);
    double span = sq8_span(&p, low);
    *model = (vssi_sq8_model){.rows = v->rows, .dim = v->dim, .metric = (uint32_t)v->metric, .width = width,
                              .size = vssi_sq8_size(width), .step = span > 0 ? span / SQ8_LEVELS : 1, .most = p.most};
    vssi_free(build->heap, p.room);
    return VSS_OK;
}

/* The nearest point of a carrier, and at most how far it is. */
static double sq8_code(const vssi_sq8_model *model, const double *low, const double *carrier, uint8_t *code)
{
    double square = 0, size = 0, inverse = 1 / model->step;
    for (size_t i = 0; i < model->width; i++) {
        double above = carrier[i] - low[i], steps = fmin(fmax(above * inverse, 0), SQ8_LEVELS);
        code[i] = (uint8_t)(steps + 0.5);
        double rest = above - model->step * code[i];
        square += rest * rest;
        size += fabs(above) + fabs(carrier[i]) * 0x1p-6;
    }
    memset(code + model->width, 0, model->size - model->width);
    return sqrt(square) * (1 + 0x1p-36) + size * SQ8_PAD;
}

double vssi_sq8_encode(const vssi_sq8_model *model, const double *low, const vssi_vectors *v, size_t first, size_t n,
                       double *carrier, uint8_t *codes)
{
    double radius = 0;
    for (size_t i = 0; i < n; i++) {
        sq8_carrier(v, first + i, model->most, carrier);
        radius = fmax(radius, sq8_code(model, low, carrier, codes + i * model->size));
    }
    return radius;
}

vss_status vssi_sq8_open(vssi_sq8 *sq8, const void *model, const double *low, const uint8_t *codes,
                         const vssi_vectors *v, vss_error *err)
{
    return vssi_sq8_open_padded(sq8, model, low, codes, vssi_sq8_size(vssi_sq8_width(v->dim, v->metric)), v, err);
}

vss_status vssi_sq8_open_padded(vssi_sq8 *sq8, const void *model, const double *low, const uint8_t *codes,
                                uint32_t size, const vssi_vectors *v, vss_error *err)
{
    *sq8 = (vssi_sq8){.low = low, .codes = codes};
    memcpy(&sq8->model, model, sizeof sq8->model);
    const vssi_sq8_model *m = &sq8->model;
    uint32_t width = vssi_sq8_width(v->dim, v->metric);
    if (m->rows != v->rows || m->dim != v->dim || m->metric != (uint32_t)v->metric || m->width != width ||
        m->size != size)
        return vssi_fail(err, VSS_ERR_CORRUPT, "sq8: made for %llu rows of %u components, the segment has %zu of %u",
                         (unsigned long long)m->rows, m->dim, v->rows, v->dim);
    if (!(m->step > 0 && m->step <= DBL_MAX) || !(m->radius >= 0 && m->radius <= DBL_MAX) ||
        !(m->most >= 0 && m->most <= DBL_MAX))
        return vssi_fail(err, VSS_ERR_CORRUPT, "sq8: step %g, radius %g, norm %g", m->step, m->radius, m->most);
    sq8->score_rows = vssi_simd_rows(vssi_simd(), VSSI_SIMD_U8, VSSI_SIMD_L2);
    sq8->score_gather = vssi_simd_gather(vssi_simd(), VSSI_SIMD_U8, VSSI_SIMD_L2);
    return VSS_OK;
}

void vssi_sq8_prepare(const vssi_sq8 *sq8, const vssi_probe *probe, double *carrier, vssi_sq8_query *query)
{
    const vssi_sq8_model *m = &sq8->model;
    const float *vector = probe->vector;
    double norm = sqrt(vssi_exact_ip_f32(vector, vector, m->dim));
    query->scale = 1;
    if (m->metric == VSS_METRIC_IP && norm > 0 && m->most > 0)
        query->scale = m->most / norm;
    if (m->metric == VSS_METRIC_COSINE)
        query->scale = 1 / norm;
    for (size_t i = 0; i < m->dim; i++)
        carrier[i] = (double)vector[i] * query->scale;
    if (m->metric == VSS_METRIC_IP)
        carrier[m->dim] = 0;
    query->radius = sq8_code(m, sq8->low, carrier, query->code);
}

/* What the threshold is in terms of D^2, not too small. */
static double sq8_square(const vssi_sq8 *sq8, const vssi_sq8_query *query, double threshold)
{
    const double slack = SQ8_SLACK, most = sq8->model.most;
    switch (sq8->model.metric) {
    case VSS_METRIC_COSINE:
        return 2 + 2 * threshold + slack * (2 + fabs(threshold));
    case VSS_METRIC_IP: {
        double both = 2 * most * most, product = 2 * query->scale * threshold;
        return both + product + slack * (both + fabs(product));
    }
    default:
        return threshold * (1 + slack);
    }
}

double vssi_sq8_cut(const vssi_sq8 *sq8, const vssi_sq8_query *query, float threshold)
{
    if (!(threshold < INFINITY))
        return INFINITY;
    double square = sq8_square(sq8, query, (double)threshold);
    if (threshold == -INFINITY || square < 0)
        return -1;
    double steps = (sqrt(square) + query->radius + sq8->model.radius) / sq8->model.step;
    return steps * steps * (1 + 0x1p-20);
}
