/*
 * segment_salvage.c - which rows of a damaged sealed segment are whole, and those rows as columns
 *
 * What is not needed to read rows may be damaged: the header, the statistics, the norms (made anew), the key table
 * (made anew). A segment without sound directory or keys is lost whole. Cost: hashes and decodes everything once, and
 * once more what is taken. No locks.
 */
#include <stdio.h>

#include "object_private.h"
#include "segment_private.h"
#include "segment_salvage.h"

typedef struct salvage_run {
    vssi_segment *s;
    uint64_t *lost;
    vssi_fault_fn fn;
    void *state;
} salvage_run;

static bool salvage_fatal(vss_status status) { return status == VSS_ERR_NO_MEMORY || status == VSS_ERR_BUDGET; }

/* Rows [first, end) miss a value of the field. */
static void salvage_lose(const salvage_run *run, size_t field, size_t first, size_t end, const char *why)
{
    char line[600];
    for (size_t row = first; row < end; row++)
        vssi_bitmap_set(run->lost, row);
    (void)snprintf(line, sizeof line, "field \"%s\": rows %zu to %zu are lost: %.300s",
                   run->s->schema->fields[field].name, first, end - 1, why);
    if (run->fn != NULL)
        run->fn(run->state, run->s->object->name, line);
}

/* Chunks do not begin with rows: a bad one takes every row that reaches into it. */
static vss_status salvage_vectors(const salvage_run *run, size_t field, vss_error *err)
{
    const size_t entry = run->s->fields[field].vectors_entry;
    const vssi_object_entry *e = &run->s->object->entries[entry];
    for (uint64_t at = 0; at < e->size; at += VSSI_CHUNK_SIZE) {
        vss_error why = {.status = VSS_OK};
        const uint64_t n = e->size - at < VSSI_CHUNK_SIZE ? e->size - at : VSSI_CHUNK_SIZE;
        const vss_status status = vssi_object_verify(run->s->object, entry, at, n, &why);
        if (salvage_fatal(status))
            return vssi_fail(err, status, "%s", why.message);
        if (status != VSS_OK)
            salvage_lose(run, field, (size_t)(at / e->element), (size_t)((at + n - 1) / e->element + 1), why.message);
    }
    return VSS_OK;
}

static vss_status salvage_column(const salvage_run *run, size_t field, vss_error *err)
{
    for (size_t p = 0; p < vssi_segment_parts(run->s); p++) {
        vss_error why = {.status = VSS_OK};
        const size_t first = p * VSSI_COLUMN_ROWS;
        vssi_column *column;
        const vss_status status = vssi_segment_decode(run->s, field, p, &column, &why);
        if (salvage_fatal(status))
            return vssi_fail(err, status, "%s", why.message);
        if (status != VSS_OK)
            salvage_lose(run, field, first, first + vssi_segment_part_rows(run->s, p), why.message);
        else
            vssi_column_free(column);
    }
    return VSS_OK;
}

static vss_status salvage_keys(vssi_segment *s, vss_error *err)
{
    const void *data;
    VSSI_TRY(vssi_object_block(s->object, s->keys_entry, &data, err));
    if (s->text_keys)
        VSSI_TRY(vssi_object_block(s->object, s->offsets_entry, &data, err));
    const char *wrong = vssi_segment_keys_wrong(s, 0, s->rows);
    if (wrong != NULL)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": field \"%s\": %s", s->object->name,
                         s->schema->fields[s->schema->key].name, wrong);
    if (!s->text_keys)
        vssi_segment_key_range(s);
    const vss_column keys = vssi_segment_key_view(s);
    VSSI_TRY(vssi_key_table_build(s->heap, &keys, &s->own_table, err));
    s->table = s->own_table;
    atomic_store_explicit(&s->keys_ready, 1, memory_order_release);
    return VSS_OK;
}

static vss_status salvage_fields(const salvage_run *run, vss_error *err)
{
    VSSI_TRY(salvage_keys(run->s, err));
    for (size_t f = 0; f < run->s->n_fields; f++) {
        if (vssi_type_is_vector(run->s->schema->fields[f].type))
            VSSI_TRY(salvage_vectors(run, f, err));
        else if (f != run->s->schema->key)
            VSSI_TRY(salvage_column(run, f, err));
    }
    return VSS_OK;
}

vss_status vssi_segment_salvage(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                const vssi_schema *schema, const vssi_object_ref *ref, size_t rows, uint64_t *lost,
                                vssi_fault_fn fn, void *state, vssi_segment **out, vss_error *err)
{
    salvage_run run = {.lost = lost, .fn = fn, .state = state};
    VSSI_TRY(vssi_segment_open_damaged(heap, storage, prefix, schema, ref, rows, &run.s, err));
    const vss_status status = salvage_fields(&run, err);
    if (status != VSS_OK) {
        vssi_segment_unref(run.s);
        return status;
    }
    *out = run.s;
    return VSS_OK;
}

size_t vssi_segment_salvage_parts(const vssi_segment *segment) { return vssi_segment_parts(segment); }

/* The part of a field as a view, nothing verified anew but what must be decoded; *decoded is the caller's. */
static vss_status salvage_view(vssi_segment *s, size_t field, size_t p, vss_column *view, vssi_column **decoded,
                               vss_error *err)
{
    const vssi_field *def = &s->schema->fields[field];
    const size_t first = p * VSSI_COLUMN_ROWS, n = vssi_segment_part_rows(s, p);
    *decoded = NULL;
    if (field == s->schema->key) {
        const vss_column keys = vssi_segment_key_view(s);
        *view = vssi_column_slice(&keys, first, n);
    } else if (vssi_type_is_vector(def->type)) {
        const uint8_t *vectors = vssi_object_raw(s->object, s->fields[field].vectors_entry);
        *view = (vss_column){.struct_size = sizeof *view, .type = def->type, .dim = def->dim, .length = n,
                             .data = vectors + first * vssi_value_size(def->type, def->dim)};
    } else {
        VSSI_TRY(vssi_segment_decode(s, field, p, decoded, err));
        *view = (*decoded)->view;
    }
    return VSS_OK;
}

static vss_status salvage_append(const vss_column *view, size_t first, const uint64_t *gone, vssi_column *to,
                                 vss_error *err)
{
    const size_t rows = (size_t)view->length;
    for (size_t row = 0; row < rows;) {
        size_t end = row;
        while (end < rows && !vssi_bitmap_get(gone, first + end))
            end++;
        VSSI_TRY(vssi_column_append(to, view, row, end - row, err));
        for (row = end; row < rows && vssi_bitmap_get(gone, first + row);)
            row++;
    }
    return VSS_OK;
}

vss_status vssi_segment_salvage_part(vssi_segment *segment, size_t p, const uint64_t *gone, vssi_column **columns,
                                     vss_error *err)
{
    const size_t first = p * VSSI_COLUMN_ROWS;
    size_t left = 0;
    for (size_t row = 0; row < vssi_segment_part_rows(segment, p); row++)
        left += !vssi_bitmap_get(gone, first + row);
    for (size_t f = 0; f < segment->n_fields && left > 0; f++) {
        vss_column view;
        vssi_column *decoded;
        VSSI_TRY(salvage_view(segment, f, p, &view, &decoded, err));
        const vss_status status = salvage_append(&view, first, gone, columns[f], err);
        vssi_column_free(decoded);
        VSSI_TRY(status);
    }
    return VSS_OK;
}
