/*
 * path.c - opens what DB/COLL names and looks into its schema
 */
#include "path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

bool cli_target_split(const char *command, const char *path, cli_target *target)
{
    *target = (cli_target){0};
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path || !slash[1]) {
        cli_usage(command, "\"%s\" is not DB/COLL, a directory and a collection in it", path);
        return false;
    }
    target->db_path = cli_format("%.*s", (int)(slash - path), path);
    target->name = cli_copy(slash + 1);
    return true;
}

vss_status cli_target_open_db(cli_target *target, vss_open_mode mode, vss_error *err)
{
    vss_db_options options = VSS_INIT(vss_db_options);
    options.mode = mode;
    return vss_db_open(target->db_path, &options, &target->db, err);
}

vss_status cli_target_open(cli_target *target, vss_open_mode mode, vss_error *err)
{
    CLI_TRY(cli_target_open_db(target, mode, err));
    return vss_collection_open(target->db, target->name, &target->col, err);
}

vss_status cli_target_close(cli_target *target, vss_status status, vss_error *err)
{
    vss_error late;
    vss_status closed = vss_collection_close(target->col, &late);
    if (closed != VSS_OK && status == VSS_OK) {
        status = closed;
        *err = late;
    }
    closed = vss_db_close(target->db, &late);
    if (closed != VSS_OK && status == VSS_OK) {
        status = closed;
        *err = late;
    }
    free(target->db_path);
    free(target->name);
    *target = (cli_target){0};
    return status;
}

const vss_field *cli_schema_key(const vss_schema *schema)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        if (schema->fields[i]->flags & VSS_FIELD_PRIMARY)
            return schema->fields[i];
    return NULL;
}

const vss_field *cli_schema_find(const vss_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        if (strcmp(schema->fields[i]->name, name) == 0)
            return schema->fields[i];
    return NULL;
}

static vss_status path_only_vector(const vss_schema *schema, const vss_field **field, vss_error *err)
{
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (schema->fields[i]->type < VSS_TYPE_VECTOR_F32)
            continue;
        if (*field)
            return cli_fail(err, VSS_ERR_INVALID, "there are several vector fields: say which with --field");
        *field = schema->fields[i];
    }
    return *field ? VSS_OK : cli_fail(err, VSS_ERR_INVALID, "the collection has no vector field");
}

vss_status cli_schema_vector(const vss_schema *schema, const char *name, const vss_field **field, vss_error *err)
{
    *field = NULL;
    if (!name) {
        CLI_TRY(path_only_vector(schema, field, err));
    } else {
        *field = cli_schema_find(schema, name);
        if (!*field)
            return cli_fail(err, VSS_ERR_NOT_FOUND, "there is no field \"%s\"", name);
        if ((*field)->type < VSS_TYPE_VECTOR_F32)
            return cli_fail(err, VSS_ERR_INVALID, "field \"%s\": expected a vector, it is a %s", name,
                            vss_type_name((*field)->type));
    }
    return VSS_OK;
}

vss_metric cli_metric_parse(const char *name)
{
    for (vss_metric metric = VSS_METRIC_L2; metric <= VSS_METRIC_JACCARD; metric++)
        if (strcmp(vss_metric_name(metric), name) == 0)
            return metric;
    return VSS_METRIC_NONE;
}
