/*
 * insert.c - new rows into the growing part of a collection, in place of older ones where they are upserted
 *
 * A batch becomes a small segment in memory; it is in the log before anyone sees it. The last growing segments are
 * merged while the one before is no larger than the last and below VSSI_GROW_ROWS, up to a number of bytes that bounds
 * how long a write may take: a row is copied O(log VSSI_GROW_ROWS) times; large ones get indexes in memory (grow.c).
 * Readers keep the snapshot they began with; nothing they see changes. Locks: write_mutex; not for the flush that a
 * full segment brings about.
 */
#include <stdio.h>

#include "../base/bitmap.h"
#include "../base/checked.h"
#include "background.h"
#include "change.h"
#include "journal.h"

#define INSERT_MERGE_BYTES 67108864u /* no more are put together on the way */

static void insert_key_text(const vssi_key *key, char *out, size_t size)
{
    if (key->is_text)
        snprintf(out, size, "\"%.*s\"", (int)(key->size < 100 ? key->size : 100), key->text);
    else
        snprintf(out, size, "%lld", (long long)key->number);
}

/* No key of the new rows is there twice, and unless they replace rows none is live already. */
static vss_status insert_keys(const vssi_snapshot *old, const vssi_segment *rows, bool replace, vss_error *err)
{
    char text[128];
    size_t part, at;
    for (size_t r = 0; r < vssi_segment_rows(rows); r++) {
        vssi_key key = vssi_segment_key(rows, r);
        size_t first = vssi_segment_find(rows, &key);
        if (first != r) {
            insert_key_text(&key, text, sizeof text);
            return vssi_fail(err, VSS_ERR_INVALID, "key %s is in the batch twice, in rows %zu and %zu", text, first, r);
        }
        if (!replace && vssi_snapshot_find(old, &key, &part, &at)) {
            insert_key_text(&key, text, sizeof text);
            return vssi_fail(err, VSS_ERR_EXISTS, "key %s of row %zu is in the collection already", text, r);
        }
    }
    return VSS_OK;
}

/* How many of the last growing parts go into one with new rows: of those that no flush is sealing. */
static size_t insert_merge_count(const vss_collection *col, const vssi_snapshot *old, const vssi_segment *new)
{
    const size_t fixed = vssi_max(old->n_sealed, col->n_frozen);
    uint64_t rows = vssi_segment_rows(new), bytes = vssi_segment_bytes(new);
    size_t n = 0;
    while (old->n_parts - n > fixed) {
        const vssi_segment *before = old->parts[old->n_parts - 1 - n].segment;
        if (vssi_segment_rows(before) > rows || vssi_segment_rows(before) >= VSSI_GROW_ROWS ||
            bytes + vssi_segment_bytes(before) > INSERT_MERGE_BYTES)
            break;
        rows += vssi_segment_rows(before);
        bytes += vssi_segment_bytes(before);
        n++;
    }
    return n;
}

static vss_status insert_merge(vss_collection *col, const vssi_snapshot *old, size_t n, vssi_segment *rows,
                               vssi_segment **out, vss_error *err)
{
    vssi_segment **parts;
    const uint64_t **deleted;
    vss_status status;
    vssi_heap *heap = &col->db->heap;
    VSSI_TRY(vssi_alloc(heap, n + 1, sizeof *parts, &parts, err));
    status = vssi_alloc_zero(heap, n + 1, sizeof *deleted, &deleted, err);
    if (status == VSS_OK) {
        for (size_t i = 0; i < n; i++) {
            parts[i] = old->parts[old->n_parts - n + i].segment;
            deleted[i] = vssi_part_tombstones(&old->parts[old->n_parts - n + i]);
        }
        parts[n] = rows;
        status = vssi_segment_merge(heap, vssi_collection_fields(col), parts, deleted, n + 1, out, err);
        vssi_free(heap, deleted);
    }
    vssi_free(heap, parts);
    return status;
}

/* The indexes of the last n parts of old, for the one that they were merged into. */
static vss_status insert_formers(const vssi_snapshot *old, size_t n, vssi_heap *heap, vssi_part *to, vss_error *err)
{
    size_t first = 0, indexes = 0;
    for (size_t i = old->n_parts - n; i < old->n_parts; i++)
        indexes += old->parts[i].n_indexes;
    if (indexes == 0)
        return VSS_OK;
    VSSI_TRY(vssi_alloc(heap, indexes, sizeof *to->formers, &to->formers, err));
    for (size_t i = old->n_parts - n; i < old->n_parts; i++) {
        const vssi_part *p = &old->parts[i];
        for (size_t j = 0; j < p->n_indexes; j++)
            to->formers[to->n_formers++] = (vssi_former){vssi_segment_index_ref(p->indexes[j]),
                                                         vssi_tombstones_ref(p->deleted),
                                                         vssi_segment_rows(p->segment), first};
        first += (size_t)vssi_part_live(p);
    }
    return VSS_OK;
}

/* The snapshot with these rows added to old. */
static vss_status insert_snapshot(vss_collection *col, const vssi_snapshot *old, vssi_segment *rows,
                                  vssi_snapshot **out, vss_error *err)
{
    vss_status status;
    size_t n = insert_merge_count(col, old, rows);
    vssi_snapshot *s;
    vssi_segment *merged = NULL;
    VSSI_TRY(vssi_snapshot_create(&col->db->heap, old->n_parts - n + 1, &s, err));
    for (size_t i = 0; i < old->n_parts - n; i++)
        VSSI_TRY_GOTO(vssi_part_share(s->heap, &old->parts[i], &s->parts[i], err), fail);
    if (n > 0)
        VSSI_TRY_GOTO(insert_merge(col, old, n, rows, &merged, err), fail);
    if (n > 0)
        VSSI_TRY_GOTO(insert_formers(old, n, s->heap, &s->parts[s->n_parts - 1], err), fail);
    s->parts[s->n_parts - 1].segment = merged != NULL ? merged : vssi_segment_ref(rows);
    s->version = old->version;
    s->sequence = col->sequence + 1;
    s->n_sealed = old->n_sealed;
    *out = s;
    return VSS_OK;
fail:
    vssi_snapshot_unref(s);
    return status;
}

/* The snapshot with these rows, those with their keys deleted before. */
static vss_status insert_replacing(vss_collection *col, const vss_column *keys, vssi_segment *rows,
                                   vssi_snapshot **out, vss_error *err)
{
    vssi_snapshot *without;
    uint64_t removed = 0;
    VSSI_TRY(vssi_change_begin(col->snapshot, &without, err));
    vss_status status = vssi_change_delete(col->snapshot, without, keys, &removed, err);
    if (status == VSS_OK)
        status = insert_snapshot(col, without, rows, out, err);
    vssi_snapshot_unref(without);
    return status;
}

/* Takes columns over. */
static vss_status insert_columns(vss_collection *col, vssi_column **columns, size_t rows, bool replace, vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    const bool counted = schema->fields[schema->key].flags & VSS_FIELD_AUTO_ID;
    vssi_segment *segment;
    vssi_snapshot *s = NULL;
    vss_status status;
    VSSI_TRY(vssi_segment_from_columns(&col->db->heap, schema, columns, &segment, err));
    if (!counted) {
        VSSI_TRY_GOTO(vssi_snapshot_keys_ready(col->snapshot, err), out);
        VSSI_TRY_GOTO(insert_keys(col->snapshot, segment, replace, err), out);
    }
    if (replace)
        VSSI_TRY_GOTO(insert_replacing(col, &columns[schema->key]->view, segment, &s, err), out);
    else
        VSSI_TRY_GOTO(insert_snapshot(col, col->snapshot, segment, &s, err), out);
    VSSI_TRY_GOTO(vssi_journal_rows(col, replace ? VSSI_WAL_UPSERT : VSSI_WAL_INSERT, s->sequence, columns, err), out);
    if (counted)
        col->next_auto_key += (int64_t)rows;
    col->sequence = s->sequence;
    vssi_collection_publish(col, s);
    s = NULL;
out:
    vssi_snapshot_unref(s);
    vssi_segment_unref(segment);
    return status;
}

/* Values as a caller may give them, and keys as the collection counts them. */
static vss_status insert_replay_check(const vss_collection *col, vssi_column *const *columns, vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    const vss_column *keys = &columns[schema->key]->view;
    for (size_t f = 0; f < schema->n_fields; f++)
        VSSI_TRY(vssi_values_check(&schema->fields[f], &columns[f]->view, err));
    for (size_t r = 0; r < keys->length && (schema->fields[schema->key].flags & VSS_FIELD_AUTO_ID); r++)
        if (col->next_auto_key > INT64_MAX - (int64_t)keys->length ||
            ((const int64_t *)keys->data)[r] != col->next_auto_key + (int64_t)r)
            return vssi_fail(err, VSS_ERR_INVALID, "the key of row %zu is not the next", r);
    return VSS_OK;
}

vss_status vssi_insert_replay(vss_collection *col, vssi_column **columns, bool replace, vss_error *err)
{
    vss_error why = {.status = VSS_OK};
    vss_status status = insert_replay_check(col, columns, &why);
    if (status == VSS_OK)
        status = insert_columns(col, columns, (size_t)columns[0]->view.length, replace, &why);
    else
        vssi_columns_free(columns, vssi_collection_fields(col)->n_fields);
    if (status == VSS_ERR_INVALID || status == VSS_ERR_EXISTS)
        status = VSS_ERR_CORRUPT;
    if (status == VSS_OK)
        return VSS_OK;
    return vssi_fail(err, status, "collection \"%s\": batch %llu of the log: %.300s", col->name,
                     (unsigned long long)(col->sequence + 1), why.message);
}

static vss_status insert_batch(vss_collection *col, const vss_batch *batch, bool replace, vss_write_info *info,
                               vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    const bool counted = schema->fields[schema->key].flags & VSS_FIELD_AUTO_ID;
    const int64_t first = col->next_auto_key;
    vssi_column *columns[VSS_MAX_FIELDS];
    size_t rows;
    VSSI_TRY(vssi_collection_writable(col, err));
    if (replace && counted)
        return vssi_fail(err, VSS_ERR_INVALID, "collection \"%s\" counts its keys (auto_id): nothing can be replaced",
                         col->name);
    VSSI_TRY(vssi_batch_columns(&col->db->heap, schema, batch, first, columns, &rows, err));
    if (rows == 0)
        vssi_columns_free(columns, schema->n_fields);
    else
        VSSI_TRY(insert_columns(col, columns, rows, replace, err));
    if (info != NULL) {
        info->sequence = col->sequence;
        info->rows = rows;
        info->first_key = counted ? first : 0;
    }
    return VSS_OK;
}

/* The rows are in; a failure to seal them now is logged and tried again at the next write or flush. */
static void insert_seal(vss_collection *col)
{
    vss_error err = {.status = VSS_OK};
    const vssi_seal_options options = {.threads = 1};
    bool sealed;
    if (vssi_seal_full(col, &options, &sealed, &err) != VSS_OK)
        vssi_db_log(col->db, VSS_LOG_WARNING, "collection \"%s\" could not be sealed: %s", col->name, err.message);
}

static vss_status insert_write(vss_collection *col, const vss_batch *batch, bool replace, vss_write_info *info,
                               vss_error *err)
{
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = insert_batch(col, batch, replace, info, err);
    const bool seals = status == VSS_OK && (vssi_background_offered(col) ? vssi_collection_overfull(col)
                                                                          : vssi_collection_full(col));
    if (status == VSS_OK && !seals)
        vssi_collection_grow(col);
    vssi_mutex_unlock(&col->write_mutex);
    if (seals)
        insert_seal(col);
    if (status == VSS_OK)
        vssi_background_notice(col);
    return status;
}

vss_status vssi_collection_insert(vss_collection *col, const vss_batch *batch, vss_write_info *info, vss_error *err)
{
    return insert_write(col, batch, false, info, err);
}

vss_status vssi_collection_upsert(vss_collection *col, const vss_batch *batch, vss_write_info *info, vss_error *err)
{
    return insert_write(col, batch, true, info, err);
}
