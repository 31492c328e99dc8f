/*
 * hnsw_device_prune.c - rows that a device prunes (vss/device.h)
 *
 * Rows go by the part, some of the build's units each; a thread copies a part's candidates, asks the device, looks at
 * what it has chosen and takes it, as in hnsw_device.c. Rows with too many candidates the device leaves to the CPU,
 * which does those it is wrong about, too: a part that was asked for is done. Where a call fails, and the device is not
 * required, the CPU does the parts that are not.
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../device/device.h"
#include "hnsw_device.h"

/* Rows that go together. */
typedef struct prune_part {
    const vssi_hnsw_pruning *pruning;
    size_t first, n;
    uint32_t *rows;        /* [n] */
    uint64_t *begins;      /* [n + 1] */
    uint32_t *candidates;
    uint32_t *counts;      /* [n] */
    uint32_t *links;       /* [n][degree] */
} prune_part;

typedef struct prune_work {
    const vssi_hnsw_pruning *pruning;
    size_t units;          /* of a part */
    bool *done;            /* [units of all rows] */
    vssi_hnsw_outcome outcome;
} prune_work;

static void prune_copy(const vssi_hnsw_build *b, const prune_part *part)
{
    const vssi_hnsw_pruning *p = part->pruning;
    for (size_t i = 0; i < part->n; i++)
        p->copy(b, p->arg, part->rows[i], part->candidates + part->begins[i]);
}

/* Is what the device says of a row right as places. */
static bool prune_right(const vssi_hnsw_build *b, const prune_part *part, size_t i)
{
    const uint32_t *links = part->links + i * part->pruning->degree;
    if (part->counts[i] > part->pruning->degree)
        return false;
    for (size_t j = 0; j < part->counts[i]; j++) {
        if (links[j] >= b->n_nodes || links[j] == part->rows[i])
            return false;
    }
    return true;
}

/* Every row of the part is pruned then. What is wrong is said in why. */
static vss_status prune_take(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const prune_part *part, vss_error *why)
{
    const vssi_hnsw_pruning *p = part->pruning;
    vss_status status = VSS_OK;
    for (size_t i = 0; i < part->n; i++) {
        const bool left = part->counts[i] == VSS_DEVICE_UNSETTLED;
        if (!left && prune_right(b, part, i)) {
            p->take(b, p->arg, part->rows[i], part->links + i * p->degree, part->counts[i]);
            continue;
        }
        p->row(b, worker, p->arg, part->rows[i]);
        if (!left)
            status = vssi_fail(why, VSS_ERR_DEVICE, "device \"%s\": row %u has %u links, wanted %zu at most, to other "
                               "rows of %zu", b->in->device->device->name, part->rows[i], part->counts[i], p->degree,
                               b->n_nodes);
    }
    return status;
}

static vss_status prune_ask(vssi_hnsw_build *b, const prune_part *part, vss_error *why)
{
    const vss_device *device = b->in->device->device;
    const vssi_hnsw_pruning *p = part->pruning;
    const vss_device_points points = vssi_hnsw_device_points(b);
    const vss_device_prune job = {.struct_size = sizeof job, .most = (uint32_t)p->most, .degree = (uint32_t)p->degree,
                                  .factor = p->factor, .n_rows = part->n, .rows = part->rows, .begins = part->begins,
                                  .candidates = part->candidates, .counts = part->counts, .links = part->links,
                                  .state = b->in->control, .stopped = vssi_device_stopped};
    return device->prune(device->state, &b->place, &points, &job, why);
}

/* Room for the part; its rows, and where their candidates begin. */
static vss_status prune_make(const vssi_hnsw_build *b, prune_part *part, vss_error *err)
{
    const vssi_hnsw_pruning *p = part->pruning;
    VSSI_TRY(vssi_alloc(b->heap, part->n, sizeof *part->rows, &part->rows, err));
    VSSI_TRY(vssi_alloc(b->heap, part->n + 1, sizeof *part->begins, &part->begins, err));
    part->begins[0] = 0;
    for (size_t i = 0; i < part->n; i++) {
        part->rows[i] = p->rows ? p->rows[part->first + i] : (uint32_t)(part->first + i);
        part->begins[i + 1] = part->begins[i] + p->size(b, p->arg, part->rows[i]);
    }
    VSSI_TRY(vssi_alloc(b->heap, part->begins[part->n], sizeof *part->candidates, &part->candidates, err));
    VSSI_TRY(vssi_alloc(b->heap, part->n, sizeof *part->counts, &part->counts, err));
    return vssi_alloc(b->heap, part->n * p->degree, sizeof *part->links, &part->links, err);
}

static void prune_free(vssi_heap *heap, prune_part *part)
{
    vssi_free(heap, part->rows);
    vssi_free(heap, part->begins);
    vssi_free(heap, part->candidates);
    vssi_free(heap, part->counts);
    vssi_free(heap, part->links);
}

static void prune_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    prune_work *work = arg;
    const size_t rows = work->units * HNSW_PRUNE_UNIT, first = unit * rows, n = work->pruning->n;
    prune_part part = {.pruning = work->pruning, .first = first, .n = vssi_min(rows, n - first)};
    vss_error why = {.status = VSS_OK};
    if (atomic_load(&work->outcome.failed))
        return;
    vss_status status = prune_make(b, &part, &why);
    if (status == VSS_OK) {
        prune_copy(b, &part);
        status = prune_ask(b, &part, &why);
    }
    if (status == VSS_OK) {
        status = prune_take(b, worker, &part, &why);
        for (size_t i = 0; i < vssi_hnsw_divide(part.n, HNSW_PRUNE_UNIT); i++)
            work->done[unit * work->units + i] = true;
    }
    if (status != VSS_OK)
        vssi_hnsw_outcome_fail(&work->outcome, status, &why);
    prune_free(b->heap, &part);
}

vss_status vssi_hnsw_device_prune(vssi_hnsw_build *b, const vssi_hnsw_pruning *pruning, bool **done, vss_error *err)
{
    const size_t row = (pruning->usual + pruning->degree + 4) * sizeof(uint32_t);
    const size_t units = vssi_hnsw_divide(pruning->n, HNSW_PRUNE_UNIT);
    prune_work work = {.pruning = pruning};
    VSSI_TRY(vssi_alloc_zero(b->heap, units, sizeof *work.done, &work.done, err));
    *done = work.done;
    work.units = vssi_max(vssi_hnsw_part_bytes(b, pruning->n * row) / (row * HNSW_PRUNE_UNIT), 1);
    return vssi_hnsw_device_run(b, vssi_hnsw_divide(units, work.units), pruning->weight * HNSW_PRUNE_UNIT * work.units,
                                prune_unit, &work, &work.outcome, err);
}
