/*
 * segment_gather.c - the live rows of any segments, sealed or not, as one segment in memory
 *
 * Cost: one copy of the rows; scalars of sealed segments are decoded part by part and not kept. No locks.
 */
#include "segment_private.h"

typedef struct gather_source {
    vssi_segment *const *parts;
    const uint64_t *const *deleted;
    size_t n_parts;
    size_t rows; /* live */
} gather_source;

/* The live rows of a column part, run by run. */
static vss_status gather_append(const vss_column *view, size_t first, const uint64_t *deleted, vssi_column *to,
                                vss_error *err)
{
    const size_t rows = (size_t)view->length;
    for (size_t row = 0; row < rows;) {
        size_t end = deleted == NULL ? rows : row;
        while (end < rows && !vssi_bitmap_get(deleted, first + end))
            end++;
        VSSI_TRY(vssi_column_append(to, view, row, end - row, err));
        for (row = end; row < rows && vssi_bitmap_get(deleted, first + row);)
            row++;
    }
    return VSS_OK;
}

static vss_status gather_part(vssi_segment *s, size_t field, size_t part, const uint64_t *deleted, vssi_column *to,
                              vss_error *err)
{
    const size_t first = part * VSSI_COLUMN_ROWS;
    vss_column view;
    if (s->object != NULL && field != s->schema->key && !vssi_type_is_vector(s->schema->fields[field].type)) {
        vssi_column *decoded;
        VSSI_TRY(vssi_segment_decode(s, field, part, &decoded, err));
        const vss_status status = gather_append(&decoded->view, first, deleted, to, err);
        vssi_column_free(decoded);
        return status;
    }
    VSSI_TRY(vssi_segment_column(s, field, part, &view, err));
    return gather_append(&view, first, deleted, to, err);
}

static vss_status gather_field(const gather_source *source, vssi_heap *heap, const vssi_field *f, size_t field,
                               vssi_column **out, vss_error *err)
{
    vss_status status;
    VSSI_TRY(vssi_column_create(heap, f->type, f->element, f->dim, (f->flags & VSS_FIELD_NULLABLE) != 0, out, err));
    status = vssi_column_reserve(*out, source->rows, 0, err);
    for (size_t s = 0; s < source->n_parts; s++)
        for (size_t p = 0; status == VSS_OK && p < vssi_segment_parts(source->parts[s]); p++)
            status = gather_part(source->parts[s], field, p, source->deleted[s], *out, err);
    return status;
}

vss_status vssi_segment_gather(vssi_heap *heap, const vssi_schema *schema, vssi_segment *const *parts,
                               const uint64_t *const *deleted, size_t n_parts, vssi_segment **out, vss_error *err)
{
    gather_source source = {.parts = parts, .deleted = deleted, .n_parts = n_parts};
    vssi_column **columns;
    vss_status status = VSS_OK;
    *out = NULL;
    for (size_t s = 0; s < n_parts; s++)
        source.rows += parts[s]->rows - (deleted[s] == NULL ? 0 : vssi_bitmap_count(deleted[s], parts[s]->rows));
    if (source.rows == 0)
        return VSS_OK;
    VSSI_TRY(vssi_alloc_zero(heap, schema->n_fields, sizeof *columns, &columns, err));
    for (size_t f = 0; f < schema->n_fields && status == VSS_OK; f++)
        status = gather_field(&source, heap, &schema->fields[f], f, &columns[f], err);
    if (status == VSS_OK)
        status = vssi_segment_from_columns(heap, schema, columns, out, err);
    else
        for (size_t f = 0; f < schema->n_fields; f++)
            vssi_column_free(columns[f]);
    vssi_free(heap, columns);
    return status;
}
