/*
 * index_object.h - objects that hold what an index type made: an index of rows, or a model
 *
 * The first block after the container's header is the INDEX_HEADER (docs/format.md), which says of what type, field and
 * rows (of a model 0) they are; the type's own blocks follow in the order the type made them. No locks.
 */
#ifndef VSSI_INDEX_OBJECT_H
#define VSSI_INDEX_OBJECT_H

#include "../../index/index_ops.h"
#include "../format/object.h"
#include "../format/schema.h"

/* Store what a type made of vectors of this shape and number. ref->name is the caller's. */
vss_status vssi_index_object_store(vssi_heap *heap, vssi_object_kind kind, const vssi_index_ops *ops,
                                   const vssi_vectors *shape, uint32_t field_id, const vssi_image *image,
                                   const vss_storage *storage, const char *prefix, const char *name,
                                   vssi_object_ref *ref, vss_error *err);

/* Open an object that should be one: tail and header; *ops = its type. CORRUPT where it is of another kind, field or
 * number of rows; NEWER_FORMAT for a type that is not known. */
vss_status vssi_index_object_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                  const vssi_object_ref *ref, vssi_object_kind kind, const vssi_field *field,
                                  uint64_t rows, vssi_object **out, const vssi_index_ops **ops, vss_error *err);

/* The type's blocks, verified, in the object's own view, or in a copy of it. */
vss_status vssi_index_object_blocks(vssi_object *object, const vssi_view *copy, vssi_image *blocks, vss_error *err);

#endif
