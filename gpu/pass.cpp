/*
 * pass.cpp - how many queries go together, in how many lists, and where what they need lies
 *
 * Products: a tile is as many rows as fit its bytes for all queries of the pass. Where the queries alone make too few
 * blocks for the card, the rows are divided among several lists a query: more lists mean more rows that are near within
 * theirs only, so the k of all lists together is bounded.
 *
 * Inverted lists: a pass is one launch that reads a bounded number of bytes, counted as if all queries named as many
 * rows as the one that names most. Walks over a graph: as lists of as many rows as a walk keeps.
 */
#include "pass.h"

#include "carve.h"

namespace vssg {

static uint64_t pass_share(uint64_t n, uint64_t by) { return (n + by - 1) / by; }
static uint64_t pass_least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Lists of a query, for rows that are divided in whole pieces; of `least` rows or more. */
static void pass_slices(const Device *device, Pass *pass, uint32_t k, uint64_t groups, uint64_t rows, uint64_t piece,
                        uint64_t least)
{
    const uint64_t each = pass->products ? PASS_BLOCKS : PASS_SCANS;
    uint64_t slices = pass_share(each * device->card.multiprocessors, groups);
    slices = pass_least(slices, pass_share(rows, least));
    slices = pass_least(slices, PASS_KEPT / k);
    slices = pass_least(slices, PASS_ENTRIES / (sizeof(Entry) * pass->capacity * pass->n));
    slices = slices > 0 ? slices : 1;
    pass->slice_rows = static_cast<uint32_t>(whole_up(pass_share(rows, slices), piece));
    pass->slices = static_cast<uint32_t>(pass_share(rows, pass->slice_rows));
}

static void pass_shape(const Device *device, const Rows &rows, uint32_t k, const ProbeSizes *probed, Pass *pass)
{
    const uint64_t whole = whole_up(rows.n, ROWS_WHOLE);
    pass->capacity = 2 * k + LIST_SPARE;
    pass->tile_rows = 0;
    if (probed != nullptr) {
        pass_slices(device, pass, k, pass->n, probed->rows > 0 ? probed->rows : 1, THREADS, THREADS);
        return;
    }
    if (!pass->products) {
        pass_slices(device, pass, k, pass_share(pass->n, scan_width(pass->n)), rows.n, THREADS, ROWS_WHOLE);
        return;
    }
    const uint64_t fit = device->options.tile_kb * 1024 / (sizeof(float) * pass->n) / ROWS_WHOLE * ROWS_WHOLE;
    pass->tile_rows = static_cast<uint32_t>(pass_least(fit > 0 ? fit : ROWS_WHOLE, whole));
    pass_slices(device, pass, k, pass_share(pass->n, SIFT_QUERIES), pass->tile_rows, ROWS_WHOLE, ROWS_WHOLE);
}

static void pass_divide_up(bool lists, Pass *pass)
{
    const uint64_t n = pass->n;
    pass->up_limits = n * pass->query_stride;
    pass->up_shares = whole_up(pass->up_limits + n * sizeof(float), 16);
    pass->up_parts = pass->up_shares + (lists ? n * sizeof(Share) : 0);
    pass->up_codes = whole_up(pass->up_parts + n * pass->parts_most * sizeof(Part), 16);
    pass->up_bytes = pass->up_codes + n * pass->code_stride;
}

static void pass_divide(const Rows &rows, const vss_device_search *search, const ProbeSizes *probed, Pass *pass)
{
    const uint64_t n = pass->n, whole = whole_up(rows.n, ROWS_WHOLE), lists = n * pass->slices;
    const bool products = pass->products, walks = probed != nullptr && probed->walks;
    size_t at = 0;
    pass->allow = carve(&at, search->allow != nullptr ? pass_share(rows.n, 64) * 8 : 0);
    pass->data = carve(&at, n * pass->query_stride);
    pass->halves = carve(&at, products ? n * rows.padded * 2 : 0);
    pass->planes = carve(&at, pass->codes ? n * rows.code_size * 2 : 0);
    pass->coded = carve(&at, pass->codes ? n * sizeof(Coded) : 0);
    pass->squares = carve(&at, n * sizeof(double));
    pass->offsets = carve(&at, n * sizeof(double));
    pass->reaches = carve(&at, n * sizeof(float));
    pass->limits = carve(&at, n * sizeof(float));
    pass->cuts = carve(&at, n * sizeof(uint32_t));
    pass->spread = carve(&at, sizeof(uint32_t));
    pass->bases = carve(&at, products ? whole * sizeof(float) : 0);
    pass->weights = carve(&at, products ? whole * sizeof(float) : 0);
    pass->tile = carve(&at, n * pass->tile_rows * sizeof(float));
    pass->counts = carve(&at, lists * sizeof(uint32_t));
    pass->entries = carve(&at, lists * pass->capacity * sizeof(Entry));
    pass->shares = carve(&at, probed != nullptr ? n * sizeof(Share) : 0);
    pass->parts = carve(&at, n * pass->parts_most * sizeof(Part));
    pass->numbers = carve(&at, walks ? n * probed->rows * sizeof(uint32_t) : 0);
    pass->walk_codes = carve(&at, n * pass->code_stride);
    pass->found = carve(&at, n * sizeof(uint32_t));
    pass->rows = carve(&at, n * pass->capacity * sizeof(uint32_t));
    pass->values = carve(&at, n * pass->capacity * sizeof(float));
    pass->out_counts = carve(&at, n * sizeof(uint32_t));
    pass->out_rows = carve(&at, n * pass->width * sizeof(uint32_t));
    pass->out_values = carve(&at, n * pass->width * sizeof(float));
    pass->out_scored = carve(&at, walks ? n * sizeof(uint32_t) : 0);
    pass->out_bytes = at - pass->out_counts;
    pass->bytes = at;
}

/* Bytes of scratch memory to aim at: what the rows leave of the budget is often less than its quarter. */
static size_t pass_room(const Device *device, const Rows &rows, const ProbeSizes *probed)
{
    const size_t held = place_bytes(rows) + (probed != nullptr ? probed->held : 0);
    const size_t left = device->budget > held ? device->budget - held : 0;
    return pass_least(PASS_SCRATCH, pass_least(device->budget / 4, left));
}

/* Queries that may go together. */
static uint64_t pass_queries(const Rows &rows, const ProbeSizes *probed)
{
    if (probed == nullptr || probed->rows == 0)
        return PASS_QUERIES;
    const uint64_t most =
        pass_least(PASS_READ / (probed->rows * rows.stride), PASS_PARTS / (probed->parts * sizeof(Part)));
    return most > 0 ? pass_least(most, PASS_QUERIES) : 1;
}

void pass_plan(const Device *device, const Rows &rows, const vss_device_search *search, const ProbeSizes *probed,
               uint32_t n, Pass *pass)
{
    const size_t most = pass_room(device, rows, probed);
    const bool halves = rows.kind == Kind::f16 || rows.kind == Kind::bf16;
    pass->parts_most = probed != nullptr ? probed->parts : 0;
    pass->code_stride = probed != nullptr ? probed->code_stride : 0;
    pass->query_stride = rows.stride * (halves ? 2 : 1);
    /* More places than there are rows are never filled. */
    pass->width = static_cast<uint32_t>(pass_least(search->width, rows.n));
    pass->n = static_cast<uint32_t>(pass_share(n, pass_share(n, pass_queries(rows, probed)))); /* passes of one size */
    for (;;) {
        pass_shape(device, rows, search->k, probed, pass);
        pass_divide(rows, search, probed, pass);
        pass_divide_up(probed != nullptr, pass);
        if (pass->bytes <= most || pass->n == 1)
            return;
        pass->n = static_cast<uint32_t>(pass_share(pass->n, 2));
    }
}

} // namespace vssg
