/*
 * build_index.c - define an index and build it for what is sealed; tell what is defined
 *
 * Cost: the type's building of each segment of VSSI_INDEX_MIN_ROWS rows and more. Locks: job_mutex throughout;
 * seal_mutex for the flush that comes first, for segments that were sealed while others were indexed, and for the
 * commit; for a moment the write_mutex of the collection whose model is taken. Writes and searches go on beside it.
 */
#include <stdio.h>
#include <string.h>

#include "seal_job.h"

/* Parts of the base from `first` on; that with the most rows comes first, as a model is trained on it. */
static vss_status build_parts(seal_job *job, size_t first, vss_error *err)
{
    const vssi_part *parts = job->base->parts;
    size_t most = first;
    for (size_t i = first; i < job->base->n_parts; i++)
        if (vssi_segment_rows(parts[i].segment) > vssi_segment_rows(parts[most].segment))
            most = i;
    if (most < job->base->n_parts)
        VSSI_TRY(vssi_seal_index(job, most, job->definition, err));
    for (size_t i = first; i < job->base->n_parts; i++)
        if (i != most)
            VSSI_TRY(vssi_seal_index(job, i, job->definition, err));
    return VSS_OK;
}

/* Those sealed meanwhile, too, which have the indexes of before. */
static vss_status build_commit(seal_job *job, vss_error *err)
{
    vss_collection *col = job->col;
    const size_t done = job->base->n_parts;
    vssi_mutex_lock(&col->seal_mutex);
    vssi_seal_renew(job);
    vss_status status = build_parts(job, done, err);
    if (status == VSS_OK)
        status = vssi_seal_commit(job, err);
    vssi_mutex_unlock(&col->seal_mutex);
    return status;
}

/* A model opened in a collection other than, or the same as, the one it is for; closed by the caller. */
static vss_status build_borrow(vss_collection *of, const char *field_name, const vssi_index_ops *ops, vssi_model *model,
                               vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(of);
    vssi_object_ref ref = {0};
    char type[64] = "";
    size_t field;
    vss_status status = VSS_OK;
    VSSI_TRY(vssi_schema_vector_field(schema, field_name, &field, err));
    vssi_mutex_lock(&of->write_mutex);
    for (size_t i = 0; i < of->manifest->n_definitions && status == VSS_OK; i++) {
        const vssi_manifest_definition *d = &of->manifest->definitions[i];
        if (d->field != schema->fields[field].id)
            continue;
        (void)snprintf(type, sizeof type, "%s", d->type);
        status = vssi_object_ref_copy(&of->db->heap, &d->model, &ref, err);
    }
    vssi_mutex_unlock(&of->write_mutex);
    VSSI_TRY(status);
    if (ref.name == NULL)
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "collection \"%s\" has no model for field \"%s\"", of->name,
                         field_name);
    if (strcmp(type, ops->name) != 0)
        status = vssi_fail(err, VSS_ERR_INVALID, "the model of collection \"%s\" is of %s, the index of %s", of->name,
                           type, ops->name);
    else
        status = vssi_model_open(&of->db->heap, &of->db->storage, of->prefix, &ref, ops, &schema->fields[field], model,
                                 err);
    vssi_object_ref_free(&of->db->heap, &ref);
    return status;
}

/* Let the job begin with another collection's model. */
static vss_status build_give(seal_job *job, vss_collection *of, const vssi_field *field, vss_error *err)
{
    const vssi_index_ops *ops = vssi_index_type_find(job->definition->type);
    vssi_model model = {.heap = NULL};
    bool fits;
    VSSI_TRY(build_borrow(of, field->name, ops, &model, err));
    vss_status status = vssi_model_fits(&model, ops, job->definition->params, field, &fits, err);
    if (status == VSS_OK && !fits)
        status = vssi_fail(err, VSS_ERR_INVALID, "the model of collection \"%s\" is not for field \"%s\" with \"%s\"",
                           of->name, field->name, job->definition->params);
    if (status == VSS_OK)
        status = vssi_seal_model_give(job, job->definition, ops, &model, err);
    vssi_model_close(&model);
    return status;
}

static vss_status build_define(vss_collection *col, vssi_manifest_definition *definition, vss_collection *model_of,
                               const vssi_seal_options *options, vss_error *err)
{
    seal_job job;
    vssi_seal_options before = *options; /* what is sealed first gets the indexes of before: not the device's work */
    before.device = NULL;
    VSSI_TRY(vssi_collection_flush(col, &before, err));
    vss_status status = vssi_seal_begin(&job, col, options, err);
    job.definition = definition;
    if (status == VSS_OK && model_of != NULL)
        status = build_give(&job, model_of, vssi_schema_field(vssi_collection_fields(col), definition->field), err);
    if (status == VSS_OK)
        status = build_parts(&job, 0, err);
    if (status == VSS_OK)
        status = build_commit(&job, err);
    vssi_seal_end(&job);
    return status;
}

vss_status vssi_collection_retrain(vss_collection *col, const vssi_seal_options *options, vss_error *err)
{
    vssi_manifest *m;
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = vssi_manifest_clone(col->manifest, &m, err);
    vssi_mutex_unlock(&col->write_mutex);
    VSSI_TRY(status);
    for (size_t i = 0; i < m->n_definitions && status == VSS_OK; i++) {
        vssi_manifest_definition fresh = m->definitions[i];
        if (fresh.model.name == NULL)
            continue;
        fresh.model = (vssi_object_ref){0};
        status = build_define(col, &fresh, NULL, options, err);
    }
    vssi_manifest_free(m);
    return status;
}

static vss_status build_unknown(const char *type, vss_error *err)
{
    char known[300] = "";
    const vssi_index_ops *ops;
    for (size_t i = 0, length = 0; (ops = vssi_index_type_at(i)) != NULL && length < sizeof known; i++) {
        int written = snprintf(known + length, sizeof known - length, "%s%s", i > 0 ? ", " : "", ops->name);
        length += written > 0 ? (size_t)written : 0;
    }
    return vssi_fail(err, VSS_ERR_INVALID, "unknown index type \"%.64s\"; known: %s", type, known);
}

/* Type and parameters are right, before anything is done. */
static vss_status build_check(vss_collection *col, size_t field, const char *type, const char *params, vss_error *err)
{
    const vssi_index_ops *ops = vssi_index_type_find(type);
    const vssi_field *f = &vssi_collection_fields(col)->fields[field];
    vssi_vectors shape = {.type = f->type, .metric = f->metric, .dim = f->dim};
    uint64_t *values;
    if (ops == NULL)
        return build_unknown(type, err);
    vssi_vectors_bind(&shape);
    VSSI_TRY(vssi_alloc(&col->db->heap, ops->n_params + 1, sizeof *values, &values, err));
    vss_status status = vssi_param_parse(ops->name, ops->params, ops->n_params, false, params, values, err);
    if (status == VSS_OK && ops->check != NULL)
        status = ops->check(&shape, values, params, err);
    vssi_free(&col->db->heap, values);
    return status;
}

/* The device that is asked for, for a type whose build can ask one. */
static vss_status build_device(const vss_build_options *options, const char *type, vssi_device_use *use,
                               vss_error *err)
{
    *use = (vssi_device_use){.required = options->device_required != 0};
    VSSI_TRY(vssi_device_named(options->device, &use->device, err));
    const vssi_index_ops *ops = vssi_index_type_find(type);
    bool can = use->device != NULL && ops->device != NULL && ops->device(use->device);
    if (use->device != NULL && use->required && !can)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "device \"%s\": indexes of type %s are not built there",
                         use->device->name, type);
    return VSS_OK;
}

static vss_status build_texts(vss_collection *col, size_t field, const char *type, const char *params,
                              vss_collection *model_of, const vssi_seal_options *options, vss_error *err)
{
    vssi_heap *heap = &col->db->heap;
    vssi_manifest_definition definition = {.field = vssi_collection_fields(col)->fields[field].id};
    vss_status status = vssi_strdup(heap, type, strlen(type), &definition.type, err);
    if (status == VSS_OK)
        status = vssi_strdup(heap, params, strlen(params), &definition.params, err);
    if (status == VSS_OK) {
        vssi_mutex_lock(&col->job_mutex);
        status = build_define(col, &definition, model_of, options, err);
        vssi_mutex_unlock(&col->job_mutex);
    }
    vssi_free(heap, definition.type);
    vssi_free(heap, definition.params);
    return status;
}

vss_status vssi_collection_build_index(vss_collection *col, const char *field_name, const char *type,
                                       const char *params, const vss_build_options *options, vss_error *err)
{
    size_t field;
    vssi_control control;
    vssi_device_use device;
    if (params == NULL)
        params = "";
    VSSI_TRY(vssi_schema_vector_field(vssi_collection_fields(col), field_name, &field, err));
    VSSI_TRY(build_check(col, field, type, params, err));
    VSSI_TRY(build_device(options, type, &device, err));
    vssi_control_init(&control, options->deadline_ms, options->progress, options->progress_state);
    const vssi_seal_options seal = {options->threads == 0 ? 1 : options->threads, &control, &device};
    vss_status status = build_texts(col, field, type, params, options->model_of, &seal, err);
    if (device.failed.status != VSS_OK)
        vssi_db_log(col->db, VSS_LOG_WARNING, "the CPU builds in place of device \"%s\": %s", device.device->name,
                    device.failed.message);
    vssi_control_destroy(&control);
    return status;
}

static void build_info(const vss_collection *col, const vssi_manifest_definition *d, vss_index_info *info)
{
    const vssi_field *f = vssi_schema_field(vssi_collection_fields(col), d->field);
    *info = (vss_index_info){.struct_size = sizeof *info, .type = d->type, .params = d->params,
                             .field = f == NULL ? "" : f->name};
    for (size_t i = 0; i < col->manifest->n_segments; i++) {
        const vssi_manifest_segment *g = &col->manifest->segments[i];
        for (size_t j = 0; j < g->n_indexes; j++)
            if (g->indexes[j].field == d->field) {
                info->segments++;
                info->rows += g->rows;
                info->bytes += g->indexes[j].object.size;
            }
    }
    info->bytes += d->model.name != NULL ? d->model.size : 0;
}

vss_status vssi_collection_indexes(vss_collection *col, int (*fn)(void *state, const vss_index_info *info), void *state,
                                   vss_error *err)
{
    (void)err;
    vssi_mutex_lock(&col->write_mutex);
    for (size_t i = 0; i < col->manifest->n_definitions; i++) {
        vss_index_info info;
        build_info(col, &col->manifest->definitions[i], &info);
        if (fn(state, &info) != 0)
            break;
    }
    vssi_mutex_unlock(&col->write_mutex);
    return VSS_OK;
}
