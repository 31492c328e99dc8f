/*
 * flat_codes_tile.c - queries against codes in panels: those of the prefix as they are stored, or codes packed
 *
 * As flat_batch.c does with float32, but in whole numbers: panels are multiplied with all queries in groups that fit
 * the registers, and rows that a query's cut lets pass wait for the query's next stage (flat_codes_search.c). Stored
 * panels are taken several at once, few at first: the cut falls fast in the beginning. Codes are packed a panel at a
 * time, of the rows that are allowed.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/tile.h"
#include "flat_codes.h"

#define TILE_PANELS 8u                /* most at once */
#define TILE_BYTES ((size_t)24 << 10) /* of panels at once, which stay in the first cache */

#define TILE_FIRST 64u                /* rows whose codes are compared together */
#define TILE_LOCAL 64u                /* queries from which many share a row whose code is wanted */
#define TILE_LOCAL_LONG 16u           /* and of codes from */
#define TILE_LONG 512u                /* bytes on, which more lines than are asked for belong to */
#define TILE_LOCAL_ROWS 1024u         /* whose codes the second cache holds meanwhile */

typedef struct tile_search {
    const flat_index *index;
    const vssi_vectors *v;
    const vssi_tile_codes *kernels;
    flat_codes_query *of; /* [n] */
    size_t n, groups, begin, end;
    size_t units;
    bool prefix, local;
    uint64_t left;        /* pairs that the prefix can't rule out */
    int64_t *squares;     /* [n]: sum d^2 */
    char *panel;          /* where codes are packed */
    int32_t *halves, *packed, *least;
    uint32_t ids[VSSI_TILE_ROWS];                    /* of the rows packed */
    uint32_t allowed[TILE_PANELS];                   /* places of each panel that count */
    uint32_t hits[TILE_PANELS * VSSI_TILE_QUERIES];
} tile_search;

static size_t tile_group(const tile_search *s, size_t g)
{
    size_t pairs = (s->n + 1) / 2;
    return s->n == 1 ? 1 : 2 * (pairs / s->groups + (g < pairs % s->groups));
}

static const uint8_t *tile_code(const tile_search *s, size_t q)
{
    return s->prefix ? s->of[q].start.code : s->of[q].code.code;
}

/* least = ceil((sum d^2 - cut) / 2) */
static void tile_cut(tile_search *s, size_t q)
{
    const flat_codes_query *one = &s->of[q];
    double cut = s->prefix ? vssi_prefix_steps(&s->index->prefix, &one->start, one->reach) : one->cut;
    double least = cut < 0 ? INT32_MAX : ceil(((double)s->squares[q] - floor(cut)) / 2);
    s->least[q] = (int32_t)fmin(fmax(least, INT32_MIN), INT32_MAX);
}

static void tile_pack_queries(tile_search *s)
{
    int32_t *out = s->packed;
    for (size_t g = 0, q = 0; g < s->groups; g++) {
        size_t count = tile_group(s, g);
        for (size_t i = 0; i < s->units; i++) {
            for (size_t j = 0; j < count; j++, out++) {
                uint32_t four = 0;
                if (q + j < s->n)
                    memcpy(&four, tile_code(s, q + j) + 4 * i, sizeof four);
                *out = (int32_t)(four ^ 0x80808080u);
            }
        }
        q += count;
    }
    for (size_t q = 0; q < s->n; q++) {
        const uint8_t *code = tile_code(s, q);
        s->squares[q] = 0;
        for (size_t i = 0; i < 4 * s->units; i++)
            s->squares[q] += code[i] * code[i];
        tile_cut(s, q);
    }
    if (s->n % 2 != 0)
        s->least[s->n] = INT32_MAX;
}

static vss_status tile_begin(tile_search *s, vssi_scratch *scratch, vss_error *err)
{
    size_t pairs = (s->n + 1) / 2, most = s->kernels->queries / 2, halves = TILE_PANELS * VSSI_TILE_ROWS;
    size_t panel = s->prefix ? 0 : s->units * VSSI_TILE_ROWS, squares = (size_t)vssi_round_up(2 * s->n, 16);
    int32_t *memory;
    s->groups = (pairs + most - 1) / most;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, squares + panel + halves + 2 * pairs * (s->units + 1),
                              sizeof *memory, &memory, err));
    s->squares = (int64_t *)(void *)memory;
    s->panel = (char *)(memory + squares);
    s->halves = memory + squares + panel;
    s->packed = s->halves + halves;
    s->least = s->packed + 2 * pairs * s->units;
    tile_pack_queries(s);
    return VSS_OK;
}

/* Compare the rows that wait for their codes. */
static void tile_narrow(tile_search *s, size_t q)
{
    flat_codes_query *one = &s->of[q];
    if (one->n_first > 0 && vssi_flat_codes_narrow(s->index, s->v, one, one->first, one->n_first))
        tile_cut(s, q);
    one->n_first = 0;
}

/* What query q's hits among stored panels leave over waits for its codes, which are asked for unless they are near. */
static void tile_stored_hits(tile_search *s, size_t q, const uint32_t *hits, size_t stride, size_t n_panels,
                             size_t first)
{
    flat_codes_query *one = &s->of[q];
    size_t size = s->index->sq8.model.size, i = one->n_first;
    one->n_first += (uint32_t)s->kernels->collect(hits, stride, s->allowed, n_panels, (uint32_t)first, one->first + i);
    s->left += one->n_first - i;
    for (; !s->local && i < one->n_first; i++) {
        const char *code = (const char *)s->index->sq8.codes + one->first[i] * size;
        __builtin_prefetch(code);
        __builtin_prefetch(code + size - 1);
    }
    if (one->n_first >= TILE_FIRST)
        tile_narrow(s, q);
}

/* What query q's hits in a packed panel leave over waits for its vectors. */
static void tile_packed_hits(tile_search *s, size_t q, const uint32_t *hits)
{
    uint32_t rows[2 * VSSI_TILE_ROWS];
    if ((*hits & s->allowed[0]) == 0)
        return;
    size_t n = vssi_tile_codes_collect(hits, 1, s->allowed, 1, 0, rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = s->ids[rows[i]];
    if (vssi_flat_codes_keep(s->index, s->v, &s->of[q], rows, n))
        tile_cut(s, q);
}

/* Multiply panels, whose first row is `first` unless they were packed, with all queries. */
static void tile_multiply(tile_search *s, const char *panels, size_t n_panels, size_t first, const char *next)
{
    vssi_tile_codes_job job = {.queries = s->packed, .panels = panels, .n_panels = n_panels, .units = s->units,
                               .halves = s->halves, .least = s->least, .next = next};
    s->kernels->halves(panels, n_panels, s->units, s->halves);
    for (size_t g = 0, q = 0; g < s->groups; g++) {
        size_t count = job.n_queries = tile_group(s, g);
        s->kernels->multiply(&job, s->hits);
        for (size_t j = 0; j < count && q + j < s->n; j++) {
            if (s->prefix)
                tile_stored_hits(s, q + j, s->hits + j, count, n_panels, first);
            else
                tile_packed_hits(s, q + j, s->hits + j);
        }
        q += count;
        job.queries += job.n_queries * job.units;
        job.least += job.n_queries;
    }
}

/* The places in [at, at + 32), at a multiple of 32, that are in the range and allowed. */
static uint32_t tile_allowed(const tile_search *s, size_t at)
{
    const vssi_query *query = s->of->query;
    size_t from = s->begin > at ? s->begin - at : 0, to = vssi_min(s->end - at, VSSI_TILE_ROWS);
    uint32_t places = to == VSSI_TILE_ROWS ? ~0u : (1u << to) - 1;
    if (query->allow)
        places &= (uint32_t)(query->allow[at / 64] >> at % 64);
    return from < VSSI_TILE_ROWS ? places & ~0u << from : 0;
}

/* The stored panels from row *at on; returns how many rows they have. */
static size_t tile_stored(tile_search *s, size_t *at, size_t most)
{
    size_t size = s->units * VSSI_TILE_ROWS * 4, first = *at, n = 0;
    uint32_t any = 0;
    for (; n < most && *at < s->end; n++, *at += VSSI_TILE_ROWS)
        any |= s->allowed[n] = tile_allowed(s, *at);
    const char *panels = s->index->prefix.panels + first / VSSI_TILE_ROWS * size;
    if (any != 0)
        tile_multiply(s, panels, n, first, panels + n * size);
    return n * VSSI_TILE_ROWS;
}

/* A panel packed of the codes of the next rows from *at on that are allowed; returns how many there are. */
static size_t tile_packed(tile_search *s, size_t *at)
{
    const char *rows[VSSI_TILE_ROWS], *codes = (const char *)s->index->sq8.codes;
    const uint64_t *allow = s->of->query->allow;
    size_t size = s->index->sq8.model.size, n = vssi_min(VSSI_TILE_ROWS, s->end - *at);
    if (allow) {
        n = vssi_bitmap_rows(allow, *at, s->end, s->ids, VSSI_TILE_ROWS, at);
    } else {
        for (size_t r = 0; r < n; r++)
            s->ids[r] = (uint32_t)(*at + r);
        *at += n;
    }
    for (size_t r = 0; r < n; r++)
        rows[r] = codes + s->ids[r] * size;
    s->allowed[0] = n == VSSI_TILE_ROWS ? ~0u : (1u << n) - 1;
    s->kernels->pack(rows, n, s->units, s->panel);
    if (n > 0)
        tile_multiply(s, s->panel, 1, 0, codes + *at * size);
    return n;
}

vss_status vssi_flat_codes_tile(const flat_index *index, const vssi_vectors *v, flat_codes_query *of, size_t n,
                                const flat_codes_range *range, vssi_scratch *scratch, uint64_t *left, vss_error *err)
{
    const vssi_query *query = of->query;
    bool prefix = range->prefix;
    size_t units = (prefix ? index->prefix.model.size : index->sq8.model.size) / 4, asked = FLAT_ASK, count;
    size_t most = vssi_max(1, vssi_min(TILE_PANELS, TILE_BYTES / (units * 4 * VSSI_TILE_ROWS))), panels = 1, rows = 0;
    tile_search s = {.index = index, .v = v, .kernels = vssi_tile_codes_best(), .of = of, .n = n, .units = units,
                     .prefix = prefix, .begin = range->begin, .end = range->end};
    s.local = prefix && n >= (index->sq8.model.size < TILE_LONG ? TILE_LOCAL : TILE_LOCAL_LONG);
    VSSI_TRY(tile_begin(&s, scratch, err));
    size_t at = prefix ? s.begin / VSSI_TILE_ROWS * VSSI_TILE_ROWS : s.begin;
    for (; at < s.end; asked += count * n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(query->control))
            break;
        asked = asked >= FLAT_ASK ? 0 : asked;
        count = prefix ? tile_stored(&s, &at, panels) : tile_packed(&s, &at);
        panels = vssi_min(2 * panels, most);
        rows += count;
        for (size_t q = 0; q < n && s.local && rows >= TILE_LOCAL_ROWS; q++)
            tile_narrow(&s, q);
        rows = rows >= TILE_LOCAL_ROWS ? 0 : rows;
        scratch->distances += count * n;
    }
    *left = s.left;
    return VSS_OK;
}
