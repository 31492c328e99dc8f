/*
 * ivf_build.c - rows to lists, lists to blocks, by a model that is given or trained here
 *
 * Rows go to their nearest center, unless a source has them already. The same rows and model give the same bytes on any
 * number of threads, whatever sources there are. Memory beside the result: 4 bytes a row, 4 more with sources, and a
 * byte a component while rows are assigned.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../quant/kmeans.h"
#include "ivf.h"

static vss_status build_model(ivf_build *b, ivf_kind kind, vss_error *err)
{
    vssi_image own;
    if (b->in->model != NULL)
        return vssi_ivf_model_load(b, b->in->model, err);
    VSSI_TRY(vssi_ivf_train(b->in, kind, &own, err));
    vss_status status = vssi_ivf_model_load(b, &own, err);
    vssi_image_free(b->in->heap, &own);
    return status;
}

static vss_status build_memory(ivf_build *b, vss_error *err)
{
    vssi_heap *heap = b->in->heap;
    const ivf_header *h = &b->header;
    VSSI_TRY(vssi_alloc(heap, h->rows, sizeof *b->where, &b->where, err));
    VSSI_TRY(vssi_alloc_zero(heap, h->lists + 1, sizeof *b->lists, &b->lists, err));
    return vssi_alloc(heap, h->rows, sizeof *b->rows, &b->rows, err);
}

/* Rows that no source has, NULL: all; *n of them. */
static vss_status build_fresh(const ivf_build *b, uint32_t **fresh, size_t *n, vss_error *err)
{
    *fresh = NULL;
    *n = b->header.rows;
    if (b->origin == NULL)
        return VSS_OK;
    VSSI_TRY(vssi_alloc(b->in->heap, b->header.rows, sizeof **fresh, fresh, err));
    *n = 0;
    for (uint32_t row = 0; row < b->header.rows; row++)
        if (b->origin[row] == IVF_FRESH)
            (*fresh)[(*n)++] = row;
    return VSS_OK;
}

/* The lists of n rows (NULL: all). */
static vss_status build_nearest(ivf_build *b, const uint32_t *fresh, size_t n, uint8_t *codes, uint32_t *where,
                                vss_error *err)
{
    const vssi_kmeans job = {.heap = b->in->heap, .executor = b->in->executor, .threads = b->in->threads,
                             .control = b->in->control, .codes = codes, .rows = n, .size = b->header.size,
                             .clusters = b->header.lists, .device = b->in->device};
    VSSI_TRY(vssi_ivf_grid_rows(b, fresh, n, codes, err));
    VSSI_TRY(vssi_kmeans_assign(&job, b->centers, where, NULL, err));
    for (size_t i = 0; fresh != NULL && i < n; i++)
        b->where[fresh[i]] = where[i];
    return VSS_OK;
}

static vss_status build_assign(ivf_build *b, vss_error *err)
{
    vssi_heap *heap = b->in->heap;
    uint32_t *fresh, *where = NULL;
    uint8_t *codes = NULL;
    size_t n;
    VSSI_TRY(vssi_ivf_sources(b, err));
    VSSI_TRY(build_fresh(b, &fresh, &n, err));
    vss_status status = VSS_OK;
    if (n > 0)
        status = vssi_alloc(heap, n, b->header.size, &codes, err);
    if (n > 0 && status == VSS_OK && fresh != NULL)
        status = vssi_alloc(heap, n, sizeof *where, &where, err);
    if (n > 0 && status == VSS_OK)
        status = build_nearest(b, fresh, n, codes, fresh ? where : b->where, err);
    vssi_free(heap, codes);
    vssi_free(heap, where);
    vssi_free(heap, fresh);
    return status;
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

/* The model's blocks, and those of the rows. */
static void build_image(ivf_build *b, ivf_header *header, vssi_image *image)
{
    const ivf_header *h = &b->header;
    uint64_t count = ivf_has_blocks(h) ? vssi_ivf_blocks(h, b->lists, NULL) : h->rows;
    vssi_ivf_model_image(b, header, image);
    *header = *h;
    const vssi_block blocks[] = {
        {IVF_BLOCK_POINTS, sizeof *b->points, (uint64_t)h->lists * h->width, b->points},
        {IVF_BLOCK_LISTS, sizeof *b->lists, h->lists + 1, b->lists},
        {IVF_BLOCK_ROWS, sizeof *b->rows, h->rows, b->rows},
        {IVF_BLOCK_CODES, (uint32_t)ivf_code_size(h, &b->v), count, b->codes},
    };
    memcpy(image->blocks + image->n_blocks, blocks, sizeof blocks);
    image->n_blocks += sizeof blocks / sizeof *blocks;
    if (b->more)
        image->blocks[image->n_blocks++] = (vssi_block){IVF_BLOCK_MORE, (uint32_t)ivf_more_size(h), h->rows, b->more};
}

static vss_status build_make(ivf_build *b, ivf_kind kind, vss_error *err)
{
    VSSI_TRY(build_model(b, kind, err));
    VSSI_TRY(build_memory(b, err));
    VSSI_TRY(build_assign(b, err));
    build_lists_fill(b);
    VSSI_TRY(vssi_ivf_encode_centers(b, err));
    VSSI_TRY(vssi_ivf_encode_points(b, err));
    return vssi_ivf_encode(b, err);
}

vss_status vssi_ivf_build(const vssi_build *build, ivf_kind kind, vssi_image *image, vss_error *err)
{
    ivf_build b = {.in = build};
    ivf_header *header;
    *image = (vssi_image){0};
    if (build->vectors->rows == 0)
        return VSS_OK;
    VSSI_TRY(vssi_ivf_plan(&b, kind, err));
    VSSI_TRY(vssi_alloc(build->heap, 1, sizeof *header, &header, err));
    vss_status status = build_make(&b, kind, err);
    if (status != VSS_OK) {
        vssi_free(build->heap, header);
        vssi_ivf_build_free(&b);
        return status;
    }
    build_image(&b, header, image);
    vssi_free(build->heap, b.centers);
    vssi_free(build->heap, b.where);
    vssi_free(build->heap, b.origin);
    return VSS_OK;
}
