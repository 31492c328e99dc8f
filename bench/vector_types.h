/*
 * vector_types.h - the types of vector fields: their names, bytes and components, and how files give them
 *
 * What is handed to the library for a field of a type is called its given type: float32 for f32, f16 and bf16, which
 * the library rounds to nearest even, and the field's own for i8, u8 and binary.
 */
#ifndef CLI_VECTOR_TYPES_H
#define CLI_VECTOR_TYPES_H

#include "vector_file.h"

/* The type of a name: f32 f16 bf16 i8 u8 binary; VSS_TYPE_NONE for another. */
vss_type cli_dtype_parse(const char *name);
const char *cli_dtype_name(vss_type type);

/* The type in which columns and queries for a field are given. */
vss_type cli_vectors_given(vss_type type);
/* Bytes of one vector of dim components (bits of binary). */
size_t cli_vector_size(vss_type type, uint32_t dim);
/* The components of one vector as out[dim]; bits are 0 and 1. */
void cli_vector_widen(vss_type type, const void *vector, uint32_t dim, double *out);

/* Components a row of the file gives to a field of the type: its columns, eight a column for binary. INVALID where the
 * file's elements do not go into the type: floats take every file, i8 takes i8, u8 and binary take u8. */
vss_status cli_vectors_dim(const cli_vectors *vectors, vss_type type, uint32_t *dim, vss_error *err);
/* The same, which must be the field's dimension. */
vss_status cli_vectors_match(const cli_vectors *vectors, const vss_field *field, vss_error *err);
/* Rows [first, first + n) in the given type of a type that the file goes into: out[n][cli_vector_size of it]. */
vss_status cli_vectors_read_as(cli_vectors *vectors, vss_type type, uint64_t first, uint64_t n, void *out,
                               vss_error *err);

#endif
