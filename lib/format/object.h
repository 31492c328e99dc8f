/*
 * object.h - the container that every immutable object but the manifest is: blocks, a directory, a trailer
 *
 *     block 0 | block 1 | ... | directory | trailer     blocks 64-byte aligned, padding zero, hashed with its block
 *
 * Opening reads directory and trailer only (the tail), whose hash the manifest holds. A block's hash is in its
 * directory entry, or, for one that is used in parts, in another block that the entry names. Exact bytes:
 * docs/format.md.
 */
#ifndef VSSI_OBJECT_H
#define VSSI_OBJECT_H

#include <stdatomic.h>

#include "../base/hash.h"
#include "../storage/storage.h"

typedef enum vssi_object_kind {
    VSSI_OBJECT_SEGMENT = 1,
    VSSI_OBJECT_INDEX = 2,
    VSSI_OBJECT_MODEL = 3,
    VSSI_OBJECT_DELETES = 4
} vssi_object_kind;

/* Block kinds 1 to 255 are the container's and the segment's; an index type has its own from 256 up. */
typedef enum vssi_block_kind {
    VSSI_BLOCK_HEADER = 1,      /* magic, kind, format; always block 0 */
    VSSI_BLOCK_VECTORS = 2,     /* [rows][dim], chunked */
    VSSI_BLOCK_NORMS = 3,       /* f32 [rows]: 1 / |v|, cosine fields only */
    VSSI_BLOCK_CHUNK_HASHES = 4,/* u64 [chunks] of the block that names it */
    VSSI_BLOCK_KEYS = 5,        /* int64 [rows], or the bytes of string keys */
    VSSI_BLOCK_KEY_OFFSETS = 6, /* u64 [rows + 1], string keys only */
    VSSI_BLOCK_KEY_TABLE = 7,   /* u32: rows in buckets by hash, sorted by key (key_table.h) */
    VSSI_BLOCK_COLUMN = 8,      /* zstd frames or raw, one after another, hashed one by one */
    VSSI_BLOCK_COLUMN_INDEX = 9,/* where each part of a column stands, its hash, nulls, min, max */
    VSSI_BLOCK_STATS = 10,      /* of a segment: rows, per vector field the greatest norm */
    VSSI_BLOCK_DELETES = 11,    /* u64 [words]: bit r is 1 where row r is deleted */
    VSSI_BLOCK_INDEX_HEADER = 12 /* of an index: type, parameters, rows, dim, metric */
} vssi_block_kind;

#define VSSI_CHUNK_SIZE 262144u /* a chunked block is hashed and verified by this many bytes */

/* What the manifest keeps of an object: enough to open it with one range read and to know that it is the right one. */
typedef struct vssi_object_ref {
    vssi_object_kind kind;
    char *name;          /* below the collection, "s/..." */
    uint64_t size;       /* of the whole object */
    uint32_t tail_size;  /* directory and trailer */
    uint64_t tail_hash;
} vssi_object_ref;

/* One directory entry, validated. */
typedef struct vssi_object_entry {
    uint32_t kind;
    uint32_t field;      /* id, or 0 */
    uint32_t element;    /* bytes an element */
    uint64_t offset;
    uint64_t size;       /* without padding */
    uint64_t count;      /* elements */
    uint64_t hash;       /* of the block with its padding; 0 where hashed_by names a block */
    uint32_t hashed_by;  /* the next entry, CHUNK_HASHES or COLUMN_INDEX, that holds this block's hashes; 0: none */
} vssi_object_entry;

/* ---- writing: add blocks (borrowed until put), then put them all as one object ---- */

typedef struct vssi_object_writer vssi_object_writer;
vss_status vssi_object_writer_create(vssi_heap *heap, vssi_object_kind kind, vssi_object_writer **out, vss_error *err);
void vssi_object_writer_free(vssi_object_writer *w);
/* The block's data may lie in several parts. Hashes it now. *entry (may be NULL) is its number. A COLUMN block isn't
 * hashed: its COLUMN_INDEX, which must be the next block added, holds its hashes. */
vss_status vssi_object_add(vssi_object_writer *w, uint32_t kind, uint32_t field, uint32_t element, uint64_t count,
                           const vss_span *parts, size_t n_parts, uint32_t *entry, vss_error *err);
/* The same, hashed by chunks; adds the block of hashes too. */
vss_status vssi_object_add_chunked(vssi_object_writer *w, uint32_t kind, uint32_t field, uint32_t element,
                                   uint64_t count, const vss_span *parts, size_t n_parts, uint32_t *entry,
                                   vss_error *err);
/* Where the next block will begin. */
uint64_t vssi_object_writer_offset(const vssi_object_writer *w);
/* Create the object below prefix ("collection/"). ref->name is a copy of name; the caller frees it. */
vss_status vssi_object_put(vssi_object_writer *w, const vss_storage *storage, const char *prefix, const char *name,
                           vssi_object_ref *ref, vss_error *err);

/* ---- reading ---- */

typedef struct vssi_object {
    vssi_heap *heap;
    const vss_storage *storage;
    char *name;                    /* whole, for messages */
    vssi_object_kind kind;
    vssi_view view;
    size_t n_entries;
    vssi_object_entry *entries;
    _Atomic uint8_t *verified;     /* [n_entries]: whole blocks found good */
    _Atomic(_Atomic uint64_t *) *chunks_ok; /* [n_entries]: a bit a chunk found good; made at first use */
    _Atomic(_Atomic uint64_t *) pages;      /* a bit a page of the view (object_pick.c); made at first use */
} vssi_object;

/* Verify and decode the tail; touch no block but the header. CORRUPT, NEWER_FORMAT, NOT_FOUND, IO. */
vss_status vssi_object_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                            const vssi_object_ref *ref, vssi_object **out, vss_error *err);
/* The same, whatever the header holds: for what is left of a damaged object. */
vss_status vssi_object_open_damaged(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                    const vssi_object_ref *ref, vssi_object **out, vss_error *err);
void vssi_object_close(vssi_object *object);

/* The entry of that kind and field, or SIZE_MAX. */
size_t vssi_object_find(const vssi_object *object, uint32_t kind, uint32_t field);
/* The bytes of a block, verified whole at the first use in this process. Thread-safe. Not for column blocks. */
vss_status vssi_object_block(vssi_object *object, size_t entry, const void **data, vss_error *err);
/* A copy of an object that is mapped from a file, in memory that suits reading at random; empty for others. And a block
 * of it, verified, which has a hash of its own. NO_MEMORY, BUDGET, IO. */
vss_status vssi_object_load(const vssi_object *object, vssi_view *copy, vss_error *err);
vss_status vssi_object_loaded(const vssi_object *object, size_t entry, const vssi_view *copy, const void **data,
                              vss_error *err);
/* The bytes of a chunked or a column block, not verified. */
const void *vssi_object_raw(const vssi_object *object, size_t entry);
/* Verify the chunks that hold bytes [offset, offset + size) of a chunked block, each once. Thread-safe. */
vss_status vssi_object_verify(vssi_object *object, size_t entry, uint64_t offset, uint64_t size, vss_error *err);
/* Bytes [offset, offset + size) of a chunked block are about to be read, and none around them: verify their chunks, and
 * let no other page of a mapped file stay in the process for it (object_pick.c). Promises nothing: whether they are
 * damaged is for vssi_object_verify to tell. Thread-safe. */
void vssi_object_pick(vssi_object *object, size_t entry, uint64_t offset, uint64_t size);
/* Verify every block anew, chunked and column blocks included; fn a line per fault. Never stops early. */
typedef int (*vssi_fault_fn)(void *state, const char *object, const char *line);
uint64_t vssi_object_check(vssi_object *object, vssi_fault_fn fn, void *state);
/* One block. Where the block of its hashes is damaged, only that one is reported. */
uint64_t vssi_object_check_block(const vssi_object *object, size_t entry, vssi_fault_fn fn, void *state);

#endif
