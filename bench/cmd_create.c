/*
 * cmd_create.c - vss create: makes a collection, and its database where there is none
 *
 * The schema and the name are tried on a database in memory first, so that a refused create leaves nothing behind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"
#include "path.h"
#include "tool.h"
#include "vector_types.h"

enum { CREATE_SCHEMA_MAX = 1 << 24 };

static const cli_option create_options[] = {
    {"schema", "FILE.json", "the fields: {\"fields\": [{\"name\", \"type\", ...}]}", false},
    {"dim", "N", "without a schema: key \"id\", given by the collection, and field \"vector\"", false},
    {"metric", "NAME", "with --dim: l2, ip or cosine; hamming or jaccard for binary", false},
    {"dtype", "NAME", "with --dim: f32 (the default), f16, bf16, i8, u8 or binary", false},
    {NULL, NULL, NULL, false},
};

static vss_status create_read_file(const char *path, char **text, size_t *size, vss_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return cli_fail(err, VSS_ERR_IO, "%s: %s", path, strerror(errno));
    *text = cli_alloc(CREATE_SCHEMA_MAX, 1);
    *size = fread(*text, 1, CREATE_SCHEMA_MAX, file);
    bool failed = ferror(file) != 0;
    int code = errno;
    fclose(file);
    if (failed)
        return cli_fail(err, VSS_ERR_IO, "%s: %s", path, strerror(code));
    if (*size == CREATE_SCHEMA_MAX)
        return cli_fail(err, VSS_ERR_INVALID, "%s: too long for a schema", path);
    return VSS_OK;
}

static vss_status create_schema(const char *path, char *text, size_t size, vss_schema **schema, vss_error *err)
{
    char *read = NULL;
    vss_status status = VSS_OK;
    if (path) {
        status = create_read_file(path, &read, &size, err);
        text = read;
    }
    if (status == VSS_OK) {
        status = vss_schema_parse(text, size, schema, err);
        if (status != VSS_OK && path)
            cli_prefix(err, "%s", path);
    }
    free(read);
    return status;
}

static vss_status create_try(const cli_target *target, const vss_schema *schema, vss_error *err)
{
    vss_db *db = NULL;
    vss_collection *col = NULL;
    vss_status status = vss_db_open("mem:", NULL, &db, err);
    if (status == VSS_OK)
        status = vss_collection_create(db, target->name, schema, &col, err);
    vss_collection_close(col, NULL);
    vss_db_close(db, NULL);
    return status;
}

static vss_status create_collection(cli_target *target, const vss_schema *schema, vss_error *err)
{
    CLI_TRY(create_try(target, schema, err));
    CLI_TRY(cli_target_open_db(target, VSS_OPEN_CREATE, err));
    return vss_collection_create(target->db, target->name, schema, &target->col, err);
}

/* The options as a schema's text in *text, or NULL where a file has it. Not CLI_DONE: they contradict each other. */
static int create_options_text(const cli_args *args, char **text)
{
    const char *metric = cli_args_text(args, "metric"), *dtype = cli_args_text(args, "dtype");
    uint64_t dim = 0;
    *text = NULL;
    if (cli_args_has(args, "schema") == cli_args_has(args, "dim"))
        return cli_usage("create", "create needs either --schema or --dim and --metric");
    if (cli_args_has(args, "schema"))
        return metric || dtype ? cli_usage("create", "--metric and --dtype go with --dim only") : CLI_DONE;
    if (!cli_args_number(args, "dim", 1, VSS_MAX_DIM, &dim))
        return CLI_WRONG_USAGE;
    if (!metric || cli_metric_parse(metric) == VSS_METRIC_NONE)
        return cli_usage("create", "--metric %s: expected l2, ip, cosine, hamming or jaccard",
                         metric ? metric : "is missing");
    dtype = dtype ? dtype : "f32";
    if (cli_dtype_parse(dtype) == VSS_TYPE_NONE)
        return cli_usage("create", "--dtype %s: expected f32, f16, bf16, i8, u8 or binary", dtype);
    *text = cli_format("{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true, \"auto_id\": true}, "
                       "{\"name\": \"vector\", \"type\": \"vector<%s>\", \"dim\": %llu, \"metric\": \"%s\"}]}",
                       dtype, (unsigned long long)dim, metric);
    return CLI_DONE;
}

static int create_run(const cli_args *args)
{
    cli_target target;
    vss_schema *schema = NULL;
    vss_error err = {0};
    char *text;
    if (create_options_text(args, &text) != CLI_DONE)
        return CLI_WRONG_USAGE;
    if (!cli_target_split("create", args->words[0], &target)) {
        free(text);
        return CLI_WRONG_USAGE;
    }
    vss_status status =
        create_schema(cli_args_text(args, "schema"), text, text ? strlen(text) : 0, &schema, &err);
    if (status == VSS_OK)
        status = create_collection(&target, schema, &err);
    size_t fields = schema ? schema->n_fields : 0;
    vss_schema_free(schema);
    free(text);
    status = cli_target_close(&target, status, &err);
    if (status != VSS_OK)
        return cli_report(&err);
    if (cli_args_has(args, "json")) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_text(&json, "collection", args->words[0]);
        cli_json_count(&json, "fields", fields);
        cli_json_end(&json);
    } else {
        printf("created %s with %zu fields\n", args->words[0], fields);
    }
    return CLI_DONE;
}

const cli_command cli_create = {"create",
                                "DB/COLL --schema FILE.json | --dim N --metric l2|ip|cosine|... [--dtype f32|f16|...]",
                                "make a collection", 1, 1, create_options, create_run, NULL};
