/*
 * column_part.h - a part of a scalar column as it is stored: at most VSSI_COLUMN_ROWS rows, compressed on their own
 */
#ifndef VSSI_COLUMN_PART_H
#define VSSI_COLUMN_PART_H

#include "../base/bytes.h"
#include "object.h"
#include "schema.h"
#include "segment.h"

#define VSSI_PART_ENTRY 56u           /* bytes of a part in COLUMN_INDEX */
#define VSSI_PART_RAW_MAX 1073741824u /* bytes of a part, decompressed */

enum { VSSI_CODEC_RAW = 0, VSSI_CODEC_ZSTD = 1 };

/* One element of a COLUMN_INDEX block. */
typedef struct vssi_column_part {
    uint64_t offset; /* in the COLUMN block, a multiple of 8 */
    uint64_t hash;   /* of all bytes up to the next part, or to the end of the padded block */
    uint32_t stored; /* bytes */
    uint32_t raw;    /* bytes when decompressed */
    uint8_t codec;
    vssi_zone zone;
} vssi_column_part;

/* The part's values as bytes, [raw], appended to out. INVALID when they are more than VSSI_PART_RAW_MAX. */
vss_status vssi_column_part_pack(const vss_column *view, bool nullable, vssi_writer *out, vss_error *err);
/* The other way; every byte is validated. rows is what the part must hold. CORRUPT. data is 8-byte aligned. */
vss_status vssi_column_part_unpack(vssi_heap *heap, const vssi_field *field, const uint8_t *data, size_t size,
                                   size_t rows, vssi_column **out, vss_error *err);

/* What is known of the values of a view. */
vssi_zone vssi_column_part_zone(const vss_column *view);
bool vssi_zone_equal(const vssi_zone *a, const vssi_zone *b, vss_type type);

/* All parts of a column: bytes of the COLUMN block (which begins at block_offset in its object) and of COLUMN_INDEX. */
vss_status vssi_column_encode(const vss_column *view, bool nullable, uint64_t block_offset, vssi_writer *data,
                              vssi_writer *index, vss_error *err);

/* Part p of a column whose COLUMN_INDEX, verified by its hash, is index: validated so far that [*end) lies in the
 * block and the sizes are sane. type: of the field, NONE where it doesn't matter. False: damaged. */
bool vssi_column_part_find(const vssi_object_entry *column, const vssi_object_entry *index_entry,
                           const uint8_t *index, size_t p, vss_type type, vssi_column_part *part, uint64_t *end);
/* Are the part's bytes up to end what its hash says? */
bool vssi_column_part_good(const vssi_object *object, const vssi_object_entry *column, const vssi_column_part *part,
                           uint64_t end);
/* Decompress and validate a part whose hash was found good. CORRUPT names nothing: the caller knows where it is. */
vss_status vssi_column_part_decode(vssi_heap *heap, const vssi_field *field, const uint8_t *stored,
                                   const vssi_column_part *part, vssi_column **out, vss_error *err);

#endif
