/*
 * specimen.c - fill columns of any schema from row numbers, and the collections made so
 */
#include "specimen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/hash.h"
#include "mend.h"

#define SPECIMEN_TEXT 32 /* bytes that a generated text has at most */

/* A column and all that it points to. */
typedef struct specimen_column {
    vss_column view;
    vss_column child;
    uint8_t *validity;
    int64_t *offsets, *child_offsets;
    uint8_t *data;
} specimen_column;

static void specimen_must(vss_status status, const vss_error *err, const char *what)
{
    if (status == VSS_OK)
        return;
    fprintf(stderr, "specimen: %s: %s: %s\n", what, vss_status_name(status), err->message);
    abort();
}

static void *specimen_room(size_t size)
{
    void *block = calloc(size + 1, 1);
    if (block == NULL)
        abort();
    return block;
}

float specimen_component(int64_t row, uint32_t i)
{
    uint64_t state = (uint64_t)row * 131 + i;
    return (float)((double)(vssi_random_next(&state) >> 40) / (1 << 23) - 1 + 0x1p-25);
}

static size_t specimen_text(const vss_field *f, int64_t row, char *out)
{
    if (f->flags & VSS_FIELD_PRIMARY)
        return (size_t)snprintf(out, SPECIMEN_TEXT, "k%04lld", (long long)row);
    if (f->type == VSS_TYPE_JSON)
        return (size_t)snprintf(out, SPECIMEN_TEXT, "{\"a\": %lld}", (long long)row);
    return (size_t)snprintf(out, SPECIMEN_TEXT, "s\xc3\xa9%lld", (long long)(row % 7));
}

/* One value of a type without structure, as value number at of data. */
static void specimen_value(const vss_field *f, vss_type type, int64_t row, size_t at, uint8_t *data)
{
    const int64_t number = f->flags & VSS_FIELD_PRIMARY ? row : row * 7 % 100 - 20;
    const double real = (double)row / 2;
    const float real32 = (float)real;
    const int64_t micros = 1700000000000000 + row * 1000000000;
    switch (type) {
    case VSS_TYPE_BOOL:
        data[at / 8] = (uint8_t)(data[at / 8] | (row % 2) << (at % 8));
        break;
    case VSS_TYPE_INT8:
        data[at] = (uint8_t)number;
        break;
    case VSS_TYPE_INT16:
        memcpy(data + at * 2, &number, 2);
        break;
    case VSS_TYPE_INT32:
        memcpy(data + at * 4, &number, 4);
        break;
    case VSS_TYPE_FLOAT32:
        memcpy(data + at * 4, &real32, 4);
        break;
    case VSS_TYPE_FLOAT64:
        memcpy(data + at * 8, &real, 8);
        break;
    case VSS_TYPE_TIMESTAMP:
        memcpy(data + at * 8, &micros, 8);
        break;
    default:
        memcpy(data + at * 8, &number, 8);
    }
}

/* n texts or numbers of a type. offsets [n + 1] are for texts. */
static void specimen_values(const vss_field *f, vss_type type, int64_t first, size_t n, int64_t *offsets,
                            uint8_t *data)
{
    size_t at = 0;
    for (size_t r = 0; r < n; r++) {
        const int64_t row = first + (int64_t)r;
        if (type == VSS_TYPE_STRING || type == VSS_TYPE_JSON) {
            at += specimen_text(f, row, (char *)data + at);
            offsets[r + 1] = (int64_t)at;
        } else {
            specimen_value(f, type, row, r, data);
        }
    }
}

static void specimen_vectors(const vss_field *f, int64_t first, size_t n, uint8_t *data)
{
    for (size_t r = 0; r < n; r++)
        for (uint32_t i = 0; i < f->dim; i++) {
            const float x = specimen_component(first + (int64_t)r, i);
            memcpy(data + (r * f->dim + i) * sizeof x, &x, sizeof x);
        }
}

static void specimen_arrays(const vss_field *f, int64_t first, size_t n, specimen_column *c)
{
    for (size_t r = 0; r < n; r++)
        c->offsets[r + 1] = c->offsets[r] + (first + (int64_t)r) % 3;
    c->child_offsets = specimen_room((2 * n + 1) * sizeof(int64_t));
    specimen_values(f, f->element, first, (size_t)c->offsets[n], c->child_offsets, c->data);
    c->child = (vss_column){.struct_size = sizeof c->child, .type = f->element, .length = (uint64_t)c->offsets[n],
                            .data = c->data};
    c->child.offsets = f->element == VSS_TYPE_STRING ? c->child_offsets : NULL;
}

static void specimen_column_make(const vss_field *f, int64_t first, size_t n, specimen_column *c)
{
    *c = (specimen_column){.validity = specimen_room(n / 8 + 1), .offsets = specimen_room((n + 1) * sizeof(int64_t)),
                           .data = specimen_room(n * (f->dim != 0 ? f->dim * sizeof(float) : 2 * SPECIMEN_TEXT))};
    c->view = (vss_column){.struct_size = sizeof c->view, .type = f->type, .dim = f->dim, .length = n,
                           .data = c->data};
    if (f->type == VSS_TYPE_ARRAY) {
        specimen_arrays(f, first, n, c);
        c->view.data = &c->child;
        c->view.offsets = c->offsets;
    } else if (f->dim != 0) {
        specimen_vectors(f, first, n, c->data);
    } else {
        specimen_values(f, f->type, first, n, c->offsets, c->data);
        c->view.offsets = f->type == VSS_TYPE_STRING || f->type == VSS_TYPE_JSON ? c->offsets : NULL;
    }
    for (size_t r = 0; r < n; r++)
        c->validity[r / 8] = (uint8_t)(c->validity[r / 8] | ((first + (int64_t)r) % 5 != 2) << (r % 8));
    if (f->flags & VSS_FIELD_NULLABLE)
        c->view.validity = c->validity;
}

void specimen_insert(vss_collection *col, int64_t first, size_t n)
{
    const vss_schema *schema = vss_collection_schema(col);
    specimen_column columns[VSS_MAX_FIELDS];
    const vss_column *pointers[VSS_MAX_FIELDS];
    const char *names[VSS_MAX_FIELDS];
    vss_batch batch = VSS_INIT(vss_batch);
    vss_error err = {VSS_OK};
    for (size_t i = 0; i < schema->n_fields; i++) {
        specimen_column_make(schema->fields[i], first, n, &columns[i]);
        pointers[i] = &columns[i].view;
        names[i] = schema->fields[i]->name;
    }
    batch.n_columns = schema->n_fields;
    batch.names = names;
    batch.columns = pointers;
    specimen_must(vss_collection_insert(col, &batch, NULL, &err), &err, "insert");
    for (size_t i = 0; i < schema->n_fields; i++) {
        free(columns[i].validity);
        free(columns[i].offsets);
        free(columns[i].child_offsets);
        free(columns[i].data);
    }
}

vss_collection *specimen_create(vss_db *db, const char *name, const char *schema_json)
{
    vss_error err = {VSS_OK};
    vss_schema *schema;
    vss_collection *col;
    specimen_must(vss_schema_parse(schema_json, strlen(schema_json), &schema, &err), &err, "schema");
    specimen_must(vss_collection_create(db, name, schema, &col, &err), &err, "create");
    vss_schema_free(schema);
    return col;
}

/* ---- the collections ---- */

static const char *const specimen_names[SPECIMEN_KINDS] = {"numbers", "texts", "indexed", "tiny", "coded",
                                                            "lists", "products", "nibbles", "halves"};

static const char *const specimen_schemas[SPECIMEN_KINDS] = {
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true},"
    "{\"name\": \"flag\", \"type\": \"bool\", \"nullable\": true}, {\"name\": \"i8\", \"type\": \"int8\"},"
    "{\"name\": \"i16\", \"type\": \"int16\", \"nullable\": true}, {\"name\": \"i32\", \"type\": \"int32\"},"
    "{\"name\": \"i64\", \"type\": \"int64\", \"default\": 5}, {\"name\": \"f32\", \"type\": \"float32\"},"
    "{\"name\": \"f64\", \"type\": \"float64\", \"nullable\": true},"
    "{\"name\": \"name\", \"type\": \"string\", \"nullable\": true}, {\"name\": \"doc\", \"type\": \"json\"},"
    "{\"name\": \"at\", \"type\": \"timestamp\"}, {\"name\": \"tags\", \"type\": \"array<string>\"},"
    "{\"name\": \"nums\", \"type\": \"array<int32>\", \"nullable\": true},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 3, \"metric\": \"l2\"},"
    "{\"name\": \"w\", \"type\": \"vector<f32>\", \"dim\": 2, \"metric\": \"cosine\"}]}",
    "{\"fields\": [{\"name\": \"key\", \"type\": \"string\", \"primary\": true},"
    "{\"name\": \"n\", \"type\": \"int32\", \"nullable\": true},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 2, \"metric\": \"cosine\"},"
    "{\"name\": \"u\", \"type\": \"vector<f32>\", \"dim\": 4, \"metric\": \"ip\"}]}",
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true}, {\"name\": \"n\", \"type\": \"int32\"},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 2, \"metric\": \"l2\"}]}",
    "{\"fields\": [{\"name\": \"key\", \"type\": \"string\", \"primary\": true},"
    "{\"name\": \"s\", \"type\": \"string\", \"nullable\": true},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 2, \"metric\": \"cosine\"}]}",
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true}, {\"name\": \"n\", \"type\": \"int32\"},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 5, \"metric\": \"ip\"}]}",
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true}, {\"name\": \"n\", \"type\": \"int32\"},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 3, \"metric\": \"cosine\"}]}",
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true}, {\"name\": \"n\", \"type\": \"int32\"},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 4, \"metric\": \"l2\"}]}",
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true}, {\"name\": \"n\", \"type\": \"int32\"},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 5, \"metric\": \"cosine\"}]}",
    "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true}, {\"name\": \"n\", \"type\": \"int32\"},"
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 3, \"metric\": \"ip\"}]}"};

static void specimen_flush(vss_collection *col)
{
    vss_error err = {VSS_OK};
    specimen_must(vss_collection_flush(col, &err), &err, "flush");
}

static void specimen_delete(vss_collection *col, const char *filter)
{
    vss_error err = {VSS_OK};
    specimen_must(vss_collection_delete_where(col, filter, NULL, &err), &err, "delete");
    specimen_flush(col);
}

/* The index of a kind; NULL: none. */
static const char *const specimen_indexes[SPECIMEN_KINDS][2] = {
    [SPECIMEN_INDEXED] = {"hnsw", "m=2,ef_construction=8"},
    [SPECIMEN_CODED] = {"flat", "codes=sq8,prefix=4"},
    [SPECIMEN_LISTS] = {"ivf_rabitq", "nlist=9,bits=3"},
    [SPECIMEN_PRODUCTS] = {"ivf_pq", "nlist=9,m=2"},
    [SPECIMEN_NIBBLES] = {"hnsw", "m=2,ef_construction=8,codes=sq4"},
    [SPECIMEN_HALVES] = {"hnsw", "m=2,ef_construction=8,codes=f16"},
};

static void specimen_build(specimen_kind kind, vss_collection *col)
{
    vss_error err = {VSS_OK};
    const char *const *index = specimen_indexes[kind];
    const bool indexed = index[0] != NULL;
    specimen_insert(col, 0, indexed ? 4200 : kind == SPECIMEN_TINY ? 3 : 20);
    specimen_flush(col);
    if (kind == SPECIMEN_TINY)
        return;
    specimen_insert(col, indexed ? 4200 : 20, 13);
    specimen_flush(col);
    if (kind == SPECIMEN_TEXTS) {
        specimen_delete(col, "key == \"k0003\" or key == \"k0021\"");
        return;
    }
    specimen_delete(col, "id in [3, 4, 21, 4205]");
    if (kind == SPECIMEN_NUMBERS) {
        specimen_insert(col, 33, 4);
        specimen_flush(col);
    } else {
        specimen_must(vss_collection_build_index(col, "v", index[0], index[1], NULL, &err), &err, "index");
    }
}

/* Leave nothing but the newest manifest and the objects it names. */
static void specimen_prune(archive *a)
{
    archive kept = {0};
    const archive_file *manifest = NULL;
    for (size_t i = 0; i < a->n_files; i++)
        if (!a->files[i].removed && strstr(a->files[i].name, "/m/") != NULL &&
            (manifest == NULL || strcmp(a->files[i].name, manifest->name) > 0))
            manifest = &a->files[i];
    if (manifest == NULL)
        abort();
    for (size_t i = 0; i < a->n_files; i++) {
        const archive_file *file = &a->files[i];
        const char *below = strchr(file->name, '/') + 1;
        if (!file->removed &&
            (file == manifest || memmem(manifest->data, manifest->size, below, strlen(below)) != NULL))
            archive_set(&kept, file->name, file->data, file->size);
    }
    archive_free(a);
    *a = kept;
}

/* Objects are named "<folder>/<version>-<16 hexadecimal digits>.<kind>": make the digits the file's number. */
static void specimen_rename(archive *a)
{
    archive_file *manifest = NULL;
    for (size_t i = 0; i < a->n_files; i++)
        manifest = strstr(a->files[i].name, "/m/") != NULL ? &a->files[i] : manifest;
    for (size_t i = 0; i < a->n_files; i++) {
        char *digits = strchr(a->files[i].name, '-');
        char fresh[17];
        if (digits == NULL)
            continue;
        uint8_t *there = memmem(manifest->data, manifest->size, digits + 1, 16);
        snprintf(fresh, sizeof fresh, "%016zx", i);
        memcpy(digits + 1, fresh, 16);
        memcpy(there, fresh, 16);
    }
    mend_manifest(manifest->data, manifest->size);
}

const char *specimen_name(specimen_kind kind)
{
    return specimen_names[kind];
}

const char *specimen_schema(specimen_kind kind)
{
    return specimen_schemas[kind];
}

void specimen_make(specimen_kind kind, archive *out)
{
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_error err = {VSS_OK};
    vss_db *db;
    *out = (archive){0};
    archive_storage(out, true, &storage);
    options.storage = &storage;
    specimen_must(vss_db_open("archive", &options, &db, &err), &err, "open");
    specimen_build(kind, specimen_create(db, specimen_names[kind], specimen_schemas[kind]));
    specimen_must(vss_db_close(db, &err), &err, "close");
    specimen_prune(out);
    specimen_rename(out);
}
