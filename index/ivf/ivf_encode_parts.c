/*
 * ivf_encode_parts.c - rows less their centers, coded in parts that threads or a device take up
 *
 * A unit of work is some positions in the order of the lists, cut where a block of 32 rows begins, so that no two
 * threads write one block. A thread gathers residuals until its room is full, has them coded, and puts the codes to
 * their places. The CPU's room is a few rows, which stay in its cache; a device's is some MB, and while one thread
 * waits for it the others gather and put. Rows that sources have are copied. Where a device fails, and is not required,
 * the CPU codes that part and all that follow. Memory: a room a thread. Locks: the job's own mutex around what is known
 * of the device.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../device/device.h"
#include "ivf.h"

#define PARTS_UNIT 1024u          /* positions that a thread takes up at once */
#define PARTS_ROOM 16u            /* rows coded together by the CPU */
#define PARTS_DEVICE (4u << 20)   /* bytes of residuals that a device is given at once */
#define PARTS_LEAST 64u           /* rows of a unit: some are left when it is cut */

typedef struct parts_job {
    ivf_build *build;
    const ivf_coder *coder;
    uint32_t *blocks;     /* [lists + 1], or NULL */
    size_t unit, room, n; /* positions of a unit, rows of a room, units */
    size_t scratch_size;
    uint8_t *scratch;     /* [workers][scratch_size] */
    _Atomic size_t next, done;
    _Atomic int status;   /* of a device that all fails with */
    vssi_mutex mutex;     /* guards the build's device and err */
    vss_error err;
} parts_job;

/* A worker's. */
typedef struct parts_work {
    parts_job *job;
    ivf_residuals r;
    uint32_t last;        /* the list of the last center */
} parts_work;

static size_t parts_carve(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at = (size_t)vssi_round_up(here + bytes, 64);
    return here;
}

/* The arrays of a room in the scratch memory, NULL at first; returns its bytes. */
static size_t parts_divide(const parts_job *job, uint8_t *scratch, ivf_residuals *r)
{
    const size_t row = job->coder->width * sizeof(float), room = job->room;
    size_t at = 0;
    size_t residuals = parts_carve(&at, room * row), centers = parts_carve(&at, (room + 1) * row);
    size_t factors = parts_carve(&at, room * sizeof(vssi_rabitq_row)), spare = parts_carve(&at, row);
    size_t positions = parts_carve(&at, room * sizeof(uint32_t)), lists = parts_carve(&at, room * sizeof(uint32_t));
    size_t where = parts_carve(&at, room * sizeof(uint32_t));
    size_t codes = parts_carve(&at, room * job->coder->code_size);
    if (scratch == NULL)
        return at;
    *r = (ivf_residuals){.residuals = (float *)(void *)(scratch + residuals),
                         .centers = (float *)(void *)(scratch + centers),
                         .factors = (vssi_rabitq_row *)(void *)(scratch + factors),
                         .spare = (float *)(void *)(scratch + spare),
                         .positions = (uint32_t *)(void *)(scratch + positions),
                         .lists = (uint32_t *)(void *)(scratch + lists),
                         .where = (uint32_t *)(void *)(scratch + where), .codes = scratch + codes};
    return at;
}

/* The list that a position is in. */
static size_t parts_list_of(const ivf_build *b, size_t position)
{
    size_t low = 0, past = b->header.lists;
    while (past - low > 1) {
        size_t middle = low + (past - low) / 2;
        if (b->lists[middle] <= position)
            low = middle;
        else
            past = middle;
    }
    return low;
}

/* Where the unit of that number begins: at its first position, or at that one's block. */
static size_t parts_begin(const parts_job *job, size_t unit)
{
    const ivf_build *b = job->build;
    size_t position = unit * job->unit;
    if (unit >= job->n)
        return b->header.rows;
    size_t first = b->lists[parts_list_of(b, position)];
    return first + (position - first) / VSSI_SCAN4_ROWS * VSSI_SCAN4_ROWS;
}

/* Where codes of a position go: to its block, or its own bytes. */
static uint8_t *parts_place(const parts_job *job, size_t list, size_t at)
{
    const ivf_build *b = job->build;
    const ivf_header *h = &b->header;
    if (job->blocks == NULL)
        return b->codes + at * ivf_code_size(h, &b->v);
    return b->codes + (job->blocks[list] + (at - b->lists[list]) / VSSI_SCAN4_ROWS) * ivf_block_size(h);
}

/* By the device. False: the CPU is to do it. */
static bool parts_ask(parts_work *w)
{
    parts_job *job = w->job;
    const vssi_build *in = job->build->in;
    vss_error why = {.status = VSS_OK};
    if (job->coder->ask == NULL)
        return false;
    vssi_mutex_lock(&job->mutex);
    bool useful = vssi_device_useful(in->device);
    vssi_mutex_unlock(&job->mutex);
    if (!useful)
        return false;
    vss_status status = job->coder->ask(job->build, job->coder, &w->r, &why);
    if (status == VSS_OK || vssi_device_stopped(in->control)) /* a stop is told by the build's end */
        return true;
    vssi_mutex_lock(&job->mutex);
    bool done = vssi_device_settles(in->device, &status, &why, &job->err);
    vssi_mutex_unlock(&job->mutex);
    if (status != VSS_OK)
        atomic_store(&job->status, (int)status);
    return done;
}

/* Code what is gathered; the last center stays for what follows of its list. */
static void parts_flush(parts_work *w)
{
    const parts_job *job = w->job;
    const ivf_coder *coder = job->coder;
    const ivf_build *b = job->build;
    ivf_residuals *r = &w->r;
    if (r->n == 0)
        return;
    if (!parts_ask(w))
        for (size_t i = 0; i < r->n; i++)
            coder->code(b, coder, r, i);
    bool failed = atomic_load(&job->status) != VSS_OK || vssi_control_stopped(b->in->control);
    for (size_t i = 0; i < r->n && !failed; i++) /* else there may be no codes */
        coder->put(b, coder, r, i, parts_place(job, r->lists[i], r->positions[i]),
                   (r->positions[i] - b->lists[r->lists[i]]) % VSSI_SCAN4_ROWS);
    memmove(r->centers, r->centers + (r->n_centers - 1) * coder->width, coder->width * sizeof(float));
    r->n = 0;
    r->n_centers = 1;
}

static void parts_center(parts_work *w, uint32_t list)
{
    const ivf_build *b = w->job->build;
    const ivf_coder *coder = w->job->coder;
    const size_t width = b->header.width;
    const float *point = b->points + list * width, *mean = b->low + width;
    float *center = w->r.centers + w->r.n_centers++ * coder->width;
    memset(center, 0, coder->width * sizeof *center);
    for (size_t i = 0; i < width; i++)
        center[i] = point[i] - mean[i];
    if (coder->center != NULL)
        coder->center(coder, center);
    w->last = list;
}

static void parts_row(parts_work *w, uint32_t list, size_t at)
{
    const ivf_build *b = w->job->build;
    const size_t width = b->header.width;
    const float *point = b->points + list * width;
    ivf_residuals *r = &w->r;
    if (r->n == w->job->room)
        parts_flush(w);
    if (r->n_centers == 0 || w->last != list)
        parts_center(w, list);
    float *residual = r->residuals + r->n * w->job->coder->width;
    memset(residual, 0, w->job->coder->width * sizeof *residual);
    vssi_carrier_row(&b->v, b->rows[at], residual);
    for (size_t i = 0; i < width; i++)
        residual[i] -= point[i];
    r->positions[r->n] = (uint32_t)at;
    r->lists[r->n] = list;
    r->where[r->n++] = (uint32_t)(r->n_centers - 1);
}

/* Positions of one list. */
static void parts_list(parts_work *w, uint32_t list, size_t begin, size_t end)
{
    const parts_job *job = w->job;
    const ivf_build *b = job->build;
    const size_t first = b->lists[list], rows = b->lists[list + 1] - first;
    for (size_t at = begin; at < end; at++) {
        size_t position;
        const ivf_index *from = vssi_ivf_source(b, b->rows[at], &position);
        if (from == NULL)
            parts_row(w, list, at);
        else
            job->coder->copy(b, from, position, list, at, parts_place(job, list, at), (at - first) % VSSI_SCAN4_ROWS,
                             (uint8_t *)w->r.spare);
    }
    if (job->blocks != NULL && end == first + rows && rows % VSSI_SCAN4_ROWS != 0)
        vssi_ivf_encode_pad((float *)(void *)(parts_place(job, list, end) + 16 * ivf_block_subs(&b->header)),
                            rows % VSSI_SCAN4_ROWS);
}

static void parts_unit(parts_work *w, size_t unit)
{
    const ivf_build *b = w->job->build;
    size_t at = parts_begin(w->job, unit), end = parts_begin(w->job, unit + 1);
    for (size_t list = parts_list_of(b, at); at < end; list++) {
        size_t past = vssi_min(b->lists[list + 1], end);
        if (past > at)
            parts_list(w, (uint32_t)list, at, past);
        at = vssi_max(at, past);
    }
    parts_flush(w);
    w->r.n_centers = 0;
}

static void parts_worker(void *arg, size_t worker)
{
    parts_job *job = arg;
    vssi_control *control = job->build->in->control;
    parts_work w = {.job = job};
    size_t unit;
    (void)parts_divide(job, job->scratch + worker * job->scratch_size, &w.r);
    while ((unit = atomic_fetch_add(&job->next, 1)) < job->n && atomic_load(&job->status) == VSS_OK &&
           !vssi_control_stopped(control)) {
        parts_unit(&w, unit);
        vssi_control_report(control, "codes", atomic_fetch_add(&job->done, 1) + 1, job->n);
    }
}

static vss_status parts_share(parts_job *job, vss_error *err)
{
    const ivf_build *b = job->build;
    const vssi_build *in = b->in;
    size_t workers = vssi_min(vssi_max(1, in->threads), job->n);
    if (ivf_has_blocks(&b->header)) {
        VSSI_TRY(vssi_alloc(in->heap, b->header.lists + 1, sizeof *job->blocks, &job->blocks, err));
        (void)vssi_ivf_blocks(&b->header, b->lists, job->blocks);
    }
    VSSI_TRY(vssi_alloc(in->heap, workers, job->scratch_size, &job->scratch, err));
    vssi_parallel_for(in->executor, workers, workers, parts_worker, job);
    int stop = in->control ? atomic_load(&in->control->stop) : 0;
    if (stop != 0)
        return vssi_fail(err, (vss_status)stop, "index build: stopped by the caller or its deadline");
    if (atomic_load(&job->status) != VSS_OK && err != NULL)
        *err = job->err;
    return (vss_status)atomic_load(&job->status);
}

static vss_status parts_run(ivf_build *b, const ivf_coder *coder, vss_error *err)
{
    parts_job job = {.build = b, .coder = coder, .unit = PARTS_UNIT, .room = PARTS_ROOM};
    if (coder->ask != NULL) {
        job.room = vssi_max(PARTS_LEAST, PARTS_DEVICE / (coder->width * sizeof(float)));
        job.unit = job.room - (VSSI_SCAN4_ROWS - 1); /* cut, a unit has so many more at most */
    }
    job.room = vssi_min(job.room, b->header.rows);
    job.n = (b->header.rows + job.unit - 1) / job.unit;
    job.scratch_size = parts_divide(&job, NULL, NULL);
    vssi_mutex_init(&job.mutex);
    vss_status status = parts_share(&job, err);
    vssi_mutex_destroy(&job.mutex);
    vssi_free(b->in->heap, job.blocks);
    vssi_free(b->in->heap, job.scratch);
    return status;
}

vss_status vssi_ivf_encode_parts(ivf_build *b, const ivf_coder *coder, vss_error *err)
{
    vss_status status = parts_run(b, coder, err);
    if (coder->ask == NULL || b->in->device->required || (status != VSS_ERR_NO_MEMORY && status != VSS_ERR_BUDGET))
        return status;
    ivf_coder alone = *coder; /* the CPU's room is small */
    alone.ask = NULL;
    return parts_run(b, &alone, err);
}
