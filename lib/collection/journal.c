/*
 * journal.c - keep batches in the write-ahead log
 *
 * A log is begun with the first batch after a flush begins, so that a handle that only reads leaves no file, and
 * batches that come while a flush is at work are in a log of their own. The manifest says which log is the first it
 * needs; a flush that fails leaves one log more. Cost of a batch: one append, and one sync where the database wants
 * one. Locks: write_mutex, held by the caller.
 */
#include "journal.h"

#include <stdio.h>

void vssi_journal_remove(vss_collection *col, uint64_t number)
{
    char name[32], full[160];
    vssi_wal_name(number, name);
    snprintf(full, sizeof full, "%s%s", col->prefix, name);
    (void)col->db->storage.remove(col->db->storage.state, full, NULL); /* it is covered: it does no harm */
}

vss_status vssi_journal_begin(vss_collection *col, uint64_t carried, vss_error *err)
{
    vssi_wal_header header = {.number = col->log_number + 1, .base = col->manifest->version, .carried = carried,
                              .salt = vssi_random_name()};
    if (header.number == 0)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "collection \"%s\": the numbers of logs are used up", col->name);
    VSSI_TRY(vssi_wal_identity(col->schema, &header.identity, err));
    col->log_number++;
    return vssi_wal_create(&col->db->heap, &col->db->storage, col->prefix, &header, &col->log, err);
}

/* The log is written no more: whole, as the header of one that follows will say. */
static vss_status journal_end(vss_collection *col, vss_error *err)
{
    if (col->log != NULL) {
        if (vssi_wal_dirty(col->log))
            VSSI_TRY(vssi_wal_sync(col->log, err));
        col->log_closed_bytes += vssi_wal_size(col->log);
        vssi_wal_close(col->log);
        col->log = NULL;
    }
    col->log_divided = false;
    return VSS_OK;
}

static vss_status journal_poison(vss_collection *col, const vss_error *why, vss_error *err)
{
    col->poisoned = VSS_ERR_UNKNOWN_COMMIT;
    return vssi_fail(err, VSS_ERR_UNKNOWN_COMMIT, "collection \"%s\": nobody knows whether the batch is stored: %.300s",
                     col->name, why->message);
}

static bool journal_sync_due(const vss_collection *col)
{
    if (col->db->sync == VSS_SYNC_COMMIT)
        return true;
    return col->db->sync == VSS_SYNC_INTERVAL && vssi_now_ns() - col->log_synced_ns >= col->db->sync_interval_ns;
}

static vss_status journal_keep(vss_collection *col, vssi_wal_kind kind, uint64_t sequence,
                               const vssi_wal_payload *payload, vss_error *err)
{
    vss_error why = {.status = VSS_OK};
    if (col->log_divided && journal_end(col, &why) != VSS_OK)
        return journal_poison(col, &why, err);
    if (col->log == NULL) {
        VSSI_TRY(vssi_journal_begin(col, col->sequence, err));
        col->log_synced_ns = vssi_now_ns();
    }
    vss_status status = vssi_wal_append(col->log, kind, sequence, payload->parts, payload->n_parts, &why);
    if (status == VSS_ERR_UNKNOWN_COMMIT)
        return journal_poison(col, &why, err);
    if (status != VSS_OK) {
        if (err != NULL)
            *err = why;
        return status;
    }
    if (journal_sync_due(col)) {
        if (vssi_wal_sync(col->log, &why) != VSS_OK)
            return journal_poison(col, &why, err);
        col->log_synced_ns = vssi_now_ns();
    }
    return VSS_OK;
}

vss_status vssi_journal_rows(vss_collection *col, vssi_wal_kind kind, uint64_t sequence, vssi_column *const *columns,
                             vss_error *err)
{
    vssi_wal_payload payload;
    if (!col->db->logged || col->replaying)
        return VSS_OK;
    vss_status status = vssi_wal_pack_rows(&col->db->heap, col->schema, columns, &payload, err);
    if (status == VSS_OK)
        status = journal_keep(col, kind, sequence, &payload, err);
    vssi_wal_payload_free(&col->db->heap, &payload);
    return status;
}

vss_status vssi_journal_keys(vss_collection *col, uint64_t sequence, const vss_column *keys, vss_error *err)
{
    vssi_wal_payload payload;
    if (!col->db->logged || col->replaying)
        return VSS_OK;
    vss_status status = vssi_wal_pack_keys(&col->db->heap, col->schema, keys, &payload, err);
    if (status == VSS_OK)
        status = journal_keep(col, VSSI_WAL_DELETE, sequence, &payload, err);
    vssi_wal_payload_free(&col->db->heap, &payload);
    return status;
}

uint64_t vssi_journal_divide(vss_collection *col)
{
    col->log_divided = true;
    return col->log_number + 1;
}

void vssi_journal_undivide(vss_collection *col) { col->log_divided = false; }

void vssi_journal_covered(vss_collection *col)
{
    if (col->log != NULL && col->log_number < col->manifest->log_first) {
        vssi_wal_close(col->log);
        col->log = NULL;
    }
    col->log_divided = false;
    col->log_closed_bytes = 0;
}

void vssi_journal_remove_covered(vss_collection *col)
{
    for (; col->log_oldest < col->manifest->log_first; col->log_oldest++)
        vssi_journal_remove(col, col->log_oldest);
}

uint64_t vssi_journal_bytes(const vss_collection *col)
{
    return col->log_closed_bytes + (col->log == NULL ? 0 : vssi_wal_size(col->log));
}

vss_status vssi_journal_clear(vss_collection *col, vss_error *err)
{
    uint64_t *numbers = NULL;
    size_t n = 0;
    if (col->db->logged)
        VSSI_TRY(vssi_wal_list(&col->db->heap, &col->db->storage, col->prefix, &numbers, &n, err));
    for (size_t i = 0; i < n; i++)
        vssi_journal_remove(col, numbers[i]);
    col->log_number = n == 0 ? 0 : numbers[n - 1];
    col->log_oldest = col->manifest->log_first = col->log_number + 1;
    vssi_free(&col->db->heap, numbers);
    return VSS_OK;
}
