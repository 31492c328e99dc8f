/*
 * segment_memory.c - segments in memory: made of columns, or of the live rows of several segments
 *
 * Cost: from_columns one pass over keys and vectors for key table and norms; merge a copy of the rows, and norms of
 * parts with deleted rows only. No locks: a segment is constant once it is made.
 */
#include <assert.h>
#include <math.h>

#include "segment_private.h"

/* max_norm bounds |v| in spite of the roundings of the sum and the root, at most (dim + 9) / 2 * 2^-53 in all. */
#define MEMORY_NORM_SLACK (1 + 0x1p-36)

/* Where the rows of a segment come from, when that is other segments. */
typedef struct memory_merge {
    vssi_segment *const *parts;
    const uint64_t *const *deleted;
    size_t n_parts;
    size_t rows; /* live */
} memory_merge;

static bool memory_live(const memory_merge *m, size_t part, size_t row)
{
    return m->deleted[part] == NULL || !vssi_bitmap_get(m->deleted[part], row);
}

/* What the parts know of the rows, so that no vector is read where none is deleted; the same numbers as anew. */
static vss_status memory_norms_merged(vssi_segment *s, size_t field, const memory_merge *m, vss_error *err)
{
    vssi_segment_field *f = &s->fields[field];
    const vssi_field *def = &s->schema->fields[field];
    size_t to = 0;
    if (def->metric == VSS_METRIC_COSINE)
        VSSI_TRY(vssi_alloc(s->heap, s->rows, sizeof *f->norms, &f->norms, err));
    for (size_t p = 0; p < m->n_parts; p++) {
        const vssi_segment_field *from = &m->parts[p]->fields[field];
        double greatest = m->deleted[p] == NULL ? from->max_norm : 0;
        for (size_t row = 0; row < m->parts[p]->rows && (f->norms != NULL || m->deleted[p] != NULL); row++) {
            double length;
            if (!memory_live(m, p, row))
                continue;
            if (f->norms != NULL)
                f->norms[to++] = from->norms[row];
            if (m->deleted[p] == NULL)
                continue;
            (void)vssi_segment_norm(def, from->column->view.data, row, &length);
            greatest = length * MEMORY_NORM_SLACK > greatest ? length * MEMORY_NORM_SLACK : greatest;
        }
        f->max_norm = greatest > f->max_norm ? greatest : f->max_norm;
    }
    return VSS_OK;
}

static vss_status memory_norms(vssi_segment *s, size_t field, vss_error *err)
{
    vssi_segment_field *f = &s->fields[field];
    const vssi_field *def = &s->schema->fields[field];
    double greatest = 0;
    if (def->metric == VSS_METRIC_COSINE)
        VSSI_TRY(vssi_alloc(s->heap, s->rows, sizeof *f->norms, &f->norms, err));
    for (size_t row = 0; row < s->rows; row++) {
        double length;
        const float norm = vssi_segment_norm(def, f->column->view.data, row, &length);
        if (f->norms != NULL)
            f->norms[row] = norm;
        greatest = length > greatest ? length : greatest;
    }
    f->max_norm = greatest * MEMORY_NORM_SLACK;
    return VSS_OK;
}

static vss_status memory_keys(vssi_segment *s, vss_error *err)
{
    const vss_column *keys = &s->fields[s->schema->key].column->view;
    VSSI_TRY(vssi_key_table_build(s->heap, keys, &s->own_table, err));
    s->table = s->own_table;
    s->table_words = vssi_key_table_words(s->rows);
    if (s->text_keys) {
        s->offsets = keys->offsets;
        s->texts = keys->data;
        s->texts_size = (uint64_t)keys->offsets[s->rows];
    } else {
        s->numbers = keys->data;
        vssi_segment_key_range(s);
    }
    atomic_store_explicit(&s->keys_ready, 1, memory_order_relaxed);
    return VSS_OK;
}

/* m: where the columns come from; NULL: they are new. */
static vss_status memory_make(vssi_heap *heap, const vssi_schema *schema, vssi_column **columns, const memory_merge *m,
                              vssi_segment **out, vss_error *err)
{
    vssi_segment *s;
    const size_t rows = (size_t)columns[0]->view.length;
    *out = NULL;
    assert(rows > 0 && rows <= VSSI_ROWS_MAX);
    vss_status status = vssi_segment_shell(heap, schema, rows, &s, err);
    if (status != VSS_OK) {
        for (size_t f = 0; f < schema->n_fields; f++)
            vssi_column_free(columns[f]);
        return status;
    }
    for (size_t f = 0; f < schema->n_fields; f++) {
        assert(columns[f]->view.length == rows);
        s->fields[f].column = columns[f];
    }
    for (size_t f = 0; f < schema->n_fields && status == VSS_OK; f++)
        if (vssi_type_is_vector(schema->fields[f].type))
            status = m == NULL ? memory_norms(s, f, err) : memory_norms_merged(s, f, m, err);
    if (status == VSS_OK)
        status = memory_keys(s, err);
    if (status != VSS_OK) {
        vssi_segment_unref(s);
        return status;
    }
    *out = s;
    return VSS_OK;
}

vss_status vssi_segment_from_columns(vssi_heap *heap, const vssi_schema *schema, vssi_column **columns,
                                     vssi_segment **out, vss_error *err)
{
    return memory_make(heap, schema, columns, NULL, out, err);
}

uint64_t vssi_segment_bytes(const vssi_segment *segment)
{
    uint64_t bytes = sizeof *segment;
    if (segment->object != NULL)
        return bytes;
    for (size_t f = 0; f < segment->n_fields; f++) {
        bytes += vssi_column_bytes(segment->fields[f].column);
        if (segment->fields[f].norms != NULL)
            bytes += segment->rows * sizeof(float);
    }
    return bytes + segment->table_words * sizeof(uint32_t);
}

/* ---- merge ---- */

static size_t memory_count(const memory_merge *m)
{
    size_t rows = 0;
    for (size_t p = 0; p < m->n_parts; p++) {
        const size_t all = m->parts[p]->rows;
        rows += m->deleted[p] == NULL ? all : all - vssi_bitmap_count(m->deleted[p], all);
    }
    return rows;
}

/* The live rows of one segment, run by run. */
static vss_status memory_append_live(const memory_merge *m, size_t part, size_t field, vssi_column *to, vss_error *err)
{
    const vss_column *from = &m->parts[part]->fields[field].column->view;
    const size_t rows = m->parts[part]->rows;
    for (size_t row = 0; row < rows;) {
        size_t end = m->deleted[part] == NULL ? rows : row;
        while (end < rows && memory_live(m, part, end))
            end++;
        VSSI_TRY(vssi_column_append(to, from, row, end - row, err));
        for (row = end; row < rows && !memory_live(m, part, row);)
            row++;
    }
    return VSS_OK;
}

static vss_status memory_merge_field(const memory_merge *m, vssi_heap *heap, const vssi_schema *schema, size_t field,
                                     vssi_column **out, vss_error *err)
{
    const vssi_field *f = &schema->fields[field];
    vssi_column *column;
    size_t bytes = 0;
    *out = NULL;
    VSSI_TRY(vssi_column_create(heap, f->type, f->element, f->dim, (f->flags & VSS_FIELD_NULLABLE) != 0, &column, err));
    for (size_t p = 0; p < m->n_parts && vssi_type_is_text(f->type); p++)
        bytes += (size_t)m->parts[p]->fields[field].column->view.offsets[m->parts[p]->rows];
    vss_status status = vssi_column_reserve(column, m->rows, bytes, err);
    for (size_t p = 0; p < m->n_parts && status == VSS_OK; p++)
        status = memory_append_live(m, p, field, column, err);
    if (status != VSS_OK) {
        vssi_column_free(column);
        return status;
    }
    *out = column;
    return VSS_OK;
}

vss_status vssi_segment_merge(vssi_heap *heap, const vssi_schema *schema, vssi_segment *const *parts,
                              const uint64_t *const *deleted, size_t n_parts, vssi_segment **out, vss_error *err)
{
    memory_merge m = {.parts = parts, .deleted = deleted, .n_parts = n_parts};
    vssi_column **columns;
    vss_status status = VSS_OK;
    *out = NULL;
    m.rows = memory_count(&m);
    if (m.rows == 0)
        return VSS_OK;
    VSSI_TRY(vssi_alloc_zero(heap, schema->n_fields, sizeof *columns, &columns, err));
    for (size_t f = 0; f < schema->n_fields && status == VSS_OK; f++)
        status = memory_merge_field(&m, heap, schema, f, &columns[f], err);
    if (status == VSS_OK)
        status = memory_make(heap, schema, columns, &m, out, err);
    else
        for (size_t f = 0; f < schema->n_fields; f++)
            vssi_column_free(columns[f]);
    vssi_free(heap, columns);
    return status;
}
