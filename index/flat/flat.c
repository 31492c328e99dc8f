/*
 * flat.c - compare the query with every row, or with every allowed one
 *
 * Blocks of 256 rows: scored in one stream where at least three quarters of them are allowed (those that aren't
 * are left out afterwards), else the allowed ones are gathered. Cost: the bytes of the rows read once, at memory
 * speed. The call may end early when its control says so: the caller looks at control->stop.
 */
#include "flat.h"

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"

size_t vssi_flat_block(const vssi_vectors *v, const vssi_query *query, size_t begin, size_t end, vssi_topk *topk)
{
    float scores[FLAT_BLOCK];
    size_t n = end - begin;
    if (!query->allow) {
        vssi_vectors_score_rows(v, &query->probe, begin, n, scores);
        vssi_topk_add_rows(topk, scores, begin, n);
        return n;
    }
    uint32_t rows[FLAT_BLOCK];
    size_t next, allowed = vssi_bitmap_rows(query->allow, begin, end, rows, FLAT_BLOCK, &next);
    if (allowed == 0)
        return 0;
    if (allowed < n - n / 4) {
        vssi_vectors_score_gather(v, &query->probe, rows, allowed, scores);
    } else {
        vssi_vectors_score_rows(v, &query->probe, begin, n, scores);
        for (size_t i = 0; i < allowed; i++)
            scores[i] = scores[rows[i] - begin];
    }
    vssi_topk_add(topk, scores, rows, allowed);
    return allowed < n - n / 4 ? allowed : n;
}

vss_status vssi_flat_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                            vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    (void)index;
    (void)err;
    if (query->allow && query->n_allow == 0)
        return VSS_OK;
    size_t first = query->begin, last = query->end != 0 ? query->end : vectors->rows;
    for (size_t begin = first; begin < last; begin += FLAT_BLOCK) {
        if ((begin - first) % FLAT_ASK == 0 && vssi_control_stopped(query->control))
            return VSS_OK;
        scratch->distances += vssi_flat_block(vectors, query, begin, vssi_min(begin + FLAT_BLOCK, last), topk);
    }
    return topk->status;
}

const vssi_index_ops vssi_flat_ops = {
    .name = "flat",
    .format = 1,
    .exact = true,
    .search = vssi_flat_search,
    .search_batch = vssi_flat_search_batch,
};
