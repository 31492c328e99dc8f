/*
 * wal_rows.c - the rows or the keys of a batch as the payload of a frame, and back
 *
 * Scalars are packed as the parts of a stored column are, uncompressed; vectors are handed on from where they lie.
 * Cost: one copy of the scalars. Decoding compares every count with the bytes that are there before it asks for
 * memory. No locks.
 */
#include <string.h>

#include "../base/fail.h"
#include "column_part.h"
#include "segment.h"
#include "vss/collection.h"
#include "wal_private.h"

static const uint8_t wal_zeros[8];

/* Parts of at most VSSI_COLUMN_ROWS rows: u64 size, bytes, padded to 8. */
static vss_status wal_pack_column(vssi_heap *heap, const vssi_field *field, const vss_column *view, vssi_writer *out,
                                  vss_error *err)
{
    vssi_write32(out, field->id);
    vssi_write32(out, 0);
    for (size_t first = 0; first < view->length; first += VSSI_COLUMN_ROWS) {
        const size_t n = vssi_min((size_t)view->length - first, VSSI_COLUMN_ROWS);
        const vss_column slice = vssi_column_slice(view, first, n);
        vssi_writer part = {.heap = heap, .err = err};
        vss_status status = vssi_column_part_pack(&slice, (field->flags & VSS_FIELD_NULLABLE) != 0, &part, err);
        if (status == VSS_OK) {
            vssi_write64(out, part.size);
            vssi_write_bytes(out, part.data, part.size);
            vssi_write_zeros(out, (size_t)(vssi_round_up(part.size, 8) - part.size));
        }
        vssi_free(heap, part.data);
        VSSI_TRY(status);
    }
    return out->status;
}

static void wal_pack_head(vssi_wal_payload *payload, vssi_heap *heap, uint64_t rows, size_t fields, vss_error *err)
{
    payload->packed = (vssi_writer){.heap = heap, .err = err};
    vssi_write32(&payload->packed, (uint32_t)rows);
    vssi_write32(&payload->packed, (uint32_t)fields);
}

vss_status vssi_wal_pack_keys(vssi_heap *heap, const vssi_schema *schema, const vss_column *keys,
                              vssi_wal_payload *payload, vss_error *err)
{
    *payload = (vssi_wal_payload){0};
    if (keys->length > UINT32_MAX)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "%llu rows deleted in one call, at most %u",
                         (unsigned long long)keys->length, UINT32_MAX);
    wal_pack_head(payload, heap, keys->length, 1, err);
    VSSI_TRY(wal_pack_column(heap, &schema->fields[schema->key], keys, &payload->packed, err));
    VSSI_TRY(vssi_alloc(heap, 1, sizeof *payload->parts, &payload->parts, err));
    payload->parts[payload->n_parts++] = (vss_span){payload->packed.data, payload->packed.size};
    return VSS_OK;
}

vss_status vssi_wal_pack_rows(vssi_heap *heap, const vssi_schema *schema, vssi_column *const *columns,
                              vssi_wal_payload *payload, vss_error *err)
{
    *payload = (vssi_wal_payload){0};
    wal_pack_head(payload, heap, columns[0]->view.length, schema->n_fields, err);
    for (size_t f = 0; f < schema->n_fields; f++)
        if (!vssi_type_is_vector(schema->fields[f].type))
            VSSI_TRY(wal_pack_column(heap, &schema->fields[f], &columns[f]->view, &payload->packed, err));
    VSSI_TRY(vssi_alloc(heap, 1 + 2 * schema->n_fields, sizeof *payload->parts, &payload->parts, err));
    payload->parts[payload->n_parts++] = (vss_span){payload->packed.data, payload->packed.size};
    for (size_t f = 0; f < schema->n_fields; f++) {
        const vss_column *view = &columns[f]->view;
        if (!vssi_type_is_vector(schema->fields[f].type))
            continue;
        const size_t size = (size_t)view->length * vssi_value_size(view->type, view->dim);
        payload->parts[payload->n_parts++] = (vss_span){view->data, size};
        payload->parts[payload->n_parts++] = (vss_span){wal_zeros, (size_t)(vssi_round_up(size, 8) - size)};
    }
    return VSS_OK;
}

void vssi_wal_payload_free(vssi_heap *heap, vssi_wal_payload *payload)
{
    vssi_free(heap, payload->packed.data);
    vssi_free(heap, payload->parts);
    *payload = (vssi_wal_payload){0};
}

/* ---- bytes to values ---- */

static vss_status wal_malformed(const vssi_wal_frame *frame, const char *what, vss_error *err)
{
    return vssi_fail(err, VSS_ERR_CORRUPT, "batch %llu of the log: %s", (unsigned long long)frame->sequence, what);
}

static vss_status wal_unpack_column(vssi_heap *heap, const vssi_field *field, const vssi_wal_frame *frame, size_t rows,
                                    vssi_reader *r, vssi_column *to, vss_error *err)
{
    uint32_t id = vssi_read32(r), zero = vssi_read32(r);
    if (r->bad || id != field->id || zero != 0)
        return wal_malformed(frame, "its columns are not those of the schema", err);
    for (size_t first = 0; first < rows; first += VSSI_COLUMN_ROWS) {
        const size_t n = vssi_min(rows - first, VSSI_COLUMN_ROWS);
        const uint64_t size = vssi_read64(r);
        const uint8_t *bytes = size <= r->size - r->at ? vssi_read_bytes(r, (size_t)size) : NULL;
        vssi_column *part;
        if (r->bad || bytes == NULL)
            return wal_malformed(frame, "a column ends past the end", err);
        (void)vssi_read_bytes(r, (size_t)(vssi_round_up(size, 8) - size));
        VSSI_TRY(vssi_column_part_unpack(heap, field, bytes, (size_t)size, n, &part, err));
        vss_status status = vssi_column_append(to, &part->view, 0, n, err);
        vssi_column_free(part);
        VSSI_TRY(status);
    }
    return VSS_OK;
}

static vss_status wal_unpack_vectors(const vssi_field *field, const vssi_wal_frame *frame, size_t rows, vssi_reader *r,
                                     vssi_column *to, vss_error *err)
{
    const size_t size = rows * vssi_value_size(field->type, field->dim); /* at most 2^20 * 2^17 */
    const uint8_t *bytes = vssi_read_bytes(r, size);
    if (bytes == NULL || vssi_read_bytes(r, (size_t)(vssi_round_up(size, 8) - size)) == NULL)
        return wal_malformed(frame, "its vectors end past the end", err);
    const vss_column view = {.struct_size = sizeof view, .type = field->type, .dim = field->dim, .length = rows,
                             .data = bytes};
    return vssi_column_append(to, &view, 0, rows, err);
}

static vss_status wal_unpack_head(const vssi_wal_frame *frame, size_t fields, size_t most, vssi_reader *r,
                                  size_t *rows, vss_error *err)
{
    *r = (vssi_reader){.data = frame->payload, .size = frame->size};
    *rows = vssi_read32(r);
    if (vssi_read32(r) != fields || *rows == 0 || *rows > most)
        return wal_malformed(frame, "its number of rows or fields is wrong", err);
    return VSS_OK;
}

static vss_status wal_unpack_field(vssi_heap *heap, const vssi_field *f, const vssi_wal_frame *frame, size_t rows,
                                   vssi_reader *r, vssi_column **column, vss_error *err)
{
    VSSI_TRY(vssi_column_create(heap, f->type, f->element, f->dim, (f->flags & VSS_FIELD_NULLABLE) != 0, column, err));
    if (vssi_type_is_vector(f->type))
        return wal_unpack_vectors(f, frame, rows, r, *column, err);
    return wal_unpack_column(heap, f, frame, rows, r, *column, err);
}

vss_status vssi_wal_unpack_keys(vssi_heap *heap, const vssi_schema *schema, const vssi_wal_frame *frame,
                                vssi_column **keys, vss_error *err)
{
    vssi_reader r;
    size_t rows;
    *keys = NULL;
    VSSI_TRY(wal_unpack_head(frame, 1, UINT32_MAX, &r, &rows, err));
    vss_status status = wal_unpack_field(heap, &schema->fields[schema->key], frame, rows, &r, keys, err);
    if (status == VSS_OK && r.at != r.size)
        status = wal_malformed(frame, "bytes are left over", err);
    if (status != VSS_OK) {
        vssi_column_free(*keys);
        *keys = NULL;
    }
    return status;
}

vss_status vssi_wal_unpack_rows(vssi_heap *heap, const vssi_schema *schema, const vssi_wal_frame *frame,
                                vssi_column **columns, vss_error *err)
{
    vss_status status = VSS_OK;
    vssi_reader r;
    size_t rows;
    memset(columns, 0, schema->n_fields * sizeof *columns);
    VSSI_TRY(wal_unpack_head(frame, schema->n_fields, VSS_MAX_BATCH_ROWS, &r, &rows, err));
    for (int vectors = 0; vectors < 2; vectors++)
        for (size_t f = 0; f < schema->n_fields && status == VSS_OK; f++)
            if (vssi_type_is_vector(schema->fields[f].type) == (vectors == 1))
                status = wal_unpack_field(heap, &schema->fields[f], frame, rows, &r, &columns[f], err);
    if (status == VSS_OK && r.at != r.size)
        status = wal_malformed(frame, "bytes are left over", err);
    for (size_t f = 0; f < schema->n_fields && status != VSS_OK; f++) {
        vssi_column_free(columns[f]);
        columns[f] = NULL;
    }
    return status;
}
