/*
 * vss/collection.h - a collection: create, open, write, read
 *
 * Writes are visible to searches that begin after they return, and by then in a write-ahead log: durable, as far as the
 * database's sync says (vss/db.h). In "mem:" and on a storage without logs they are durable after vss_collection_flush
 * or a close that returned VSS_OK. A batch is whole or absent.
 *
 * A write that fails has changed nothing, with one exception: UNKNOWN_COMMIT, when the storage did not say whether the
 * batch is stored. Then the handle takes no more writes (POISONED) and still reads; reopened, the collection holds all
 * of that batch or nothing of it.
 */
#ifndef VSS_COLLECTION_H
#define VSS_COLLECTION_H

#include "db.h"
#include "schema.h"
#include "search.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vss_collection vss_collection;

#define VSS_MAX_BATCH_ROWS 1048576u

/* Rows to write, by column. Fields that are not named get their default, or null where nullable; the key of an
 * auto_id collection must not be named. All columns have the same length, at most VSS_MAX_BATCH_ROWS. Integers widen
 * to the field's type, float32 to float64; vectors of float32 are rounded to those of f16 and bf16, ties to even;
 * anything else must match. */
typedef struct vss_batch {
    uint32_t struct_size;
    size_t n_columns;
    const char *const *names;          /* [n_columns] */
    const vss_column *const *columns;  /* [n_columns] */
} vss_batch;

/* What a write did. */
typedef struct vss_write_info {
    uint32_t struct_size;
    uint64_t sequence;  /* of this batch */
    uint64_t rows;      /* inserted or deleted */
    int64_t first_key;  /* auto_id: the rows' keys are first_key, first_key + 1, ...; else 0 */
} vss_write_info;

typedef struct vss_collection_stats {
    uint32_t struct_size;
    uint64_t rows;      /* live */
    uint64_t deleted;   /* deleted and not yet compacted away */
    uint64_t segments;  /* sealed ones, and one more while rows are growing in memory */
    uint64_t growing;   /* rows not yet flushed */
    uint64_t version;   /* of the manifest */
    uint64_t sequence;  /* of the newest batch */
    uint64_t bytes;     /* stored, all live objects */
    vss_status background; /* how the last work behind the host's back (vss/executor.h) ended; its line went to the log
                              hook. A failure changes nothing; the work is tried again later, and by the next flush or
                              compaction, which return their own failures */
} vss_collection_stats;

/* Make a collection. name matches [a-z0-9][a-z0-9_-]{0,62}. The schema is copied. The handle is the caller's:
 * vss_collection_close. INVALID, EXISTS, READ_ONLY, BUSY, IO, NO_SPACE, NO_MEMORY. */
VSS_API vss_status vss_collection_create(vss_db *db, const char *name, const vss_schema *schema, vss_collection **col,
                                         vss_error *err);

/* Open a collection: its newest version and the batches in its log. Opening it again on the same vss_db gives the same
 * handle once more, to be closed as often. Cost: a few reads of a few kilobytes a segment, and after a crash the log's
 * batches; no other vector is touched.
 * NOT_FOUND, BUSY, CORRUPT, NEWER_FORMAT, IO, NO_MEMORY. */
VSS_API vss_status vss_collection_open(vss_db *db, const char *name, vss_collection **col, vss_error *err);

/* Flush (unless read-only) and close. The flush's failure is returned; the handle is gone all the same, what was
 * not flushed is in the log. NULL is fine. */
VSS_API vss_status vss_collection_close(vss_collection *col, vss_error *err);

/* Remove a collection and its bytes. BUSY when it is open here or elsewhere. NOT_FOUND, READ_ONLY, IO. After a failure
 * the collection may be gone with some of its bytes still there; dropping it again removes them. */
VSS_API vss_status vss_collection_drop(vss_db *db, const char *name, vss_error *err);

/* Borrowed until the collection is closed. */
VSS_API const char *vss_collection_name(const vss_collection *col);
VSS_API const vss_schema *vss_collection_schema(const vss_collection *col);
/* The schema as the JSON that vss_schema_parse reads. Borrowed until the collection is closed. */
VSS_API const char *vss_collection_schema_json(const vss_collection *col);

/* What the collection holds now; looks at no row. */
VSS_API vss_status vss_collection_stats_get(vss_collection *col, vss_collection_stats *stats, vss_error *err);

/* Insert rows. INVALID names the field and row: wrong type, dimension, null, NaN or infinity, a vector whose squared
 * norm is above 1e37 or, under cosine, below 1e-30, bad UTF-8 or JSON, a key twice in the batch. EXISTS names a key
 * that is live already. READ_ONLY, BUDGET, NO_MEMORY, NO_SPACE, IO, UNKNOWN_COMMIT, POISONED. info may be NULL. Cost:
 * one copy of the rows, and one in the log; every 2^20 rows or 1 GiB a segment is sealed and flushed within the call,
 * or by the executor (vss/executor.h), for which a call waits only when as many rows again have come. */
VSS_API vss_status vss_collection_insert(vss_collection *col, const vss_batch *batch, vss_write_info *info,
                                         vss_error *err);

/* Insert rows, in place of those whose keys are live: all of the batch or nothing. Errors as of insert, without EXISTS;
 * INVALID for an auto_id collection, whose keys are always new. info->rows counts the rows of the batch. */
VSS_API vss_status vss_collection_upsert(vss_collection *col, const vss_batch *batch, vss_write_info *info,
                                         vss_error *err);

/* Delete the rows with these keys; keys that are not live are passed over. info->rows tells how many were. */
VSS_API vss_status vss_collection_delete(vss_collection *col, const vss_column *keys, vss_write_info *info,
                                         vss_error *err);

/* Delete the rows that match the filter. INVALID points into the filter. */
VSS_API vss_status vss_collection_delete_where(vss_collection *col, const char *filter, vss_write_info *info,
                                               vss_error *err);

/* Rows by key. The result has one "query" a key, in the order asked, of one row or none. fields NULL: none but the
 * key. */
VSS_API vss_status vss_collection_get(vss_collection *col, const vss_column *keys, const char *const *fields,
                                      size_t n_fields, vss_result **result, vss_error *err);

/* Live rows that match the filter; NULL: all. */
VSS_API vss_status vss_collection_count(vss_collection *col, const char *filter, uint64_t *count, vss_error *err);

/* Seal the growing rows into a segment, index it where an index is defined, commit, and begin a new log. Durable on
 * return, whatever the sync. */
VSS_API vss_status vss_collection_flush(vss_collection *col, vss_error *err);

/* Flush; merge segments of less than half a segment's rows and rewrite those of whose rows a fifth or more is deleted,
 * with new indexes, in one commit; then remove the objects that the newest version does not name. Searches and writes
 * go on beside it; readers in other processes keep the version they opened. Cost: memory for one merged segment, the
 * time to write it and to build its indexes. A failure leaves the collection as it was, or compacted with some objects
 * not yet removed. Errors as of flush. */
VSS_API vss_status vss_collection_compact(vss_collection *col, vss_error *err);

/* Compact, and rewrite every segment that has a deleted row: afterwards no object and no log of the collection holds a
 * byte of a row that was deleted or replaced before the call. What the file system or the disk keeps of removed files,
 * and readers that still have them open, are not reached. Cost and errors as of compact, but every such segment is
 * rewritten, and the indexes of types that share a trained model (ivf_*) are trained and built anew; after a failure,
 * call again. */
VSS_API vss_status vss_collection_purge(vss_collection *col, vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
