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
#define CODES_FEW 3u  /* one in: fewer rows that are allowed are gathered */

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

/* The codes' kernels give float32: their sums are compared with a cut that leaves room for its rounding. */
static float codes_limit(const flat_codes_query *q) { return (float)fmin(q->cut, 0x1p100); }

/* The rows [begin, end), at most FLAT_BLOCK, that are allowed and that the codes can't rule out. */
static void codes_block(const vssi_sq8 *sq8, const vssi_vectors *v, flat_codes_query *q, size_t begin, size_t end)
{
    float sums[FLAT_BLOCK], limit = codes_limit(q);
    uint32_t rows[FLAT_BLOCK];
    size_t size = sq8->model.size, kept = 0;
    const uint64_t *allow = q->query->allow;
    sq8->score_rows(q->code.code, sq8->codes + begin * size, size, end - begin, sums);
    for (size_t i = 0; i < end - begin; i++) {
        rows[kept] = (uint32_t)(begin + i);
        kept += (sums[i] <= limit) & (!allow || vssi_bitmap_get(allow, begin + i));
    }
    (void)vssi_flat_codes_offer(sq8, v, q, rows, kept);
}

/* Those of the n allowed rows given that the codes can't rule out. */
static void codes_gather(const vssi_sq8 *sq8, const vssi_vectors *v, flat_codes_query *q, const uint32_t *allowed,
                         size_t n)
{
    float sums[FLAT_BLOCK], limit = codes_limit(q);
    uint32_t rows[FLAT_BLOCK];
    size_t kept = 0;
    sq8->score_gather(q->code.code, sq8->codes, sq8->model.size, allowed, n, sums);
    for (size_t i = 0; i < n; i++) {
        rows[kept] = allowed[i];
        kept += sums[i] <= limit;
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
    bool few = queries->allow && queries->n_allow < vectors->rows / CODES_FEW;
    for (size_t at = queries->begin, count; at < end; asked += count * n) {
        size_t begin = at;
        if (asked >= FLAT_ASK && vssi_control_stopped(queries->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        at = vssi_min(begin + FLAT_BLOCK, end);
        count = few ? vssi_bitmap_rows(queries->allow, begin, end, rows, FLAT_BLOCK, &at) : at - begin;
        for (size_t q = 0; q < n && few && count > 0; q++)
            codes_gather(sq8, vectors, &of[q], rows, count);
        for (size_t q = 0; q < n && !few; q++)
            codes_block(sq8, vectors, &of[q], begin, at);
        scratch->distances += count * n;
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
