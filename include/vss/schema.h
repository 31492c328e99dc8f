/*
 * vss/schema.h - what a collection's rows are made of
 *
 * One field is the key (int64 or string). Names match [A-Za-z_][A-Za-z0-9_]{0,254}. At most 256 fields.
 */
#ifndef VSS_SCHEMA_H
#define VSS_SCHEMA_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VSS_MAX_DIM 32768u
#define VSS_MAX_FIELDS 256u

typedef enum vss_field_flags {
    VSS_FIELD_PRIMARY = 1,  /* the key: int64 or string, never null, unique */
    VSS_FIELD_AUTO_ID = 2,  /* with PRIMARY and int64: the library counts up from 0 and never reuses a number */
    VSS_FIELD_NULLABLE = 4  /* scalars and arrays only */
} vss_field_flags;

typedef struct vss_field {
    uint32_t struct_size;
    const char *name;
    vss_type type;
    vss_type element;         /* of an array; else 0 */
    uint32_t dim;             /* of a vector: 1 to 32,768; else 0 */
    vss_metric metric;        /* of a vector; 0 means cosine for floats, l2 for i8 and u8, hamming for binary */
    uint32_t flags;           /* vss_field_flags */
    const char *default_json; /* the value of rows that don't name the field, as JSON text; NULL: none */
} vss_field;

typedef struct vss_schema {
    uint32_t struct_size;
    size_t n_fields;
    const vss_field *const *fields;
} vss_schema;

/* Read a schema file: {"fields": [{"name", "type", "primary"?, "auto_id"?, "nullable"?, "default"?, "dim"?,
 * "metric"?}]} with types bool int8 int16 int32 int64 float32 float64 string json timestamp array<T>
 * vector<f32|f16|bf16|i8|u8|binary>. An unknown member is refused. The schema is the caller's: vss_schema_free.
 * INVALID names line or field; NO_MEMORY. */
VSS_API vss_status vss_schema_parse(const char *json, size_t size, vss_schema **schema, vss_error *err);
VSS_API void vss_schema_free(vss_schema *schema); /* of vss_schema_parse; NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
