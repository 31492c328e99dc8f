/*
 * column_part.c - scalar values as bytes and back: validity, lengths, values, compressed 4,096 rows at a time
 *
 * A part is stored compressed (zstd, level 3) unless that doesn't help or would make it look like a bomb: a reader
 * takes at most 64 KiB and 64 times the stored size. Decoding costs one decompression, one validation and one copy.
 * No locks.
 */
#include "column_part.h"

#include <assert.h>
#include <math.h>
#include <zstd.h>

#include "../base/bitmap.h"
#include "../base/fail.h"
#include "../base/text.h"
#include "limits.h"
#include "object_private.h"

#define PART_LEVEL 3
#define PART_FREE 65536u /* bytes that a part may have however small it is stored */
#define PART_RATIO 64u

/* ---- values to bytes ---- */

/* Sections begin at multiples of 8 from the begin of the part. */
static void part_align(vssi_writer *out)
{
    vssi_write_zeros(out, (size_t)(vssi_round_up(out->size, 8) - out->size));
}

static void part_pack_bits(vssi_writer *out, const uint8_t *bits, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        unsigned byte = 0;
        for (size_t b = 0; b < 8 && i + b < n; b++)
            byte |= (unsigned)vssi_bit(bits, first + i + b) << b;
        vssi_write8(out, (uint8_t)byte);
    }
    part_align(out);
}

static void part_pack_lengths(vssi_writer *out, const int64_t *offsets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        vssi_write32(out, (uint32_t)(offsets[i + 1] - offsets[i]));
    part_align(out);
}

static void part_pack_values(vssi_writer *out, const vss_column *view, size_t first, size_t n)
{
    const int64_t *offsets = view->offsets != NULL ? view->offsets + first : NULL;
    if (view->type == VSS_TYPE_BOOL) {
        part_pack_bits(out, view->data, first, n);
    } else if (vssi_type_is_text(view->type)) {
        part_pack_lengths(out, offsets, n);
        if (offsets[n] > offsets[0])
            vssi_write_bytes(out, (const uint8_t *)view->data + offsets[0], (size_t)(offsets[n] - offsets[0]));
        part_align(out);
    } else {
        const size_t size = vssi_value_size(view->type, view->dim);
        if (n > 0)
            vssi_write_bytes(out, (const uint8_t *)view->data + first * size, n * size);
        part_align(out);
    }
}

vss_status vssi_column_part_pack(const vss_column *view, bool nullable, vssi_writer *out, vss_error *err)
{
    const size_t n = (size_t)view->length;
    if (nullable)
        part_pack_bits(out, view->validity, 0, n);
    if (view->type == VSS_TYPE_ARRAY) {
        part_pack_lengths(out, view->offsets, n);
        part_pack_values(out, view->data, (size_t)view->offsets[0], (size_t)(view->offsets[n] - view->offsets[0]));
    } else {
        part_pack_values(out, view, 0, n);
    }
    VSSI_TRY(out->status);
    if (out->size > VSSI_PART_RAW_MAX)
        return vssi_fail(err, VSS_ERR_INVALID, "%u rows of a column have %zu bytes, at most %u can be stored",
                         VSSI_COLUMN_ROWS, out->size, VSSI_PART_RAW_MAX);
    return VSS_OK;
}

/* ---- bytes to values ---- */

/* Values in place, as a view to append from. */
typedef struct part_values {
    vss_column view;
    int64_t *offsets;
} part_values;

static void part_skip_padding(vssi_reader *r)
{
    (void)vssi_read_bytes(r, (size_t)(vssi_round_up(r->at, 8) - r->at));
}

/* n bits; those past the last one must be zero. NULL: wrong. */
static const uint8_t *part_take_bits(vssi_reader *r, size_t n)
{
    const size_t size = (n + 7) / 8;
    const uint8_t *bits = vssi_read_bytes(r, size);
    part_skip_padding(r);
    if (r->bad || (n % 8 != 0 && bits[size - 1] >> (n % 8) != 0))
        return NULL;
    return bits;
}

static bool part_take_offsets(vssi_reader *r, size_t n, uint32_t limit, int64_t *offsets)
{
    const uint8_t *lengths = vssi_read_bytes(r, n * sizeof(uint32_t)); /* n is at most 2^24 */
    part_skip_padding(r);
    if (r->bad)
        return false;
    offsets[0] = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t length = vssi_load32(lengths + i * sizeof(uint32_t));
        if (length > limit)
            return false;
        offsets[i + 1] = offsets[i] + length;
    }
    return true;
}

static bool part_texts_valid(const vss_column *view)
{
    for (size_t i = 0; i < view->length; i++)
        if (!vssi_utf8_valid((const char *)view->data + view->offsets[i],
                             (size_t)(view->offsets[i + 1] - view->offsets[i])))
            return false;
    return true;
}

/* Allocate the offsets of n values, once the lengths are known to be there. */
static vss_status part_make_offsets(vssi_heap *heap, vssi_reader *r, size_t n, uint32_t limit, part_values *v,
                                    vss_error *err)
{
    if (n > (r->size - r->at) / sizeof(uint32_t))
        return VSS_ERR_CORRUPT;
    VSSI_TRY(vssi_alloc(heap, n + 1, sizeof *v->offsets, &v->offsets, err));
    v->view.offsets = v->offsets;
    return part_take_offsets(r, n, limit, v->offsets) ? VSS_OK : VSS_ERR_CORRUPT;
}

/* n values of a type without structure. A CORRUPT status comes without a line. */
static vss_status part_take_values(vssi_heap *heap, vssi_reader *r, vss_type type, size_t n, part_values *v,
                                   vss_error *err)
{
    v->view = (vss_column){.struct_size = sizeof(vss_column), .type = type, .length = n};
    if (type == VSS_TYPE_BOOL) {
        v->view.data = part_take_bits(r, n);
        return v->view.data != NULL ? VSS_OK : VSS_ERR_CORRUPT;
    }
    if (vssi_type_is_text(type)) {
        VSSI_TRY(part_make_offsets(heap, r, n, VSSI_TEXT_MAX, v, err));
        v->view.data = vssi_read_bytes(r, (size_t)v->offsets[n]);
        part_skip_padding(r);
        return !r->bad && part_texts_valid(&v->view) ? VSS_OK : VSS_ERR_CORRUPT;
    }
    v->view.data = vssi_read_bytes(r, n * vssi_value_size(type, 0));
    part_skip_padding(r);
    return r->bad ? VSS_ERR_CORRUPT : VSS_OK;
}

static vss_status part_take(vssi_heap *heap, const vssi_field *field, vssi_reader *r, size_t rows, part_values *values,
                            part_values *elements, vss_error *err)
{
    const uint8_t *validity = NULL;
    if (field->flags & VSS_FIELD_NULLABLE) {
        validity = part_take_bits(r, rows);
        if (validity == NULL)
            return VSS_ERR_CORRUPT;
    }
    if (field->type == VSS_TYPE_ARRAY) {
        values->view = (vss_column){.struct_size = sizeof(vss_column), .type = VSS_TYPE_ARRAY, .length = rows};
        VSSI_TRY(part_make_offsets(heap, r, rows, VSSI_ARRAY_MAX, values, err));
        VSSI_TRY(part_take_values(heap, r, field->element, (size_t)values->offsets[rows], elements, err));
        values->view.data = &elements->view;
    } else {
        VSSI_TRY(part_take_values(heap, r, field->type, rows, values, err));
    }
    values->view.validity = validity;
    return r->at == r->size ? VSS_OK : VSS_ERR_CORRUPT;
}

vss_status vssi_column_part_unpack(vssi_heap *heap, const vssi_field *field, const uint8_t *data, size_t size,
                                   size_t rows, vssi_column **out, vss_error *err)
{
    vssi_reader r = {.data = data, .size = size};
    part_values values = {0}, elements = {0};
    vssi_column *column = NULL;
    *out = NULL;
    assert(rows <= VSSI_COLUMN_ROWS);
    vss_status status = part_take(heap, field, &r, rows, &values, &elements, err);
    if (status == VSS_ERR_CORRUPT)
        status = vssi_fail(err, VSS_ERR_CORRUPT, "its values are malformed");
    if (status == VSS_OK)
        status = vssi_column_create(heap, field->type, field->element, 0, (field->flags & VSS_FIELD_NULLABLE) != 0,
                                    &column, err);
    if (status == VSS_OK)
        status = vssi_column_append(column, &values.view, 0, rows, err);
    vssi_free(heap, values.offsets);
    vssi_free(heap, elements.offsets);
    if (status != VSS_OK) {
        vssi_column_free(column);
        return status;
    }
    *out = column;
    return VSS_OK;
}

/* ---- zones ---- */

static bool part_is_int(vss_type type)
{
    return (type >= VSS_TYPE_BOOL && type <= VSS_TYPE_INT64) || type == VSS_TYPE_TIMESTAMP;
}

static bool part_is_float(vss_type type)
{
    return type == VSS_TYPE_FLOAT32 || type == VSS_TYPE_FLOAT64;
}

/* Take a value into min and max. */
static void part_widen_zone(vssi_zone *zone, const vss_column *view, size_t row, bool first)
{
    if (part_is_int(view->type)) {
        const int64_t v = vssi_column_int(view, row);
        zone->min_int = first || v < zone->min_int ? v : zone->min_int;
        zone->max_int = first || v > zone->max_int ? v : zone->max_int;
    } else {
        const double v = vssi_column_float(view, row);
        zone->known = zone->known && !isnan(v);
        zone->min_float = first || v < zone->min_float ? v : zone->min_float;
        zone->max_float = first || v > zone->max_float ? v : zone->max_float;
    }
}

vssi_zone vssi_column_part_zone(const vss_column *view)
{
    const bool ordered = part_is_int(view->type) || part_is_float(view->type);
    vssi_zone zone = {.known = ordered, .rows = (uint32_t)view->length};
    for (size_t i = 0; i < view->length; i++) {
        if (vssi_column_null(view, i))
            zone.nulls++;
        else if (ordered)
            part_widen_zone(&zone, view, i, zone.nulls == i);
    }
    if (!zone.known)
        zone.min_float = zone.max_float = 0;
    return zone;
}

bool vssi_zone_equal(const vssi_zone *a, const vssi_zone *b, vss_type type)
{
    if (a->known != b->known || a->rows != b->rows || a->nulls != b->nulls)
        return false;
    if (part_is_float(type))
        return memcmp(&a->min_float, &b->min_float, 8) == 0 && memcmp(&a->max_float, &b->max_float, 8) == 0;
    return a->min_int == b->min_int && a->max_int == b->max_int;
}

/* ---- parts to blocks ---- */

static void part_write_entry(vssi_writer *index, const vssi_column_part *part, vss_type type)
{
    uint64_t min, max;
    memcpy(&min, part_is_float(type) ? (const void *)&part->zone.min_float : &part->zone.min_int, sizeof min);
    memcpy(&max, part_is_float(type) ? (const void *)&part->zone.max_float : &part->zone.max_int, sizeof max);
    vssi_write64(index, part->offset);
    vssi_write64(index, part->hash);
    vssi_write32(index, part->stored);
    vssi_write32(index, part->raw);
    vssi_write32(index, part->zone.rows);
    vssi_write32(index, part->zone.nulls);
    vssi_write8(index, part->codec);
    vssi_write8(index, part->zone.known);
    vssi_write_zeros(index, 6);
    vssi_write64(index, min);
    vssi_write64(index, max);
}

/* Append the part's stored form to data, compressed where that helps. squeeze has ZSTD_compressBound(raw->size)
 * bytes. */
static void part_store(ZSTD_CCtx *zstd, const vssi_writer *raw, vssi_writer *data, uint8_t *squeeze,
                       vssi_column_part *part)
{
    const size_t size = ZSTD_compressCCtx(zstd, squeeze, ZSTD_compressBound(raw->size), raw->data, raw->size,
                                          PART_LEVEL);
    const bool helps = !ZSTD_isError(size) && size < raw->size && raw->size <= PART_FREE + PART_RATIO * (uint64_t)size;
    part->offset = data->size;
    part->raw = (uint32_t)raw->size;
    part->codec = helps ? VSSI_CODEC_ZSTD : VSSI_CODEC_RAW;
    part->stored = (uint32_t)(helps ? size : raw->size);
    vssi_write_bytes(data, helps ? squeeze : raw->data, part->stored);
    part_align(data);
}

static vss_status part_encode(ZSTD_CCtx *zstd, const vss_column *view, bool nullable, vssi_writer *raw,
                              vssi_writer *data, vssi_column_part *part, vss_error *err)
{
    uint8_t *squeeze;
    raw->size = 0;
    VSSI_TRY(vssi_column_part_pack(view, nullable, raw, err));
    VSSI_TRY(vssi_alloc(raw->heap, ZSTD_compressBound(raw->size), 1, &squeeze, err));
    part_store(zstd, raw, data, squeeze, part);
    part->zone = vssi_column_part_zone(view);
    vssi_free(raw->heap, squeeze);
    return data->status;
}

/* Hash parts once it is known which is the last: its hash takes in the padding of the block. */
static void part_write_index(vssi_column_part *parts, size_t n, vss_type type, uint64_t block_offset,
                             const vssi_writer *data, vssi_writer *index)
{
    static const uint8_t zeros[VSSI_OBJECT_ALIGN];
    for (size_t p = 0; p < n; p++) {
        const bool last = p + 1 == n;
        const uint64_t end = last ? data->size : parts[p + 1].offset;
        const vssi_hash_part pieces[2] = {{data->data + parts[p].offset, (size_t)(end - parts[p].offset)},
                                          {zeros, last ? (size_t)(vssi_object_padded(end) - end) : 0}};
        parts[p].hash = vssi_hash_parts(pieces, 2, vssi_hash_seed(VSSI_BLOCK_COLUMN, block_offset + parts[p].offset));
        part_write_entry(index, &parts[p], type);
    }
}

vss_status vssi_column_encode(const vss_column *view, bool nullable, uint64_t block_offset, vssi_writer *data,
                              vssi_writer *index, vss_error *err)
{
    const size_t rows = (size_t)view->length, n = rows / VSSI_COLUMN_ROWS + (rows % VSSI_COLUMN_ROWS != 0);
    vssi_writer raw = {.heap = data->heap, .err = err};
    vssi_column_part *parts;
    vss_status status = VSS_OK;
    VSSI_TRY(vssi_alloc_zero(data->heap, n, sizeof *parts, &parts, err));
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    if (zstd == NULL)
        status = vssi_fail(err, VSS_ERR_NO_MEMORY, "out of memory for a compressor");
    for (size_t p = 0; p < n && status == VSS_OK; p++) {
        const size_t first = p * VSSI_COLUMN_ROWS;
        const vss_column slice = vssi_column_slice(view, first, vssi_min(rows - first, VSSI_COLUMN_ROWS));
        status = part_encode(zstd, &slice, nullable, &raw, data, &parts[p], err);
    }
    if (status == VSS_OK) {
        part_write_index(parts, n, view->type, block_offset, data, index);
        status = index->status;
    }
    ZSTD_freeCCtx(zstd);
    vssi_free(data->heap, raw.data);
    vssi_free(data->heap, parts);
    return status;
}

/* ---- blocks to parts ---- */

/* Entry p as it stands; false when its own numbers can't be. */
static bool part_read_entry(const uint8_t *index, size_t p, vss_type type, vssi_column_part *part)
{
    const uint8_t *e = index + p * VSSI_PART_ENTRY;
    *part = (vssi_column_part){.offset = vssi_load64(e), .hash = vssi_load64(e + 8), .stored = vssi_load32(e + 16),
                               .raw = vssi_load32(e + 20), .codec = e[32]};
    part->zone = (vssi_zone){.known = e[33] == 1, .rows = vssi_load32(e + 24), .nulls = vssi_load32(e + 28)};
    memcpy(part_is_float(type) ? (void *)&part->zone.min_float : &part->zone.min_int, e + 40, 8);
    memcpy(part_is_float(type) ? (void *)&part->zone.max_float : &part->zone.max_int, e + 48, 8);
    if (part->codec > VSSI_CODEC_ZSTD || e[33] > 1 || part->zone.rows > VSSI_COLUMN_ROWS ||
        part->zone.nulls > part->zone.rows)
        return false;
    if (part->codec == VSSI_CODEC_RAW && part->raw != part->stored)
        return false;
    return part->raw <= VSSI_PART_RAW_MAX && part->raw <= PART_FREE + PART_RATIO * (uint64_t)part->stored;
}

bool vssi_column_part_find(const vssi_object_entry *column, const vssi_object_entry *index_entry,
                           const uint8_t *index, size_t p, vss_type type, vssi_column_part *part, uint64_t *end)
{
    if (index_entry->element != VSSI_PART_ENTRY || p >= index_entry->count || !part_read_entry(index, p, type, part))
        return false;
    if (part->offset % 8 != 0 || part->offset > column->size || part->stored > column->size - part->offset)
        return false;
    const uint64_t stop = part->offset + vssi_round_up(part->stored, 8);
    if (p + 1 < index_entry->count) {
        *end = stop;
        return stop <= column->size && vssi_load64(index + (p + 1) * VSSI_PART_ENTRY) == stop;
    }
    *end = vssi_object_padded(column->size);
    return stop == column->size;
}

bool vssi_column_part_good(const vssi_object *object, const vssi_object_entry *column, const vssi_column_part *part,
                           uint64_t end)
{
    const uint64_t at = column->offset + part->offset;
    return vssi_hash(object->view.data + at, (size_t)(end - part->offset), vssi_hash_seed(VSSI_BLOCK_COLUMN, at)) ==
           part->hash;
}

vss_status vssi_column_part_decode(vssi_heap *heap, const vssi_field *field, const uint8_t *stored,
                                   const vssi_column_part *part, vssi_column **out, vss_error *err)
{
    uint8_t *raw = NULL;
    *out = NULL;
    if (part->codec == VSSI_CODEC_ZSTD) {
        if (ZSTD_getFrameContentSize(stored, part->stored) != part->raw)
            return vssi_fail(err, VSS_ERR_CORRUPT, "its frame has another size than its entry says");
        VSSI_TRY(vssi_alloc(heap, part->raw, 1, &raw, err));
        if (ZSTD_decompress(raw, part->raw, stored, part->stored) != part->raw) {
            vssi_free(heap, raw);
            return vssi_fail(err, VSS_ERR_CORRUPT, "it can't be decompressed");
        }
    }
    vss_status status = vssi_column_part_unpack(heap, field, raw != NULL ? raw : stored, part->raw, part->zone.rows,
                                                out, err);
    vssi_free(heap, raw);
    if (status == VSS_OK && vssi_column_part_zone(&(*out)->view).nulls != part->zone.nulls) {
        vssi_column_free(*out);
        *out = NULL;
        status = vssi_fail(err, VSS_ERR_CORRUPT, "it has another number of nulls than its entry says");
    }
    return status;
}
