/*
 * ivf_grid.c - a grid of bytes over the carriers: a low corner, one step
 *
 * The step follows from the widest component, so that the distance of two codes is that of two points in steps. One
 * pass over the rows for the corners, on all threads; codes are made of the rows that are asked for.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "ivf.h"

#define GRID_TASK 4096u /* rows */
#define GRID_LEVELS 255.0f
#define GRID_LANES 64u

typedef struct grid_job {
    ivf_build *build;
    size_t tasks;
    float *lows, *highs; /* [tasks][width] */
    float *carriers;     /* [tasks][width] */
} grid_job;

typedef struct grid_rows {
    const ivf_build *build;
    const uint32_t *rows; /* NULL: evenly spread */
    size_t n;
    uint8_t *codes;  /* [n][size] */
    float *carriers; /* [tasks][width] */
} grid_rows;

static void grid_corners(void *arg, size_t task)
{
    grid_job *job = arg;
    const vssi_vectors *v = &job->build->v;
    size_t width = job->build->header.width, first = task * GRID_TASK, end = vssi_min(first + GRID_TASK, v->rows);
    float *low = job->lows + task * width, *high = job->highs + task * width, *carrier = job->carriers + task * width;
    for (size_t row = first; row < end; row++) {
        vssi_carrier_row(v, row, carrier);
        for (size_t i = 0; i < width; i++) {
            low[i] = row == first ? carrier[i] : fminf(low[i], carrier[i]);
            high[i] = row == first ? carrier[i] : fmaxf(high[i], carrier[i]);
        }
    }
}

/* n components, in loops that a compiler puts in registers. */
static void grid_steps(const float *low, const float *carrier, float inverse, size_t n, uint8_t *code)
{
    float steps[GRID_LANES];
    for (size_t i = 0; i < n; i++)
        steps[i] = (carrier[i] - low[i]) * inverse;
    for (size_t i = 0; i < n; i++)
        steps[i] = steps[i] > 0 ? steps[i] : 0;
    for (size_t i = 0; i < n; i++)
        steps[i] = steps[i] < GRID_LEVELS ? steps[i] : GRID_LEVELS;
    for (size_t i = 0; i < n; i++)
        code[i] = (uint8_t)(int)(steps[i] + 0.5f);
}

void vssi_ivf_grid_code(const ivf_header *h, const float *low, const float *carrier, uint8_t *code)
{
    const float inverse = 1 / h->step;
    size_t i = 0;
    for (; i + GRID_LANES <= h->width; i += GRID_LANES)
        grid_steps(low + i, carrier + i, inverse, GRID_LANES, code + i);
    grid_steps(low + i, carrier + i, inverse, h->width - i, code + i);
    memset(code + h->width, 0, h->size - h->width);
}

static void grid_codes(void *arg, size_t task)
{
    const grid_rows *job = arg;
    const ivf_build *b = job->build;
    const ivf_header *h = &b->header;
    float *carrier = job->carriers + task * h->width;
    for (size_t i = task * GRID_TASK, end = vssi_min(i + GRID_TASK, job->n); i < end; i++) {
        vssi_carrier_row(&b->v, job->rows ? job->rows[i] : (size_t)((uint64_t)i * b->v.rows / job->n), carrier);
        vssi_ivf_grid_code(h, b->low, carrier, job->codes + i * h->size);
    }
}

vss_status vssi_ivf_grid_rows(const ivf_build *b, const uint32_t *rows, size_t n, uint8_t *codes, vss_error *err)
{
    grid_rows job = {.build = b, .rows = rows, .n = n, .codes = codes};
    size_t tasks = (n + GRID_TASK - 1) / GRID_TASK, numbers;
    if (!vssi_mul(tasks, b->header.width, &numbers))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(b->in->heap, numbers, sizeof(float), &job.carriers, err));
    vssi_parallel_for(b->in->executor, b->in->threads, tasks, grid_codes, &job);
    vssi_free(b->in->heap, job.carriers);
    return VSS_OK;
}

/* The corner and the step of all tasks together. */
static void grid_join(grid_job *job)
{
    ivf_header *h = &job->build->header;
    float span = 0;
    for (size_t i = 0; i < h->width; i++) {
        float low = job->lows[i], high = job->highs[i];
        for (size_t t = 1; t < job->tasks; t++) {
            low = fminf(low, job->lows[t * h->width + i]);
            high = fmaxf(high, job->highs[t * h->width + i]);
        }
        job->build->low[i] = low;
        span = fmaxf(span, high - low);
    }
    h->step = span > 0 ? span / GRID_LEVELS : 1;
}

vss_status vssi_ivf_grid_fit(ivf_build *b, vss_error *err)
{
    grid_job job = {.build = b, .tasks = (b->v.rows + GRID_TASK - 1) / GRID_TASK};
    size_t numbers;
    if (!vssi_mul(job.tasks, 3 * (size_t)b->header.width, &numbers))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(b->in->heap, numbers, sizeof(float), &job.lows, err));
    job.highs = job.lows + job.tasks * b->header.width;
    job.carriers = job.highs + job.tasks * b->header.width;
    vssi_parallel_for(b->in->executor, b->in->threads, job.tasks, grid_corners, &job);
    grid_join(&job);
    vssi_free(b->in->heap, job.lows);
    return VSS_OK;
}
