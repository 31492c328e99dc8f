/*
 * ivf_open.c - use stored blocks in place
 *
 * Looks at the header and where lists begin: O(lists). Everything a search multiplies with is bounded here; row numbers
 * are bounded at use.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "../../lib/base/fail.h"
#include "../codec/rotate.h"
#include "ivf.h"
#include "vss/schema.h"

static const char *const ivf_names[IVF_KINDS] = {[IVF_FLAT] = "ivf_flat", [IVF_SQ8] = "ivf_sq8",
                                                 [IVF_RABITQ] = "ivf_rabitq", [IVF_PQ] = "ivf_pq"};

static vss_status open_block(const vssi_block *blocks, size_t n_blocks, uint32_t kind, size_t element, uint64_t count,
                             void *data, vss_error *err)
{
    for (size_t i = 0; i < n_blocks; i++) {
        const vssi_block *b = &blocks[i];
        if (b->kind != kind)
            continue;
        if (b->element != element || b->count != count || (uintptr_t)b->data % 64 != 0)
            return vssi_fail(err, VSS_ERR_CORRUPT, "ivf: block %u has %llu elements of %u bytes, expected %llu of %zu",
                             kind, (unsigned long long)b->count, b->element, (unsigned long long)count, element);
        memcpy(data, &b->data, sizeof b->data);
        return VSS_OK;
    }
    return vssi_fail(err, VSS_ERR_CORRUPT, "ivf: block %u is missing", kind);
}

static bool open_bits(const ivf_header *h)
{
    if (h->kind == IVF_PQ)
        return (h->bits == 4 || h->bits == 8) && h->subs >= 1 && h->subs <= h->width;
    bool bits = h->kind == IVF_RABITQ ? h->bits >= 1 && h->bits <= VSSI_RABITQ_BITS : h->bits == 0;
    return bits && h->subs == 0;
}

bool vssi_ivf_header_valid(const ivf_header *h)
{
    return h->format == IVF_FORMAT && h->kind >= IVF_FLAT && h->kind < IVF_KINDS && h->dim >= 1 &&
           h->dim <= VSS_MAX_DIM && h->width == h->dim + (h->metric == VSS_METRIC_IP) &&
           h->size == (h->width + 3) / 4 * 4 && h->lists >= 1 && h->lists <= IVF_MAX_LISTS && open_bits(h) &&
           h->step > 0 && h->step <= FLT_MAX && h->far >= 0 && h->far <= FLT_MAX && h->most >= 0 && h->most <= DBL_MAX;
}

static vss_status open_header(const ivf_header *h, ivf_kind kind, const vssi_vectors *v, vss_error *err)
{
    if (h->format > IVF_FORMAT)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT, "%s: format %u, this library reads up to %u", ivf_names[kind],
                         h->format, IVF_FORMAT);
    if (h->format != IVF_FORMAT || h->kind != (uint32_t)kind)
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: format %u, kind %u", ivf_names[kind], h->format, h->kind);
    if (h->rows != v->rows || h->dim != v->dim || h->metric != (uint32_t)v->metric)
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: made for %u rows of %u components, the segment has %zu of %u",
                         ivf_names[kind], h->rows, h->dim, v->rows, v->dim);
    if (!vssi_ivf_header_valid(h))
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: %u lists, %u bits, %u runs, step %g", ivf_names[kind], h->lists,
                         h->bits, h->subs, (double)h->step);
    return VSS_OK;
}

/* Where lists begin rises from 0 to the number of rows. */
static vss_status open_lists(const ivf_index *index, vss_error *err)
{
    const ivf_header *h = &index->header;
    bool rising = index->lists[0] == 0 && index->lists[h->lists] == h->rows;
    for (size_t c = 0; c < h->lists; c++)
        rising = rising && index->lists[c] <= index->lists[c + 1];
    return rising ? VSS_OK : vssi_fail(err, VSS_ERR_CORRUPT, "ivf: the lists do not hold %u rows", h->rows);
}

static vss_status open_codes(ivf_index *index, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *v,
                             vss_error *err)
{
    const ivf_header *h = &index->header;
    index->code_size = ivf_code_size(h, v);
    if (!ivf_has_blocks(h))
        return open_block(blocks, n_blocks, IVF_BLOCK_CODES, index->code_size, h->rows, &index->codes, err);
    VSSI_TRY(vssi_alloc(index->heap, h->lists + 1, sizeof *index->blocks, &index->blocks, err));
    return open_block(blocks, n_blocks, IVF_BLOCK_CODES, index->code_size,
                      vssi_ivf_blocks(h, index->lists, index->blocks), &index->codes, err);
}

/* What else the type has: codewords; a rotation and more bits. */
static vss_status open_rest(ivf_index *index, const vssi_block *blocks, size_t n_blocks, vss_error *err)
{
    const ivf_header *h = &index->header;
    if (h->kind == IVF_PQ) {
        index->pq = (vssi_pq){.width = h->width, .subs = h->subs, .bits = h->bits};
        return open_block(blocks, n_blocks, IVF_BLOCK_WORDS, sizeof(float), (uint64_t)h->width << h->bits,
                          &index->pq.words, err);
    }
    if (h->kind != IVF_RABITQ)
        return VSS_OK;
    size_t n = ivf_turned_width(h);
    VSSI_TRY(vssi_alloc(index->heap, VSSI_ROTATE_ROUNDS * n, sizeof *index->signs, &index->signs, err));
    vssi_rotate_signs(IVF_ROTATION, n, index->signs);
    index->more_size = ivf_more_size(h);
    if (h->bits == 1)
        return VSS_OK;
    return open_block(blocks, n_blocks, IVF_BLOCK_MORE, index->more_size, h->rows, &index->more, err);
}

static vss_status open_all(ivf_index *index, ivf_kind kind, const vssi_block *blocks, size_t n_blocks,
                           const vssi_vectors *v, vss_error *err)
{
    ivf_header *h = &index->header;
    const void *header = NULL;
    VSSI_TRY(open_block(blocks, n_blocks, IVF_BLOCK_HEADER, sizeof *h, 1, &header, err));
    memcpy(h, header, sizeof *h);
    VSSI_TRY(open_header(h, kind, v, err));
    VSSI_TRY(open_block(blocks, n_blocks, IVF_BLOCK_LOW, sizeof(float), 2 * (uint64_t)h->width, &index->low, err));
    index->mean = index->low + h->width;
    VSSI_TRY(open_block(blocks, n_blocks, IVF_BLOCK_CENTERS, vssi_panel_size(h->size),
                        (h->lists + VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES, &index->centers, err));
    VSSI_TRY(open_block(blocks, n_blocks, IVF_BLOCK_POINTS, sizeof(float), (uint64_t)h->lists * h->width,
                        &index->points, err));
    VSSI_TRY(open_block(blocks, n_blocks, IVF_BLOCK_LISTS, sizeof(uint32_t), h->lists + 1, &index->lists, err));
    VSSI_TRY(open_lists(index, err));
    VSSI_TRY(open_block(blocks, n_blocks, IVF_BLOCK_ROWS, sizeof(uint32_t), h->rows, &index->rows, err));
    VSSI_TRY(open_codes(index, blocks, n_blocks, v, err));
    return open_rest(index, blocks, n_blocks, err);
}

vss_status vssi_ivf_open(vssi_heap *heap, ivf_kind kind, const vssi_block *blocks, size_t n_blocks,
                         const vssi_vectors *vectors, void **out, vss_error *err)
{
    ivf_index *index;
    *out = NULL;
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *index, &index, err));
    index->heap = heap;
    vss_status status = open_all(index, kind, blocks, n_blocks, vectors, err);
    if (status != VSS_OK) {
        vssi_ivf_free(index);
        return status;
    }
    *out = index;
    return VSS_OK;
}

void vssi_ivf_free(void *p)
{
    ivf_index *index = p;
    if (index == NULL)
        return;
    vssi_free(index->heap, index->blocks);
    vssi_free(index->heap, index->signs);
    vssi_free(index->heap, index);
}
