/*
 * segment_index.h - the stored index of one vector field of one sealed segment
 *
 * The object's tail is verified when the collection is opened; its blocks when the first search needs them, under
 * `mutex`. A type that reads them at random gets them copied into memory there, where that can be had: what was mapped
 * stays, untouched.
 */
#ifndef VSSI_SEGMENT_INDEX_H
#define VSSI_SEGMENT_INDEX_H

#include "../../index/index_ops.h"
#include "../format/segment.h"

typedef struct vssi_segment_index {
    vssi_heap *heap;
    _Atomic size_t refs;
    size_t field; /* index in the schema */
    const vssi_index_ops *ops;
    vssi_object *object;
    vssi_view copy;  /* of a file that is read at random; empty: the object's own view serves */
    vssi_mutex mutex;
    _Atomic(void *) opened;
} vssi_segment_index;

/* The vectors of a field, as indexes see them. */
vss_status vssi_vectors_of(vssi_segment *segment, const vssi_schema *schema, size_t field, vssi_vectors *out,
                           vss_error *err);

/* Store what ops->build made. ref->name is the caller's. */
vss_status vssi_segment_index_store(vssi_heap *heap, const vssi_index_ops *ops, const vssi_vectors *vectors,
                                    uint32_t field_id, const vssi_image *image, const vss_storage *storage,
                                    const char *prefix, const char *name, vssi_object_ref *ref, vss_error *err);

/* Open the object: tail and header. CORRUPT where it is not an index of this field of a segment with that many rows. */
vss_status vssi_segment_index_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                   const vssi_object_ref *ref, const vssi_schema *schema, size_t field, size_t rows,
                                   vssi_segment_index **out, vss_error *err);
vssi_segment_index *vssi_segment_index_ref(vssi_segment_index *index);
void vssi_segment_index_unref(vssi_segment_index *index); /* NULL is fine */

/* What ops->search wants: verified and opened at first use. Thread-safe. */
vss_status vssi_segment_index_get(vssi_segment_index *index, const vssi_vectors *vectors, const void **opened,
                                  vss_error *err);

/* Every byte and every number. Returns the faults. */
uint64_t vssi_segment_index_check(vssi_segment_index *index, const vssi_vectors *vectors, vssi_fault_fn fn, void *state);

#endif
