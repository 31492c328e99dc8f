/*
 * journal.h - what a collection's write-ahead log does for its writes: kept before they are visible, replayed at open
 *
 * All of it under write_mutex, or before the handle is given out. A storage without logs: nothing is kept, every
 * function here does nothing.
 */
#ifndef VSSI_JOURNAL_H
#define VSSI_JOURNAL_H

#include "../format/wal.h"
#include "collection.h"

/* Replay what the logs hold beyond the newest manifest, which is loaded. A writable handle then has it in a new log,
 * durable, and the old ones are removed; a read-only one writes nothing. CORRUPT: what was acknowledged is damaged,
 * nothing is changed. */
vss_status vssi_journal_replay(vss_collection *col, vss_error *err);

/* Keep a batch, durable as the database's sync says. On UNKNOWN_COMMIT the handle is poisoned; on any other failure the
 * batch will never be seen. */
vss_status vssi_journal_rows(vss_collection *col, vssi_wal_kind kind, uint64_t sequence, vssi_column *const *columns,
                             vss_error *err);
vss_status vssi_journal_keys(vss_collection *col, uint64_t sequence, const vss_column *keys, vss_error *err);

/* A manifest that covers every batch was committed: close the log and remove it. */
void vssi_journal_covered(vss_collection *col);

/* ---- replay, in insert.c and remove.c: as the calls, without the log ---- */

/* Takes columns over. replace: an upsert. */
vss_status vssi_insert_replay(vss_collection *col, vssi_column **columns, bool replace, vss_error *err);
/* Every key must be live. */
vss_status vssi_remove_replay(vss_collection *col, const vss_column *keys, vss_error *err);

#endif
