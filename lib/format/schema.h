/*
 * schema.h - a collection's fields, inside the library: validated once, then immutable
 */
#ifndef VSSI_SCHEMA_H
#define VSSI_SCHEMA_H

#include <stdbool.h>

#include "../base/bytes.h"
#include "column.h"
#include "vss/schema.h"

/* One field. id is permanent: stored blocks name it, so that a field can be renamed or dropped later. */
typedef struct vssi_field {
    uint32_t id; /* from 1 */
    char *name;
    vss_type type;
    vss_type element;
    uint32_t dim;
    vss_metric metric;
    uint32_t flags;
    char *default_json;            /* NULL: none */
    struct vssi_column *fallback;  /* one row: the default's value; NULL: none */
} vssi_field;

typedef struct vssi_schema {
    vssi_heap *heap;
    size_t n_fields;
    vssi_field *fields;
    size_t key;        /* index of the key field */
    vss_schema open;   /* the public view of the same fields */
    vss_field *open_fields;
    const vss_field **open_pointers;
    char *json;        /* the text form */
} vssi_schema;

/* Validate and copy; ids are given from 1 in order. INVALID names the field. At least one vector field is required.
 * Metrics: vectors of numbers take l2, ip and cosine (the default of floats; of integers l2), binary ones hamming (the
 * default) and jaccard. */
vss_status vssi_schema_create(vssi_heap *heap, const vss_schema *open, vssi_schema **out, vss_error *err);
void vssi_schema_free(vssi_schema *schema);

/* The manifest's form of a schema (docs/format.md). Decode validates as create does: CORRUPT. */
void vssi_schema_encode(const vssi_schema *schema, vssi_writer *w);
vss_status vssi_schema_decode(vssi_heap *heap, vssi_reader *r, vssi_schema **out, vss_error *err);

/* Index of the field, or SIZE_MAX. */
size_t vssi_schema_find(const vssi_schema *schema, const char *name, size_t name_size);
/* The field of that id, or NULL. */
const vssi_field *vssi_schema_field(const vssi_schema *schema, uint32_t id);
/* The field a search means: by name, or the only vector field when name is NULL. INVALID or NOT_FOUND. */
vss_status vssi_schema_vector_field(const vssi_schema *schema, const char *name, size_t *index, vss_error *err);

static inline bool vssi_type_is_text(vss_type type) { return type == VSS_TYPE_STRING || type == VSS_TYPE_JSON; }

#endif
