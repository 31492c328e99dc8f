/*
 * flat.c - compare the query with every row, or with every allowed one
 *
 * Blocks of 256 rows (flat_block.c). Where fewer than a quarter of all rows are allowed, they are gathered by 256, each
 * row asked for at once; between a quarter and three quarters they are taken in order, as a batch of one query. Cost:
 * the bytes of the rows read once, at memory speed; of few rows theirs and the bitmap's. The call may end early when
 * its control says so: the caller looks at control->stop.
 */
#include "flat.h"

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../codec/prefix.h"

#define FLAT_FEW 4u /* one in: fewer rows that are allowed are gathered */

/* Score the next FLAT_BLOCK allowed rows from *at on, wherever they are. Returns how many there were. */
static size_t flat_gather(const vssi_vectors *v, const vssi_query *query, size_t *at, size_t end, vssi_topk *topk)
{
    float scores[FLAT_BLOCK];
    uint32_t rows[FLAT_BLOCK];
    size_t n = vssi_bitmap_rows(query->allow, *at, end, rows, FLAT_BLOCK, at);
    vssi_vectors_score_gather(v, &query->probe, rows, n, scores);
    vssi_topk_add(topk, scores, rows, n);
    return n;
}

vss_status vssi_flat_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                            vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    if (query->allow && query->n_allow == 0)
        return VSS_OK;
    size_t last = query->end != 0 ? query->end : vectors->rows, asked = FLAT_ASK, n;
    if (query->allow && query->n_allow >= vectors->rows / FLAT_FEW && query->n_allow < vectors->rows / 4 * 3)
        return vssi_flat_search_batch(index, vectors, query, 1, scratch, topk, err);
    bool few = query->allow && query->n_allow < vectors->rows / FLAT_FEW;
    for (size_t at = query->begin; at < last; asked += n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(query->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        if (few) {
            n = flat_gather(vectors, query, &at, last, topk);
        } else {
            size_t begin = at;
            at = vssi_min(begin + FLAT_BLOCK, last);
            n = vssi_flat_block(vectors, query, begin, at, topk);
        }
        scratch->distances += n;
    }
    return topk->status;
}

static const char *const flat_codes[] = {[FLAT_CODES_NONE] = "none", [FLAT_CODES_SQ8] = "sq8"};

static const vssi_param flat_params[FLAT_PARAMS] = {
    [FLAT_PARAM_CODES] = {.name = "codes", .max = FLAT_CODES_SQ8, .names = flat_codes,
                          .help = "sq8: a byte a component, compared first; the result is the same"},
    [FLAT_PARAM_PREFIX] = {.name = "prefix", .max = VSSI_PREFIX_MOST, .default_value = FLAT_PREFIX_AUTO,
                           .help = "with codes, bytes a row compared before them; 1: as many as pay, 0: none"},
};

const vssi_index_ops vssi_flat_ops = {
    .name = "flat",
    .format = 3,
    .exact = true,
    .params = flat_params,
    .n_params = FLAT_PARAMS,
    .build = vssi_flat_build,
    .estimate = vssi_flat_estimate,
    .open = vssi_flat_open,
    .search = vssi_flat_codes_search,
    .search_batch = vssi_flat_codes_batch,
    .validate = vssi_flat_validate,
    .free = vssi_flat_free,
};
