/*
 * vector_types.c - vectors of every type a field may have
 */
#include "vector_types.h"

#include <string.h>

#include "tool.h"

static const struct {
    const char *name;
    vss_type type;
    uint32_t bits; /* of a component */
} types_known[] = {
    {"f32", VSS_TYPE_VECTOR_F32, 32}, {"f16", VSS_TYPE_VECTOR_F16, 16}, {"bf16", VSS_TYPE_VECTOR_BF16, 16},
    {"i8", VSS_TYPE_VECTOR_I8, 8},    {"u8", VSS_TYPE_VECTOR_U8, 8},    {"binary", VSS_TYPE_VECTOR_BINARY, 1},
};
enum { TYPES_KNOWN = sizeof types_known / sizeof types_known[0] };

vss_type cli_dtype_parse(const char *name)
{
    for (size_t i = 0; i < TYPES_KNOWN; i++)
        if (strcmp(types_known[i].name, name) == 0)
            return types_known[i].type;
    return VSS_TYPE_NONE;
}

const char *cli_dtype_name(vss_type type)
{
    for (size_t i = 0; i < TYPES_KNOWN; i++)
        if (types_known[i].type == type)
            return types_known[i].name;
    return "none";
}

vss_type cli_vectors_given(vss_type type)
{
    return type == VSS_TYPE_VECTOR_F16 || type == VSS_TYPE_VECTOR_BF16 ? VSS_TYPE_VECTOR_F32 : type;
}

size_t cli_vector_size(vss_type type, uint32_t dim)
{
    for (size_t i = 0; i < TYPES_KNOWN; i++)
        if (types_known[i].type == type)
            return (size_t)dim * types_known[i].bits / 8;
    return 0;
}

static double types_brain(uint16_t brain)
{
    uint32_t bits = (uint32_t)brain << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static double types_component(vss_type type, const unsigned char *vector, uint32_t i)
{
    uint16_t pattern;
    float value;
    switch (type) {
    case VSS_TYPE_VECTOR_F32: memcpy(&value, vector + (size_t)i * 4, 4); return (double)value;
    case VSS_TYPE_VECTOR_F16: memcpy(&pattern, vector + (size_t)i * 2, 2); return (double)cli_half(pattern);
    case VSS_TYPE_VECTOR_BF16: memcpy(&pattern, vector + (size_t)i * 2, 2); return types_brain(pattern);
    case VSS_TYPE_VECTOR_I8: return (int8_t)vector[i];
    case VSS_TYPE_VECTOR_U8: return vector[i];
    default: return vector[i / 8] >> (i % 8) & 1;
    }
}

void cli_vector_widen(vss_type type, const void *vector, uint32_t dim, double *out)
{
    for (uint32_t i = 0; i < dim; i++)
        out[i] = types_component(type, vector, i);
}

vss_status cli_vectors_dim(const cli_vectors *v, vss_type type, uint32_t *dim, vss_error *err)
{
    bool bits = type == VSS_TYPE_VECTOR_BINARY, bytes = bits || type == VSS_TYPE_VECTOR_U8;
    bool fits = bytes ? v->element == CLI_U8 : type != VSS_TYPE_VECTOR_I8 || v->element == CLI_I8;
    *dim = bits ? v->dim * 8 : v->dim;
    if (!fits)
        return cli_fail(err, VSS_ERR_INVALID, "%s: elements of type %s do not go into %s, expected %s", v->path,
                        cli_element_name(v->element), vss_type_name(type), bytes ? "u1" : "i1");
    return VSS_OK;
}

vss_status cli_vectors_match(const cli_vectors *v, const vss_field *field, vss_error *err)
{
    uint32_t dim;
    CLI_TRY(cli_vectors_dim(v, field->type, &dim, err));
    if (dim == field->dim)
        return VSS_OK;
    if (field->type == VSS_TYPE_VECTOR_BINARY)
        return cli_fail(err, VSS_ERR_INVALID, "%s: %u columns, which are %u bits, field \"%s\" has dimension %u",
                        v->path, v->dim, dim, field->name, field->dim);
    return cli_fail(err, VSS_ERR_INVALID, "%s: %u columns, field \"%s\" has dimension %u", v->path, v->dim,
                    field->name, field->dim);
}

vss_status cli_vectors_read_as(cli_vectors *v, vss_type type, uint64_t first, uint64_t n, void *out, vss_error *err)
{
    if (cli_vectors_given(type) == VSS_TYPE_VECTOR_F32)
        return cli_vectors_read(v, first, n, out, err);
    return cli_vectors_read_bytes(v, first, n, out, err);
}
