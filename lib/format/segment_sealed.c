/*
 * segment_sealed.c - a sealed segment read in place: keys verified, scalar parts decoded at first use
 *
 * A decoded part is published by compare-exchange; the loser of a race frees its own. No locks. Key blocks are verified
 * by hash, but what they say (offsets, rows) is bounded at every use, and validated whole before a view of text keys is
 * handed out.
 */
#include "segment_private.h"

vss_status vssi_segment_damaged(const vssi_segment *s, size_t field, vss_error *err, const char *what)
{
    return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": field \"%s\": %s", s->object->name,
                     s->schema->fields[field].name, what);
}

static void sealed_part_free(vssi_heap *heap, vssi_segment_part *part)
{
    if (part != NULL)
        vssi_column_free(part->column);
    vssi_free(heap, part);
}

void vssi_segment_sealed_free(vssi_segment *segment)
{
    if (segment->object == NULL)
        return;
    for (size_t f = 0; f < segment->n_fields; f++) {
        _Atomic(vssi_segment_part *) *parts = atomic_load_explicit(&segment->fields[f].parts, memory_order_acquire);
        for (size_t p = 0; parts != NULL && p < vssi_segment_parts(segment); p++)
            sealed_part_free(segment->heap, atomic_load_explicit(&parts[p], memory_order_acquire));
        vssi_free(segment->heap, (const void *)parts);
    }
    vssi_object_close(segment->object);
}

static vss_status sealed_keys(vssi_segment *segment, vss_error *err)
{
    const void *data;
    VSSI_TRY(vssi_object_block(segment->object, segment->keys_entry, &data, err));
    if (segment->text_keys)
        VSSI_TRY(vssi_object_block(segment->object, segment->offsets_entry, &data, err));
    else
        vssi_segment_key_range(segment);
    return vssi_object_block(segment->object, segment->table_entry, &data, err);
}

vss_status vssi_segment_keys_ready(vssi_segment *segment, vss_error *err)
{
    if (atomic_load_explicit(&segment->keys_ready, memory_order_acquire))
        return VSS_OK;
    VSSI_TRY(sealed_keys(segment, err));
    atomic_store_explicit(&segment->keys_ready, 1, memory_order_release);
    return VSS_OK;
}

/* The part's entry in COLUMN_INDEX, whose hash is verified at the first use. */
static vss_status sealed_find_part(vssi_segment *s, size_t field, size_t part, vssi_column_part *found, uint64_t *end,
                                   vss_error *err)
{
    const vssi_object_entry *column = &s->object->entries[s->fields[field].column_entry];
    const void *index;
    VSSI_TRY(vssi_object_block(s->object, column->hashed_by, &index, err));
    if (!vssi_column_part_find(column, &s->object->entries[column->hashed_by], index, part,
                               s->schema->fields[field].type, found, end) ||
        found->zone.rows != vssi_segment_part_rows(s, part))
        return vssi_segment_damaged(s, field, err, "the index of its column is malformed");
    return VSS_OK;
}

vss_status vssi_segment_decode(vssi_segment *segment, size_t field, size_t part, vssi_column **out, vss_error *err)
{
    const vssi_object_entry *column = &segment->object->entries[segment->fields[field].column_entry];
    vssi_column_part found;
    uint64_t end;
    vss_error why = {0};
    *out = NULL;
    VSSI_TRY(sealed_find_part(segment, field, part, &found, &end, err));
    if (!vssi_column_part_good(segment->object, column, &found, end))
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": field \"%s\": part %zu is damaged",
                         segment->object->name, segment->schema->fields[field].name, part);
    const uint8_t *stored = segment->object->view.data + column->offset + found.offset;
    const vss_status status = vssi_column_part_decode(segment->heap, &segment->schema->fields[field], stored, &found,
                                                      out, &why);
    if (status == VSS_ERR_CORRUPT)
        return vssi_fail(err, status, "object \"%s\": field \"%s\": part %zu: %s", segment->object->name,
                         segment->schema->fields[field].name, part, why.message);
    if (status != VSS_OK)
        return vssi_fail(err, status, "%s", why.message);
    return VSS_OK;
}

vss_status vssi_segment_sealed_zone(vssi_segment *segment, size_t field, size_t part, vssi_zone *zone, vss_error *err)
{
    vssi_column_part found;
    uint64_t end;
    VSSI_TRY(sealed_find_part(segment, field, part, &found, &end, err));
    *zone = found.zone;
    return VSS_OK;
}

/* The published parts of a field, [parts], made at the first use. */
static vss_status sealed_parts(vssi_segment *s, size_t field, _Atomic(vssi_segment_part *) **out, vss_error *err)
{
    _Atomic(vssi_segment_part *) *parts = atomic_load_explicit(&s->fields[field].parts, memory_order_acquire);
    if (parts == NULL) {
        _Atomic(vssi_segment_part *) *fresh;
        VSSI_TRY(vssi_alloc_zero(s->heap, vssi_segment_parts(s), sizeof *fresh, &fresh, err));
        if (atomic_compare_exchange_strong_explicit(&s->fields[field].parts, &parts, fresh, memory_order_acq_rel,
                                                    memory_order_acquire))
            parts = fresh;
        else
            vssi_free(s->heap, (const void *)fresh);
    }
    *out = parts;
    return VSS_OK;
}

/* A part made for the first time: a scalar decoded, or keys validated in place. */
static vss_status sealed_make_part(vssi_segment *s, size_t field, size_t part, vssi_segment_part *made, vss_error *err)
{
    if (field != s->schema->key) {
        VSSI_TRY(vssi_segment_decode(s, field, part, &made->column, err));
        made->view = made->column->view;
        return VSS_OK;
    }
    const size_t first = part * VSSI_COLUMN_ROWS, n = vssi_segment_part_rows(s, part);
    VSSI_TRY(vssi_segment_keys_ready(s, err));
    const char *wrong = vssi_segment_keys_wrong(s, first, n);
    if (wrong != NULL)
        return vssi_segment_damaged(s, field, err, wrong);
    const vss_column keys = vssi_segment_key_view(s);
    made->view = vssi_column_slice(&keys, first, n);
    return VSS_OK;
}

static vss_status sealed_vectors_part(vssi_segment *s, size_t field, size_t part, vss_column *view, vss_error *err)
{
    const vssi_field *def = &s->schema->fields[field];
    const size_t first = part * VSSI_COLUMN_ROWS, n = vssi_segment_part_rows(s, part);
    const uint8_t *vectors = vssi_object_raw(s->object, s->fields[field].vectors_entry);
    const size_t size = vssi_value_size(def->type, def->dim);
    VSSI_TRY(vssi_object_verify(s->object, s->fields[field].vectors_entry, first * size, n * size, err));
    *view = (vss_column){.struct_size = sizeof *view, .type = def->type, .dim = def->dim, .length = n,
                         .data = vectors + first * size};
    return VSS_OK;
}

vss_status vssi_segment_sealed_part(vssi_segment *segment, size_t field, size_t part, vss_column *view,
                                    vss_error *err)
{
    _Atomic(vssi_segment_part *) *parts;
    if (vssi_type_is_vector(segment->schema->fields[field].type))
        return sealed_vectors_part(segment, field, part, view, err);
    VSSI_TRY(sealed_parts(segment, field, &parts, err));
    vssi_segment_part *found = atomic_load_explicit(&parts[part], memory_order_acquire);
    if (found == NULL) {
        vssi_segment_part *fresh;
        VSSI_TRY(vssi_alloc_zero(segment->heap, 1, sizeof *fresh, &fresh, err));
        const vss_status status = sealed_make_part(segment, field, part, fresh, err);
        if (status != VSS_OK) {
            sealed_part_free(segment->heap, fresh);
            return status;
        }
        if (atomic_compare_exchange_strong_explicit(&parts[part], &found, fresh, memory_order_acq_rel,
                                                    memory_order_acquire))
            found = fresh;
        else
            sealed_part_free(segment->heap, fresh);
    }
    *view = found->view;
    return VSS_OK;
}
