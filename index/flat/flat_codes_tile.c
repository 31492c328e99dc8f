/*
 * flat_codes_tile.c - several queries against codes, in panels
 *
 * As flat_batch.c does with float32, but in whole numbers: a panel of codes is multiplied with all queries in groups
 * that fit the registers, and rows that a query's cut lets pass are kept for it until there are enough to score
 * together.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/tile.h"
#include "flat_codes.h"

typedef struct tile_search {
    const vssi_sq8 *sq8;
    const vssi_vectors *v;
    const vssi_tile *tile;
    const vssi_tile_codes *kernels;
    flat_codes_query *of; /* [n] */
    size_t n, groups;
    int64_t *squares;     /* [n]: sum d^2 */
    float *panel;
    int32_t *bases, *packed, *cuts;
    uint32_t ids[VSSI_TILE_ROWS];
} tile_search;

static size_t tile_group(const tile_search *s, size_t g)
{
    size_t pairs = (s->n + 1) / 2;
    return 2 * (pairs / s->groups + (g < pairs % s->groups));
}

static void tile_cut(tile_search *s, size_t q)
{
    double cut = floor(s->of[q].cut) - (double)s->squares[q];
    if (s->of[q].cut < 0)
        cut = INT32_MIN;
    s->cuts[q] = (int32_t)fmin(fmax(cut, INT32_MIN), INT32_MAX);
}

static void tile_pack_queries(tile_search *s)
{
    size_t units = s->sq8->model.size / 4, q = 0;
    int32_t *out = s->packed;
    for (size_t g = 0; g < s->groups; g++) {
        size_t count = tile_group(s, g);
        for (size_t i = 0; i < units; i++) {
            for (size_t j = 0; j < count; j++, out++) {
                uint32_t four = 0;
                if (q + j < s->n)
                    memcpy(&four, s->of[q + j].code.code + 4 * i, sizeof four);
                *out = (int32_t)(four ^ 0x80808080u);
            }
        }
        q += count;
    }
    for (q = 0; q < s->n; q++) {
        s->squares[q] = 0;
        for (size_t i = 0; i < s->sq8->model.size; i++)
            s->squares[q] += s->of[q].code.code[i] * s->of[q].code.code[i];
        tile_cut(s, q);
    }
    if (s->n % 2 != 0)
        s->cuts[s->n] = INT32_MIN;
}

static vss_status tile_begin(tile_search *s, vssi_scratch *scratch, vss_error *err)
{
    size_t pairs = (s->n + 1) / 2, units = s->sq8->model.size / 4, line = VSSI_TILE_ROWS;
    size_t panel = (size_t)vssi_round_up(units * s->tile->rows, 16), squares = (size_t)vssi_round_up(2 * s->n, 16);
    float *memory;
    s->groups = (pairs + s->kernels->queries / 2 - 1) / (s->kernels->queries / 2);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, squares + panel + line + 2 * pairs * (units + 1),
                              sizeof *memory, &memory, err));
    s->squares = (int64_t *)(void *)memory;
    s->panel = memory + squares;
    s->bases = (int32_t *)(void *)(s->panel + panel);
    s->packed = s->bases + line;
    s->cuts = s->packed + 2 * pairs * units;
    tile_pack_queries(s);
    return VSS_OK;
}

static void tile_panel(tile_search *s, size_t n)
{
    const char *rows[VSSI_TILE_ROWS];
    for (size_t r = 0; r < n; r++)
        rows[r] = (const char *)s->sq8->codes + (size_t)s->ids[r] * s->sq8->model.size;
    s->tile->pack(rows, n, s->sq8->model.size / 4, s->panel);
    s->kernels->bases(s->panel, s->sq8->model.size / 4, s->bases);
}

static void tile_flush(tile_search *s, size_t q)
{
    flat_codes_query *one = &s->of[q];
    if (vssi_flat_codes_offer(s->sq8, s->v, one, one->pending, one->n_pending))
        tile_cut(s, q);
    one->n_pending = 0;
}

static void tile_multiply(tile_search *s, size_t n, const char *next)
{
    uint32_t hits[VSSI_TILE_QUERIES], valid = n < 32 ? (1u << n) - 1 : ~0u;
    vssi_tile_codes_job job = {.queries = s->packed, .panel = s->panel, .units = s->sq8->model.size / 4,
                               .bases = s->bases, .cuts = s->cuts, .next = next};
    for (size_t g = 0, q = 0; g < s->groups; g++) {
        job.n_queries = tile_group(s, g);
        s->kernels->multiply(&job, hits);
        for (size_t j = 0; j < job.n_queries; j++) {
            flat_codes_query *one = &s->of[q + j];
            for (uint32_t left = hits[j] & valid; left != 0; left &= left - 1)
                one->pending[one->n_pending++] = s->ids[__builtin_ctz(left)];
            if ((hits[j] & valid) != 0 && one->n_pending > FLAT_PENDING - VSSI_TILE_ROWS)
                tile_flush(s, q + j);
        }
        q += job.n_queries;
        job.queries += job.n_queries * job.units;
        job.cuts += job.n_queries;
    }
}

/* The next rows from *at on into ids; returns how many and moves *at behind them. */
static size_t tile_rows(tile_search *s, size_t *at, size_t end)
{
    const uint64_t *allow = s->of->query->allow;
    if (allow)
        return vssi_bitmap_rows(allow, *at, end, s->ids, s->tile->rows, at);
    size_t n = vssi_min(s->tile->rows, end - *at);
    for (size_t r = 0; r < n; r++)
        s->ids[r] = (uint32_t)(*at + r);
    *at += n;
    return n;
}

vss_status vssi_flat_codes_tile(const vssi_sq8 *sq8, const vssi_vectors *v, flat_codes_query *of, size_t n,
                                vssi_scratch *scratch, vss_error *err)
{
    tile_search s = {.sq8 = sq8, .v = v, .tile = vssi_tile_best(), .kernels = vssi_tile_codes_best(), .of = of, .n = n};
    const vssi_query *query = of->query;
    size_t end = query->end != 0 ? query->end : v->rows, asked = FLAT_ASK, count;
    VSSI_TRY(tile_begin(&s, scratch, err));
    for (size_t at = query->begin; at < end; asked += count * n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(query->control))
            break;
        asked = asked >= FLAT_ASK ? 0 : asked;
        count = tile_rows(&s, &at, end);
        if (count == 0)
            break;
        tile_panel(&s, count);
        tile_multiply(&s, count, (const char *)sq8->codes + at * sq8->model.size);
        scratch->distances += count * n;
    }
    for (size_t q = 0; q < n; q++) {
        tile_flush(&s, q);
        VSSI_TRY(of[q].topk->status);
    }
    return VSS_OK;
}
