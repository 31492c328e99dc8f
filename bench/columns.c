/*
 * columns.c - turns JSON values into Arrow-shaped columns
 *
 * Integers go into any numeric field that holds them; reals only into float fields. Nothing is rounded but reals to
 * float32, and by the library float32 to f16 and bf16. A vector is a list of numbers, one of bits a list of 0 and 1.
 */
#include "columns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iso8601.h"
#include "tool.h"
#include "vector_types.h"

static void buffer_append(cli_buffer *buffer, const void *bytes, size_t size)
{
    if (size > buffer->room - buffer->size) {
        buffer->room = 2 * (buffer->size + size) + 64;
        buffer->data = cli_resize(buffer->data, buffer->room, 1);
    }
    if (size > 0)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
}

/* Append bit number at, the one after those there are. */
static void buffer_append_bit(cli_buffer *buffer, uint64_t at, bool bit)
{
    static const unsigned char zero;
    if (at % 8 == 0)
        buffer_append(buffer, &zero, 1);
    if (bit)
        buffer->data[at / 8] = (unsigned char)(buffer->data[at / 8] | 1u << (at % 8));
}

static bool column_is_listed(vss_type type)
{
    return type == VSS_TYPE_STRING || type == VSS_TYPE_JSON || type == VSS_TYPE_ARRAY;
}

static size_t column_width(vss_type type)
{
    switch (type) {
    case VSS_TYPE_INT8: return 1;
    case VSS_TYPE_INT16: return 2;
    case VSS_TYPE_INT32:
    case VSS_TYPE_FLOAT32: return 4;
    default: return 8;
    }
}

void cli_builder_begin(cli_builder *builder, const vss_field *field)
{
    *builder = (cli_builder){.name = field->name, .type = field->type, .element = field->element, .dim = field->dim,
                             .flags = field->flags};
    if (field->default_json)
        builder->fallback = json_loads(field->default_json, JSON_DECODE_ANY, NULL);
    if (field->type == VSS_TYPE_ARRAY) {
        vss_field element = VSS_INIT(vss_field);
        element.name = field->name;
        element.type = field->element;
        builder->child = cli_alloc(1, sizeof *builder->child);
        cli_builder_begin(builder->child, &element);
    }
    cli_builder_clear(builder);
}

void cli_builder_free(cli_builder *builder)
{
    if (builder->child)
        cli_builder_free(builder->child);
    free(builder->child);
    json_decref(builder->fallback);
    free(builder->data.data);
    free(builder->offsets.data);
    free(builder->validity.data);
    *builder = (cli_builder){0};
}

void cli_builder_clear(cli_builder *builder)
{
    static const int64_t zero;
    builder->rows = 0;
    builder->nulls = false;
    builder->data.size = builder->offsets.size = builder->validity.size = 0;
    if (column_is_listed(builder->type))
        buffer_append(&builder->offsets, &zero, sizeof zero);
    if (builder->child)
        cli_builder_clear(builder->child);
}

static const char *column_found(const json_t *value)
{
    static const char *const names[] = {"an object", "an array", "a string", "an integer",
                                        "a real number", "true", "false", "null"};
    return names[json_typeof(value)];
}

static bool column_expected(const cli_builder *builder, const json_t *value, char *why)
{
    snprintf(why, CLI_REASON, "expected %s, got %s", vss_type_name(builder->type), column_found(value));
    return false;
}

static bool column_add_integer(cli_builder *builder, int64_t value, char *why)
{
    size_t width = column_width(builder->type);
    int64_t limit = width < 8 ? INT64_C(1) << (8 * width - 1) : 0;
    if (limit && (value < -limit || value >= limit)) {
        snprintf(why, CLI_REASON, "%lld does not fit %s", (long long)value, vss_type_name(builder->type));
        return false;
    }
    buffer_append(&builder->data, &value, width); /* little-endian, as the columns are */
    return true;
}

static bool column_add_real(cli_builder *builder, const json_t *value, bool single, char *why)
{
    double real = json_number_value(value);
    float rounded = (float)real;
    if (!json_is_number(value))
        return column_expected(builder, value, why);
    if (single && !isfinite(rounded)) {
        snprintf(why, CLI_REASON, "%g does not fit float32", real);
        return false;
    }
    buffer_append(&builder->data, single ? (const void *)&rounded : (const void *)&real, single ? 4 : 8);
    return true;
}

static bool column_add_time(cli_builder *builder, const json_t *value, char *why)
{
    int64_t micros;
    if (json_is_integer(value))
        return column_add_integer(builder, json_integer_value(value), why);
    if (!json_is_string(value))
        return column_expected(builder, value, why);
    if (!cli_time_parse(json_string_value(value), &micros)) {
        snprintf(why, CLI_REASON, "\"%.40s\" is not a time like 2026-11-20T12:34:56Z", json_string_value(value));
        return false;
    }
    return column_add_integer(builder, micros, why);
}

static void column_end_row(cli_builder *builder, uint64_t end)
{
    int64_t offset = (int64_t)end;
    buffer_append(&builder->offsets, &offset, sizeof offset);
}

static bool column_add_json(cli_builder *builder, const json_t *value, char *why)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text) {
        snprintf(why, CLI_REASON, "the value cannot be written as JSON");
        return false;
    }
    buffer_append(&builder->data, text, strlen(text));
    column_end_row(builder, builder->data.size);
    free(text);
    return true;
}

/* One component of a vector of whole numbers. */
static bool column_add_component(cli_builder *builder, uint32_t i, const json_t *value, char *why)
{
    bool bits = builder->type == VSS_TYPE_VECTOR_BINARY;
    int64_t min = builder->type == VSS_TYPE_VECTOR_I8 ? INT8_MIN : 0;
    int64_t max = bits ? 1 : builder->type == VSS_TYPE_VECTOR_I8 ? INT8_MAX : UINT8_MAX;
    if (!json_is_integer(value)) {
        snprintf(why, CLI_REASON, "expected whole numbers from %d to %d, got %s", (int)min, (int)max,
                 column_found(value));
        return false;
    }
    int64_t number = json_integer_value(value);
    if (number < min || number > max) {
        snprintf(why, CLI_REASON, "%lld does not fit %s", (long long)number, vss_type_name(builder->type));
        return false;
    }
    if (bits)
        buffer_append_bit(&builder->data, builder->rows * builder->dim + i, number != 0);
    else
        buffer_append(&builder->data, &number, 1); /* little-endian */
    return true;
}

static bool column_add_vector(cli_builder *builder, const json_t *value, char *why)
{
    bool real = cli_vectors_given(builder->type) == VSS_TYPE_VECTOR_F32;
    if (!json_is_array(value))
        return column_expected(builder, value, why);
    if (json_array_size(value) != builder->dim) {
        snprintf(why, CLI_REASON, "expected %u numbers, got %zu", builder->dim, json_array_size(value));
        return false;
    }
    for (uint32_t i = 0; i < builder->dim; i++) {
        const json_t *one = json_array_get(value, i);
        if (!(real ? column_add_real(builder, one, true, why) : column_add_component(builder, i, one, why)))
            return false;
    }
    return true;
}

static bool column_add_array(cli_builder *builder, const json_t *value, char *why)
{
    if (!json_is_array(value))
        return column_expected(builder, value, why);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!cli_builder_append(builder->child, json_array_get(value, i), why))
            return false;
    column_end_row(builder, builder->child->rows);
    return true;
}

static bool column_add(cli_builder *builder, const json_t *value, char *why)
{
    switch (builder->type) {
    case VSS_TYPE_BOOL:
        if (json_is_boolean(value))
            buffer_append_bit(&builder->data, builder->rows, json_is_true(value));
        return json_is_boolean(value) || column_expected(builder, value, why);
    case VSS_TYPE_INT8:
    case VSS_TYPE_INT16:
    case VSS_TYPE_INT32:
    case VSS_TYPE_INT64:
        return json_is_integer(value) ? column_add_integer(builder, json_integer_value(value), why)
                                      : column_expected(builder, value, why);
    case VSS_TYPE_FLOAT32: return column_add_real(builder, value, true, why);
    case VSS_TYPE_FLOAT64: return column_add_real(builder, value, false, why);
    case VSS_TYPE_TIMESTAMP: return column_add_time(builder, value, why);
    case VSS_TYPE_STRING:
        if (!json_is_string(value))
            return column_expected(builder, value, why);
        buffer_append(&builder->data, json_string_value(value), json_string_length(value));
        column_end_row(builder, builder->data.size);
        return true;
    case VSS_TYPE_JSON: return column_add_json(builder, value, why);
    case VSS_TYPE_ARRAY: return column_add_array(builder, value, why);
    case VSS_TYPE_VECTOR_F32:
    case VSS_TYPE_VECTOR_F16:
    case VSS_TYPE_VECTOR_BF16:
    case VSS_TYPE_VECTOR_I8:
    case VSS_TYPE_VECTOR_U8:
    case VSS_TYPE_VECTOR_BINARY: return column_add_vector(builder, value, why);
    default: snprintf(why, CLI_REASON, "%s cannot come from JSON", vss_type_name(builder->type)); return false;
    }
}

/* A row without a value still has its place in the data. */
static void column_add_nothing(cli_builder *builder)
{
    static const unsigned char zero[8];
    if (builder->type == VSS_TYPE_BOOL)
        buffer_append_bit(&builder->data, builder->rows, false);
    else if (builder->type == VSS_TYPE_ARRAY)
        column_end_row(builder, builder->child->rows);
    else if (column_is_listed(builder->type))
        column_end_row(builder, builder->data.size);
    else
        buffer_append(&builder->data, zero, column_width(builder->type));
}

bool cli_builder_append(cli_builder *builder, const json_t *value, char why[CLI_REASON])
{
    bool nullable = (builder->flags & VSS_FIELD_NULLABLE) != 0;
    if (!value || (json_is_null(value) && !nullable))
        value = builder->fallback ? builder->fallback : value;
    bool present = value && !json_is_null(value);
    if (!present && !nullable) {
        snprintf(why, CLI_REASON, "%s", value ? "null, and the field takes none" : "missing");
        return false;
    }
    if (present && !column_add(builder, value, why))
        return false;
    if (!present)
        column_add_nothing(builder);
    buffer_append_bit(&builder->validity, builder->rows, present);
    builder->nulls |= !present;
    builder->rows++;
    return true;
}

const vss_column *cli_builder_view(cli_builder *builder)
{
    vss_column *column = &builder->column;
    *column = VSS_INIT(vss_column);
    column->type = cli_vectors_given(builder->type);
    column->dim = builder->dim;
    column->length = builder->rows;
    column->validity = builder->nulls ? builder->validity.data : NULL;
    column->offsets = (const int64_t *)(const void *)builder->offsets.data;
    column->data = builder->child ? (const void *)cli_builder_view(builder->child) : builder->data.data;
    return column;
}
