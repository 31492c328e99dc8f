/*
 * ivf_encode_lists.c - lists as blocks of 32 rows, and their coding shared among the workers: a list is a unit of work
 */
#include <math.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "ivf.h"

typedef struct encode_job {
    ivf_build *build;
    ivf_encode_list encode;
    const void *state;
    uint32_t *blocks; /* [lists + 1], or NULL */
    uint8_t *scratch; /* [workers][scratch_size] */
    size_t scratch_size;
    _Atomic size_t next;
} encode_job;

size_t vssi_ivf_blocks(const ivf_header *h, const uint32_t *lists, uint32_t *blocks)
{
    size_t count = 0;
    for (size_t c = 0; c < h->lists; c++) {
        if (blocks)
            blocks[c] = (uint32_t)count;
        count += (lists[c + 1] - lists[c] + VSSI_SCAN4_ROWS - 1) / VSSI_SCAN4_ROWS;
    }
    if (blocks)
        blocks[h->lists] = (uint32_t)count;
    return count;
}

static void encode_worker(void *arg, size_t worker)
{
    encode_job *job = arg;
    vssi_control *control = job->build->in->control;
    const size_t lists = job->build->header.lists;
    size_t c;
    while ((c = atomic_fetch_add(&job->next, 1)) < lists && !vssi_control_stopped(control)) {
        job->encode(job->build, job->blocks, job->state, job->scratch + worker * job->scratch_size, c);
        vssi_control_report(control, "codes", vssi_min(c, lists - 1), lists);
    }
}

static vss_status encode_share(encode_job *job, vss_error *err)
{
    const ivf_build *b = job->build;
    size_t workers = vssi_max(1, b->in->threads), lists = b->header.lists;
    if (ivf_has_blocks(&b->header)) {
        VSSI_TRY(vssi_alloc(b->in->heap, lists + 1, sizeof *job->blocks, &job->blocks, err));
        (void)vssi_ivf_blocks(&b->header, b->lists, job->blocks);
    }
    VSSI_TRY(vssi_alloc(b->in->heap, workers, job->scratch_size, &job->scratch, err));
    vssi_parallel_for(b->in->executor, workers, vssi_min(workers, lists), encode_worker, job);
    int stop = b->in->control ? atomic_load(&b->in->control->stop) : 0;
    return stop ? vssi_fail(err, (vss_status)stop, "index build: stopped by the caller or its deadline") : VSS_OK;
}

vss_status vssi_ivf_encode_lists(ivf_build *b, size_t scratch_size, ivf_encode_list encode, const void *state,
                                 vss_error *err)
{
    encode_job job = {.build = b, .encode = encode, .state = state,
                      .scratch_size = (size_t)vssi_round_up(scratch_size, 64)};
    vss_status status = encode_share(&job, err);
    vssi_free(b->in->heap, job.blocks);
    vssi_free(b->in->heap, job.scratch);
    return status;
}

void vssi_ivf_encode_pad(float *add, size_t first)
{
    for (size_t slot = first; slot < VSSI_SCAN4_ROWS; slot++)
        add[slot] = NAN;
}
