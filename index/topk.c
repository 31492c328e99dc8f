/*
 * topk.c - the k nearest of many scored rows, exact in order and at the cut
 *
 * The threshold. A row has the exact value e, the returned value v = fl(e) (e rounded to float32) and the score s with
 * |s - e| <= r |e| + a. Solved for e:
 *     low(s)  = (s - a) / (1 + r) where s >= a, else (s - a) / (1 - r)      <= e
 *     high(s) = (s + a) / (1 - r) where s >= -a, else (s + a) / (1 + r)     >= e
 * Let k rows have scores <= s_k. high is rising, so their e <= high(s_k), and rounding keeps order, so their v are at
 * most V = fl(high(s_k)). A row may go when its v is certainly above V: ties in v are settled by key, so equality isn't
 * enough. With W the float32 next above V, e >= W gives v >= W > V; and low(s) >= W holds for every s above
 *     T(V) = W (1 + r) + a where W >= 0, else W (1 - r) + a.
 * T(V) is the threshold: scores above it are of no use. The same V -> T(V) serves when k rows have been recomputed
 * (V: the k-th value) and for a limit given from outside. All this is computed in float64; r is widened by 2^-22,
 * the rounding of v among it, which covers the float64 roundings (2^-50) many times over, and T is rounded upwards
 * to float32. a is widened by 2^-130, which covers the underflow of 32,768 products.
 *
 * A range. Rows with v < near are no hits. With P the float32 next below near, high(s) <= P shows v <= P, which holds
 * for every s up to floor = P (1 - r) - a where P >= 0, else P (1 + r) - a, rounded downwards; low(s) >= near shows v
 * >= near, for every s from sure = near (1 + r) + a on (near < 0: 1 - r), rounded upwards. Only rows that are surely in
 * count when the k-th best score is sought; those in between wait for their exact value. Rows above far may count:
 * where the k-th of them is above far, the threshold it proves drops nothing that isn't.
 *
 * Selection is by the scores' bits (kth.c), linear whatever the data; sorting is a heap sort.
 */
#include "topk.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "../lib/base/checked.h"
#include "../lib/base/fail.h"
#include "kth.h"

#define TOPK_SPARE 64u    /* candidates beyond 2 k */
#define TOPK_BLOCK 32u    /* scores looked at together; at most half of TOPK_SPARE */
#define TOPK_MOST 0x10000000u

/* Rising with the float, for all but NaN; -0 before +0. */
static inline uint32_t topk_order(float score)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float topk_unorder(uint32_t order)
{
    uint32_t bits = order & 0x80000000u ? order & 0x7fffffffu : ~order;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* The k-th smallest score of the first n >= k candidates. */
static float topk_select(const vssi_topk *topk, size_t n, size_t k)
{
    for (size_t i = 0; i < n; i++)
        topk->rows[i] = topk_order(topk->candidates[i].score);
    return topk_unorder(vssi_kth(topk->rows, n, k));
}

/* T(V) of the head comment. */
static float topk_threshold(const vssi_topk *topk, float value)
{
    double above = (double)nextafterf(value, INFINITY);
    double bound = above * (above >= 0 ? 1 + topk->relative : 1 - topk->relative) + topk->absolute;
    float threshold = (float)bound;
    return (double)threshold < bound ? nextafterf(threshold, INFINITY) : threshold;
}

/* fl(high(s)). */
static float topk_high(const vssi_topk *topk, float score)
{
    double s = (double)score + topk->absolute;
    double high = s / (s >= 0 ? 1 - topk->relative : 1 + topk->relative);
    return (float)high;
}

static void topk_lower(vssi_topk *topk, float threshold)
{
    if (threshold < topk->threshold)
        topk->threshold = threshold;
}

size_t vssi_topk_size(size_t k)
{
    assert(k > 0 && k <= TOPK_MOST);
    size_t capacity = 2 * k + TOPK_SPARE;
    size_t bytes = capacity * (sizeof(vssi_candidate) + sizeof(uint32_t) + sizeof(float) + sizeof(vssi_hit));
    return vssi_round_up(bytes + k * sizeof(vssi_hit), 64);
}

void vssi_topk_begin(vssi_topk *topk, void *memory, size_t k, double relative, double absolute,
                     const vssi_topk_source *source, vss_error *err)
{
    assert(k > 0 && k <= TOPK_MOST && relative >= 0 && relative < 0.5 && absolute >= 0);
    *topk = (vssi_topk){.k = k, .relative = relative + 0x1p-22, .absolute = absolute + 0x1p-130, .source = source,
                        .threshold = INFINITY, .floor = -INFINITY, .sure = -INFINITY, .near = -INFINITY,
                        .far = INFINITY, .capacity = 2 * k + TOPK_SPARE, .candidates = memory, .err = err};
    topk->rows = (uint32_t *)(topk->candidates + topk->capacity);
    topk->values = (float *)(topk->rows + topk->capacity);
    topk->hits = (vssi_hit *)(topk->values + topk->capacity);
}

vss_status vssi_topk_init(vssi_topk *topk, vssi_scratch *scratch, size_t k, double relative, double absolute,
                          const vssi_topk_source *source, vss_error *err)
{
    void *memory;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TOPK, vssi_topk_size(k), 1, &memory, err));
    vssi_topk_begin(topk, memory, k, relative, absolute, source, err);
    return VSS_OK;
}

void vssi_topk_limit(vssi_topk *topk, float value) { topk_lower(topk, topk_threshold(topk, value)); }

/* See the head comment for floor and sure. */
float vssi_topk_bound(const vssi_topk *topk, float score)
{
    return topk->near > -INFINITY ? INFINITY : topk_threshold(topk, topk_high(topk, score));
}

void vssi_topk_range(vssi_topk *topk, float near, float far)
{
    topk->near = near;
    topk->far = far;
    if (far < INFINITY)
        vssi_topk_limit(topk, far);
    if (!(near > -INFINITY))
        return;
    double below = (double)nextafterf(near, -INFINITY), at = (double)near;
    double floor_bound = below * (below >= 0 ? 1 - topk->relative : 1 + topk->relative) - topk->absolute;
    double sure_bound = at * (at >= 0 ? 1 + topk->relative : 1 - topk->relative) + topk->absolute;
    topk->floor = (float)floor_bound;
    if ((double)topk->floor > floor_bound)
        topk->floor = nextafterf(topk->floor, -INFINITY);
    topk->sure = (float)sure_bound;
    if ((double)topk->sure < sure_bound)
        topk->sure = nextafterf(topk->sure, INFINITY);
}

static bool topk_hit_before(const vssi_topk *topk, const vssi_hit *a, const vssi_hit *b)
{
    if (a->value < b->value || a->value > b->value)
        return a->value < b->value;
    return topk->source->key_before(topk->source->state, a->row, b->row);
}

static void topk_sift(const vssi_topk *topk, vssi_hit *hits, size_t root, size_t n)
{
    vssi_hit moving = hits[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && topk_hit_before(topk, &hits[child], &hits[child + 1]))
            child++;
        if (!topk_hit_before(topk, &moving, &hits[child]))
            break;
        hits[root] = hits[child];
    }
    hits[root] = moving;
}

static void topk_sort(const vssi_topk *topk, vssi_hit *hits, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        topk_sift(topk, hits, i, n);
    for (size_t last = n; last-- > 1;) {
        vssi_hit largest = hits[0];
        hits[0] = hits[last];
        hits[last] = largest;
        topk_sift(topk, hits, 0, last);
    }
}

/* Bring the candidates that are certainly not below near to the front; returns how many. */
static size_t topk_surely(vssi_topk *topk)
{
    size_t sure = 0;
    if (!(topk->sure > -INFINITY))
        return topk->n_candidates;
    for (size_t i = 0; i < topk->n_candidates; i++) {
        vssi_candidate moving = topk->candidates[i];
        if (!(moving.score >= topk->sure))
            continue;
        topk->candidates[i] = topk->candidates[sure];
        topk->candidates[sure++] = moving;
    }
    return sure;
}

/* Drop the candidates above the threshold, which first falls to what the k-th best of them proves. The worst of k
 * proves nothing about the others. */
static void topk_prune(vssi_topk *topk)
{
    size_t sure = topk->n_candidates > topk->k ? topk_surely(topk) : 0;
    if (sure >= topk->k) {
        float kth = topk_select(topk, sure, topk->k);
        topk_lower(topk, topk_threshold(topk, topk_high(topk, kth)));
    }
    size_t kept = 0;
    for (size_t i = 0; i < topk->n_candidates; i++) {
        topk->candidates[kept] = topk->candidates[i];
        kept += topk->candidates[i].score <= topk->threshold;
    }
    topk->n_candidates = kept;
}

/* Recompute the candidates and keep the exact k best of them and of those recomputed before. */
static void topk_settle(vssi_topk *topk)
{
    size_t n = topk->n_candidates;
    topk->n_candidates = 0;
    if (n == 0 || topk->status != VSS_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        topk->rows[i] = topk->candidates[i].row;
        topk->values[i] = topk->candidates[i].score;
    }
    if (topk->source->exact != NULL) {
        topk->status = topk->source->exact(topk->source->state, topk->rows, n, topk->values, topk->err);
        topk->recomputed += n;
    }
    if (topk->status != VSS_OK) {
        topk->threshold = -INFINITY;
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (topk->values[i] >= topk->near && topk->values[i] <= topk->far)
            topk->hits[topk->n_hits++] = (vssi_hit){topk->values[i], topk->rows[i]};
    topk_sort(topk, topk->hits, topk->n_hits);
    topk->n_hits = vssi_min(topk->n_hits, topk->k);
    if (topk->n_hits == topk->k)
        topk_lower(topk, topk_threshold(topk, topk->hits[topk->k - 1].value));
}

/* Make room in a full buffer. */
static void topk_shrink(vssi_topk *topk)
{
    topk_prune(topk);
    if (topk->n_candidates > topk->capacity - vssi_max(topk->capacity / 4, TOPK_BLOCK))
        topk_settle(topk);
}

/* Append those of n <= TOPK_BLOCK rows that are of use: rows[i], or first + i where rows is NULL. No branch a row. */
static void topk_append(vssi_topk *topk, const float *scores, const uint32_t *rows, size_t first, size_t n)
{
    if (topk->n_candidates + n > topk->capacity)
        topk_shrink(topk);
    vssi_candidate *next = topk->candidates + topk->n_candidates;
    const float threshold = topk->threshold, floor = topk->floor;
    for (size_t i = 0; i < n; i++) {
        *next = (vssi_candidate){scores[i], rows ? rows[i] : (uint32_t)(first + i)};
        next += (scores[i] <= threshold) & (scores[i] > floor);
    }
    topk->n_candidates = (size_t)(next - topk->candidates);
}

void vssi_topk_push(vssi_topk *topk, float score, uint32_t row)
{
    if (!(score <= topk->threshold && score > topk->floor))
        return;
    if (topk->n_candidates == topk->capacity)
        topk_shrink(topk);
    if (score <= topk->threshold)
        topk->candidates[topk->n_candidates++] = (vssi_candidate){score, row};
}

/* Is any of TOPK_BLOCK scores at or below the threshold. */
static inline bool topk_any(const float *scores, float threshold)
{
    unsigned any = 0;
    for (size_t i = 0; i < TOPK_BLOCK; i++)
        any |= scores[i] <= threshold;
    return any != 0;
}

void vssi_topk_add_rows(vssi_topk *topk, const float *scores, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i += TOPK_BLOCK) {
        size_t some = vssi_min(TOPK_BLOCK, n - i);
        if (some < TOPK_BLOCK || topk_any(scores + i, topk->threshold))
            topk_append(topk, scores + i, NULL, first + i, some);
    }
}

void vssi_topk_add(vssi_topk *topk, const float *scores, const uint32_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i += TOPK_BLOCK) {
        size_t some = vssi_min(TOPK_BLOCK, n - i);
        if (some < TOPK_BLOCK || topk_any(scores + i, topk->threshold))
            topk_append(topk, scores + i, rows + i, 0, some);
    }
}

void vssi_topk_tighten(vssi_topk *topk)
{
    if (topk->n_candidates > topk->k + topk->k / 8)
        topk_prune(topk);
}

vss_status vssi_topk_finish(vssi_topk *topk, vss_error *err)
{
    (void)err;
    topk_prune(topk);
    topk_settle(topk);
    if (topk->status != VSS_OK)
        topk->n_hits = 0;
    return topk->status;
}
