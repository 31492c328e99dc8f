/*
 * flat_codes_search.c - exact searches that read a byte a component of most rows
 *
 * Codes are scanned by blocks of rows; the rows whose codes can't rule them out are scored by the vectors' own kernels,
 * as a scan would. Cost: the codes read once, a quarter of float32, and the rows scored: some multiple of k.
 */
#include <math.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/tile.h"
#include "flat_codes.h"

#define CODES_TILE 4u /* queries from which packing pays */

static void codes_cut(const vssi_sq8 *sq8, flat_codes_query *q)
{
    q->cut = vssi_sq8_cut(sq8, &q->code, q->topk->threshold);
}

bool vssi_flat_codes_offer(const vssi_sq8 *sq8, const vssi_vectors *v, flat_codes_query *q, const uint32_t *rows,
                           size_t n)
{
    float scores[FLAT_BLOCK], before = q->topk->threshold;
    if (n == 0)
        return false;
    vssi_vectors_score_gather(v, &q->query->probe, rows, n, scores);
    vssi_topk_add(q->topk, scores, rows, n);
    if (!(q->topk->threshold < before))
        return false;
    codes_cut(sq8, q);
    return true;
}

/* The rows of a block of at most FLAT_BLOCK that the codes can't rule out: [begin, end), or of those the n allowed. */
static void codes_rows(const vssi_sq8 *sq8, const vssi_vectors *v, flat_codes_query *q, size_t begin, size_t end,
                       const uint32_t *allowed, size_t n)
{
    float sums[FLAT_BLOCK];
    uint32_t rows[FLAT_BLOCK];
    size_t size = sq8->model.size, kept = 0;
    const float cut = (float)fmin(q->cut, 0x1p100);
    bool all = allowed == NULL;
    if (all)
        sq8->score_rows(q->code.code, sq8->codes + begin * size, size, end - begin, sums);
    else
        sq8->score_gather(q->code.code, sq8->codes, size, allowed, n, sums);
    for (size_t i = 0, count = all ? end - begin : n; i < count; i++) {
        rows[kept] = all ? (uint32_t)(begin + i) : allowed[i];
        kept += sums[i] <= cut;
    }
    (void)vssi_flat_codes_offer(sq8, v, q, rows, kept);
}

/* Code the queries, in scratch memory. */
static vss_status codes_prepare(const vssi_sq8 *sq8, const vssi_query *queries, size_t n, vssi_topk *topks,
                                vssi_scratch *scratch, flat_codes_query **out, vss_error *err)
{
    size_t size = (size_t)vssi_round_up(sq8->model.size, 64), head = (size_t)vssi_round_up(n * sizeof **out, 64);
    size_t room = (size_t)vssi_round_up(sq8->model.width * sizeof(double), 64);
    uint8_t *memory;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, head + room + n * size, 1, &memory, err));
    *out = (flat_codes_query *)(void *)memory;
    for (size_t q = 0; q < n; q++) {
        flat_codes_query *one = &(*out)[q];
        *one = (flat_codes_query){.query = &queries[q], .topk = &topks[q]};
        one->code.code = memory + head + room + q * size;
        vssi_sq8_prepare(sq8, &queries[q].probe, (double *)(void *)(memory + head), &one->code);
        codes_cut(sq8, one);
    }
    return VSS_OK;
}

vss_status vssi_flat_codes_batch(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                 vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    const vssi_sq8 *sq8 = &((const flat_index *)index)->sq8;
    size_t end = queries->end != 0 ? queries->end : vectors->rows, asked = FLAT_ASK;
    flat_codes_query *of;
    uint32_t rows[FLAT_BLOCK];
    VSSI_TRY(codes_prepare(sq8, queries, n, topks, scratch, &of, err));
    if (n >= CODES_TILE && vssi_tile_codes_best() != NULL)
        return vssi_flat_codes_tile(sq8, vectors, of, n, scratch, err);
    for (size_t at = queries->begin; at < end;) {
        size_t begin = at, stop = vssi_min(at + FLAT_BLOCK, end), count = stop - at;
        if (asked >= FLAT_ASK && vssi_control_stopped(queries->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        at = stop;
        if (queries->allow)
            count = vssi_bitmap_rows(queries->allow, begin, end, rows, FLAT_BLOCK, &at);
        for (size_t q = 0; q < n && count > 0; q++)
            codes_rows(sq8, vectors, &of[q], begin, stop, queries->allow ? rows : NULL, count);
        scratch->distances += count * n;
        asked += count * n;
    }
    for (size_t q = 0; q < n; q++)
        VSSI_TRY(topks[q].status);
    return VSS_OK;
}

vss_status vssi_flat_codes_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                                  vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    return vssi_flat_codes_batch(index, vectors, query, 1, scratch, topk, err);
}
