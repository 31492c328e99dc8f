/*
 * cmd_delete.c - vss delete: rows by key or by filter
 */
#include <stdio.h>
#include <stdlib.h>

#include "json_out.h"
#include "keys.h"
#include "path.h"
#include "table.h"
#include "tool.h"

static const cli_option delete_options[] = {
    {"key", "KEY", "a row's key; repeat it for more", true},
    {"filter", "EXPR", "every row that matches", false},
    {NULL, NULL, NULL, false},
};

static vss_status delete_keys(vss_collection *col, const cli_args *args, vss_write_info *info, vss_error *err)
{
    size_t n = cli_args_count(args, "key");
    const char **texts = cli_alloc(n, sizeof *texts);
    cli_builder keys;
    for (size_t i = 0; i < n; i++)
        texts[i] = cli_args_nth(args, "key", i);
    vss_status status = cli_keys_build(cli_schema_key(vss_collection_schema(col)), texts, n, &keys, err);
    if (status == VSS_OK)
        status = vss_collection_delete(col, cli_builder_view(&keys), info, err);
    cli_builder_free(&keys);
    free(texts);
    return status;
}

static vss_status delete_work(cli_target *target, const cli_args *args, vss_write_info *info, vss_error *err)
{
    CLI_TRY(cli_target_open(target, VSS_OPEN_EXISTING, err));
    if (cli_args_has(args, "filter"))
        CLI_TRY(vss_collection_delete_where(target->col, cli_args_text(args, "filter"), info, err));
    else
        CLI_TRY(delete_keys(target->col, args, info, err));
    return vss_collection_flush(target->col, err);
}

static int delete_run(const cli_args *args)
{
    cli_target target;
    vss_error err = {0};
    vss_write_info info = VSS_INIT(vss_write_info);
    if (cli_args_has(args, "key") == cli_args_has(args, "filter"))
        return cli_usage("delete", "delete needs either --key or --filter");
    if (!cli_target_split("delete", args->words[0], &target))
        return CLI_WRONG_USAGE;
    vss_status status = delete_work(&target, args, &info, &err);
    status = cli_target_close(&target, status, &err);
    if (status != VSS_OK)
        return cli_report(&err);
    if (cli_args_has(args, "json")) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_count(&json, "deleted", info.rows);
        cli_json_end(&json);
    } else {
        char count[32];
        printf("deleted %s rows of %s\n", cli_table_count(info.rows, count), args->words[0]);
    }
    return CLI_DONE;
}

const cli_command cli_delete = {"delete", "DB/COLL --key KEY... | --filter EXPR", "delete rows", 1, 1, delete_options,
                                delete_run, NULL};
