/*
 * wal.h - the write-ahead log of a collection: one frame a batch, chained and hashed (docs/format.md, Log)
 *
 * A log is "w/<20 digits>", a number that is never used twice while it lies there. It belongs to one version of the
 * manifest, its base: a later manifest covers it. It is written by one handle from its creation to its end and never
 * opened for writing again.
 */
#ifndef VSSI_WAL_H
#define VSSI_WAL_H

#include "column.h"
#include "object.h"
#include "schema.h"

#define VSSI_WAL_HEADER 64u /* bytes */
#define VSSI_WAL_FRAME 64u  /* bytes before a payload; frames begin at multiples of it */

typedef enum vssi_wal_kind {
    VSSI_WAL_INSERT = 1, /* rows */
    VSSI_WAL_DELETE = 2, /* keys of live rows */
    VSSI_WAL_UPSERT = 3  /* rows that replace those of their keys */
} vssi_wal_kind;

typedef struct vssi_wal_header {
    uint64_t number;
    uint64_t base;     /* version of the manifest that it follows */
    uint64_t identity; /* vssi_wal_identity of the schema */
    uint64_t carried;  /* sequence of the newest batch when it was begun: logs before it say nothing of later ones */
    uint64_t salt;     /* random, so that no value of a row can pass for a frame */
} vssi_wal_header;

typedef struct vssi_wal_frame {
    vssi_wal_kind kind;
    uint64_t sequence;
    const uint8_t *payload; /* 64-byte aligned, followed by zeros up to a multiple of 64 */
    size_t size;
} vssi_wal_frame;

/* "w/00000000000000000042"; out[32]. */
void vssi_wal_name(uint64_t number, char *out);
/* The numbers of the logs that lie below prefix, rising. numbers[count] is the caller's, NULL when there is none. */
vss_status vssi_wal_list(vssi_heap *heap, const vss_storage *storage, const char *prefix, uint64_t **numbers,
                         size_t *count, vss_error *err);
/* A hash of what the rows in a log are made of. */
vss_status vssi_wal_identity(const vssi_schema *schema, uint64_t *identity, vss_error *err);

/* ---- writing: wal.c ---- */

typedef struct vssi_wal vssi_wal;

/* A new log with its header, durable. On failure no frame will ever be read from it. */
vss_status vssi_wal_create(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                           const vssi_wal_header *header, vssi_wal **out, vss_error *err);
/* Add a frame of a payload in parts. As log_append: on UNKNOWN_COMMIT the log can only be closed. */
vss_status vssi_wal_append(vssi_wal *wal, vssi_wal_kind kind, uint64_t sequence, const vss_span *payload,
                           size_t n_parts, vss_error *err);
/* Make all frames durable. After a failure the log can only be closed. */
vss_status vssi_wal_sync(vssi_wal *wal, vss_error *err);
bool vssi_wal_dirty(const vssi_wal *wal); /* frames wait for a sync */
uint64_t vssi_wal_size(const vssi_wal *wal);
void vssi_wal_close(vssi_wal *wal); /* NULL is fine; syncs nothing */

/* ---- reading: wal_read.c ---- */

/* The header of a log and its size. *whole false: the header was not yet durable when its writer ended, and nothing
 * follows it. NOT_FOUND; IO; CORRUPT; NEWER_FORMAT. */
vss_status vssi_wal_head(const vss_storage *storage, const char *prefix, uint64_t number, vssi_wal_header *header,
                         uint64_t *size, bool *whole, vss_error *err);
/* The header of a log that holds something. *begun false: no frame was begun in it, so that it says nothing, neither of
 * its own batches nor of those in other logs: a log whose creation failed may come back after a crash, when its number
 * was given once more. Errors as above. */
vss_status vssi_wal_open(const vss_storage *storage, const char *prefix, uint64_t number, vssi_wal_header *header,
                         bool *begun, vss_error *err);

typedef vss_status (*vssi_wal_fn)(void *state, const vssi_wal_frame *frame, vss_error *err);
/* Call fn with every frame up to the end of the log or its torn tail; *cut: bytes of that tail; *size: of the log.
 * CORRUPT when a frame is bad that was durable, by what later ones say. fn's failure ends it. Cost: one read of the
 * log, memory for the largest frame. */
vss_status vssi_wal_read(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                         const vssi_wal_header *header, vssi_wal_fn fn, void *state, uint64_t *size, uint64_t *cut,
                         vss_error *err);

/* ---- payloads: wal_rows.c ---- */

typedef struct vssi_wal_payload {
    vssi_writer packed;
    size_t n_parts;
    vss_span *parts; /* borrow from packed and from the columns */
} vssi_wal_payload;

/* Rows as columns [schema->n_fields]. The payload is the caller's also on failure. */
vss_status vssi_wal_pack_rows(vssi_heap *heap, const vssi_schema *schema, vssi_column *const *columns,
                              vssi_wal_payload *payload, vss_error *err);
vss_status vssi_wal_pack_keys(vssi_heap *heap, const vssi_schema *schema, const vss_column *keys,
                              vssi_wal_payload *payload, vss_error *err);
void vssi_wal_payload_free(vssi_heap *heap, vssi_wal_payload *payload);
/* The other way, from bytes that nobody vouches for; at least one row. What values may be is not looked at.
 * columns[schema->n_fields] are the caller's; all NULL on failure. CORRUPT. */
vss_status vssi_wal_unpack_rows(vssi_heap *heap, const vssi_schema *schema, const vssi_wal_frame *frame,
                                vssi_column **columns, vss_error *err);
vss_status vssi_wal_unpack_keys(vssi_heap *heap, const vssi_schema *schema, const vssi_wal_frame *frame,
                                vssi_column **keys, vss_error *err);

#endif
