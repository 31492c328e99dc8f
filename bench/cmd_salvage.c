/*
 * cmd_salvage.c - vss salvage: what is whole in a damaged collection, into a new one. The damaged one is only read.
 */
#include <stdio.h>

#include "json_out.h"
#include "path.h"
#include "progress.h"
#include "table.h"
#include "tool.h"

static const cli_option salvage_options[] = {{NULL, NULL, NULL, false}};

typedef struct salvage_out {
    cli_progress progress;
    bool as_json;
} salvage_out;

/* A line for each thing that is lost. */
static int salvage_line(void *state, const char *object, const char *line)
{
    salvage_out *out = state;
    cli_progress_end(&out->progress);
    if (out->as_json) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_text(&json, "object", object);
        cli_json_text(&json, "lost", line);
        cli_json_end(&json);
    } else {
        printf("%s: %s\n", object, line);
    }
    return 0;
}

static void salvage_print(const vss_salvage_report *report, const char *name, bool as_json)
{
    if (as_json) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_count(&json, "rows", report->rows);
        cli_json_count(&json, "lost", report->lost);
        cli_json_count(&json, "batches", report->batches);
        cli_json_count(&json, "version", report->version);
        cli_json_count(&json, "errors", report->errors);
        cli_json_end(&json);
    } else {
        char rows[32], lost[32];
        printf("%s: %s rows, %s known to be lost\n", name, cli_table_count(report->rows, rows),
               cli_table_count(report->lost, lost));
    }
}

static vss_status salvage_work(cli_target *from, cli_target *to, salvage_out *out, vss_salvage_report *report,
                               vss_error *err)
{
    CLI_TRY(cli_target_open_db(from, VSS_OPEN_READ_ONLY, err));
    CLI_TRY(cli_target_open_db(to, VSS_OPEN_CREATE, err));
    return vss_collection_salvage(from->db, from->name, to->db, to->name, salvage_line, out,
                                  out->progress.shown ? cli_progress_step : NULL, &out->progress, report, err);
}

static void salvage_help(void)
{
    puts("\nReads what still verifies: rows whose key and every field are whole, and the batches of the log up to the\n"
         "first damage. Prints a line for each thing that is lost. No one should write to DB/COLL meanwhile.");
}

static int salvage_run(const cli_args *args)
{
    cli_target from, to;
    salvage_out out = {.as_json = cli_args_has(args, "json")};
    vss_error err = {0};
    vss_salvage_report report = VSS_INIT(vss_salvage_report);
    if (!cli_target_split("salvage", args->words[0], &from))
        return CLI_WRONG_USAGE;
    if (!cli_target_split("salvage", args->words[1], &to)) {
        (void)cli_target_close(&from, VSS_OK, &err);
        return CLI_WRONG_USAGE;
    }
    cli_progress_begin(&out.progress);
    vss_status status = salvage_work(&from, &to, &out, &report, &err);
    cli_progress_end(&out.progress);
    status = cli_target_close(&to, status, &err);
    status = cli_target_close(&from, status, &err);
    if (status != VSS_OK)
        return cli_report(&err);
    salvage_print(&report, args->words[1], out.as_json);
    return CLI_DONE;
}

const cli_command cli_salvage = {"salvage", "DB/COLL NEWDB/COLL", "read what is whole of a damaged collection", 2, 2,
                                 salvage_options, salvage_run, salvage_help};
