/*
 * hnsw_device.c - parts of a build by a device (vss/device.h): near points of groups
 *
 * Distances of codes are whole numbers, so that a device keeps what the CPU keeps. It is given groups by the part:
 * DEVICE_BYTES of members, pivots and answers; what it has answered is looked at before it is used as a number, by the
 * build's threads, which ask for the caller's wish and tell progress. A part takes DEVICE_BYTES, or what a group takes;
 * the codes are copied to the device when it is first asked, and once more when they have moved (hnsw_arrange.c). Where
 * a call fails, and the device is not required, the CPU does what is left of the step, and all steps that follow.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../device/device.h"
#include "hnsw.h"

#define DEVICE_BYTES ((size_t)4 << 20)

/* Groups that go together. */
typedef struct device_part {
    const vssi_hnsw_meeting *meeting;
    size_t first, n;
    uint64_t *begins;       /* [n + 1] */
    uint64_t *pivot_begins; /* [n + 1], with pivots */
    uint32_t *members;
    uint32_t *pivots;       /* with pivots */
    uint16_t *answer;
    _Atomic size_t wrong;   /* groups up to a wrong one, 0: none */
} device_part;

bool vssi_hnsw_device_can(const vss_device *device) { return device->neighbors != NULL && device->prune != NULL; }

bool vssi_hnsw_on_device(const vssi_hnsw_build *b)
{
    return b->coded && vssi_device_useful(b->in->device) && vssi_hnsw_device_can(b->in->device->device);
}

vss_status vssi_hnsw_device_check(const vssi_hnsw_build *b, vss_error *err)
{
    vssi_device_use *use = b->in->device;
    vss_error why;
    if (!vssi_device_useful(use) || b->coded)
        return VSS_OK;
    vss_status status = vssi_fail(&why, VSS_ERR_UNSUPPORTED, "device \"%s\": graphs whose vectors are compared as "
                                  "float32, not by codes, are not built there", use->device->name);
    (void)vssi_device_settles(use, &status, &why, err);
    return status;
}

void vssi_hnsw_device_forget(vssi_hnsw_build *b)
{
    if (b->place != NULL)
        b->in->device->device->forget(b->in->device->device->state, b->place);
    b->place = NULL;
}

vss_device_points vssi_hnsw_device_points(const vssi_hnsw_build *b)
{
    return (vss_device_points){.struct_size = sizeof(vss_device_points), .size = (uint32_t)b->vector_size,
                               .rows = b->n_nodes, .codes = b->codes};
}

static size_t device_members(const vssi_hnsw_meeting *m, size_t group)
{
    return m->groups[group].end - m->groups[group].begin;
}

/* Bytes of a part that a group takes. */
static size_t device_bytes(const vssi_hnsw_meeting *m, size_t group)
{
    size_t pivots = m->pivots ? VSSI_PAIRS_MOST * sizeof(uint32_t) : 0;
    return device_members(m, group) * (sizeof(uint32_t) + m->keep * sizeof(uint16_t)) + pivots + 2 * sizeof(uint64_t);
}

static size_t device_fit(const vssi_hnsw_meeting *m, size_t first)
{
    size_t n = 0, bytes = 0;
    while (first + n < m->n_groups && (n == 0 || bytes + device_bytes(m, first + n) <= DEVICE_BYTES))
        bytes += device_bytes(m, first + n++);
    return n;
}

static void device_fill(device_part *part)
{
    const vssi_hnsw_meeting *m = part->meeting;
    part->begins[0] = part->pivot_begins[0] = 0;
    for (size_t g = 0; g < part->n; g++) {
        const vssi_hnsw_group *group = &m->groups[part->first + g];
        uint32_t *to = part->members + part->begins[g];
        for (uint32_t i = group->begin; i < group->end; i++)
            *to++ = m->instances[i] / HNSW_FANOUT;
        part->begins[g + 1] = (uint64_t)(to - part->members);
        size_t pivots = m->pivots ? m->pivots(m->arg, part->first + g, part->pivots + part->pivot_begins[g]) : 0;
        part->pivot_begins[g + 1] = part->pivot_begins[g] + pivots;
    }
}

static vss_status device_ask(vssi_hnsw_build *b, const device_part *part, vss_error *why)
{
    const vss_device *device = b->in->device->device;
    const bool pivots = part->meeting->pivots != NULL;
    const vss_device_points points = vssi_hnsw_device_points(b);
    const vss_device_neighbors job = {.struct_size = sizeof job, .keep = (uint32_t)part->meeting->keep,
                                      .n_groups = part->n, .begins = part->begins, .members = part->members,
                                      .pivot_begins = pivots ? part->pivot_begins : NULL,
                                      .pivots = pivots ? part->pivots : NULL, .answer = part->answer,
                                      .state = b->in->control, .stopped = vssi_device_stopped};
    return device->neighbors(device->state, &b->place, &points, &job, why);
}

/* Can what a member keeps be right: numbers of what is met, not its own, as many as there are. In 16 bits, so that
 * several are looked at at once. */
static bool device_right(const uint16_t *answer, size_t keep, size_t least, size_t met, uint16_t self)
{
    const uint16_t past = (uint16_t)met;
    uint16_t wrong = 0;
    for (size_t i = 0; i < least; i++)
        wrong |= (uint16_t)((answer[i] >= past) | (answer[i] == self));
    for (size_t i = least; i < keep; i++)
        wrong |= answer[i] != VSS_DEVICE_NONE;
    return wrong == 0;
}

/* The first member of a group that keeps what can't be right; past all, there is none. */
static size_t device_wrong(const device_part *part, size_t group)
{
    const size_t keep = part->meeting->keep, n = part->begins[group + 1] - part->begins[group];
    const bool pivots = part->meeting->pivots != NULL;
    const size_t met = pivots ? part->pivot_begins[group + 1] - part->pivot_begins[group] : n;
    const uint16_t *answer = part->answer + part->begins[group] * keep;
    size_t i = 0;
    while (i < n && device_right(answer + i * keep, keep, vssi_min(keep, pivots ? met : met - 1), met,
                                 pivots ? (uint16_t)VSS_DEVICE_NONE : (uint16_t)i))
        i++;
    return i;
}

static void device_take(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t group)
{
    device_part *part = arg;
    const size_t keep = part->meeting->keep, members = part->begins[group + 1] - part->begins[group];
    (void)worker;
    if (device_wrong(part, group) < members)
        atomic_store(&part->wrong, group + 1);
    else
        part->meeting->take(b, part->meeting->arg, part->first + group, part->answer + part->begins[group] * keep);
}

/* The device's answers to a part, taken. */
static vss_status device_part_run(vssi_hnsw_build *b, device_part *part, bool *done, vss_error *err)
{
    vss_error why = {.status = VSS_OK};
    vss_status status = device_ask(b, part, &why);
    *done = true;
    if (status == VSS_OK || vssi_device_stopped(b->in->control)) {
        VSSI_TRY(vssi_hnsw_run(b, part->n, part->meeting->weight, device_take, part, err));
        if (part->wrong > 0) {
            size_t group = part->wrong - 1, n = part->begins[group + 1] - part->begins[group];
            status = vssi_fail(&why, VSS_ERR_DEVICE, "device \"%s\": member %zu of a group of %zu keeps points "
                               "that it has not met, or too few", b->in->device->device->name,
                               device_wrong(part, group), n);
        }
    }
    *done = vssi_device_settles(b->in->device, &status, &why, err);
    return status;
}

static void device_part_free(vssi_heap *heap, device_part *part)
{
    vssi_free(heap, part->begins);
    vssi_free(heap, part->pivot_begins);
    vssi_free(heap, part->members);
    vssi_free(heap, part->pivots);
    vssi_free(heap, part->answer);
}

/* Room for the largest part. */
static vss_status device_part_make(vssi_heap *heap, device_part *part, vss_error *err)
{
    const vssi_hnsw_meeting *m = part->meeting;
    size_t groups = 0, members = 0;
    for (size_t first = 0, n; first < m->n_groups; first += n) {
        size_t here = 0;
        n = device_fit(m, first);
        for (size_t g = 0; g < n; g++)
            here += device_members(m, first + g);
        groups = vssi_max(groups, n);
        members = vssi_max(members, here);
    }
    VSSI_TRY(vssi_alloc(heap, groups + 1, sizeof *part->begins, &part->begins, err));
    VSSI_TRY(vssi_alloc(heap, groups + 1, sizeof *part->pivot_begins, &part->pivot_begins, err));
    VSSI_TRY(vssi_alloc(heap, members, sizeof *part->members, &part->members, err));
    if (m->pivots)
        VSSI_TRY(vssi_alloc(heap, groups * VSSI_PAIRS_MOST, sizeof *part->pivots, &part->pivots, err));
    return vssi_alloc(heap, members * m->keep, sizeof *part->answer, &part->answer, err);
}

vss_status vssi_hnsw_device_meet(vssi_hnsw_build *b, const vssi_hnsw_meeting *meeting, size_t *left, vss_error *err)
{
    device_part part = {.meeting = meeting};
    bool done = true;
    vss_status status = device_part_make(b->heap, &part, err);
    *left = 0;
    while (status == VSS_OK && done && part.first < meeting->n_groups) {
        part.n = device_fit(meeting, part.first);
        device_fill(&part);
        status = device_part_run(b, &part, &done, err);
        part.first += done ? part.n : 0;
    }
    *left = part.first;
    device_part_free(b->heap, &part);
    return status;
}
