/*
 * sq8.c - a byte a component, one step for all of them
 *
 * Roundings. Everything is float64. A sum of up to 32,769 squares is off by at most 2^-37 of itself, so the norm of a
 * carrier of cosine or ip is within 2^-36 of what it stands for; reach is widened by 2^-30 of its terms (SQ8_SLACK). A
 * radius comes widened from grid.c.
 */
#include "sq8.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"

#define SQ8_SLACK 0x1p-30

bool vssi_sq8_can(vss_type type, vss_metric metric)
{
    bool floats = type == VSS_TYPE_VECTOR_F32 || type == VSS_TYPE_VECTOR_F16 || type == VSS_TYPE_VECTOR_BF16;
    return floats && (metric == VSS_METRIC_L2 || metric == VSS_METRIC_IP || metric == VSS_METRIC_COSINE);
}

uint32_t vssi_sq8_width(uint32_t dim, vss_metric metric) { return dim + (metric == VSS_METRIC_IP); }
uint32_t vssi_sq8_size(uint32_t width) { return (width + 3) / 4 * 4; }

void vssi_sq8_carrier(const vssi_vectors *v, size_t row, double most, double *carrier)
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

static bool sq8_left(const uint64_t *leave, size_t row) { return leave != NULL && vssi_bitmap_get(leave, row); }

/* The greatest norm of a row that stays. */
static double sq8_most(const vssi_vectors *v, const uint64_t *leave, double *carrier)
{
    double most = 0;
    for (size_t row = 0; row < v->rows; row++) {
        double norm = 0;
        if (sq8_left(leave, row))
            continue;
        vssi_sq8_carrier(v, row, 0, carrier);
        for (size_t i = 0; i < v->dim; i++)
            norm += carrier[i] * carrier[i];
        most = fmax(most, norm);
    }
    return sqrt(most);
}

void vssi_sq8_train(const vssi_vectors *v, const uint64_t *leave, double *carrier, vssi_sq8_model *model, double *low)
{
    uint32_t width = vssi_sq8_width(v->dim, v->metric);
    vssi_grid_span span = {low, carrier + width};
    *model = (vssi_sq8_model){.rows = v->rows, .dim = v->dim, .metric = (uint32_t)v->metric, .width = width,
                              .size = vssi_sq8_size(width), .most = 1};
    if (v->metric == VSS_METRIC_IP)
        model->most = sq8_most(v, leave, carrier);
    vssi_grid_span_begin(&span, width);
    for (size_t row = 0; row < v->rows; row++) {
        if (sq8_left(leave, row))
            continue;
        vssi_sq8_carrier(v, row, model->most, carrier);
        vssi_grid_span_add(&span, carrier, width);
    }
    model->step = vssi_grid_step(&span, width);
}

static vssi_grid sq8_grid(const vssi_sq8_model *model, const double *low)
{
    return (vssi_grid){model->width, model->size, model->step, low};
}

double vssi_sq8_encode(const vssi_sq8_model *model, const double *low, const vssi_vectors *v, const uint64_t *leave,
                       size_t first, size_t n, double *carrier, uint8_t *codes)
{
    vssi_grid grid = sq8_grid(model, low);
    double radius = 0;
    for (size_t i = 0; i < n; i++) {
        vssi_sq8_carrier(v, first + i, model->most, carrier);
        double off = vssi_grid_code(&grid, carrier, codes + i * model->size);
        if (!sq8_left(leave, first + i))
            radius = fmax(radius, off);
    }
    return radius;
}

double vssi_sq8_off(const vssi_sq8 *sq8, const vssi_vectors *v, size_t row, double *carrier)
{
    vssi_grid grid = sq8_grid(&sq8->model, sq8->low);
    double norm = 0, most = sq8->model.most;
    vssi_sq8_carrier(v, row, most, carrier);
    for (size_t i = 0; i < v->dim; i++)
        norm += carrier[i] * carrier[i];
    if (v->metric == VSS_METRIC_IP && norm > most * most * (1 + 0x1p-50))
        return INFINITY;
    return vssi_grid_off(&grid, carrier, sq8->codes + row * sq8->model.size);
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

void vssi_sq8_query_carrier(const vssi_sq8 *sq8, const vssi_probe *probe, double *carrier, vssi_sq8_query *query)
{
    const vssi_sq8_model *m = &sq8->model;
    const float *vector = probe->vector;
    double norm = m->metric == VSS_METRIC_L2 ? 0 : sqrt(vssi_exact_ip_f32(vector, vector, m->dim));
    query->scale = 1;
    if (m->metric == VSS_METRIC_IP && norm > 0 && m->most > 0)
        query->scale = m->most / norm;
    if (m->metric == VSS_METRIC_COSINE)
        query->scale = 1 / norm;
    for (size_t i = 0; i < m->dim; i++)
        carrier[i] = (double)vector[i] * query->scale;
    if (m->metric == VSS_METRIC_IP)
        carrier[m->dim] = 0;
}

void vssi_sq8_prepare(const vssi_sq8 *sq8, const vssi_probe *probe, double *carrier, vssi_sq8_query *query)
{
    vssi_grid grid = sq8_grid(&sq8->model, sq8->low);
    vssi_sq8_query_carrier(sq8, probe, carrier, query);
    query->radius = vssi_grid_code(&grid, carrier, query->code);
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

double vssi_sq8_reach(const vssi_sq8 *sq8, const vssi_sq8_query *query, float threshold)
{
    if (!(threshold < INFINITY))
        return INFINITY;
    double square = sq8_square(sq8, query, (double)threshold);
    return threshold == -INFINITY || square < 0 ? -1 : sqrt(square);
}

float vssi_sq8_score(const vssi_sq8 *sq8, const vssi_sq8_query *query, double sum)
{
    const double slack = SQ8_SLACK, most = sq8->model.most;
    double reach = (sqrt(sum) * sq8->model.step + query->radius + sq8->model.radius) * (1 + slack);
    double square = reach * reach, score = square;
    if (sq8->model.metric == VSS_METRIC_COSINE)
        score = square / 2 - 1 + slack * (1 + square);
    else if (sq8->model.metric == VSS_METRIC_IP)
        score = (square - 2 * most * most + slack * (square + most * most)) / (2 * query->scale);
    return nextafterf((float)(score + fabs(score) * slack), INFINITY);
}

double vssi_sq8_steps(const vssi_sq8 *sq8, const vssi_sq8_query *query, double reach)
{
    if (reach < 0)
        return -1;
    double steps = (reach + query->radius + sq8->model.radius) / sq8->model.step;
    return steps * steps * (1 + 0x1p-20);
}

double vssi_sq8_cut(const vssi_sq8 *sq8, const vssi_sq8_query *query, float threshold)
{
    return vssi_sq8_steps(sq8, query, vssi_sq8_reach(sq8, query, threshold));
}
