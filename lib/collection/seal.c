/*
 * seal.c - flush: growing rows become a sealed segment, with its indexes, committed
 *
 * The rows are those of one moment; what is written, replaced or deleted while they are sealed goes on beside it, and
 * is carried over. Cost: one copy of the growing rows and one write of each object. Locks: seal_mutex throughout,
 * write_mutex to begin and to commit.
 */
#include "../base/checked.h"
#include "background.h"
#include "seal_job.h"

/* Where the growing rows go, and how many of them live. */
static vss_status seal_moves(seal_job *job, uint64_t *live, vss_error *err)
{
    const vssi_snapshot *s = job->base;
    *live = 0;
    for (size_t i = s->n_sealed; i < s->n_parts; i++) {
        const uint64_t rows = vssi_part_live(&s->parts[i]);
        VSSI_TRY(vssi_seal_move(job, i, rows == 0 ? SEAL_GONE : 0, (size_t)*live, err));
        *live += rows;
    }
    return VSS_OK;
}

/* All growing rows that are live, as one memory segment. The caller's reference. */
static vss_status seal_merge(const seal_job *job, vssi_segment **out, vss_error *err)
{
    const vssi_snapshot *s = job->base;
    vssi_heap *heap = &job->col->db->heap;
    const size_t n = s->n_parts - s->n_sealed;
    vssi_segment **parts;
    const uint64_t **deleted;
    *out = NULL;
    if (n == 1 && s->parts[s->n_sealed].deleted == NULL) {
        *out = vssi_segment_ref(s->parts[s->n_sealed].segment);
        return VSS_OK;
    }
    VSSI_TRY(vssi_alloc(heap, n, sizeof *parts, &parts, err));
    vss_status status = vssi_alloc(heap, n, sizeof *deleted, &deleted, err);
    if (status == VSS_OK) {
        for (size_t i = 0; i < n; i++) {
            parts[i] = s->parts[s->n_sealed + i].segment;
            deleted[i] = vssi_part_tombstones(&s->parts[s->n_sealed + i]);
        }
        status = vssi_segment_merge(heap, vssi_collection_fields(job->col), parts, deleted, n, out, err);
        vssi_free(heap, deleted);
    }
    vssi_free(heap, parts);
    return status;
}

static vss_status seal_rows(seal_job *job, vss_error *err)
{
    vssi_segment *rows;
    uint64_t live;
    VSSI_TRY(seal_moves(job, &live, err));
    if (live == 0)
        return VSS_OK;
    VSSI_TRY(seal_merge(job, &rows, err));
    const vss_status status = vssi_seal_segment(job, rows, err);
    vssi_segment_unref(rows);
    return status;
}

static vss_status seal_flush(vss_collection *col, const vssi_seal_options *options, vss_error *err)
{
    seal_job job;
    bool wanted;
    vss_status status = vssi_seal_begin_flush(&job, col, options, &wanted, err);
    if (status == VSS_OK && wanted)
        status = seal_rows(&job, err);
    if (status == VSS_OK && wanted)
        status = vssi_seal_commit(&job, err);
    vssi_seal_end(&job);
    return status;
}

vss_status vssi_collection_flush(vss_collection *col, const vssi_seal_options *options, vss_error *err)
{
    vssi_mutex_lock(&col->seal_mutex);
    const vss_status status = seal_flush(col, options, err);
    vssi_mutex_unlock(&col->seal_mutex);
    return status;
}

/* Rows enough for so many segments? */
static bool seal_enough(const vss_collection *col, uint64_t segments)
{
    const vssi_snapshot *s = col->snapshot;
    const uint64_t most = vssi_background_offered(col) ? vssi_background_seal_bytes(col->db) : VSSI_SEGMENT_BYTES;
    uint64_t rows = 0, bytes = 0;
    for (size_t i = vssi_max(s->n_sealed, col->n_frozen); i < s->n_parts; i++) {
        rows += vssi_segment_rows(s->parts[i].segment);
        bytes += vssi_segment_bytes(s->parts[i].segment);
    }
    return rows >= segments * VSSI_SEGMENT_ROWS || bytes >= segments * most;
}

bool vssi_collection_full(const vss_collection *col) { return seal_enough(col, 1); }
bool vssi_collection_overfull(const vss_collection *col) { return seal_enough(col, 2); }

vss_status vssi_seal_full(vss_collection *col, const vssi_seal_options *options, bool *sealed, vss_error *err)
{
    vssi_mutex_lock(&col->seal_mutex);
    vssi_mutex_lock(&col->write_mutex);
    *sealed = vssi_collection_full(col); /* another writer may have sealed them meanwhile */
    vssi_mutex_unlock(&col->write_mutex);
    const vss_status status = *sealed ? seal_flush(col, options, err) : VSS_OK;
    vssi_mutex_unlock(&col->seal_mutex);
    return status;
}
