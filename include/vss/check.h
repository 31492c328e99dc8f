/*
 * vss/check.h - is every stored byte what was written
 */
#ifndef VSS_CHECK_H
#define VSS_CHECK_H

#include "collection.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vss_check_report {
    uint32_t struct_size;
    uint64_t files;   /* checked */
    uint64_t bytes;   /* checked */
    uint64_t errors;  /* found */
} vss_check_report;

/* One line a fault. A non-zero result ends the check. */
typedef int (*vss_check_fn)(void *state, const char *object, const char *line);

/* Read every byte of the newest version of a collection and of its logs: manifest, segments, indexes, models, deletes,
 * batches; compare every hash and every cross-reference: numbers of rows, keys unique over all segments and the logs,
 * key tables, indexes and deletes against their segments, the logs against the manifest. Takes no lock and needs no
 * open collection. In the newest batches of a log damage looks like a write cut off by a crash, and is reported too;
 * so a check between a crash and the next opening can report what that opening passes over, and beside a writer its
 * last batch. fn and progress may be NULL; progress counts bytes. Cost: one read of all of it, memory for the rows in
 * the logs. OK when all is well; CORRUPT when errors > 0 (the report is filled); IO when the storage failed (the
 * report is filled, too); NOT_FOUND, CANCELLED, NO_MEMORY, BUDGET. */
VSS_API vss_status vss_collection_check(vss_db *db, const char *name, vss_check_fn fn, void *state,
                                        vss_progress_fn progress, void *progress_state, vss_check_report *report,
                                        vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
