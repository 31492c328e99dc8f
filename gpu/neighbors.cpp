/*
 * neighbors.cpp - the nearest points that the members of groups meet
 *
 * Groups go in strips of NEIGHBORS_IDS members and pivots or fewer, whole groups each: their numbers and the tasks
 * (meet.h) go up, the answers down, through two halves of pinned memory. One half is filled, and emptied, while the
 * card works on the other. The caller is asked before each strip, and at most two are given to the card ahead of it.
 * Cost beside the kernel: 4 bytes a member or pivot and 16 a task up, 2 bytes a member and kept number down; that much
 * of the card's memory for a strip, at most 68 bytes a number (4.5 MB), at least what 2,048 take.
 */
#include <cstring>

#include "carve.h"
#include "fail.h"
#include "launches.h"
#include "state.h"

namespace vssg {

constexpr uint32_t NEIGHBORS_IDS = 65536;  /* of a strip, at most */
constexpr uint32_t NEIGHBORS_LEAST = 2 * VSS_DEVICE_MET;

struct Neighbors {
    Device *device;
    Call *call;
    const Grid *grid;
    const vss_device_neighbors *asked;
    uint32_t room;                     /* numbers of a strip, and tasks */
    size_t ids, tasks, answer, bytes;  /* places in the scratch memory, and in each half of the pinned memory */
};

/* Groups that go together. */
struct NeighborsStrip {
    size_t first, past;     /* groups */
    uint32_t members, ids;
    uint32_t tasks[MEET_FORMS];
    bool live;              /* the card is at work on it */
};

static char *neighbors_pinned(const Neighbors &n, unsigned half)
{
    return static_cast<char *>(n.call->pinned) + half * n.bytes;
}

static void neighbors_plan(Neighbors *n)
{
    const uint64_t answer = n->asked->keep * sizeof(uint16_t), each = sizeof(uint32_t) + sizeof(MeetTask) + answer;
    const uint64_t held = n->grid->n * (n->grid->stride + sizeof(uint32_t)) + 4 * CARVE_WHOLE;
    const uint64_t left = n->device->budget > held ? (n->device->budget - held) / each : 0;
    const uint64_t fit = left < NEIGHBORS_IDS ? left : NEIGHBORS_IDS;
    n->room = static_cast<uint32_t>(fit > NEIGHBORS_LEAST ? fit : NEIGHBORS_LEAST);
    n->ids = carve(&n->bytes, n->room * sizeof(uint32_t));
    n->tasks = carve(&n->bytes, n->room * sizeof(MeetTask));
    n->answer = carve(&n->bytes, n->room * answer);
}

static uint64_t neighbors_pivots(const vss_device_neighbors *asked, size_t group)
{
    return asked->pivot_begins != nullptr ? asked->pivot_begins[group + 1] - asked->pivot_begins[group] : 0;
}

static uint32_t neighbors_form(uint64_t met)
{
    uint32_t form = 0;
    while (met > meet_points(form))
        form++;
    return form;
}

static uint64_t neighbors_members(const vss_device_neighbors *asked, size_t group)
{
    return asked->begins[group + 1] - asked->begins[group];
}

/* Points that a group's members meet. */
static uint64_t neighbors_met(const vss_device_neighbors *asked, size_t group)
{
    return asked->pivot_begins != nullptr ? neighbors_pivots(asked, group) : neighbors_members(asked, group);
}

/* As many groups as go together, from strip->first on. */
static vss_status neighbors_gather(const Neighbors &n, NeighborsStrip *strip, vss_error *err)
{
    const vss_device_neighbors *asked = n.asked;
    for (strip->past = strip->first; strip->past < asked->n_groups; strip->past++) {
        const uint64_t members = neighbors_members(asked, strip->past), pivots = neighbors_pivots(asked, strip->past);
        if (members > VSS_DEVICE_MET || pivots > VSS_DEVICE_MET)
            return fail(err, VSS_ERR_UNSUPPORTED, "group %zu of %llu members and %llu pivots, wanted %u at most",
                        strip->past, static_cast<unsigned long long>(members),
                        static_cast<unsigned long long>(pivots), VSS_DEVICE_MET);
        if (strip->ids + members + pivots > n.room)
            break;
        const uint32_t form = neighbors_form(neighbors_met(asked, strip->past)), each = meet_queries(form);
        strip->members += static_cast<uint32_t>(members);
        strip->ids += static_cast<uint32_t>(members + pivots);
        strip->tasks[form] += (static_cast<uint32_t>(members) + each - 1) / each;
    }
    return VSS_OK;
}

/* Copy numbers of points, all of them there. */
static vss_status neighbors_ids(const Neighbors &n, uint32_t *to, const uint32_t *from, uint32_t count, vss_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
        if (from[i] >= n.grid->n)
            return fail(err, VSS_ERR_UNSUPPORTED, "point %u of %llu in a group", from[i],
                        static_cast<unsigned long long>(n.grid->n));
    }
    return VSS_OK;
}

/* Write numbers and tasks of the strip to `pinned`; tasks by their forms. */
static vss_status neighbors_fill(const Neighbors &n, const NeighborsStrip &strip, char *pinned, vss_error *err)
{
    const vss_device_neighbors *asked = n.asked;
    uint32_t *ids = carved<uint32_t>(pinned, n.ids);
    MeetTask *tasks[MEET_FORMS] = {carved<MeetTask>(pinned, n.tasks)};
    uint32_t member = 0, pivot = strip.members;
    for (uint32_t form = 1; form < MEET_FORMS; form++)
        tasks[form] = tasks[form - 1] + strip.tasks[form - 1];
    for (size_t group = strip.first; group < strip.past; group++) {
        const uint32_t members = static_cast<uint32_t>(neighbors_members(asked, group));
        const uint32_t pivots = static_cast<uint32_t>(neighbors_pivots(asked, group));
        const uint32_t met = static_cast<uint32_t>(neighbors_met(asked, group));
        const uint32_t form = neighbors_form(met), each = meet_queries(form);
        VSSG_TRY(neighbors_ids(n, ids + member, asked->members + asked->begins[group], members, err));
        if (asked->pivot_begins != nullptr)
            VSSG_TRY(neighbors_ids(n, ids + pivot, asked->pivots + asked->pivot_begins[group], pivots, err));
        for (uint32_t q = 0; q < members; q += each)
            *tasks[form]++ = MeetTask{asked->pivot_begins != nullptr ? pivot : member, met, member + q,
                                      members - q < each ? members - q : each};
        member += members;
        pivot += pivots;
    }
    return VSS_OK;
}

static vss_status neighbors_launch(const Neighbors &n, const NeighborsStrip &strip, vss_error *err)
{
    void *scratch = n.call->scratch;
    MeetJob job{*n.grid, carved<uint32_t>(scratch, n.ids), carved<MeetTask>(scratch, n.tasks),
                carved<uint16_t>(scratch, n.answer), n.asked->keep};
    for (uint32_t form = 0; form < MEET_FORMS; form++) {
        if (strip.tasks[form] > 0)
            VSSG_TRY(launch_meet(n.call->stream, job, form, strip.tasks[form], err));
        job.tasks += strip.tasks[form];
    }
    return VSS_OK;
}

/* Give the card the strip that begins with strip->first, through that half of the pinned memory. */
static vss_status neighbors_begin(const Neighbors &n, NeighborsStrip *strip, unsigned half, vss_error *err)
{
    char *pinned = neighbors_pinned(n, half), *scratch = static_cast<char *>(n.call->scratch);
    Stream *stream = n.call->stream;
    const size_t answer = n.asked->keep * sizeof(uint16_t);
    uint32_t tasks = 0;
    if (n.asked->stopped != nullptr && n.asked->stopped(n.asked->state))
        return fail(err, VSS_ERR_CANCELLED, "cancelled");
    VSSG_TRY(neighbors_gather(n, strip, err));
    VSSG_TRY(neighbors_fill(n, *strip, pinned, err));
    for (uint32_t form = 0; form < MEET_FORMS; form++)
        tasks += strip->tasks[form];
    if (tasks == 0)
        return VSS_OK;
    VSSG_TRY(runtime_copy_up(stream, scratch + n.ids, pinned + n.ids, strip->ids * sizeof(uint32_t), err));
    VSSG_TRY(runtime_copy_up(stream, scratch + n.tasks, pinned + n.tasks, tasks * sizeof(MeetTask), err));
    VSSG_TRY(neighbors_launch(n, *strip, err));
    VSSG_TRY(runtime_copy_down(stream, pinned + n.answer, scratch + n.answer, strip->members * answer, err));
    strip->live = true;
    return runtime_mark(stream, half, err);
}

/* What the strip has come to, into the caller's memory. */
static vss_status neighbors_end(const Neighbors &n, NeighborsStrip *strip, unsigned half, vss_error *err)
{
    const uint32_t keep = n.asked->keep;
    strip->live = false;
    VSSG_TRY(runtime_wait(n.call->stream, half, err));
    std::memcpy(n.asked->answer + n.asked->begins[strip->first] * keep, neighbors_pinned(n, half) + n.answer,
                size_t{strip->members} * keep * sizeof(uint16_t));
    return VSS_OK;
}

static vss_status neighbors_strips(const Neighbors &n, vss_error *err)
{
    NeighborsStrip strips[2] = {};
    size_t group = 0;
    for (unsigned half = 0; group < n.asked->n_groups || strips[0].live || strips[1].live; half ^= 1) {
        NeighborsStrip *strip = &strips[half];
        if (strip->live)
            VSSG_TRY(neighbors_end(n, strip, half, err));
        if (group == n.asked->n_groups)
            continue;
        *strip = NeighborsStrip{};
        strip->first = group;
        VSSG_TRY(neighbors_begin(n, strip, half, err));
        group = strip->past;
    }
    return VSS_OK;
}

vss_status neighbors_run(Device *device, Call *call, const Grid &grid, const vss_device_neighbors *asked,
                         vss_error *err)
{
    Neighbors n{};
    n.device = device;
    n.call = call;
    n.grid = &grid;
    n.asked = asked;
    neighbors_plan(&n);
    VSSG_TRY(call_scratch(device, call, n.bytes, err));
    VSSG_TRY(call_pinned(call, 2 * n.bytes, err));
    const vss_status status = neighbors_strips(n, err);
    vss_error other;
    if (status != VSS_OK)
        (void)runtime_finish(call->stream, &other); /* nothing may still write where the next call works */
    return status;
}

} // namespace vssg
