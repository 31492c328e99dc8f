/*
 * ivf_encode.c - what each type keeps of the rows of its lists
 *
 * ivf_sq8 takes up a list at a time; ivf_rabitq, which rotates every residual, O(n log n), and tries a few steps for
 * its bits, parts of the rows (ivf_encode_parts.c). Codes that a source has are copied.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../codec/rotate.h"
#include "ivf.h"

static void encode_turn(const ivf_coder *coder, float *center) { vssi_rotate(coder->signs, coder->width, center); }

static void encode_sign(const ivf_build *b, const ivf_coder *coder, const ivf_residuals *r, size_t i)
{
    const size_t n = coder->width;
    float *residual = r->residuals + i * n;
    vssi_rotate(coder->signs, n, residual);
    vssi_rabitq_encode(residual, r->centers + r->where[i] * n, n, b->header.bits, r->codes + i * n, &r->factors[i]);
}

/* A row's code into its place of a block and of the other bits. */
static void encode_put(const ivf_build *b, const ivf_coder *coder, const ivf_residuals *r, size_t i, uint8_t *block,
                       size_t slot)
{
    const size_t n = coder->width, subs = ivf_block_subs(&b->header);
    const unsigned bits = b->header.bits;
    const uint8_t *codes = r->codes + i * n;
    const vssi_rabitq_row *factors = &r->factors[i];
    uint8_t *nibbles = (uint8_t *)r->spare;
    for (size_t j = 0; j < subs; j++) {
        nibbles[j] = 0;
        for (size_t k = 0; k < 4; k++)
            nibbles[j] |= (uint8_t)((codes[4 * j + k] >> (bits - 1) & 1) << k);
    }
    vssi_scan4_set(block, subs, slot, nibbles);
    float *add = (float *)(void *)(block + 16 * subs);
    add[slot] = factors->add;
    add[VSSI_SCAN4_ROWS + slot] = factors->mul;
    if (bits == 1)
        return;
    uint8_t *more = b->more + r->positions[i] * ivf_more_size(&b->header);
    size_t planes = vssi_planes_size(n, bits - 1);
    vssi_planes_set(more, n, bits - 1, codes);
    memcpy(more + planes, &factors->more_add, sizeof(float));
    memcpy(more + planes + sizeof(float), &factors->more_mul, sizeof(float));
}

static void encode_copy(const ivf_build *b, const ivf_index *from, size_t position, size_t list, size_t at,
                        uint8_t *block, size_t slot, uint8_t *codes)
{
    const size_t more = ivf_more_size(&b->header);
    vssi_ivf_source_copy(from, position, list, block, slot, codes);
    if (more > 0)
        memcpy(b->more + at * more, from->more + position * more, more);
}

static vss_status encode_rabitq(ivf_build *b, vss_error *err)
{
    vssi_heap *heap = b->in->heap;
    const ivf_header *h = &b->header;
    size_t n = ivf_turned_width(h);
    float *signs;
    VSSI_TRY(vssi_alloc_zero(heap, vssi_ivf_blocks(h, b->lists, NULL), ivf_block_size(h), &b->codes, err));
    if (h->bits > 1)
        VSSI_TRY(vssi_alloc(heap, h->rows, ivf_more_size(h), &b->more, err));
    VSSI_TRY(vssi_alloc(heap, VSSI_ROTATE_ROUNDS * n, sizeof *signs, &signs, err));
    vssi_rotate_signs(IVF_ROTATION, n, signs);
    const ivf_coder coder = {.width = n, .code_size = n, .signs = signs, .center = encode_turn, .code = encode_sign,
                             .put = encode_put, .copy = encode_copy, .ask = vssi_ivf_ask_signs(b)};
    vss_status status = vssi_ivf_encode_parts(b, &coder, err);
    vssi_free(heap, signs);
    return status;
}

static vss_status encode_vectors(ivf_build *b, vss_error *err)
{
    size_t size = b->v.row_size;
    VSSI_TRY(vssi_alloc(b->in->heap, b->header.rows, size, &b->codes, err));
    for (size_t i = 0; i < b->header.rows; i++)
        memcpy(b->codes + i * size, vssi_vectors_row(&b->v, b->rows[i]), size);
    return VSS_OK;
}

/* The code of a row on the grid. */
static void encode_code(const ivf_build *b, uint32_t row, size_t list, float *carrier, uint8_t *code)
{
    const ivf_header *h = &b->header;
    size_t position;
    const ivf_index *from = vssi_ivf_source(b, row, &position);
    if (from == NULL) {
        vssi_carrier_row(&b->v, row, carrier);
        vssi_ivf_grid_code(h, b->low, carrier, code);
        return;
    }
    size_t at = position - from->lists[list];
    const uint8_t *panel = from->codes + (from->blocks[list] + at / VSSI_NEAREST_LANES) * from->code_size;
    vssi_panel_get(panel, at % VSSI_NEAREST_LANES, h->size, code);
}

static void encode_panels(ivf_build *b, const uint32_t *blocks, const void *state, uint8_t *scratch, size_t c)
{
    const size_t size = b->header.size, panel = vssi_panel_size(size), floats = (b->header.width + 15u) / 16u * 16u;
    uint8_t *codes = scratch + floats * sizeof(float), *out = b->codes + blocks[c] * panel;
    const uint8_t *rows[VSSI_NEAREST_LANES];
    (void)state;
    for (size_t at = b->lists[c], end = b->lists[c + 1]; at < end; at += VSSI_NEAREST_LANES, out += panel) {
        size_t n = vssi_min(VSSI_NEAREST_LANES, end - at);
        for (size_t i = 0; i < n; i++) {
            encode_code(b, b->rows[at + i], c, (float *)(void *)scratch, codes + i * size);
            rows[i] = codes + i * size;
        }
        vssi_panel_set(out, rows, n, size);
    }
}

static vss_status encode_codes(ivf_build *b, vss_error *err)
{
    const ivf_header *h = &b->header;
    size_t scratch = (h->width + 15u) / 16u * 16u * sizeof(float) + VSSI_NEAREST_LANES * (size_t)h->size;
    VSSI_TRY(vssi_alloc(b->in->heap, vssi_ivf_blocks(h, b->lists, NULL), vssi_panel_size(h->size), &b->codes, err));
    return vssi_ivf_encode_lists(b, scratch, encode_panels, NULL, err);
}

vss_status vssi_ivf_encode_centers(ivf_build *b, vss_error *err)
{
    const ivf_header *h = &b->header;
    size_t panels = (h->lists + VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES;
    const uint8_t *rows[VSSI_NEAREST_LANES];
    VSSI_TRY(vssi_alloc(b->in->heap, panels, vssi_panel_size(h->size), &b->panels, err));
    for (size_t p = 0; p < panels; p++) {
        size_t first = p * VSSI_NEAREST_LANES, n = vssi_min(VSSI_NEAREST_LANES, h->lists - first);
        for (size_t i = 0; i < n; i++)
            rows[i] = b->centers + (first + i) * h->size;
        vssi_panel_set(b->panels + p * vssi_panel_size(h->size), rows, n, h->size);
    }
    return VSS_OK;
}

vss_status vssi_ivf_encode_points(ivf_build *b, vss_error *err)
{
    const ivf_header *h = &b->header;
    size_t points;
    if (!vssi_mul(h->lists, h->width, &points))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(b->in->heap, points, sizeof *b->points, &b->points, err));
    for (size_t c = 0; c < h->lists; c++) {
        for (size_t i = 0; i < h->width; i++)
            b->points[c * h->width + i] = b->low[i] + h->step * b->centers[c * h->size + i];
    }
    return VSS_OK;
}

vss_status vssi_ivf_encode(ivf_build *b, vss_error *err)
{
    switch (b->header.kind) {
    case IVF_FLAT:
        return encode_vectors(b, err);
    case IVF_SQ8:
        return encode_codes(b, err);
    case IVF_PQ:
        return vssi_ivf_pq_encode(b, err);
    default:
        return encode_rabitq(b, err);
    }
}
