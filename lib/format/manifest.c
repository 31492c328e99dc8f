/*
 * manifest.c - encode, commit and find manifests
 *
 * Committing is creating the next numbered object: the storage lets one writer win. Cost: linear in the segments;
 * newest lists one folder. No locks: a manifest belongs to one thread until it is published and is constant from then
 * on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/fail.h"
#include "manifest_private.h"
#include "object_private.h"

#define MANIFEST_FOLDER "m/"
#define MANIFEST_DIGITS 20

void vssi_manifest_name(uint64_t version, char *out)
{
    snprintf(out, 32, MANIFEST_FOLDER "%020" PRIu64, version);
}

/* ---- encode ---- */

static void manifest_write_ref(vssi_writer *w, const vssi_object_ref *ref)
{
    vssi_write8(w, (uint8_t)ref->kind);
    vssi_write_text(w, ref->name, strlen(ref->name));
    vssi_write64(w, ref->size);
    vssi_write32(w, ref->tail_size);
    vssi_write64(w, ref->tail_hash);
}

static void manifest_write_segment(vssi_writer *w, const vssi_manifest_segment *s)
{
    vssi_write64(w, s->rows);
    vssi_write64(w, s->deleted);
    manifest_write_ref(w, &s->object);
    vssi_write8(w, s->deletes.name != NULL);
    if (s->deletes.name != NULL)
        manifest_write_ref(w, &s->deletes);
    vssi_write32(w, (uint32_t)s->n_indexes);
    for (size_t i = 0; i < s->n_indexes; i++) {
        vssi_write32(w, s->indexes[i].field);
        manifest_write_ref(w, &s->indexes[i].object);
    }
}

static uint32_t manifest_models(const vssi_manifest *m)
{
    uint32_t n = 0;
    for (size_t i = 0; i < m->n_definitions; i++)
        n += m->definitions[i].model.name != NULL;
    return n;
}

static void manifest_write_models(vssi_writer *w, const vssi_manifest *m)
{
    vssi_write32(w, manifest_models(m));
    for (size_t i = 0; i < m->n_definitions; i++)
        if (m->definitions[i].model.name != NULL) {
            vssi_write32(w, m->definitions[i].field);
            manifest_write_ref(w, &m->definitions[i].model);
        }
}

static void manifest_write_head(vssi_writer *w, const vssi_manifest *m)
{
    vssi_write_bytes(w, VSSI_MANIFEST_MAGIC, VSSI_MANIFEST_MAGIC_SIZE);
    vssi_write16(w, VSSI_FORMAT_MAJOR);
    vssi_write16(w, VSSI_FORMAT_MINOR);
    vssi_write32(w, m->dropped ? VSSI_MANIFEST_DROPPED : 0);
    vssi_write64(w, m->refuse_mask | (manifest_models(m) > 0 ? VSSI_MANIFEST_MODELS : 0));
    vssi_write64(w, m->read_only_mask);
    vssi_write64(w, m->ignore_mask);
    vssi_write64(w, m->version);
    vssi_write64(w, m->sequence);
    vssi_write64(w, (uint64_t)m->next_auto_key);
    vssi_write32(w, m->next_field_id);
    vssi_write32(w, 0);
    vssi_write64(w, m->log_first);
}

static void manifest_write_body(vssi_writer *w, const vssi_manifest *m)
{
    vssi_schema_encode(m->schema, w);
    vssi_write32(w, (uint32_t)m->n_segments);
    for (size_t i = 0; i < m->n_segments; i++)
        manifest_write_segment(w, &m->segments[i]);
    vssi_write32(w, (uint32_t)m->n_definitions);
    for (size_t i = 0; i < m->n_definitions; i++) {
        vssi_write32(w, m->definitions[i].field);
        vssi_write_text(w, m->definitions[i].type, strlen(m->definitions[i].type));
        vssi_write_text(w, m->definitions[i].params, strlen(m->definitions[i].params));
    }
    vssi_write32(w, (uint32_t)m->n_pairs);
    for (size_t i = 0; i < m->n_pairs; i++) {
        vssi_write_text(w, m->pairs[i].key, strlen(m->pairs[i].key));
        vssi_write_text(w, m->pairs[i].value, strlen(m->pairs[i].value));
    }
    if (manifest_models(m) > 0)
        manifest_write_models(w, m);
}

vss_status vssi_manifest_encode(const vssi_manifest *manifest, vssi_heap *heap, uint8_t **data, size_t *size,
                                vss_error *err)
{
    vssi_writer w = {.heap = heap, .err = err};
    *data = NULL;
    *size = 0;
    manifest_write_head(&w, manifest);
    if (!manifest->dropped)
        manifest_write_body(&w, manifest);
    if (w.status == VSS_OK)
        vssi_write64(&w, vssi_hash(w.data, w.size, 0));
    vss_status status = w.status;
    if (status == VSS_OK && w.size > VSSI_MANIFEST_MAX)
        status = vssi_fail(err, VSS_ERR_UNSUPPORTED, "a manifest of %zu bytes; at most %u can be stored", w.size,
                           VSSI_MANIFEST_MAX);
    if (status != VSS_OK) {
        vssi_free(heap, w.data);
        return status;
    }
    *data = w.data;
    *size = w.size;
    return VSS_OK;
}

vss_status vssi_manifest_commit(const vssi_manifest *manifest, const vss_storage *storage, const char *prefix,
                                vss_error *err)
{
    char name[32], full[VSSI_OBJECT_NAME_MAX + 1];
    uint8_t *data;
    size_t size;
    vssi_manifest_name(manifest->version, name);
    VSSI_TRY(vssi_object_full_name(prefix, name, full, err));
    VSSI_TRY(vssi_manifest_encode(manifest, manifest->heap, &data, &size, err));
    const vss_span span = {data, size};
    const vss_status status = storage->put(storage->state, full, &span, 1, err);
    vssi_free(manifest->heap, data);
    return status;
}

/* ---- find and read ---- */

typedef struct manifest_search {
    size_t prefix; /* bytes of the folder's name */
    uint64_t newest;
} manifest_search;

uint64_t vssi_manifest_number(const char *name)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; i < MANIFEST_DIGITS && name[i] >= '0' && name[i] <= '9'; i++)
        if (!vssi_mul_u64(number, 10, &number) || !vssi_add_u64(number, (uint64_t)(name[i] - '0'), &number))
            return 0;
    return i == MANIFEST_DIGITS && name[i] == 0 ? number : 0;
}

static int manifest_look(void *arg, const char *name)
{
    manifest_search *search = arg;
    const uint64_t number = strlen(name) > search->prefix ? vssi_manifest_number(name + search->prefix) : 0;
    search->newest = number > search->newest ? number : search->newest;
    return 0;
}

vss_status vssi_manifest_newest(const vss_storage *storage, const char *prefix, uint64_t *version, vss_error *err)
{
    char folder[VSSI_OBJECT_NAME_MAX + 1];
    *version = 0;
    VSSI_TRY(vssi_object_full_name(prefix, MANIFEST_FOLDER, folder, err));
    manifest_search search = {.prefix = strlen(folder)};
    VSSI_TRY(storage->list(storage->state, folder, 1, manifest_look, &search, err));
    *version = search.newest;
    return VSS_OK;
}

vss_status vssi_manifest_read(vssi_heap *heap, const vss_storage *storage, const char *prefix, uint64_t version,
                              vssi_manifest **out, uint64_t *size, vss_error *err)
{
    char name[32], full[VSSI_OBJECT_NAME_MAX + 1];
    uint64_t bytes = 0;
    uint8_t *data;
    *out = NULL;
    vssi_manifest_name(version, name);
    VSSI_TRY(vssi_object_full_name(prefix, name, full, err));
    VSSI_TRY(storage->size(storage->state, full, &bytes, err));
    if (bytes == 0 || bytes > VSSI_MANIFEST_MAX)
        return vssi_fail(err, VSS_ERR_CORRUPT, "manifest \"%s\" has %" PRIu64 " bytes, must be 1 to %u", full, bytes,
                         VSSI_MANIFEST_MAX);
    VSSI_TRY(vssi_alloc(heap, (size_t)bytes, 1, &data, err));
    vss_status status = storage->read(storage->state, full, 0, data, (size_t)bytes, err);
    if (status == VSS_OK)
        status = vssi_manifest_decode(heap, full, data, (size_t)bytes, out, err);
    vssi_free(heap, data);
    if (status == VSS_OK && (*out)->version != version) {
        status = vssi_fail(err, VSS_ERR_CORRUPT, "manifest \"%s\" says that it is number %" PRIu64, full,
                           (*out)->version);
        vssi_manifest_free(*out);
        *out = NULL;
    }
    if (size != NULL)
        *size = bytes;
    return status;
}
