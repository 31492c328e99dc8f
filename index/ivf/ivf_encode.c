/*
 * ivf_encode.c - what each type keeps of the rows of its lists
 *
 * A list is a unit of work. ivf_rabitq rotates every residual, O(n log n), and tries a few steps for its bits. Codes
 * that a source has are copied.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../codec/rotate.h"
#include "ivf.h"

/* A row's code into its place of a block and of the other bits. */
static void encode_put(const ivf_header *h, const uint8_t *codes, const vssi_rabitq_row *factors, uint8_t *block,
                       size_t slot, uint8_t *more, uint8_t *nibbles)
{
    const unsigned bits = h->bits;
    size_t n = ivf_turned_width(h), subs = ivf_block_subs(h);
    for (size_t j = 0; j < subs; j++) {
        nibbles[j] = 0;
        for (size_t i = 0; i < 4; i++)
            nibbles[j] |= (uint8_t)((codes[4 * j + i] >> (bits - 1) & 1) << i);
    }
    vssi_scan4_set(block, subs, slot, nibbles);
    float *add = (float *)(void *)(block + 16 * subs);
    add[slot] = factors->add;
    add[VSSI_SCAN4_ROWS + slot] = factors->mul;
    if (bits == 1)
        return;
    size_t planes = vssi_planes_size(n, bits - 1);
    vssi_planes_set(more, n, bits - 1, codes);
    memcpy(more + planes, &factors->more_add, sizeof(float));
    memcpy(more + planes + sizeof(float), &factors->more_mul, sizeof(float));
}

/* What a thread needs for a row of ivf_rabitq. */
typedef struct encode_row {
    const float *signs, *point;
    float *r, *center;        /* [turned width] */
    uint8_t *codes, *nibbles; /* the same; a quarter of it */
} encode_row;

static void encode_sign(const ivf_build *b, const encode_row *e, uint32_t row, uint8_t *block, size_t slot,
                        uint8_t *more)
{
    const ivf_header *h = &b->header;
    const size_t n = ivf_turned_width(h);
    vssi_rabitq_row factors;
    memset(e->r, 0, n * sizeof *e->r);
    vssi_carrier_row(&b->v, row, e->r);
    for (size_t i = 0; i < h->width; i++)
        e->r[i] -= e->point[i];
    vssi_rotate(e->signs, n, e->r);
    vssi_rabitq_encode(e->r, e->center, n, h->bits, e->codes, &factors);
    encode_put(h, e->codes, &factors, block, slot, more, e->nibbles);
}

static void encode_signs(ivf_build *b, const uint32_t *blocks, const void *state, uint8_t *scratch, size_t c)
{
    const ivf_header *h = &b->header;
    const float *point = b->points + c * h->width, *mean = b->low + h->width;
    size_t n = ivf_turned_width(h), begin = b->lists[c], end = b->lists[c + 1], more = ivf_more_size(h);
    encode_row e = {.signs = state, .point = point, .r = (float *)(void *)scratch};
    e.center = e.r + n;
    e.codes = (uint8_t *)(e.center + n);
    e.nibbles = e.codes + n;
    memset(e.center, 0, n * sizeof *e.center);
    for (size_t i = 0; i < h->width; i++)
        e.center[i] = point[i] - mean[i];
    vssi_rotate(e.signs, n, e.center);
    for (size_t at = begin; at < end; at++) {
        size_t slot = (at - begin) % VSSI_SCAN4_ROWS, position;
        uint8_t *block = b->codes + (blocks[c] + (at - begin) / VSSI_SCAN4_ROWS) * ivf_block_size(h);
        const ivf_index *from = vssi_ivf_source(b, b->rows[at], &position);
        if (from == NULL) {
            encode_sign(b, &e, b->rows[at], block, slot, b->more + at * more);
            continue;
        }
        vssi_ivf_source_copy(from, position, c, block, slot, e.nibbles);
        if (more > 0)
            memcpy(b->more + at * more, from->more + position * more, more);
    }
    if (end > begin && (end - begin) % VSSI_SCAN4_ROWS != 0) {
        uint8_t *last = b->codes + (blocks[c] + (end - begin) / VSSI_SCAN4_ROWS) * ivf_block_size(h);
        vssi_ivf_encode_pad((float *)(void *)(last + 4 * n), (end - begin) % VSSI_SCAN4_ROWS);
    }
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
    vss_status status = vssi_ivf_encode_lists(b, n * (2 * sizeof(float) + 2), encode_signs, signs, err);
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
