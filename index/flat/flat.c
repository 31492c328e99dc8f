/*
 * flat.c - compare the query with every row, or with every allowed one
 *
 * Blocks of 256 rows (flat_block.c). Where fewer than a quarter of all rows are allowed, they are gathered, each asked
 * for well ahead (flat_walk.c); between a quarter and three quarters they are taken in order, as a batch of one query.
 * Cost: the bytes of the rows read once, at memory speed; of few rows theirs and the bitmap's. The call may end early
 * when its control says so: the caller looks at control->stop.
 */
#include "flat_walk.h"

#include "../../lib/base/checked.h"
#include "../codec/prefix.h"

#define FLAT_FEW 4u        /* one in: fewer rows that are allowed are gathered */
#define FLAT_STEP 4u       /* rows that are scored between two times of asking for others */
#define FLAT_SHORTEST 512u /* bytes of rows that are asked for: of shorter ones the kernels' asking serves as well */

/* Score the walk's next block. Returns how many rows it had. */
static size_t flat_gather(flat_walk *walk, vssi_topk *topk)
{
    float scores[FLAT_BLOCK];
    const vssi_vectors *v = walk->v;
    size_t n = vssi_flat_walk_next(walk, FLAT_BLOCK);
    size_t step = walk->ahead > 0 ? FLAT_STEP : FLAT_BLOCK;
    for (size_t i = 0, end; i < n; i = end) {
        end = vssi_min(i + step, n);
        vssi_flat_walk_ask(walk, end);
        vssi_vectors_score_gather(v, &walk->query->probe, walk->ids + i, end - i, scores + i);
    }
    vssi_topk_add(topk, scores, walk->ids, n);
    return n;
}

static void flat_few(const vssi_vectors *v, const vssi_query *query, size_t end, vssi_scratch *scratch,
                     vssi_topk *topk)
{
    flat_walk walk;
    vssi_flat_walk_begin(&walk, v, query, query->begin, end, FLAT_SHORTEST);
    for (size_t asked = FLAT_ASK, n = 1; n > 0; asked += n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(query->control))
            return;
        asked = asked >= FLAT_ASK ? 0 : asked;
        n = flat_gather(&walk, topk);
        scratch->distances += n;
    }
}

static void flat_scan(const vssi_vectors *v, const vssi_query *query, size_t end, vssi_scratch *scratch,
                      vssi_topk *topk)
{
    for (size_t at = query->begin, next, asked = FLAT_ASK, n; at < end; at = next, asked += n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(query->control))
            return;
        asked = asked >= FLAT_ASK ? 0 : asked;
        next = vssi_min(at + FLAT_BLOCK, end);
        n = vssi_flat_block(v, query, at, next, topk);
        scratch->distances += n;
    }
}

vss_status vssi_flat_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                            vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    size_t end = query->end != 0 ? query->end : vectors->rows;
    if (query->allow && query->n_allow == 0)
        return VSS_OK;
    if (query->allow && query->n_allow < vectors->rows / FLAT_FEW)
        flat_few(vectors, query, end, scratch, topk);
    else if (query->allow && query->n_allow < vectors->rows / 4 * 3)
        return vssi_flat_search_batch(index, vectors, query, 1, scratch, topk, err);
    else
        flat_scan(vectors, query, end, scratch, topk);
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
