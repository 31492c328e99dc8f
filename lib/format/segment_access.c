/*
 * segment_access.c - what memory and sealed segments share: references, and the way to one kind or the other
 *
 * No locks: a segment is constant but for its reference count and for what a sealed one publishes at first use.
 */
#include <assert.h>
#include <float.h>
#include <math.h>

#include "../../simd/simd.h"
#include "segment_private.h"

vss_status vssi_segment_shell(vssi_heap *heap, const vssi_schema *schema, size_t rows, vssi_segment **out,
                              vss_error *err)
{
    vssi_segment *s;
    *out = NULL;
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *s, &s, err));
    s->heap = heap;
    s->schema = schema;
    s->rows = rows;
    s->text_keys = schema->fields[schema->key].type == VSS_TYPE_STRING;
    atomic_init(&s->references, 1);
    const vss_status status = vssi_alloc_zero(heap, schema->n_fields, sizeof *s->fields, &s->fields, err);
    if (status != VSS_OK) {
        vssi_free(heap, s);
        return status;
    }
    s->n_fields = schema->n_fields;
    s->keys_entry = s->offsets_entry = s->table_entry = SIZE_MAX;
    for (size_t f = 0; f < s->n_fields; f++)
        s->fields[f].vectors_entry = s->fields[f].norms_entry = s->fields[f].column_entry = SIZE_MAX;
    *out = s;
    return VSS_OK;
}

float vssi_segment_norm(const vssi_field *field, const void *vectors, size_t row, double *length)
{
    const vssi_simd_type kind = vssi_vector_kind(field->type);
    const uint8_t *vector = (const uint8_t *)vectors + row * vssi_simd_row_size(kind, field->dim);
    *length = kind == VSSI_SIMD_BITS ? 0 : sqrt(vssi_exact(kind, VSSI_SIMD_IP, vector, vector, field->dim));
    if (*length == 0)
        return 0;
    const double inverse = 1 / *length;
    return inverse < (double)FLT_MAX ? (float)inverse : FLT_MAX;
}

vssi_segment *vssi_segment_ref(vssi_segment *segment)
{
    atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
    return segment;
}

void vssi_segment_unref(vssi_segment *segment)
{
    if (segment == NULL || atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t f = 0; f < segment->n_fields; f++)
        vssi_device_forget(&segment->fields[f].places);
    vssi_segment_sealed_free(segment);
    for (size_t f = 0; f < segment->n_fields; f++) {
        vssi_column_free(segment->fields[f].column);
        vssi_free(segment->heap, segment->fields[f].norms);
    }
    vssi_free(segment->heap, segment->own_table);
    vssi_free(segment->heap, segment->fields);
    vssi_free(segment->heap, segment);
}

size_t vssi_segment_rows(const vssi_segment *segment)
{
    return segment->rows;
}

vss_status vssi_segment_vectors(vssi_segment *segment, size_t field, const void **vectors, const float **inverse_norms,
                                double *max_norm, vss_error *err)
{
    const vssi_segment_field *f = &segment->fields[field];
    assert(vssi_type_is_vector(segment->schema->fields[field].type));
    *vectors = NULL;
    *inverse_norms = NULL;
    *max_norm = f->max_norm;
    if (segment->object == NULL) {
        *inverse_norms = f->norms;
        *vectors = f->column->view.data;
        return VSS_OK;
    }
    if (f->norms_entry != SIZE_MAX) {
        const void *norms;
        VSSI_TRY(vssi_object_block(segment->object, f->norms_entry, &norms, err));
        *inverse_norms = norms;
    }
    *vectors = vssi_object_raw(segment->object, f->vectors_entry);
    return VSS_OK;
}

vss_status vssi_segment_verify_vectors(vssi_segment *segment, size_t field, size_t first, size_t n, vss_error *err)
{
    const uint64_t row = vssi_value_size(segment->schema->fields[field].type, segment->schema->fields[field].dim);
    assert(first <= segment->rows && n <= segment->rows - first);
    if (segment->object == NULL)
        return VSS_OK;
    return vssi_object_verify(segment->object, segment->fields[field].vectors_entry, first * row, n * row, err);
}

vssi_device_places *vssi_segment_places(vssi_segment *segment, size_t field)
{
    return segment->object != NULL ? &segment->fields[field].places : NULL;
}

void vssi_segment_pick(vssi_segment *segment, size_t field, const uint32_t *rows, size_t n)
{
    const uint64_t row = vssi_value_size(segment->schema->fields[field].type, segment->schema->fields[field].dim);
    for (size_t i = 0; segment->object != NULL && i < n; i++)
        vssi_object_pick(segment->object, segment->fields[field].vectors_entry, rows[i] * row, row);
}

vss_status vssi_segment_column(vssi_segment *segment, size_t field, size_t part, vss_column *view, vss_error *err)
{
    assert(field < segment->n_fields && part < vssi_segment_parts(segment));
    if (segment->object != NULL)
        return vssi_segment_sealed_part(segment, field, part, view, err);
    *view = vssi_column_slice(&segment->fields[field].column->view, part * VSSI_COLUMN_ROWS,
                              vssi_segment_part_rows(segment, part));
    return VSS_OK;
}

vss_status vssi_segment_zone(vssi_segment *segment, size_t field, size_t part, vssi_zone *zone, vss_error *err)
{
    assert(field < segment->n_fields && part < vssi_segment_parts(segment));
    *zone = (vssi_zone){.rows = (uint32_t)vssi_segment_part_rows(segment, part)};
    if (segment->object == NULL || segment->fields[field].column_entry == SIZE_MAX)
        return VSS_OK;
    return vssi_segment_sealed_zone(segment, field, part, zone, err);
}
