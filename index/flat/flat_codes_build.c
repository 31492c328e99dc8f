/*
 * flat_codes_build.c - make the index object of flat with codes
 *
 * Outliers are set aside, the grid fitted to the rest and all rows coded; then the prefix is trained on the codes, its
 * grid fitted and its panels filled. Rows are coded on all threads, in blocks whose codes do not depend on who makes
 * them. Cost: seven passes over the rows, of which two project them.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/dense.h"
#include "../codec/outliers.h"
#include "flat_codes.h"

#define BUILD_TASK 8192u /* rows; a multiple of a panel's */

typedef struct codes_build {
    const vssi_build *build;
    vssi_sq8_model *model;
    double *low;
    uint8_t *codes;
    int32_t *norms;
    uint64_t *leave;  /* outliers */
    size_t tasks;
    double *radii;    /* [tasks] */
    double *carriers; /* [tasks][VSSI_PREFIX_TOGETHER][width] */
    vssi_prefix_model *prefix;
    double *turn, *prefix_low;
    char *panels;
    double *points;   /* [tasks]: points and lengths of VSSI_PREFIX_TOGETHER rows, the least components, the greatest */
} codes_build;

static vss_status build_stopped(const codes_build *b, vss_error *err)
{
    if (!vssi_control_stopped(b->build->control))
        return VSS_OK;
    return vssi_fail(err, (vss_status)atomic_load(&b->build->control->stop), "the build of flat was stopped");
}

static void build_run(codes_build *b, void (*task)(void *arg, size_t i))
{
    vssi_parallel_for(b->build->executor, b->build->threads, b->tasks, task, b);
}

static double build_radius(const codes_build *b)
{
    double radius = 0;
    for (size_t i = 0; i < b->tasks; i++)
        radius = fmax(radius, b->radii[i]);
    return radius;
}

static double *build_carriers(const codes_build *b, size_t task)
{
    return b->carriers + task * VSSI_PREFIX_TOGETHER * b->model->width;
}

static void build_codes_task(void *arg, size_t task)
{
    codes_build *b = arg;
    const vssi_vectors *v = b->build->vectors;
    size_t first = task * BUILD_TASK, n = vssi_min(BUILD_TASK, v->rows - first);
    if (vssi_control_stopped(b->build->control))
        return;
    b->radii[task] = vssi_sq8_encode(b->model, b->low, v, b->leave, first, n, build_carriers(b, task),
                                     b->codes + first * b->model->size);
    for (size_t row = first; row < first + n; row++)
        b->norms[row] = vssi_dense_norm(b->codes + row * b->model->size, b->model->size);
}

/* Numbers of a task's points. */
static size_t build_room(const codes_build *b)
{
    return (VSSI_PREFIX_TOGETHER + 2) * (b->prefix->dims + 1) + VSSI_PREFIX_TOGETHER;
}

static double *build_point(const codes_build *b, size_t task, size_t number)
{
    return b->points + task * build_room(b) + number * (b->prefix->dims + 1);
}

static double *build_lengths(const codes_build *b, size_t task)
{
    return build_point(b, task, VSSI_PREFIX_TOGETHER + 2);
}

static vssi_grid_span build_task_span(const codes_build *b, size_t task)
{
    return (vssi_grid_span){build_point(b, task, VSSI_PREFIX_TOGETHER), build_point(b, task, VSSI_PREFIX_TOGETHER + 1)};
}

/* The points of up to VSSI_PREFIX_TOGETHER rows before `end`, in the task's room. Returns how many; 0: stopped. */
static size_t build_project(codes_build *b, size_t task, size_t row, size_t end)
{
    double *carriers = build_carriers(b, task);
    size_t n = vssi_control_stopped(b->build->control) ? 0 : vssi_min(VSSI_PREFIX_TOGETHER, end - row);
    for (size_t i = 0; i < n; i++)
        vssi_sq8_carrier(b->build->vectors, row + i, b->model->most, carriers + i * b->model->width);
    vssi_prefix_points(b->prefix->width, b->prefix->dims, b->turn, carriers, n, build_point(b, task, 0),
                       build_lengths(b, task));
    return n;
}

static void build_span_task(void *arg, size_t task)
{
    codes_build *b = arg;
    size_t first = task * BUILD_TASK, end = vssi_min(first + BUILD_TASK, b->build->vectors->rows), n;
    vssi_grid_span span = build_task_span(b, task);
    vssi_grid_span_begin(&span, b->prefix->dims + 1);
    for (size_t row = first; row < end && (n = build_project(b, task, row, end)) > 0; row += n) {
        for (size_t i = 0; i < n; i++) {
            if (!vssi_bitmap_get(b->leave, row + i))
                vssi_grid_span_add(&span, build_point(b, task, i), b->prefix->dims + 1);
        }
    }
}

static void build_panel_row(codes_build *b, size_t row, const uint8_t *code)
{
    char *panel = b->panels + row / VSSI_PREFIX_ROWS * vssi_prefix_panel(b->prefix->size);
    for (size_t i = 0; i < b->prefix->size; i += 4)
        memcpy(panel + i * VSSI_PREFIX_ROWS + row % VSSI_PREFIX_ROWS * 4, code + i, 4);
}

static void build_panels_task(void *arg, size_t task)
{
    codes_build *b = arg;
    const vssi_prefix_model *m = b->prefix;
    size_t first = task * BUILD_TASK, end = vssi_min(first + BUILD_TASK, b->build->vectors->rows), n;
    uint8_t code[VSSI_PREFIX_MOST];
    b->radii[task] = 0;
    for (size_t row = first; row < end && (n = build_project(b, task, row, end)) > 0; row += n) {
        for (size_t i = 0; i < n; i++) {
            double length = build_lengths(b, task)[i];
            double off = vssi_prefix_code(m, b->prefix_low, build_point(b, task, i), length, code);
            build_panel_row(b, row + i, code);
            if (!vssi_bitmap_get(b->leave, row + i))
                b->radii[task] = fmax(b->radii[task], off);
        }
    }
}

static vss_status build_block(codes_build *b, vssi_image *image, uint32_t kind, size_t element, uint64_t count,
                              void *out_pointer, vss_error *err)
{
    void *memory;
    VSSI_TRY(vssi_alloc_zero(b->build->heap, count, element, &memory, err));
    image->blocks[image->n_blocks++] = (vssi_block){kind, (uint32_t)element, count, memory};
    memcpy(out_pointer, &memory, sizeof memory);
    return VSS_OK;
}

static vss_status build_codes(codes_build *b, vssi_image *image, vss_error *err)
{
    const vssi_vectors *v = b->build->vectors;
    uint32_t width = vssi_sq8_width(v->dim, v->metric), size = vssi_sq8_size(width);
    VSSI_TRY(build_block(b, image, FLAT_BLOCK_MODEL, sizeof *b->model, 1, &b->model, err));
    VSSI_TRY(build_block(b, image, FLAT_BLOCK_LOW, sizeof *b->low, width, &b->low, err));
    VSSI_TRY(build_block(b, image, FLAT_BLOCK_CODES, size, v->rows, &b->codes, err));
    VSSI_TRY(build_block(b, image, FLAT_BLOCK_NORMS, sizeof *b->norms, v->rows, &b->norms, err));
    vssi_sq8_train(v, b->leave, b->carriers, b->model, b->low);
    VSSI_TRY(build_stopped(b, err));
    build_run(b, build_codes_task);
    b->model->radius = build_radius(b);
    return build_stopped(b, err);
}

/* The prefix's grid and its panels. */
static vss_status build_panels(codes_build *b, vssi_image *image, vss_error *err)
{
    size_t n = b->prefix->dims + 1;
    VSSI_TRY(build_block(b, image, FLAT_BLOCK_PREFIX_LOW, sizeof *b->prefix_low, n, &b->prefix_low, err));
    VSSI_TRY(build_block(b, image, FLAT_BLOCK_PANELS, vssi_prefix_panel(b->prefix->size),
                         vssi_prefix_panels(b->build->vectors->rows), &b->panels, err));
    VSSI_TRY(vssi_alloc(b->build->heap, b->tasks * build_room(b), sizeof *b->points, &b->points, err));
    build_run(b, build_span_task);
    vssi_grid_span all = build_task_span(b, 0);
    for (size_t task = 1; task < b->tasks; task++) {
        vssi_grid_span_add(&all, build_task_span(b, task).low, n);
        vssi_grid_span_add(&all, build_task_span(b, task).high, n);
    }
    b->prefix->step = vssi_grid_step(&all, n);
    memcpy(b->prefix_low, all.low, n * sizeof *all.low);
    build_run(b, build_panels_task);
    b->prefix->radius = build_radius(b);
    return build_stopped(b, err);
}

static vss_status build_prefix(codes_build *b, vssi_image *image, vss_error *err)
{
    const vssi_vectors *v = b->build->vectors;
    uint64_t wanted = b->build->params[FLAT_PARAM_PREFIX];
    uint32_t size = wanted == FLAT_PREFIX_AUTO ? 0 : vssi_prefix_size((uint32_t)vssi_max(wanted, 2) - 1);
    vssi_prefix_model model;
    vssi_sq8 sq8;
    if (wanted == FLAT_PREFIX_NONE)
        return VSS_OK;
    VSSI_TRY(vssi_sq8_open(&sq8, b->model, b->low, b->codes, v, err));
    VSSI_TRY(vssi_prefix_train(b->build, &sq8, b->leave, size, &model, &b->turn, err));
    if (b->turn == NULL)
        return build_stopped(b, err);
    image->blocks[image->n_blocks++] = (vssi_block){FLAT_BLOCK_TURN, sizeof *b->turn,
                                                    (uint64_t)model.width * (1 + model.dims), b->turn};
    VSSI_TRY(build_block(b, image, FLAT_BLOCK_PREFIX, sizeof model, 1, &b->prefix, err));
    *b->prefix = model;
    return build_panels(b, image, err);
}

/* Which rows were set aside. */
static vss_status build_outliers(codes_build *b, vssi_image *image, size_t n, vss_error *err)
{
    uint32_t *rows;
    size_t next;
    if (n == 0)
        return VSS_OK;
    VSSI_TRY(build_block(b, image, FLAT_BLOCK_OUTLIERS, sizeof *rows, n, &rows, err));
    (void)vssi_bitmap_rows(b->leave, 0, b->build->vectors->rows, rows, n, &next);
    return VSS_OK;
}

static vss_status build_all(codes_build *b, vssi_image *image, vss_error *err)
{
    const vssi_build *build = b->build;
    const vssi_vectors *v = build->vectors;
    size_t outliers, width = vssi_sq8_width(v->dim, v->metric);
    b->tasks = (v->rows + BUILD_TASK - 1) / BUILD_TASK;
    VSSI_TRY(vssi_alloc_zero(build->heap, vssi_bitmap_words(v->rows), sizeof *b->leave, &b->leave, err));
    VSSI_TRY(vssi_alloc_zero(build->heap, b->tasks * (1 + VSSI_PREFIX_TOGETHER * width), sizeof *b->radii, &b->radii,
                             err));
    b->carriers = b->radii + b->tasks;
    VSSI_TRY(vssi_outliers_find(build, b->leave, &outliers, err));
    VSSI_TRY(build_codes(b, image, err));
    VSSI_TRY(build_outliers(b, image, outliers, err));
    VSSI_TRY(build_prefix(b, image, err));
    (void)vssi_control_report(build->control, "flat", v->rows, v->rows);
    return build_stopped(b, err);
}

vss_status vssi_flat_build(const vssi_build *build, vssi_image *image, vss_error *err)
{
    const vssi_vectors *v = build->vectors;
    codes_build b = {.build = build};
    *image = (vssi_image){0};
    if (build->params[FLAT_PARAM_CODES] == FLAT_CODES_NONE || v->rows == 0)
        return VSS_OK;
    if (!vssi_sq8_can(v->type, v->metric))
        return vssi_fail(err, VSS_ERR_INVALID, "flat: codes=sq8 is for f32, f16 and bf16 vectors, not for %s",
                         vss_type_name(v->type));
    vss_status status = build_all(&b, image, err);
    vssi_free(build->heap, b.leave);
    vssi_free(build->heap, b.radii);
    vssi_free(build->heap, b.points);
    if (status != VSS_OK)
        vssi_image_free(build->heap, image);
    return status;
}
