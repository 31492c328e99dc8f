/*
 * check_cross.c - the logs of a collection, and what its objects say of each other
 *
 * Cost: one read of the logs and memory for the rows in them; a look-up a row and segment for the keys. Works beside a
 * writer: a log that grows meanwhile is read again, one that a commit has removed is no fault. Locks: none.
 */
#include <stdio.h>

#include "../base/bitmap.h"
#include "check_run.h"

#define CHECK_LOG_ATTEMPTS 16

typedef struct check_log {
    check_run *run;
    const vssi_manifest *m;
} check_log;

/* Do the values of a batch decode? */
static vss_status check_frame(void *state, const vssi_wal_frame *frame, vss_error *err)
{
    const check_log *log = state;
    vssi_heap *heap = &log->run->heap;
    vssi_column *columns[VSS_MAX_FIELDS], *keys;
    if (frame->kind == VSSI_WAL_DELETE) {
        VSSI_TRY(vssi_wal_unpack_keys(heap, log->m->schema, frame, &keys, err));
        vssi_column_free(keys);
        return VSS_OK;
    }
    VSSI_TRY(vssi_wal_unpack_rows(heap, log->m->schema, frame, columns, err));
    vssi_columns_free(columns, log->m->schema->n_fields);
    return VSS_OK;
}

/* Read a log until its end holds still. */
static vss_status check_log_read(check_log *log, const vssi_wal_header *header, uint64_t *size, uint64_t *cut,
                                 vss_error *err)
{
    uint64_t before = UINT64_MAX;
    for (int attempt = 0; attempt < CHECK_LOG_ATTEMPTS; attempt++) {
        VSSI_TRY(vssi_wal_read(&log->run->heap, &log->run->db->storage, log->run->prefix, header, check_frame, log,
                               size, cut, err));
        if (*cut == 0 || *size == before)
            break;
        before = *size;
    }
    return VSS_OK;
}

/* A torn write and damage look alike, so both are told; bytes is what can't be read. */
static void check_log_torn(check_run *run, const char *name, uint64_t bytes)
{
    char line[160];
    (void)snprintf(line, sizeof line,
                   "its last %llu bytes are no whole batch: a write cut off (opening passes over it), or damage",
                   (unsigned long long)bytes);
    vssi_check_fault(run, name, line);
}

static void check_log_one(check_log *log, uint64_t number)
{
    check_run *run = log->run;
    const vss_storage *storage = &run->db->storage;
    vss_error err = {.status = VSS_OK};
    vssi_wal_header header;
    uint64_t size = 0, cut = 0;
    bool whole;
    char name[32];
    vssi_wal_name(number, name);
    vss_status status = vssi_wal_head(storage, run->prefix, number, &header, &size, &whole, &err);
    if (status == VSS_OK && !whole)
        cut = size;
    else if (status == VSS_OK)
        status = check_log_read(log, &header, &size, &cut, &err);
    if (status != VSS_OK && status != VSS_ERR_NOT_FOUND)
        vssi_check_error(run, name, &err);
    else if (status == VSS_OK && cut > 0)
        check_log_torn(run, name, cut);
    vssi_check_counted(run, size);
}

void vssi_check_logs(check_run *run, const vssi_manifest *m)
{
    check_log log = {run, m};
    vss_error err = {.status = VSS_OK};
    uint64_t *numbers;
    size_t n;
    if (!run->db->logged)
        return;
    if (vssi_wal_list(&run->heap, &run->db->storage, run->prefix, &numbers, &n, &err) != VSS_OK)
        vssi_check_error(run, "w/", &err);
    for (size_t i = 0; numbers != NULL && i < n && !vssi_check_stopped(run); i++)
        if (numbers[i] >= m->log_first) /* else covered, whatever is in it */
            check_log_one(&log, numbers[i]);
    vssi_free(&run->heap, numbers);
}

/* ---- across objects ---- */

static void check_key_text(const vssi_key *key, char out[128])
{
    if (key->is_text)
        (void)snprintf(out, 128, "\"%.*s\"", (int)(key->size < 100 ? key->size : 100), key->text);
    else
        (void)snprintf(out, 128, "%lld", (long long)key->number);
}

/* Rows of part p whose keys are live in a later part, too; a line for the first. */
static void check_part_keys(check_run *run, const vssi_snapshot *s, size_t p)
{
    const vssi_part *part = &s->parts[p];
    size_t twice = 0;
    char key_text[128], line[256];
    for (size_t row = 0; row < vssi_segment_rows(part->segment); row++) {
        if (part->deleted != NULL && vssi_bitmap_get(part->deleted->words, row))
            continue;
        const vssi_key key = vssi_segment_key(part->segment, row);
        size_t found, at;
        if (!vssi_snapshot_find(s, &key, &found, &at) || (found == p && at == row))
            continue;
        if (twice++ == 0)
            check_key_text(&key, key_text);
    }
    if (twice == 0)
        return;
    (void)snprintf(line, sizeof line, "%zu keys of live rows are not theirs alone, the first is %s", twice, key_text);
    vssi_check_fault(run, p < s->n_sealed ? "segments" : "w/", line);
}

void vssi_check_cross(check_run *run)
{
    vss_error err = {.status = VSS_OK};
    vss_collection *col;
    if (vssi_collection_peek(run->db, run->name, &col, &err) != VSS_OK) {
        vssi_check_error(run, "w/", &err);
        return;
    }
    vssi_snapshot *s = vssi_collection_snapshot(col);
    if (vssi_snapshot_keys_ready(s, &err) != VSS_OK)
        vssi_check_error(run, "segments", &err);
    else
        for (size_t p = 0; p < s->n_parts && !vssi_check_stopped(run); p++)
            check_part_keys(run, s, p);
    vssi_snapshot_unref(s);
    vssi_collection_peek_end(col);
}
