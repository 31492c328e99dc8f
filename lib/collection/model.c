/*
 * model.c - open, train and look at models
 *
 * Cost: opening hashes the blocks, which are of the size of a few lists' rows. No locks: a model belongs to one job, or
 * is kept under its user's lock.
 */
#include "model.h"

#include <string.h>

#include "../base/fail.h"

vss_status vssi_model_open(vssi_heap *heap, const vss_storage *storage, const char *prefix, const vssi_object_ref *ref,
                           const vssi_index_ops *ops, const vssi_field *field, vssi_model *out, vss_error *err)
{
    const vssi_index_ops *found;
    *out = (vssi_model){.heap = heap};
    VSSI_TRY(vssi_index_object_open(heap, storage, prefix, ref, VSSI_OBJECT_MODEL, field, 0, &out->object, &found,
                                    err));
    vss_status status = vssi_index_object_blocks(out->object, NULL, &out->image, err);
    if (status == VSS_OK && found != ops)
        status = vssi_fail(err, VSS_ERR_CORRUPT, "%s: a model of %s, expected one of %s", out->object->name,
                           found->name, ops->name);
    if (status != VSS_OK)
        vssi_model_close(out);
    return status;
}

void vssi_model_forget(vssi_kept_model *kept)
{
    if (kept->name == NULL)
        return;
    vssi_free(kept->model.heap, kept->name);
    vssi_model_close(&kept->model);
    *kept = (vssi_kept_model){.name = NULL};
}

vss_status vssi_model_keep(vssi_kept_model *kept, vssi_heap *heap, const vss_storage *storage, const char *prefix,
                           const vssi_object_ref *ref, const vssi_index_ops *ops, const vssi_field *field,
                           const vssi_image **image, vss_error *err)
{
    vssi_model model;
    char *name;
    *image = &kept->model.image;
    if (kept->name != NULL && strcmp(kept->name, ref->name) == 0 && kept->ops == ops && kept->field == field->id)
        return VSS_OK;
    vssi_model_forget(kept);
    VSSI_TRY(vssi_alloc(heap, strlen(ref->name) + 1, 1, &name, err));
    vss_status status = vssi_model_open(heap, storage, prefix, ref, ops, field, &model, err);
    if (status != VSS_OK) {
        vssi_free(heap, name);
        return status;
    }
    strcpy(name, ref->name);
    *kept = (vssi_kept_model){.model = model, .name = name, .ops = ops, .field = field->id};
    return VSS_OK;
}

vss_status vssi_model_train(const vssi_index_ops *ops, const vssi_build *build, vssi_model *out, vss_error *err)
{
    *out = (vssi_model){.heap = build->heap};
    return ops->train(build, &out->image, err);
}

void vssi_model_close(vssi_model *model)
{
    if (model->object != NULL)
        vssi_object_close(model->object);
    else if (model->heap != NULL)
        vssi_image_free(model->heap, &model->image);
    *model = (vssi_model){.heap = NULL};
}

vss_status vssi_model_fits(const vssi_model *model, const vssi_index_ops *ops, const char *params,
                           const vssi_field *field, bool *fits, vss_error *err)
{
    vssi_vectors shape = {.type = field->type, .metric = field->metric, .dim = field->dim};
    uint64_t *values;
    *fits = false;
    vssi_vectors_bind(&shape);
    VSSI_TRY(vssi_alloc(model->heap, ops->n_params + 1, sizeof *values, &values, err));
    vss_status status = vssi_param_parse(ops->name, ops->params, ops->n_params, false, params, values, err);
    const vssi_build build = {.heap = model->heap, .vectors = &shape, .params = values, .threads = 1, .text = params,
                              .model = &model->image};
    if (status == VSS_OK)
        status = ops->suits(&build, fits, err);
    vssi_free(model->heap, values);
    return status;
}
