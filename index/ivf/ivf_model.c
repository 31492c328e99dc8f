/*
 * ivf_model.c - what was trained, as blocks that are stored and shared, and whether it serves other rows
 *
 * A model's blocks are an index's, without those of rows: HEADER with rows 0, LOW, CENTERS, and for ivf_pq WORDS.
 *
 * A model suits rows when they are of its shape and its parameters; when the lists that they ask for are at most
 * MODEL_LISTS times its own (more lists than asked for do no harm); when none of them is longer than its carriers (ip);
 * and when a sample of them lies at most MODEL_DRIFT times as far from their centers as rows like the trained ones
 * would, in the mean of the squares. Cost: that of a sample's assignment.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../lib/base/hash.h"
#include "../quant/kmeans.h"
#include "ivf.h"

#define MODEL_LISTS 4u       /* times: rows may be MODEL_LISTS^2 times those trained on where nlist is 0 */
#define MODEL_SAMPLE 2048u   /* rows looked at */
#define MODEL_DRIFT 1.25
#define MODEL_NORM (1 + 0x1p-10) /* times the length of carriers: what that costs cannot be measured */

static uint64_t model_hash(const ivf_header *header, const vssi_block *blocks, size_t n)
{
    ivf_header h = *header;
    h.rows = 0;
    h.model = 0;
    uint64_t hash = vssi_hash(&h, sizeof h, 0);
    for (size_t i = 1; i < n; i++)
        hash = vssi_hash(blocks[i].data, (size_t)(blocks[i].element * blocks[i].count), hash);
    return hash;
}

static uint64_t model_panels(const ivf_header *h)
{
    return (h->lists + (uint64_t)VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES;
}

void vssi_ivf_model_image(const ivf_build *b, ivf_header *header, vssi_image *image)
{
    const ivf_header *h = &b->header;
    image->n_blocks = 0;
    image->blocks[image->n_blocks++] = (vssi_block){IVF_BLOCK_HEADER, sizeof *header, 1, header};
    image->blocks[image->n_blocks++] = (vssi_block){IVF_BLOCK_LOW, sizeof *b->low, 2 * (uint64_t)h->width, b->low};
    image->blocks[image->n_blocks++] = (vssi_block){IVF_BLOCK_CENTERS, (uint32_t)vssi_panel_size(h->size),
                                                    model_panels(h), b->panels};
    if (b->words)
        image->blocks[image->n_blocks++] = (vssi_block){IVF_BLOCK_WORDS, sizeof *b->words,
                                                        (uint64_t)h->width << h->bits, b->words};
    *header = *h;
    header->rows = 0;
    header->model = model_hash(h, image->blocks, image->n_blocks);
}

static const vssi_block *model_block(const vssi_image *model, uint32_t kind, size_t element, uint64_t count)
{
    for (size_t i = 0; i < model->n_blocks; i++)
        if (model->blocks[i].kind == kind)
            return model->blocks[i].element == element && model->blocks[i].count == count ? &model->blocks[i] : NULL;
    return NULL;
}

static bool model_finite(const float *values, size_t n)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++)
        finite = finite && isfinite(values[i]);
    return finite;
}

/* The header, whose numbers are then those of a model; the blocks in their order. */
static vss_status model_check(const vssi_image *model, ivf_header *h, vssi_image *in_order, vss_error *err)
{
    static const char line[] = "ivf: the model is damaged";
    const vssi_block *header = model_block(model, IVF_BLOCK_HEADER, sizeof *h, 1);
    if (header == NULL)
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: it has no header", line);
    memcpy(h, header->data, sizeof *h);
    if (h->format > IVF_FORMAT)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT, "ivf: a model of format %u, this library reads up to %u", h->format,
                         IVF_FORMAT);
    const bool pq = h->kind == IVF_PQ;
    if (!vssi_ivf_header_valid(h) || h->rows != 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: format %u, kind %u, %u lists, %u bits, %u runs", line, h->format,
                         h->kind, h->lists, h->bits, h->subs);
    const vssi_block *blocks[] = {
        header, model_block(model, IVF_BLOCK_LOW, sizeof(float), 2 * (uint64_t)h->width),
        model_block(model, IVF_BLOCK_CENTERS, vssi_panel_size(h->size), model_panels(h)),
        pq ? model_block(model, IVF_BLOCK_WORDS, sizeof(float), (uint64_t)h->width << h->bits) : NULL};
    in_order->n_blocks = pq ? 4 : 3;
    for (size_t i = 0; i < in_order->n_blocks; i++) {
        if (blocks[i] == NULL)
            return vssi_fail(err, VSS_ERR_CORRUPT, "%s: a block is missing or of another size", line);
        in_order->blocks[i] = *blocks[i];
    }
    if (model_hash(h, in_order->blocks, in_order->n_blocks) != h->model)
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: its hash is not %016llx", line, (unsigned long long)h->model);
    if (!model_finite(in_order->blocks[1].data, 2 * (size_t)h->width) ||
        (pq && !model_finite(in_order->blocks[3].data, (size_t)h->width << h->bits)))
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: a number is not finite", line);
    return VSS_OK;
}

static vss_status model_copy(vssi_heap *heap, const vssi_block *block, void *out, vss_error *err)
{
    void *copy;
    VSSI_TRY(vssi_alloc(heap, (size_t)block->count, block->element, &copy, err));
    memcpy(copy, block->data, (size_t)(block->count * block->element));
    memcpy(out, &copy, sizeof copy);
    return VSS_OK;
}

vss_status vssi_ivf_model_load(ivf_build *b, const vssi_image *model, vss_error *err)
{
    vssi_heap *heap = b->in->heap;
    vssi_image blocks;
    ivf_header h;
    VSSI_TRY(model_check(model, &h, &blocks, err));
    h.rows = b->header.rows;
    b->header = h;
    if (h.metric == VSS_METRIC_IP)
        b->v.max_norm = h.most;
    VSSI_TRY(model_copy(heap, &blocks.blocks[1], &b->low, err));
    if (h.kind == IVF_PQ)
        VSSI_TRY(model_copy(heap, &blocks.blocks[3], &b->words, err));
    VSSI_TRY(vssi_alloc(heap, h.lists, h.size, &b->centers, err));
    const uint8_t *panels = blocks.blocks[2].data;
    for (size_t c = 0; c < h.lists; c++)
        vssi_panel_get(panels + c / VSSI_NEAREST_LANES * vssi_panel_size(h.size), c % VSSI_NEAREST_LANES, h.size,
                       b->centers + c * h.size);
    return VSS_OK;
}

static bool model_fits(const ivf_header *model, const ivf_header *rows)
{
    return model->kind == rows->kind && model->dim == rows->dim && model->metric == rows->metric &&
           model->bits == rows->bits && model->subs == rows->subs && rows->lists <= MODEL_LISTS * model->lists &&
           rows->most <= model->most * MODEL_NORM;
}

/* Sum of squared distances of the sample from their centers. Carriers, not codes: rows may lie outside of the grid. */
static double model_sum(const ivf_build *b, const uint32_t *where, size_t n, float *carrier, float *point)
{
    const ivf_header *h = &b->header;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        vssi_carrier_row(&b->v, (size_t)((uint64_t)i * b->v.rows / n), carrier);
        for (size_t j = 0; j < h->width; j++)
            point[j] = b->low[j] + h->step * b->centers[where[i] * h->size + j];
        sum += vssi_exact(VSSI_SIMD_F32, VSSI_SIMD_L2, carrier, point, h->width);
    }
    return sum;
}

static vss_status model_drift(ivf_build *b, bool *near, vss_error *err)
{
    vssi_heap *heap = b->in->heap;
    const ivf_header *h = &b->header;
    const size_t n = vssi_min(MODEL_SAMPLE, b->v.rows), floats = 2 * (size_t)h->width * sizeof(float);
    uint8_t *memory;
    VSSI_TRY(vssi_alloc(heap, n * (h->size + sizeof(uint32_t)) + floats, 1, &memory, err));
    float *carrier = (float *)(void *)memory;
    uint32_t *where = (uint32_t *)(void *)(memory + floats);
    uint8_t *codes = memory + floats + n * sizeof *where;
    const vssi_kmeans job = {.heap = heap, .executor = b->in->executor, .threads = b->in->threads,
                             .control = b->in->control, .codes = codes, .rows = n, .size = h->size,
                             .clusters = h->lists};
    vss_status status = vssi_ivf_grid_rows(b, NULL, n, codes, err);
    if (status == VSS_OK)
        status = vssi_kmeans_assign(&job, b->centers, where, NULL, err);
    if (status == VSS_OK)
        *near = model_sum(b, where, n, carrier, carrier + h->width) <= MODEL_DRIFT * (double)h->far * (double)n;
    vssi_free(heap, memory);
    return status;
}

vss_status vssi_ivf_suits(const vssi_build *build, ivf_kind kind, bool *suits, vss_error *err)
{
    ivf_build b = {.in = build};
    *suits = false;
    VSSI_TRY(vssi_ivf_plan(&b, kind, err));
    const ivf_header rows = b.header;
    vss_status status = vssi_ivf_model_load(&b, build->model, err);
    *suits = status == VSS_OK && model_fits(&b.header, &rows);
    if (*suits && build->vectors->rows > 0)
        status = model_drift(&b, suits, err);
    vssi_ivf_build_free(&b);
    return status;
}
