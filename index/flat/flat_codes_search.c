/*
 * flat_codes_search.c - exact searches that read a byte a component of most rows, or fewer
 *
 * Three stages, each of which passes on what it can't rule out: the prefix in panels (where there is one), codes, and
 * the vectors' own kernels, as a scan would use them. Rows wait at each stage until there are some to fetch together.
 * Outliers, which the bounds leave out, are scored first. Without a prefix a single query streams the codes, several
 * multiply them in panels. Of few rows that are allowed the codes are gathered at once.
 *
 * Cost: the prefix, or the codes, read once, some hundredth of the codes after a prefix, and a multiple of k vectors.
 */
#include <math.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/dense.h"
#include "../../simd/tile.h"
#include "flat_codes.h"

#define CODES_TILE 4u    /* queries from which packing pays */
#define CODES_DENSE 8u   /* queries from which all codes against all queries may pay */
#define CODES_DENSE_SURE 16u    /* and from which they do, where a matrix unit does it */
#define CODES_TRIAL 32u         /* one in: the rows by which that is seen */
#define CODES_TRIAL_LEAST 1024u
#define CODES_RATE_DENSE 600.0  /* products a nanosecond of a matrix unit, lists included */
#define CODES_RATE_PREFIX 370.0
#define CODES_RATE_LEFT 30.0    /* and where a row's code is alone */
#define CODES_LEFT 10.0         /* nanoseconds of such a row beside its products */
#define CODES_FETCH 0.1         /* nanoseconds a byte from memory */
#define CODES_MARGIN 1.1        /* by which all codes must be better */
#define CODES_LATER 0.4         /* what all rows leave over, of what the first ones do, whose thresholds are high */
#define CODES_FEW 3u     /* one in: fewer rows that are allowed are gathered */
#define CODES_LINE 256u  /* bytes that a gathered row costs beyond its own */

void vssi_flat_codes_end(const flat_index *index, const vssi_vectors *v, flat_codes_query *q)
{
    (void)vssi_flat_codes_narrow(index, v, q, q->first, q->n_first);
    (void)vssi_flat_codes_flush(index, v, q);
    q->n_first = 0;
}

/* The rows [begin, end), at most FLAT_BLOCK, that are allowed and that the codes can't rule out. */
static void codes_block(const flat_index *index, const vssi_vectors *v, flat_codes_query *q, size_t begin, size_t end)
{
    float sums[FLAT_BLOCK], limit = vssi_flat_codes_limit(q);
    uint32_t rows[FLAT_BLOCK];
    size_t size = index->sq8.model.size, kept = 0;
    const uint64_t *allow = q->query->allow;
    index->sq8.score_rows(q->code.code, index->sq8.codes + begin * size, size, end - begin, sums);
    for (size_t i = 0; i < end - begin; i++) {
        rows[kept] = (uint32_t)(begin + i);
        kept += (sums[i] <= limit) & (!allow || vssi_bitmap_get(allow, begin + i));
    }
    (void)vssi_flat_codes_keep(index, v, q, rows, kept);
}

/* Offer the outliers in [begin, end) that are allowed. */
static void codes_outliers(const flat_index *index, const vssi_vectors *v, flat_codes_query *q, size_t begin,
                           size_t end)
{
    uint32_t rows[FLAT_BLOCK];
    size_t n = 0;
    const uint64_t *allow = q->query->allow;
    for (size_t i = 0; i < index->n_outliers; i++) {
        uint32_t row = index->outliers[i];
        rows[n] = row;
        n += row >= begin && row < end && (!allow || vssi_bitmap_get(allow, row));
        if (n == FLAT_BLOCK || i + 1 == index->n_outliers) {
            (void)vssi_flat_codes_offer(index, v, q, rows, n);
            n = 0;
        }
    }
}

/* Code n queries, whose carriers are at hand, for the prefix. points: room for [n][dims + 2] numbers. */
static void codes_turn(const vssi_prefix *prefix, flat_codes_query *of, size_t n, double *carriers, double *points)
{
    const vssi_prefix_model *m = &prefix->model;
    double *lengths = points + n * (m->dims + 1);
    vssi_prefix_points(m->width, m->dims, prefix->turn, carriers, n, points, lengths);
    for (size_t q = 0; q < n; q++)
        vssi_prefix_prepare(prefix, points + q * (m->dims + 1), lengths[q], &of[q].start);
}

/* Code the queries, in scratch memory, for the prefix too or not. */
static vss_status codes_prepare(const flat_index *index, const vssi_query *queries, size_t n, bool prefix,
                                vssi_topk *topks, vssi_scratch *scratch, flat_codes_query **out, vss_error *err)
{
    const vssi_sq8 *sq8 = &index->sq8;
    size_t head = (size_t)vssi_round_up(n * sizeof **out, 64);
    size_t carrier = sq8->model.width, point = index->prefix.model.dims + 1;
    size_t room = (size_t)vssi_round_up(VSSI_PREFIX_TOGETHER * (carrier + point + 1) * sizeof(double), 64);
    size_t size = (size_t)vssi_round_up(sq8->model.size, 64) + VSSI_PREFIX_MOST;
    uint8_t *memory;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, head + room + n * size, 1, &memory, err));
    *out = (flat_codes_query *)(void *)memory;
    double *carriers = (double *)(void *)(memory + head), *points = carriers + VSSI_PREFIX_TOGETHER * carrier;
    for (size_t q = 0; q < n; q++) {
        flat_codes_query *one = &(*out)[q];
        one->query = &queries[q];
        one->topk = &topks[q];
        one->n_first = one->n_near = 0;
        one->start.code = memory + head + room + q * size;
        one->code.code = one->start.code + VSSI_PREFIX_MOST;
        vssi_sq8_prepare(sq8, &queries[q].probe, carriers + q % VSSI_PREFIX_TOGETHER * carrier, &one->code);
        if (prefix && (q % VSSI_PREFIX_TOGETHER == VSSI_PREFIX_TOGETHER - 1 || q == n - 1))
            codes_turn(&index->prefix, *out + q / VSSI_PREFIX_TOGETHER * VSSI_PREFIX_TOGETHER,
                       q % VSSI_PREFIX_TOGETHER + 1, carriers, points);
        one->reach = one->cut = INFINITY;
        (void)vssi_flat_codes_cut(index, one, topks[q].threshold);
    }
    return VSS_OK;
}

/* Query after query over blocks of codes, or, of few that are allowed, over the codes of those. */
static void codes_scan(const flat_index *index, const vssi_vectors *v, flat_codes_query *of, size_t n, bool few,
                       size_t end, vssi_scratch *scratch)
{
    const vssi_query *query = of->query;
    size_t asked = FLAT_ASK;
    uint32_t rows[FLAT_BLOCK];
    for (size_t at = query->begin, count; at < end; asked += count * n) {
        size_t begin = at;
        if (asked >= FLAT_ASK && vssi_control_stopped(query->control))
            return;
        asked = asked >= FLAT_ASK ? 0 : asked;
        at = vssi_min(begin + FLAT_BLOCK, end);
        count = few ? vssi_bitmap_rows(query->allow, begin, end, rows, FLAT_BLOCK, &at) : at - begin;
        for (size_t q = 0; q < n && few; q++)
            (void)vssi_flat_codes_narrow(index, v, &of[q], rows, count);
        for (size_t q = 0; q < n && !few; q++)
            codes_block(index, v, &of[q], begin, at);
        scratch->distances += count * n;
    }
}

/* Does reading the whole prefix cost less than the codes of the rows that are allowed. */
static bool codes_prefixed(const flat_index *index, const vssi_query *query, size_t rows, size_t n)
{
    size_t code = index->sq8.model.size + (n < CODES_TILE ? CODES_LINE : 0);
    return index->prefix.panels != NULL &&
           (!query->allow || query->n_allow * (uint64_t)code >= rows * (uint64_t)index->prefix.model.size);
}

/* Does comparing all codes cost less than the prefix, which leaves over that share of the allowed rows. Nanoseconds a
 * row and query on the machine of docs/performance.md; what counts is their proportion. A code that is left over comes
 * from memory unless another query of the batch has brought it. */
static bool codes_all_pays(const flat_index *index, const vssi_query *query, size_t n, double share)
{
    double rate = vssi_dense_best() != NULL ? CODES_RATE_DENSE : vssi_tile_codes_best()->rate;
    double code = index->sq8.model.size, rows = (double)index->sq8.model.rows, fetch = code * CODES_FETCH;
    double allowed = query->allow ? (double)query->n_allow / rows : 1;
    double left = CODES_LEFT + code / CODES_RATE_LEFT + fetch * fmin(1, 1 / (share * (double)n));
    double prefix = index->prefix.model.size / (CODES_RATE_PREFIX * allowed) + share * left;
    return rate > 0 && CODES_MARGIN * code * (CODES_FETCH / (double)n + 1 / rate) < prefix;
}

/* Every allowed row of the range, which some of them show to be better compared by all codes or by the prefix. */
static vss_status codes_try(const flat_index *index, const vssi_vectors *v, flat_codes_query *of, size_t n,
                            flat_codes_range *range, vssi_scratch *scratch, vss_error *err)
{
    uint64_t left;
    const vssi_query *query = of->query;
    size_t rows = range->end - range->begin, some = vssi_max(rows / CODES_TRIAL, CODES_TRIAL_LEAST);
    flat_codes_range first = {range->begin, vssi_min(range->begin / 32 * 32 + some / 32 * 32, range->end), true};
    VSSI_TRY(vssi_flat_codes_tile(index, v, of, n, &first, scratch, &left, err));
    double seen = (double)(first.end - first.begin) * (double)n;
    if (query->allow)
        seen *= (double)query->n_allow / (double)v->rows;
    range->begin = first.end;
    range->prefix = !codes_all_pays(index, query, n, CODES_LATER * (double)left / seen);
    return VSS_OK;
}

static vss_status codes_batch(const flat_index *index, const vssi_vectors *v, flat_codes_query *of, size_t n,
                              flat_codes_range *range, vssi_scratch *scratch, vss_error *err)
{
    bool dense = vssi_dense_best() != NULL && n >= CODES_DENSE;
    uint64_t left;
    if (range->prefix && n >= CODES_DENSE)
        VSSI_TRY(codes_try(index, v, of, n, range, scratch, err));
    if (dense && !range->prefix)
        return vssi_flat_codes_dense(index, v, of, n, range, scratch, err);
    return vssi_flat_codes_tile(index, v, of, n, range, scratch, &left, err);
}

vss_status vssi_flat_codes_batch(const void *opened, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                 vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    const flat_index *index = opened;
    flat_codes_range range = {queries->begin, queries->end != 0 ? queries->end : vectors->rows, false};
    flat_codes_query *of;
    bool dense = vssi_dense_best() != NULL && n >= CODES_DENSE_SURE;
    range.prefix = !dense && codes_prefixed(index, queries, vectors->rows, n);
    VSSI_TRY(codes_prepare(index, queries, n, range.prefix, topks, scratch, &of, err));
    for (size_t q = 0; q < n; q++)
        codes_outliers(index, vectors, &of[q], range.begin, range.end);
    bool few = queries->allow && queries->n_allow < vectors->rows / CODES_FEW;
    if (range.prefix || n >= CODES_TILE)
        VSSI_TRY(codes_batch(index, vectors, of, n, &range, scratch, err));
    else
        codes_scan(index, vectors, of, n, few, range.end, scratch);
    for (size_t q = 0; q < n; q++) {
        vssi_flat_codes_end(index, vectors, &of[q]);
        VSSI_TRY(topks[q].status);
    }
    return VSS_OK;
}

vss_status vssi_flat_codes_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                                  vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    return vssi_flat_codes_batch(index, vectors, query, 1, scratch, topk, err);
}
