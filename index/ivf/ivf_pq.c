/*
 * ivf_pq.c - lists of product codes (codec/pq.h)
 *
 * Codes of 4 bits lie in the blocks of simd/scan4.h with a float32 a row, codes of 8 bits row by row. Residuals are not
 * rotated: runs of neighbouring components often belong together.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "ivf.h"

vss_status vssi_ivf_pq_subs(uint64_t m, uint32_t width, uint32_t bits, uint32_t *subs, vss_error *err)
{
    uint32_t run = bits == 4 ? 2 : 4; /* components a code */
    if (m > width)
        return vssi_fail(err, VSS_ERR_INVALID, "ivf_pq: m=%llu, but there are %u components", (unsigned long long)m,
                         width);
    *subs = m > 0 ? (uint32_t)m : (width + run - 1) / run;
    return VSS_OK;
}

static vssi_pq pq_of(const ivf_build *b)
{
    return (vssi_pq){.width = b->header.width, .subs = b->header.subs, .bits = b->header.bits, .words = b->words};
}

/* A row's codes and what is added to its sums, to its place in the list. */
static void pq_put(ivf_build *b, const uint32_t *blocks, size_t list, size_t at, const uint8_t *codes, float add)
{
    const ivf_header *h = &b->header;
    if (h->bits == 8) {
        uint8_t *row = b->codes + at * ivf_bytes_size(h);
        memcpy(row, &add, sizeof add);
        memcpy(row + sizeof add, codes, h->subs);
        return;
    }
    size_t slot = at - b->lists[list], subs = ivf_block_subs(h);
    uint8_t *block = b->codes + (blocks[list] + slot / VSSI_SCAN4_ROWS) * ivf_block_size(h);
    vssi_scan4_set(block, subs, slot % VSSI_SCAN4_ROWS, codes);
    ((float *)(void *)(block + 16 * subs))[slot % VSSI_SCAN4_ROWS] = add;
}

static void pq_list(ivf_build *b, const uint32_t *blocks, const void *state, uint8_t *scratch, size_t list)
{
    const ivf_header *h = &b->header;
    const vssi_pq *pq = state;
    const float *point = b->points + list * h->width, *mean = b->low + h->width;
    float *r = (float *)(void *)scratch, *p = r + h->width;
    uint8_t *codes = (uint8_t *)(p + h->width);
    size_t end = b->lists[list + 1], rows = end - b->lists[list];
    memset(codes, 0, ivf_bytes_size(h));
    for (size_t at = b->lists[list]; at < end; at++) {
        double add = 0;
        vssi_carrier_row(b->v, b->rows[at], r);
        for (size_t i = 0; i < h->width; i++)
            r[i] -= point[i];
        vssi_pq_encode(pq, r, codes, p);
        for (size_t i = 0; i < h->width; i++)
            add += vssi_pq_add((double)r[i], (double)p[i], (double)(point[i] - mean[i]));
        pq_put(b, blocks, list, at, codes, (float)add);
    }
    if (h->bits == 4 && rows % VSSI_SCAN4_ROWS != 0) {
        uint8_t *block = b->codes + (blocks[list] + rows / VSSI_SCAN4_ROWS) * ivf_block_size(h);
        vssi_ivf_encode_pad((float *)(void *)(block + 16 * ivf_block_subs(h)), rows % VSSI_SCAN4_ROWS);
    }
}

vss_status vssi_ivf_pq_encode(ivf_build *b, vss_error *err)
{
    const ivf_header *h = &b->header;
    vssi_heap *heap = b->in->heap;
    size_t numbers;
    if (!vssi_mul(h->width, (size_t)1 << h->bits, &numbers))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(heap, numbers, sizeof *b->words, &b->words, err));
    const vssi_pq pq = pq_of(b);
    const vssi_pq_job job = {.heap = heap, .executor = b->in->executor, .threads = b->in->threads,
                             .control = b->in->control, .codes = b->grid, .centers = b->centers, .where = b->where,
                             .rows = h->rows, .size = h->size, .step = h->step};
    VSSI_TRY(vssi_pq_train(&job, &pq, b->words, err));
    if (h->bits == 8)
        VSSI_TRY(vssi_alloc_zero(heap, h->rows, ivf_bytes_size(h), &b->codes, err));
    else
        VSSI_TRY(vssi_alloc_zero(heap, vssi_ivf_blocks(h, b->lists, NULL), ivf_block_size(h), &b->codes, err));
    return vssi_ivf_encode_lists(b, 2 * sizeof(float) * h->width + ivf_bytes_size(h), pq_list, &pq, err);
}

vssi_scan4_query vssi_ivf_pq_prepare(const ivf_index *index, const float *query, uint8_t *tables)
{
    const ivf_header *h = &index->header;
    size_t places = ivf_block_subs(h), bytes = h->bits == 4 ? 16 * places : 0;
    float *table = (float *)(void *)(tables + bytes);
    vssi_pq_scale scale = {0, 0};
    vssi_pq_table(&index->pq, query, table);
    if (h->bits == 4)
        scale = vssi_pq_bytes(table, h->subs, places, tables);
    return (vssi_scan4_query){tables, places, scale.step, scale.bias};
}

void vssi_ivf_pq_scan(const ivf_index *index, const uint8_t *tables, size_t position, size_t n, float base,
                      float *values)
{
    vssi_pq_scan8((const float *)(const void *)tables, index->header.subs, index->codes + position * index->code_size,
                  index->code_size, n, base, values);
}
