/*
 * inspect_manifest.c - a manifest: counters, schema, segments, references, index definitions
 *
 * Cost: linear in the manifest. No locks.
 */
#include "../base/fail.h"
#include "inspect.h"
#include "manifest.h"

static void inspect_field(inspect_run *run, const vssi_field *f, uint64_t i)
{
    vssi_inspect_count(run, "field", i, "id", f->id);
    vssi_inspect_text(run, "field", i, "name", f->name);
    vssi_inspect_text(run, "field", i, "type", vss_type_name(f->type));
    vssi_inspect_text(run, "field", i, "element", f->element == VSS_TYPE_NONE ? "" : vss_type_name(f->element));
    vssi_inspect_count(run, "field", i, "dim", f->dim);
    vssi_inspect_text(run, "field", i, "metric", f->metric == VSS_METRIC_NONE ? "" : vss_metric_name(f->metric));
    vssi_inspect_count(run, "field", i, "flags", f->flags);
}

static void inspect_reference(inspect_run *run, const vssi_object_ref *ref, const char *kind, uint64_t segment,
                              uint64_t field, uint64_t *n)
{
    vssi_inspect_text(run, "reference", *n, "kind", kind);
    vssi_inspect_text(run, "reference", *n, "name", ref->name);
    vssi_inspect_count(run, "reference", *n, "segment", segment);
    vssi_inspect_count(run, "reference", *n, "field", field);
    vssi_inspect_count(run, "reference", *n, "bytes", ref->size);
    vssi_inspect_count(run, "reference", *n, "tail_bytes", ref->tail_size);
    vssi_inspect_hash(run, "reference", *n, "tail_hash", ref->tail_hash);
    ++*n;
}

static void inspect_segments(inspect_run *run, const vssi_manifest *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->n_segments && !run->ended; i++) {
        const vssi_manifest_segment *g = &m->segments[i];
        vssi_inspect_text(run, "segment", i, "name", g->object.name);
        vssi_inspect_count(run, "segment", i, "rows", g->rows);
        vssi_inspect_count(run, "segment", i, "deleted", g->deleted);
        vssi_inspect_count(run, "segment", i, "indexes", g->n_indexes);
    }
    for (size_t i = 0; i < m->n_segments && !run->ended; i++) {
        const vssi_manifest_segment *g = &m->segments[i];
        inspect_reference(run, &g->object, "segment", i, 0, &n);
        if (g->deletes.name != NULL)
            inspect_reference(run, &g->deletes, "deletes", i, 0, &n);
        for (size_t j = 0; j < g->n_indexes; j++)
            inspect_reference(run, &g->indexes[j].object, "index", i, g->indexes[j].field, &n);
    }
    for (size_t i = 0; i < m->n_definitions && !run->ended; i++)
        if (m->definitions[i].model.name != NULL)
            inspect_reference(run, &m->definitions[i].model, "model", 0, m->definitions[i].field, &n);
}

vss_status vssi_inspect_manifest(inspect_run *run, vss_error *err)
{
    vssi_manifest *m;
    VSSI_TRY(vssi_manifest_decode(run->heap, run->name, run->data, run->size, &m, err));
    vssi_inspect_text(run, "file", 0, "kind", "manifest");
    vssi_inspect_count(run, "file", 0, "bytes", run->size);
    vssi_inspect_text(run, "file", 0, "hash", "ok");
    vssi_inspect_count(run, "file", 0, "version", m->version);
    vssi_inspect_count(run, "file", 0, "sequence", m->sequence);
    vssi_inspect_count(run, "file", 0, "next_auto_key", (uint64_t)m->next_auto_key);
    vssi_inspect_count(run, "file", 0, "next_field_id", m->next_field_id);
    vssi_inspect_text(run, "file", 0, "dropped", m->dropped ? "yes" : "no");
    vssi_inspect_count(run, "file", 0, "segments", m->n_segments);
    vssi_inspect_count(run, "file", 0, "pairs", m->n_pairs);
    for (size_t i = 0; m->schema != NULL && i < m->schema->n_fields && !run->ended; i++)
        inspect_field(run, &m->schema->fields[i], i);
    inspect_segments(run, m);
    for (size_t i = 0; i < m->n_definitions && !run->ended; i++) {
        vssi_inspect_count(run, "definition", i, "field", m->definitions[i].field);
        vssi_inspect_text(run, "definition", i, "type", m->definitions[i].type);
        vssi_inspect_text(run, "definition", i, "params", m->definitions[i].params);
    }
    vssi_manifest_free(m);
    return VSS_OK;
}
