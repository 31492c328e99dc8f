/*
 * remove.c - delete rows by key or by filter
 *
 * A delete sets a bit in a copy of its segment's tombstones; the rows stay where they are until compaction. Cost: a key
 * lookup each and one bitmap copy a segment touched. Locks: write_mutex throughout.
 */
#include <string.h>

#include "../base/bitmap.h"
#include "collection.h"

/* A snapshot like the newest, whose tombstones may be changed: each a private copy, made when first asked for. */
static vss_status remove_begin(vss_collection *col, vssi_snapshot **out, vss_error *err)
{
    const vssi_snapshot *old = col->snapshot;
    vssi_snapshot *s;
    vss_status status;
    VSSI_TRY(vssi_snapshot_create(&col->db->heap, old->n_parts, &s, err));
    for (size_t i = 0; i < old->n_parts; i++)
        VSSI_TRY_GOTO(vssi_part_share(s->heap, &old->parts[i], &s->parts[i], err), fail);
    s->version = old->version;
    s->sequence = old->sequence + 1;
    s->n_sealed = old->n_sealed;
    *out = s;
    return VSS_OK;
fail:
    vssi_snapshot_unref(s);
    return status;
}

static vss_status remove_own(const vssi_snapshot *old, vssi_snapshot *s, size_t part, vss_error *err)
{
    vssi_part *p = &s->parts[part];
    vssi_tombstones *own;
    if (p->deleted != old->parts[part].deleted)
        return VSS_OK;
    VSSI_TRY(vssi_tombstones_copy(s->heap, p->deleted, vssi_segment_rows(p->segment), &own, err));
    vssi_tombstones_unref(p->deleted);
    p->deleted = own;
    return VSS_OK;
}

/* Publish s if anything was deleted. */
static void remove_end(vss_collection *col, vssi_snapshot *s, uint64_t removed, vss_write_info *info)
{
    if (removed > 0) {
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
}

static vss_status remove_keys(const vssi_snapshot *old, vssi_snapshot *s, const vss_column *keys, uint64_t *removed,
                              vss_error *err)
{
    VSSI_TRY(vssi_snapshot_keys_ready(s, err));
    for (size_t i = 0; i < keys->length; i++) {
        vssi_key key = vssi_key_of(keys, i);
        size_t part, row;
        if (!vssi_snapshot_find(s, &key, &part, &row))
            continue;
        VSSI_TRY(remove_own(old, s, part, err));
        vssi_bitmap_set(s->parts[part].deleted->words, row);
        s->parts[part].deleted->count++;
        (*removed)++;
    }
    return VSS_OK;
}

vss_status vssi_collection_delete(vss_collection *col, const vss_column *keys, vss_write_info *info, vss_error *err)
{
    vss_status status;
    vssi_snapshot *s = NULL;
    uint64_t removed = 0;
    VSSI_TRY(vssi_keys_check(vssi_collection_fields(col), keys, err));
    vssi_mutex_lock(&col->write_mutex);
    VSSI_TRY_GOTO(vssi_collection_writable(col, err), out);
    VSSI_TRY_GOTO(remove_begin(col, &s, err), out);
    VSSI_TRY_GOTO(remove_keys(col->snapshot, s, keys, &removed, err), out);
    remove_end(col, s, removed, info);
    s = NULL;
out:
    vssi_snapshot_unref(s);
    vssi_mutex_unlock(&col->write_mutex);
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
            status = remove_own(old, s, i, err);
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

vss_status vssi_collection_delete_where(vss_collection *col, const char *text, vss_write_info *info, vss_error *err)
{
    vss_status status;
    vssi_snapshot *s = NULL;
    vssi_filter *filter;
    uint64_t removed = 0;
    VSSI_TRY(vssi_filter_compile(&col->db->heap, vssi_collection_fields(col), text, &filter, err));
    vssi_mutex_lock(&col->write_mutex);
    VSSI_TRY_GOTO(vssi_collection_writable(col, err), out);
    VSSI_TRY_GOTO(remove_begin(col, &s, err), out);
    VSSI_TRY_GOTO(remove_matching(col->snapshot, s, filter, &removed, err), out);
    remove_end(col, s, removed, info);
    s = NULL;
out:
    vssi_snapshot_unref(s);
    vssi_mutex_unlock(&col->write_mutex);
    vssi_filter_free(filter);
    return status;
}
