/*
 * outliers.c - rows that lie much farther out than nearly all others
 *
 * The step of a grid is the longest of its sides over 255, so a single far row can make it useless. How far out a row
 * is is measured in two ways, by its greatest component and by its length, both from the mean of a sample (ip: from 0,
 * by its length alone, which also sets what all carriers are made to have). A way names as outliers the rows beyond a
 * limit that at most one row in 2,048 exceeds, if the farthest is FAR times as far as the limit; otherwise none. Limits
 * are the bounds of a histogram of the leading 16 bits of a float32.
 *
 * Cost: a pass over the rows, shared among threads, and 8 bytes a row while it lasts.
 */
#include "outliers.h"

#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "sq8.h"

#define OUTLIERS_TASK 8192u
#define OUTLIERS_SAMPLE 1024u
#define OUTLIERS_BINS 0x8000u
#define OUTLIERS_FAR 1.5f

typedef struct outliers {
    const vssi_vectors *v;
    size_t width;
    double *mean;     /* [width] */
    double *carriers; /* [tasks][width] */
    float *greatest, *length; /* [rows] */
} outliers;

static void outliers_mean(outliers *o)
{
    size_t step = vssi_max(1, o->v->rows / OUTLIERS_SAMPLE), n = 0;
    memset(o->mean, 0, o->width * sizeof *o->mean);
    if (o->v->metric == VSS_METRIC_IP)
        return;
    for (size_t row = 0; row < o->v->rows; row += step, n++) {
        vssi_sq8_carrier(o->v, row, 0, o->carriers);
        for (size_t i = 0; i < o->width; i++)
            o->mean[i] += o->carriers[i];
    }
    for (size_t i = 0; i < o->width; i++)
        o->mean[i] /= (double)n;
}

static void outliers_measure(void *arg, size_t task)
{
    const outliers *o = arg;
    size_t first = task * OUTLIERS_TASK, end = vssi_min(first + OUTLIERS_TASK, o->v->rows);
    double *carrier = o->carriers + task * o->width;
    for (size_t row = first; row < end; row++) {
        double greatest = 0, square = 0;
        vssi_sq8_carrier(o->v, row, 0, carrier);
        for (size_t i = 0; i < o->v->dim; i++) { /* ip: without the component that is made */
            double off = fabs(carrier[i] - o->mean[i]);
            greatest = off > greatest ? off : greatest;
            square += off * off;
        }
        o->greatest[row] = o->v->metric == VSS_METRIC_IP ? 0 : (float)greatest;
        o->length[row] = (float)sqrt(square);
    }
}

static size_t outliers_bin(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 16;
}

/* Set the bits of the rows that are far out by one way of measuring. */
static void outliers_mark(const float *out, size_t rows, uint32_t *bins, uint64_t *leave)
{
    size_t above = 0, limit = OUTLIERS_BINS;
    float farthest = 0, bound;
    memset(bins, 0, OUTLIERS_BINS * sizeof *bins);
    for (size_t row = 0; row < rows; row++) {
        bins[outliers_bin(out[row])]++;
        farthest = fmaxf(farthest, out[row]);
    }
    while (limit > 1 && above + bins[limit - 1] <= rows / (2 * VSSI_OUTLIERS_SHARE))
        above += bins[--limit];
    uint32_t bits = (uint32_t)limit << 16;
    memcpy(&bound, &bits, sizeof bound);
    if (above == 0 || !(farthest > OUTLIERS_FAR * bound))
        return;
    for (size_t row = 0; row < rows; row++) {
        if (outliers_bin(out[row]) >= limit)
            vssi_bitmap_set(leave, row);
    }
}

vss_status vssi_outliers_find(const vssi_build *build, uint64_t *leave, size_t *n, vss_error *err)
{
    const vssi_vectors *v = build->vectors;
    outliers o = {.v = v, .width = vssi_sq8_width(v->dim, v->metric)};
    size_t tasks = (v->rows + OUTLIERS_TASK - 1) / OUTLIERS_TASK;
    uint32_t *bins;
    *n = 0;
    if (v->rows < 2 * VSSI_OUTLIERS_SHARE)
        return VSS_OK;
    VSSI_TRY(vssi_alloc(build->heap, (tasks + 1) * o.width, sizeof *o.mean, &o.mean, err));
    vss_status status = vssi_alloc(build->heap, 2 * v->rows + OUTLIERS_BINS, sizeof *o.length, &o.length, err);
    if (status == VSS_OK) {
        o.carriers = o.mean + o.width;
        o.greatest = o.length + v->rows;
        bins = (uint32_t *)(void *)(o.greatest + v->rows);
        outliers_mean(&o);
        vssi_parallel_for(build->executor, build->threads, tasks, outliers_measure, &o);
        outliers_mark(o.length, v->rows, bins, leave);
        outliers_mark(o.greatest, v->rows, bins, leave);
        *n = vssi_bitmap_count(leave, v->rows);
    }
    vssi_free(build->heap, o.length);
    vssi_free(build->heap, o.mean);
    return status;
}
