/*
 * hnsw_space.c - how a build compares vectors: by codes of a byte where they tell neighbours apart, else in float32
 *
 * Nearness is squared l2 in both. Bytes under l2, and bits under Hamming, are codes as they are; floats get those of
 * codec/sq8.h. Distances of codes are whole numbers, so that a graph built on them is the same on every processor.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../carrier.h"
#include "hnsw.h"

#define SPACE_UNIT 4096u /* rows */

/* Are the components of a vector codes already. */
static bool space_of_bytes(const vssi_vectors *v)
{
    bool bytes = v->type == VSS_TYPE_VECTOR_I8 || v->type == VSS_TYPE_VECTOR_U8;
    return (bytes && v->metric == VSS_METRIC_L2) || v->metric == VSS_METRIC_HAMMING;
}

static void space_copy_row(const vssi_vectors *v, size_t row, uint8_t *code)
{
    const uint8_t *vector = vssi_vectors_row(v, row);
    for (size_t i = 0; i < v->dim; i++) {
        if (v->metric == VSS_METRIC_HAMMING)
            code[i] = vector[i / 8] >> (i % 8) & 1;
        else
            code[i] = v->type == VSS_TYPE_VECTOR_I8 ? vector[i] ^ 0x80u : vector[i];
    }
}

static vss_status space_copy(vssi_hnsw_build *b, vss_error *err)
{
    size_t size = (size_t)vssi_round_up(b->vectors->dim, 4);
    VSSI_TRY(vssi_alloc_zero(b->heap, b->rows, size, &b->codes, err));
    for (size_t row = 0; row < b->rows; row++)
        space_copy_row(b->vectors, row, b->codes + row * size);
    b->coded = true;
    b->vector_size = b->vector_dim = size;
    return VSS_OK;
}

static vss_status space_code(vssi_hnsw_build *b, vss_error *err)
{
    bool forced = b->in->params[HNSW_PARAM_CODES] != HNSW_CODES_AUTO, coarse;
    VSSI_TRY(vssi_hnsw_codes_make(b, err));
    VSSI_TRY(vssi_hnsw_codes_fine(b, &b->coded, &coarse, err));
    b->stored = vssi_hnsw_codes_wanted(b->in) && (forced || b->coded);
    b->form = forced || coarse ? vssi_hnsw_codes_form(b->in) : HNSW_CODES_SQ8;
    if (b->coded)
        b->vector_size = b->vector_dim = b->model->size;
    else if (!b->stored)
        vssi_hnsw_codes_drop(b);
    return VSS_OK;
}

void vssi_hnsw_space_floats(vssi_hnsw_build *b)
{
    b->vector_dim = vssi_carrier_width(b->vectors);
    b->vector_size = b->vector_dim * sizeof(float);
}

vss_status vssi_hnsw_space_make(vssi_hnsw_build *b, vss_error *err)
{
    const vssi_vectors *v = b->vectors;
    if (space_of_bytes(v))
        VSSI_TRY(space_copy(b, err));
    else if (vssi_hnsw_codes_wanted(b->in) || vssi_hnsw_codes_helpful(v))
        VSSI_TRY(space_code(b, err));
    vssi_simd_type type = b->coded ? VSSI_SIMD_U8 : VSSI_SIMD_F32;
    b->l2_rows = vssi_simd_rows(vssi_simd(), type, VSSI_SIMD_L2);
    b->l2_gather = vssi_simd_gather(vssi_simd(), type, VSSI_SIMD_L2);
    b->pairs = vssi_pairs_best();
    return VSS_OK;
}

static void space_sums_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    (void)worker;
    (void)arg;
    size_t end = vssi_min((unit + 1) * SPACE_UNIT, b->n_nodes);
    for (size_t place = unit * SPACE_UNIT; place < end; place++) {
        const uint8_t *code = b->codes + place * b->vector_size;
        int32_t sum = 0, square = 0;
        for (size_t i = 0; i < b->vector_size; i++) {
            sum += code[i];
            square += code[i] * code[i];
        }
        b->sums[place][0] = square - 256 * sum;
        b->sums[place][1] = square;
    }
}

vss_status vssi_hnsw_space_sums(vssi_hnsw_build *b, vss_error *err)
{
    if (!b->coded || !b->pairs->keys)
        return VSS_OK;
    if (!b->sums)
        VSSI_TRY(vssi_alloc(b->heap, b->n_nodes, sizeof *b->sums, &b->sums, err));
    return vssi_hnsw_run(b, vssi_hnsw_divide(b->n_nodes, SPACE_UNIT), 0, space_sums_unit, NULL, err);
}

void vssi_hnsw_pack(const vssi_hnsw_build *b, size_t place, void *out)
{
    if (b->coded)
        memcpy(out, b->codes + place * b->vector_size, b->vector_size);
    else
        vssi_carrier_row(b->vectors, b->order[place], out);
}

void vssi_hnsw_distances(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t place, const uint32_t *places,
                         size_t n, float *scores)
{
    if (b->coded) {
        b->l2_gather(b->codes + place * b->vector_size, b->codes, b->vector_dim, places, n, scores);
        return;
    }
    vssi_hnsw_pack(b, place, worker->query);
    for (size_t begin = 0; begin < n; begin += b->packed_rows) {
        size_t count = vssi_min(b->packed_rows, n - begin);
        for (size_t i = 0; i < count; i++)
            vssi_hnsw_pack(b, places[begin + i], worker->packed + i * b->vector_size);
        b->l2_rows(worker->query, worker->packed, b->vector_dim, count, scores + begin);
    }
}
