/*
 * segment_salvage.h - the rows of a damaged sealed segment that are still whole
 */
#ifndef VSSI_SEGMENT_SALVAGE_H
#define VSSI_SEGMENT_SALVAGE_H

#include "segment.h"

/* Open a segment of which the manifest says that it has so many rows; its header and statistics may be damaged. Every
 * byte of its fields is verified: the bits of the rows that miss a value are set in lost [rows], fn gets a line each.
 * The segment's key look-up is made anew. CORRUPT, NOT_FOUND, IO: no row can be read. NO_MEMORY, BUDGET. */
vss_status vssi_segment_salvage(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                const vssi_schema *schema, const vssi_object_ref *ref, size_t rows, uint64_t *lost,
                                vssi_fault_fn fn, void *state, vssi_segment **out, vss_error *err);
/* Append the rows of column part p that are not in gone [rows] to columns [schema->n_fields]. */
vss_status vssi_segment_salvage_part(vssi_segment *segment, size_t p, const uint64_t *gone, vssi_column **columns,
                                     vss_error *err);
/* Of a segment's rows, how many parts there are. */
size_t vssi_segment_salvage_parts(const vssi_segment *segment);

#endif
