/*
 * rows.c - reads JSON lines by a collection's schema
 */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#include "tool.h"

vss_status cli_rows_open(const char *path, const vss_schema *schema, const char *file_field, bool ignore_unknown,
                         cli_rows *rows, vss_error *err)
{
    *rows = (cli_rows){.path = cli_copy(path), .ignore_unknown = ignore_unknown, .schema = schema,
                       .file_field = file_field};
    rows->builders = cli_alloc(schema->n_fields, sizeof *rows->builders);
    for (size_t i = 0; i < schema->n_fields; i++) {
        const vss_field *field = schema->fields[i];
        if (field->flags & VSS_FIELD_AUTO_ID)
            rows->auto_field = field->name;
        else if (strcmp(field->name, file_field) != 0)
            cli_builder_begin(&rows->builders[rows->n_builders++], field);
    }
    return cli_lines_open(path, &rows->lines, err);
}

void cli_rows_close(cli_rows *rows)
{
    for (size_t i = 0; i < rows->n_builders; i++)
        cli_builder_free(&rows->builders[i]);
    free(rows->builders);
    cli_lines_close(rows->lines);
    free(rows->path);
    *rows = (cli_rows){0};
}

static vss_status rows_fail(const cli_rows *rows, vss_error *err, const char *field, const char *why)
{
    unsigned long long line = cli_lines_number(rows->lines);
    if (field)
        return cli_fail(err, VSS_ERR_INVALID, "%s line %llu: field \"%.255s\": %s", rows->path, line, field, why);
    return cli_fail(err, VSS_ERR_INVALID, "%s line %llu: %s", rows->path, line, why);
}

/* Every member must be a field that rows may bring. */
static vss_status rows_check_names(const cli_rows *rows, json_t *object, vss_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        if (rows->auto_field && strcmp(name, rows->auto_field) == 0)
            return rows_fail(rows, err, name, "the collection gives this key itself");
        if (strcmp(name, rows->file_field) == 0)
            return rows_fail(rows, err, name, "its vectors come from --vectors");
        bool known = false;
        for (size_t i = 0; i < rows->schema->n_fields && !known; i++)
            known = strcmp(rows->schema->fields[i]->name, name) == 0;
        if (!known && !rows->ignore_unknown)
            return rows_fail(rows, err, name, "the collection has no such field (--ignore-unknown passes over it)");
    }
    return VSS_OK;
}

static vss_status rows_append(cli_rows *rows, json_t *object, vss_error *err)
{
    char why[CLI_REASON];
    if (!json_is_object(object))
        return rows_fail(rows, err, NULL, "expected a JSON object");
    CLI_TRY(rows_check_names(rows, object, err));
    for (size_t i = 0; i < rows->n_builders; i++) {
        cli_builder *builder = &rows->builders[i];
        if (!cli_builder_append(builder, json_object_get(object, builder->name), why))
            return rows_fail(rows, err, builder->name, why);
    }
    return VSS_OK;
}

static vss_status rows_append_line(cli_rows *rows, const char *text, size_t size, vss_error *err)
{
    json_error_t fault;
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
    if (!object)
        return rows_fail(rows, err, NULL, fault.text);
    vss_status status = rows_append(rows, object, err);
    json_decref(object);
    return status;
}

vss_status cli_rows_read(cli_rows *rows, uint64_t max, uint64_t *n, vss_error *err)
{
    for (size_t i = 0; i < rows->n_builders; i++)
        cli_builder_clear(&rows->builders[i]);
    for (*n = 0; *n < max; ++*n) {
        const char *text;
        size_t size;
        CLI_TRY(cli_lines_next(rows->lines, &text, &size, err));
        if (!text)
            break;
        CLI_TRY(rows_append_line(rows, text, size, err));
    }
    return VSS_OK;
}

vss_status cli_rows_rewind(cli_rows *rows, vss_error *err) { return cli_lines_rewind(rows->lines, err); }
