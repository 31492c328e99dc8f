/*
 * prune.cpp - rows whose candidates become links
 *
 * Rows go in strips: candidates and tasks (thin.h) go up, counts and links down, through two halves of pinned memory,
 * one filled and emptied while the card works on the other. Rows of up to PRUNE_FEW candidates go four a block, of up
 * to THIN_CANDIDATES one; longer ones are left to the CPU. The caller is asked before each strip. Cost beside the
 * kernel: 4 bytes a candidate and 16 a row up, 4 bytes a row and a place for a link down. A strip takes PRUNE_BYTES of
 * the card's memory, or what is left of it, at least what a row may.
 */
#include <cmath>
#include <cstring>

#include "carve.h"
#include "fail.h"
#include "launches.h"
#include "state.h"

namespace vssg {

constexpr uint64_t PRUNE_BYTES = uint64_t{8} << 20;
constexpr uint32_t PRUNE_FEW = THIN_CANDIDATES / 4;

struct Prune {
    Device *device;
    Call *call;
    const Grid *grid;
    const vss_device_prune *asked;
    uint32_t rows, room; /* of a strip: rows, candidates */
    size_t tasks, candidates, counts, links, bytes; /* places in the scratch memory and each half of the pinned one */
};

/* Rows that go together. */
struct PruneStrip {
    size_t first;
    uint32_t n, few, many, candidates; /* few, many: rows of each form */
    bool live;                         /* the card is at work on it */
};

static char *prune_pinned(const Prune &p, unsigned half)
{
    return static_cast<char *>(p.call->pinned) + half * p.bytes;
}

/* Half of a strip's bytes for candidates, half for what goes by rows. */
static void prune_plan(Prune *p)
{
    const uint64_t row = sizeof(ThinTask) + (1 + uint64_t{p->asked->degree}) * sizeof(uint32_t);
    const uint64_t held = p->grid->n * (p->grid->stride + sizeof(uint32_t)) + 6 * CARVE_WHOLE;
    const uint64_t left = p->device->budget > held ? p->device->budget - held : 0;
    const uint64_t half = (left < PRUNE_BYTES ? left : PRUNE_BYTES) / 2;
    p->rows = static_cast<uint32_t>(half > row ? half / row : 1);
    p->room = static_cast<uint32_t>(half / sizeof(uint32_t) > THIN_CANDIDATES ? half / sizeof(uint32_t)
                                                                             : THIN_CANDIDATES);
    p->tasks = carve(&p->bytes, p->rows * sizeof(ThinTask));
    p->candidates = carve(&p->bytes, p->room * sizeof(uint32_t));
    p->counts = carve(&p->bytes, p->rows * sizeof(uint32_t));
    p->links = carve(&p->bytes, uint64_t{p->rows} * p->asked->degree * sizeof(uint32_t));
}

static uint64_t prune_size(const Prune &p, size_t row) { return p.asked->begins[row + 1] - p.asked->begins[row]; }

/* As many rows as go together, from strip->first on. */
static void prune_gather(const Prune &p, PruneStrip *strip)
{
    for (; strip->n < p.rows && strip->first + strip->n < p.asked->n_rows; strip->n++) {
        const uint64_t size = prune_size(p, strip->first + strip->n);
        if (size > THIN_CANDIDATES)
            continue;
        if (strip->candidates + size > p.room)
            break;
        strip->candidates += static_cast<uint32_t>(size);
        strip->few += size <= PRUNE_FEW;
        strip->many += size > PRUNE_FEW;
    }
}

/* A row's task and candidates. */
static vss_status prune_row(const Prune &p, size_t row, const ThinTask &task, uint32_t *to, vss_error *err)
{
    const uint32_t *from = p.asked->candidates + p.asked->begins[row];
    uint32_t wrong = task.point < p.grid->n ? VSS_DEVICE_FREE : task.point;
    for (uint32_t i = 0; i < task.n; i++) {
        to[i] = from[i];
        if (from[i] >= p.grid->n && from[i] != VSS_DEVICE_FREE)
            wrong = from[i];
    }
    if (task.point >= p.grid->n || wrong != VSS_DEVICE_FREE)
        return fail(err, VSS_ERR_UNSUPPORTED, "point %u of %llu in row %zu", wrong,
                    static_cast<unsigned long long>(p.grid->n), row);
    return VSS_OK;
}

/* Write tasks, few before many, and candidates of the strip to `pinned`. */
static vss_status prune_fill(const Prune &p, const PruneStrip &strip, char *pinned, vss_error *err)
{
    ThinTask *few = carved<ThinTask>(pinned, p.tasks), *many = few + strip.few;
    uint32_t *candidates = carved<uint32_t>(pinned, p.candidates), at = 0;
    for (uint32_t i = 0; i < strip.n; i++) {
        const size_t row = strip.first + i;
        const uint64_t size = prune_size(p, row);
        if (size > THIN_CANDIDATES)
            continue;
        const ThinTask task{p.asked->rows[row], at, static_cast<uint32_t>(size), i};
        VSSG_TRY(prune_row(p, row, task, candidates + at, err));
        *(size <= PRUNE_FEW ? few++ : many++) = task;
        at += task.n;
    }
    return VSS_OK;
}

static vss_status prune_launch(const Prune &p, const PruneStrip &strip, vss_error *err)
{
    void *scratch = p.call->scratch;
    ThinJob job{};
    job.grid = *p.grid;
    job.tasks = carved<ThinTask>(scratch, p.tasks);
    job.candidates = carved<uint32_t>(scratch, p.candidates);
    job.counts = carved<uint32_t>(scratch, p.counts);
    job.links = carved<uint32_t>(scratch, p.links);
    job.most = p.asked->most;
    job.degree = p.asked->degree;
    job.factor = p.asked->factor;
    job.all = std::isinf(p.asked->factor);
    job.n_tasks = strip.few;
    if (strip.few > 0)
        VSSG_TRY(launch_thin(p.call->stream, job, 4, err));
    job.tasks += strip.few;
    job.n_tasks = strip.many;
    return strip.many > 0 ? launch_thin(p.call->stream, job, 1, err) : VSS_OK;
}

/* Give the card the strip that begins with strip->first, through that half of the pinned memory. */
static vss_status prune_begin(const Prune &p, PruneStrip *strip, unsigned half, vss_error *err)
{
    char *pinned = prune_pinned(p, half), *scratch = static_cast<char *>(p.call->scratch);
    Stream *stream = p.call->stream;
    if (p.asked->stopped != nullptr && p.asked->stopped(p.asked->state))
        return fail(err, VSS_ERR_CANCELLED, "cancelled");
    prune_gather(p, strip);
    VSSG_TRY(prune_fill(p, *strip, pinned, err));
    const size_t tasks = (strip->few + strip->many) * sizeof(ThinTask), rows = strip->n * sizeof(uint32_t);
    strip->live = true;
    if (tasks > 0) {
        VSSG_TRY(runtime_copy_up(stream, scratch + p.tasks, pinned + p.tasks, tasks, err));
        VSSG_TRY(runtime_copy_up(stream, scratch + p.candidates, pinned + p.candidates,
                                 strip->candidates * sizeof(uint32_t), err));
        VSSG_TRY(prune_launch(p, *strip, err));
        VSSG_TRY(runtime_copy_down(stream, pinned + p.counts, scratch + p.counts, rows, err));
        VSSG_TRY(runtime_copy_down(stream, pinned + p.links, scratch + p.links, rows * p.asked->degree, err));
    }
    return runtime_mark(stream, half, err);
}

/* What the strip has come to, into the caller's memory. */
static vss_status prune_end(const Prune &p, PruneStrip *strip, unsigned half, vss_error *err)
{
    const size_t degree = p.asked->degree;
    const char *pinned = prune_pinned(p, half);
    uint32_t *counts = p.asked->counts + strip->first;
    strip->live = false;
    VSSG_TRY(runtime_wait(p.call->stream, half, err));
    std::memcpy(counts, pinned + p.counts, strip->n * sizeof *counts);
    std::memcpy(p.asked->links + strip->first * degree, pinned + p.links, strip->n * degree * sizeof *counts);
    for (uint32_t i = 0; i < strip->n; i++)
        if (prune_size(p, strip->first + i) > THIN_CANDIDATES)
            counts[i] = VSS_DEVICE_UNSETTLED;
    return VSS_OK;
}

static vss_status prune_strips(const Prune &p, vss_error *err)
{
    PruneStrip strips[2] = {};
    size_t row = 0;
    for (unsigned half = 0; row < p.asked->n_rows || strips[0].live || strips[1].live; half ^= 1) {
        PruneStrip *strip = &strips[half];
        if (strip->live)
            VSSG_TRY(prune_end(p, strip, half, err));
        if (row == p.asked->n_rows)
            continue;
        *strip = PruneStrip{};
        strip->first = row;
        VSSG_TRY(prune_begin(p, strip, half, err));
        row += strip->n;
    }
    return VSS_OK;
}

vss_status prune_run(Device *device, Call *call, const Grid &grid, const vss_device_prune *asked, vss_error *err)
{
    Prune p{};
    p.device = device;
    p.call = call;
    p.grid = &grid;
    p.asked = asked;
    prune_plan(&p);
    VSSG_TRY(call_scratch(device, call, p.bytes, err));
    VSSG_TRY(call_pinned(call, 2 * p.bytes, err));
    const vss_status status = prune_strips(p, err);
    vss_error other;
    if (status != VSS_OK)
        (void)runtime_finish(call->stream, &other); /* nothing may still write where the next call works */
    return status;
}

} // namespace vssg
