/*
 * seal_model.c - the models of a job: one for the indexes of many segments, as long as it suits their rows
 *
 * What the manifest names is tried on the rows of every build; where it does not suit, one is trained on them, stored,
 * and serves the builds that follow; the commit names it in place of the old one, which the next collection removes. An
 * index that is defined anew begins without. A model that can't be read is no reason not to seal rows: it is logged,
 * and another trained. Locks: those of the job.
 */
#include <string.h>

#include "seal_job.h"

static const vssi_field *model_field(const seal_job *job, uint32_t id)
{
    return vssi_schema_field(vssi_collection_fields(job->col), id);
}

/* Memory that was refused ends a job; anything else that is wrong with a model does not. */
static vss_status model_lost(const seal_job *job, vss_status status, const vss_error *why, vss_error *err)
{
    if (status == VSS_ERR_NO_MEMORY || status == VSS_ERR_BUDGET || status == VSS_ERR_CANCELLED ||
        status == VSS_ERR_DEADLINE)
        return vssi_fail(err, status, "%s", why->message);
    vssi_db_log(job->col->db, VSS_LOG_WARNING, "collection \"%s\": a new model is trained: %s", job->col->name,
                why->message);
    return VSS_OK;
}

/* The job's model of a definition, as yet empty where there is none. */
static vss_status model_find(seal_job *job, const vssi_manifest_definition *definition, const vssi_index_ops *ops,
                             seal_model **out, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    vss_error why;
    for (size_t i = 0; i < job->n_models; i++)
        if (job->models[i].field == definition->field) {
            *out = &job->models[i];
            return VSS_OK;
        }
    VSSI_TRY(vssi_realloc(heap, job->n_models + 1, sizeof *job->models, &job->models, err));
    seal_model *m = &job->models[job->n_models++];
    *m = (seal_model){.field = definition->field, .model.heap = heap};
    *out = m;
    if (definition->model.name == NULL)
        return VSS_OK;
    vss_status status = vssi_model_open(heap, &col->db->storage, col->prefix, &definition->model, ops,
                                        model_field(job, definition->field), &m->model, &why);
    return status == VSS_OK ? VSS_OK : model_lost(job, status, &why, err);
}

/* Store a model for its definition; taken over. */
static vss_status model_store(seal_job *job, seal_model *m, const vssi_index_ops *ops, vssi_model *made, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    const vssi_field *f = model_field(job, m->field);
    const vssi_vectors shape = {.dim = f->dim, .type = f->type, .metric = f->metric};
    vssi_object_ref ref = {0};
    char name[64];
    vss_status status = vssi_seal_name(job, "i", "mdl", name, err);
    if (status == VSS_OK)
        status = vssi_index_object_store(heap, VSSI_OBJECT_MODEL, ops, &shape, m->field, &made->image,
                                         &col->db->storage, col->prefix, name, &ref, err);
    if (status != VSS_OK) {
        vssi_model_close(made);
        return status;
    }
    vssi_object_ref_free(heap, &m->ref);
    vssi_model_close(&m->model);
    m->ref = ref;
    m->model = *made;
    return VSS_OK;
}

static vss_status model_suits(const seal_job *job, const seal_model *m, const vssi_index_ops *ops,
                              const vssi_build *build, bool *suits, vss_error *err)
{
    vss_error why;
    *suits = m->fixed;
    if (m->fixed || m->model.image.n_blocks == 0)
        return VSS_OK;
    vss_status status = ops->suits(build, suits, &why);
    return status == VSS_OK ? VSS_OK : model_lost(job, status, &why, err);
}

vss_status vssi_seal_model(seal_job *job, const vssi_manifest_definition *definition, const vssi_index_ops *ops,
                           vssi_build *build, vss_error *err)
{
    seal_model *m;
    vssi_model made;
    bool suits;
    if (ops->train == NULL)
        return VSS_OK;
    VSSI_TRY(model_find(job, definition, ops, &m, err));
    build->model = &m->model.image;
    VSSI_TRY(model_suits(job, m, ops, build, &suits, err));
    if (suits)
        return VSS_OK;
    build->model = NULL;
    VSSI_TRY(vssi_model_train(ops, build, &made, err));
    VSSI_TRY(model_store(job, m, ops, &made, err));
    build->model = &m->model.image;
    return VSS_OK;
}

/* The blocks in memory of a heap. */
static vss_status model_copy(vssi_heap *heap, const vssi_model *from, vssi_model *to, vss_error *err)
{
    *to = (vssi_model){.heap = heap};
    for (size_t i = 0; i < from->image.n_blocks; i++) {
        const vssi_block *b = &from->image.blocks[i];
        void *data;
        vss_status status = vssi_alloc(heap, (size_t)b->count, b->element, &data, err);
        if (status != VSS_OK) {
            vssi_model_close(to);
            return status;
        }
        memcpy(data, b->data, (size_t)(b->count * b->element));
        to->image.blocks[i] = (vssi_block){b->kind, b->element, b->count, data};
        to->image.n_blocks = i + 1;
    }
    return VSS_OK;
}

vss_status vssi_seal_model_give(seal_job *job, const vssi_manifest_definition *definition, const vssi_index_ops *ops,
                                const vssi_model *model, vss_error *err)
{
    seal_model *m;
    vssi_model copy;
    VSSI_TRY(model_find(job, definition, ops, &m, err));
    VSSI_TRY(model_copy(&job->col->db->heap, model, &copy, err));
    m->fixed = true;
    return model_store(job, m, ops, &copy, err);
}

/* The index of a part, opened; NULL where it has none that can be read: then its rows are coded anew. */
static const void *source_open(const seal_job *job, const vssi_part *part, size_t field, const vssi_index_ops *ops)
{
    vssi_vectors vectors;
    const void *opened;
    for (size_t i = 0; i < part->n_indexes; i++) {
        if (part->indexes[i]->field != field || part->indexes[i]->ops != ops)
            continue;
        if (vssi_vectors_of(part->segment, vssi_collection_fields(job->col), field, &vectors, NULL) == VSS_OK &&
            vssi_segment_index_get(part->indexes[i], &vectors, &opened, NULL) == VSS_OK)
            return opened;
    }
    return NULL;
}

void vssi_seal_sources(const seal_job *job, size_t field, const vssi_index_ops *ops, vssi_source *sources,
                       vssi_build *build)
{
    size_t n = 0;
    for (size_t i = 0; ops->train != NULL && job->moves != NULL && i < job->base->n_parts; i++) {
        const vssi_part *part = &job->base->parts[i];
        if (job->moves[i].to != job->n_pieces - 1)
            continue;
        const void *index = source_open(job, part, field, ops);
        if (index != NULL)
            sources[n++] = (vssi_source){index, vssi_part_tombstones(part), vssi_segment_rows(part->segment),
                                         job->moves[i].first};
    }
    build->sources = sources;
    build->n_sources = n;
}

vss_status vssi_seal_models_name(const seal_job *job, vssi_manifest *m, vss_error *err)
{
    for (size_t i = 0; i < job->n_models; i++)
        if (job->models[i].ref.name != NULL)
            VSSI_TRY(vssi_manifest_set_model(m, job->models[i].field, &job->models[i].ref, err));
    return VSS_OK;
}

void vssi_seal_models_free(seal_job *job)
{
    vssi_heap *heap = &job->col->db->heap;
    for (size_t i = 0; i < job->n_models; i++) {
        vssi_object_ref_free(heap, &job->models[i].ref);
        vssi_model_close(&job->models[i].model);
    }
    vssi_free(heap, job->models);
}
