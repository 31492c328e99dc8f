/*
 * hnsw_device.c - parts of a build by a device (vss/device.h): near points of groups
 *
 * Distances of codes are whole numbers, so that a device keeps what the CPU keeps. It is given groups by the part. Each
 * of the build's threads takes a part, asks the device, looks at the answers and uses them, so that the device works
 * for one thread while the others copy. What fails is told once; the parts under way end, no other begins, and where
 * the device is not required the CPU does the step again, and all steps that follow. A part takes DEVICE_BYTES or its
 * share of DEVICE_ALL, or what a group takes. The codes are copied to the device when it is first asked, and once more
 * when they have moved (hnsw_arrange.c). Locks: one around the first failure.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../device/device.h"
#include "hnsw_device.h"

#define DEVICE_BYTES ((size_t)8 << 20)
#define DEVICE_ALL ((size_t)64 << 20) /* of the parts of all threads */
#define DEVICE_LEAST ((size_t)1 << 18)

/* Groups that go together. */
typedef struct device_part {
    const vssi_hnsw_meeting *meeting;
    size_t first, n;
    uint64_t *begins;       /* [n + 1] */
    uint64_t *pivot_begins; /* [n + 1] */
    uint32_t *members;
    uint32_t *pivots;       /* with pivots */
    uint16_t *answer;
} device_part;

typedef struct device_work {
    const vssi_hnsw_meeting *meeting;
    size_t *starts;         /* [n_parts + 1] groups */
    size_t n_parts;
    vssi_hnsw_outcome outcome;
} device_work;

bool vssi_hnsw_device_can(const vss_device *device) { return device->neighbors != NULL && device->prune != NULL; }

bool vssi_hnsw_on_device(const vssi_hnsw_build *b)
{
    return b->coded && vssi_device_useful(b->in->device) && vssi_hnsw_device_can(b->in->device->device);
}

vss_status vssi_hnsw_device_check(const vssi_hnsw_build *b, vss_error *err)
{
    vssi_device_use *use = b->in->device;
    vss_error why;
    if (!vssi_device_useful(use) || !vssi_hnsw_device_can(use->device) || b->coded)
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

void vssi_hnsw_outcome_fail(vssi_hnsw_outcome *outcome, vss_status status, const vss_error *why)
{
    vssi_mutex_lock(&outcome->mutex);
    if (!atomic_load(&outcome->failed)) {
        outcome->status = status;
        outcome->why = *why;
    }
    atomic_store(&outcome->failed, true);
    vssi_mutex_unlock(&outcome->mutex);
}

vss_status vssi_hnsw_device_run(vssi_hnsw_build *b, size_t n_parts, uint64_t weight, vssi_hnsw_unit unit, void *arg,
                                vssi_hnsw_outcome *outcome, vss_error *err)
{
    vssi_mutex_init(&outcome->mutex);
    vss_status status = vssi_hnsw_run(b, n_parts, weight, unit, arg, err);
    vssi_mutex_destroy(&outcome->mutex);
    if (status == VSS_OK && atomic_load(&outcome->failed)) {
        status = outcome->status;
        (void)vssi_device_settles(b->in->device, &status, &outcome->why, err);
    }
    return status;
}

size_t vssi_hnsw_part_bytes(const vssi_hnsw_build *b, size_t all)
{
    size_t share = vssi_min(DEVICE_BYTES, vssi_min(DEVICE_ALL, all) / b->n_workers);
    return vssi_max(share, DEVICE_LEAST);
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

/* Divide the groups into parts. */
static vss_status device_divide(const vssi_hnsw_build *b, device_work *work, vss_error *err)
{
    const vssi_hnsw_meeting *m = work->meeting;
    size_t all = 0, bytes = 0;
    VSSI_TRY(vssi_alloc(b->heap, m->n_groups + 1, sizeof *work->starts, &work->starts, err));
    for (size_t g = 0; g < m->n_groups; g++)
        all += device_bytes(m, g);
    const size_t most = vssi_hnsw_part_bytes(b, all);
    for (size_t g = 0; g < m->n_groups; g++) {
        bytes += device_bytes(m, g);
        if (g > 0 && bytes <= most)
            continue;
        work->starts[work->n_parts++] = g;
        bytes = device_bytes(m, g);
    }
    work->starts[work->n_parts] = m->n_groups;
    return VSS_OK;
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

/* Use the answers, if they are right. */
static vss_status device_take(vssi_hnsw_build *b, const device_part *part, vss_error *why)
{
    const vssi_hnsw_meeting *m = part->meeting;
    for (size_t g = 0; g < part->n; g++) {
        const size_t n = part->begins[g + 1] - part->begins[g], wrong = device_wrong(part, g);
        if (wrong < n)
            return vssi_fail(why, VSS_ERR_DEVICE, "device \"%s\": member %zu of a group of %zu keeps points that it "
                             "has not met, or too few", b->in->device->device->name, wrong, n);
        m->take(b, m->arg, part->first + g, part->answer + part->begins[g] * m->keep);
    }
    return VSS_OK;
}

static void device_part_free(vssi_heap *heap, device_part *part)
{
    vssi_free(heap, part->begins);
    vssi_free(heap, part->pivot_begins);
    vssi_free(heap, part->members);
    vssi_free(heap, part->pivots);
    vssi_free(heap, part->answer);
}

static vss_status device_part_make(vssi_heap *heap, device_part *part, vss_error *err)
{
    const vssi_hnsw_meeting *m = part->meeting;
    size_t members = 0;
    for (size_t g = 0; g < part->n; g++)
        members += device_members(m, part->first + g);
    VSSI_TRY(vssi_alloc(heap, part->n + 1, sizeof *part->begins, &part->begins, err));
    VSSI_TRY(vssi_alloc(heap, part->n + 1, sizeof *part->pivot_begins, &part->pivot_begins, err));
    VSSI_TRY(vssi_alloc(heap, members, sizeof *part->members, &part->members, err));
    if (m->pivots)
        VSSI_TRY(vssi_alloc(heap, part->n * VSSI_PAIRS_MOST, sizeof *part->pivots, &part->pivots, err));
    return vssi_alloc(heap, members * m->keep, sizeof *part->answer, &part->answer, err);
}

static void device_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t i)
{
    device_work *work = arg;
    device_part part = {.meeting = work->meeting, .first = work->starts[i],
                        .n = work->starts[i + 1] - work->starts[i]};
    vss_error why = {.status = VSS_OK};
    (void)worker;
    if (atomic_load(&work->outcome.failed))
        return;
    vss_status status = device_part_make(b->heap, &part, &why);
    if (status == VSS_OK) {
        device_fill(&part);
        status = device_ask(b, &part, &why);
    }
    if (status == VSS_OK)
        status = device_take(b, &part, &why);
    if (status != VSS_OK)
        vssi_hnsw_outcome_fail(&work->outcome, status, &why);
    device_part_free(b->heap, &part);
}

vss_status vssi_hnsw_device_meet(vssi_hnsw_build *b, const vssi_hnsw_meeting *meeting, bool *done, vss_error *err)
{
    device_work work = {.meeting = meeting};
    vss_status status = device_divide(b, &work, err);
    if (status == VSS_OK && work.n_parts > 0)
        status = vssi_hnsw_device_run(b, work.n_parts, meeting->weight * meeting->n_groups / work.n_parts, device_unit,
                                      &work, &work.outcome, err);
    *done = status == VSS_OK && !atomic_load(&work.outcome.failed);
    vssi_free(b->heap, work.starts);
    return status;
}
