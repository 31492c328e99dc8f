/*
 * vss/salvage.h - what can still be read of a damaged collection
 */
#ifndef VSS_SALVAGE_H
#define VSS_SALVAGE_H

#include "check.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vss_salvage_report {
    uint32_t struct_size;
    uint64_t version;  /* of the manifest that was used */
    uint64_t rows;     /* in the new collection */
    uint64_t lost;     /* rows that are known to be lost; those of a damaged log nobody can count */
    uint64_t batches;  /* of the logs that were applied */
    uint64_t errors;   /* lines; 0: nothing was lost */
} vss_salvage_report;

/* Read what still verifies of collection `name` in `from` into a new collection new_name in `to`, which may be the same
 * database: the rows of every segment whose key and every field verify (vectors by chunks of 256 KiB, scalars by parts
 * of 4,096 rows), the batches of the logs up to the first damage, the schema and the index definitions, whose indexes
 * are built anew. The newest manifest that can be read is used. Where the record of a segment's deletes is damaged, its
 * deleted rows come back, unless another segment has a row of the same key. Keys stay what they were. The source is
 * never written to and not locked: no one should write to it meanwhile.
 *
 * fn is called with a line for each thing that is lost, and may end the salvage by a non-zero result: CANCELLED. fn and
 * progress may be NULL; progress counts rows. Any failure leaves no new collection. Cost: memory for the rows of one
 * segment and those in the logs.
 * NOT_FOUND; EXISTS (new_name); CORRUPT where no manifest can be read; INVALID, READ_ONLY, BUSY, CANCELLED, IO,
 * NO_SPACE, NO_MEMORY, BUDGET. */
VSS_API vss_status vss_collection_salvage(vss_db *from, const char *name, vss_db *to, const char *new_name,
                                          vss_check_fn fn, void *state, vss_progress_fn progress, void *progress_state,
                                          vss_salvage_report *report, vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
