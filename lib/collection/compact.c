/*
 * compact.c - fewer, larger segments without deleted rows
 *
 * A segment takes part when it has less than half the rows and bytes of a full one, or a fifth or more of its rows are
 * deleted. Those that do are put together in their order as long as a full segment holds them; one that is small and
 * stands alone stays. So compacting again finds nothing to do. New segments and their indexes are written first, then one
 * manifest names them in place of the old ones; rows that are deleted or replaced meanwhile are so in the new ones too.
 * Cost: memory for one merged segment at a time. Locks: job_mutex throughout; seal_mutex for the flush that comes first, the
 * commit and the removal. Writes, flushes and searches go on beside it.
 */
#include "seal_job.h"

#define COMPACT_DELETED 5u /* one row in so many deleted: rewritten */
#define COMPACT_NONE SIZE_MAX

typedef struct compact_plan {
    size_t n;        /* sealed segments */
    size_t n_groups;
    size_t *groups;  /* [n] of a segment, or COMPACT_NONE */
    vssi_segment **parts;      /* [n] of one group */
    const uint64_t **deleted;  /* [n] */
} compact_plan;

/* Bytes that the live rows of a segment will take, about. */
static uint64_t compact_bytes(const seal_job *job, size_t i)
{
    const vssi_part *p = &job->base->parts[i];
    double share = (double)vssi_part_live(p) / (double)vssi_segment_rows(p->segment);
    return (uint64_t)((double)job->manifest->segments[i].object.size * share);
}

static bool compact_holed(const seal_job *job, size_t i)
{
    const vssi_part *p = &job->base->parts[i];
    return vssi_part_deleted(p) > 0 && vssi_part_deleted(p) * COMPACT_DELETED >= vssi_segment_rows(p->segment);
}

static bool compact_small(const seal_job *job, size_t i)
{
    return vssi_part_live(&job->base->parts[i]) < VSSI_SEGMENT_ROWS / 2 &&
           compact_bytes(job, i) < VSSI_SEGMENT_BYTES / 2;
}

/* A group of one segment without many deletes gains nothing. */
static void compact_close(const seal_job *job, compact_plan *plan, size_t last, size_t members)
{
    if (members == 1 && !compact_holed(job, last))
        plan->groups[last] = COMPACT_NONE;
    else if (members > 0)
        plan->n_groups++;
}

static void compact_choose(const seal_job *job, compact_plan *plan)
{
    size_t members = 0, last = 0;
    uint64_t rows = 0, bytes = 0;
    for (size_t i = 0; i < plan->n; i++) {
        const uint64_t live = vssi_part_live(&job->base->parts[i]), more = compact_bytes(job, i);
        plan->groups[i] = COMPACT_NONE;
        if (!compact_holed(job, i) && !compact_small(job, i))
            continue;
        if (members > 0 && (rows + live > VSSI_SEGMENT_ROWS || bytes + more > VSSI_SEGMENT_BYTES)) {
            compact_close(job, plan, last, members);
            members = 0;
            rows = bytes = 0;
        }
        plan->groups[i] = plan->n_groups;
        members++;
        last = i;
        rows += live;
        bytes += more;
    }
    compact_close(job, plan, last, members);
}

/* The live rows of a group as one segment, the job's next piece. */
static vss_status compact_group(seal_job *job, compact_plan *plan, size_t group, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_segment *merged;
    size_t n = 0;
    uint64_t rows = 0;
    for (size_t i = 0; i < plan->n; i++)
        if (plan->groups[i] == group) {
            const vssi_part *p = &job->base->parts[i];
            const uint64_t live = vssi_part_live(p);
            VSSI_TRY(vssi_seal_move(job, i, live == 0 ? SEAL_GONE : job->n_pieces, (size_t)rows, err));
            plan->parts[n] = p->segment;
            plan->deleted[n++] = vssi_part_tombstones(p);
            rows += live;
        }
    VSSI_TRY(vssi_segment_gather(&col->db->heap, vssi_collection_fields(col), plan->parts, plan->deleted, n, &merged,
                                 err));
    vss_status status = merged == NULL ? VSS_OK : vssi_seal_segment(job, merged, err);
    vssi_segment_unref(merged);
    return status;
}

static vss_status compact_rewrite(seal_job *job, compact_plan *plan, vss_error *err)
{
    vss_collection *col = job->col;
    for (size_t g = 0; g < plan->n_groups; g++)
        VSSI_TRY(compact_group(job, plan, g, err));
    vssi_mutex_lock(&col->seal_mutex);
    const vss_status status = vssi_seal_commit(job, err);
    vssi_mutex_unlock(&col->seal_mutex);
    return status;
}

static vss_status compact_plan_make(const seal_job *job, compact_plan *plan, vss_error *err)
{
    vssi_heap *heap = &job->col->db->heap;
    plan->n = job->base->n_parts;
    VSSI_TRY(vssi_alloc(heap, plan->n, sizeof *plan->groups, &plan->groups, err));
    VSSI_TRY(vssi_alloc(heap, plan->n, sizeof *plan->parts, &plan->parts, err));
    VSSI_TRY(vssi_alloc(heap, plan->n, sizeof *plan->deleted, &plan->deleted, err));
    compact_choose(job, plan);
    return VSS_OK;
}

static vss_status compact_segments(vss_collection *col, vss_error *err)
{
    const vssi_seal_options options = {.threads = 1};
    vssi_heap *heap = &col->db->heap;
    compact_plan plan = {0};
    seal_job job;
    vss_status status = vssi_seal_begin(&job, col, &options, err);
    if (status == VSS_OK)
        status = compact_plan_make(&job, &plan, err);
    if (status == VSS_OK && plan.n_groups > 0)
        status = compact_rewrite(&job, &plan, err);
    vssi_seal_end(&job);
    vssi_free(heap, plan.groups);
    vssi_free(heap, plan.parts);
    vssi_free(heap, plan.deleted);
    return status;
}

vss_status vssi_collection_compact(vss_collection *col, vss_error *err)
{
    const vssi_seal_options options = {.threads = 1};
    vssi_mutex_lock(&col->job_mutex);
    vss_status status = vssi_collection_flush(col, &options, err);
    if (status == VSS_OK)
        status = compact_segments(col, err);
    if (status == VSS_OK)
        status = vssi_collection_collect(col, err);
    vssi_mutex_unlock(&col->job_mutex);
    return status;
}
