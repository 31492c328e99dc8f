/*
 * segment_private.h - what memory and sealed segments share
 */
#ifndef VSSI_SEGMENT_PRIVATE_H
#define VSSI_SEGMENT_PRIVATE_H

#include <stdatomic.h>

#include "../base/bitmap.h"
#include "../base/bytes.h"
#include "../base/checked.h"
#include "../base/fail.h"
#include "column_part.h"
#include "key_table.h"
#include "segment.h"
#include "segment_stats.h"

/* A part of a sealed field that was decoded, or (keys) validated in place. */
typedef struct vssi_segment_part {
    vss_column view;
    vssi_column *column; /* behind the view; NULL: the object itself is */
} vssi_segment_part;

typedef struct vssi_segment_field {
    /* in memory */
    vssi_column *column;
    float *norms;             /* [rows], cosine fields */
    /* sealed: entries of the object, SIZE_MAX where there is none */
    size_t vectors_entry, norms_entry, column_entry;
    _Atomic(_Atomic(vssi_segment_part *) *) parts; /* [parts], made at first use */
    /* both */
    double max_norm;
    vssi_device_places places; /* sealed vectors' */
} vssi_segment_field;

struct vssi_segment {
    vssi_heap *heap;
    const vssi_schema *schema;
    _Atomic uint64_t references;
    size_t rows;
    size_t n_fields;
    vssi_segment_field *fields; /* [n_fields], in the schema's order */
    vssi_object *object;        /* NULL: in memory */

    /* Keys, good for use once keys_ready. */
    bool text_keys;
    const int64_t *numbers;   /* [rows] */
    const char *texts;        /* [texts_size] */
    uint64_t texts_size;
    const int64_t *offsets;   /* [rows + 1]; may hold anything in a sealed segment */
    const uint32_t *table;    /* [table_words], key_table.h; may hold anything in a sealed segment */
    size_t table_words;
    uint32_t *own_table;      /* in memory */
    _Atomic int64_t least, greatest; /* of numbers */
    size_t keys_entry, offsets_entry, table_entry;
    _Atomic uint8_t keys_ready;
};

static inline size_t vssi_segment_parts(const vssi_segment *s)
{
    return s->rows / VSSI_COLUMN_ROWS + (s->rows % VSSI_COLUMN_ROWS != 0);
}

static inline size_t vssi_segment_part_rows(const vssi_segment *s, size_t part)
{
    return vssi_min(s->rows - part * VSSI_COLUMN_ROWS, VSSI_COLUMN_ROWS);
}

/* segment_access.c. An empty shell: one reference, fields without anything. */
vss_status vssi_segment_shell(vssi_heap *heap, const vssi_schema *schema, size_t rows, vssi_segment **out,
                              vss_error *err);
/* 1 / |v| as it is stored; *length is |v|. */
float vssi_segment_norm(const vssi_field *field, const void *vectors, size_t row, double *length);

/* segment_keys.c. Least and greatest number, once the numbers may be read. */
void vssi_segment_key_range(vssi_segment *segment);
/* The key field as a view of the whole segment; nothing is validated. */
vss_column vssi_segment_key_view(const vssi_segment *segment);
/* Are the keys of [first, first + n), all ready, well-formed texts? NULL, or what is wrong. */
const char *vssi_segment_keys_wrong(const vssi_segment *segment, size_t first, size_t n);

/* segment_open.c. As vssi_segment_open, of that many rows; header and statistics are not looked at, and the greatest
 * norms stay 0. */
vss_status vssi_segment_open_damaged(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                     const vssi_schema *schema, const vssi_object_ref *ref, size_t rows,
                                     vssi_segment **out, vss_error *err);

/* segment_sealed.c. CORRUPT, naming object and field. */
vss_status vssi_segment_damaged(const vssi_segment *s, size_t field, vss_error *err, const char *what);
vss_status vssi_segment_sealed_part(vssi_segment *segment, size_t field, size_t part, vss_column *view,
                                    vss_error *err);
vss_status vssi_segment_sealed_zone(vssi_segment *segment, size_t field, size_t part, vssi_zone *zone,
                                    vss_error *err);
/* Decode a part of a scalar field anew, whatever was decoded before. The caller frees it. */
vss_status vssi_segment_decode(vssi_segment *segment, size_t field, size_t part, vssi_column **out, vss_error *err);
void vssi_segment_sealed_free(vssi_segment *segment);

#endif
