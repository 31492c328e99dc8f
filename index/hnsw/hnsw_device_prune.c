/*
 * hnsw_device_prune.c - rows that a device prunes (vss/device.h)
 *
 * Rows go by the part: PRUNE_BYTES of candidates and links, or a row's. The build's threads copy the candidates, and
 * take what the device has chosen, after a look at it. Rows with too many candidates it leaves to the CPU, which takes
 * over those it is wrong about, too: what is done of a part is done. Where a call fails, and the device is not
 * required, the CPU does what is left, as in hnsw_device.c.
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../device/device.h"
#include "hnsw.h"

#define PRUNE_BYTES ((size_t)8 << 20)

/* Rows that go together. */
typedef struct prune_part {
    const vssi_hnsw_pruning *pruning;
    size_t first, n;
    uint32_t *rows;        /* [n] */
    uint64_t *begins;      /* [n + 1] */
    uint32_t *candidates;
    uint32_t *counts;      /* [n] */
    uint32_t *links;       /* [n][degree] */
    _Atomic size_t wrong;  /* rows up to a wrong one, 0: none */
} prune_part;

static size_t prune_place(const vssi_hnsw_pruning *p, size_t i) { return p->rows ? p->rows[i] : i; }

/* How many rows go together from part->first on, and where their candidates begin, if begins is not NULL. Returns the
 * number of the candidates. */
static size_t prune_fit(const vssi_hnsw_build *b, const vssi_hnsw_pruning *p, size_t first, size_t *n, uint64_t *begins)
{
    const size_t each = (p->degree + 2) * sizeof(uint32_t) + sizeof(uint64_t);
    size_t candidates = 0;
    for (*n = 0; first + *n < p->n; ++*n) {
        size_t size = p->size(b, p->arg, prune_place(p, first + *n));
        if (*n > 0 && (candidates + size) * sizeof(uint32_t) + (*n + 1) * each > PRUNE_BYTES)
            break;
        if (begins != NULL)
            begins[*n] = candidates;
        candidates += size;
    }
    if (begins != NULL)
        begins[*n] = candidates;
    return candidates;
}

static void prune_copy_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    prune_part *part = arg;
    const vssi_hnsw_pruning *p = part->pruning;
    size_t end = vssi_min((unit + 1) * HNSW_PRUNE_UNIT, part->n);
    (void)worker;
    for (size_t i = unit * HNSW_PRUNE_UNIT; i < end; i++) {
        size_t place = prune_place(p, part->first + i);
        part->rows[i] = (uint32_t)place;
        p->copy(b, p->arg, place, part->candidates + part->begins[i]);
    }
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

static void prune_take_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    prune_part *part = arg;
    const vssi_hnsw_pruning *p = part->pruning;
    size_t end = vssi_min((unit + 1) * HNSW_PRUNE_UNIT, part->n);
    for (size_t i = unit * HNSW_PRUNE_UNIT; i < end; i++) {
        bool left = part->counts[i] == VSS_DEVICE_UNSETTLED, right = !left && prune_right(b, part, i);
        if (right) {
            p->take(b, p->arg, part->rows[i], part->links + i * p->degree, part->counts[i]);
            continue;
        }
        p->row(b, worker, p->arg, part->rows[i]);
        if (!left)
            atomic_store(&part->wrong, i + 1);
    }
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

/* The part's rows, pruned. *done: it is, and more can be asked for. */
static vss_status prune_run(vssi_hnsw_build *b, prune_part *part, bool *done, vss_error *err)
{
    const size_t units = vssi_hnsw_divide(part->n, HNSW_PRUNE_UNIT);
    vss_error why = {.status = VSS_OK};
    *done = true;
    VSSI_TRY(vssi_hnsw_run(b, units, 0, prune_copy_unit, part, err));
    vss_status status = prune_ask(b, part, &why);
    if (status == VSS_OK || vssi_device_stopped(b->in->control)) {
        VSSI_TRY(vssi_hnsw_run(b, units, part->pruning->weight * HNSW_PRUNE_UNIT, prune_take_unit, part, err));
        part->first += part->n;
        if (part->wrong > 0)
            status = vssi_fail(&why, VSS_ERR_DEVICE, "device \"%s\": row %u has %u links, wanted %zu at most, to "
                               "other rows of %zu", b->in->device->device->name, part->rows[part->wrong - 1],
                               part->counts[part->wrong - 1], part->pruning->degree, b->n_nodes);
    }
    *done = vssi_device_settles(b->in->device, &status, &why, err);
    return status;
}

/* Room for the largest part. */
static vss_status prune_make(const vssi_hnsw_build *b, prune_part *part, vss_error *err)
{
    const vssi_hnsw_pruning *p = part->pruning;
    size_t rows = 0, candidates = 0;
    for (size_t first = 0, n; first < p->n; first += n) {
        candidates = vssi_max(candidates, prune_fit(b, p, first, &n, NULL));
        rows = vssi_max(rows, n);
    }
    VSSI_TRY(vssi_alloc(b->heap, rows, sizeof *part->rows, &part->rows, err));
    VSSI_TRY(vssi_alloc(b->heap, rows + 1, sizeof *part->begins, &part->begins, err));
    VSSI_TRY(vssi_alloc(b->heap, candidates, sizeof *part->candidates, &part->candidates, err));
    VSSI_TRY(vssi_alloc(b->heap, rows, sizeof *part->counts, &part->counts, err));
    return vssi_alloc(b->heap, rows * p->degree, sizeof *part->links, &part->links, err);
}

vss_status vssi_hnsw_device_prune(vssi_hnsw_build *b, const vssi_hnsw_pruning *pruning, size_t *left, vss_error *err)
{
    prune_part part = {.pruning = pruning};
    bool done = true;
    vss_status status = prune_make(b, &part, err);
    while (status == VSS_OK && done && part.first < pruning->n) {
        (void)prune_fit(b, pruning, part.first, &part.n, part.begins);
        status = prune_run(b, &part, &done, err);
    }
    *left = part.first;
    vssi_free(b->heap, part.rows);
    vssi_free(b->heap, part.begins);
    vssi_free(b->heap, part.candidates);
    vssi_free(b->heap, part.counts);
    vssi_free(b->heap, part.links);
    return status;
}
