/*
 * flat_dense.c - a batch of queries against every row, or every allowed one, by the kernels of dense.h
 *
 * Rows and queries are multiplied, of floats rounded; what may beat a query's threshold for all that rounding may have
 * done is scored by the kernels of the single query, so that the top-k sees the same scores. Cost: the rows read
 * from memory once and packed, a product a component and query, and the rows near the threshold scored.
 */
#include <string.h>

#include "../../lib/base/fail.h"
#include "flat_dense.h"

#define DENSE_FEW 4u      /* one in: fewer rows that are allowed seldom follow one another */
#define DENSE_SHORT 2048u /* bytes of a row, about what packing asks for ahead */

static size_t dense_place(flat_dense *d, char *memory)
{
    size_t at = 0, panel = vssi_dense_size(d->steps), rows = d->most * VSSI_DENSE_ROWS * sizeof(float);
    size_t queries = d->groups * VSSI_DENSE_QUERIES * sizeof(float), line = VSSI_DENSE_ROWS * sizeof(float);
    d->panels = vssi_flat_dense_take(memory, &at, d->most * panel);
    d->packed = vssi_flat_dense_take(memory, &at, d->groups * panel);
    d->fall = vssi_flat_dense_take(memory, &at, queries);
    d->reach = vssi_flat_dense_take(memory, &at, queries);
    d->scale = vssi_flat_dense_take(memory, &at, rows);
    d->base = vssi_flat_dense_take(memory, &at, rows);
    d->rest = vssi_flat_dense_take(memory, &at, rows);
    d->first = vssi_flat_dense_take(memory, &at, line);
    d->second = vssi_flat_dense_take(memory, &at, line);
    d->row = vssi_flat_dense_take(memory, &at, d->v->dim * sizeof(float));
    d->where = vssi_flat_dense_take(memory, &at, rows * VSSI_DENSE_QUERIES + 64);
    d->of = vssi_flat_dense_take(memory, &at, d->n * sizeof *d->of);
    return at;
}

static vss_status dense_begin(flat_dense *d, vssi_scratch *scratch, vss_error *err)
{
    char *memory;
    d->steps = vssi_dense_steps(d->kind->bytes(d->v));
    d->groups = vssi_flat_dense_groups(d->n);
    d->most = vssi_flat_dense_panels(d->steps);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, dense_place(d, NULL), 1, &memory, err));
    (void)dense_place(d, memory);
    memset(d->packed, 0, d->groups * vssi_dense_size(d->steps));
    for (size_t q = 0; q < d->groups * VSSI_DENSE_QUERIES; q++) {
        d->fall[q] = INFINITY;
        d->reach[q] = 0;
        if (q >= d->n)
            continue;
        d->of[q].n = 0;
        d->kind->query(d, q);
        d->kind->cut(d, q);
    }
    return VSS_OK;
}

/* Score and offer what waits of query q. */
static void dense_offer(flat_dense *d, size_t q)
{
    flat_dense_query *one = &d->of[q];
    float scores[FLAT_DENSE_NEAR];
    if (one->n == 0)
        return;
    vssi_vectors_score_gather(d->v, &d->queries[q].probe, one->near, one->n, scores);
    vssi_topk_add(&d->topks[q], scores, one->near, one->n);
    vssi_topk_tighten(&d->topks[q]);
    one->n = 0;
    d->kind->cut(d, q);
}

/* The last byte of a row, or none, that packing asks for: past a row's end lies one that may be left out, and of short
 * rows several. */
static size_t dense_last(const vssi_vectors *v, const vssi_query *query)
{
    bool few = query->allow && (query->n_allow < v->rows / DENSE_FEW || v->row_size < DENSE_SHORT);
    return few ? v->row_size - 1 : SIZE_MAX;
}

/* Pack the next rows in up to `panels` panels; returns how many rows. */
static size_t dense_pack(flat_dense *d, size_t panels, vssi_dense_job *job)
{
    const char *rows[VSSI_DENSE_ROWS];
    size_t count = vssi_flat_walk_next(&d->walk, panels * VSSI_DENSE_ROWS), n;
    job->n_panels = 0;
    for (size_t at = 0; at < count; at += n) {
        n = vssi_min(VSSI_DENSE_ROWS, count - at);
        for (size_t r = 0; r < n; r++)
            rows[r] = vssi_vectors_row(d->v, d->walk.ids[at + r]);
        vssi_flat_walk_ask(&d->walk, at + n);
        d->kind->pack(d, job->n_panels++, rows, n);
    }
    return count;
}

/* All queries against the panels. */
static void dense_multiply(flat_dense *d, vssi_dense_job *job)
{
    for (size_t g = 0; g < d->groups; g++) {
        size_t first = g * VSSI_DENSE_QUERIES;
        vssi_dense_floats with = {d->scale, d->base, d->rest, d->fall + first, d->reach + first};
        job->queries = d->packed + g * vssi_dense_size(d->steps);
        job->n_queries = vssi_min(VSSI_DENSE_QUERIES, d->n - first);
        size_t n_hits = d->kind->multiply(d, job, &with);
        for (size_t i = 0; i < n_hits; i++) {
            size_t q = first + d->where[i] % VSSI_DENSE_QUERIES;
            flat_dense_query *one = &d->of[q];
            one->near[one->n++] = d->walk.ids[d->where[i] / VSSI_DENSE_QUERIES];
            if (one->n == FLAT_DENSE_NEAR)
                dense_offer(d, q);
        }
    }
}

vss_status vssi_flat_dense_search(const vssi_vectors *v, const vssi_query *queries, size_t n, vssi_scratch *scratch,
                                  vssi_topk *topks, vss_error *err)
{
    flat_dense d = {.v = v, .queries = queries, .topks = topks, .n = n, .kernels = vssi_dense_best()};
    size_t end = queries->end != 0 ? queries->end : v->rows, asked = FLAT_ASK, panels = 1, count;
    d.kind = v->kind == VSSI_SIMD_I8 || v->kind == VSSI_SIMD_U8 ? &vssi_flat_dense_bytes : &vssi_flat_dense_floats;
    VSSI_TRY(dense_begin(&d, scratch, err));
    vssi_dense_job job = {.panels = d.panels, .steps = d.steps};
    vssi_flat_walk_begin(&d.walk, v, queries, queries->begin, end, 0);
    d.last = dense_last(v, queries);
    for (;; asked += count * n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(queries->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        count = dense_pack(&d, panels, &job);
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
