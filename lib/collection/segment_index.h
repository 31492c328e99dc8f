/*
 * segment_index.h - the index of one vector field of one segment: stored, of a sealed one; in memory, of a growing one
 *
 * A stored object's tail is verified when the collection is opened; its blocks when the first search needs them, under
 * `mutex`. Where a type reads them at random and searches come often, they are copied from a mapped file into memory
 * on huge pages, if it can be had: a search takes some 10 % less then, and the copy costs as much as a thousand
 * searches and more. The handle on the mapping stays, as searches may be in it.
 */
#ifndef VSSI_SEGMENT_INDEX_H
#define VSSI_SEGMENT_INDEX_H

#include "../../index/device/device.h"
#include "../format/segment.h"

typedef struct vssi_segment_index {
    vssi_heap *heap;
    _Atomic size_t refs;
    size_t field; /* index in the schema */
    const vssi_index_ops *ops;
    vssi_object *object;     /* NULL: in memory */
    vssi_image image;        /* in memory */
    vssi_view copy;          /* of a file that is read at random; empty: the object's own view serves */
    void *mapped;            /* what was opened on the file, once there is a copy */
    _Atomic uint32_t asked;  /* searches so far, until they are many */
    vssi_mutex mutex;
    _Atomic(void *) opened;
    vssi_device_places places; /* what devices keep of the lists or the graph */
} vssi_segment_index;

/* The vectors of a field, as indexes see them. */
vss_status vssi_vectors_of(vssi_segment *segment, const vssi_schema *schema, size_t field, vssi_vectors *out,
                           vss_error *err);

/* Open the object: tail and header. CORRUPT where it is not an index of this field of a segment with that many rows. */
vss_status vssi_segment_index_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                   const vssi_object_ref *ref, const vssi_schema *schema, size_t field, size_t rows,
                                   vssi_segment_index **out, vss_error *err);
/* Build an index that stays in memory, ready for searches. *out NULL: the type keeps nothing. The vectors outlive
 * it. */
vss_status vssi_segment_index_make(const vssi_build *build, const vssi_index_ops *ops, size_t field,
                                   vssi_segment_index **out, vss_error *err);
vssi_segment_index *vssi_segment_index_ref(vssi_segment_index *index);
void vssi_segment_index_unref(vssi_segment_index *index); /* NULL is fine */

/* What ops->search wants: verified and opened at first use. Thread-safe. */
vss_status vssi_segment_index_get(vssi_segment_index *index, const vssi_vectors *vectors, const void **opened,
                                  vss_error *err);

/* Every byte and every number; of a type that trusts its bytes, these alone. Returns the faults. */
uint64_t vssi_segment_index_check(vssi_segment_index *index, const vssi_vectors *vectors, vssi_fault_fn fn,
                                  void *state);

#endif
