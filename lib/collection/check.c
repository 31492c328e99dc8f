/*
 * check.c - every byte of the newest version of a collection and of its logs against its hash, every reference against
 * what it names
 *
 * Works on storage alone, beside any handle. Cost: one read of all objects, then check_cross.c's. What can't be read is
 * a fault found; a storage that fails gives the check its status, too. Memory that is refused is no fault, and what is
 * below would report one: so the check allocates through a heap of its own that remembers the refusal, ends there and
 * returns it.
 */
#include <stdio.h>
#include <string.h>

#include "check_run.h"
#include "model.h"

static void *check_alloc(void *state, size_t size, size_t align)
{
    check_run *run = state;
    vss_error err;
    void *block;
    (void)align; /* every block of a heap is aligned as every heap asks */
    if (vssi_alloc(&run->db->heap, size, 1, &block, &err) != VSS_OK && run->refused.status == VSS_OK)
        run->refused = err;
    return block;
}

static void check_release(void *state, void *block, size_t size, size_t align)
{
    check_run *run = state;
    (void)size;
    (void)align;
    vssi_free(&run->db->heap, block);
}

static void check_index(check_run *run, const vssi_manifest *m, const vssi_manifest_index *index,
                        vssi_segment *segment, size_t rows)
{
    vss_error err = {.status = VSS_OK};
    vssi_segment_index *opened;
    vssi_vectors vectors;
    size_t field = 0;
    while (field < m->schema->n_fields && m->schema->fields[field].id != index->field)
        field++;
    if (field == m->schema->n_fields) {
        vssi_check_fault(run, index->object.name, "an index of a field that is not in the schema");
    } else if (vssi_segment_index_open(&run->heap, &run->db->storage, run->prefix, &index->object, m->schema, field,
                                       rows, &opened, &err) != VSS_OK) {
        vssi_check_error(run, index->object.name, &err);
    } else {
        if (vssi_vectors_of(segment, m->schema, field, &vectors, &err) != VSS_OK)
            vssi_check_error(run, index->object.name, &err);
        else
            run->report->errors += vssi_segment_index_check(opened, &vectors, vssi_check_line, run);
        vssi_segment_index_unref(opened);
    }
    vssi_check_counted(run, index->object.size);
}

/* A model is what its definition says, and can be built by. */
static void check_model(check_run *run, const vssi_manifest *m, const vssi_manifest_definition *d)
{
    vss_error err = {.status = VSS_OK};
    const vssi_index_ops *ops = vssi_index_type_find(d->type);
    const vssi_field *field = vssi_schema_field(m->schema, d->field);
    vssi_model model = {.heap = NULL};
    bool fits = false;
    if (field == NULL || ops == NULL || ops->train == NULL) {
        vssi_check_fault(run, d->model.name, "a model of an index that has none, or is not known");
    } else if (vssi_model_open(&run->heap, &run->db->storage, run->prefix, &d->model, ops, field, &model, &err) !=
               VSS_OK) {
        vssi_check_error(run, d->model.name, &err);
    } else {
        uint64_t faults = vssi_object_check(model.object, vssi_check_line, run);
        run->report->errors += faults;
        if (faults == 0 && vssi_model_fits(&model, ops, d->params, field, &fits, &err) != VSS_OK)
            vssi_check_error(run, d->model.name, &err);
        else if (faults == 0 && !fits)
            vssi_check_fault(run, d->model.name, "a model of another shape than its index is defined with");
        vssi_model_close(&model);
    }
    vssi_check_counted(run, d->model.size);
}

static void check_deletes(check_run *run, const vssi_manifest_segment *g)
{
    vss_error err = {.status = VSS_OK};
    uint64_t *bitmap;
    if (vssi_deletes_read(&run->heap, &run->db->storage, run->prefix, &g->deletes, (size_t)g->rows, g->deleted,
                          &bitmap, &err) != VSS_OK)
        vssi_check_error(run, g->deletes.name, &err);
    else
        vssi_free(&run->heap, bitmap);
    vssi_check_counted(run, g->deletes.size);
}

static void check_segment(check_run *run, const vssi_manifest *m, const vssi_manifest_segment *g)
{
    vss_error err = {.status = VSS_OK};
    vssi_segment *segment;
    bool opened = vssi_segment_open(&run->heap, &run->db->storage, run->prefix, m->schema, &g->object, &segment,
                                    &err) == VSS_OK;
    if (!opened)
        vssi_check_error(run, g->object.name, &err);
    else if (vssi_segment_rows(segment) != g->rows)
        vssi_check_fault(run, g->object.name, "the number of rows is not what the manifest says");
    else
        run->report->errors += vssi_segment_check(segment, vssi_check_line, run);
    vssi_check_counted(run, g->object.size);
    if (g->deletes.name != NULL && !vssi_check_stopped(run))
        check_deletes(run, g);
    for (size_t i = 0; opened && i < g->n_indexes && !vssi_check_stopped(run); i++)
        check_index(run, m, &g->indexes[i], segment, (size_t)g->rows);
    if (opened)
        vssi_segment_unref(segment);
}

static uint64_t check_total(const vssi_manifest *m)
{
    uint64_t total = 0;
    for (size_t i = 0; i < m->n_segments; i++) {
        total += m->segments[i].object.size + m->segments[i].deletes.size;
        for (size_t j = 0; j < m->segments[i].n_indexes; j++)
            total += m->segments[i].indexes[j].object.size;
    }
    for (size_t i = 0; i < m->n_definitions; i++)
        total += m->definitions[i].model.name != NULL ? m->definitions[i].model.size : 0;
    return total;
}

static vss_status check_manifest(check_run *run, vss_error *err)
{
    vssi_manifest *m;
    uint64_t version, size = 0;
    vss_error found = {.status = VSS_OK};
    char object[32];
    VSSI_TRY(vssi_manifest_newest(&run->db->storage, run->prefix, &version, err));
    if (version == 0)
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "no collection \"%s\" in \"%s\"", run->name, run->db->path);
    vssi_manifest_name(version, object);
    vss_status status = vssi_manifest_read(&run->heap, &run->db->storage, run->prefix, version, &m, &size, &found);
    if (status == VSS_ERR_CORRUPT) {
        vssi_check_fault(run, object, found.message);
        vssi_check_counted(run, size);
        return VSS_OK;
    }
    if (status != VSS_OK) {
        if (err != NULL)
            *err = found;
        return status;
    }
    if (m->dropped) {
        vssi_manifest_free(m);
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "no collection \"%s\" in \"%s\"", run->name, run->db->path);
    }
    run->total = check_total(m) + size;
    vssi_check_counted(run, size);
    for (size_t i = 0; i < m->n_segments && !vssi_check_stopped(run); i++)
        check_segment(run, m, &m->segments[i]);
    for (size_t i = 0; i < m->n_definitions && !vssi_check_stopped(run); i++)
        if (m->definitions[i].model.name != NULL)
            check_model(run, m, &m->definitions[i]);
    if (!vssi_check_stopped(run))
        vssi_check_logs(run, m);
    vssi_manifest_free(m);
    if (run->report->errors == 0 && !vssi_check_stopped(run))
        vssi_check_cross(run); /* what damaged bytes say of each other is of no interest */
    return VSS_OK;
}

vss_status vssi_collection_check(vss_db *db, const char *name, vss_check_fn fn, void *state, vss_progress_fn progress,
                                 void *progress_state, vss_check_report *report, vss_error *err)
{
    check_run run = {.db = db, .name = name, .fn = fn, .state = state, .report = report};
    const vss_allocator hook = {sizeof hook, &run, check_alloc, check_release};
    vssi_heap_init(&run.heap, &hook, 0);
    snprintf(run.prefix, sizeof run.prefix, "%s/", name);
    vssi_control_init(&run.control, 0, progress, progress_state);
    vss_status status = check_manifest(&run, err);
    if (status == VSS_OK && atomic_load(&run.control.stop) != 0)
        status = vssi_fail(err, VSS_ERR_CANCELLED, "the check was cancelled");
    if (vssi_check_refused(&run)) {
        status = run.refused.status;
        if (err != NULL)
            *err = run.refused;
    } else if (status == VSS_OK && run.failed.status != VSS_OK) {
        status = run.failed.status;
        if (err != NULL)
            *err = run.failed;
    } else if (status == VSS_OK && report->errors > 0) {
        status = vssi_fail(err, VSS_ERR_CORRUPT, "collection \"%s\": %llu errors in %llu files", name,
                           (unsigned long long)report->errors, (unsigned long long)report->files);
    }
    vssi_control_destroy(&run.control);
    return status;
}
