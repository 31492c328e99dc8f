/*
 * cmd_inspect.c - vss inspect: what a collection holds, or what one stored file says. Takes no lock; of a collection it
 * reads no vector.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect_file.h"
#include "json_out.h"
#include "path.h"
#include "table.h"
#include "tool.h"

static const cli_option inspect_options[] = {{NULL, NULL, NULL, false}};

/* Append one index to the list. */
static int inspect_json_index(void *state, const vss_index_info *info)
{
    json_t *list = state;
    json_t *one = json_pack("{ss ss ss sI sI sI}", "field", info->field, "type", info->type, "params", info->params,
                            "segments", (json_int_t)info->segments, "rows", (json_int_t)info->rows, "bytes",
                            (json_int_t)info->bytes);
    return json_array_append_new(list, one);
}

static vss_status inspect_json(vss_collection *col, const vss_collection_stats *stats, vss_error *err)
{
    json_t *schema = json_loads(vss_collection_schema_json(col), 0, NULL), *list = json_array();
    char *fields = json_dumps(json_object_get(schema, "fields"), JSON_ENCODE_ANY);
    vss_status status = vss_collection_indexes(col, inspect_json_index, list, err);
    char *indexes = json_dumps(list, 0);
    if (status == VSS_OK) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_count(&json, "rows", stats->rows);
        cli_json_count(&json, "deleted", stats->deleted);
        cli_json_count(&json, "segments", stats->segments);
        cli_json_count(&json, "version", stats->version);
        cli_json_count(&json, "bytes", stats->bytes);
        cli_json_raw(&json, "fields", fields ? fields : "[]");
        cli_json_raw(&json, "indexes", indexes ? indexes : "[]");
        cli_json_end(&json);
    }
    json_decref(schema);
    json_decref(list);
    free(fields);
    free(indexes);
    return status;
}

static void inspect_print_fields(const vss_schema *schema)
{
    static const char *const heads[] = {"field", "type", ">dim", "metric", "notes"};
    cli_table table;
    cli_table_begin(&table, heads, 5);
    for (size_t i = 0; i < schema->n_fields; i++) {
        const vss_field *field = schema->fields[i];
        cli_table_add(&table, "%s", field->name);
        if (field->type == VSS_TYPE_ARRAY)
            cli_table_add(&table, "array<%s>", vss_type_name(field->element));
        else
            cli_table_add(&table, "%s", vss_type_name(field->type));
        if (field->dim)
            cli_table_add(&table, "%u", field->dim);
        else
            cli_table_add(&table, "%s", "");
        cli_table_add(&table, "%s", field->dim ? vss_metric_name(field->metric) : "");
        cli_table_add(&table, "%s%s%s%s%s", field->flags & VSS_FIELD_PRIMARY ? "key" : "",
                      field->flags & VSS_FIELD_AUTO_ID ? ", counted up" : "",
                      field->flags & VSS_FIELD_NULLABLE ? "nullable" : "",
                      field->default_json ? " default " : "", field->default_json ? field->default_json : "");
    }
    cli_table_print(&table, stdout);
}

static int inspect_print_index(void *state, const vss_index_info *info)
{
    cli_table *table = state;
    char text[32];
    cli_table_add(table, "%s", info->field);
    cli_table_add(table, "%s", info->type);
    cli_table_add(table, "%s", info->params);
    cli_table_add(table, "%s", cli_table_count(info->segments, text));
    cli_table_add(table, "%s", cli_table_count(info->rows, text));
    cli_table_add(table, "%s", cli_table_bytes(info->bytes, text));
    return 0;
}

static vss_status inspect_print(vss_collection *col, const vss_collection_stats *stats, vss_error *err)
{
    static const char *const heads[] = {"index of", "type", "parameters", ">segments", ">rows", ">bytes"};
    char rows[32], deleted[32], bytes[32];
    printf("%s rows, %s deleted, %llu segments, version %llu, %s\n\n", cli_table_count(stats->rows, rows),
           cli_table_count(stats->deleted, deleted), (unsigned long long)stats->segments,
           (unsigned long long)stats->version, cli_table_bytes(stats->bytes, bytes));
    inspect_print_fields(vss_collection_schema(col));
    cli_table table;
    cli_table_begin(&table, heads, 6);
    vss_status status = vss_collection_indexes(col, inspect_print_index, &table, err);
    if (status == VSS_OK && table.n_cells > 6) {
        putchar('\n');
        cli_table_print(&table, stdout);
    } else {
        cli_table_free(&table);
    }
    return status;
}

static vss_status inspect_work(cli_target *target, const cli_args *args, vss_error *err)
{
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    CLI_TRY(cli_target_open(target, VSS_OPEN_READ_ONLY, err));
    CLI_TRY(vss_collection_stats_get(target->col, &stats, err));
    return cli_args_has(args, "json") ? inspect_json(target->col, &stats, err)
                                      : inspect_print(target->col, &stats, err);
}

static int inspect_run(const cli_args *args)
{
    cli_target target;
    vss_error err = {0};
    if (cli_inspect_is_file(args->words[0]))
        return cli_inspect_file(args->words[0], cli_args_has(args, "json"));
    if (!cli_target_split("inspect", args->words[0], &target))
        return CLI_WRONG_USAGE;
    vss_status status = inspect_work(&target, args, &err);
    status = cli_target_close(&target, status, &err);
    return status == VSS_OK ? CLI_DONE : cli_report(&err);
}

const cli_command cli_inspect = {"inspect", "DB/COLL | FILE", "say what a collection or a stored file holds", 1, 1,
                                 inspect_options, inspect_run, NULL};
