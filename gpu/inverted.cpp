/*
 * inverted.cpp - the rows of inverted lists on the card
 *
 * 4 bytes a row's number. It is checked that lists begin where they may and, by a bitmap of the rows, that no row is in
 * them twice: what libvss built has none, and queries of lists that have are left to the CPU, as a row that counted
 * twice would move the k-th. Cost: that, once; reading the numbers.
 */
#include <cstdio>
#include <cstdlib>

#include "fail.h"
#include "state.h"

namespace vssg {

struct InvertedFrom {
    const vss_device_lists *lists;
    uint64_t rows;
};

static vss_status inverted_check(const vss_device_lists *lists, uint64_t rows, vss_error *err)
{
    if (lists->begins[0] != 0 || lists->begins[lists->n_lists] > rows)
        return fail(err, VSS_ERR_INVALID, "lists from %u to %u, wanted 0 to %llu at most", lists->begins[0],
                    lists->begins[lists->n_lists], static_cast<unsigned long long>(rows));
    for (uint32_t i = 0; i < lists->n_lists; i++)
        if (lists->begins[i + 1] < lists->begins[i])
            return fail(err, VSS_ERR_INVALID, "list %u begins at %u and ends at %u", i, lists->begins[i],
                        lists->begins[i + 1]);
    return VSS_OK;
}

/* Is a row there twice? */
static vss_status inverted_doubled(const vss_device_lists *lists, uint64_t rows, bool *doubled, vss_error *err)
{
    const uint32_t n = lists->begins[lists->n_lists];
    uint64_t *seen = static_cast<uint64_t *>(std::calloc(rows / 64 + 1, sizeof *seen));
    if (seen == nullptr)
        return fail(err, VSS_ERR_NO_MEMORY, "out of memory for a bitmap of %llu rows",
                    static_cast<unsigned long long>(rows));
    *doubled = false;
    for (uint32_t i = 0; i < n && !*doubled; i++) {
        const uint32_t row = lists->rows[i];
        if (row >= rows)
            continue;
        *doubled = (seen[row / 64] >> row % 64 & 1) != 0;
        seen[row / 64] |= uint64_t{1} << row % 64;
    }
    std::free(seen);
    return VSS_OK;
}

static size_t inverted_shape(Place *place, const void *from, char (&what)[64])
{
    const vss_device_lists *lists = static_cast<const InvertedFrom *>(from)->lists;
    place->inverted = Inverted{};
    place->inverted.n = lists->begins[lists->n_lists];
    (void)std::snprintf(what, sizeof what, "%u lists of %u rows", lists->n_lists, place->inverted.n);
    return size_t{place->inverted.n} * sizeof(uint32_t) + 1;
}

static vss_status inverted_load(Device *, Call *call, Place *place, const void *from, vss_error *err)
{
    const InvertedFrom *asked = static_cast<const InvertedFrom *>(from);
    Inverted *inverted = &place->inverted;
    VSSG_TRY(inverted_doubled(asked->lists, asked->rows, &inverted->doubled, err));
    inverted->numbers = static_cast<const uint32_t *>(place->memory);
    return call_send(call, place->memory, asked->lists->rows, inverted->n * sizeof(uint32_t), err);
}

vss_status inverted_take(Device *device, Call *call, void **slot, const vss_device_lists *lists, uint64_t rows,
                         Place **out, vss_error *err)
{
    const InvertedFrom from{lists, rows};
    *out = nullptr;
    VSSG_TRY(inverted_check(lists, rows, err));
    return place_hold(device, call, slot, PlaceFill{&from, inverted_shape, inverted_load}, out, err);
}

} // namespace vssg
