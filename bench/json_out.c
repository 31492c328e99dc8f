/*
 * json_out.c - writes JSON, and the values of columns as JSON and as text
 *
 * Numbers are written with the fewest digits that read back as the same value. Strings come from the library, which
 * holds valid UTF-8 only, or from the command line.
 */
#include "json_out.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iso8601.h"
#include "tool.h"
#include "vector_types.h"

static void jsonout_put_string(FILE *out, const char *text, size_t size)
{
    fputc('"', out);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c == '\t')
            fputs("\\t", out);
        else if (c < 0x20 || c == 0x7F)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void jsonout_put_name(cli_json *json, const char *name)
{
    if (!json->empty)
        fputs(", ", json->out);
    json->empty = false;
    jsonout_put_string(json->out, name, strlen(name));
    fputs(": ", json->out);
}

void cli_json_begin(cli_json *json, FILE *out)
{
    *json = (cli_json){out, true};
    fputc('{', out);
}

void cli_json_end(cli_json *json) { fputs("}\n", json->out); }

void cli_json_text(cli_json *json, const char *name, const char *text)
{
    jsonout_put_name(json, name);
    jsonout_put_string(json->out, text, strlen(text));
}

void cli_json_count(cli_json *json, const char *name, uint64_t value)
{
    jsonout_put_name(json, name);
    fprintf(json->out, "%llu", (unsigned long long)value);
}

void cli_json_real(cli_json *json, const char *name, double value)
{
    char text[32];
    jsonout_put_name(json, name);
    fputs(cli_real_text(value, text), json->out);
}

void cli_json_real32(cli_json *json, const char *name, float value)
{
    char text[32];
    jsonout_put_name(json, name);
    fputs(cli_real32_text(value, text), json->out);
}

void cli_json_bool(cli_json *json, const char *name, bool value)
{
    jsonout_put_name(json, name);
    fputs(value ? "true" : "false", json->out);
}

void cli_json_raw(cli_json *json, const char *name, const char *value)
{
    jsonout_put_name(json, name);
    fputs(value, json->out);
}

void cli_json_cell(cli_json *json, const char *name, const vss_column *column, uint64_t row)
{
    jsonout_put_name(json, name);
    cli_cell_json(json->out, column, row);
}

/* JSON has no NaN and no infinity. */
const char *cli_real_text(double value, char *out)
{
    if (!isfinite(value))
        return strcpy(out, "null");
    if (value == 0 && signbit(value))
        return strcpy(out, "-0.0"); /* "-0" reads back as a whole number */
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if (!(strtod(out, NULL) < value) && !(strtod(out, NULL) > value))
            break;
    }
    return out;
}

const char *cli_real32_text(float value, char *out)
{
    if (!isfinite(value))
        return strcpy(out, "null");
    if (value == 0 && signbit(value))
        return strcpy(out, "-0.0");
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, 32, "%.*g", digits, (double)value);
        if (!(strtof(out, NULL) < value) && !(strtof(out, NULL) > value))
            break;
    }
    return out;
}

static int64_t jsonout_integer(vss_type type, const void *data, uint64_t row)
{
    switch (type) {
    case VSS_TYPE_INT8: return ((const int8_t *)data)[row];
    case VSS_TYPE_INT16: return ((const int16_t *)data)[row];
    case VSS_TYPE_INT32: return ((const int32_t *)data)[row];
    default: return ((const int64_t *)data)[row];
    }
}

static bool jsonout_bit(const void *bits, uint64_t row) { return ((const uint8_t *)bits)[row / 8] >> (row % 8) & 1; }

/* Stored JSON may be laid out over several lines: write it on one. */
static void jsonout_put_json(FILE *out, const char *text, size_t size)
{
    json_t *value = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    char *line = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    fputs(line ? line : "null", out);
    free(line);
    json_decref(value);
}

static void jsonout_put_bytes(FILE *out, const vss_column *column, uint64_t row)
{
    const char *text = (const char *)column->data + column->offsets[row];
    size_t size = (size_t)(column->offsets[row + 1] - column->offsets[row]);
    if (column->type == VSS_TYPE_JSON)
        jsonout_put_json(out, text, size);
    else
        jsonout_put_string(out, text, size);
}

static void jsonout_put_vector(FILE *out, const vss_column *column, uint64_t row)
{
    char text[32];
    double *vector = cli_alloc(column->dim, sizeof *vector);
    const unsigned char *vectors = column->data;
    cli_vector_widen(column->type, vectors + row * cli_vector_size(column->type, column->dim), column->dim, vector);
    for (uint32_t i = 0; i < column->dim; i++)
        fprintf(out, "%s%s", i ? ", " : "[", cli_real32_text((float)vector[i], text));
    fputc(']', out);
    free(vector);
}

/* Everything but arrays, whose elements are put by it. */
static void jsonout_put_scalar(FILE *out, const vss_column *column, uint64_t row)
{
    char text[CLI_TIME_SIZE];
    switch (column->type) {
    case VSS_TYPE_BOOL: fputs(jsonout_bit(column->data, row) ? "true" : "false", out); break;
    case VSS_TYPE_INT8:
    case VSS_TYPE_INT16:
    case VSS_TYPE_INT32:
    case VSS_TYPE_INT64: fprintf(out, "%lld", (long long)jsonout_integer(column->type, column->data, row)); break;
    case VSS_TYPE_FLOAT32: fputs(cli_real32_text(((const float *)column->data)[row], text), out); break;
    case VSS_TYPE_FLOAT64: fputs(cli_real_text(((const double *)column->data)[row], text), out); break;
    case VSS_TYPE_TIMESTAMP:
        fprintf(out, "\"%s\"", cli_time_format(((const int64_t *)column->data)[row], text));
        break;
    case VSS_TYPE_STRING:
    case VSS_TYPE_JSON: jsonout_put_bytes(out, column, row); break;
    case VSS_TYPE_VECTOR_F32:
    case VSS_TYPE_VECTOR_F16:
    case VSS_TYPE_VECTOR_BF16:
    case VSS_TYPE_VECTOR_I8:
    case VSS_TYPE_VECTOR_U8:
    case VSS_TYPE_VECTOR_BINARY: jsonout_put_vector(out, column, row); break;
    default: fputs("null", out); break;
    }
}

void cli_cell_json(FILE *out, const vss_column *column, uint64_t row)
{
    if (column->validity && !jsonout_bit(column->validity, row)) {
        fputs("null", out);
        return;
    }
    if (column->type != VSS_TYPE_ARRAY) {
        jsonout_put_scalar(out, column, row);
        return;
    }
    fputc('[', out);
    for (int64_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
        if (i > column->offsets[row])
            fputs(", ", out);
        jsonout_put_scalar(out, column->data, (uint64_t)i);
    }
    fputc(']', out);
}

char *cli_cell_text(const vss_column *column, uint64_t row)
{
    if (column->validity && !jsonout_bit(column->validity, row))
        return cli_copy("-");
    if (column->type == VSS_TYPE_STRING)
        return cli_format("%.*s", (int)(column->offsets[row + 1] - column->offsets[row]),
                          (const char *)column->data + column->offsets[row]);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return cli_copy("?");
    cli_cell_json(out, column, row);
    fclose(out);
    return text;
}
