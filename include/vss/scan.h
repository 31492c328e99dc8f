/*
 * vss/scan.h - every row of a collection, in batches
 */
#ifndef VSS_SCAN_H
#define VSS_SCAN_H

#include "collection.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vss_scan_options {
    uint32_t struct_size;
    const char *filter;         /* NULL: every row */
    const char *const *fields;  /* [n_fields] to return beside the key */
    size_t n_fields;
    uint32_t batch_rows;        /* 0: 4,096; at most VSS_MAX_BATCH_ROWS */
} vss_scan_options;

/* rows: one "query" with the rows of the batch, at least one, borrowed for the call; total: rows of all batches. A
 * non-zero result ends the scan: CANCELLED. */
typedef int (*vss_scan_fn)(void *state, const vss_result *rows, uint64_t total);

/* Call fn with the live rows that match, segment by segment, in the order in which a segment holds them; with nothing
 * where none matches. All batches together are one committed state. options: NULL for every row's key. fn may search
 * and write, but not close the collection. Cost: a byte for eight rows, one batch, and as with a get the scalar columns
 * that were decoded stay in memory until the collection is closed.
 * INVALID, NOT_FOUND (field), CANCELLED, CORRUPT, IO, NO_MEMORY, BUDGET. */
VSS_API vss_status vss_collection_scan(vss_collection *col, const vss_scan_options *options, vss_scan_fn fn,
                                       void *state, vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
