/*
 * change.c - delete rows in a snapshot that is not yet published
 *
 * A delete sets a bit in a copy of its segment's tombstones; the rows stay where they are until compaction. Cost: a key
 * look-up each and one bitmap copy a segment touched. Locks: write_mutex, held by the caller.
 */
#include "change.h"

#include "../base/bitmap.h"
#include "../base/fail.h"

vss_status vssi_change_begin(const vssi_snapshot *old, vssi_snapshot **out, vss_error *err)
{
    vssi_snapshot *s;
    vss_status status;
    VSSI_TRY(vssi_snapshot_create(old->heap, old->n_parts, &s, err));
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

vss_status vssi_change_own(const vssi_snapshot *old, vssi_snapshot *s, size_t part, vss_error *err)
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

vss_status vssi_change_delete(const vssi_snapshot *old, vssi_snapshot *s, const vss_column *keys, uint64_t *removed,
                              vss_error *err)
{
    VSSI_TRY(vssi_snapshot_keys_ready(s, err));
    for (size_t i = 0; i < keys->length; i++) {
        vssi_key key = vssi_key_of(keys, i);
        size_t part, row;
        if (!vssi_snapshot_find(s, &key, &part, &row))
            continue;
        VSSI_TRY(vssi_change_own(old, s, part, err));
        vssi_bitmap_set(s->parts[part].deleted->words, row);
        s->parts[part].deleted->count++;
        (*removed)++;
    }
    return VSS_OK;
}

/* The keys of a part's rows whose bits are set in gone and not in before. */
static vss_status change_part_keys(const vssi_part *part, const uint64_t *before, vssi_column *keys, vss_error *err)
{
    const uint64_t *gone = part->deleted->words;
    VSSI_TRY(vssi_segment_keys_ready(part->segment, err));
    for (size_t row = 0; row < vssi_segment_rows(part->segment); row++) {
        if (!vssi_bitmap_get(gone, row) || (before != NULL && vssi_bitmap_get(before, row)))
            continue;
        vssi_key key = vssi_segment_key(part->segment, row);
        const int64_t offsets[] = {0, (int64_t)key.size};
        const vss_column one = {.struct_size = sizeof one,
                                .type = keys->view.type,
                                .length = 1,
                                .offsets = key.is_text ? offsets : NULL,
                                .data = key.is_text ? (const void *)key.text : &key.number};
        VSSI_TRY(vssi_column_append(keys, &one, 0, 1, err));
    }
    return VSS_OK;
}

vss_status vssi_change_keys(const vssi_snapshot *old, const vssi_snapshot *s, const vssi_schema *schema,
                            vssi_column **keys, vss_error *err)
{
    const vss_type type = schema->fields[schema->key].type;
    vss_status status = vssi_column_create(s->heap, type, VSS_TYPE_NONE, 0, false, keys, err);
    for (size_t i = 0; i < s->n_parts && status == VSS_OK; i++)
        if (s->parts[i].deleted != old->parts[i].deleted)
            status = change_part_keys(&s->parts[i], vssi_part_tombstones(&old->parts[i]), *keys, err);
    if (status != VSS_OK) {
        vssi_column_free(*keys);
        *keys = NULL;
    }
    return status;
}
