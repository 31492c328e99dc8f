/*
 * points.cpp - points and centers on their way to the card
 *
 * Bytes travel in pieces of whole points through two pinned buffers, one filled while the other is on its way, into
 * one room of scratch memory, where the card widens them (nearest.h) before the next piece arrives. Memory a point: 2
 * bytes a component, components rounded up to whole pieces of 8, and 4.
 */
#include <cstdio>
#include <cstring>

#include "carve.h"
#include "fail.h"
#include "launches.h"
#include "state.h"

namespace vssg {

Points points_shape(uint64_t n, uint32_t size)
{
    Points points{};
    points.n = n;
    points.size = size;
    points.padded = static_cast<uint32_t>(whole_up(size, 8));
    return points;
}

static size_t points_halves(const Points &p) { return whole_up(p.n * p.padded * sizeof *p.halves, 256); }

size_t points_bytes(const Points &points) { return points_halves(points) + points.n * sizeof *points.squares; }

void points_divide(Points *points, void *memory)
{
    points->halves = static_cast<uint16_t *>(memory);
    points->squares = reinterpret_cast<uint32_t *>(static_cast<char *>(memory) + points_halves(*points));
}

size_t points_room(const Points &points, size_t most)
{
    const uint64_t all = points.n * points.size, share = most < STAGING_BYTES ? most : STAGING_BYTES;
    return all < share ? all : share > points.size ? share : points.size;
}

vss_status points_bring(Call *call, const Points &points, const uint8_t *codes, uint8_t *room, size_t room_bytes,
                        vss_error *err)
{
    const uint64_t whole = room_bytes / points.size;
    unsigned piece = 0;
    VSSG_TRY(call_staging(call, err));
    for (uint64_t done = 0; done < points.n; piece++) {
        char *staging = static_cast<char *>(call->staging) + piece % 2 * STAGING_BYTES;
        Widen job{room, points};
        job.points.n = points.n - done < whole ? points.n - done : whole;
        job.points.halves += done * points.padded;
        job.points.squares += done;
        const size_t bytes = job.points.n * points.size;
        if (piece >= 2)
            VSSG_TRY(runtime_wait(call->stream, piece % 2, err));
        std::memcpy(staging, codes + done * points.size, bytes);
        VSSG_TRY(runtime_copy_up(call->stream, room, staging, bytes, err));
        VSSG_TRY(runtime_mark(call->stream, piece % 2, err));
        VSSG_TRY(launch_widen(call->stream, job, err));
        done += job.points.n;
    }
    return VSS_OK;
}

static size_t points_place(Place *place, const void *from, char (&what)[64])
{
    const vss_device_points *p = static_cast<const vss_device_points *>(from);
    (void)std::snprintf(what, sizeof what, "%llu points of %u bytes", static_cast<unsigned long long>(p->rows),
                        p->size);
    place->points = points_shape(p->rows, p->size);
    return points_bytes(place->points);
}

static vss_status points_load(Device *device, Call *call, Place *place, const void *from, vss_error *err)
{
    const size_t left = device->budget - place->bytes; /* they are within it */
    const size_t room = points_room(place->points, left < device->budget / 8 ? left : device->budget / 8);
    points_divide(&place->points, place->memory);
    VSSG_TRY(call_scratch(device, call, room, err));
    return points_bring(call, place->points, static_cast<const vss_device_points *>(from)->codes,
                        static_cast<uint8_t *>(call->scratch), room, err);
}

vss_status points_take(Device *device, Call *call, void **slot, const vss_device_points *points, Place **out,
                       vss_error *err)
{
    return place_hold(device, call, slot, PlaceFill{points, points_place, points_load}, out, err);
}

} // namespace vssg
