/*
 * flat_codes.c - the index object of flat with codes: open, free
 *
 * Opening looks at sizes, models and the outliers: a thousandth of the rows at most in what is built here, all of them
 * at most in what is not.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "flat_codes.h"

#define CODES_ALIGN 64u

/* The block of a kind, NULL: there is none. */
static const vssi_block *codes_find(const vssi_block *blocks, size_t n_blocks, uint32_t kind)
{
    for (size_t i = 0; i < n_blocks; i++) {
        if (blocks[i].kind == kind)
            return &blocks[i];
    }
    return NULL;
}

static vss_status codes_block(const vssi_block *blocks, size_t n_blocks, uint32_t kind, size_t element, uint64_t count,
                              void *out_pointer, vss_error *err)
{
    const vssi_block *b = codes_find(blocks, n_blocks, kind);
    if (b == NULL)
        return vssi_fail(err, VSS_ERR_CORRUPT, "flat: block %u is missing", kind);
    if (b->element != element || b->count != count || (uintptr_t)b->data % CODES_ALIGN != 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "flat: block %u has %llu elements of %u bytes, expected %llu of %zu",
                         kind, (unsigned long long)b->count, b->element, (unsigned long long)count, element);
    memcpy(out_pointer, &b->data, sizeof b->data);
    return VSS_OK;
}

static vss_status codes_outliers(flat_index *index, const vssi_block *b, size_t rows, vss_error *err)
{
    if (b == NULL)
        return VSS_OK;
    if (b->element != sizeof *index->outliers || b->count > rows || (uintptr_t)b->data % CODES_ALIGN != 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "flat: block %u has %llu elements of %u bytes, expected up to %zu of 4",
                         b->kind, (unsigned long long)b->count, b->element, rows);
    index->outliers = b->data;
    index->n_outliers = (size_t)b->count;
    for (size_t i = 0; i < index->n_outliers; i++) {
        if (index->outliers[i] >= rows || (i > 0 && index->outliers[i] <= index->outliers[i - 1]))
            return vssi_fail(err, VSS_ERR_CORRUPT, "flat: outlier %zu is row %u of %zu, behind row %u", i,
                             index->outliers[i], rows, i > 0 ? index->outliers[i - 1] : 0);
    }
    return VSS_OK;
}

static vss_status codes_prefix(flat_index *index, const vssi_block *blocks, size_t n_blocks, size_t rows,
                               vss_error *err)
{
    vssi_prefix *p = &index->prefix;
    const void *model = NULL;
    if (codes_find(blocks, n_blocks, FLAT_BLOCK_PREFIX) == NULL)
        return VSS_OK;
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_PREFIX, sizeof p->model, 1, &model, err));
    VSSI_TRY(vssi_prefix_open(p, model, &index->sq8, err));
    uint64_t turn = (uint64_t)p->model.width * (1 + p->model.dims);
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_PREFIX_LOW, sizeof *p->low, p->model.dims + 1, &p->low, err));
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_TURN, sizeof *p->turn, turn, &p->turn, err));
    return codes_block(blocks, n_blocks, FLAT_BLOCK_PANELS, vssi_prefix_panel(p->model.size), vssi_prefix_panels(rows),
                       &p->panels, err);
}

static vss_status codes_open(flat_index *index, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *vectors,
                             vss_error *err)
{
    const void *model = NULL, *low = NULL, *codes = NULL;
    uint32_t width = vssi_sq8_width(vectors->dim, vectors->metric);
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_MODEL, sizeof(vssi_sq8_model), 1, &model, err));
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_LOW, sizeof(double), width, &low, err));
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_CODES, vssi_sq8_size(width), vectors->rows, &codes, err));
    VSSI_TRY(vssi_sq8_open(&index->sq8, model, low, codes, vectors, err));
    VSSI_TRY(codes_block(blocks, n_blocks, FLAT_BLOCK_NORMS, sizeof *index->norms, vectors->rows, &index->norms, err));
    VSSI_TRY(codes_outliers(index, codes_find(blocks, n_blocks, FLAT_BLOCK_OUTLIERS), vectors->rows, err));
    return codes_prefix(index, blocks, n_blocks, vectors->rows, err);
}

vss_status vssi_flat_open(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *vectors,
                          void **index, vss_error *err)
{
    flat_index *made;
    *index = NULL;
    if (!vssi_sq8_can(vectors->type, vectors->metric))
        return vssi_fail(err, VSS_ERR_CORRUPT, "flat: codes of vectors of type %s", vss_type_name(vectors->type));
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *made, &made, err));
    made->heap = heap;
    made->vectors = *vectors;
    vss_status status = codes_open(made, blocks, n_blocks, vectors, err);
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
