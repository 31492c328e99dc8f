/*
 * cmd_compact.c - vss compact: merge small segments, drop deleted rows, remove what nothing names any more
 */
#include <stdio.h>

#include "json_out.h"
#include "path.h"
#include "table.h"
#include "tool.h"

static const cli_option compact_options[] = {
    {"purge", NULL, "drop every deleted row: no file keeps a byte of it", false},
    {NULL, NULL, NULL, false},
};

static vss_status compact_work(cli_target *target, bool purge, vss_collection_stats *before,
                               vss_collection_stats *after, vss_error *err)
{
    CLI_TRY(cli_target_open(target, VSS_OPEN_EXISTING, err));
    CLI_TRY(vss_collection_stats_get(target->col, before, err));
    CLI_TRY((purge ? vss_collection_purge : vss_collection_compact)(target->col, err));
    return vss_collection_stats_get(target->col, after, err);
}

static int compact_run(const cli_args *args)
{
    cli_target target;
    vss_error err = {0};
    vss_collection_stats before = VSS_INIT(vss_collection_stats), after = VSS_INIT(vss_collection_stats);
    if (!cli_target_split("compact", args->words[0], &target))
        return CLI_WRONG_USAGE;
    vss_status status = compact_work(&target, cli_args_has(args, "purge"), &before, &after, &err);
    status = cli_target_close(&target, status, &err);
    if (status != VSS_OK)
        return cli_report(&err);
    if (cli_args_has(args, "json")) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_count(&json, "rows", after.rows);
        cli_json_count(&json, "segments_before", before.segments);
        cli_json_count(&json, "segments", after.segments);
        cli_json_count(&json, "bytes_before", before.bytes);
        cli_json_count(&json, "bytes", after.bytes);
        cli_json_end(&json);
    } else {
        char segments[2][32], bytes[2][32];
        printf("%s: %s segments and %s bytes became %s segments and %s bytes\n", args->words[0],
               cli_table_count(before.segments, segments[0]), cli_table_count(before.bytes, bytes[0]),
               cli_table_count(after.segments, segments[1]), cli_table_count(after.bytes, bytes[1]));
    }
    return CLI_DONE;
}

const cli_command cli_compact = {"compact", "DB/COLL", "merge small segments and drop deleted rows", 1, 1,
                                 compact_options, compact_run, NULL};
