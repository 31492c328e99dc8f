/*
 * search.cpp - a search: its queries in passes, each from copies up to answers down
 *
 * More than PASS_FEW queries go by products (tile.h) where the card and the kind have them, the others by scans
 * (scan.h): of codes where the rows have them (codes.h), else of the rows as stored. Bounds by these are the narrowest:
 * queries that products or codes leave unsettled are compared with them. What they leave unsettled is the caller's.
 * However many queries of inverted lists are probed for (probe.h), by codes or rows in the same way; what walks over a
 * graph (walk.h) have found is compared as rows of lists are, as stored. Every PASS_AHEAD tiles, and before each pass,
 * the caller is asked whether it has had enough; twice as many tiles at most are given to the card ahead of it.
 */
#include <cstdlib>
#include <cstring>

#include "fail.h"
#include "pass.h"
#include "walks.h"

namespace vssg {

struct Search {
    Device *device;
    Call *call;
    const Rows *rows;
    const Inverted *inverted; /* of the search's lists, or NULL */
    const Graph *graph;       /* of the search, or NULL; without either every row is compared */
    ProbeSizes probed;
    const vss_device_search *asked;
    const vss_device_hits *hits;
    Pass pass;
    uint32_t n;  /* of this pass; at most pass.n */
    Queries queries;
    Lists lists;
    Finals finals;
};

template <class Type> static Type *search_at(const Search &s, size_t place)
{
    return reinterpret_cast<Type *>(static_cast<char *>(s.call->scratch) + place);
}

static vss_status search_stopped(const Search &s, vss_error *err)
{
    if (s.asked->stopped != nullptr && s.asked->stopped(s.asked->state))
        return fail(err, VSS_ERR_CANCELLED, "cancelled");
    return VSS_OK;
}

static size_t search_query_bytes(const Rows &rows)
{
    switch (rows.kind) {
    case Kind::i8:
    case Kind::u8:
        return rows.dim;
    case Kind::bits:
        return rows.dim / 8;
    default:
        return size_t{4} * rows.dim;
    }
}

static vss_status search_allow(const Search &s, vss_error *err)
{
    const size_t bytes = (size_t{s.rows->n} + 63) / 64 * 8;
    if (s.asked->allow == nullptr)
        return VSS_OK;
    VSSG_TRY(call_send(s.call, search_at<char>(s, s.pass.allow), s.asked->allow, bytes, err));
    return runtime_finish(s.call->stream, err);
}

/* The queries and limits that the indices name. */
static vss_status search_copy_up(const Search &s, const uint32_t *indices, vss_error *err)
{
    const size_t bytes = search_query_bytes(*s.rows), stride = s.pass.query_stride;
    char *pinned = static_cast<char *>(s.call->pinned);
    for (size_t q = 0; q < s.n; q++) {
        const char *from = static_cast<const char *>(s.asked->queries) + indices[q] * s.asked->query_stride;
        std::memcpy(pinned + q * stride, from, bytes);
        std::memset(pinned + q * stride + bytes, 0, stride - bytes);
    }
    VSSG_TRY(runtime_copy_up(s.call->stream, search_at<char>(s, s.pass.data), pinned, s.n * stride, err));
    if (s.asked->limits == nullptr)
        return VSS_OK;
    float *limits = reinterpret_cast<float *>(pinned + s.pass.up_limits);
    for (size_t q = 0; q < s.n; q++)
        limits[q] = s.asked->limits[indices[q]];
    return runtime_copy_up(s.call->stream, search_at<char>(s, s.pass.limits), limits, s.n * sizeof(float), err);
}

/* Which lists the queries name. */
static vss_status search_copy_probes(const Search &s, const uint32_t *indices, vss_error *err)
{
    char *pinned = static_cast<char *>(s.call->pinned);
    Share *shares = reinterpret_cast<Share *>(pinned + s.pass.up_shares);
    Part *parts = reinterpret_cast<Part *>(pinned + s.pass.up_parts);
    const size_t n = probes_write(s.asked, indices, s.n, shares, parts);
    VSSG_TRY(runtime_copy_up(s.call->stream, search_at<char>(s, s.pass.shares), shares, s.n * sizeof *shares, err));
    return n == 0 ? VSS_OK
                  : runtime_copy_up(s.call->stream, search_at<char>(s, s.pass.parts), parts, n * sizeof *parts, err);
}

static void search_structs(Search *s)
{
    const Pass &p = s->pass;
    const float *limits = s->asked->limits != nullptr ? search_at<float>(*s, p.limits) : nullptr;
    const bool floats = s->rows->kind == Kind::f16 || s->rows->kind == Kind::bf16;
    s->queries = Queries{search_at<uint8_t>(*s, p.data), p.query_stride, search_at<uint16_t>(*s, p.halves),
                         search_at<double>(*s, p.squares), search_at<float>(*s, p.reaches),
                         search_at<uint8_t>(*s, p.planes), search_at<Coded>(*s, p.coded), s->n,
                         floats ? Kind::f32 : s->rows->kind};
    s->lists = Lists{search_at<uint32_t>(*s, p.cuts), search_at<uint32_t>(*s, p.counts),
                     search_at<Entry>(*s, p.entries), search_at<double>(*s, p.offsets),
                     s->asked->allow != nullptr ? search_at<uint64_t>(*s, p.allow) : nullptr,
                     p.products ? s->rows->dim * 0x1p-110 : 0, p.slices, p.capacity, s->asked->k};
    s->finals = Finals{search_at<uint32_t>(*s, p.found), search_at<uint32_t>(*s, p.rows),
                       search_at<float>(*s, p.values), limits, p.capacity, s->asked->k, p.width,
                       search_at<uint32_t>(*s, p.out_counts), search_at<uint32_t>(*s, p.out_rows),
                       search_at<float>(*s, p.out_values)};
}

static vss_status search_code(const Search &s, vss_error *err)
{
    Code job{};
    job.vectors = s.queries.data;
    job.stride = s.queries.stride;
    job.n = s.n;
    job.dim = s.rows->dim;
    job.size = s.rows->code_size;
    job.kind = s.queries.kind;
    job.unit = s.rows->metric == VSS_METRIC_COSINE;
    job.planes = true;
    job.codes = search_at<uint8_t>(s, s.pass.planes);
    job.coded = search_at<Coded>(s, s.pass.coded);
    return launch_code(s.call->stream, job, err);
}

/* Norms of the queries, what their scores are compared with, their roundings where products or codes want them. */
static vss_status search_prepare(const Search &s, vss_error *err)
{
    const bool bits = s.rows->kind == Kind::bits, products = s.pass.products;
    uint32_t *spread = search_at<uint32_t>(s, s.pass.spread);
    if (products)
        VSSG_TRY(runtime_clear(s.call->stream, spread, sizeof *spread, err));
    if (!bits) {
        Prepare job{};
        job.vectors = s.queries.data;
        job.stride = s.queries.stride;
        job.n = s.n;
        job.dim = s.rows->dim;
        job.padded = s.rows->padded;
        job.kind = s.queries.kind;
        job.unit = s.rows->metric == VSS_METRIC_COSINE;
        job.factor = s.rows->metric == VSS_METRIC_L2 ? 2 : 1;
        job.halves = products ? search_at<uint16_t>(s, s.pass.halves) : nullptr;
        job.squares = search_at<double>(s, s.pass.squares);
        job.spread = products ? spread : nullptr;
        VSSG_TRY(launch_prepare(s.call->stream, job, err));
    }
    if (s.pass.codes)
        VSSG_TRY(search_code(s, err));
    Aim aim{};
    aim.squares = bits ? nullptr : s.queries.squares;
    aim.limits = s.finals.limits;
    aim.reaches = search_at<float>(s, s.pass.reaches);
    aim.offsets = search_at<double>(s, s.pass.offsets);
    aim.cuts = s.lists.cuts;
    aim.n = s.n;
    aim.products = products;
    aim.metric = s.rows->metric;
    aim.tiny = s.lists.tiny;
    return launch_aim(s.call->stream, aim, err);
}

static vss_status search_factor(const Search &s, vss_error *err)
{
    Factor job{};
    job.lengths = s.rows->lengths;
    job.rests = s.rows->rests;
    job.spread = search_at<uint32_t>(s, s.pass.spread);
    job.bases = search_at<float>(s, s.pass.bases);
    job.weights = search_at<float>(s, s.pass.weights);
    job.n = s.rows->n;
    job.whole = (s.rows->n + ROWS_WHOLE - 1) / ROWS_WHOLE * ROWS_WHOLE;
    job.metric = s.rows->metric;
    job.gamma = product_gamma(s.rows->dim);
    return launch_factor(s.call->stream, job, err);
}

static vss_status search_tile(const Search &s, uint32_t first, vss_error *err)
{
    const uint32_t left = s.rows->n - first, n = left < s.pass.tile_rows ? left : s.pass.tile_rows;
    float *tile = search_at<float>(s, s.pass.tile);
    const Product product{s.rows->halves + static_cast<uint64_t>(first) * s.rows->padded, s.queries.halves, tile, n,
                          s.n, s.rows->padded, s.pass.tile_rows, s.rows->padded, s.rows->padded};
    VSSG_TRY(runtime_multiply(s.call->stream, product, err));
    Sift sift{};
    sift.products = tile;
    sift.stride = s.pass.tile_rows;
    sift.bases = search_at<float>(s, s.pass.bases);
    sift.weights = search_at<float>(s, s.pass.weights);
    sift.reaches = s.queries.reaches;
    sift.lists = s.lists;
    sift.first_row = first;
    sift.tile_rows = n;
    sift.slice_rows = s.pass.slice_rows;
    sift.n_queries = s.n;
    sift.fresh = first == 0;
    sift.last = n == left;
    return launch_sift(s.call->stream, sift, err);
}

static vss_status search_tiles(const Search &s, vss_error *err)
{
    unsigned tile = 0;
    VSSG_TRY(search_factor(s, err));
    for (uint64_t first = 0; first < s.rows->n; first += s.pass.tile_rows, tile++) {
        const unsigned event = tile / PASS_AHEAD % RUNTIME_EVENTS;
        if (tile % PASS_AHEAD == 0) {
            VSSG_TRY(search_stopped(s, err));
            if (tile >= RUNTIME_EVENTS * PASS_AHEAD)
                VSSG_TRY(runtime_wait(s.call->stream, event, err));
        }
        VSSG_TRY(search_tile(s, static_cast<uint32_t>(first), err));
        if (tile % PASS_AHEAD == PASS_AHEAD - 1)
            VSSG_TRY(runtime_mark(s.call->stream, event, err));
    }
    return VSS_OK;
}

/* What the walks of the queries find, and the nearest of that. */
static vss_status search_walk(const Search &s, const uint32_t *indices, vss_error *err)
{
    const Pass &p = s.pass;
    uint8_t *codes = search_at<uint8_t>(s, p.walk_codes), *pinned = static_cast<uint8_t *>(s.call->pinned) + p.up_codes;
    WalkJob job{};
    job.walks = walks_plan(*s.graph, s.asked);
    job.walks.allow = s.lists.allow;
    job.walks.numbers = search_at<uint32_t>(s, p.numbers);
    job.walks.shares = search_at<Share>(s, p.shares);
    job.walks.parts = search_at<Part>(s, p.parts);
    job.walks.scored = search_at<uint32_t>(s, p.out_scored);
    job.rows = *s.rows;
    job.queries = s.queries;
    job.code_stride = p.code_stride;
    if (p.code_stride > 0) {
        job.codes = codes;
        walks_codes(*s.graph, s.asked, indices, s.n, pinned);
        VSSG_TRY(runtime_copy_up(s.call->stream, codes, pinned, s.n * p.code_stride, err));
    }
    VSSG_TRY(launch_walk(s.call->stream, job, err));
    const Probes probes{job.walks.numbers, job.walks.parts, job.walks.shares};
    return launch_probe(s.call->stream, ProbeJob{*s.rows, s.queries, s.lists, probes}, err);
}

/* Counts, rows and values of the pass into the caller's. */
static vss_status search_copy_down(const Search &s, const uint32_t *indices, vss_error *err)
{
    const Pass &p = s.pass;
    const char *pinned = static_cast<const char *>(s.call->pinned);
    const uint32_t *counts = reinterpret_cast<const uint32_t *>(pinned);
    const uint32_t *rows = reinterpret_cast<const uint32_t *>(pinned + (p.out_rows - p.out_counts));
    const float *values = reinterpret_cast<const float *>(pinned + (p.out_values - p.out_counts));
    const uint32_t *scored = reinterpret_cast<const uint32_t *>(pinned + (p.out_scored - p.out_counts));
    VSSG_TRY(runtime_copy_down(s.call->stream, s.call->pinned, search_at<char>(s, p.out_counts), p.out_bytes, err));
    VSSG_TRY(runtime_finish(s.call->stream, err));
    for (size_t q = 0; q < s.n; q++) {
        const size_t to = indices[q];
        s.hits->counts[to] = counts[q];
        if (s.graph != nullptr)
            s.hits->scored[to] = scored[q];
        if (counts[q] == VSS_DEVICE_UNSETTLED)
            continue;
        std::memcpy(s.hits->rows + to * s.asked->width, rows + q * p.width, counts[q] * sizeof *rows);
        std::memcpy(s.hits->values + to * s.asked->width, values + q * p.width, counts[q] * sizeof *values);
    }
    return VSS_OK;
}

static vss_status search_probe(const Search &s, const Rows &rows, const Queries &queries, const uint32_t *indices,
                               vss_error *err)
{
    const Probes probes{s.inverted->numbers, search_at<Part>(s, s.pass.parts), search_at<Share>(s, s.pass.shares)};
    VSSG_TRY(search_copy_probes(s, indices, err));
    return launch_probe(s.call->stream, ProbeJob{rows, queries, s.lists, probes}, err);
}

/* Bounds of all rows that the queries are to be compared with, into the lists. */
static vss_status search_compare(const Search &s, const uint32_t *indices, vss_error *err)
{
    const Rows rows = s.pass.codes ? coded_rows(*s.rows) : *s.rows;
    const Queries queries = s.pass.codes ? coded_queries(*s.rows, s.queries) : s.queries;
    if (s.graph != nullptr)
        return search_walk(s, indices, err);
    if (s.inverted != nullptr)
        return search_probe(s, rows, queries, indices, err);
    if (s.pass.products)
        return search_tiles(s, err);
    return launch_scan(s.call->stream, ScanJob{rows, queries, s.lists, s.pass.slice_rows}, err);
}

static vss_status search_pass(Search *s, const uint32_t *indices, vss_error *err)
{
    Stream *stream = s->call->stream;
    search_structs(s);
    VSSG_TRY(search_stopped(*s, err));
    VSSG_TRY(search_copy_up(*s, indices, err));
    VSSG_TRY(search_prepare(*s, err));
    VSSG_TRY(search_compare(*s, indices, err));
    VSSG_TRY(launch_gather(stream, s->lists, s->finals, s->n, err));
    VSSG_TRY(launch_values(stream, *s->rows, s->queries, s->finals, err));
    VSSG_TRY(launch_pick(stream, s->finals, s->n, err));
    return search_copy_down(*s, indices, err);
}

/* All the queries that the indices name, one way. */
static vss_status search_passes(Search *s, const uint32_t *indices, uint32_t n, bool products, bool codes,
                                vss_error *err)
{
    if (n == 0)
        return VSS_OK;
    const bool probes = s->inverted != nullptr || s->graph != nullptr;
    s->pass = Pass{};
    s->pass.products = products;
    s->pass.codes = codes;
    pass_plan(s->device, *s->rows, s->asked, probes ? &s->probed : nullptr, n, &s->pass);
    const size_t up = s->pass.up_bytes;
    VSSG_TRY(call_scratch(s->device, s->call, s->pass.bytes, err));
    VSSG_TRY(call_pinned(s->call, up > s->pass.out_bytes ? up : s->pass.out_bytes, err));
    VSSG_TRY(search_allow(*s, err));
    for (uint32_t done = 0; done < n; done += s->n) {
        s->n = n - done < s->pass.n ? n - done : s->pass.n;
        VSSG_TRY(search_pass(s, indices + done, err));
    }
    return VSS_OK;
}

static vss_status search_all(Search *s, uint32_t *indices, vss_error *err)
{
    const uint32_t n = static_cast<uint32_t>(s->asked->n_queries);
    const bool every = s->inverted == nullptr && s->graph == nullptr;
    const bool products = every && n > PASS_FEW && s->rows->kind != Kind::bits && s->device->card.products;
    const bool codes = !products && s->graph == nullptr && s->rows->codes != nullptr;
    uint32_t left = 0;
    if (s->graph != nullptr)
        s->probed = walks_measure(*s->graph, s->asked);
    else if (s->inverted != nullptr)
        VSSG_TRY(probes_measure(s->asked, &s->probed, err));
    for (uint32_t q = 0; q < n; q++)
        indices[q] = q;
    VSSG_TRY(search_passes(s, indices, n, products, codes, err));
    for (uint32_t q = 0; (products || codes) && q < n; q++)
        if (s->hits->counts[q] == VSS_DEVICE_UNSETTLED)
            indices[left++] = q;
    return search_passes(s, indices, left, false, false, err);
}

static void search_nothing(const vss_device_search *search, const vss_device_hits *hits)
{
    for (size_t q = 0; q < search->n_queries; q++)
        hits->counts[q] = VSS_DEVICE_UNSETTLED;
    if (hits->scored != nullptr)
        std::memset(hits->scored, 0, search->n_queries * sizeof *hits->scored);
}

vss_status search_run(Device *device, Call *call, const Rows &rows, const Inverted *lists, const Graph *graph,
                      const vss_device_search *search, const vss_device_hits *hits, vss_error *err)
{
    Search s{};
    s.device = device;
    s.call = call;
    s.rows = &rows;
    s.inverted = lists;
    s.graph = graph;
    s.asked = search;
    s.hits = hits;
    if ((lists != nullptr && lists->doubled) || (graph != nullptr && graph->damaged)) {
        search_nothing(search, hits);
        return VSS_OK;
    }
    uint32_t *indices = static_cast<uint32_t *>(std::calloc(search->n_queries, sizeof *indices));
    if (indices == nullptr)
        return fail(err, VSS_ERR_NO_MEMORY, "out of memory for %zu queries", search->n_queries);
    const vss_status status = search_all(&s, indices, err);
    vss_error other;
    if (status != VSS_OK)
        (void)runtime_finish(call->stream, &other); /* nothing may still write where the next call works */
    std::free(indices);
    return status;
}

} // namespace vssg
