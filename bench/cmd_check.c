/*
 * cmd_check.c - vss check: reads every stored byte and compares every hash. Exit code 1 on damage, a line a fault.
 */
#include <stdio.h>

#include "json_out.h"
#include "path.h"
#include "progress.h"
#include "table.h"
#include "tool.h"

static const cli_option check_options[] = {{NULL, NULL, NULL, false}};

static int check_fault(void *state, const char *object, const char *line)
{
    cli_progress_end(state);
    cli_refuse("%s: %s", object, line);
    return 0;
}

static void check_print(const vss_check_report *report, const char *name, bool as_json)
{
    char files[32], bytes[32];
    if (as_json) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_bool(&json, "ok", report->errors == 0);
        cli_json_count(&json, "files", report->files);
        cli_json_count(&json, "bytes", report->bytes);
        cli_json_count(&json, "errors", report->errors);
        cli_json_end(&json);
    } else {
        printf("%s: %s files, %s checked, %llu errors\n", name, cli_table_count(report->files, files),
               cli_table_bytes(report->bytes, bytes), (unsigned long long)report->errors);
    }
}

static int check_run(const cli_args *args)
{
    cli_target target;
    cli_progress progress;
    vss_error err = {0};
    vss_check_report report = VSS_INIT(vss_check_report);
    if (!cli_target_split("check", args->words[0], &target))
        return CLI_WRONG_USAGE;
    cli_progress_begin(&progress);
    vss_status status = cli_target_open_db(&target, VSS_OPEN_READ_ONLY, &err);
    if (status == VSS_OK)
        status = vss_collection_check(target.db, target.name, check_fault, &progress,
                                      progress.shown ? cli_progress_step : NULL, &progress, &report, &err);
    cli_progress_end(&progress);
    if (status == VSS_OK || (status == VSS_ERR_CORRUPT && report.errors > 0))
        check_print(&report, args->words[0], cli_args_has(args, "json"));
    status = cli_target_close(&target, status, &err);
    if (status == VSS_OK)
        return CLI_DONE;
    return report.errors > 0 ? CLI_FAILED : cli_report(&err);
}

const cli_command cli_check = {"check", "DB/COLL", "verify every stored byte", 1, 1, check_options, check_run, NULL};
