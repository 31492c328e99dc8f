/*
 * salvage_log.c - the batches in the logs of a damaged collection, up to the first damage
 *
 * As recovery does (journal.c), but what can't be read gets a line and the rest goes on: a batch whose values no call
 * would have taken is passed over, and so is a gap. Rows stay in memory; of batches one after another the smaller ones
 * are merged, so that there are O(log rows) parts. Locks: none.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/bitmap.h"
#include "salvage_run.h"

typedef struct salvage_log {
    salvage_run *run;
    uint64_t limit; /* frames above are another log's */
    bool jump;      /* the second time: over the batches that no log has */
    uint64_t wanted; /* the greatest batch behind such a gap */
    char name[32];
} salvage_log;

__attribute__((format(printf, 2, 3))) static void salvage_log_line(const salvage_log *log, const char *format, ...)
{
    char line[600];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    (void)vssi_salvage_line(log->run, log->name, line);
}

/* ---- rows ---- */

/* The last two parts of the log as one. */
static vss_status salvage_log_join(salvage_run *run, vss_error *err)
{
    salvage_part *a = &run->parts[run->n_parts - 2], *b = &run->parts[run->n_parts - 1];
    vssi_segment *const parts[] = {a->segment, b->segment};
    const uint64_t *const gone[] = {a->gone, b->gone};
    vssi_segment *merged;
    uint64_t *none;
    VSSI_TRY(vssi_segment_merge(run->heap, run->manifest->schema, parts, gone, 2, &merged, err));
    const size_t rows = merged == NULL ? 0 : vssi_segment_rows(merged);
    const vss_status status = vssi_alloc_zero(run->heap, vssi_bitmap_words(rows), sizeof *none, &none, err);
    if (status != VSS_OK) {
        vssi_segment_unref(merged);
        return status;
    }
    for (size_t i = 0; i < 2; i++) {
        salvage_part *last = &run->parts[--run->n_parts];
        vssi_segment_unref(last->segment);
        vssi_free(run->heap, last->gone);
    }
    if (merged != NULL)
        return vssi_salvage_add(run, merged, none, NULL, err);
    vssi_free(run->heap, none);
    return VSS_OK;
}

static bool salvage_log_joins(const salvage_run *run)
{
    if (run->n_parts < 2 || run->parts[run->n_parts - 2].object != NULL)
        return false;
    return vssi_segment_rows(run->parts[run->n_parts - 2].segment) <=
           vssi_segment_rows(run->parts[run->n_parts - 1].segment);
}

static vss_status salvage_log_values(const salvage_run *run, vssi_column *const *columns, vss_error *err)
{
    const vssi_schema *schema = run->manifest->schema;
    for (size_t f = 0; f < schema->n_fields; f++)
        VSSI_TRY(vssi_values_check(&schema->fields[f], &columns[f]->view, err));
    return VSS_OK;
}

/* Rows in place of those of their keys. Takes columns over. */
static vss_status salvage_log_put(salvage_run *run, vssi_column **columns, vss_error *err)
{
    vssi_segment *rows;
    uint64_t *gone;
    VSSI_TRY(vssi_segment_from_columns(run->heap, run->manifest->schema, columns, &rows, err));
    const size_t n = vssi_segment_rows(rows);
    const vss_status status = vssi_alloc_zero(run->heap, vssi_bitmap_words(n), sizeof *gone, &gone, err);
    if (status != VSS_OK) {
        vssi_segment_unref(rows);
        return status;
    }
    for (size_t row = 0; row < n; row++) {
        const vssi_key key = vssi_segment_key(rows, row);
        vssi_salvage_forget(run, run->n_parts, &key);
        if (vssi_segment_find(rows, &key) != row)
            vssi_bitmap_set(gone, row); /* no call takes a key twice */
    }
    VSSI_TRY(vssi_salvage_add(run, rows, gone, NULL, err));
    while (salvage_log_joins(run))
        VSSI_TRY(salvage_log_join(run, err));
    return VSS_OK;
}

/* ---- frames ---- */

static vss_status salvage_log_apply(salvage_run *run, const vssi_wal_frame *frame, vss_error *err)
{
    const vssi_schema *schema = run->manifest->schema;
    vssi_column *columns[VSS_MAX_FIELDS], *keys;
    if (frame->kind == VSSI_WAL_DELETE) {
        VSSI_TRY(vssi_wal_unpack_keys(run->heap, schema, frame, &keys, err));
        for (size_t i = 0; i < keys->view.length; i++) {
            const vssi_key key = vssi_key_of(&keys->view, i);
            vssi_salvage_forget(run, run->n_parts, &key);
        }
        vssi_column_free(keys);
        return VSS_OK;
    }
    VSSI_TRY(vssi_wal_unpack_rows(run->heap, schema, frame, columns, err));
    const vss_status status = salvage_log_values(run, columns, err);
    if (status == VSS_OK)
        return salvage_log_put(run, columns, err);
    vssi_columns_free(columns, schema->n_fields);
    return status;
}

static vss_status salvage_log_frame(void *state, const vssi_wal_frame *frame, vss_error *err)
{
    salvage_log *log = state;
    salvage_run *run = log->run;
    vss_error why = {.status = VSS_OK};
    if (frame->sequence <= run->sequence || frame->sequence > log->limit)
        return VSS_OK;
    if (frame->sequence != run->sequence + 1 && !log->jump) { /* a later log may have those before */
        log->wanted = frame->sequence;
        return VSS_OK;
    }
    if (frame->sequence != run->sequence + 1)
        salvage_log_line(log, "batches %llu to %llu are lost: no log has them",
                         (unsigned long long)run->sequence + 1, (unsigned long long)frame->sequence - 1);
    run->sequence = frame->sequence;
    const vss_status status = salvage_log_apply(run, frame, &why);
    if (vssi_salvage_fatal(status))
        return vssi_fail(err, status, "%s", why.message);
    if (status != VSS_OK)
        salvage_log_line(log, "batch %llu is lost: %.300s", (unsigned long long)frame->sequence, why.message);
    else
        run->report->batches++;
    return vssi_salvage_stopped(run) ? vssi_fail(err, VSS_ERR_CANCELLED, "the salvage was cancelled") : VSS_OK;
}

static vss_status salvage_log_read(salvage_log *log, const vssi_wal_header *header, vss_error *err)
{
    salvage_run *run = log->run;
    vss_error why = {.status = VSS_OK};
    uint64_t size, cut;
    const vss_status status = vssi_wal_read(run->heap, &run->from->storage, run->prefix, header, salvage_log_frame,
                                            log, &size, &cut, &why);
    if (vssi_salvage_fatal(status) || status == VSS_ERR_CANCELLED)
        return vssi_fail(err, status, "%s", why.message);
    if (log->jump)
        return VSS_OK; /* told the first time */
    if (status != VSS_OK)
        salvage_log_line(log, "what follows batch %llu is lost: %.300s", (unsigned long long)run->sequence,
                         why.message);
    else if (cut > 0)
        salvage_log_line(log, "its last %llu bytes are no whole batch: a write cut off, or damage",
                         (unsigned long long)cut);
    return VSS_OK;
}

/* ---- logs ---- */

/* The headers of the logs that say something beyond the manifest. */
static vss_status salvage_log_heads(salvage_run *run, const uint64_t *numbers, size_t n, vssi_wal_header *headers,
                                    size_t *n_headers, vss_error *err)
{
    uint64_t identity;
    salvage_log log = {.run = run};
    *n_headers = 0;
    VSSI_TRY(vssi_wal_identity(run->manifest->schema, &identity, err));
    for (size_t i = 0; i < n; i++) {
        vss_error why = {.status = VSS_OK};
        vssi_wal_header *h = &headers[*n_headers];
        bool begun;
        if (numbers[i] < run->manifest->log_first)
            continue; /* covered, whatever is in it */
        vssi_wal_name(numbers[i], log.name);
        const vss_status status = vssi_wal_open(&run->from->storage, run->prefix, numbers[i], h, &begun, &why);
        if (vssi_salvage_fatal(status))
            return vssi_fail(err, status, "%s", why.message);
        if (status != VSS_OK)
            salvage_log_line(&log, "all of it is lost: %.300s", why.message);
        else if (begun && h->identity != identity)
            salvage_log_line(&log, "all of it is lost: it is of another collection");
        else if (begun)
            ++*n_headers;
    }
    return VSS_OK;
}

/* All logs, from the oldest on. *wanted: the greatest batch that is there behind a gap. */
static vss_status salvage_log_pass(salvage_run *run, const vssi_wal_header *headers, size_t n, bool jump,
                                   uint64_t *wanted, vss_error *err)
{
    for (size_t i = 0; i < n; i++) {
        salvage_log log = {.run = run, .limit = UINT64_MAX, .jump = jump};
        vssi_wal_name(headers[i].number, log.name);
        for (size_t later = i + 1; later < n; later++)
            log.limit = headers[later].carried < log.limit ? headers[later].carried : log.limit;
        VSSI_TRY(salvage_log_read(&log, &headers[i], err));
        *wanted = log.wanted > *wanted ? log.wanted : *wanted;
    }
    return VSS_OK;
}

static vss_status salvage_log_each(salvage_run *run, const vssi_wal_header *headers, size_t n, vss_error *err)
{
    uint64_t wanted = 0;
    VSSI_TRY(salvage_log_pass(run, headers, n, false, &wanted, err));
    if (wanted > run->sequence)
        VSSI_TRY(salvage_log_pass(run, headers, n, true, &wanted, err));
    for (size_t i = 0; i < n; i++) {
        salvage_log log = {.run = run};
        vssi_wal_name(headers[i].number, log.name);
        if (headers[i].carried <= run->sequence)
            continue;
        salvage_log_line(&log, "batches %llu to %llu are lost: it began after them",
                         (unsigned long long)run->sequence + 1, (unsigned long long)headers[i].carried);
        run->sequence = headers[i].carried;
    }
    return VSS_OK;
}

vss_status vssi_salvage_logs(salvage_run *run, vss_error *err)
{
    vssi_wal_header *headers;
    uint64_t *numbers;
    size_t n, n_headers;
    VSSI_TRY(vssi_wal_list(run->heap, &run->from->storage, run->prefix, &numbers, &n, err));
    vss_status status = vssi_alloc(run->heap, n, sizeof *headers, &headers, err);
    if (status == VSS_OK)
        status = salvage_log_heads(run, numbers, n, headers, &n_headers, err);
    if (status == VSS_OK)
        status = salvage_log_each(run, headers, n_headers, err);
    vssi_free(run->heap, headers);
    vssi_free(run->heap, numbers);
    return status;
}
