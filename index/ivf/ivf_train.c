/*
 * ivf_train.c - grid, centers, codewords: what rows are coded by, trained apart from their coding
 *
 * The grid is fitted to all rows; centers are trained on a sample evenly spread over them, IVF_SAMPLE a list, and the
 * codewords of ivf_pq on another. The same rows give the same bytes on any number of threads.
 *
 * How far rows like these will lie from their centers is told along, so that rows that are unlike them can be noticed:
 * the mean squared distance of the sample, which the centers fit too well; with m rows a center that is low by the
 * share (m - 1) / (m + 1), as each center is the mean of its own m rows, and of none of a later row.
 *
 * Cost: k-means over the sample. Memory: the sample's codes, a byte a component, and k-means' own.
 */
#include <math.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../quant/kmeans.h"
#include "ivf.h"

#define IVF_SAMPLE 256u  /* rows a list */
#define IVF_ROUNDS 12u
#define IVF_HELPINGS 8u
#define IVF_SEED 0x697666u
#define IVF_ALONE 2.0    /* rows a center at least that `far` is corrected by */

size_t vssi_ivf_sample(const ivf_header *h)
{
    return vssi_min(h->rows, vssi_min((size_t)h->lists * IVF_SAMPLE, VSSI_KMEANS_MAX_ROWS));
}

static float train_far(const ivf_header *h, size_t rows, double inertia)
{
    double m = fmax((double)rows / h->lists, IVF_ALONE);
    return (float)(inertia / (double)rows * (double)h->step * (double)h->step * (m + 1) / (m - 1));
}

static vss_status train_centers(ivf_build *b, vss_error *err)
{
    ivf_header *h = &b->header;
    vssi_kmeans job = {.heap = b->in->heap, .executor = b->in->executor, .threads = b->in->threads,
                       .control = b->in->control, .rows = vssi_ivf_sample(h), .size = h->size, .clusters = h->lists,
                       .rounds = IVF_ROUNDS, .helpings = IVF_HELPINGS, .seed = IVF_SEED,
                       .device = b->in->device};
    double inertia = 0;
    uint8_t *sample;
    if (h->metric == VSS_METRIC_COSINE || h->metric == VSS_METRIC_JACCARD) { /* carriers have unit length */
        job.low = b->low;
        job.step = h->step;
        job.width = h->width;
    }
    VSSI_TRY(vssi_alloc(b->in->heap, job.rows, h->size, &sample, err));
    job.codes = sample;
    vss_status status = vssi_ivf_grid_rows(b, NULL, job.rows, sample, err);
    if (status == VSS_OK)
        status = vssi_kmeans_train(&job, b->centers, &inertia, err);
    vssi_free(b->in->heap, sample);
    h->far = train_far(h, job.rows, inertia);
    return status;
}

/* The mean of what the centers stand for. */
static void train_mean(ivf_build *b)
{
    const ivf_header *h = &b->header;
    float *mean = b->low + h->width;
    for (size_t i = 0; i < h->width; i++) {
        uint64_t sum = 0;
        for (size_t c = 0; c < h->lists; c++)
            sum += b->centers[c * h->size + i];
        mean[i] = b->low[i] + h->step * ((float)sum / (float)h->lists);
    }
}

static vss_status train_make(ivf_build *b, vss_error *err)
{
    vssi_heap *heap = b->in->heap;
    const ivf_header *h = &b->header;
    VSSI_TRY(vssi_alloc(heap, 2 * (size_t)h->width, sizeof *b->low, &b->low, err));
    VSSI_TRY(vssi_alloc(heap, h->lists, h->size, &b->centers, err));
    VSSI_TRY(vssi_ivf_grid_fit(b, err));
    VSSI_TRY(train_centers(b, err));
    train_mean(b);
    VSSI_TRY(vssi_ivf_encode_centers(b, err));
    return h->kind == IVF_PQ ? vssi_ivf_pq_train(b, err) : VSS_OK;
}

vss_status vssi_ivf_train(const vssi_build *build, ivf_kind kind, vssi_image *model, vss_error *err)
{
    ivf_build b = {.in = build};
    ivf_header *header;
    *model = (vssi_image){0};
    if (build->vectors->rows == 0)
        return VSS_OK;
    VSSI_TRY(vssi_ivf_plan(&b, kind, err));
    VSSI_TRY(vssi_alloc(build->heap, 1, sizeof *header, &header, err));
    vss_status status = train_make(&b, err);
    if (status == VSS_OK) {
        vssi_ivf_model_image(&b, header, model);
        b.low = NULL;
        b.panels = NULL;
        b.words = NULL;
    } else {
        vssi_free(build->heap, header);
    }
    vssi_ivf_build_free(&b);
    return status;
}
