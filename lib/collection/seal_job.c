/*
 * seal_job.c - the steps that every commit shares
 *
 * Order on storage: objects first, each durable, then the manifest that names them. A crash in between leaves objects
 * that nothing names. A commit covers every batch, so that the log is done with. Locks: the caller holds write_mutex.
 */
#include "seal_job.h"

#include "journal.h"

#include <stdio.h>
#include <string.h>

vss_status vssi_seal_begin(seal_job *job, vss_collection *col, const vssi_seal_options *options, const bool *drop,
                           size_t n_new, vss_error *err)
{
    const vssi_snapshot *old = col->snapshot;
    size_t kept = 0;
    *job = (seal_job){.col = col, .options = options};
    for (size_t i = 0; i < old->n_sealed; i++)
        kept += drop == NULL || !drop[i];
    VSSI_TRY(vssi_manifest_clone(col->manifest, &job->manifest, err));
    job->manifest->version++;
    job->manifest->sequence = col->sequence;
    job->manifest->next_auto_key = col->next_auto_key;
    for (size_t i = old->n_sealed; drop != NULL && i-- > 0;)
        if (drop[i])
            vssi_manifest_drop_segment(job->manifest, i);
    VSSI_TRY(vssi_snapshot_create(&col->db->heap, kept + n_new, &job->snapshot, err));
    job->snapshot->version = job->manifest->version;
    job->snapshot->sequence = col->sequence;
    job->snapshot->n_sealed = kept + n_new;
    kept = 0;
    for (size_t i = 0; i < old->n_sealed; i++)
        if (drop == NULL || !drop[i])
            VSSI_TRY(vssi_part_share(job->snapshot->heap, &old->parts[i], &job->snapshot->parts[kept++], err));
    return VSS_OK;
}

vss_status vssi_seal_name(seal_job *job, const char *folder, const char *suffix, char *out, vss_error *err)
{
    vssi_heap *heap = &job->col->db->heap;
    snprintf(out, 64, "%s/%020llu-%016llx.%s", folder, (unsigned long long)job->manifest->version,
             (unsigned long long)vssi_random_name(), suffix);
    VSSI_TRY(vssi_realloc(heap, job->n_created + 1, sizeof *job->created, &job->created, err));
    VSSI_TRY(vssi_strdup(heap, out, strlen(out), &job->created[job->n_created], err));
    job->n_created++;
    return VSS_OK;
}

/* The definition's parameters as the type's values. */
static vss_status seal_params(const vssi_index_ops *ops, const char *text, vssi_heap *heap, uint64_t **values,
                              vss_error *err)
{
    VSSI_TRY(vssi_alloc(heap, ops->n_params + 1, sizeof **values, values, err));
    vss_status status = vssi_param_parse(ops->name, ops->params, ops->n_params, false, text, *values, err);
    if (status != VSS_OK) {
        vssi_free(heap, *values);
        *values = NULL;
    }
    return status;
}

/* Build the index of one part and write it as an object. ref->name NULL: the type keeps nothing. */
static vss_status seal_index_object(seal_job *job, size_t part, size_t field, const vssi_index_ops *ops,
                                    const char *params, vssi_object_ref *ref, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    const vssi_schema *schema = vssi_collection_fields(col);
    vssi_segment *segment = job->snapshot->parts[part].segment;
    vssi_image image = {0};
    vssi_vectors vectors;
    uint64_t *values;
    char name[64];
    VSSI_TRY(vssi_segment_verify_vectors(segment, field, 0, vssi_segment_rows(segment), err));
    VSSI_TRY(vssi_vectors_of(segment, schema, field, &vectors, err));
    VSSI_TRY(seal_params(ops, params, heap, &values, err));
    vssi_build build = {heap, &vectors, values, vssi_db_executor(col->db), job->options->threads,
                        job->options->control};
    vss_status status = ops->build(&build, &image, err);
    if (status == VSS_OK && image.n_blocks > 0) {
        status = vssi_seal_name(job, "i", "idx", name, err);
        if (status == VSS_OK)
            status = vssi_segment_index_store(heap, ops, &vectors, schema->fields[field].id, &image, &col->db->storage,
                                              col->prefix, name, ref, err);
        vssi_image_free(heap, &image);
    }
    vssi_free(heap, values);
    return status;
}

/* Forget the index that a part had on a field. */
static void seal_index_remove(seal_job *job, size_t part, size_t field)
{
    vssi_heap *heap = &job->col->db->heap;
    vssi_manifest_segment *g = &job->manifest->segments[part];
    vssi_part *p = &job->snapshot->parts[part];
    uint32_t id = vssi_collection_fields(job->col)->fields[field].id;
    for (size_t i = 0; i < g->n_indexes; i++)
        if (g->indexes[i].field == id) {
            vssi_object_ref_free(heap, &g->indexes[i].object);
            g->indexes[i] = g->indexes[--g->n_indexes];
            break;
        }
    for (size_t i = 0; i < p->n_indexes; i++)
        if (p->indexes[i]->field == field) {
            vssi_segment_index_unref(p->indexes[i]);
            p->indexes[i] = p->indexes[--p->n_indexes];
            break;
        }
}

/* Add an index that is stored to manifest and snapshot. Takes ref over. */
static vss_status seal_index_attach(seal_job *job, size_t part, size_t field, vssi_object_ref *ref, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    vssi_manifest_segment *g = &job->manifest->segments[part];
    vssi_part *p = &job->snapshot->parts[part];
    const vssi_schema *schema = vssi_collection_fields(col);
    vss_status status;
    VSSI_TRY_GOTO(vssi_realloc(heap, g->n_indexes + 1, sizeof *g->indexes, &g->indexes, err), fail);
    VSSI_TRY_GOTO(vssi_realloc(heap, p->n_indexes + 1, sizeof(vssi_segment_index *), &p->indexes, err), fail);
    VSSI_TRY_GOTO(vssi_segment_index_open(heap, &col->db->storage, col->prefix, ref, schema, field,
                                          vssi_segment_rows(p->segment), &p->indexes[p->n_indexes], err), fail);
    p->n_indexes++;
    g->indexes[g->n_indexes++] = (vssi_manifest_index){schema->fields[field].id, *ref};
    return VSS_OK;
fail:
    vssi_object_ref_free(heap, ref);
    return status;
}

vss_status vssi_seal_index(seal_job *job, size_t part, const vssi_manifest_definition *definition, vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(job->col);
    const vssi_index_ops *ops = vssi_index_type_find(definition->type);
    size_t field = 0;
    vssi_object_ref ref = {0};
    while (field < schema->n_fields && schema->fields[field].id != definition->field)
        field++;
    if (ops == NULL || field == schema->n_fields)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT, "index type \"%s\" is not known to this library", definition->type);
    seal_index_remove(job, part, field);
    if (vssi_segment_rows(job->snapshot->parts[part].segment) < VSSI_INDEX_MIN_ROWS)
        return VSS_OK;
    VSSI_TRY(seal_index_object(job, part, field, ops, definition->params, &ref, err));
    return ref.name == NULL ? VSS_OK : seal_index_attach(job, part, field, &ref, err);
}

vss_status vssi_seal_segment(seal_job *job, vssi_segment *rows, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    vssi_manifest *m = job->manifest;
    const size_t at = m->n_segments;
    vssi_part *part = &job->snapshot->parts[at];
    vssi_object_ref ref = {0};
    char name[64];
    VSSI_TRY(vssi_realloc(heap, at + 1, sizeof *m->segments, &m->segments, err));
    VSSI_TRY(vssi_seal_name(job, "s", "seg", name, err));
    VSSI_TRY(vssi_segment_write(rows, &col->db->storage, col->prefix, name, &ref, err));
    m->segments[m->n_segments++] = (vssi_manifest_segment){.rows = vssi_segment_rows(rows), .object = ref};
    VSSI_TRY(vssi_segment_open(heap, &col->db->storage, col->prefix, vssi_collection_fields(col), &ref,
                               &part->segment, err));
    part->sealed = true;
    for (size_t i = 0; i < m->n_definitions; i++)
        VSSI_TRY(vssi_seal_index(job, at, &m->definitions[i], err));
    return VSS_OK;
}

vss_status vssi_seal_deletes(seal_job *job, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    for (size_t i = 0; i < job->manifest->n_segments; i++) {
        vssi_manifest_segment *g = &job->manifest->segments[i];
        const vssi_part *p = &job->snapshot->parts[i];
        vssi_object_ref ref = {0};
        char name[64];
        if (vssi_part_deleted(p) == g->deleted) /* tombstones only ever grow */
            continue;
        VSSI_TRY(vssi_seal_name(job, "d", "del", name, err));
        VSSI_TRY(vssi_deletes_write(heap, &col->db->storage, col->prefix, name, p->deleted->words,
                                    vssi_segment_rows(p->segment), &ref, err));
        vssi_object_ref_free(heap, &g->deletes);
        g->deletes = ref;
        g->deleted = p->deleted->count;
    }
    return VSS_OK;
}

vss_status vssi_seal_commit(seal_job *job, vss_error *err)
{
    vss_collection *col = job->col;
    char name[160], version[32];
    uint64_t size = 0;
    vss_status status = vssi_manifest_commit(job->manifest, &col->db->storage, col->prefix, err);
    if (status == VSS_ERR_EXISTS)
        status = vssi_fail(err, VSS_ERR_FENCED, "collection \"%s\": version %llu was written by another writer",
                           col->name, (unsigned long long)job->manifest->version);
    if (status == VSS_ERR_UNKNOWN_COMMIT || status == VSS_ERR_FENCED)
        col->poisoned = status;
    if (status == VSS_ERR_UNKNOWN_COMMIT)
        job->committed = true; /* perhaps: keep the objects */
    VSSI_TRY(status);
    job->committed = true;
    vssi_manifest_name(job->manifest->version, version);
    snprintf(name, sizeof name, "%s%s", col->prefix, version);
    (void)col->db->storage.size(col->db->storage.state, name, &size, NULL); /* a figure for stats, no more */
    vssi_manifest_free(col->manifest);
    col->manifest = job->manifest;
    col->manifest_bytes = size;
    job->manifest = NULL;
    vssi_collection_define_types(col);
    vssi_collection_publish(col, job->snapshot);
    job->snapshot = NULL;
    vssi_journal_covered(col);
    return VSS_OK;
}

void vssi_seal_end(seal_job *job)
{
    vss_collection *col = job->col;
    vssi_snapshot_unref(job->snapshot);
    vssi_manifest_free(job->manifest);
    for (size_t i = 0; i < job->n_created; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", col->prefix, job->created[i]);
        if (!job->committed)
            (void)col->db->storage.remove(col->db->storage.state, name, NULL); /* an orphan does no harm */
        vssi_free(&col->db->heap, job->created[i]);
    }
    vssi_free(&col->db->heap, job->created);
}
