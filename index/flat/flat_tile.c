/*
 * flat_tile.c - many queries against every row, or every allowed one, in panels
 *
 * The rows are packed into panels (tile.h), each panel is multiplied with all queries in groups that fit the registers,
 * and what may beat a query's threshold is scored once more by the kernels of the single query, so that the top-k sees
 * the same scores. Cost: the rows are read from memory once; a product a query and row at the speed of the registers;
 * packing, about two products a row.
 */
#include "flat_tile.h"

#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"

#define TILE_LINE 16u /* units */

/* Queries of group g; all groups together have the queries in pairs. */
static size_t tile_group(const flat_tile *t, size_t g)
{
    size_t pairs = (t->n + 1) / 2;
    return 2 * (pairs / t->groups + (g < pairs % t->groups));
}

static void tile_pack_queries(flat_tile *t)
{
    size_t q = 0;
    uint32_t *out = t->packed;
    memset(out, 0, 2 * ((t->n + 1) / 2) * t->units * sizeof *out);
    for (size_t g = 0; g < t->groups; g++) {
        size_t count = tile_group(t, g);
        for (size_t j = 0; j < count && q + j < t->n; j++)
            t->panels->query(t, q + j, count, out + j);
        out += count * t->units;
        q += count;
    }
    for (q = 0; q < t->n; q++)
        t->panels->cut(t, q);
    if (t->n % 2 != 0) {
        t->cuts[t->n] = -INFINITY;
        t->add[t->n] = 0;
    }
}

static vss_status tile_begin(flat_tile *t, vssi_scratch *scratch, vss_error *err)
{
    size_t pairs = (t->n + 1) / 2, line = VSSI_TILE_ROWS, dim = (size_t)vssi_round_up(t->v->dim, TILE_LINE);
    size_t panel = (size_t)vssi_round_up(t->units * t->rows, TILE_LINE), all = (size_t)vssi_round_up(2 * pairs, TILE_LINE);
    float *memory;
    t->groups = (pairs + t->most / 2 - 1) / (t->most / 2);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, panel + 2 * line + dim + all * (t->units + 4), sizeof *memory,
                              &memory, err));
    t->panel = memory;
    t->scale = memory + panel;
    t->base = t->scale + line;
    t->row = t->base + line;
    t->cuts = t->row + dim;
    t->add = (int32_t *)(void *)(t->cuts + all);
    t->squares = (double *)(void *)(t->add + all);
    t->packed = (uint32_t *)(void *)(t->squares + all);
    for (size_t r = 0; r < t->rows; r++) {
        t->scale[r] = 1;
        t->base[r] = 0;
    }
    tile_pack_queries(t);
    return VSS_OK;
}

/* Offer the rows whose bits are set to query q. */
static void tile_offer(flat_tile *t, size_t q, uint32_t hits)
{
    uint32_t rows[VSSI_TILE_ROWS];
    float scores[VSSI_TILE_ROWS], before = t->topks[q].threshold;
    size_t n = 0;
    for (; hits != 0; hits &= hits - 1)
        rows[n++] = t->ids[__builtin_ctz(hits)];
    vssi_vectors_score_gather(t->v, &t->queries[q].probe, rows, n, scores);
    vssi_topk_add(&t->topks[q], scores, rows, n);
    if (t->topks[q].threshold < before)
        t->panels->cut(t, q);
}

static void tile_multiply(flat_tile *t, const char *next)
{
    uint32_t hits[VSSI_TILE_QUERIES];
    flat_tile_group group = {.packed = t->packed, .next = next};
    for (size_t g = 0; g < t->groups; g++) {
        group.count = tile_group(t, g);
        t->panels->multiply(t, &group, hits);
        for (size_t j = 0; j < group.count; j++) {
            if (hits[j] != 0)
                tile_offer(t, group.first + j, hits[j]);
        }
        group.first += group.count;
        group.packed += group.count * t->units;
    }
}

size_t vssi_flat_next(const vssi_query *query, size_t *at, size_t end, uint32_t *rows, size_t capacity)
{
    if (query->allow)
        return vssi_bitmap_rows(query->allow, *at, end, rows, capacity, at);
    size_t n = vssi_min(capacity, end - *at);
    for (size_t r = 0; r < n; r++)
        rows[r] = (uint32_t)(*at + r);
    *at += n;
    return n;
}

vss_status vssi_flat_tile_search(flat_tile *t, vssi_scratch *scratch, size_t begin, size_t end, vss_error *err)
{
    size_t asked = FLAT_ASK;
    VSSI_TRY(tile_begin(t, scratch, err));
    for (size_t at = begin; at < end;) {
        if (asked >= FLAT_ASK && vssi_control_stopped(t->queries->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        size_t n = vssi_flat_next(t->queries, &at, end, t->ids, t->rows);
        if (n == 0)
            break;
        t->panels->fill(t, n);
        tile_multiply(t, vssi_vectors_row(t->v, at));
        scratch->distances += n * t->n;
        asked += n * t->n;
    }
    return VSS_OK;
}
