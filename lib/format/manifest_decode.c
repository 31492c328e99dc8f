/*
 * manifest_decode.c - bytes that nobody vouches for to a manifest
 *
 * One pass, in the order of the bytes. A count is compared with what the rest of the bytes can hold before memory is
 * asked for, so that memory stays a small multiple of the size. No locks.
 */
#include <string.h>

#include "../base/fail.h"
#include "../base/text.h"
#include "manifest_private.h"
#include "object_private.h"
#include "segment.h"

typedef struct manifest_decoder {
    vssi_heap *heap;
    const char *name;
    vssi_reader r;
    vssi_manifest *m;
} manifest_decoder;

static vss_status manifest_bad(const manifest_decoder *d, vss_error *err, const char *what)
{
    return vssi_fail(err, VSS_ERR_CORRUPT, "manifest \"%s\": %s (before byte %zu)", d->name, what, d->r.at);
}

/* A count of things that take at least min bytes each. */
static vss_status manifest_take_count(manifest_decoder *d, size_t min, size_t *out, vss_error *err)
{
    const uint32_t n = vssi_read32(&d->r);
    *out = 0;
    if (d->r.bad || n > (d->r.size - d->r.at) / min)
        return manifest_bad(d, err, "a count is more than what follows can hold");
    *out = n;
    return VSS_OK;
}

/* A text of min to max bytes. */
static vss_status manifest_take_text(manifest_decoder *d, size_t min, size_t max, char **out, vss_error *err)
{
    size_t size = 0;
    const char *text = vssi_read_text(&d->r, &size);
    if (d->r.bad || text == NULL)
        return manifest_bad(d, err, "a text ends past the end");
    if (size < min || size > max || memchr(text, 0, size) != NULL || !vssi_utf8_valid(text, size))
        return manifest_bad(d, err, "a text is too short, too long or not UTF-8");
    return vssi_strdup(d->heap, text, size, out, err);
}

static vss_status manifest_take_ref(manifest_decoder *d, vssi_object_kind kind, vssi_object_ref *ref, vss_error *err)
{
    const uint8_t found = vssi_read8(&d->r);
    VSSI_TRY(manifest_take_text(d, 1, VSSI_OBJECT_NAME_MAX, &ref->name, err));
    ref->kind = kind;
    ref->size = vssi_read64(&d->r);
    ref->tail_size = vssi_read32(&d->r);
    ref->tail_hash = vssi_read64(&d->r);
    if (d->r.bad)
        return manifest_bad(d, err, "an object's reference ends past the end");
    if (found != (uint8_t)kind)
        return manifest_bad(d, err, "an object is of another kind than its place");
    if (!vssi_object_name_valid(ref->name))
        return manifest_bad(d, err, "an object's name is malformed");
    return VSS_OK;
}

/* Is there a vector field of that id? */
static bool manifest_is_vector(const vssi_manifest *m, uint32_t id)
{
    const vssi_field *f = vssi_schema_field(m->schema, id);
    return f != NULL && vssi_type_is_vector(f->type);
}

static vss_status manifest_take_index(manifest_decoder *d, vssi_manifest_segment *s, size_t i, vss_error *err)
{
    s->indexes[i].field = vssi_read32(&d->r);
    VSSI_TRY(manifest_take_ref(d, VSSI_OBJECT_INDEX, &s->indexes[i].object, err));
    if (!manifest_is_vector(d->m, s->indexes[i].field))
        return manifest_bad(d, err, "an index is of no vector field");
    for (size_t j = 0; j < i; j++)
        if (s->indexes[j].field == s->indexes[i].field)
            return manifest_bad(d, err, "a segment has two indexes of one field");
    return VSS_OK;
}

static vss_status manifest_take_segment(manifest_decoder *d, vssi_manifest_segment *s, vss_error *err)
{
    size_t n;
    s->rows = vssi_read64(&d->r);
    s->deleted = vssi_read64(&d->r);
    VSSI_TRY(manifest_take_ref(d, VSSI_OBJECT_SEGMENT, &s->object, err));
    if (s->rows == 0 || s->rows > VSSI_ROWS_MAX || s->deleted > s->rows)
        return manifest_bad(d, err, "a segment has an impossible number of rows");
    const uint8_t has_deletes = vssi_read8(&d->r);
    if (has_deletes > 1 || has_deletes != (s->deleted > 0))
        return manifest_bad(d, err, "a segment's deletes don't fit its deleted rows");
    if (has_deletes)
        VSSI_TRY(manifest_take_ref(d, VSSI_OBJECT_DELETES, &s->deletes, err));
    VSSI_TRY(manifest_take_count(d, VSSI_MANIFEST_INDEX_MIN, &n, err));
    if (n > d->m->schema->n_fields)
        return manifest_bad(d, err, "a segment has more indexes than there are fields");
    VSSI_TRY(vssi_alloc_zero(d->heap, n, sizeof *s->indexes, &s->indexes, err));
    s->n_indexes = n;
    for (size_t i = 0; i < n; i++)
        VSSI_TRY(manifest_take_index(d, s, i, err));
    return VSS_OK;
}

static vss_status manifest_take_segments(manifest_decoder *d, vss_error *err)
{
    size_t n;
    VSSI_TRY(manifest_take_count(d, VSSI_MANIFEST_SEGMENT_MIN, &n, err));
    VSSI_TRY(vssi_alloc_zero(d->heap, n, sizeof *d->m->segments, &d->m->segments, err));
    d->m->n_segments = n;
    for (size_t i = 0; i < n; i++)
        VSSI_TRY(manifest_take_segment(d, &d->m->segments[i], err));
    return VSS_OK;
}

static vss_status manifest_take_definitions(manifest_decoder *d, vss_error *err)
{
    vssi_manifest *m = d->m;
    size_t n;
    VSSI_TRY(manifest_take_count(d, VSSI_MANIFEST_DEFINITION_MIN, &n, err));
    if (n > m->schema->n_fields)
        return manifest_bad(d, err, "there are more index definitions than fields");
    VSSI_TRY(vssi_alloc_zero(d->heap, n, sizeof *m->definitions, &m->definitions, err));
    m->n_definitions = n;
    for (size_t i = 0; i < n; i++) {
        vssi_manifest_definition *def = &m->definitions[i];
        def->field = vssi_read32(&d->r);
        VSSI_TRY(manifest_take_text(d, 1, VSSI_MANIFEST_TYPE_MAX, &def->type, err));
        VSSI_TRY(manifest_take_text(d, 0, VSSI_MANIFEST_PARAMS_MAX, &def->params, err));
        if (!manifest_is_vector(m, def->field))
            return manifest_bad(d, err, "an index definition is of no vector field");
        for (size_t j = 0; j < i; j++)
            if (m->definitions[j].field == def->field)
                return manifest_bad(d, err, "a field has two index definitions");
    }
    return VSS_OK;
}

static vss_status manifest_take_pairs(manifest_decoder *d, vss_error *err)
{
    size_t n;
    VSSI_TRY(manifest_take_count(d, VSSI_MANIFEST_PAIR_MIN, &n, err));
    VSSI_TRY(vssi_alloc_zero(d->heap, n, sizeof *d->m->pairs, &d->m->pairs, err));
    d->m->n_pairs = n;
    for (size_t i = 0; i < n; i++) {
        VSSI_TRY(manifest_take_text(d, 1, VSSI_MANIFEST_MAX, &d->m->pairs[i].key, err));
        VSSI_TRY(manifest_take_text(d, 0, VSSI_MANIFEST_MAX, &d->m->pairs[i].value, err));
    }
    return VSS_OK;
}

static vss_status manifest_take_schema(manifest_decoder *d, vss_error *err)
{
    vss_error why = {0};
    const vss_status status = vssi_schema_decode(d->heap, &d->r, &d->m->schema, &why);
    if (status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT)
        return vssi_fail(err, status, "manifest \"%s\": %s", d->name, why.message);
    if (status != VSS_OK)
        return vssi_fail(err, status, "%s", why.message);
    d->m->owns_schema = true;
    for (size_t f = 0; f < d->m->schema->n_fields; f++)
        if (d->m->schema->fields[f].id >= d->m->next_field_id)
            return manifest_bad(d, err, "a field's id is not below the next one");
    return VSS_OK;
}

/* Format, flags, masks and counters; magic and hash are known to be good. */
static vss_status manifest_take_head(manifest_decoder *d, vss_error *err)
{
    vssi_manifest *m = d->m;
    (void)vssi_read_bytes(&d->r, VSSI_MANIFEST_MAGIC_SIZE);
    const uint16_t major = vssi_read16(&d->r);
    const uint16_t minor = vssi_read16(&d->r);
    const uint32_t flags = vssi_read32(&d->r);
    m->refuse_mask = vssi_read64(&d->r);
    m->read_only_mask = vssi_read64(&d->r);
    m->ignore_mask = vssi_read64(&d->r);
    if (major > VSSI_FORMAT_MAJOR || (m->refuse_mask & ~(uint64_t)VSSI_MANIFEST_MODELS) != 0)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT,
                         "manifest \"%s\": format %u.%u, refuse mask 0x%llx: needs a newer libvss", d->name, major,
                         minor, (unsigned long long)m->refuse_mask);
    m->version = vssi_read64(&d->r);
    m->sequence = vssi_read64(&d->r);
    m->next_auto_key = (int64_t)vssi_read64(&d->r);
    m->next_field_id = vssi_read32(&d->r);
    const uint32_t zero = vssi_read32(&d->r);
    m->log_first = vssi_read64(&d->r);
    m->read_only = m->read_only_mask != 0;
    m->dropped = (flags & VSSI_MANIFEST_DROPPED) != 0;
    if (major != VSSI_FORMAT_MAJOR || (flags & ~VSSI_MANIFEST_DROPPED) != 0 || zero != 0 || m->version == 0 ||
        m->next_auto_key < 0 || m->log_first == 0)
        return manifest_bad(d, err, "its head is malformed");
    return VSS_OK;
}

/* Where the refuse mask says that there are any; its bit is then what follows from them. */
static vss_status manifest_take_models(manifest_decoder *d, vss_error *err)
{
    vssi_manifest *m = d->m;
    size_t n;
    if ((m->refuse_mask & VSSI_MANIFEST_MODELS) == 0)
        return VSS_OK;
    m->refuse_mask &= ~(uint64_t)VSSI_MANIFEST_MODELS;
    VSSI_TRY(manifest_take_count(d, VSSI_MANIFEST_MODEL_MIN, &n, err));
    if (n == 0)
        return manifest_bad(d, err, "there are no models, but a mask that says so");
    for (size_t i = 0; i < n; i++) {
        const uint32_t field = vssi_read32(&d->r);
        size_t at = 0;
        while (at < m->n_definitions && m->definitions[at].field != field)
            at++;
        if (at == m->n_definitions || m->definitions[at].model.name != NULL)
            return manifest_bad(d, err, "a model is of no defined index, or the second of one");
        VSSI_TRY(manifest_take_ref(d, VSSI_OBJECT_MODEL, &m->definitions[at].model, err));
    }
    return VSS_OK;
}

static vss_status manifest_take(manifest_decoder *d, vss_error *err)
{
    VSSI_TRY(manifest_take_head(d, err));
    if (!d->m->dropped) {
        VSSI_TRY(manifest_take_schema(d, err));
        VSSI_TRY(manifest_take_segments(d, err));
        VSSI_TRY(manifest_take_definitions(d, err));
        VSSI_TRY(manifest_take_pairs(d, err));
        VSSI_TRY(manifest_take_models(d, err));
    }
    if (d->r.bad || d->r.at != d->r.size)
        return manifest_bad(d, err, "there are bytes past its end, or too few");
    return VSS_OK;
}

vss_status vssi_manifest_decode(vssi_heap *heap, const char *name, const void *data, size_t size, vssi_manifest **out,
                                vss_error *err)
{
    const uint8_t *bytes = data;
    *out = NULL;
    if (size < VSSI_MANIFEST_HEAD + sizeof(uint64_t) || size > VSSI_MANIFEST_MAX ||
        memcmp(bytes, VSSI_MANIFEST_MAGIC, VSSI_MANIFEST_MAGIC_SIZE) != 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "manifest \"%s\": %zu bytes that are no manifest", name, size);
    if (vssi_hash(bytes, size - sizeof(uint64_t), 0) != vssi_load64(bytes + size - sizeof(uint64_t)))
        return vssi_fail(err, VSS_ERR_CORRUPT, "manifest \"%s\" is damaged", name);
    manifest_decoder d = {.heap = heap, .name = name, .r = {.data = bytes, .size = size - sizeof(uint64_t)}};
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *d.m, &d.m, err));
    d.m->heap = heap;
    const vss_status status = manifest_take(&d, err);
    if (status != VSS_OK) {
        vssi_manifest_free(d.m);
        return status;
    }
    *out = d.m;
    return VSS_OK;
}
