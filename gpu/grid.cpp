/*
 * grid.cpp - points as they are on their way to the card
 *
 * Bytes travel in pieces through two pinned buffers, one filled while the other is on its way, each point filled up
 * with zeros to whole pieces of 16 bytes; then the card adds up their squares. Memory a point: its bytes, rounded up,
 * and 4.
 */
#include <cstdio>
#include <cstring>

#include "carve.h"
#include "fail.h"
#include "launches.h"
#include "state.h"

namespace vssg {

static uint64_t grid_codes(const Grid &grid) { return whole_up(grid.n * grid.stride, 256); }

static size_t grid_place(Place *place, const void *from, char (&what)[64])
{
    const vss_device_points *p = static_cast<const vss_device_points *>(from);
    Grid *grid = &place->grid;
    *grid = Grid{};
    grid->n = p->rows;
    grid->size = p->size;
    grid->stride = static_cast<uint32_t>(whole_up(p->size, sizeof(Piece)));
    (void)std::snprintf(what, sizeof what, "%llu points of %u bytes", static_cast<unsigned long long>(p->rows),
                        p->size);
    return grid_codes(*grid) + grid->n * sizeof *grid->squares;
}

static vss_status grid_bring(Call *call, const Grid &grid, uint8_t *to, const uint8_t *codes, vss_error *err)
{
    const uint64_t whole = STAGING_BYTES / grid.stride;
    unsigned piece = 0;
    VSSG_TRY(call_staging(call, err));
    for (uint64_t done = 0, n; done < grid.n; done += n, piece++) {
        char *staging = static_cast<char *>(call->staging) + piece % 2 * STAGING_BYTES;
        n = grid.n - done < whole ? grid.n - done : whole;
        if (piece >= 2)
            VSSG_TRY(runtime_wait(call->stream, piece % 2, err));
        if (grid.stride == grid.size)
            std::memcpy(staging, codes + done * grid.size, n * grid.size);
        for (uint64_t i = 0; grid.stride != grid.size && i < n; i++) {
            std::memcpy(staging + i * grid.stride, codes + (done + i) * grid.size, grid.size);
            std::memset(staging + i * grid.stride + grid.size, 0, grid.stride - grid.size);
        }
        VSSG_TRY(runtime_copy_up(call->stream, to + done * grid.stride, staging, n * grid.stride, err));
        VSSG_TRY(runtime_mark(call->stream, piece % 2, err));
    }
    return VSS_OK;
}

static vss_status grid_load(Device *, Call *call, Place *place, const void *from, vss_error *err)
{
    Grid *grid = &place->grid;
    uint8_t *codes = static_cast<uint8_t *>(place->memory);
    uint32_t *squares = reinterpret_cast<uint32_t *>(codes + grid_codes(*grid));
    grid->codes = codes;
    grid->squares = squares;
    VSSG_TRY(grid_bring(call, *grid, codes, static_cast<const vss_device_points *>(from)->codes, err));
    return launch_square(call->stream, Square{*grid, squares}, err);
}

vss_status grid_take(Device *device, Call *call, void **slot, const vss_device_points *points, Place **out,
                     vss_error *err)
{
    return place_hold(device, call, slot, PlaceFill{points, grid_place, grid_load}, out, err);
}

} // namespace vssg
