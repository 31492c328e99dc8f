/*
 * segment.h - rows that never change: in memory while they grow, in one immutable object once sealed
 *
 * Both kinds answer the same questions. A segment is shared by reference count; everything here may be called by any
 * number of threads. Row numbers are 0 .. rows - 1.
 */
#ifndef VSSI_SEGMENT_H
#define VSSI_SEGMENT_H

#include "../../index/device/device.h"
#include "object.h"
#include "schema.h"

#define VSSI_COLUMN_ROWS 4096u       /* rows a column part; a multiple of 64 */
#define VSSI_SEGMENT_ROWS 1048576u   /* a growing segment of this many rows is sealed, */
#define VSSI_SEGMENT_BYTES 1073741824u /* or of this many bytes of vectors and text */
#define VSSI_ROWS_MAX 0xfffffff0u    /* rows a segment may have */

typedef struct vssi_segment vssi_segment;

/* A key by value; text is borrowed from the segment or the caller. */
typedef struct vssi_key {
    bool is_text;
    int64_t number;
    const char *text;
    size_t size;
} vssi_key;

/* Integers by value, texts bytewise: below, equal, above 0. Both of one kind. */
int vssi_key_compare(const vssi_key *a, const vssi_key *b);
/* The key in row of a key column view. */
vssi_key vssi_key_of(const vss_column *view, size_t row);

/* ---- in memory ---- */

/* A segment of these columns, [schema->n_fields] in the schema's order, all of equal length above 0; takes them over,
 * also on failure. Builds norms and key table. The schema outlives the segment. */
vss_status vssi_segment_from_columns(vssi_heap *heap, const vssi_schema *schema, vssi_column **columns,
                                     vssi_segment **out, vss_error *err);

/* A new segment in memory of the rows of several ones (memory ones only), in order, without those deleted.
 * deleted[i] NULL: all rows. *out NULL when no row is left. */
vss_status vssi_segment_merge(vssi_heap *heap, const vssi_schema *schema, vssi_segment *const *parts,
                              const uint64_t *const *deleted, size_t n_parts, vssi_segment **out, vss_error *err);

/* The same of sealed ones too, whose rows are verified. */
vss_status vssi_segment_gather(vssi_heap *heap, const vssi_schema *schema, vssi_segment *const *parts,
                               const uint64_t *const *deleted, size_t n_parts, vssi_segment **out, vss_error *err);

/* Bytes held in memory. */
uint64_t vssi_segment_bytes(const vssi_segment *segment);

/* ---- sealed ---- */

/* Store a memory segment as an object. Same rows, same bytes. */
vss_status vssi_segment_write(vssi_segment *segment, const vss_storage *storage, const char *prefix, const char *name,
                              vssi_object_ref *ref, vss_error *err);
/* Cost: one view and the tail; no row is touched, and no memory grows with the rows. CORRUPT when the object does not
 * fit the schema. */
vss_status vssi_segment_open(vssi_heap *heap, const vss_storage *storage, const char *prefix, const vssi_schema *schema,
                             const vssi_object_ref *ref, vssi_segment **out, vss_error *err);
/* Every byte and every inner reference: hashes, column parts decode, key table finds every key. Returns the faults. */
uint64_t vssi_segment_check(vssi_segment *segment, vssi_fault_fn fn, void *state);

/* ---- both ---- */

vssi_segment *vssi_segment_ref(vssi_segment *segment);
void vssi_segment_unref(vssi_segment *segment); /* NULL is fine */
size_t vssi_segment_rows(const vssi_segment *segment);

/* Vectors [rows] of a field, in its own type, not verified; inverse norms [rows] for cosine, else NULL, verified at
 * first use; max_norm is at least every |v| of the field. */
vss_status vssi_segment_vectors(vssi_segment *segment, size_t field, const void **vectors, const float **inverse_norms,
                                double *max_norm, vss_error *err);
/* Make sure that the vectors of rows [first, first + n) are what was written. Free for memory segments and for chunks
 * already verified. */
vss_status vssi_segment_verify_vectors(vssi_segment *segment, size_t field, size_t first, size_t n, vss_error *err);

/* What devices keep of the field's vectors, until the segment ends; NULL for memory segments, which end soon. */
vssi_device_places *vssi_segment_places(vssi_segment *segment, size_t field);

/* Rows that are about to be read here and there: of a mapped file, their pages come in and not those around them. */
void vssi_segment_pick(vssi_segment *segment, size_t field, const uint32_t *rows, size_t n);

/* Verify the keys at first use; then vssi_segment_key and _find can't fail. */
vss_status vssi_segment_keys_ready(vssi_segment *segment, vss_error *err);
vssi_key vssi_segment_key(const vssi_segment *segment, size_t row);
/* Row of the key, or SIZE_MAX. */
size_t vssi_segment_find(const vssi_segment *segment, const vssi_key *key);

/* Part p of a field's column: rows [p * VSSI_COLUMN_ROWS, ...). The view is good as long as the segment. Decoded at
 * first use and kept. Works for every field: scalars, vectors (verified), and the key. */
vss_status vssi_segment_column(vssi_segment *segment, size_t field, size_t part, vss_column *view, vss_error *err);

/* What is known of a part without decoding it. min/max hold for the values that are not null. */
typedef struct vssi_zone {
    bool known;
    uint32_t nulls;
    uint32_t rows;
    int64_t min_int, max_int;     /* bool, integers, timestamps */
    double min_float, max_float;  /* float32, float64 */
} vssi_zone;
vss_status vssi_segment_zone(vssi_segment *segment, size_t field, size_t part, vssi_zone *zone, vss_error *err);

#endif
