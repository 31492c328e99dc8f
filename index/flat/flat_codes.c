/*
 * flat_codes.c - the index object of flat with codes: build, open, free
 *
 * Building takes four passes over the rows, the last on all threads, in blocks whose codes do not depend on who makes
 * them. Opening looks at sizes and at the model: O(1).
 */
#include <math.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "flat_codes.h"

#define CODES_TASK 8192u /* rows a task of the build */

typedef struct codes_build {
    const vssi_build *build;
    vssi_sq8_model *model;
    double *low, *radii;  /* [tasks] */
    double *carriers;     /* [tasks][width] */
    uint8_t *codes;
} codes_build;

static void codes_task(void *arg, size_t task)
{
    codes_build *b = arg;
    const vssi_vectors *v = b->build->vectors;
    size_t first = task * CODES_TASK, n = vssi_min(CODES_TASK, v->rows - first);
    if (!vssi_control_stopped(b->build->control))
        b->radii[task] = vssi_sq8_encode(b->model, b->low, v, first, n, b->carriers + task * b->model->width,
                                         b->codes + first * b->model->size);
}

/* Fill model, low and codes. */
static vss_status codes_make(codes_build *b, vss_error *err)
{
    const vssi_build *build = b->build;
    size_t tasks = (build->vectors->rows + CODES_TASK - 1) / CODES_TASK;
    VSSI_TRY(vssi_sq8_train(build, b->model, b->low, err));
    vss_status status = vssi_alloc(build->heap, tasks * (size_t)(1 + vssi_sq8_width(build->vectors->dim,
                                   build->vectors->metric)), sizeof(double), &b->radii, err);
    if (status != VSS_OK)
        return status;
    b->carriers = b->radii + tasks;
    vssi_parallel_for(build->executor, build->threads, tasks, codes_task, b);
    if (vssi_control_report(build->control, "flat", tasks, tasks) || vssi_control_stopped(build->control))
        status = vssi_fail(err, (vss_status)atomic_load(&build->control->stop), "the build of flat was stopped");
    for (size_t i = 0; i < tasks && status == VSS_OK; i++)
        b->model->radius = fmax(b->model->radius, b->radii[i]);
    vssi_free(build->heap, b->radii);
    return status;
}

vss_status vssi_flat_build(const vssi_build *build, vssi_image *image, vss_error *err)
{
    const vssi_vectors *v = build->vectors;
    codes_build b = {.build = build};
    vss_status status;
    *image = (vssi_image){0};
    if (build->params[FLAT_PARAM_CODES] == FLAT_CODES_NONE || v->rows == 0)
        return VSS_OK;
    if (!vssi_sq8_can(v->type, v->metric))
        return vssi_fail(err, VSS_ERR_INVALID, "flat: codes=sq8 is for f32, f16 and bf16 vectors, not for %s",
                         vss_type_name(v->type));
    uint32_t width = vssi_sq8_width(v->dim, v->metric), size = vssi_sq8_size(width);
    VSSI_TRY(vssi_alloc_zero(build->heap, 1, sizeof *b.model, &b.model, err));
    image->blocks[image->n_blocks++] = (vssi_block){FLAT_BLOCK_MODEL, sizeof *b.model, 1, b.model};
    VSSI_TRY_GOTO(vssi_alloc(build->heap, width, sizeof *b.low, &b.low, err), fail);
    image->blocks[image->n_blocks++] = (vssi_block){FLAT_BLOCK_LOW, sizeof *b.low, width, b.low};
    VSSI_TRY_GOTO(vssi_alloc(build->heap, v->rows, size, &b.codes, err), fail);
    image->blocks[image->n_blocks++] = (vssi_block){FLAT_BLOCK_CODES, size, v->rows, b.codes};
    VSSI_TRY_GOTO(codes_make(&b, err), fail);
    return VSS_OK;
fail:
    vssi_image_free(build->heap, image);
    return status;
}

static vss_status codes_block(const vssi_block *blocks, size_t n_blocks, uint32_t kind, size_t element, uint64_t count,
                              const void **data, vss_error *err)
{
    for (size_t i = 0; i < n_blocks; i++) {
        const vssi_block *b = &blocks[i];
        if (b->kind != kind)
            continue;
        if (b->element != element || b->count != count || (uintptr_t)b->data % sizeof(double) != 0)
            return vssi_fail(err, VSS_ERR_CORRUPT, "flat: block %u has %llu elements of %u bytes, expected %llu of %zu",
                             kind, (unsigned long long)b->count, b->element, (unsigned long long)count, element);
        *data = b->data;
        return VSS_OK;
    }
    return vssi_fail(err, VSS_ERR_CORRUPT, "flat: block %u is missing", kind);
}

vss_status vssi_flat_open(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *vectors,
                          void **index, vss_error *err)
{
    const void *model = NULL, *low = NULL, *codes = NULL;
    uint32_t width = vssi_sq8_width(vectors->dim, vectors->metric);
    vss_status status;
    flat_index *made;
    *index = NULL;
    if (!vssi_sq8_can(vectors->type, vectors->metric))
        return vssi_fail(err, VSS_ERR_CORRUPT, "flat: codes of vectors of type %s", vss_type_name(vectors->type));
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_MODEL, sizeof(vssi_sq8_model), 1, &model, err));
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_LOW, sizeof(double), width, &low, err));
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_CODES, vssi_sq8_size(width), vectors->rows, &codes, err));
    VSSI_TRY(vssi_alloc(heap, 1, sizeof *made, &made, err));
    made->heap = heap;
    status = vssi_sq8_open(&made->sq8, model, low, codes, vectors, err);
    if (status != VSS_OK) {
        vssi_free(heap, made);
        return status;
    }
    *index = made;
    return VSS_OK;
}

void vssi_flat_free(void *index)
{
    flat_index *made = index;
    if (made != NULL)
        vssi_free(made->heap, made);
}
