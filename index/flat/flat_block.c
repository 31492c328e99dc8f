/*
 * flat_block.c - up to 256 rows side by side against one query
 *
 * Scored in one stream where at least three quarters of them are allowed (those that aren't are left out afterwards),
 * else the allowed ones are gathered.
 */
#include "flat.h"

#include "../../lib/base/bitmap.h"

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
