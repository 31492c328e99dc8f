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

/* Read every byte of the newest version of a collection: manifest, segments, indexes, deletes; compare every hash
 * and every cross-reference. Takes no lock and needs no open collection. fn and progress may be NULL; progress
 * counts bytes. OK when all is well; CORRUPT when errors > 0 (the report is filled); NOT_FOUND, IO, CANCELLED. */
VSS_API vss_status vss_collection_check(vss_db *db, const char *name, vss_check_fn fn, void *state,
                                        vss_progress_fn progress, void *progress_state, vss_check_report *report,
                                        vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
