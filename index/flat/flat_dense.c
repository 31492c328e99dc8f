/*
 * flat_dense.c - a batch of queries against every float row, or every allowed one, by the kernels of dense.h
 *
 * Rows and queries are rounded to bfloat16 and multiplied; what may beat a query's threshold for all that rounding may
 * have done is scored by the kernels of the single query, so that the top-k sees the same scores. Cost: the rows read
 * from memory once and packed, a product a component and query, and the rows near the threshold scored.
 *
 * Why no row is missed. Let q' be the query times 2 for l2, 1 for ip and the inverse of its norm for cosine; v a row; ~
 * what bfloat16 makes of either; n the greatest |q' - ~q'| / |q'| of the batch; g = vssi_simd_gamma(dim). The product P
 * that is computed obeys
 *     |P - q' v| <= |q'| |v - ~v| + |q' - ~q'| |~v| + g |~q'| |~v| + dim 2^-124 <= |q'| W + dim 2^-124
 *     W = E + (n + 4 g) (|v| + E), E at least |v - ~v|
 * where 4 g has room for the rounding of q' and two more (below) of what is at most 2 |q'| |v|.
 *     ip      the score is -q v: it is above the threshold T where P < -T - |q'| W
 *     cosine  times 1 / |v|: where P < -T |v| - |q'| W
 *     l2      e = |q|^2 + |v|^2 - q' v. The squared norm N of the row in float32 obeys N (1 - g) <= |v|^2, the limit is
 *             made of terms of at most 4 (|q|^2 + |v|^2) and rounded twice, together 3 g (|q|^2 + |v|^2) at most: e > T
 *             where P < (1 - 6 g) |q|^2 - T + (1 - 6 g) N - |q'| W
 * and a row with its score, or e, above T is of no use (topk.c). Squares that underflow take less than dim 2^-70 off E.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/dense.h"
#include "flat_tile.h"

#define DENSE_PANELS 8u                 /* most at once */
#define DENSE_BYTES ((size_t)256 << 10) /* of panels at once, which stay in the second cache */
#define DENSE_NEAR 16u                  /* rows of a query that are scored together */

/* One query in the making. */
typedef struct dense_query {
    double square; /* l2: (1 - 6 g) |q|^2 */
    uint32_t n;
    uint32_t near[DENSE_NEAR];
} dense_query;

typedef struct dense {
    const vssi_vectors *v;
    const vssi_query *queries;
    vssi_topk *topks;
    const vssi_dense *kernels;
    size_t n, groups, steps, most;
    double gamma, off;  /* g and n */
    dense_query *of;    /* [n] */
    char *panels, *packed;
    float *fall, *reach;             /* [groups][32] */
    float *scale, *base, *rest;      /* [panels][32] */
    float *norms, *rests, *row;      /* [32], [32], [dim] */
    uint32_t *where, ids[DENSE_PANELS * VSSI_DENSE_ROWS];
} dense;

/* What P must reach, from the top-k's threshold. */
static void dense_cut(dense *d, size_t q)
{
    double fall = d->of[q].square - (double)d->topks[q].threshold;
    d->fall[q] = (float)fall;
    if ((double)d->fall[q] > fall)
        d->fall[q] = nextafterf(d->fall[q], -INFINITY);
}

static void dense_query_begin(dense *d, size_t q)
{
    const float *vector = d->queries[q].probe.vector;
    float factor = d->v->metric == VSS_METRIC_L2 ? 2 : d->v->metric == VSS_METRIC_IP ? 1 : d->queries[q].probe.scale;
    for (size_t i = 0; i < d->v->dim; i++)
        d->row[i] = vector[i] * factor;
    double length = sqrt(vssi_exact_ip_f32(d->row, d->row, d->v->dim));
    double off = sqrt(vssi_dense_query_floats(d->row, d->v->dim, q % VSSI_DENSE_QUERIES,
                                              d->packed + q / VSSI_DENSE_QUERIES * vssi_dense_size(d->steps)));
    d->off = fmax(d->off, length > 0 ? off / length : 0);
    d->reach[q] = nextafterf((float)(length * (1 + 0x1p-20)), INFINITY);
    d->of[q].n = 0;
    d->of[q].square = d->v->metric != VSS_METRIC_L2 ? 0
                      : (1 - 6 * d->gamma) * vssi_exact_ip_f32(vector, vector, d->v->dim);
    dense_cut(d, q);
}

/* The next `bytes` of memory, in whole lines; NULL: only count them. */
static void *dense_take(char *memory, size_t *at, size_t bytes)
{
    void *taken = memory ? memory + *at : NULL;
    *at += (size_t)vssi_round_up(bytes, 64);
    return taken;
}

static size_t dense_place(dense *d, char *memory)
{
    size_t at = 0, panel = vssi_dense_size(d->steps), rows = d->most * VSSI_DENSE_ROWS * sizeof(float);
    size_t queries = d->groups * VSSI_DENSE_QUERIES * sizeof(float), line = VSSI_DENSE_ROWS * sizeof(float);
    d->panels = dense_take(memory, &at, d->most * panel);
    d->packed = dense_take(memory, &at, d->groups * panel);
    d->fall = dense_take(memory, &at, queries);
    d->reach = dense_take(memory, &at, queries);
    d->scale = dense_take(memory, &at, rows);
    d->base = dense_take(memory, &at, rows);
    d->rest = dense_take(memory, &at, rows);
    d->norms = dense_take(memory, &at, line);
    d->rests = dense_take(memory, &at, line);
    d->row = dense_take(memory, &at, d->v->dim * sizeof(float));
    d->where = dense_take(memory, &at, rows * VSSI_DENSE_QUERIES + 64);
    d->of = dense_take(memory, &at, d->n * sizeof *d->of);
    return at;
}

static vss_status dense_begin(dense *d, vssi_scratch *scratch, vss_error *err)
{
    char *memory;
    d->steps = vssi_dense_steps(d->v->dim * sizeof(uint16_t));
    d->groups = (d->n + VSSI_DENSE_QUERIES - 1) / VSSI_DENSE_QUERIES;
    d->most = vssi_max(1, vssi_min(DENSE_PANELS, DENSE_BYTES / vssi_dense_size(d->steps)));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, dense_place(d, NULL), 1, &memory, err));
    (void)dense_place(d, memory);
    memset(d->packed, 0, d->groups * vssi_dense_size(d->steps));
    for (size_t q = 0; q < d->groups * VSSI_DENSE_QUERIES; q++) {
        d->fall[q] = INFINITY;
        d->reach[q] = 0;
        if (q < d->n)
            dense_query_begin(d, q);
    }
    return VSS_OK;
}

/* Score and offer what waits of query q. */
static void dense_offer(dense *d, size_t q)
{
    dense_query *one = &d->of[q];
    float scores[DENSE_NEAR];
    if (one->n == 0)
        return;
    vssi_vectors_score_gather(d->v, &d->queries[q].probe, one->near, one->n, scores);
    vssi_topk_add(&d->topks[q], scores, one->near, one->n);
    vssi_topk_tighten(&d->topks[q]);
    one->n = 0;
    dense_cut(d, q);
}

/* The terms of n rows of panel p, whose norms and rests are at hand; places behind them are never hit. */
static void dense_terms(dense *d, size_t p, size_t n)
{
    size_t first = p * VSSI_DENSE_ROWS;
    double dim = d->v->dim, share = d->off * (1 + 0x1p-20) + 4 * d->gamma;
    for (size_t i = 0; i < VSSI_DENSE_ROWS; i++) {
        size_t at = first + i;
        double length = sqrt((double)d->norms[i] * (1 + 2 * d->gamma));
        double rest = sqrt((double)d->rests[i] * (1 + 2 * d->gamma)) + dim * 0x1p-70;
        d->rest[at] = (float)((rest + share * (length + rest)) * (1 + 0x1p-20));
        d->scale[at] = 1;
        d->base[at] = d->v->metric == VSS_METRIC_L2 ? (float)((1 - 6 * d->gamma) * (double)d->norms[i])
                                                    : (float)(dim * -0x1p-120);
        if (i >= n)
            d->base[at] = INFINITY;
        else if (d->v->metric == VSS_METRIC_COSINE)
            d->scale[at] = 1 / d->v->inverse_norms[d->ids[at]];
    }
}

/* Pack up to `panels` panels of the rows from *at on; returns how many rows. */
static size_t dense_pack(dense *d, size_t *at, size_t end, size_t panels, vssi_dense_job *job)
{
    const char *rows[VSSI_DENSE_ROWS];
    size_t count = 0;
    for (job->n_panels = 0; job->n_panels < panels; job->n_panels++) {
        uint32_t *ids = d->ids + job->n_panels * VSSI_DENSE_ROWS;
        size_t n = vssi_flat_next(d->queries, at, end, ids, VSSI_DENSE_ROWS);
        if (n == 0)
            break;
        for (size_t r = 0; r < n; r++)
            rows[r] = vssi_vectors_row(d->v, ids[r]);
        d->kernels->pack_floats(d->v->kind, rows, n, d->v->dim, d->panels + job->n_panels * vssi_dense_size(d->steps),
                                d->norms, d->rests);
        dense_terms(d, job->n_panels, n);
        count += n;
    }
    return count;
}

/* All queries against the panels. */
static void dense_multiply(dense *d, vssi_dense_job *job)
{
    for (size_t g = 0; g < d->groups; g++) {
        size_t first = g * VSSI_DENSE_QUERIES;
        vssi_dense_floats with = {d->scale, d->base, d->rest, d->fall + first, d->reach + first};
        job->queries = d->packed + g * vssi_dense_size(d->steps);
        job->n_queries = vssi_min(VSSI_DENSE_QUERIES, d->n - first);
        size_t n_hits = d->kernels->floats(job, &with, d->where);
        for (size_t i = 0; i < n_hits; i++) {
            size_t q = first + d->where[i] % VSSI_DENSE_QUERIES;
            dense_query *one = &d->of[q];
            one->near[one->n++] = d->ids[d->where[i] / VSSI_DENSE_QUERIES];
            if (one->n == DENSE_NEAR)
                dense_offer(d, q);
        }
    }
}

vss_status vssi_flat_dense_search(const vssi_vectors *v, const vssi_query *queries, size_t n, vssi_scratch *scratch,
                                  vssi_topk *topks, vss_error *err)
{
    dense d = {.v = v, .queries = queries, .topks = topks, .n = n, .kernels = vssi_dense_best(),
               .gamma = vssi_simd_gamma(v->dim)};
    size_t end = queries->end != 0 ? queries->end : v->rows, asked = FLAT_ASK, panels = 1, count;
    VSSI_TRY(dense_begin(&d, scratch, err));
    vssi_dense_job job = {.panels = d.panels, .steps = d.steps};
    for (size_t at = queries->begin;; asked += count * n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(queries->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        count = dense_pack(&d, &at, end, panels, &job);
        if (count == 0)
            break;
        panels = vssi_min(2 * panels, d.most);
        dense_multiply(&d, &job);
        scratch->distances += count * n;
    }
    for (size_t q = 0; q < n; q++)
        dense_offer(&d, q);
    return VSS_OK;
}
