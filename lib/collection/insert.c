/*
 * insert.c - new rows into the growing part of a collection
 *
 * A batch becomes a small segment in memory. The last growing segments are merged while the one before is no larger
 * than the last, so there are O(log rows) of them and a row is copied O(log rows) times. Readers keep the snapshot they
 * began with; nothing they see changes. Locks: write_mutex throughout.
 */
#include <stdio.h>

#include "../base/bitmap.h"
#include "collection.h"

vss_status vssi_collection_writable(vss_collection *col, vss_error *err)
{
    if (col->read_only)
        return vssi_fail(err, VSS_ERR_READ_ONLY, "collection \"%s\" is open read-only", col->name);
    if (col->poisoned != VSS_OK)
        return vssi_fail(err, VSS_ERR_POISONED, "collection \"%s\": an earlier write ended in %s; reopen it", col->name,
                         vss_status_name(col->poisoned));
    return VSS_OK;
}

static void insert_key_text(const vssi_key *key, char *out, size_t size)
{
    if (key->is_text)
        snprintf(out, size, "\"%.*s\"", (int)(key->size < 100 ? key->size : 100), key->text);
    else
        snprintf(out, size, "%lld", (long long)key->number);
}

/* No key of the new rows is there twice, and none is live already. */
static vss_status insert_keys(const vssi_snapshot *old, const vssi_segment *rows, vss_error *err)
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
        if (vssi_snapshot_find(old, &key, &part, &at)) {
            insert_key_text(&key, text, sizeof text);
            return vssi_fail(err, VSS_ERR_EXISTS, "key %s of row %zu is in the collection already", text, r);
        }
    }
    return VSS_OK;
}

/* How many of the last growing parts go into one with `rows` new ones. */
static size_t insert_merge_count(const vssi_snapshot *old, size_t rows)
{
    size_t n = 0;
    while (old->n_parts - n > old->n_sealed) {
        size_t before = vssi_segment_rows(old->parts[old->n_parts - 1 - n].segment);
        if (before > rows)
            break;
        rows += before;
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

/* The snapshot with these rows added; takes `rows` over on success only. */
static vss_status insert_snapshot(vss_collection *col, vssi_segment *rows, vssi_snapshot **out, vss_error *err)
{
    vss_status status;
    const vssi_snapshot *old = col->snapshot;
    size_t n = insert_merge_count(old, vssi_segment_rows(rows));
    vssi_snapshot *s;
    vssi_segment *merged = NULL;
    VSSI_TRY(vssi_snapshot_create(&col->db->heap, old->n_parts - n + 1, &s, err));
    for (size_t i = 0; i < old->n_parts - n; i++)
        VSSI_TRY_GOTO(vssi_part_share(s->heap, &old->parts[i], &s->parts[i], err), fail);
    if (n > 0)
        VSSI_TRY_GOTO(insert_merge(col, old, n, rows, &merged, err), fail);
    if (merged != NULL)
        vssi_segment_unref(rows);
    s->parts[s->n_parts - 1].segment = merged != NULL ? merged : rows;
    s->version = old->version;
    s->sequence = old->sequence + 1;
    s->n_sealed = old->n_sealed;
    *out = s;
    return VSS_OK;
fail:
    s->parts[s->n_parts - 1].segment = NULL;
    vssi_snapshot_unref(s);
    return status;
}

static bool insert_full(const vssi_snapshot *s)
{
    uint64_t rows = 0, bytes = 0;
    for (size_t i = s->n_sealed; i < s->n_parts; i++) {
        rows += vssi_segment_rows(s->parts[i].segment);
        bytes += vssi_segment_bytes(s->parts[i].segment);
    }
    return rows >= VSSI_SEGMENT_ROWS || bytes >= VSSI_SEGMENT_BYTES;
}

/* The rows are in; a failure to seal them now is logged and tried again at the next write or flush. */
static void insert_seal(vss_collection *col)
{
    vss_error err = {.status = VSS_OK};
    vssi_seal_options options = {.threads = 1};
    if (insert_full(col->snapshot) && vssi_collection_seal(col, &options, &err) != VSS_OK)
        vssi_db_log(col->db, VSS_LOG_WARNING, "collection \"%s\" could not be sealed: %s", col->name, err.message);
}

static vss_status insert_columns(vss_collection *col, vssi_column **columns, size_t rows, vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    vssi_segment *segment;
    vssi_snapshot *s;
    vss_status status;
    VSSI_TRY(vssi_segment_from_columns(&col->db->heap, schema, columns, &segment, err));
    if (!(schema->fields[schema->key].flags & VSS_FIELD_AUTO_ID)) {
        VSSI_TRY_GOTO(vssi_snapshot_keys_ready(col->snapshot, err), fail);
        VSSI_TRY_GOTO(insert_keys(col->snapshot, segment, err), fail);
    }
    VSSI_TRY_GOTO(insert_snapshot(col, segment, &s, err), fail);
    if (schema->fields[schema->key].flags & VSS_FIELD_AUTO_ID)
        col->next_auto_key += (int64_t)rows;
    col->sequence = s->sequence;
    vssi_collection_publish(col, s);
    return VSS_OK;
fail:
    vssi_segment_unref(segment);
    return status;
}

vss_status vssi_collection_insert(vss_collection *col, const vss_batch *batch, vss_write_info *info, vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    vssi_column *columns[VSS_MAX_FIELDS];
    size_t rows;
    vss_status status;
    vssi_mutex_lock(&col->write_mutex);
    int64_t first = col->next_auto_key;
    VSSI_TRY_GOTO(vssi_collection_writable(col, err), out);
    VSSI_TRY_GOTO(vssi_batch_columns(&col->db->heap, schema, batch, first, columns, &rows, err), out);
    if (rows == 0)
        vssi_columns_free(columns, schema->n_fields);
    else
        VSSI_TRY_GOTO(insert_columns(col, columns, rows, err), out);
    if (info != NULL) {
        info->sequence = col->sequence;
        info->rows = rows;
        info->first_key = schema->fields[schema->key].flags & VSS_FIELD_AUTO_ID ? first : 0;
    }
    insert_seal(col);
out:
    vssi_mutex_unlock(&col->write_mutex);
    return status;
}
