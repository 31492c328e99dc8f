/*
 * inspect_log.c - a log: its header, and each batch up to its end, a torn tail or damage
 *
 * Cost: one read, memory for the largest batch. No locks.
 */
#include <inttypes.h>

#include "../base/fail.h"
#include "inspect.h"
#include "wal_private.h"

typedef struct inspect_log {
    inspect_run *run;
    uint64_t n;
    uint64_t at; /* of the next frame */
} inspect_log;

static vss_status inspect_frame(void *state, const vssi_wal_frame *frame, vss_error *err)
{
    static const char *const kinds[] = {"", "insert", "delete", "upsert"};
    inspect_log *log = state;
    (void)err;
    vssi_inspect_text(log->run, "batch", log->n, "kind", kinds[frame->kind]);
    vssi_inspect_count(log->run, "batch", log->n, "sequence", frame->sequence);
    vssi_inspect_count(log->run, "batch", log->n, "rows", frame->size < 4 ? 0 : vssi_load32(frame->payload));
    vssi_inspect_count(log->run, "batch", log->n, "offset", log->at);
    vssi_inspect_count(log->run, "batch", log->n, "bytes", frame->size);
    vssi_inspect_text(log->run, "batch", log->n, "hash", "ok");
    log->n++;
    log->at += VSSI_WAL_FRAME + vssi_wal_padded(frame->size);
    return VSS_OK;
}

vss_status vssi_inspect_log(inspect_run *run, vss_error *err)
{
    vssi_wal_header header;
    vss_error why = {.status = VSS_OK};
    inspect_log log = {.run = run, .at = VSSI_WAL_HEADER};
    uint64_t size, cut = 0;
    bool whole = false;
    vss_status status = VSS_OK;
    if (run->size >= VSSI_WAL_HEADER)
        status = vssi_wal_head(&run->storage, "", vssi_load64(run->data + VSSI_WAL_AT_NUMBER), &header, &size, &whole,
                               &why);
    if (status != VSS_OK)
        return vssi_fail(err, status, "\"%s\": %.400s", run->name, why.message);
    if (!whole)
        return vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\": a log of %zu bytes that was never begun", run->name, run->size);
    vssi_inspect_text(run, "file", 0, "kind", "log");
    vssi_inspect_count(run, "file", 0, "bytes", run->size);
    vssi_inspect_count(run, "file", 0, "log_number", header.number);
    vssi_inspect_count(run, "file", 0, "base", header.base);
    vssi_inspect_count(run, "file", 0, "carried", header.carried);
    vssi_inspect_hash(run, "file", 0, "identity", header.identity);
    vssi_inspect_hash(run, "file", 0, "salt", header.salt);
    status = vssi_wal_read(run->heap, &run->storage, "", &header, inspect_frame, &log, &size, &cut, &why);
    vssi_inspect_count(run, "file", 0, "batches", log.n);
    vssi_inspect_count(run, "file", 0, "torn_bytes", status == VSS_OK ? cut : 0);
    return status == VSS_OK ? VSS_OK : vssi_fail(err, status, "\"%s\": %.400s", run->name, why.message);
}
