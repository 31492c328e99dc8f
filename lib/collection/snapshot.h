/*
 * snapshot.h - one committed state of a collection: the segments that a search sees, and which of their rows are
 * deleted
 *
 * Everything here is immutable once published and shared by reference count, so that readers need no lock but the one
 * that guards the collection's pointer to its newest snapshot.
 */
#ifndef VSSI_SNAPSHOT_H
#define VSSI_SNAPSHOT_H

#include <stdatomic.h>

#include "../format/segment.h"
#include "segment_index.h"

/* Bit r is 1 where row r is deleted. */
typedef struct vssi_tombstones {
    vssi_heap *heap;
    _Atomic size_t refs;
    uint64_t count;
    uint64_t words[];
} vssi_tombstones;

/* from NULL: none deleted. A private copy, to be changed before it is shared. */
vss_status vssi_tombstones_copy(vssi_heap *heap, const vssi_tombstones *from, size_t rows, vssi_tombstones **out,
                                vss_error *err);
vssi_tombstones *vssi_tombstones_ref(vssi_tombstones *t); /* NULL is fine */
void vssi_tombstones_unref(vssi_tombstones *t);           /* NULL is fine */

/* An index that rows of a growing part had before they were merged into it: the live ones are its rows `first` and
 * following. */
typedef struct vssi_former {
    vssi_segment_index *index;
    vssi_tombstones *deleted; /* when they were merged; NULL: none */
    size_t rows, first;
} vssi_former;

/* A segment as a snapshot sees it. Owns one reference to each thing. */
typedef struct vssi_part {
    vssi_segment *segment;
    vssi_tombstones *deleted;        /* NULL: none */
    size_t n_indexes;                /* at most one a vector field */
    vssi_segment_index **indexes;
    bool sealed;
    bool settled;                    /* growing: it has the indexes that it will have (grow.c) */
    size_t n_formers;                /* growing; of the snapshot that merged it alone */
    vssi_former *formers;
} vssi_part;

typedef struct vssi_snapshot {
    vssi_heap *heap;
    _Atomic size_t refs;
    uint64_t version;   /* of the manifest */
    uint64_t sequence;
    size_t n_sealed;    /* the first parts, in the manifest's order; growing ones follow */
    size_t n_parts;
    vssi_part parts[];
} vssi_snapshot;

/* Room for n_parts empty parts; references 1. */
vss_status vssi_snapshot_create(vssi_heap *heap, size_t n_parts, vssi_snapshot **out, vss_error *err);
vssi_snapshot *vssi_snapshot_ref(vssi_snapshot *s);
void vssi_snapshot_unref(vssi_snapshot *s); /* NULL is fine */

/* Share everything of one part, but its former indexes, with another (an empty one). */
vss_status vssi_part_share(vssi_heap *heap, const vssi_part *from, vssi_part *to, vss_error *err);

static inline uint64_t vssi_part_deleted(const vssi_part *p) { return p->deleted == NULL ? 0 : p->deleted->count; }
static inline const uint64_t *vssi_part_tombstones(const vssi_part *p)
{
    return p->deleted == NULL ? NULL : p->deleted->words;
}
static inline uint64_t vssi_part_live(const vssi_part *p)
{
    return vssi_segment_rows(p->segment) - vssi_part_deleted(p);
}

/* The live row with this key: true, and where. Keys of all parts must be ready (vssi_segment_keys_ready). */
bool vssi_snapshot_find(const vssi_snapshot *s, const vssi_key *key, size_t *part, size_t *row);
vss_status vssi_snapshot_keys_ready(const vssi_snapshot *s, vss_error *err);
uint64_t vssi_snapshot_live(const vssi_snapshot *s);

#endif
