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

/* ---- journal_replay.c ---- */

/* Replay what the logs hold beyond the newest manifest, which is loaded. A writable handle then has it in a new log,
 * durable, and the old ones are removed; a read-only one writes nothing. CORRUPT: what was acknowledged is damaged,
 * nothing is changed. */
vss_status vssi_journal_replay(vss_collection *col, vss_error *err);

/* ---- journal.c ---- */

/* A collection that is being made: its first manifest covers the logs that one of its name left, and they are removed.
 */
vss_status vssi_journal_clear(vss_collection *col, vss_error *err);

/* Keep a batch, durable as the database's sync says. On UNKNOWN_COMMIT the handle is poisoned; on any other failure the
 * batch will never be seen. */
vss_status vssi_journal_rows(vss_collection *col, vssi_wal_kind kind, uint64_t sequence, vssi_column *const *columns,
                             vss_error *err);
vss_status vssi_journal_keys(vss_collection *col, uint64_t sequence, const vss_column *keys, vss_error *err);

/* The log is divided: batches from now on go into one that is begun with the first of them. Returns its number, the one
 * of the first log that a manifest of the batches before needs. */
uint64_t vssi_journal_divide(vss_collection *col);
/* That manifest was not committed: the log goes on, unless a new one is begun. */
void vssi_journal_undivide(vss_collection *col);
/* It was, and is the collection's: what it covers is written no more. */
void vssi_journal_covered(vss_collection *col);
/* Stored, of live logs. */
uint64_t vssi_journal_bytes(const vss_collection *col);
/* Remove the logs that the manifest covers. Under seal_mutex. */
void vssi_journal_remove_covered(vss_collection *col);

/* Begin a new log, which speaks for the batches up to `carried`. */
vss_status vssi_journal_begin(vss_collection *col, uint64_t carried, vss_error *err);
/* Remove a log that is covered; one that stays does no harm. */
void vssi_journal_remove(vss_collection *col, uint64_t number);

/* ---- replay, in insert.c and remove.c: as the calls, without the log ---- */

/* Takes columns over. replace: an upsert. */
vss_status vssi_insert_replay(vss_collection *col, vssi_column **columns, bool replace, vss_error *err);
/* Every key must be live. */
vss_status vssi_remove_replay(vss_collection *col, const vss_column *keys, vss_error *err);

#endif
