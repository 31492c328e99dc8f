/*
 * schema_private.h - what the files of the schema share
 */
#ifndef VSSI_SCHEMA_PRIVATE_H
#define VSSI_SCHEMA_PRIVATE_H

#include "schema.h"

#define VSSI_JSON_DEPTH 64u          /* nesting of a JSON text that is parsed */
#define VSSI_JSON_MAX 16777216u      /* bytes of one */
#define VSSI_DEFAULT_MAX 1048576u    /* bytes of a default's JSON text */

/* schema_json.c. Are brackets and braces nested at most VSSI_JSON_DEPTH deep? Looks at nothing else. */
bool vssi_json_depth_ok(const char *text, size_t size);
/* The text form of a validated schema into *out, ended by NUL. */
vss_status vssi_schema_print(vssi_heap *heap, const vssi_schema *schema, char **out, vss_error *err);

/* schema_default.c. The value of field->default_json as a column of one row. INVALID names the field. */
vss_status vssi_schema_default(vssi_heap *heap, const vssi_field *field, vssi_column **out, vss_error *err);

#endif
