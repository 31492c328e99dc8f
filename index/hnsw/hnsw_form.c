/*
 * hnsw_form.c - the forms in which codes are stored and walked on: sq8, f16, sq4
 *
 * A graph is built on codes of a byte (hnsw_codes.c), whichever of them it keeps. All three stand for points on a scale
 * with one unit, model.step, so that a score is the sum of squared units (codec/sq8.h).
 *     sq8  the codes of the build; a byte a component
 *     f16  how far the carrier is from the middle of each component, in units of a power of two that brings the
 *          greatest below 32,768, rounded to half precision; two bytes. The query is float32.
 *     sq4  16 of the build's 255 steps, some apart, in a stretch of each component (hnsw_nibbles.c); a code counts 8
 *          units, and the query's components are whole units; half a byte
 * A code begins on a multiple of its size: up to 64 bytes it is padded to a power of two, so that it lies in one cache
 * line, above to a multiple of 64.
 *
 * Cost: a pass over the codes, for f16 two over the rows, on one thread.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../lib/base/half.h"
#include "../../simd/nibbles.h"
#include "../codec/grid.h"
#include "hnsw.h"

#define FORM_LINE 64u           /* bytes */
#define FORM_HALF_EXPONENT 15   /* components of f16 stay below its power of two */

static size_t form_bytes(uint64_t form, size_t width)
{
    if (form == HNSW_CODES_F16)
        return 2 * width;
    return form == HNSW_CODES_SQ4 ? (width + 1) / 2 : width;
}

uint32_t vssi_hnsw_form_size(uint64_t form, uint32_t width)
{
    uint32_t size = (uint32_t)vssi_round_up(form_bytes(form, width), 4), power = 4;
    if (size >= FORM_LINE)
        return (uint32_t)vssi_round_up(size, FORM_LINE);
    while (power < size)
        power *= 2;
    return power;
}

/* The build's codes by place. */
static void form_copy(const vssi_hnsw_build *b, uint8_t *codes)
{
    const size_t size = b->model->size;
    for (size_t place = 0; place < b->rows; place++)
        memcpy(codes + place * size, b->codes + b->map[place] * size, size);
}

/* Write a carrier, from low on and in units of step, as halves. Returns how far it is from what they stand for. */
static double form_half(const double *carrier, const double *low, size_t width, double step, uint8_t *code)
{
    double square = 0;
    for (size_t i = 0; i < width; i++) {
        double above = carrier[i] - low[i];
        uint16_t half = vssi_half_round((float)(above / step));
        float back;
        vssi_simd_widen(VSSI_SIMD_F16, &half, 1, &back);
        memcpy(code + 2 * i, &half, sizeof half);
        square += (above - (double)back * step) * (above - (double)back * step);
    }
    return sqrt(square) * (1 + 0x1p-36);
}

/* The middle of each component into b->low; returns how far from it one is at most. room: [2 * width]. */
static double form_middle(const vssi_hnsw_build *b, double *room)
{
    const vssi_sq8_model *model = b->model;
    const vssi_grid_span span = {b->low, room + model->width};
    double most = 0;
    vssi_grid_span_begin(&span, model->width);
    for (size_t row = 0; row < b->rows; row++) {
        vssi_sq8_carrier(b->vectors, row, model->most, room);
        vssi_grid_span_add(&span, room, model->width);
    }
    for (size_t i = 0; i < model->width; i++) {
        double half = (span.high[i] - span.low[i]) / 2;
        b->low[i] += half;
        most = fmax(most, half);
    }
    return most;
}

static void form_halves(const vssi_hnsw_build *b, double *room, uint32_t size, uint8_t *codes, vssi_sq8_model *model)
{
    int exponent;
    double most = form_middle(b, room);
    frexp(most, &exponent);
    model->step = most > 0 ? ldexp(1, exponent - FORM_HALF_EXPONENT) : 1;
    model->radius = 0;
    memset(codes, 0, b->rows * size);
    for (size_t place = 0; place < b->rows; place++) {
        vssi_sq8_carrier(b->vectors, b->map[place], model->most, room);
        model->radius = fmax(model->radius, form_half(room, b->low, model->width, model->step, codes + place * size));
    }
}

vss_status vssi_hnsw_form_store(vssi_hnsw_build *b, vss_error *err)
{
    vssi_sq8_model model = *b->model;
    const uint32_t size = vssi_hnsw_form_size(b->form, model.width);
    uint8_t *codes;
    vss_status status;
    VSSI_TRY(vssi_alloc(b->heap, b->rows, size, &codes, err));
    if (b->form == HNSW_CODES_SQ4)
        VSSI_TRY_GOTO(vssi_hnsw_nibbles_make(b, size, codes, &model, err), failed);
    else if (b->form == HNSW_CODES_F16)
        form_halves(b, (double *)(void *)b->workers->packed, size, codes, &model);
    else
        form_copy(b, codes);
    model.size = size;
    *b->model = model;
    vssi_free(b->heap, b->codes);
    b->codes = codes;
    return VSS_OK;
failed:
    vssi_free(b->heap, codes);
    return status;
}

vss_status vssi_hnsw_form_open(vssi_hnsw_index *index, uint32_t form, const vssi_block *blocks, size_t n_blocks,
                               const vssi_vectors *vectors, vss_error *err)
{
    const void *model = NULL, *low = NULL, *codes = NULL;
    if (!vssi_sq8_can(vectors->type, vectors->metric))
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: codes of vectors of type %s", vss_type_name(vectors->type));
    uint32_t width = vssi_sq8_width(vectors->dim, vectors->metric), size = vssi_hnsw_form_size(form, width);
    VSSI_TRY(vssi_hnsw_block(blocks, n_blocks, HNSW_BLOCK_MODEL, sizeof(vssi_sq8_model), 8, 1, &model, err));
    VSSI_TRY(vssi_hnsw_block(blocks, n_blocks, HNSW_BLOCK_LOW, sizeof(double), 8, width, &low, err));
    VSSI_TRY(vssi_hnsw_block(blocks, n_blocks, HNSW_BLOCK_CODES, size, 1, vectors->rows, &codes, err));
    VSSI_TRY(vssi_sq8_open_padded(&index->sq8, model, low, codes, size, vectors, err));
    index->form = form;
    index->gather = index->sq8.score_gather;
    index->gather_dim = size;
    if (form == HNSW_CODES_SQ4)
        index->gather = vssi_nibbles_best();
    if (form == HNSW_CODES_F16) {
        index->gather = vssi_simd_gather(vssi_simd(), VSSI_SIMD_F16, VSSI_SIMD_L2);
        index->gather_dim = size / 2;
    }
    return VSS_OK;
}

/* A query of floats from low on, in units of step, zeros behind. */
static void form_floats(const vssi_sq8 *sq8, const double *carrier, float *out, double *radius)
{
    const vssi_sq8_model *model = &sq8->model;
    double square = 0;
    for (size_t i = 0; i < model->width; i++) {
        double above = carrier[i] - sq8->low[i];
        out[i] = (float)(above / model->step);
        square += (above - (double)out[i] * model->step) * (above - (double)out[i] * model->step);
    }
    memset(out + model->width, 0, (model->size / 2 - model->width) * sizeof *out);
    *radius = sqrt(square) * (1 + 0x1p-36);
}

/* The whole number that is nearest and in reach of a query's byte; the least for what is no number. nearbyint, fmin and
 * fmax would be calls: a sum has no place for fractions behind 2^52. */
static double form_whole(double above)
{
    const double most = (double)VSSI_NIBBLES_MOST;
    above = above > -most ? above : -most;
    above = above < most ? above : most;
    return (above + 0x1.8p52) - 0x1.8p52;
}

/* Whole units, split by even and odd components. */
static void form_split(const vssi_sq8 *sq8, const double *carrier, vssi_nibbles_query *query, int8_t *out,
                       double *radius)
{
    const vssi_sq8_model *model = &sq8->model;
    int8_t *const half[2] = {out, out + model->size};
    const double inverse = 1 / model->step;
    double square = 0;
    memset(out, 0, 2 * (size_t)model->size);
    *query = (vssi_nibbles_query){half[0], half[1], 0};
    for (size_t i = 0; i < model->width; i++) {
        double above = (carrier[i] - sq8->low[i]) * inverse, whole = form_whole(above);
        half[i % 2][i / 2] = (int8_t)whole;
        query->norm += (int32_t)(whole * whole);
        square += (above - whole) * (above - whole);
    }
    *radius = sqrt(square) * model->step * (1 + 0x1p-36);
}

/* Room for a query: the carrier, and twice the code's size or four bytes a component beside it. */
vss_status vssi_hnsw_form_prepare(const vssi_hnsw_index *index, const vssi_probe *probe, vssi_scratch *scratch,
                                  vssi_hnsw_query *query, vss_error *err)
{
    const vssi_sq8 *sq8 = &index->sq8;
    const size_t carrier_size = (size_t)vssi_round_up(sq8->model.width * sizeof(double), 64);
    const size_t size = 2 * (size_t)vssi_round_up(sq8->model.size, 64);
    uint8_t *memory;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, carrier_size + size, 1, &memory, err));
    double *carrier = (double *)(void *)memory;
    uint8_t *code = memory + carrier_size;
    query->gathered = query->code.code = code;
    if (index->form == HNSW_CODES_SQ8) {
        vssi_sq8_prepare(sq8, probe, carrier, &query->code);
        return VSS_OK;
    }
    vssi_sq8_query_carrier(sq8, probe, carrier, &query->code);
    if (index->form == HNSW_CODES_F16) {
        form_floats(sq8, carrier, (float *)(void *)code, &query->code.radius);
    } else {
        form_split(sq8, carrier, &query->nibbles, (int8_t *)code, &query->code.radius);
        query->gathered = &query->nibbles;
    }
    return VSS_OK;
}

const char *vssi_hnsw_form_wrong(const vssi_hnsw_index *index, size_t place)
{
    const vssi_sq8_model *model = &index->sq8.model;
    const uint8_t *code = index->sq8.codes + place * model->size;
    const size_t bytes = form_bytes(index->form, model->width);
    for (size_t i = 0; index->form == HNSW_CODES_F16 && i < bytes; i += 2)
        if ((code[i + 1] & 0x7cu) == 0x7cu)
            return "has a component that is no number";
    if (index->form == HNSW_CODES_SQ4 && model->width % 2 != 0 && code[bytes - 1] >> 4 != 0)
        return "has something behind its code";
    for (size_t i = bytes; i < model->size; i++)
        if (code[i] != 0)
            return "has something behind its code";
    return NULL;
}
