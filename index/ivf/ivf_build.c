/*
 * ivf_build.c - grid, centers, lists, codes
 *
 * Centers are trained on a sample evenly spread over the rows, IVF_SAMPLE a list, and rows go to their nearest. The
 * same rows give the same bytes on any number of threads. Memory beside the result: a byte a component and 16 bytes a
 * row.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../quant/kmeans.h"
#include "ivf.h"

#define IVF_SAMPLE 256u  /* rows a list */
#define IVF_ROUNDS 12u
#define IVF_HELPINGS 8u
#define IVF_SEED 0x697666u

/* nlist 0: about 4 sqrt(rows), so that centers and lists cost a search alike. */
static uint32_t build_lists(const vssi_build *in)
{
    size_t lists = (size_t)in->params[IVF_PARAM_NLIST], rows = in->vectors->rows;
    if (lists == 0)
        lists = (size_t)(4 * sqrt((double)rows));
    return (uint32_t)vssi_max(1, vssi_min(vssi_min(lists, rows), IVF_MAX_LISTS));
}

static vss_status build_memory(ivf_build *b, vss_error *err)
{
    vssi_heap *heap = b->in->heap;
    const ivf_header *h = &b->header;
    size_t points;
    if (!vssi_mul(h->lists, h->width, &points))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(heap, 2 * (size_t)h->width, sizeof *b->low, &b->low, err));
    VSSI_TRY(vssi_alloc(heap, points, sizeof *b->points, &b->points, err));
    VSSI_TRY(vssi_alloc(heap, h->lists, h->size, &b->centers, err));
    VSSI_TRY(vssi_alloc(heap, h->rows, h->size, &b->grid, err));
    VSSI_TRY(vssi_alloc(heap, h->rows, sizeof *b->where, &b->where, err));
    VSSI_TRY(vssi_alloc_zero(heap, h->lists + 1, sizeof *b->lists, &b->lists, err));
    return vssi_alloc(heap, h->rows, sizeof *b->rows, &b->rows, err);
}

size_t vssi_ivf_sample(const ivf_header *h)
{
    return vssi_min(h->rows, vssi_min((size_t)h->lists * IVF_SAMPLE, VSSI_KMEANS_MAX_ROWS));
}

/* The codes that k-means sees: all of them, or a sample that the caller frees. */
static vss_status build_sample(const ivf_build *b, vssi_kmeans *job, uint8_t **sample, vss_error *err)
{
    size_t all = b->header.rows, size = b->header.size, wanted;
    *sample = NULL;
    job->codes = b->grid;
    job->rows = all;
    wanted = vssi_ivf_sample(&b->header);
    if (all <= wanted)
        return VSS_OK;
    VSSI_TRY(vssi_alloc(b->in->heap, wanted, size, sample, err));
    for (size_t i = 0; i < wanted; i++)
        memcpy(*sample + i * size, b->grid + (uint64_t)i * all / wanted * size, size);
    job->codes = *sample;
    job->rows = wanted;
    return VSS_OK;
}

/* What the centers stand for, and their mean. */
static void build_points(ivf_build *b)
{
    const ivf_header *h = &b->header;
    float *mean = b->low + h->width;
    for (size_t i = 0; i < h->width; i++) {
        uint64_t sum = 0;
        for (size_t c = 0; c < h->lists; c++)
            sum += b->centers[c * h->size + i];
        mean[i] = b->low[i] + h->step * ((float)sum / (float)h->lists);
    }
    for (size_t c = 0; c < h->lists; c++) {
        for (size_t i = 0; i < h->width; i++)
            b->points[c * h->width + i] = b->low[i] + h->step * b->centers[c * h->size + i];
    }
}

/* Rows by list, rising within one: a counting sort. */
static void build_lists_fill(ivf_build *b)
{
    const ivf_header *h = &b->header;
    for (size_t i = 0; i < h->rows; i++)
        b->lists[b->where[i] + 1]++;
    for (size_t c = 0; c < h->lists; c++)
        b->lists[c + 1] += b->lists[c];
    for (size_t i = 0; i < h->rows; i++)
        b->rows[b->lists[b->where[i]]++] = (uint32_t)i;
    memmove(b->lists + 1, b->lists, h->lists * sizeof *b->lists);
    b->lists[0] = 0;
}

static vss_status build_train(ivf_build *b, vss_error *err)
{
    const ivf_header *h = &b->header;
    vssi_kmeans job = {.heap = b->in->heap, .executor = b->in->executor, .threads = b->in->threads,
                       .control = b->in->control, .size = h->size, .clusters = h->lists, .rounds = IVF_ROUNDS,
                       .helpings = IVF_HELPINGS, .seed = IVF_SEED};
    uint8_t *sample;
    if (h->metric == VSS_METRIC_COSINE || h->metric == VSS_METRIC_JACCARD) { /* carriers have unit length */
        job.low = b->low;
        job.step = h->step;
        job.width = h->width;
    }
    VSSI_TRY(build_sample(b, &job, &sample, err));
    vss_status status = vssi_kmeans_train(&job, b->centers, NULL, err);
    vssi_free(b->in->heap, sample);
    job.codes = b->grid;
    job.rows = h->rows;
    return status == VSS_OK ? vssi_kmeans_assign(&job, b->centers, b->where, NULL, err) : status;
}

static void build_image(ivf_build *b, ivf_header *header, vssi_image *image)
{
    const ivf_header *h = &b->header;
    size_t codes = ivf_code_size(h, b->v), panel = vssi_panel_size(h->size);
    uint64_t count = ivf_has_blocks(h) ? vssi_ivf_blocks(h, b->lists, NULL) : h->rows;
    *header = b->header;
    const vssi_block blocks[] = {
        {IVF_BLOCK_HEADER, sizeof *header, 1, header},
        {IVF_BLOCK_LOW, sizeof *b->low, 2 * (uint64_t)h->width, b->low},
        {IVF_BLOCK_CENTERS, (uint32_t)panel, (h->lists + VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES, b->panels},
        {IVF_BLOCK_POINTS, sizeof *b->points, (uint64_t)h->lists * h->width, b->points},
        {IVF_BLOCK_LISTS, sizeof *b->lists, h->lists + 1, b->lists},
        {IVF_BLOCK_ROWS, sizeof *b->rows, h->rows, b->rows},
        {IVF_BLOCK_CODES, (uint32_t)codes, count, b->codes},
    };
    image->n_blocks = sizeof blocks / sizeof *blocks;
    memcpy(image->blocks, blocks, sizeof blocks);
    if (b->more)
        image->blocks[image->n_blocks++] = (vssi_block){IVF_BLOCK_MORE, (uint32_t)ivf_more_size(h), h->rows, b->more};
    if (b->words)
        image->blocks[image->n_blocks++] = (vssi_block){IVF_BLOCK_WORDS, sizeof *b->words,
                                                        (uint64_t)h->width << h->bits, b->words};
}

static vss_status build_make(ivf_build *b, vss_error *err)
{
    VSSI_TRY(build_memory(b, err));
    VSSI_TRY(vssi_ivf_grid_fit(b, err));
    VSSI_TRY(build_train(b, err));
    build_points(b);
    build_lists_fill(b);
    return vssi_ivf_encode(b, err);
}

vss_status vssi_ivf_plan(ivf_build *b, ivf_kind kind, vss_error *err)
{
    static const uint32_t code_bits[] = {4, 8}; /* by the number of the name */
    const uint64_t *params = b->in->params;
    const vssi_vectors *v = b->v;
    ivf_header *h = &b->header;
    uint32_t width = vssi_carrier_width(v);
    if (v->rows > IVF_MAX_ROWS)
        return vssi_fail(err, VSS_ERR_INVALID, "ivf: %zu rows, at most %u can be indexed", v->rows, IVF_MAX_ROWS);
    *h = (ivf_header){.format = IVF_FORMAT, .kind = kind, .rows = (uint32_t)v->rows, .dim = v->dim,
                      .metric = (uint32_t)v->metric, .lists = build_lists(b->in), .width = width,
                      .size = (uint32_t)vssi_round_up(width, 4)};
    if (h->kind == IVF_RABITQ)
        h->bits = (uint32_t)params[IVF_PARAM_BITS];
    if (h->kind != IVF_PQ)
        return VSS_OK;
    h->bits = code_bits[params[IVF_PARAM_NBITS]];
    return vssi_ivf_pq_subs(params[IVF_PARAM_M], h->width, h->bits, &h->subs, err);
}

vss_status vssi_ivf_build(const vssi_build *build, ivf_kind kind, vssi_image *image, vss_error *err)
{
    const vssi_vectors *v = build->vectors;
    ivf_build b = {.in = build, .v = v};
    vssi_heap *heap = build->heap;
    ivf_header *header = NULL;
    *image = (vssi_image){0};
    if (v->rows == 0)
        return VSS_OK;
    vss_status status = vssi_ivf_plan(&b, kind, err);
    if (status == VSS_OK)
        status = vssi_alloc(heap, 1, sizeof *header, &header, err);
    if (status == VSS_OK)
        status = build_make(&b, err);
    vssi_free(heap, b.grid);
    vssi_free(heap, b.where);
    vssi_free(heap, b.centers);
    if (status == VSS_OK) {
        build_image(&b, header, image);
        return VSS_OK;
    }
    const void *const made[] = {header, b.low, b.panels, b.points, b.lists, b.rows, b.codes, b.more, b.words};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        vssi_free(heap, made[i]);
    return status;
}
