/*
 * seal_job.c - the steps that every commit shares: begin, write objects, commit, clean up
 *
 * Order on storage: objects first, each durable, then the manifest that names them. A crash in between leaves objects
 * that nothing names. The manifest describes one state, that of its sequence: a flush moves it on to the batch its base
 * ended with, any other commit leaves it where it was. Later batches are in the log, which a flush has begun anew.
 * Locks: write_mutex is taken to begin and to commit and not held in between.
 */
#include "seal_job.h"

#include "journal.h"

#include <stdio.h>
#include <string.h>

/* ---- begin ---- */

static bool seal_wanted(const vss_collection *col)
{
    return col->snapshot->n_parts > col->snapshot->n_sealed || col->sequence != col->manifest->sequence ||
           col->next_auto_key != col->manifest->next_auto_key;
}

vss_status vssi_seal_begin_flush(seal_job *job, vss_collection *col, const vssi_seal_options *options, bool *wanted,
                                 vss_error *err)
{
    *job = (seal_job){.col = col, .options = options, .flush = true};
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = vssi_collection_writable(col, err);
    *wanted = status == VSS_OK && seal_wanted(col);
    if (*wanted)
        status = vssi_manifest_clone(col->manifest, &job->manifest, err);
    if (*wanted && status == VSS_OK) {
        job->base = vssi_snapshot_ref(col->snapshot);
        job->next_auto_key = col->next_auto_key;
        job->log_first = vssi_journal_divide(col);
        col->n_frozen = job->base->n_parts;
    }
    vssi_mutex_unlock(&col->write_mutex);
    return status;
}

vss_status vssi_seal_begin(seal_job *job, vss_collection *col, const vssi_seal_options *options, vss_error *err)
{
    *job = (seal_job){.col = col, .options = options};
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = vssi_collection_writable(col, err);
    if (status == VSS_OK)
        status = vssi_manifest_clone(col->manifest, &job->manifest, err);
    if (status == VSS_OK)
        job->base = vssi_snapshot_ref(col->committed);
    vssi_mutex_unlock(&col->write_mutex);
    return status;
}

void vssi_seal_renew(seal_job *job)
{
    vssi_snapshot_unref(job->base);
    job->base = vssi_snapshot_ref(job->col->committed);
}

vss_status vssi_seal_move(seal_job *job, size_t part, size_t to, size_t first, vss_error *err)
{
    if (job->moves == NULL) {
        VSSI_TRY(vssi_alloc(&job->col->db->heap, job->base->n_parts, sizeof *job->moves, &job->moves, err));
        for (size_t i = 0; i < job->base->n_parts; i++)
            job->moves[i] = (seal_move){SEAL_KEPT, 0};
    }
    job->moves[part] = (seal_move){to, first};
    return VSS_OK;
}

/* ---- objects ---- */

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

/* Build an index of vectors by the job's model and write it as an object. ref->name NULL: the type keeps nothing. */
static vss_status seal_index_write(seal_job *job, const vssi_manifest_definition *definition, const vssi_index_ops *ops,
                                   vssi_build *build, vssi_object_ref *ref, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_image image;
    char name[64];
    VSSI_TRY(vssi_seal_model(job, definition, ops, build, err));
    VSSI_TRY(ops->build(build, &image, err));
    if (image.n_blocks == 0)
        return VSS_OK;
    vss_status status = vssi_seal_name(job, "i", "idx", name, err);
    if (status == VSS_OK)
        status = vssi_index_object_store(build->heap, VSSI_OBJECT_INDEX, ops, build->vectors, definition->field, &image,
                                         &col->db->storage, col->prefix, name, ref, err);
    vssi_image_free(build->heap, &image);
    return status;
}

/* The same for a segment. moved: it is the next piece, whose rows have indexes in the base. */
static vss_status seal_index_object(seal_job *job, vssi_segment *segment, size_t field, const vssi_index_ops *ops,
                                    const vssi_manifest_definition *definition, bool moved, vssi_object_ref *ref,
                                    vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    vssi_vectors vectors;
    vssi_source *sources = NULL;
    uint64_t *values;
    VSSI_TRY(vssi_segment_verify_vectors(segment, field, 0, vssi_segment_rows(segment), err));
    VSSI_TRY(vssi_vectors_of(segment, vssi_collection_fields(col), field, &vectors, err));
    VSSI_TRY(seal_params(ops, definition->params, heap, &values, err));
    vssi_build build = {.heap = heap, .vectors = &vectors, .params = values, .executor = vssi_db_executor(col->db),
                        .threads = job->options->threads, .control = job->options->control,
                        .text = definition->params, .device = job->options->device};
    vss_status status = vssi_alloc(heap, job->base->n_parts + 1, sizeof *sources, &sources, err);
    if (status == VSS_OK && moved)
        vssi_seal_sources(job, field, ops, sources, &build);
    if (status == VSS_OK)
        status = seal_index_write(job, definition, ops, &build, ref, err);
    vssi_free(heap, sources);
    vssi_free(heap, values);
    return status;
}

/* What a definition asks of a segment: stored and opened, or opened NULL where it is too small or nothing is kept. */
static vss_status seal_index_make(seal_job *job, vssi_segment *segment, const vssi_manifest_definition *definition,
                                  bool moved, seal_built *built, vss_error *err)
{
    vss_collection *col = job->col;
    const vssi_schema *schema = vssi_collection_fields(col);
    const vssi_index_ops *ops = vssi_index_type_find(definition->type);
    const size_t rows = vssi_segment_rows(segment);
    while (built->field < schema->n_fields && schema->fields[built->field].id != definition->field)
        built->field++;
    if (ops == NULL || built->field == schema->n_fields)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT, "index type \"%s\" is not known to this library", definition->type);
    if (rows < VSSI_INDEX_MIN_ROWS)
        return VSS_OK;
    VSSI_TRY(seal_index_object(job, segment, built->field, ops, definition, moved, &built->ref, err));
    if (built->ref.name == NULL)
        return VSS_OK;
    return vssi_segment_index_open(&col->db->heap, &col->db->storage, col->prefix, &built->ref, schema, built->field,
                                   rows, &built->opened, err);
}

static void seal_built_free(vssi_heap *heap, seal_built *built)
{
    vssi_object_ref_free(heap, &built->ref);
    vssi_segment_index_unref(built->opened);
    built->opened = NULL;
}

vss_status vssi_seal_index(seal_job *job, size_t part, const vssi_manifest_definition *definition, vss_error *err)
{
    vssi_heap *heap = &job->col->db->heap;
    VSSI_TRY(vssi_realloc(heap, job->n_built + 1, sizeof *job->built, &job->built, err));
    seal_built *built = &job->built[job->n_built++];
    *built = (seal_built){.part = part};
    return seal_index_make(job, job->base->parts[part].segment, definition, false, built, err);
}

/* An index of a piece. */
static vss_status seal_piece_index(seal_job *job, seal_piece *piece, const vssi_manifest_definition *definition,
                                   vss_error *err)
{
    vssi_heap *heap = &job->col->db->heap;
    vssi_manifest_segment *g = &piece->entry;
    vssi_part *p = &piece->part;
    seal_built built = {0};
    vss_error own;
    vss_status status = seal_index_make(job, p->segment, definition, true, &built, &own);
    if (status == VSS_ERR_INVALID) { /* too few rows for its parameters, say: no reason not to seal them */
        vssi_db_log(job->col->db, VSS_LOG_WARNING, "collection \"%s\": a segment is scanned: %s", job->col->name,
                    own.message);
        status = VSS_OK;
    } else if (status != VSS_OK && err != NULL) {
        *err = own;
    }
    if (status == VSS_OK && built.opened != NULL)
        status = vssi_realloc(heap, g->n_indexes + 1, sizeof *g->indexes, &g->indexes, err);
    if (status == VSS_OK && built.opened != NULL)
        status = vssi_realloc(heap, p->n_indexes + 1, sizeof(vssi_segment_index *), &p->indexes, err);
    if (status != VSS_OK || built.opened == NULL) {
        seal_built_free(heap, &built);
        return status;
    }
    g->indexes[g->n_indexes++] = (vssi_manifest_index){definition->field, built.ref};
    p->indexes[p->n_indexes++] = built.opened;
    return VSS_OK;
}

vss_status vssi_seal_segment(seal_job *job, vssi_segment *rows, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    char name[64];
    VSSI_TRY(vssi_realloc(heap, job->n_pieces + 1, sizeof *job->pieces, &job->pieces, err));
    seal_piece *piece = &job->pieces[job->n_pieces++];
    *piece = (seal_piece){.entry.rows = vssi_segment_rows(rows), .part.sealed = true};
    VSSI_TRY(vssi_seal_name(job, "s", "seg", name, err));
    VSSI_TRY(vssi_segment_write(rows, &col->db->storage, col->prefix, name, &piece->entry.object, err));
    VSSI_TRY(vssi_segment_open(heap, &col->db->storage, col->prefix, vssi_collection_fields(col), &piece->entry.object,
                               &piece->part.segment, err));
    for (size_t i = 0; i < job->manifest->n_definitions; i++)
        VSSI_TRY(seal_piece_index(job, piece, &job->manifest->definitions[i], err));
    return VSS_OK;
}

/* Store tombstones of the new version that no object has yet. */
static vss_status seal_deletes(seal_job *job, vssi_manifest *m, const vssi_snapshot *committed, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    for (size_t i = 0; i < m->n_segments; i++) {
        vssi_manifest_segment *g = &m->segments[i];
        const vssi_part *p = &committed->parts[i];
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

/* ---- commit ---- */

/* The index that a kept segment has on a field from now on. Takes the reference over. */
static vss_status seal_list_index(vssi_manifest *m, const vssi_schema *schema, seal_built *built, vss_error *err)
{
    vssi_manifest_segment *g = &m->segments[built->part];
    const uint32_t id = schema->fields[built->field].id;
    for (size_t i = 0; i < g->n_indexes; i++)
        if (g->indexes[i].field == id) {
            vssi_object_ref_free(m->heap, &g->indexes[i].object);
            g->indexes[i] = g->indexes[--g->n_indexes];
        }
    if (built->opened == NULL)
        return VSS_OK;
    VSSI_TRY(vssi_realloc(m->heap, g->n_indexes + 1, sizeof *g->indexes, &g->indexes, err));
    g->indexes[g->n_indexes++] = (vssi_manifest_index){id, built->ref};
    built->ref.name = NULL;
    return VSS_OK;
}

/* The job's definition in the manifest: replaced or added. */
static vss_status seal_define(vssi_manifest *m, const vssi_manifest_definition *definition, vss_error *err)
{
    vssi_manifest_definition made = {.field = definition->field};
    size_t i = 0;
    while (i < m->n_definitions && m->definitions[i].field != made.field)
        i++;
    if (i == m->n_definitions) {
        VSSI_TRY(vssi_realloc(m->heap, i + 1, sizeof *m->definitions, &m->definitions, err));
        m->definitions[m->n_definitions++] = made;
    }
    VSSI_TRY(vssi_strdup(m->heap, definition->type, strlen(definition->type), &made.type, err));
    vss_status status = vssi_strdup(m->heap, definition->params, strlen(definition->params), &made.params, err);
    if (status != VSS_OK) {
        vssi_free(m->heap, made.type);
        return status;
    }
    vssi_free(m->heap, m->definitions[i].type);
    vssi_free(m->heap, m->definitions[i].params);
    vssi_object_ref_free(m->heap, &m->definitions[i].model);
    m->definitions[i] = made;
    return VSS_OK;
}

/* The next manifest, but for its deletes; its segments stand in the order of the snapshot that is made beside it. */
static vss_status seal_manifest(seal_job *job, vssi_manifest **out, vss_error *err)
{
    const vss_collection *col = job->col;
    vssi_manifest *m;
    VSSI_TRY(vssi_manifest_clone(col->manifest, out, err));
    m = *out;
    m->version++;
    if (job->flush) {
        m->sequence = job->base->sequence;
        m->next_auto_key = job->next_auto_key;
        m->log_first = job->log_first;
    }
    if (job->definition != NULL)
        VSSI_TRY(seal_define(m, job->definition, err));
    VSSI_TRY(vssi_seal_models_name(job, m, err));
    for (size_t i = 0; i < job->n_built; i++)
        VSSI_TRY(seal_list_index(m, vssi_collection_fields(col), &job->built[i], err));
    for (size_t i = job->base->n_sealed; job->moves != NULL && i-- > 0;)
        if (job->moves[i].to != SEAL_KEPT)
            vssi_manifest_drop_segment(m, i);
    VSSI_TRY(vssi_realloc(m->heap, m->n_segments + job->n_pieces, sizeof *m->segments, &m->segments, err));
    for (size_t i = 0; i < job->n_pieces; i++) {
        m->segments[m->n_segments++] = job->pieces[i].entry;
        job->pieces[i].entry = (vssi_manifest_segment){0};
    }
    return VSS_OK;
}

/* Put the manifest and remember what became of it. Under write_mutex. */
static vss_status seal_put(seal_job *job, const vssi_manifest *m, vss_error *err)
{
    vss_collection *col = job->col;
    char name[160], version[32];
    uint64_t size = 0;
    VSSI_TRY(vssi_collection_writable(col, err));
    vss_status status = vssi_manifest_commit(m, &col->db->storage, col->prefix, err);
    if (status == VSS_ERR_EXISTS)
        status = vssi_fail(err, VSS_ERR_FENCED, "collection \"%s\": version %llu was written by another writer",
                           col->name, (unsigned long long)m->version);
    if (status == VSS_ERR_UNKNOWN_COMMIT || status == VSS_ERR_FENCED)
        col->poisoned = status;
    job->committed = status == VSS_OK || status == VSS_ERR_UNKNOWN_COMMIT; /* perhaps: keep the objects */
    VSSI_TRY(status);
    vssi_manifest_name(m->version, version);
    snprintf(name, sizeof name, "%s%s", col->prefix, version);
    (void)col->db->storage.size(col->db->storage.state, name, &size, NULL); /* a figure for stats, no more */
    col->manifest_bytes = size;
    return VSS_OK;
}

/* Make it the newest: *m and *committed are what was before. */
static vss_status seal_publish(seal_job *job, vssi_manifest **m, vssi_snapshot **committed, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_manifest *old = col->manifest;
    vssi_snapshot *newest, *before = col->committed;
    vssi_mutex_lock(&col->write_mutex);
    vss_status status = vssi_carry_snapshot(job, col->snapshot, (*m)->version, &newest, err);
    if (status == VSS_OK) {
        status = seal_put(job, *m, err);
        if (status == VSS_OK) {
            col->n_frozen = 0;
            col->manifest = *m;
            col->committed = *committed;
            *m = old;
            *committed = before;
            vssi_collection_define_types(col);
            vssi_collection_publish(col, newest);
            if (job->flush)
                vssi_journal_covered(col);
        } else {
            vssi_snapshot_unref(newest);
        }
    }
    vssi_mutex_unlock(&col->write_mutex);
    return status;
}

vss_status vssi_seal_commit(seal_job *job, vss_error *err)
{
    vss_collection *col = job->col;
    vssi_manifest *m = NULL;
    vssi_snapshot *committed = NULL;
    vss_status status;
    VSSI_TRY_GOTO(seal_manifest(job, &m, err), out);
    VSSI_TRY_GOTO(vssi_carry_snapshot(job, job->flush ? job->base : col->committed, m->version, &committed, err), out);
    VSSI_TRY_GOTO(seal_deletes(job, m, committed, err), out);
    VSSI_TRY_GOTO(seal_publish(job, &m, &committed, err), out);
    if (job->flush)
        vssi_journal_remove_covered(col);
out:
    vssi_snapshot_unref(committed);
    vssi_manifest_free(m);
    return status;
}

/* ---- end ---- */

static void seal_pieces_free(seal_job *job)
{
    vssi_heap *heap = &job->col->db->heap;
    for (size_t i = 0; i < job->n_pieces; i++) {
        vssi_manifest_segment *g = &job->pieces[i].entry;
        vssi_part *p = &job->pieces[i].part;
        vssi_object_ref_free(heap, &g->object);
        for (size_t j = 0; j < g->n_indexes; j++)
            vssi_object_ref_free(heap, &g->indexes[j].object);
        vssi_free(heap, g->indexes);
        for (size_t j = 0; j < p->n_indexes; j++)
            vssi_segment_index_unref(p->indexes[j]);
        vssi_free(heap, p->indexes);
        vssi_segment_unref(p->segment);
    }
    vssi_free(heap, job->pieces);
}

void vssi_seal_end(seal_job *job)
{
    vss_collection *col = job->col;
    vssi_heap *heap = &col->db->heap;
    if (job->flush && job->base != NULL) {
        vssi_mutex_lock(&col->write_mutex);
        col->n_frozen = 0;
        vssi_journal_undivide(col);
        vssi_mutex_unlock(&col->write_mutex);
    }
    seal_pieces_free(job);
    for (size_t i = 0; i < job->n_built; i++)
        seal_built_free(heap, &job->built[i]);
    vssi_free(heap, job->built);
    vssi_seal_models_free(job);
    vssi_free(heap, job->moves);
    vssi_snapshot_unref(job->base);
    vssi_manifest_free(job->manifest);
    for (size_t i = 0; i < job->n_created; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", col->prefix, job->created[i]);
        if (!job->committed)
            (void)col->db->storage.remove(col->db->storage.state, name, NULL); /* an orphan does no harm */
        vssi_free(heap, job->created[i]);
    }
    vssi_free(heap, job->created);
}
