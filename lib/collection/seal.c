/*
 * seal.c - flush: growing rows become a sealed segment, with its indexes, committed; and building indexes for what is
 * sealed
 *
 * Cost: one copy of the growing rows and one write of each object. Locks: write_mutex throughout; searches go on beside
 * it.
 */
#include <string.h>

#include "seal_job.h"

/* All growing rows that are live, as one memory segment; NULL when there are none. The caller's reference. */
static vss_status seal_merge(vss_collection *col, vssi_segment **out, vss_error *err)
{
    const vssi_snapshot *s = col->snapshot;
    vssi_heap *heap = &col->db->heap;
    size_t n = s->n_parts - s->n_sealed;
    vssi_segment **parts;
    const uint64_t **deleted;
    *out = NULL;
    if (n == 0)
        return VSS_OK;
    if (n == 1 && s->parts[s->n_sealed].deleted == NULL) {
        *out = vssi_segment_ref(s->parts[s->n_sealed].segment);
        return VSS_OK;
    }
    VSSI_TRY(vssi_alloc(heap, n, sizeof *parts, &parts, err));
    vss_status status = vssi_alloc(heap, n, sizeof *deleted, &deleted, err);
    if (status == VSS_OK) {
        for (size_t i = 0; i < n; i++) {
            parts[i] = s->parts[s->n_sealed + i].segment;
            deleted[i] = vssi_part_tombstones(&s->parts[s->n_sealed + i]);
        }
        status = vssi_segment_merge(heap, vssi_collection_fields(col), parts, deleted, n, out, err);
        vssi_free(heap, deleted);
    }
    vssi_free(heap, parts);
    return status;
}

static bool seal_wanted(const vss_collection *col)
{
    return col->snapshot->n_parts > col->snapshot->n_sealed || col->sequence != col->manifest->sequence ||
           col->next_auto_key != col->manifest->next_auto_key;
}

vss_status vssi_collection_seal(vss_collection *col, const vssi_seal_options *options, vss_error *err)
{
    vss_status status;
    seal_job job;
    vssi_segment *rows;
    VSSI_TRY(vssi_collection_writable(col, err));
    if (!seal_wanted(col))
        return VSS_OK;
    VSSI_TRY(seal_merge(col, &rows, err));
    VSSI_TRY_GOTO(vssi_seal_begin(&job, col, options, NULL, rows != NULL, err), out);
    VSSI_TRY_GOTO(vssi_seal_deletes(&job, err), out);
    if (rows != NULL)
        VSSI_TRY_GOTO(vssi_seal_segment(&job, rows, err), out);
    status = vssi_seal_commit(&job, err);
out:
    vssi_seal_end(&job);
    vssi_segment_unref(rows);
    return status;
}

vss_status vssi_collection_flush(vss_collection *col, vss_error *err)
{
    vssi_seal_options options = {.threads = 1};
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = vssi_collection_seal(col, &options, err);
    vssi_mutex_unlock(&col->write_mutex);
    return status;
}

/* The definition of a field's index in the manifest: replaced or added. */
static vss_status seal_define(vssi_manifest *m, uint32_t field_id, const char *type, const char *params,
                              vssi_manifest_definition **out, vss_error *err)
{
    vssi_manifest_definition made = {.field = field_id};
    size_t i = 0;
    VSSI_TRY(vssi_strdup(m->heap, type, strlen(type), &made.type, err));
    vss_status status = vssi_strdup(m->heap, params, strlen(params), &made.params, err);
    while (i < m->n_definitions && m->definitions[i].field != field_id)
        i++;
    if (status == VSS_OK && i == m->n_definitions) {
        status = vssi_realloc(m->heap, i + 1, sizeof *m->definitions, &m->definitions, err);
        if (status == VSS_OK)
            m->definitions[m->n_definitions++] = (vssi_manifest_definition){0};
    }
    if (status != VSS_OK) {
        vssi_free(m->heap, made.type);
        vssi_free(m->heap, made.params);
        return status;
    }
    vssi_free(m->heap, m->definitions[i].type);
    vssi_free(m->heap, m->definitions[i].params);
    m->definitions[i] = made;
    *out = &m->definitions[i];
    return VSS_OK;
}

static vss_status seal_define_and_build(vss_collection *col, size_t field, const char *type, const char *params,
                                        const vssi_seal_options *options, vss_error *err)
{
    vss_status status;
    seal_job job;
    vssi_manifest_definition *definition;
    uint32_t id = vssi_collection_fields(col)->fields[field].id;
    VSSI_TRY(vssi_collection_seal(col, options, err));
    VSSI_TRY_GOTO(vssi_seal_begin(&job, col, options, NULL, 0, err), out);
    VSSI_TRY_GOTO(seal_define(job.manifest, id, type, params, &definition, err), out);
    for (size_t i = 0; i < job.snapshot->n_parts; i++)
        VSSI_TRY_GOTO(vssi_seal_index(&job, i, definition, err), out);
    status = vssi_seal_commit(&job, err);
out:
    vssi_seal_end(&job);
    return status;
}

/* Type and parameters are right for the field, before anything is done. */
static vss_status seal_check(vss_collection *col, const char *type, const char *params, vss_error *err)
{
    const vssi_index_ops *ops = vssi_index_type_find(type);
    uint64_t *values;
    if (ops == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "unknown index type \"%.64s\"; known: flat, hnsw", type);
    VSSI_TRY(vssi_alloc(&col->db->heap, ops->n_params + 1, sizeof *values, &values, err));
    vss_status status = vssi_param_parse(ops->name, ops->params, ops->n_params, false, params, values, err);
    vssi_free(&col->db->heap, values);
    return status;
}

vss_status vssi_collection_build_index(vss_collection *col, const char *field_name, const char *type,
                                       const char *params, const vss_build_options *options, vss_error *err)
{
    size_t field;
    vssi_control control;
    if (params == NULL)
        params = "";
    VSSI_TRY(vssi_schema_vector_field(vssi_collection_fields(col), field_name, &field, err));
    VSSI_TRY(seal_check(col, type, params, err));
    vssi_control_init(&control, options->deadline_ms, options->progress, options->progress_state);
    vssi_seal_options seal = {options->threads == 0 ? 1 : options->threads, &control};
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = seal_define_and_build(col, field, type, params, &seal, err);
    vssi_mutex_unlock(&col->write_mutex);
    vssi_control_destroy(&control);
    return status;
}

static void seal_index_info(const vss_collection *col, const vssi_manifest_definition *d, vss_index_info *info)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    *info = (vss_index_info){.struct_size = sizeof *info, .type = d->type, .params = d->params, .field = ""};
    for (size_t i = 0; i < schema->n_fields; i++)
        if (schema->fields[i].id == d->field)
            info->field = schema->fields[i].name;
    for (size_t i = 0; i < col->manifest->n_segments; i++) {
        const vssi_manifest_segment *g = &col->manifest->segments[i];
        for (size_t j = 0; j < g->n_indexes; j++)
            if (g->indexes[j].field == d->field) {
                info->segments++;
                info->rows += g->rows;
                info->bytes += g->indexes[j].object.size;
            }
    }
}

vss_status vssi_collection_indexes(vss_collection *col, int (*fn)(void *state, const vss_index_info *info), void *state,
                                   vss_error *err)
{
    (void)err;
    vssi_mutex_lock(&col->write_mutex);
    for (size_t i = 0; i < col->manifest->n_definitions; i++) {
        vss_index_info info;
        seal_index_info(col, &col->manifest->definitions[i], &info);
        if (fn(state, &info) != 0)
            break;
    }
    vssi_mutex_unlock(&col->write_mutex);
    return VSS_OK;
}
