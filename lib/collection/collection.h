/*
 * collection.h - what a vss_collection handle points to, and what can be done with it
 *
 * Locks, taken in this order: db->mutex (open list) > job_mutex (one compaction or index build at a time) > seal_mutex
 * (one commit at a time: a flush throughout, another job when it is done) > write_mutex (one write at a time:
 * counters, log, the choice of the next snapshot; a commit takes it to carry over what was written meanwhile) >
 * snapshot_mutex (the pointer to the newest snapshot, held for a few instructions). Searches take snapshot_mutex only.
 */
#ifndef VSSI_COLLECTION_H
#define VSSI_COLLECTION_H

#include "../filter/filter.h"
#include "../format/deletes.h"
#include "../format/manifest.h"
#include "db.h"
#include "model.h"
#include "snapshot.h"
#include "vss/check.h"
#include "vss/collection.h"
#include "vss/index.h"
#include "vss/scan.h"

#define VSSI_INDEX_MIN_ROWS 4096u /* smaller segments are scanned */
#define VSSI_GROW_ROWS 16384u     /* growing segments from here on have indexes in memory, and are merged no more */

struct vss_collection {
    vss_db *db;
    vss_collection *next; /* in db->collections */
    size_t handles;       /* times it was opened; guarded by db->mutex */
    char *name;
    char *prefix;         /* "name/" */
    void *lock;           /* of the storage; NULL when read-only or not offered */
    bool read_only;

    vssi_schema *schema;                        /* never changes */
    _Atomic(const vssi_index_ops *) *types;     /* [schema->n_fields] the index type defined; NULL: none */

    vssi_mutex job_mutex;
    vssi_mutex seal_mutex;
    vssi_mutex write_mutex;
    vssi_manifest *manifest;     /* newest committed, borrows schema; changed under seal_mutex and write_mutex, read
                                    under either */
    vssi_snapshot *committed;    /* what the manifest describes; likewise */
    uint64_t manifest_bytes;
    size_t n_frozen;             /* write_mutex; the first parts, which a flush seals: no new rows join them; 0: none */
    int64_t next_auto_key;       /* write_mutex */
    uint64_t sequence;           /* write_mutex */
    vss_status poisoned;         /* write_mutex; VSS_OK, or why writes are refused */
    struct vssi_wal *log;        /* write_mutex; of the newest batches; NULL: none yet */
    uint64_t log_number;         /* write_mutex; the greatest ever given */
    uint64_t log_oldest;         /* seal_mutex; older ones are removed */
    uint64_t log_closed_bytes;   /* write_mutex; stored, of live logs that are written no more */
    uint64_t log_synced_ns;      /* write_mutex */
    bool log_divided;            /* write_mutex; the next batch begins a new log */
    bool replaying;              /* at open: what is written is in a log already */

    vssi_mutex snapshot_mutex;
    vssi_snapshot *snapshot;
    vssi_kept_model grow_model;   /* write_mutex; that grow.c builds by */
    _Atomic bool growing_scanned; /* a search had to scan a growing segment that is large enough for an index */

    vssi_mutex background_mutex;
    struct vssi_background *background; /* background_mutex; the task that waits or runs; NULL: none */
    bool background_missed;             /* background_mutex; work was noticed beside the task */
    vss_status background_status;       /* background_mutex; of the last one */
    uint64_t background_pause_ns;       /* background_mutex; none before */
    _Atomic int closing;                /* no new ones */

    vssi_mutex scratch_mutex;
    struct vssi_scratch_node *idle_scratch;
};

static inline const vssi_schema *vssi_collection_fields(const vss_collection *col) { return col->schema; }

/* ---- collection.c ---- */
/* The newest snapshot, referenced for the caller. */
vssi_snapshot *vssi_collection_snapshot(vss_collection *col);
/* The index types that the manifest defines, for searches. Under write_mutex, or before the handle is given out. */
void vssi_collection_define_types(vss_collection *col);
/* Make s the newest; takes the caller's reference over. */
void vssi_collection_publish(vss_collection *col, vssi_snapshot *s);
/* OK, or why this handle can't write. Under write_mutex. */
vss_status vssi_collection_writable(vss_collection *col, vss_error *err);

/* ---- open.c ---- */
vss_status vssi_collection_create(vss_db *db, const char *name, const vss_schema *schema, vss_collection **out,
                                  vss_error *err);
vss_status vssi_collection_open(vss_db *db, const char *name, vss_collection **out, vss_error *err);
vss_status vssi_collection_close(vss_collection *col, vss_error *err);
vss_status vssi_collection_drop(vss_db *db, const char *name, vss_error *err);
/* True when the newest manifest of the name exists and is not a dropped collection's. */
vss_status vssi_collection_exists(vss_db *db, const char *name, bool *exists, vss_error *err);

/* A read-only handle of its own on the newest version and its logs, that takes no lock and that no other call sees. */
vss_status vssi_collection_peek(vss_db *db, const char *name, vss_collection **out, vss_error *err);
void vssi_collection_peek_end(vss_collection *col);

/* ---- batch.c: check a batch whole, copy it into columns in the schema's order ---- */
vss_status vssi_batch_columns(vssi_heap *heap, const vssi_schema *schema, const vss_batch *batch,
                              int64_t first_auto_key, vssi_column **columns, size_t *rows, vss_error *err);
void vssi_columns_free(vssi_column **columns, size_t n);

/* ---- values.c ---- */
/* The layout and every value of rows of a field. NULLs allowed as the field says. */
vss_status vssi_values_check(const vssi_field *field, const vss_column *column, vss_error *err);
/* One vector, given as one type and to be kept as another: finite, not too long, not zero under cosine. what, row: for
 * the line. */
vss_status vssi_vector_check(const char *what, size_t row, vss_type given, vss_type type, const void *v, uint32_t dim,
                             vss_metric metric, vss_error *err);
/* Key values: the type must be the key field's. */
vss_status vssi_keys_check(const vssi_schema *schema, const vss_column *keys, vss_error *err);

/* ---- insert.c, remove.c ---- */
vss_status vssi_collection_insert(vss_collection *col, const vss_batch *batch, vss_write_info *info, vss_error *err);
vss_status vssi_collection_upsert(vss_collection *col, const vss_batch *batch, vss_write_info *info, vss_error *err);
vss_status vssi_collection_delete(vss_collection *col, const vss_column *keys, vss_write_info *info, vss_error *err);
vss_status vssi_collection_delete_where(vss_collection *col, const char *filter, vss_write_info *info, vss_error *err);

/* ---- grow.c: indexes in memory for one growing segment that is large enough, where a search has missed them; a
 * failure is logged. Under write_mutex ---- */
void vssi_collection_grow(vss_collection *col);

/* ---- seal.c: growing rows to a sealed segment, with indexes, committed ---- */
typedef struct vssi_seal_options {
    size_t threads;
    vssi_control *control; /* or NULL */
    vssi_device_use *device; /* or NULL */
} vssi_seal_options;
vss_status vssi_collection_flush(vss_collection *col, const vssi_seal_options *options, vss_error *err);
/* The same, when there are rows enough for a segment; *sealed: were there? */
vss_status vssi_seal_full(vss_collection *col, const vssi_seal_options *options, bool *sealed, vss_error *err);
/* Are there, not counting what is being sealed? Twice as many? Under write_mutex. */
bool vssi_collection_full(const vss_collection *col);
bool vssi_collection_overfull(const vss_collection *col);
vss_status vssi_collection_build_index(vss_collection *col, const char *field, const char *type, const char *params,
                                       const vss_build_options *options, vss_error *err);
/* Train the models there are anew and build their indexes by them: nothing that was trained on rows which are gone is
 * left. Under job_mutex. */
vss_status vssi_collection_retrain(vss_collection *col, const vssi_seal_options *options, vss_error *err);
vss_status vssi_collection_indexes(vss_collection *col, int (*fn)(void *state, const vss_index_info *info), void *state,
                                   vss_error *err);

/* ---- compact.c, collect.c ---- */
vss_status vssi_collection_compact(vss_collection *col, vss_error *err);
/* As compact, and every segment with a deleted row is rewritten. */
vss_status vssi_collection_purge(vss_collection *col, vss_error *err);
/* As compact, but only what is worth while and fits the budget for work in the background; *worked: was there any? */
vss_status vssi_compact_background(vss_collection *col, const vssi_seal_options *options, bool *worked, vss_error *err);
/* Does it look as if there was? */
bool vssi_compact_wanted(vss_collection *col);
/* Remove the objects of the collection that its newest manifest does not name. Under job_mutex. */
vss_status vssi_collection_collect(vss_collection *col, vss_error *err);

/* ---- read.c ---- */
vss_status vssi_collection_get(vss_collection *col, const vss_column *keys, const char *const *fields, size_t n_fields,
                               vss_result **out, vss_error *err);
vss_status vssi_collection_count(vss_collection *col, const char *filter, uint64_t *count, vss_error *err);
vss_status vssi_collection_stats(vss_collection *col, vss_collection_stats *stats, vss_error *err);
/* The rows of a part that match: bitmap[words], live or not. */
vss_status vssi_part_filter(const vssi_part *part, const vssi_filter *filter, uint64_t *bitmap, size_t *passing,
                            vss_error *err);

/* ---- scan.c ---- */
vss_status vssi_collection_scan(vss_collection *col, const vss_scan_options *options, vss_scan_fn fn, void *state,
                                vss_error *err);

/* ---- search.c ---- */
vss_status vssi_collection_search(vss_collection *col, const vss_search_request *request, vss_result **out,
                                  vss_error *err);

/* ---- scratch_pool.c: one scratch a running thread, kept between calls ---- */
typedef struct vssi_scratch_node {
    vssi_scratch scratch;
    struct vssi_scratch_node *next;
} vssi_scratch_node;
vss_status vssi_scratch_take(vss_collection *col, vssi_scratch_node **out, vss_error *err);
void vssi_scratch_give(vss_collection *col, vssi_scratch_node *node);
void vssi_scratch_clear(vss_collection *col);

/* ---- check.c ---- */
vss_status vssi_collection_check(vss_db *db, const char *name, vss_check_fn fn, void *state, vss_progress_fn progress,
                                 void *progress_state, vss_check_report *report, vss_error *err);

#endif
