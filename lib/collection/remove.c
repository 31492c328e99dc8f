/*
 * remove.c - delete rows by key or by filter
 *
 * Which rows go is decided first; their keys are in the log before anyone sees that they are gone. Cost: a key look-up
 * each, one bitmap copy a segment touched, one frame. Locks: write_mutex throughout.
 */
#include "../base/bitmap.h"
#include "background.h"
#include "change.h"
#include "journal.h"

static vss_status remove_log(vss_collection *col, const vssi_snapshot *s, vss_error *err)
{
    vssi_column *keys;
    if (!col->db->logged || col->replaying)
        return VSS_OK;
    VSSI_TRY(vssi_change_keys(col->snapshot, s, vssi_collection_fields(col), &keys, err));
    vss_status status = vssi_journal_keys(col, s->sequence, &keys->view, err);
    vssi_column_free(keys);
    return status;
}

/* Keep and publish s if anything was deleted. Takes s over on success. */
static vss_status remove_end(vss_collection *col, vssi_snapshot *s, uint64_t removed, vss_write_info *info,
                             vss_error *err)
{
    if (removed > 0) {
        VSSI_TRY(remove_log(col, s, err));
        col->sequence = s->sequence;
        vssi_collection_publish(col, s);
    } else {
        vssi_snapshot_unref(s);
    }
    if (info != NULL) {
        info->sequence = col->sequence;
        info->rows = removed;
        info->first_key = 0;
    }
    return VSS_OK;
}

static vss_status remove_keys(vss_collection *col, const vss_column *keys, bool all, vss_write_info *info,
                              vss_error *err)
{
    vss_status status;
    vssi_snapshot *s;
    uint64_t removed = 0;
    VSSI_TRY(vssi_change_begin(col->snapshot, &s, err));
    VSSI_TRY_GOTO(vssi_change_delete(col->snapshot, s, keys, &removed, err), fail);
    if (all && removed != keys->length) {
        status =
            vssi_fail(err, VSS_ERR_CORRUPT, "collection \"%s\": batch %llu of the log deletes keys that are not live",
                      col->name, (unsigned long long)s->sequence);
        goto fail;
    }
    VSSI_TRY_GOTO(remove_end(col, s, removed, info, err), fail);
    return VSS_OK;
fail:
    vssi_snapshot_unref(s);
    return status;
}

vss_status vssi_remove_replay(vss_collection *col, const vss_column *keys, vss_error *err)
{
    return remove_keys(col, keys, true, NULL, err);
}

vss_status vssi_collection_delete(vss_collection *col, const vss_column *keys, vss_write_info *info, vss_error *err)
{
    VSSI_TRY(vssi_keys_check(vssi_collection_fields(col), keys, err));
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = vssi_collection_writable(col, err);
    if (status == VSS_OK)
        status = remove_keys(col, keys, false, info, err);
    vssi_mutex_unlock(&col->write_mutex);
    if (status == VSS_OK)
        vssi_background_notice(col);
    return status;
}

static vss_status remove_matching(const vssi_snapshot *old, vssi_snapshot *s, const vssi_filter *filter,
                                  uint64_t *removed, vss_error *err)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        size_t rows = vssi_segment_rows(s->parts[i].segment), words = vssi_bitmap_words(rows), passing;
        uint64_t *bitmap;
        VSSI_TRY(vssi_alloc(s->heap, words, sizeof *bitmap, &bitmap, err));
        vss_status status = vssi_part_filter(&s->parts[i], filter, bitmap, &passing, err);
        if (status == VSS_OK && passing > 0)
            status = vssi_change_own(old, s, i, err);
        if (status == VSS_OK && passing > 0) {
            vssi_tombstones *t = s->parts[i].deleted;
            uint64_t before = t->count;
            for (size_t w = 0; w < words; w++)
                t->words[w] |= bitmap[w];
            t->count = vssi_bitmap_count(t->words, rows);
            *removed += t->count - before;
        }
        vssi_free(s->heap, bitmap);
        VSSI_TRY(status);
    }
    return VSS_OK;
}

static vss_status remove_where(vss_collection *col, const vssi_filter *filter, vss_write_info *info, vss_error *err)
{
    vss_status status;
    vssi_snapshot *s;
    uint64_t removed = 0;
    VSSI_TRY(vssi_change_begin(col->snapshot, &s, err));
    VSSI_TRY_GOTO(remove_matching(col->snapshot, s, filter, &removed, err), fail);
    VSSI_TRY_GOTO(remove_end(col, s, removed, info, err), fail);
    return VSS_OK;
fail:
    vssi_snapshot_unref(s);
    return status;
}

vss_status vssi_collection_delete_where(vss_collection *col, const char *text, vss_write_info *info, vss_error *err)
{
    vssi_filter *filter;
    VSSI_TRY(vssi_filter_compile(&col->db->heap, vssi_collection_fields(col), text, &filter, err));
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = vssi_collection_writable(col, err);
    if (status == VSS_OK)
        status = remove_where(col, filter, info, err);
    vssi_mutex_unlock(&col->write_mutex);
    if (status == VSS_OK)
        vssi_background_notice(col);
    vssi_filter_free(filter);
    return status;
}
