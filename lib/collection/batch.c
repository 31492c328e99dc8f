/*
 * batch.c - a caller's batch, checked whole and copied into columns in the schema's order
 *
 * Cost: one look at every value and one copy. On failure nothing is kept.
 */
#include <string.h>

#include "collection.h"

void vssi_columns_free(vssi_column **columns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        vssi_column_free(columns[i]);
        columns[i] = NULL;
    }
}

/* Every name is a field's, once; every column has the same length. */
static vss_status batch_shape(const vssi_schema *schema, const vss_batch *batch, size_t *rows, vss_error *err)
{
    if (batch->n_columns == 0)
        return vssi_fail(err, VSS_ERR_INVALID, "the batch has no columns");
    for (size_t i = 0; i < batch->n_columns; i++) {
        const char *name = batch->names[i];
        const vss_column *c = batch->columns[i];
        size_t field = vssi_schema_find(schema, name, strlen(name));
        if (field == SIZE_MAX)
            return vssi_fail(err, VSS_ERR_INVALID, "no field \"%.255s\"", name);
        if (schema->fields[field].flags & VSS_FIELD_AUTO_ID)
            return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\" is given by the collection (auto_id)", name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, batch->names[j]) == 0)
                return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\" is in the batch twice", name);
        if (c->length != batch->columns[0]->length)
            return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\" has %llu rows, \"%.255s\" has %llu", name,
                             (unsigned long long)c->length, batch->names[0],
                             (unsigned long long)batch->columns[0]->length);
    }
    if (batch->columns[0]->length > VSS_MAX_BATCH_ROWS)
        return vssi_fail(err, VSS_ERR_INVALID, "%llu rows in a batch, at most %u",
                         (unsigned long long)batch->columns[0]->length, VSS_MAX_BATCH_ROWS);
    *rows = (size_t)batch->columns[0]->length;
    return VSS_OK;
}

static const vss_column *batch_find(const vss_batch *batch, const char *name)
{
    for (size_t i = 0; i < batch->n_columns; i++)
        if (strcmp(batch->names[i], name) == 0)
            return batch->columns[i];
    return NULL;
}

static vss_status batch_auto_keys(vssi_column *column, int64_t first, size_t rows, vss_error *err)
{
    if (first > INT64_MAX - (int64_t)rows)
        return vssi_fail(err, VSS_ERR_INVALID, "the automatic keys are used up at %lld", (long long)first);
    VSSI_TRY(vssi_column_reserve(column, rows, 0, err));
    for (size_t r = 0; r < rows; r++) {
        int64_t key = first + (int64_t)r;
        vss_column one = {.struct_size = sizeof one, .type = VSS_TYPE_INT64, .length = 1, .data = &key};
        VSSI_TRY(vssi_column_append(column, &one, 0, 1, err));
    }
    return VSS_OK;
}

static vss_status batch_fill(const vssi_field *field, const vss_column *given, int64_t first_auto_key, size_t rows,
                             vssi_column *column, vss_error *err)
{
    if (field->flags & VSS_FIELD_AUTO_ID)
        return batch_auto_keys(column, first_auto_key, rows, err);
    if (given != NULL) {
        VSSI_TRY(vssi_values_check(field, given, err));
        return vssi_column_append(column, given, 0, rows, err);
    }
    if (field->fallback != NULL)
        return vssi_column_append_repeated(column, &field->fallback->view, 0, rows, err);
    if (field->flags & VSS_FIELD_NULLABLE)
        return vssi_column_append_null(column, rows, err);
    return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\" is missing from the batch, is not nullable and has no default",
                     field->name);
}

vss_status vssi_batch_columns(vssi_heap *heap, const vssi_schema *schema, const vss_batch *batch,
                              int64_t first_auto_key, vssi_column **columns, size_t *rows, vss_error *err)
{
    vss_status status;
    memset(columns, 0, schema->n_fields * sizeof *columns);
    VSSI_TRY(batch_shape(schema, batch, rows, err));
    for (size_t i = 0; i < schema->n_fields; i++) {
        const vssi_field *f = &schema->fields[i];
        VSSI_TRY_GOTO(vssi_column_create(heap, f->type, f->element, f->dim, (f->flags & VSS_FIELD_NULLABLE) != 0,
                                         &columns[i], err), fail);
        VSSI_TRY_GOTO(batch_fill(f, batch_find(batch, f->name), first_auto_key, *rows, columns[i], err), fail);
    }
    return VSS_OK;
fail:
    vssi_columns_free(columns, schema->n_fields);
    return status;
}
