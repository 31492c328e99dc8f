/*
 * compact.c - fewer, larger segments without deleted rows
 *
 * A segment takes part when it has less than half the rows and bytes of a full one, or a fifth or more of its rows are
 * deleted. Those that do are put together in their order as long as a full segment holds them; one that is small and
 * stands alone stays. So compacting again finds nothing to do. New segments and their indexes are written first, then one
 * manifest names them in place of the old ones. Cost: memory for one merged segment at a time. Locks: write_mutex
 * throughout; searches go on beside it.
 */
#include "seal_job.h"

#define COMPACT_DELETED 5u /* one row in so many deleted: rewritten */
#define COMPACT_NONE SIZE_MAX

typedef struct compact_plan {
    size_t n;        /* sealed segments */
    size_t n_groups;
    size_t n_new;    /* groups with live rows */
    size_t *groups;  /* [n] of a segment, or COMPACT_NONE */
    bool *drop;      /* [n] */
    vssi_segment **parts;      /* [n] of one group */
    const uint64_t **deleted;  /* [n] */
} compact_plan;

/* Bytes that the live rows of a segment will take, about. */
static uint64_t compact_bytes(const vss_collection *col, size_t i)
{
    const vssi_part *p = &col->snapshot->parts[i];
    double share = (double)vssi_part_live(p) / (double)vssi_segment_rows(p->segment);
    return (uint64_t)((double)col->manifest->segments[i].object.size * share);
}

static bool compact_holed(const vss_collection *col, size_t i)
{
    const vssi_part *p = &col->snapshot->parts[i];
    return vssi_part_deleted(p) > 0 && vssi_part_deleted(p) * COMPACT_DELETED >= vssi_segment_rows(p->segment);
}

static bool compact_small(const vss_collection *col, size_t i)
{
    return vssi_part_live(&col->snapshot->parts[i]) < VSSI_SEGMENT_ROWS / 2 &&
           compact_bytes(col, i) < VSSI_SEGMENT_BYTES / 2;
}

/* A group of one segment without many deletes gains nothing. */
static void compact_close(const vss_collection *col, compact_plan *plan, size_t last, size_t members, uint64_t rows)
{
    if (members == 1 && !compact_holed(col, last)) {
        plan->groups[last] = COMPACT_NONE;
    } else if (members > 0) {
        plan->n_groups++;
        plan->n_new += rows > 0;
    }
}

static void compact_choose(const vss_collection *col, compact_plan *plan)
{
    size_t members = 0, last = 0;
    uint64_t rows = 0, bytes = 0;
    for (size_t i = 0; i < plan->n; i++) {
        const uint64_t live = vssi_part_live(&col->snapshot->parts[i]), more = compact_bytes(col, i);
        plan->groups[i] = COMPACT_NONE;
        if (!compact_holed(col, i) && !compact_small(col, i))
            continue;
        if (members > 0 && (rows + live > VSSI_SEGMENT_ROWS || bytes + more > VSSI_SEGMENT_BYTES)) {
            compact_close(col, plan, last, members, rows);
            members = 0;
            rows = bytes = 0;
        }
        plan->groups[i] = plan->n_groups;
        members++;
        last = i;
        rows += live;
        bytes += more;
    }
    compact_close(col, plan, last, members, rows);
    for (size_t i = 0; i < plan->n; i++)
        plan->drop[i] = plan->groups[i] != COMPACT_NONE;
}

static vss_status compact_group(seal_job *job, compact_plan *plan, size_t group, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_segment *merged;
    size_t n = 0;
    for (size_t i = 0; i < plan->n; i++)
        if (plan->groups[i] == group) {
            plan->parts[n] = col->snapshot->parts[i].segment;
            plan->deleted[n++] = vssi_part_tombstones(&col->snapshot->parts[i]);
        }
    VSSI_TRY(vssi_segment_gather(&col->db->heap, vssi_collection_fields(col), plan->parts, plan->deleted, n, &merged,
                                 err));
    vss_status status = merged == NULL ? VSS_OK : vssi_seal_segment(job, merged, err);
    vssi_segment_unref(merged);
    return status;
}

static vss_status compact_rewrite(vss_collection *col, compact_plan *plan, vss_error *err)
{
    const vssi_seal_options options = {.threads = 1};
    seal_job job;
    vss_status status;
    VSSI_TRY_GOTO(vssi_seal_begin(&job, col, &options, plan->drop, plan->n_new, err), out);
    for (size_t g = 0; g < plan->n_groups; g++)
        VSSI_TRY_GOTO(compact_group(&job, plan, g, err), out);
    status = vssi_seal_commit(&job, err);
out:
    vssi_seal_end(&job);
    return status;
}

static vss_status compact_plan_make(vss_collection *col, compact_plan *plan, vss_error *err)
{
    vssi_heap *heap = &col->db->heap;
    *plan = (compact_plan){.n = col->snapshot->n_sealed};
    VSSI_TRY(vssi_alloc(heap, plan->n, sizeof *plan->groups, &plan->groups, err));
    VSSI_TRY(vssi_alloc(heap, plan->n, sizeof *plan->drop, &plan->drop, err));
    VSSI_TRY(vssi_alloc(heap, plan->n, sizeof *plan->parts, &plan->parts, err));
    VSSI_TRY(vssi_alloc(heap, plan->n, sizeof *plan->deleted, &plan->deleted, err));
    compact_choose(col, plan);
    return VSS_OK;
}

static vss_status compact_segments(vss_collection *col, vss_error *err)
{
    vssi_heap *heap = &col->db->heap;
    compact_plan plan;
    vss_status status = compact_plan_make(col, &plan, err);
    if (status == VSS_OK && plan.n_groups > 0)
        status = compact_rewrite(col, &plan, err);
    vssi_free(heap, plan.groups);
    vssi_free(heap, plan.drop);
    vssi_free(heap, plan.parts);
    vssi_free(heap, plan.deleted);
    return status;
}

vss_status vssi_collection_compact(vss_collection *col, vss_error *err)
{
    const vssi_seal_options options = {.threads = 1};
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = vssi_collection_seal(col, &options, err);
    if (status == VSS_OK)
        status = compact_segments(col, err);
    if (status == VSS_OK)
        status = vssi_collection_collect(col, err);
    vssi_mutex_unlock(&col->write_mutex);
    return status;
}
