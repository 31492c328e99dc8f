/*
 * schema_json.c - a schema as JSON: the file that vss_schema_parse reads, and the same text written
 *
 * Reading checks form (members, types, names of types and metrics); whether the fields make a schema is decided in
 * schema.c. Cost: linear in the text. No locks.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../base/fail.h"
#include "schema_private.h"

/* What vss_schema_parse returns is the first member; vss_schema_free finds the rest behind it. */
typedef struct schema_file {
    vss_schema open;
    size_t n;
    vss_field *fields;
    const vss_field **pointers;
    char **texts; /* [2 * n] names and defaults */
} schema_file;

bool vssi_json_depth_ok(const char *text, size_t size)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > VSSI_JSON_DEPTH)
                return false;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

static vss_type schema_type_by_name(const char *name, size_t size)
{
    static const vss_type types[] = {
        VSS_TYPE_BOOL,       VSS_TYPE_INT8,        VSS_TYPE_INT16,      VSS_TYPE_INT32,     VSS_TYPE_INT64,
        VSS_TYPE_FLOAT32,    VSS_TYPE_FLOAT64,     VSS_TYPE_STRING,     VSS_TYPE_JSON,      VSS_TYPE_TIMESTAMP,
        VSS_TYPE_VECTOR_F32, VSS_TYPE_VECTOR_F16,  VSS_TYPE_VECTOR_BF16, VSS_TYPE_VECTOR_I8, VSS_TYPE_VECTOR_U8,
        VSS_TYPE_VECTOR_BINARY};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strlen(vss_type_name(types[i])) == size && memcmp(vss_type_name(types[i]), name, size) == 0)
            return types[i];
    return VSS_TYPE_NONE;
}

static vss_status schema_take_type(const json_t *value, vss_field *f, vss_error *err)
{
    static const char array[] = "array<";
    const size_t prefix = sizeof array - 1;
    if (!json_is_string(value))
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": \"type\" is no string", f->name);
    const char *text = json_string_value(value);
    const size_t size = json_string_length(value);
    if (size > prefix + 1 && memcmp(text, array, prefix) == 0 && text[size - 1] == '>') {
        f->element = schema_type_by_name(text + prefix, size - prefix - 1);
        if (f->element != VSS_TYPE_NONE)
            f->type = VSS_TYPE_ARRAY;
    } else {
        f->type = schema_type_by_name(text, size);
    }
    if (f->type == VSS_TYPE_NONE)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": unknown type \"%.80s\"", f->name, text);
    return VSS_OK;
}

static vss_status schema_take_metric(const json_t *value, vss_field *f, vss_error *err)
{
    if (!json_is_string(value))
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": \"metric\" is no string", f->name);
    for (vss_metric m = VSS_METRIC_L2; m <= VSS_METRIC_JACCARD; m = (vss_metric)(m + 1))
        if (strcmp(vss_metric_name(m), json_string_value(value)) == 0) {
            f->metric = m;
            return VSS_OK;
        }
    return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": unknown metric \"%.80s\", there are l2, ip, cosine, hamming, "
                     "jaccard", f->name, json_string_value(value));
}

static vss_status schema_take_flag(const json_t *value, const char *member, uint32_t flag, vss_field *f,
                                   vss_error *err)
{
    if (!json_is_boolean(value))
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": \"%s\" is neither true nor false", f->name, member);
    if (json_is_true(value))
        f->flags |= flag;
    return VSS_OK;
}

static vss_status schema_take_dim(const json_t *value, vss_field *f, vss_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > VSS_MAX_DIM)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": \"dim\" must be an integer, 1 to %u", f->name,
                         VSS_MAX_DIM);
    f->dim = (uint32_t)json_integer_value(value);
    return VSS_OK;
}

static vss_status schema_take_default(vssi_heap *heap, const json_t *value, vss_field *f, char **text, vss_error *err)
{
    const size_t flags = JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17);
    const size_t size = json_dumpb(value, NULL, 0, flags);
    VSSI_TRY(vssi_alloc_zero(heap, size + 1, 1, text, err));
    if (json_dumpb(value, *text, size, flags) != size)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": the default can't be written as JSON", f->name);
    f->default_json = *text;
    return VSS_OK;
}

static vss_status schema_take_member(vssi_heap *heap, const char *member, const json_t *value, vss_field *f,
                                     char **default_text, vss_error *err)
{
    if (strcmp(member, "name") == 0)
        return VSS_OK;
    if (strcmp(member, "type") == 0)
        return schema_take_type(value, f, err);
    if (strcmp(member, "metric") == 0)
        return schema_take_metric(value, f, err);
    if (strcmp(member, "dim") == 0)
        return schema_take_dim(value, f, err);
    if (strcmp(member, "default") == 0)
        return schema_take_default(heap, value, f, default_text, err);
    if (strcmp(member, "primary") == 0)
        return schema_take_flag(value, member, VSS_FIELD_PRIMARY, f, err);
    if (strcmp(member, "auto_id") == 0)
        return schema_take_flag(value, member, VSS_FIELD_AUTO_ID, f, err);
    if (strcmp(member, "nullable") == 0)
        return schema_take_flag(value, member, VSS_FIELD_NULLABLE, f, err);
    return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\": unknown member \"%.80s\"", f->name, member);
}

static vss_status schema_take_field(vssi_heap *heap, json_t *json, size_t i, schema_file *file, vss_error *err)
{
    vss_field *f = &file->fields[i];
    const char *member;
    json_t *value;
    f->struct_size = sizeof *f;
    file->pointers[i] = f;
    if (!json_is_object(json))
        return vssi_fail(err, VSS_ERR_INVALID, "schema: field %zu is no object", i);
    value = json_object_get(json, "name");
    if (!json_is_string(value))
        return vssi_fail(err, VSS_ERR_INVALID, "schema: field %zu has no \"name\" that is a string", i);
    VSSI_TRY(vssi_strdup(heap, json_string_value(value), json_string_length(value), &file->texts[2 * i], err));
    f->name = file->texts[2 * i];
    json_object_foreach(json, member, value)
        VSSI_TRY(schema_take_member(heap, member, value, f, &file->texts[2 * i + 1], err));
    if (f->type == VSS_TYPE_NONE)
        return vssi_fail(err, VSS_ERR_INVALID, "field \"%s\" has no \"type\"", f->name);
    return VSS_OK;
}

static vss_status schema_take_fields(vssi_heap *heap, const json_t *root, schema_file *file, vss_error *err)
{
    const json_t *fields = json_object_get(root, "fields");
    if (!json_is_object(root) || !json_is_array(fields))
        return vssi_fail(err, VSS_ERR_INVALID, "schema: not {\"fields\": [...]}");
    if (json_object_size(root) != 1)
        return vssi_fail(err, VSS_ERR_INVALID, "schema: there is another member beside \"fields\"");
    const size_t n = json_array_size(fields);
    if (n < 1 || n > VSS_MAX_FIELDS)
        return vssi_fail(err, VSS_ERR_INVALID, "a schema has 1 to %u fields, this one %zu", VSS_MAX_FIELDS, n);
    VSSI_TRY(vssi_alloc_zero(heap, n, sizeof *file->fields, &file->fields, err));
    VSSI_TRY(vssi_alloc_zero(heap, n, sizeof *file->pointers, &file->pointers, err));
    VSSI_TRY(vssi_alloc_zero(heap, 2 * n, sizeof *file->texts, &file->texts, err));
    file->n = n;
    for (size_t i = 0; i < n; i++)
        VSSI_TRY(schema_take_field(heap, json_array_get(fields, i), i, file, err));
    file->open = (vss_schema){.struct_size = sizeof(vss_schema), .n_fields = n, .fields = file->pointers};
    return VSS_OK;
}

VSS_API vss_status vss_schema_parse(const char *json, size_t size, vss_schema **schema, vss_error *err)
{
    vssi_heap *heap = vssi_heap_default();
    json_error_t where;
    schema_file *file;
    if (schema == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "schema is NULL");
    *schema = NULL;
    if (json == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "json is NULL");
    if (size > VSSI_JSON_MAX)
        return vssi_fail(err, VSS_ERR_INVALID, "schema: %zu bytes, at most %u are read", size, VSSI_JSON_MAX);
    if (!vssi_json_depth_ok(json, size))
        return vssi_fail(err, VSS_ERR_INVALID, "schema: nested more than %u deep", VSSI_JSON_DEPTH);
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "schema: line %d, column %d: %s", where.line, where.column, where.text);
    vss_status status = vssi_alloc_zero(heap, 1, sizeof *file, &file, err);
    if (status == VSS_OK) {
        status = schema_take_fields(heap, root, file, err);
        if (status == VSS_OK)
            *schema = &file->open;
        else
            vss_schema_free(&file->open);
    }
    json_decref(root);
    return status;
}

VSS_API void vss_schema_free(vss_schema *schema)
{
    if (schema == NULL)
        return;
    vssi_heap *heap = vssi_heap_default();
    schema_file *file = (schema_file *)schema;
    for (size_t i = 0; i < 2 * file->n; i++)
        vssi_free(heap, file->texts[i]);
    vssi_free(heap, file->texts);
    vssi_free(heap, file->fields);
    vssi_free(heap, file->pointers);
    vssi_free(heap, file);
}

static void schema_print_text(vssi_writer *w, const char *text)
{
    vssi_write_bytes(w, text, strlen(text));
}

/* "member": "value", the value needing no escape. */
static void schema_print_member(vssi_writer *w, const char *member, const char *value)
{
    schema_print_text(w, ", \"");
    schema_print_text(w, member);
    schema_print_text(w, "\": \"");
    schema_print_text(w, value);
    schema_print_text(w, "\"");
}

static void schema_print_field(vssi_writer *w, const vssi_field *f)
{
    char text[64];
    schema_print_text(w, "{\"name\": \"");
    schema_print_text(w, f->name);
    schema_print_text(w, "\"");
    snprintf(text, sizeof text, f->type == VSS_TYPE_ARRAY ? "array<%s>" : "%s",
             vss_type_name(f->type == VSS_TYPE_ARRAY ? f->element : f->type));
    schema_print_member(w, "type", text);
    if (f->flags & VSS_FIELD_PRIMARY)
        schema_print_text(w, ", \"primary\": true");
    if (f->flags & VSS_FIELD_AUTO_ID)
        schema_print_text(w, ", \"auto_id\": true");
    if (f->flags & VSS_FIELD_NULLABLE)
        schema_print_text(w, ", \"nullable\": true");
    if (f->default_json != NULL) {
        schema_print_text(w, ", \"default\": ");
        schema_print_text(w, f->default_json);
    }
    if (vssi_type_is_vector(f->type)) {
        snprintf(text, sizeof text, ", \"dim\": %u", f->dim);
        schema_print_text(w, text);
        schema_print_member(w, "metric", vss_metric_name(f->metric));
    }
    schema_print_text(w, "}");
}

vss_status vssi_schema_print(vssi_heap *heap, const vssi_schema *schema, char **out, vss_error *err)
{
    vssi_writer w = {.heap = heap, .err = err};
    *out = NULL;
    schema_print_text(&w, "{\"fields\": [");
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (i > 0)
            schema_print_text(&w, ", ");
        schema_print_field(&w, &schema->fields[i]);
    }
    schema_print_text(&w, "]}");
    vssi_write8(&w, 0);
    if (w.status != VSS_OK) {
        vssi_free(heap, w.data);
        return w.status;
    }
    *out = (char *)w.data;
    return VSS_OK;
}
