/*
 * deletes.h - which rows of a segment are deleted, as an object: one cumulative bitmap in row order
 */
#ifndef VSSI_DELETES_H
#define VSSI_DELETES_H

#include "object.h"

vss_status vssi_deletes_write(vssi_heap *heap, const vss_storage *storage, const char *prefix, const char *name,
                              const uint64_t *bitmap, size_t rows, vssi_object_ref *ref, vss_error *err);
/* bitmap[words of rows] is the caller's. CORRUPT when it is for another number of rows or sets bits past them, or when
 * the count of bits is not `deleted`. */
vss_status vssi_deletes_read(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                             const vssi_object_ref *ref, size_t rows, uint64_t deleted, uint64_t **bitmap,
                             vss_error *err);

#endif
