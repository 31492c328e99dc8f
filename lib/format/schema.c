/*
 * schema.c - validate fields once, keep them immutable, store them in the manifest
 *
 * Cost: linear in the fields but for the search for equal names, quadratic in at most 256. No locks: a schema is
 * constant once it is made.
 */
#include "schema.h"

#include <assert.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/fail.h"
#include "../base/text.h"
#include "schema_private.h"

#define SCHEMA_FLAGS (VSS_FIELD_PRIMARY | VSS_FIELD_AUTO_ID | VSS_FIELD_NULLABLE)

static bool schema_is_scalar(vss_type type)
{
    return type >= VSS_TYPE_BOOL && type <= VSS_TYPE_TIMESTAMP;
}

static vss_status schema_check_vector(const vss_field *f, vss_error *err)
{
    if (f->dim < 1 || f->dim > VSS_MAX_DIM)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": dim is %u, must be 1 to %u", f->name, f->dim,
                         VSS_MAX_DIM);
    const bool binary = f->type == VSS_TYPE_VECTOR_BINARY;
    if (binary && f->dim % 8 != 0)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": dim is %u, a binary vector's is a multiple of 8", f->name,
                         f->dim);
    if (f->metric != VSS_METRIC_NONE && (f->metric < VSS_METRIC_L2 || f->metric > VSS_METRIC_JACCARD ||
                                         binary != (f->metric >= VSS_METRIC_HAMMING)))
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the metric of %s is %s", f->name, vss_type_name(f->type),
                         binary ? "hamming or jaccard" : "l2, ip or cosine");
    if (f->flags != 0)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": a vector is neither key nor nullable", f->name);
    if (f->default_json != NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": a vector has no default", f->name);
    return VSS_OK;
}

static vss_status schema_check_key(const vss_field *f, vss_error *err)
{
    if (f->type != VSS_TYPE_INT64 && f->type != VSS_TYPE_STRING)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the primary field is int64 or string", f->name);
    if (f->flags & VSS_FIELD_NULLABLE)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the primary field can't be nullable", f->name);
    if ((f->flags & VSS_FIELD_AUTO_ID) && f->type != VSS_TYPE_INT64)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": auto_id needs int64", f->name);
    if (f->default_json != NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the primary field has no default", f->name);
    return VSS_OK;
}

static vss_status schema_check_field(const vss_field *f, size_t number, vss_error *err)
{
    if (f->name == NULL || !vssi_field_name_valid(f->name))
        return vssi_fail(err, VSS_ERR_INVALID, "field %zu: a name is [A-Za-z_][A-Za-z0-9_]{0,254}, this is \"%.80s\"",
                         number, f->name == NULL ? "" : f->name);
    if (f->flags & ~(uint32_t)SCHEMA_FLAGS)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": unknown flags 0x%x", f->name, f->flags);
    const bool is_array = f->type == VSS_TYPE_ARRAY;
    const bool is_vector = f->type >= VSS_TYPE_VECTOR_F32 && f->type <= VSS_TYPE_VECTOR_BINARY;
    if (!schema_is_scalar(f->type) && !is_array && !is_vector)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": %d is no type", f->name, (int)f->type);
    if (is_array && (!schema_is_scalar(f->element) || f->element == VSS_TYPE_JSON))
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": an array's elements are scalars other than json",
                         f->name);
    if (!is_array && f->element != VSS_TYPE_NONE)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": only an array has an element type", f->name);
    if (is_vector)
        return schema_check_vector(f, err);
    if (f->dim != 0 || f->metric != VSS_METRIC_NONE)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": only a vector has dim and metric", f->name);
    if (f->flags & VSS_FIELD_PRIMARY)
        return schema_check_key(f, err);
    if (f->flags & VSS_FIELD_AUTO_ID)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": auto_id is for the primary field", f->name);
    if (f->default_json != NULL && strlen(f->default_json) > VSSI_DEFAULT_MAX)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default has more than %u bytes", f->name,
                         VSSI_DEFAULT_MAX);
    return VSS_OK;
}

static vss_status schema_check(const vss_schema *open, vss_error *err)
{
    if (open->n_fields < 1 || open->n_fields > VSS_MAX_FIELDS)
        return vssi_fail(err, VSS_ERR_INVALID, "a schema has 1 to %u fields, this one %zu", VSS_MAX_FIELDS,
                         open->n_fields);
    size_t keys = 0, vectors = 0;
    for (size_t i = 0; i < open->n_fields; i++) {
        const vss_field *f = open->fields[i];
        VSSI_TRY(schema_check_field(f, i, err));
        keys += (f->flags & VSS_FIELD_PRIMARY) != 0;
        vectors += vssi_type_is_vector(f->type);
        for (size_t j = 0; j < i; j++)
            if (strcmp(open->fields[j]->name, f->name) == 0)
                return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\" is there twice", f->name);
    }
    if (keys != 1)
        return vssi_fail(err, VSS_ERR_INVALID, "a schema has one primary field, this one %zu", keys);
    if (vectors == 0)
        return vssi_fail(err, VSS_ERR_INVALID, "a schema has at least one vector field");
    return VSS_OK;
}

static vss_metric schema_default_metric(vss_type type)
{
    if (type == VSS_TYPE_VECTOR_BINARY)
        return VSS_METRIC_HAMMING;
    return type == VSS_TYPE_VECTOR_I8 || type == VSS_TYPE_VECTOR_U8 ? VSS_METRIC_L2 : VSS_METRIC_COSINE;
}

static vss_status schema_copy_field(vssi_heap *heap, const vss_field *from, vssi_field *f, vss_error *err)
{
    f->type = from->type;
    f->element = from->element;
    f->dim = from->dim;
    f->metric = from->metric;
    f->flags = from->flags;
    if (vssi_type_is_vector(f->type) && f->metric == VSS_METRIC_NONE)
        f->metric = schema_default_metric(f->type);
    VSSI_TRY(vssi_strdup(heap, from->name, strlen(from->name), &f->name, err));
    if (from->default_json == NULL)
        return VSS_OK;
    VSSI_TRY(vssi_strdup(heap, from->default_json, strlen(from->default_json), &f->default_json, err));
    return vssi_schema_default(heap, f, &f->fallback, err);
}

/* The public view, which points into the fields. */
static vss_status schema_open_view(vssi_schema *s, vss_error *err)
{
    VSSI_TRY(vssi_alloc_zero(s->heap, s->n_fields, sizeof *s->open_fields, &s->open_fields, err));
    VSSI_TRY(vssi_alloc_zero(s->heap, s->n_fields, sizeof *s->open_pointers, &s->open_pointers, err));
    for (size_t i = 0; i < s->n_fields; i++) {
        const vssi_field *f = &s->fields[i];
        s->open_fields[i] = (vss_field){.struct_size = sizeof(vss_field), .name = f->name, .type = f->type,
                                        .element = f->element, .dim = f->dim, .metric = f->metric,
                                        .flags = f->flags, .default_json = f->default_json};
        s->open_pointers[i] = &s->open_fields[i];
    }
    s->open = (vss_schema){.struct_size = sizeof(vss_schema), .n_fields = s->n_fields, .fields = s->open_pointers};
    return VSS_OK;
}

/* ids NULL: 1, 2, ... */
static vss_status schema_make(vssi_heap *heap, const vss_schema *open, const uint32_t *ids, vssi_schema **out,
                              vss_error *err)
{
    vssi_schema *s;
    vss_status status;
    *out = NULL;
    VSSI_TRY(schema_check(open, err));
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *s, &s, err));
    s->heap = heap;
    VSSI_TRY_GOTO(vssi_alloc_zero(heap, open->n_fields, sizeof *s->fields, &s->fields, err), failed);
    s->n_fields = open->n_fields;
    for (size_t i = 0; i < s->n_fields; i++) {
        s->fields[i].id = ids != NULL ? ids[i] : (uint32_t)i + 1;
        VSSI_TRY_GOTO(schema_copy_field(heap, open->fields[i], &s->fields[i], err), failed);
        if (s->fields[i].flags & VSS_FIELD_PRIMARY)
            s->key = i;
    }
    VSSI_TRY_GOTO(schema_open_view(s, err), failed);
    VSSI_TRY_GOTO(vssi_schema_print(heap, s, &s->json, err), failed);
    *out = s;
    return VSS_OK;
failed:
    vssi_schema_free(s);
    return status;
}

vss_status vssi_schema_create(vssi_heap *heap, const vss_schema *open, vssi_schema **out, vss_error *err)
{
    return schema_make(heap, open, NULL, out, err);
}

void vssi_schema_free(vssi_schema *schema)
{
    if (schema == NULL)
        return;
    vssi_heap *heap = schema->heap;
    for (size_t i = 0; i < schema->n_fields; i++) {
        vssi_free(heap, schema->fields[i].name);
        vssi_free(heap, schema->fields[i].default_json);
        vssi_column_free(schema->fields[i].fallback);
    }
    vssi_free(heap, schema->fields);
    vssi_free(heap, schema->open_fields);
    vssi_free(heap, schema->open_pointers);
    vssi_free(heap, schema->json);
    vssi_free(heap, schema);
}

void vssi_schema_encode(const vssi_schema *schema, vssi_writer *w)
{
    vssi_write32(w, (uint32_t)schema->n_fields);
    for (size_t i = 0; i < schema->n_fields; i++) {
        const vssi_field *f = &schema->fields[i];
        vssi_write32(w, f->id);
        vssi_write_text(w, f->name, strlen(f->name));
        vssi_write8(w, (uint8_t)f->type);
        vssi_write8(w, (uint8_t)f->element);
        vssi_write8(w, (uint8_t)f->metric);
        vssi_write8(w, f->default_json != NULL);
        vssi_write32(w, f->dim);
        vssi_write32(w, f->flags);
        if (f->default_json != NULL)
            vssi_write_text(w, f->default_json, strlen(f->default_json));
    }
}

/* Fields as they come out of the reader, before they are validated. */
typedef struct schema_draft {
    size_t n;
    vss_field *fields;
    const vss_field **pointers;
    char **texts; /* [2 * n] names and defaults */
    uint32_t *ids;
} schema_draft;

static void schema_draft_free(vssi_heap *heap, schema_draft *d)
{
    for (size_t i = 0; d->texts != NULL && i < 2 * d->n; i++)
        vssi_free(heap, d->texts[i]);
    vssi_free(heap, d->texts);
    vssi_free(heap, d->fields);
    vssi_free(heap, d->pointers);
    vssi_free(heap, d->ids);
}

static vss_status schema_read_text(vssi_heap *heap, vssi_reader *r, char **out, vss_error *err)
{
    size_t size;
    const char *text = vssi_read_text(r, &size);
    if (text == NULL || r->bad)
        return vssi_fail(err, VSS_ERR_CORRUPT, "schema: a text ends past the end");
    if (memchr(text, 0, size) != NULL || !vssi_utf8_valid(text, size))
        return vssi_fail(err, VSS_ERR_CORRUPT, "schema: a text is not UTF-8");
    return vssi_strdup(heap, text, size, out, err);
}

static vss_status schema_read_field(vssi_heap *heap, vssi_reader *r, schema_draft *d, size_t i, vss_error *err)
{
    vss_field *f = &d->fields[i];
    f->struct_size = sizeof *f;
    d->ids[i] = vssi_read32(r);
    VSSI_TRY(schema_read_text(heap, r, &d->texts[2 * i], err));
    f->name = d->texts[2 * i];
    f->type = (vss_type)vssi_read8(r);
    f->element = (vss_type)vssi_read8(r);
    f->metric = (vss_metric)vssi_read8(r);
    const uint8_t has_default = vssi_read8(r);
    f->dim = vssi_read32(r);
    f->flags = vssi_read32(r);
    if (has_default > 1)
        return vssi_fail(err, VSS_ERR_CORRUPT, "schema: field %u has default mark %u", d->ids[i], has_default);
    if (has_default) {
        VSSI_TRY(schema_read_text(heap, r, &d->texts[2 * i + 1], err));
        f->default_json = d->texts[2 * i + 1];
    }
    if (d->ids[i] == 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "schema: a field has id 0");
    if (vssi_type_is_vector(f->type) && f->metric == VSS_METRIC_NONE)
        return vssi_fail(err, VSS_ERR_CORRUPT, "schema: vector field %u has no metric", d->ids[i]);
    for (size_t j = 0; j < i; j++)
        if (d->ids[j] == d->ids[i])
            return vssi_fail(err, VSS_ERR_CORRUPT, "schema: two fields have id %u", d->ids[i]);
    return VSS_OK;
}

static vss_status schema_read(vssi_heap *heap, vssi_reader *r, schema_draft *d, vss_error *err)
{
    const uint32_t n = vssi_read32(r);
    if (r->bad || n == 0 || n > VSS_MAX_FIELDS)
        return vssi_fail(err, VSS_ERR_CORRUPT, "schema: %u fields, must be 1 to %u", n, VSS_MAX_FIELDS);
    VSSI_TRY(vssi_alloc_zero(heap, n, sizeof *d->fields, &d->fields, err));
    VSSI_TRY(vssi_alloc_zero(heap, n, sizeof *d->pointers, &d->pointers, err));
    VSSI_TRY(vssi_alloc_zero(heap, n, sizeof *d->ids, &d->ids, err));
    VSSI_TRY(vssi_alloc_zero(heap, (size_t)2 * n, sizeof *d->texts, &d->texts, err));
    d->n = n;
    for (size_t i = 0; i < n; i++) {
        VSSI_TRY(schema_read_field(heap, r, d, i, err));
        d->pointers[i] = &d->fields[i];
    }
    return r->bad ? vssi_fail(err, VSS_ERR_CORRUPT, "schema: ends too early") : VSS_OK;
}

vss_status vssi_schema_decode(vssi_heap *heap, vssi_reader *r, vssi_schema **out, vss_error *err)
{
    schema_draft draft = {0};
    vss_error why = {0};
    *out = NULL;
    vss_status status = schema_read(heap, r, &draft, err);
    if (status == VSS_OK) {
        const vss_schema open = {sizeof(vss_schema), draft.n, draft.pointers};
        status = schema_make(heap, &open, draft.ids, out, &why);
        if (status == VSS_ERR_INVALID)
            status = vssi_fail(err, VSS_ERR_CORRUPT, "schema: %s", why.message);
        else if (status == VSS_ERR_UNSUPPORTED)
            status = vssi_fail(err, VSS_ERR_NEWER_FORMAT, "schema: %s", why.message);
        else if (status != VSS_OK)
            status = vssi_fail(err, status, "%s", why.message);
    }
    schema_draft_free(heap, &draft);
    return status;
}

size_t vssi_schema_find(const vssi_schema *schema, const char *name, size_t name_size)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        if (strlen(schema->fields[i].name) == name_size && memcmp(schema->fields[i].name, name, name_size) == 0)
            return i;
    return SIZE_MAX;
}

const vssi_field *vssi_schema_field(const vssi_schema *schema, uint32_t id)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        if (schema->fields[i].id == id)
            return &schema->fields[i];
    return NULL;
}

vss_status vssi_schema_vector_field(const vssi_schema *schema, const char *name, size_t *index, vss_error *err)
{
    size_t found = SIZE_MAX;
    *index = SIZE_MAX;
    if (name != NULL) {
        found = vssi_schema_find(schema, name, strlen(name));
        if (found == SIZE_MAX)
            return vssi_fail(err, VSS_ERR_NOT_FOUND, "field \"%s\": there is none of that name", name);
        if (!vssi_type_is_vector(schema->fields[found].type))
            return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\" is no vector", name);
        *index = found;
        return VSS_OK;
    }
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (!vssi_type_is_vector(schema->fields[i].type))
            continue;
        if (found != SIZE_MAX)
            return vssi_fail(err, VSS_ERR_INVALID,
                             "name a vector field: there are several, \"%s\" and \"%s\" among them",
                             schema->fields[found].name, schema->fields[i].name);
        found = i;
    }
    assert(found != SIZE_MAX);
    *index = found;
    return VSS_OK;
}
