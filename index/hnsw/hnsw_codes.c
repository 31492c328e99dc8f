/*
 * hnsw_codes.c - a byte a component of every row, to build on, and mostly to walk on
 *
 * codes=auto keeps them for floats of 16 components or more, where the grid is fine enough: a sample of rows is
 * compared with all others by their codes. Rounding alone adds width / 6 to such a sum of squared steps; where half of
 * the sample is below 6 times that, codes hardly tell neighbours apart, and the walk stays on the vectors. From 512
 * components on, where half a byte each takes so many fewer lines that it is faster at every recall, codes of four bits
 * are stored, unless half of the sample is below 6 times what their rounding adds, were they 8 steps apart.
 *
 * Cost: a pass over the rows on one thread (two for ip), one on all of them.
 */
#include <float.h>
#include <math.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

#define CODES_UNIT 4096u   /* rows coded at once */
#define CODES_LEAST_DIM 16u
#define CODES_WIDE 512u    /* components */
#define CODES_SAMPLE 64u   /* rows */
#define CODES_COARSE 64.0f /* squared steps a component between neighbours, for half a byte */

uint32_t vssi_hnsw_codes_size(const vssi_vectors *v)
{
    return vssi_hnsw_form_size(HNSW_CODES_SQ8, vssi_sq8_width(v->dim, v->metric));
}

uint64_t vssi_hnsw_codes_form(const vssi_build *in)
{
    uint64_t choice = in->params[HNSW_PARAM_CODES];
    if (choice != HNSW_CODES_AUTO)
        return choice;
    return vssi_sq8_width(in->vectors->dim, in->vectors->metric) < CODES_WIDE ? HNSW_CODES_SQ8 : HNSW_CODES_SQ4;
}

bool vssi_hnsw_codes_helpful(const vssi_vectors *v)
{
    return vssi_sq8_can(v->type, v->metric) && v->dim >= CODES_LEAST_DIM && v->rows > 0;
}

bool vssi_hnsw_codes_wanted(const vssi_build *in)
{
    const vssi_vectors *v = in->vectors;
    uint64_t choice = in->params[HNSW_PARAM_CODES];
    return choice != HNSW_CODES_NONE && (choice == HNSW_CODES_AUTO ? vssi_hnsw_codes_helpful(v) : v->rows > 0);
}

vss_status vssi_hnsw_codes_check(const vssi_build *in, vss_error *err)
{
    const vssi_vectors *v = in->vectors;
    uint64_t choice = in->params[HNSW_PARAM_CODES];
    if (choice != HNSW_CODES_NONE && choice != HNSW_CODES_AUTO && !vssi_sq8_can(v->type, v->metric))
        return vssi_fail(err, VSS_ERR_INVALID, "hnsw: codes=%s is for f32, f16 and bf16 vectors, not for %s",
                         vssi_hnsw_ops.params[HNSW_PARAM_CODES].names[choice], vss_type_name(v->type));
    return VSS_OK;
}

static void codes_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t i)
{
    double *radii = arg, *carrier = (double *)(void *)worker->packed;
    size_t first = i * CODES_UNIT, n = vssi_min(CODES_UNIT, b->rows - first);
    radii[i] = vssi_sq8_encode(b->model, b->low, b->vectors, NULL, first, n, carrier,
                               b->codes + first * b->model->size);
}

static vss_status codes_encode(vssi_hnsw_build *b, vss_error *err)
{
    size_t units = (b->rows + CODES_UNIT - 1) / CODES_UNIT;
    double *radii;
    VSSI_TRY(vssi_alloc(b->heap, units, sizeof *radii, &radii, err));
    vssi_sq8_train(b->vectors, NULL, (double *)(void *)b->workers->packed, b->model, b->low);
    b->model->size = vssi_hnsw_codes_size(b->vectors);
    vss_status status = vssi_hnsw_run(b, units, CODES_UNIT, codes_unit, radii, err);
    for (size_t i = 0; i < units && status == VSS_OK; i++)
        b->model->radius = fmax(b->model->radius, radii[i]);
    vssi_free(b->heap, radii);
    return status;
}

typedef struct codes_sample {
    vssi_kernel_rows score;
    size_t step; /* nodes from one of the sample to the next */
    float *nearest;
} codes_sample;

/* The least sum by codes of a row and any other vector; FLT_MAX: there is none. */
static void codes_nearest(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    const codes_sample *sample = arg;
    uint32_t node = b->order[unit * sample->step];
    size_t size = b->model->size;
    float nearest = FLT_MAX, *scores = worker->scores;
    for (size_t first = 0; first < b->rows; first += b->packed_rows) {
        size_t n = vssi_min(b->packed_rows, b->rows - first);
        sample->score(b->codes + node * size, b->codes + first * size, size, n, scores);
        for (size_t i = 0; i < n; i++) {
            if (scores[i] < nearest && b->twins[first + i] != node)
                nearest = scores[i];
        }
    }
    sample->nearest[unit] = nearest;
}

vss_status vssi_hnsw_codes_fine(vssi_hnsw_build *b, bool *fine, bool *coarse, vss_error *err)
{
    float nearest[CODES_SAMPLE];
    codes_sample sample = {vssi_simd_rows(vssi_simd(), VSSI_SIMD_U8, VSSI_SIMD_L2),
                           vssi_max(1, vssi_hnsw_divide(b->n_nodes, CODES_SAMPLE)), nearest};
    size_t n = vssi_hnsw_divide(b->n_nodes, sample.step), good = 0, better = 0;
    VSSI_TRY(vssi_hnsw_run(b, n, 0, codes_nearest, &sample, err));
    for (size_t i = 0; i < n; i++) {
        good += nearest[i] >= (float)b->model->width;
        better += nearest[i] >= (float)b->model->width * CODES_COARSE;
    }
    *fine = 2 * good >= n;
    *coarse = 2 * better >= n;
    return VSS_OK;
}

void vssi_hnsw_codes_drop(vssi_hnsw_build *b)
{
    vssi_free(b->heap, b->model);
    vssi_free(b->heap, b->low);
    vssi_free(b->heap, b->codes);
    b->model = NULL;
    b->low = NULL;
    b->codes = NULL;
}

vss_status vssi_hnsw_codes_make(vssi_hnsw_build *b, vss_error *err)
{
    const vssi_vectors *v = b->vectors;
    VSSI_TRY(vssi_alloc_zero(b->heap, 1, sizeof *b->model, &b->model, err));
    VSSI_TRY(vssi_alloc(b->heap, vssi_sq8_width(v->dim, v->metric), sizeof *b->low, &b->low, err));
    VSSI_TRY(vssi_alloc(b->heap, b->rows, vssi_hnsw_codes_size(v), &b->codes, err));
    return codes_encode(b, err);
}
