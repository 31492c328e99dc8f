/*
 * flat_codes_keep.c - the rows that codes can't rule out, on their way to the vectors
 *
 * They wait until there are some to fetch together; outliers, which the bounds leave out, are never kept. What is
 * scored lets the cut fall.
 */
#include <math.h>

#include "flat_codes.h"

#define CODES_TOGETHER 16u /* vectors that are scored together */

bool vssi_flat_codes_cut(const flat_index *index, flat_codes_query *q, float threshold)
{
    double reach = vssi_sq8_reach(&index->sq8, &q->code, threshold);
    if (!(reach < q->reach))
        return false;
    q->reach = reach;
    q->cut = vssi_sq8_steps(&index->sq8, &q->code, reach);
    return true;
}

bool vssi_flat_codes_outliers(const flat_index *index, size_t begin, size_t end)
{
    size_t low = 0, high = index->n_outliers;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->outliers[middle] < begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low < index->n_outliers && index->outliers[low] < end;
}

bool vssi_flat_codes_offer(const flat_index *index, const vssi_vectors *v, flat_codes_query *q, const uint32_t *rows,
                           size_t n)
{
    float scores[FLAT_BLOCK];
    if (n == 0)
        return false;
    vssi_vectors_score_gather(v, &q->query->probe, rows, n, scores);
    vssi_topk_add(q->topk, scores, rows, n);
    vssi_topk_tighten(q->topk);
    return vssi_flat_codes_cut(index, q, q->topk->threshold);
}

bool vssi_flat_codes_flush(const flat_index *index, const vssi_vectors *v, flat_codes_query *q)
{
    bool fallen = vssi_flat_codes_offer(index, v, q, q->near, q->n_near);
    q->n_near = 0;
    return fallen;
}

bool vssi_flat_codes_keep(const flat_index *index, const vssi_vectors *v, flat_codes_query *q, const uint32_t *rows,
                          size_t n)
{
    bool fallen = false;
    for (size_t i = 0; i < n; i++) {
        if (vssi_flat_codes_outliers(index, rows[i], (size_t)rows[i] + 1))
            continue;
        q->near[q->n_near++] = rows[i];
        if (q->n_near == FLAT_NEAR) {
            fallen |= vssi_flat_codes_offer(index, v, q, q->near, q->n_near);
            q->n_near = 0;
        }
    }
    return q->n_near >= CODES_TOGETHER ? vssi_flat_codes_flush(index, v, q) || fallen : fallen;
}

bool vssi_flat_codes_bound(const flat_index *index, flat_codes_query *q, double nearest)
{
    return vssi_flat_codes_cut(index, q, vssi_topk_bound(q->topk, vssi_sq8_score(&index->sq8, &q->code, nearest)));
}

float vssi_flat_codes_limit(const flat_codes_query *q) { return (float)fmin(q->cut, 0x1p100); }

bool vssi_flat_codes_narrow(const flat_index *index, const vssi_vectors *v, flat_codes_query *q, const uint32_t *rows,
                            size_t n)
{
    float sums[FLAT_FIRST], limit = vssi_flat_codes_limit(q);
    uint32_t kept[FLAT_FIRST];
    size_t n_kept = 0;
    index->sq8.score_gather(q->code.code, index->sq8.codes, index->sq8.model.size, rows, n, sums);
    for (size_t i = 0; i < n; i++) {
        kept[n_kept] = rows[i];
        n_kept += sums[i] <= limit;
    }
    return vssi_flat_codes_keep(index, v, q, kept, n_kept);
}
