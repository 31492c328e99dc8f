/*
 * nearest.cpp - the nearest centers of all points, by products, and what is added up of each center's points
 *
 * A tile is the products of some points with at most NEAREST_CENTERS centers, all parts of them (points.h) one after
 * another: some tens of MB that should stay in the card's second-level cache. Points go in strips of NEAREST_AHEAD
 * tiles; what a strip has come to is on its way down while the next is worked on. The caller is asked before each
 * strip, and at most two are given to the card ahead of it. Cost: 2 points centers components of the matrix unit, a
 * tile written and read, 8 bytes a point down where they are wanted.
 */
#include <cstring>

#include "carve.h"
#include "fail.h"
#include "launches.h"
#include "state.h"

namespace vssg {

constexpr uint32_t NEAREST_CENTERS = 2048; /* of a tile, at most */
constexpr uint32_t NEAREST_POINTS = 65536; /* of a tile, at most */
constexpr uint32_t NEAREST_AHEAD = 8;      /* tiles of a strip */
constexpr uint32_t NEAREST_EACH = 32;      /* centers that a thread compares, about */

struct Nearest {
    Device *device;
    Call *call;
    const Points *points;
    const vss_device_nearest *asked;
    Points centers;
    uint32_t parts, stride;      /* of a tile: parts of the components, floats of a point in each */
    uint32_t tile_points, strip; /* points of a tile, of a strip */
    size_t bytes, room;          /* of the scratch memory, of what the centers travel through: in the tile's place */
    size_t ready, tile, where, far, tallies; /* places in it: of the centers first */
    size_t inertias, farthest, counts, sums; /* in the tallies */
    size_t tally_bytes;
};

template <class Type> static Type *nearest_at(const Nearest &s, size_t place)
{
    return reinterpret_cast<Type *>(static_cast<char *>(s.call->scratch) + place);
}

static uint64_t nearest_least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Of the centers' tallies, in the order in which they lie: what is copied to pinned memory first. */
static void nearest_divide(Nearest *s)
{
    const uint64_t n = s->centers.n;
    size_t at = 0;
    if (s->asked->counts == nullptr)
        return;
    s->inertias = carve(&at, n * sizeof(uint64_t));
    s->farthest = carve(&at, n * sizeof(uint64_t));
    s->counts = carve(&at, n * sizeof(uint32_t));
    s->sums = carve(&at, n * s->points->size * sizeof(uint32_t));
    s->tally_bytes = at;
}

/* Points of a tile, whose products are of `point` bytes each: what points and centers leave of the budget for tile
 * and strip is often less than its eighth. */
static uint32_t nearest_fit(const Nearest &s, uint64_t point)
{
    const uint64_t held = points_bytes(*s.points) + points_bytes(s.centers) + s.tally_bytes + 4 * CARVE_WHOLE;
    const uint64_t budget = s.device->budget, left = budget > held ? budget - held : 0;
    const uint64_t tile = s.device->options.tile_kb * 1024 / point;
    const uint64_t room = nearest_least(budget / 8, left) / (point + 2 * sizeof(uint32_t) * NEAREST_AHEAD);
    const uint64_t fit = nearest_least(nearest_least(tile, room), NEAREST_POINTS);
    return static_cast<uint32_t>(nearest_least(fit > 0 ? fit : 1, s.points->n));
}

static void nearest_plan(Nearest *s)
{
    const uint64_t n = s->asked->n_centers;
    size_t at = 0;
    s->centers = points_shape(n, s->points->size);
    nearest_divide(s);
    s->parts = (s->centers.padded + POINT_PART - 1) / POINT_PART;
    s->stride = static_cast<uint32_t>((nearest_least(n, NEAREST_CENTERS) + 7) / 8 * 8);
    const uint64_t point = sizeof(float) * s->stride * s->parts;
    s->tile_points = nearest_fit(*s, point);
    s->strip = static_cast<uint32_t>(nearest_least(uint64_t{NEAREST_AHEAD} * s->tile_points, s->points->n));
    const size_t tile = point * s->tile_points;
    s->room = points_room(s->centers, tile);
    s->ready = carve(&at, points_bytes(s->centers));
    s->tile = carve(&at, tile > s->room ? tile : s->room);
    s->where = carve(&at, s->strip * sizeof(uint32_t));
    s->far = carve(&at, s->strip * sizeof(uint32_t));
    s->tallies = carve(&at, s->tally_bytes);
    s->bytes = at;
}

static vss_status nearest_stopped(const Nearest &s, vss_error *err)
{
    if (s.asked->stopped != nullptr && s.asked->stopped(s.asked->state))
        return fail(err, VSS_ERR_CANCELLED, "cancelled");
    return VSS_OK;
}

/* n of the strip's points, from the first of all on and place `at` of the strip, with some of the centers. */
static vss_status nearest_tile(const Nearest &s, uint64_t first, uint32_t at, uint32_t n, uint32_t first_center,
                               vss_error *err)
{
    const uint32_t left = s.centers.n - first_center < s.stride ? static_cast<uint32_t>(s.centers.n) - first_center
                                                                : s.stride;
    const uint32_t padded = s.centers.padded;
    Closest job{};
    float *tile = nearest_at<float>(s, s.tile);
    job.products = tile;
    job.part = static_cast<uint64_t>(n) * s.stride;
    job.parts = s.parts;
    job.stride = s.stride;
    for (uint32_t part = 0; part < s.parts; part++) {
        const uint32_t from = part * POINT_PART, dim = padded - from < POINT_PART ? padded - from : POINT_PART;
        const Product product{s.centers.halves + static_cast<uint64_t>(first_center) * padded + from,
                              s.points->halves + first * padded + from, tile + part * job.part, left, n, dim, s.stride,
                              padded, padded};
        VSSG_TRY(runtime_multiply(s.call->stream, product, err));
    }
    job.point_squares = s.points->squares + first;
    job.center_squares = s.centers.squares + first_center;
    job.n_points = n;
    job.n_centers = left;
    job.first_center = first_center;
    for (job.lanes = 8; job.lanes < THREADS && job.lanes * NEAREST_EACH < left;)
        job.lanes *= 2;
    job.fresh = first_center == 0;
    job.where = nearest_at<uint32_t>(s, s.where) + at;
    job.far = nearest_at<uint32_t>(s, s.far) + at;
    return launch_closest(s.call->stream, job, err);
}

static vss_status nearest_tally(const Nearest &s, uint64_t first, uint32_t n, vss_error *err)
{
    Tally job{};
    job.points = *s.points;
    job.first = first;
    job.n = n;
    job.where = nearest_at<uint32_t>(s, s.where);
    job.far = nearest_at<uint32_t>(s, s.far);
    job.inertias = nearest_at<uint64_t>(s, s.tallies + s.inertias);
    job.farthest = nearest_at<uint64_t>(s, s.tallies + s.farthest);
    job.counts = nearest_at<uint32_t>(s, s.tallies + s.counts);
    job.sums = nearest_at<uint32_t>(s, s.tallies + s.sums);
    return launch_tally(s.call->stream, job, err);
}

/* Where a strip's centers and distances lie in pinned memory. */
static uint32_t *nearest_pinned(const Nearest &s, uint64_t strip)
{
    return static_cast<uint32_t *>(s.call->pinned) + strip % 2 * 2 * s.strip;
}

static uint32_t nearest_count(const Nearest &s, uint64_t strip)
{
    return static_cast<uint32_t>(nearest_least(s.strip, s.points->n - strip * s.strip));
}

/* Compare the points of a strip and send down what is wanted of them. */
static vss_status nearest_strip(const Nearest &s, uint64_t strip, vss_error *err)
{
    const uint32_t n = nearest_count(s, strip);
    const uint64_t first = strip * s.strip;
    uint32_t *pinned = nearest_pinned(s, strip);
    for (uint32_t at = 0; at < n; at += s.tile_points)
        for (uint64_t center = 0; center < s.centers.n; center += s.stride)
            VSSG_TRY(nearest_tile(s, first + at, at, n - at < s.tile_points ? n - at : s.tile_points,
                                  static_cast<uint32_t>(center), err));
    if (s.asked->counts != nullptr)
        VSSG_TRY(nearest_tally(s, first, n, err));
    if (s.asked->where != nullptr)
        VSSG_TRY(runtime_copy_down(s.call->stream, pinned, nearest_at<char>(s, s.where), n * sizeof *pinned, err));
    if (s.asked->far != nullptr)
        VSSG_TRY(runtime_copy_down(s.call->stream, pinned + s.strip, nearest_at<char>(s, s.far), n * sizeof *pinned,
                                   err));
    return runtime_mark(s.call->stream, strip % 2, err);
}

/* What the strip has come to, into the caller's memory. */
static vss_status nearest_collect(const Nearest &s, uint64_t strip, vss_error *err)
{
    const size_t bytes = nearest_count(s, strip) * sizeof(uint32_t);
    const uint32_t *pinned = nearest_pinned(s, strip);
    VSSG_TRY(runtime_wait(s.call->stream, strip % 2, err));
    if (s.asked->where != nullptr)
        std::memcpy(s.asked->where + strip * s.strip, pinned, bytes);
    if (s.asked->far != nullptr)
        std::memcpy(s.asked->far + strip * s.strip, pinned + s.strip, bytes);
    return VSS_OK;
}

static vss_status nearest_strips(const Nearest &s, vss_error *err)
{
    const uint64_t strips = (s.points->n + s.strip - 1) / s.strip;
    for (uint64_t strip = 0; strip < strips + 2; strip++) {
        if (strip >= 2)
            VSSG_TRY(nearest_collect(s, strip - 2, err));
        if (strip >= strips)
            continue;
        VSSG_TRY(nearest_stopped(s, err));
        VSSG_TRY(nearest_strip(s, strip, err));
    }
    return VSS_OK;
}

static vss_status nearest_sums(const Nearest &s, vss_error *err)
{
    const vss_device_nearest *asked = s.asked;
    const size_t n = asked->n_centers;
    const char *pinned = static_cast<const char *>(s.call->pinned);
    const uint64_t *farthest = reinterpret_cast<const uint64_t *>(pinned + s.farthest);
    VSSG_TRY(runtime_copy_down(s.call->stream, s.call->pinned, nearest_at<char>(s, s.tallies), s.sums, err));
    VSSG_TRY(runtime_finish(s.call->stream, err));
    std::memcpy(asked->inertias, pinned + s.inertias, n * sizeof *asked->inertias);
    std::memcpy(asked->counts, pinned + s.counts, n * sizeof *asked->counts);
    for (size_t c = 0; c < n; c++)
        asked->farthest[c] = ~static_cast<uint32_t>(farthest[c]);
    return call_fetch(s.call, asked->sums, nearest_at<char>(s, s.tallies + s.sums),
                      n * s.points->size * sizeof *asked->sums, err);
}

static vss_status nearest_all(Nearest *s, vss_error *err)
{
    const size_t pinned = 4 * sizeof(uint32_t) * s->strip;
    VSSG_TRY(nearest_stopped(*s, err));
    VSSG_TRY(call_scratch(s->device, s->call, s->bytes, err));
    VSSG_TRY(call_pinned(s->call, pinned > s->sums ? pinned : s->sums, err));
    points_divide(&s->centers, nearest_at<char>(*s, s->ready));
    VSSG_TRY(points_bring(s->call, s->centers, s->asked->centers, nearest_at<uint8_t>(*s, s->tile), s->room, err));
    if (s->tally_bytes > 0)
        VSSG_TRY(runtime_clear(s->call->stream, nearest_at<char>(*s, s->tallies), s->tally_bytes, err));
    VSSG_TRY(nearest_strips(*s, err));
    return s->asked->counts != nullptr ? nearest_sums(*s, err) : VSS_OK;
}

vss_status nearest_run(Device *device, Call *call, const Points &points, const vss_device_nearest *asked,
                       vss_error *err)
{
    Nearest s{};
    s.device = device;
    s.call = call;
    s.points = &points;
    s.asked = asked;
    nearest_plan(&s);
    const vss_status status = nearest_all(&s, err);
    vss_error other;
    if (status != VSS_OK)
        (void)runtime_finish(call->stream, &other); /* nothing may still write where the next call works */
    return status;
}

} // namespace vssg
