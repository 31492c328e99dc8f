/*
 * manifest_copy.c - a manifest copied and freed, with all that it holds
 */
#include <string.h>

#include "../base/fail.h"
#include "manifest_private.h"

vss_status vssi_object_ref_copy(vssi_heap *heap, const vssi_object_ref *from, vssi_object_ref *to, vss_error *err)
{
    *to = *from;
    to->name = NULL;
    return from->name == NULL ? VSS_OK : vssi_strdup(heap, from->name, strlen(from->name), &to->name, err);
}

void vssi_object_ref_free(vssi_heap *heap, vssi_object_ref *ref)
{
    vssi_free(heap, ref->name);
    ref->name = NULL;
}

static vss_status manifest_copy_segment(vssi_heap *heap, const vssi_manifest_segment *from, vssi_manifest_segment *to,
                                        vss_error *err)
{
    to->rows = from->rows;
    to->deleted = from->deleted;
    VSSI_TRY(vssi_object_ref_copy(heap, &from->object, &to->object, err));
    VSSI_TRY(vssi_object_ref_copy(heap, &from->deletes, &to->deletes, err));
    VSSI_TRY(vssi_alloc_zero(heap, from->n_indexes, sizeof *to->indexes, &to->indexes, err));
    to->n_indexes = from->n_indexes;
    for (size_t i = 0; i < to->n_indexes; i++) {
        to->indexes[i].field = from->indexes[i].field;
        VSSI_TRY(vssi_object_ref_copy(heap, &from->indexes[i].object, &to->indexes[i].object, err));
    }
    return VSS_OK;
}

static vss_status manifest_copy_text(vssi_heap *heap, const char *from, char **to, vss_error *err)
{
    return vssi_strdup(heap, from, strlen(from), to, err);
}

static vss_status manifest_copy(const vssi_manifest *from, vssi_manifest *to, vss_error *err)
{
    vssi_heap *heap = from->heap;
    VSSI_TRY(vssi_alloc_zero(heap, from->n_segments, sizeof *to->segments, &to->segments, err));
    to->n_segments = from->n_segments;
    for (size_t i = 0; i < to->n_segments; i++)
        VSSI_TRY(manifest_copy_segment(heap, &from->segments[i], &to->segments[i], err));
    VSSI_TRY(vssi_alloc_zero(heap, from->n_definitions, sizeof *to->definitions, &to->definitions, err));
    to->n_definitions = from->n_definitions;
    for (size_t i = 0; i < to->n_definitions; i++) {
        to->definitions[i].field = from->definitions[i].field;
        VSSI_TRY(manifest_copy_text(heap, from->definitions[i].type, &to->definitions[i].type, err));
        VSSI_TRY(manifest_copy_text(heap, from->definitions[i].params, &to->definitions[i].params, err));
        VSSI_TRY(vssi_object_ref_copy(heap, &from->definitions[i].model, &to->definitions[i].model, err));
    }
    VSSI_TRY(vssi_alloc_zero(heap, from->n_pairs, sizeof *to->pairs, &to->pairs, err));
    to->n_pairs = from->n_pairs;
    for (size_t i = 0; i < to->n_pairs; i++) {
        VSSI_TRY(manifest_copy_text(heap, from->pairs[i].key, &to->pairs[i].key, err));
        VSSI_TRY(manifest_copy_text(heap, from->pairs[i].value, &to->pairs[i].value, err));
    }
    return VSS_OK;
}

vss_status vssi_manifest_clone(const vssi_manifest *manifest, vssi_manifest **out, vss_error *err)
{
    vssi_manifest *m;
    *out = NULL;
    VSSI_TRY(vssi_alloc_zero(manifest->heap, 1, sizeof *m, &m, err));
    *m = *manifest;
    m->owns_schema = false;
    m->n_segments = m->n_definitions = m->n_pairs = 0;
    m->segments = NULL;
    m->definitions = NULL;
    m->pairs = NULL;
    const vss_status status = manifest_copy(manifest, m, err);
    if (status != VSS_OK) {
        vssi_manifest_free(m);
        return status;
    }
    *out = m;
    return VSS_OK;
}

static void manifest_free_segment(vssi_heap *heap, vssi_manifest_segment *s)
{
    vssi_object_ref_free(heap, &s->object);
    vssi_object_ref_free(heap, &s->deletes);
    for (size_t i = 0; i < s->n_indexes; i++)
        vssi_object_ref_free(heap, &s->indexes[i].object);
    vssi_free(heap, s->indexes);
}

vss_status vssi_manifest_set_model(vssi_manifest *manifest, uint32_t field, const vssi_object_ref *model,
                                   vss_error *err)
{
    vssi_object_ref copy;
    for (size_t i = 0; i < manifest->n_definitions; i++) {
        if (manifest->definitions[i].field != field)
            continue;
        VSSI_TRY(vssi_object_ref_copy(manifest->heap, model, &copy, err));
        vssi_object_ref_free(manifest->heap, &manifest->definitions[i].model);
        manifest->definitions[i].model = copy;
    }
    return VSS_OK;
}

void vssi_manifest_drop_segment(vssi_manifest *manifest, size_t i)
{
    manifest_free_segment(manifest->heap, &manifest->segments[i]);
    manifest->n_segments--;
    memmove(manifest->segments + i, manifest->segments + i + 1,
            (manifest->n_segments - i) * sizeof *manifest->segments);
}

void vssi_manifest_free(vssi_manifest *manifest)
{
    if (manifest == NULL)
        return;
    vssi_heap *heap = manifest->heap;
    for (size_t i = 0; i < manifest->n_segments; i++)
        manifest_free_segment(heap, &manifest->segments[i]);
    for (size_t i = 0; i < manifest->n_definitions; i++) {
        vssi_free(heap, manifest->definitions[i].type);
        vssi_free(heap, manifest->definitions[i].params);
        vssi_object_ref_free(heap, &manifest->definitions[i].model);
    }
    for (size_t i = 0; i < manifest->n_pairs; i++) {
        vssi_free(heap, manifest->pairs[i].key);
        vssi_free(heap, manifest->pairs[i].value);
    }
    vssi_free(heap, manifest->segments);
    vssi_free(heap, manifest->definitions);
    vssi_free(heap, manifest->pairs);
    if (manifest->owns_schema)
        vssi_schema_free(manifest->schema);
    vssi_free(heap, manifest);
}
