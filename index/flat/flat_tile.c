/*
 * flat_tile.c - many queries against every row, or every allowed one, in panels
 *
 * The rows are packed into panels (tile.h), each panel is multiplied with all queries in groups that fit the registers,
 * and what may beat a query's threshold is scored once more by the kernels of the single query, so that the top-k sees
 * the same scores. Rows of more than TILE_PART units go in parts that stay in the first cache. Cost: the rows are read
 * from memory once, asked for while panels before them are packed and multiplied; a product a query and row at the
 * speed of the registers; packing, about two products a row.
 */
#include "flat_tile.h"

#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"

#define TILE_LINE 16u  /* units */
#define TILE_QUEUE 32u /* lines asked for at once */
#define TILE_PART 224u /* units of a part at most: with 32 rows 28 KiB */

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
    size_t panel = (size_t)vssi_round_up(t->units * t->rows, TILE_LINE);
    size_t all = (size_t)vssi_round_up(2 * pairs, TILE_LINE);
    float *memory;
    t->groups = (pairs + t->most / 2 - 1) / (t->most / 2);
    t->parts = (t->units + TILE_PART - 1) / TILE_PART;
    t->part_units = (t->units + t->parts - 1) / t->parts;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, panel + 2 * line + dim + all * (t->units + 4 + t->rows),
                              sizeof *memory, &memory, err));
    t->panel = memory;
    t->scale = memory + panel;
    t->base = t->scale + line;
    t->row = t->base + line;
    t->cuts = t->row + dim;
    t->add = (int32_t *)(void *)(t->cuts + all);
    t->squares = (double *)(void *)(t->add + all);
    t->sums = (float *)(void *)(t->squares + all);
    t->packed = (uint32_t *)(void *)(t->sums + all * t->rows);
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

/* All groups of queries against part p of the panel, from whose last one on rows are offered. */
static void tile_part(flat_tile *t, size_t p)
{
    uint32_t hits[VSSI_TILE_QUERIES];
    size_t begin = p * t->part_units, offset = 0;
    bool last = p + 1 == t->parts;
    flat_tile_group group = {.panel = (const float *)t->panel + begin * t->rows,
                             .units = vssi_min(t->part_units, t->units - begin),
                             .part = (p > 0 ? VSSI_TILE_MORE_BEFORE : 0) | (last ? 0 : VSSI_TILE_MORE_BEHIND)};
    for (size_t g = 0; g < t->groups; g++) {
        group.count = tile_group(t, g);
        group.packed = t->packed + offset + begin * group.count;
        t->panels->multiply(t, &group, hits);
        for (size_t j = 0; last && j < group.count; j++) {
            if (hits[j] != 0)
                tile_offer(t, group.first + j, hits[j]);
        }
        group.first += group.count;
        offset += group.count * t->units;
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

/* Choose the rows of a panel to come and have them asked for: some at once, which the memory has queues for while the
 * present panel is packed, the rest while it is multiplied, shared among its parts and groups. */
static void tile_ahead(flat_tile *t, size_t turn, size_t *at, size_t end)
{
    size_t n = vssi_flat_next(t->queries, at, end, t->turns[turn], t->rows), size = t->v->row_size;
    t->counts[turn] = n;
    for (size_t r = 0; r < n; r++)
        t->ahead[r] = vssi_vectors_row(t->v, t->turns[turn][r]);
    t->next = (vssi_tile_next){.rows = t->ahead, .n = n, .size = size};
    t->asks = n * ((size + 63) / 64) / (2 * t->groups * t->parts) + 1;
    vssi_tile_ask(&t->next, TILE_QUEUE);
}

vss_status vssi_flat_tile_search(flat_tile *t, vssi_scratch *scratch, size_t begin, size_t end, vss_error *err)
{
    size_t asked = FLAT_ASK, at = begin, turn = 0;
    VSSI_TRY(tile_begin(t, scratch, err));
    for (size_t i = 0; i < FLAT_TILE_AHEAD; i++)
        tile_ahead(t, i, &at, end);
    for (;; turn = (turn + 1) % (FLAT_TILE_AHEAD + 1)) {
        size_t n = t->counts[turn];
        if (n == 0 || (asked >= FLAT_ASK && vssi_control_stopped(t->queries->control)))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        tile_ahead(t, (turn + FLAT_TILE_AHEAD) % (FLAT_TILE_AHEAD + 1), &at, end);
        t->ids = t->turns[turn];
        t->panels->fill(t, n);
        for (size_t p = 0; p < t->parts; p++)
            tile_part(t, p);
        scratch->distances += n * t->n;
        asked += n * t->n;
    }
}
