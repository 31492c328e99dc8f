/*
 * compact.c - fewer, larger segments without deleted rows
 *
 * A segment takes part when it has less than half the rows and bytes of a full one, or a fifth or more of its rows are
 * deleted. Those that do are put together in their order as long as a full segment holds them; one that is small and
 * stands alone stays. So compacting again finds nothing to do. New segments and their indexes are written first, then
 * one manifest names them in place of the old ones; rows that are deleted or replaced meanwhile are so in the new ones
 * too. A purge also trains models anew, as a center may be a row that is gone. Cost: memory for one merged segment at a
 * time. Locks: job_mutex throughout; seal_mutex for the flush that comes first, the commit and the removal. Writes,
 * flushes and searches go on beside it.
 */
#include "background.h"
#include "seal_job.h"

#define COMPACT_DELETED 5u /* one row in so many deleted: rewritten */
#define COMPACT_CROWD 8u   /* so many small segments are worth while putting together behind the host's back */
#define COMPACT_NONE SIZE_MAX

/* What a compaction looks for. */
typedef struct compact_aim {
    bool purge;          /* every segment with a deleted row */
    uint64_t most_bytes; /* of a group */
    size_t crowd;        /* groups of fewer segments without many deletes are left alone */
} compact_aim;

typedef struct compact_plan {
    compact_aim aim;
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

static bool compact_holed(const vssi_part *p)
{
    return vssi_part_deleted(p) > 0 && vssi_part_deleted(p) * COMPACT_DELETED >= vssi_segment_rows(p->segment);
}

static bool compact_rewritten(const compact_aim *aim, const vssi_part *p)
{
    return compact_holed(p) || (aim->purge && vssi_part_deleted(p) > 0);
}

static bool compact_small(const seal_job *job, const compact_aim *aim, size_t i)
{
    return vssi_part_live(&job->base->parts[i]) < VSSI_SEGMENT_ROWS / 2 && compact_bytes(job, i) < aim->most_bytes / 2;
}

/* A group of few segments without many deletes gains nothing. */
static void compact_close(const seal_job *job, compact_plan *plan, size_t members)
{
    bool gains = members >= plan->aim.crowd;
    for (size_t i = 0; i < plan->n; i++)
        gains = gains || (plan->groups[i] == plan->n_groups && compact_rewritten(&plan->aim, &job->base->parts[i]));
    for (size_t i = 0; i < plan->n && !gains; i++)
        if (plan->groups[i] == plan->n_groups)
            plan->groups[i] = COMPACT_NONE;
    plan->n_groups += gains && members > 0;
}

static void compact_choose(const seal_job *job, compact_plan *plan)
{
    const compact_aim *aim = &plan->aim;
    size_t members = 0;
    uint64_t rows = 0, bytes = 0;
    for (size_t i = 0; i < plan->n; i++)
        plan->groups[i] = COMPACT_NONE;
    for (size_t i = 0; i < plan->n; i++) {
        const uint64_t live = vssi_part_live(&job->base->parts[i]), more = compact_bytes(job, i);
        if (!compact_rewritten(aim, &job->base->parts[i]) && !compact_small(job, aim, i))
            continue;
        if (more > aim->most_bytes && !aim->purge && aim->most_bytes < VSSI_SEGMENT_BYTES)
            continue;
        if (members > 0 && (rows + live > VSSI_SEGMENT_ROWS || bytes + more > aim->most_bytes)) {
            compact_close(job, plan, members);
            members = 0;
            rows = bytes = 0;
        }
        plan->groups[i] = plan->n_groups;
        members++;
        rows += live;
        bytes += more;
    }
    compact_close(job, plan, members);
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
    for (size_t g = 0; g < plan->n_groups; g++) {
        if (vssi_control_report(job->options->control, "compact", g, plan->n_groups))
            return vssi_fail(err, VSS_ERR_CANCELLED, "the compaction was cancelled");
        VSSI_TRY(compact_group(job, plan, g, err));
    }
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

static vss_status compact_segments(vss_collection *col, const compact_aim *aim, const vssi_seal_options *options,
                                   bool *worked, vss_error *err)
{
    vssi_heap *heap = &col->db->heap;
    compact_plan plan = {.aim = *aim};
    seal_job job;
    vss_status status = vssi_seal_begin(&job, col, options, err);
    if (status == VSS_OK)
        status = compact_plan_make(&job, &plan, err);
    *worked = status == VSS_OK && plan.n_groups > 0;
    if (*worked)
        status = compact_rewrite(&job, &plan, err);
    vssi_seal_end(&job);
    vssi_free(heap, plan.groups);
    vssi_free(heap, plan.parts);
    vssi_free(heap, plan.deleted);
    return status;
}

static vss_status compact_all(vss_collection *col, bool purge, vss_error *err)
{
    const vssi_seal_options options = {.threads = 1};
    const compact_aim aim = {.purge = purge, .most_bytes = VSSI_SEGMENT_BYTES, .crowd = 2};
    bool worked;
    vssi_mutex_lock(&col->job_mutex);
    vss_status status = vssi_collection_flush(col, &options, err);
    if (status == VSS_OK)
        status = compact_segments(col, &aim, &options, &worked, err);
    if (status == VSS_OK && purge)
        status = vssi_collection_retrain(col, &options, err);
    if (status == VSS_OK)
        status = vssi_collection_collect(col, err);
    vssi_mutex_unlock(&col->job_mutex);
    return status;
}

vss_status vssi_collection_compact(vss_collection *col, vss_error *err) { return compact_all(col, false, err); }

vss_status vssi_collection_purge(vss_collection *col, vss_error *err) { return compact_all(col, true, err); }

/* By the bytes of the vectors alone: no plan is made for this. */
static bool compact_look(const vss_collection *col, const vssi_snapshot *s)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    const uint64_t most = vssi_background_compact_bytes(col->db);
    uint64_t row = 1;
    size_t small = 0;
    for (size_t f = 0; f < schema->n_fields; f++)
        if (vssi_type_is_vector(schema->fields[f].type))
            row += vssi_value_size(schema->fields[f].type, schema->fields[f].dim);
    for (size_t i = 0; i < s->n_sealed; i++) {
        const uint64_t live = vssi_part_live(&s->parts[i]);
        if (compact_holed(&s->parts[i]) && live <= most / row)
            return true;
        small += live < VSSI_SEGMENT_ROWS / 2 && live < most / 2 / row;
    }
    return small >= COMPACT_CROWD;
}

bool vssi_compact_wanted(vss_collection *col)
{
    vssi_snapshot *s = vssi_collection_snapshot(col);
    const bool wanted = compact_look(col, s);
    vssi_snapshot_unref(s);
    return wanted;
}

vss_status vssi_compact_background(vss_collection *col, const vssi_seal_options *options, bool *worked, vss_error *err)
{
    const compact_aim aim = {.most_bytes = vssi_background_compact_bytes(col->db), .crowd = COMPACT_CROWD};
    vss_status status = VSS_OK;
    *worked = false;
    if (!vssi_compact_wanted(col))
        return VSS_OK;
    vssi_mutex_lock(&col->job_mutex);
    status = vssi_collection_flush(col, options, err); /* deletes must be in a version before their rows can go */
    if (status == VSS_OK)
        status = compact_segments(col, &aim, options, worked, err);
    if (status == VSS_OK && *worked)
        status = vssi_collection_collect(col, err);
    vssi_mutex_unlock(&col->job_mutex);
    return status;
}
