/*
 * journal_replay.c - at open, replay what the write-ahead logs hold beyond the newest manifest
 *
 * After a crash the surviving batches go into a log of their own before the first new one; the old log is never
 * appended to, since its pages in memory may be better than those on the disk. Cost: one read of the logs, another one
 * to carry them over. Locks: none, the handle is not given out yet.
 */
#include "journal.h"

/* The logs that follow the newest manifest, rising. */
typedef struct journal_logs {
    size_t n;
    vssi_wal_header *headers;
    uint64_t *limits; /* [n] sequence from which on later logs speak in place of this one */
} journal_logs;

typedef struct journal_run {
    vss_collection *col;
    vssi_wal_fn fn;      /* called with each batch once, in order */
    uint64_t first;      /* sequence before the first */
    uint64_t reached;
    uint64_t limit;      /* of the log that is read */
    uint64_t wanted;     /* a batch that came too early: a later log must have it, and those before */
    uint64_t cut, bytes; /* torn; of the logs */
} journal_run;

/* ---- find ---- */

static vss_status journal_head(vss_collection *col, uint64_t number, uint64_t identity, journal_logs *logs,
                               vss_error *err)
{
    vssi_wal_header header;
    bool begun;
    VSSI_TRY(vssi_wal_open(&col->db->storage, col->prefix, number, &header, &begun, err));
    if (!begun)
        return VSS_OK;
    if (header.base > col->manifest->version)
        return vssi_fail(err, VSS_ERR_CORRUPT,
                         "log %llu of collection \"%s\" follows version %llu, the newest manifest is %llu",
                         (unsigned long long)number, col->name, (unsigned long long)header.base,
                         (unsigned long long)col->manifest->version);
    if (header.identity != identity)
        return vssi_fail(err, VSS_ERR_CORRUPT, "log %llu of collection \"%s\" is of another collection",
                         (unsigned long long)number, col->name);
    logs->headers[logs->n++] = header;
    return VSS_OK;
}

static vss_status journal_heads(vss_collection *col, const uint64_t *numbers, size_t n, journal_logs *logs,
                                vss_error *err)
{
    uint64_t identity, limit = UINT64_MAX;
    VSSI_TRY(vssi_wal_identity(col->schema, &identity, err));
    VSSI_TRY(vssi_alloc(&col->db->heap, n, sizeof *logs->headers, &logs->headers, err));
    VSSI_TRY(vssi_alloc(&col->db->heap, n, sizeof *logs->limits, &logs->limits, err));
    for (size_t i = 0; i < n; i++)
        if (numbers[i] >= col->manifest->log_first)
            VSSI_TRY(journal_head(col, numbers[i], identity, logs, err));
    for (size_t i = logs->n; i-- > 0;) {
        logs->limits[i] = limit;
        limit = logs->headers[i].carried < limit ? logs->headers[i].carried : limit;
    }
    return VSS_OK;
}

/* ---- read ---- */

static vss_status journal_frame(void *state, const vssi_wal_frame *frame, vss_error *err)
{
    journal_run *run = state;
    if (frame->sequence <= run->reached || frame->sequence > run->limit)
        return VSS_OK; /* a copy is read already; a later log says otherwise */
    if (frame->sequence != run->reached + 1) {
        run->wanted = frame->sequence > run->wanted ? frame->sequence : run->wanted;
        return VSS_OK;
    }
    VSSI_TRY(run->fn(run->col, frame, err));
    run->reached = frame->sequence;
    return VSS_OK;
}

static vss_status journal_each(journal_run *run, const journal_logs *logs, vss_error *err)
{
    vss_collection *col = run->col;
    run->reached = run->first;
    for (size_t i = 0; i < logs->n; i++) {
        uint64_t size, cut;
        run->limit = logs->limits[i];
        VSSI_TRY(vssi_wal_read(&col->db->heap, &col->db->storage, col->prefix, &logs->headers[i], journal_frame, run,
                               &size, &cut, err));
        run->cut += cut;
        run->bytes += size;
    }
    if (run->wanted > run->reached)
        return vssi_fail(err, VSS_ERR_CORRUPT, "collection \"%s\": batch %llu of the log follows batch %llu", col->name,
                         (unsigned long long)run->wanted, (unsigned long long)run->reached);
    for (size_t i = 0; i < logs->n; i++)
        if (logs->headers[i].carried > run->reached)
            return vssi_fail(err, VSS_ERR_CORRUPT, "collection \"%s\": the logs end at batch %llu, log %llu held %llu",
                             col->name, (unsigned long long)run->reached, (unsigned long long)logs->headers[i].number,
                             (unsigned long long)logs->headers[i].carried);
    return VSS_OK;
}

/* ---- replay ---- */

static vss_status journal_apply(void *state, const vssi_wal_frame *frame, vss_error *err)
{
    vss_collection *col = state;
    vssi_heap *heap = &col->db->heap;
    vssi_column *columns[VSS_MAX_FIELDS], *keys;
    if (frame->kind == VSSI_WAL_DELETE) {
        VSSI_TRY(vssi_wal_unpack_keys(heap, col->schema, frame, &keys, err));
        vss_status status = vssi_remove_replay(col, &keys->view, err);
        vssi_column_free(keys);
        return status;
    }
    VSSI_TRY(vssi_wal_unpack_rows(heap, col->schema, frame, columns, err));
    return vssi_insert_replay(col, columns, frame->kind == VSSI_WAL_UPSERT, err);
}

static vss_status journal_copy(void *state, const vssi_wal_frame *frame, vss_error *err)
{
    vss_collection *col = state;
    const vss_span span = {frame->payload, frame->size};
    return vssi_wal_append(col->log, frame->kind, frame->sequence, &span, 1, err);
}

/* What was replayed into a new log. */
static vss_status journal_carry(vss_collection *col, const journal_run *replayed, const journal_logs *logs,
                                vss_error *err)
{
    journal_run run = {.col = col, .fn = journal_copy, .first = replayed->first};
    VSSI_TRY(vssi_journal_begin(col, replayed->reached, err));
    VSSI_TRY(journal_each(&run, logs, err));
    VSSI_TRY(vssi_wal_sync(col->log, err));
    col->log_synced_ns = vssi_now_ns();
    return VSS_OK;
}

static vss_status journal_recover(vss_collection *col, const uint64_t *numbers, size_t n, journal_logs *logs,
                                  vss_error *err)
{
    journal_run run = {.col = col, .fn = journal_apply, .first = col->sequence};
    VSSI_TRY(journal_heads(col, numbers, n, logs, err));
    col->replaying = true;
    vss_status status = journal_each(&run, logs, err);
    col->replaying = false;
    VSSI_TRY(status);
    col->log_number = numbers[n - 1] > col->log_number ? numbers[n - 1] : col->log_number;
    col->log_closed_bytes = run.bytes;
    if (run.reached > run.first || run.cut > 0)
        vssi_db_log(col->db, VSS_LOG_INFO, "collection \"%s\": %llu batches replayed, %llu torn bytes passed over",
                    col->name, (unsigned long long)(run.reached - run.first), (unsigned long long)run.cut);
    if (col->read_only)
        return VSS_OK;
    col->log_closed_bytes = 0;
    if (run.reached > run.first)
        VSSI_TRY(journal_carry(col, &run, logs, err));
    for (size_t i = 0; i < n; i++)
        vssi_journal_remove(col, numbers[i]);
    col->log_oldest = col->log == NULL ? col->log_number + 1 : col->log_number;
    return VSS_OK;
}

vss_status vssi_journal_replay(vss_collection *col, vss_error *err)
{
    vssi_heap *heap = &col->db->heap;
    journal_logs logs = {0};
    uint64_t *numbers;
    size_t n;
    col->log_oldest = col->manifest->log_first;
    col->log_number = col->manifest->log_first - 1;
    if (!col->db->logged)
        return VSS_OK;
    VSSI_TRY(vssi_wal_list(heap, &col->db->storage, col->prefix, &numbers, &n, err));
    vss_status status = n == 0 ? VSS_OK : journal_recover(col, numbers, n, &logs, err);
    vssi_free(heap, logs.headers);
    vssi_free(heap, logs.limits);
    vssi_free(heap, numbers);
    return status;
}
