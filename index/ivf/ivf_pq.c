/*
 * ivf_pq.c - lists of product codes (codec/pq.h)
 *
 * Codes of 4 bits lie in the blocks of simd/scan4.h with a float32 a row, codes of 8 bits row by row. Residuals are not
 * rotated: runs of neighbouring components often belong together.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../quant/kmeans.h"
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

/* What is added to the sums of a row. */
static float pq_add(const ivf_coder *coder, const float *residual, const uint8_t *codes, const float *center, float *p)
{
    double sum = 0;
    vssi_pq_decode(&coder->pq, codes, p);
    for (size_t i = 0; i < coder->width; i++)
        sum += vssi_pq_add((double)residual[i], (double)p[i], (double)center[i]);
    return (float)sum;
}

static void pq_code(const ivf_build *b, const ivf_coder *coder, const ivf_residuals *r, size_t i)
{
    (void)b;
    vssi_pq_encode(&coder->pq, r->residuals + i * coder->width, r->codes + i * coder->code_size);
}

/* A row's codes and what is added to its sums, to its slot, or its own bytes. */
static void pq_put(const ivf_build *b, const ivf_coder *coder, const ivf_residuals *r, size_t i, uint8_t *place,
                   size_t slot)
{
    const size_t subs = ivf_block_subs(&b->header);
    const uint8_t *codes = r->codes + i * coder->code_size;
    const float add = pq_add(coder, r->residuals + i * coder->width, codes, r->centers + r->where[i] * coder->width,
                             r->spare);
    if (b->header.bits == 8) {
        memcpy(place, &add, sizeof add);
        memcpy(place + sizeof add, codes, coder->code_size);
        return;
    }
    uint8_t *nibbles = (uint8_t *)r->spare;
    memset(nibbles + coder->code_size, 0, subs - coder->code_size);
    memcpy(nibbles, codes, coder->code_size);
    vssi_scan4_set(place, subs, slot, nibbles);
    memcpy(place + 16 * subs + slot * sizeof add, &add, sizeof add);
}

static void pq_copy(const ivf_build *b, const ivf_index *from, size_t position, size_t list, size_t at, uint8_t *place,
                    size_t slot, uint8_t *codes)
{
    (void)at;
    if (b->header.bits == 8)
        memcpy(place, from->codes + position * from->code_size, from->code_size);
    else
        vssi_ivf_source_copy(from, position, list, place, slot, codes);
}

vss_status vssi_ivf_pq_train(ivf_build *b, vss_error *err)
{
    const ivf_header *h = &b->header;
    vssi_heap *heap = b->in->heap;
    const size_t n = vssi_min(h->rows, vssi_pq_sample(h->bits));
    size_t numbers;
    uint8_t *codes;
    uint32_t *where = NULL;
    if (!vssi_mul(h->width, (size_t)1 << h->bits, &numbers))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(heap, numbers, sizeof *b->words, &b->words, err));
    VSSI_TRY(vssi_alloc(heap, n, h->size, &codes, err));
    const vssi_kmeans nearest = {.heap = heap, .executor = b->in->executor, .threads = b->in->threads,
                                 .control = b->in->control, .codes = codes, .rows = n, .size = h->size,
                                 .clusters = h->lists, .device = b->in->device};
    const vssi_pq pq = pq_of(b);
    vss_status status = vssi_alloc(heap, n, sizeof *where, &where, err);
    if (status == VSS_OK)
        status = vssi_ivf_grid_rows(b, NULL, n, codes, err);
    if (status == VSS_OK)
        status = vssi_kmeans_assign(&nearest, b->centers, where, NULL, err);
    const vssi_pq_job job = {.heap = heap, .executor = b->in->executor, .threads = b->in->threads,
                             .control = b->in->control, .codes = codes, .centers = b->centers, .where = where,
                             .rows = n, .size = h->size, .step = h->step, .device = b->in->device};
    if (status == VSS_OK)
        status = vssi_pq_train(&job, &pq, b->words, err);
    vssi_free(heap, codes);
    vssi_free(heap, where);
    return status;
}

vss_status vssi_ivf_pq_encode(ivf_build *b, vss_error *err)
{
    const ivf_header *h = &b->header;
    vssi_heap *heap = b->in->heap;
    if (h->bits == 8)
        VSSI_TRY(vssi_alloc_zero(heap, h->rows, ivf_bytes_size(h), &b->codes, err));
    else
        VSSI_TRY(vssi_alloc_zero(heap, vssi_ivf_blocks(h, b->lists, NULL), ivf_block_size(h), &b->codes, err));
    void *place = NULL;
    const ivf_coder coder = {.width = h->width, .code_size = h->subs, .pq = pq_of(b), .place = &place, .code = pq_code,
                             .put = pq_put, .copy = pq_copy, .ask = vssi_ivf_ask_words(b)};
    vss_status status = vssi_ivf_encode_parts(b, &coder, err);
    vssi_ivf_forget_words(b, place);
    return status;
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
