/*
 * result.c - make, fill and free a result: keys, distances and the fields asked for, in Arrow's layout
 *
 * Cost: one lookup a value. A column part is decoded when a row of it is first asked for.
 */
#include "result.h"

#include <string.h>

vss_status vssi_result_create(vss_db *db, size_t n_queries, vss_result **out, vss_error *err)
{
    vss_result *r;
    VSSI_TRY(vssi_alloc_zero(&db->heap, 1, sizeof *r, &r, err));
    vss_status status = vssi_alloc_zero(&db->heap, n_queries + 1, sizeof *r->offsets, &r->offsets, err);
    if (status != VSS_OK) {
        vssi_free(&db->heap, r);
        return status;
    }
    r->db = db;
    r->n_queries = n_queries;
    vssi_db_ref(db);
    *out = r;
    return VSS_OK;
}

void vssi_result_free(vss_result *r)
{
    if (r == NULL)
        return;
    vss_db *db = r->db;
    vssi_heap *heap = &db->heap;
    for (size_t i = 0; i < r->n_fields; i++) {
        vssi_free(heap, r->names[i]);
        vssi_column_free(r->fields[i]);
    }
    vssi_free(heap, r->names);
    vssi_free(heap, r->fields);
    vssi_column_free(r->keys);
    vssi_free(heap, r->distances);
    vssi_free(heap, r->explain_segments);
    vssi_free(heap, r->offsets);
    vssi_free(heap, r);
    vssi_db_unref(db);
}

vss_status vssi_result_fields(const vssi_schema *schema, const char *const *names, size_t n, size_t *fields,
                              vss_error *err)
{
    if (n > VSS_MAX_FIELDS)
        return vssi_fail(err, VSS_ERR_INVALID, "%zu fields asked for, at most %u", n, VSS_MAX_FIELDS);
    for (size_t i = 0; i < n; i++) {
        fields[i] = vssi_schema_find(schema, names[i], strlen(names[i]));
        if (fields[i] == SIZE_MAX)
            return vssi_fail(err, VSS_ERR_NOT_FOUND, "no field \"%.255s\"", names[i]);
        for (size_t j = 0; j < i; j++)
            if (fields[j] == fields[i])
                return vssi_fail(err, VSS_ERR_INVALID, "field \"%.255s\" is asked for twice", names[i]);
    }
    return VSS_OK;
}

/* Ask for the values of a fixed size at the places: they are anywhere, and would else be waited for one by one. */
static vss_status result_fetch(const vssi_field *f, const vssi_snapshot *s, size_t field, const vssi_place *places,
                               size_t n, vss_error *err)
{
    size_t size = vssi_value_size(f->type, f->dim);
    for (size_t i = 0; i < n && size > 0; i++) {
        vss_column view;
        size_t row = places[i].row;
        VSSI_TRY(vssi_segment_column(s->parts[places[i].part].segment, field, row / VSSI_COLUMN_ROWS, &view, err));
        __builtin_prefetch((const uint8_t *)view.data + row % VSSI_COLUMN_ROWS * size);
    }
    return VSS_OK;
}

/* One field of every place, in order. */
static vss_status result_column(vssi_heap *heap, const vssi_schema *schema, const vssi_snapshot *s, size_t field,
                                const vssi_place *places, size_t n, vssi_column **out, vss_error *err)
{
    const vssi_field *f = &schema->fields[field];
    bool nullable = (f->flags & VSS_FIELD_NULLABLE) != 0;
    VSSI_TRY(vssi_column_create(heap, f->type, f->element, f->dim, nullable, out, err));
    VSSI_TRY(vssi_column_reserve(*out, n, 0, err));
    VSSI_TRY(result_fetch(f, s, field, places, n, err));
    for (size_t i = 0; i < n; i++) {
        vss_column view;
        vssi_segment *segment = s->parts[places[i].part].segment;
        VSSI_TRY(vssi_segment_column(segment, field, places[i].row / VSSI_COLUMN_ROWS, &view, err));
        VSSI_TRY(vssi_column_append(*out, &view, places[i].row % VSSI_COLUMN_ROWS, 1, err));
    }
    return VSS_OK;
}

vss_status vssi_result_fill(vss_result *r, const vssi_schema *schema, const vssi_snapshot *s, const vssi_place *places,
                            size_t n, bool with_distances, bool similarity, const size_t *fields, size_t n_fields,
                            vss_error *err)
{
    vssi_heap *heap = &r->db->heap;
    VSSI_TRY(result_column(heap, schema, s, schema->key, places, n, &r->keys, err));
    if (with_distances) {
        VSSI_TRY(vssi_alloc(heap, n + 1, sizeof *r->distances, &r->distances, err));
        for (size_t i = 0; i < n; i++)
            r->distances[i] = (similarity ? -places[i].value : places[i].value) + 0.0f; /* -0 becomes 0 */
    }
    VSSI_TRY(vssi_alloc_zero(heap, n_fields, sizeof *r->names, &r->names, err));
    VSSI_TRY(vssi_alloc_zero(heap, n_fields, sizeof *r->fields, &r->fields, err));
    r->n_fields = n_fields;
    for (size_t i = 0; i < n_fields; i++) {
        const char *name = schema->fields[fields[i]].name;
        VSSI_TRY(vssi_strdup(heap, name, strlen(name), &r->names[i], err));
        VSSI_TRY(result_column(heap, schema, s, fields[i], places, n, &r->fields[i], err));
    }
    return VSS_OK;
}
