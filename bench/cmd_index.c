/*
 * cmd_index.c - vss index: defines a vector field's index and builds it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"
#include "path.h"
#include "progress.h"
#include "table.h"
#include "tool.h"

static const cli_option index_options[] = {
    {"field", "NAME", "the vector field; the only one by default", false},
    {"set", "K=V,...", "parameters of the index, see below", true},
    {"memory", "MIB", "with auto: the most that the index may take, in MiB (0: no limit)", false},
    {"model-of", "DB/COLL", "take the trained model of that collection's index, of the field of the same name", false},
    {"device", "NAME", "what trains and fills lists, compares rows for graphs, as cuda: see vss help", false},
    {"threads", "N", "threads that build (the processors this process may use)", false},
    {NULL, NULL, NULL, false},
};

static void index_help(void)
{
    printf("\nauto\n  picks type and parameters by rows, components and --memory, and says why\n");
    for (size_t t = 0; vss_index_type(t); t++) {
        printf("\n%s\n", vss_index_type(t));
        vss_param_info info = VSS_INIT(vss_param_info);
        for (size_t i = 0; vss_index_param(vss_index_type(t), i, &info, NULL) == VSS_OK; i++) {
            printf("  %-16s %s", info.name, info.help);
            if (!info.text)
                printf("; %llu to %llu, by default %llu%s", (unsigned long long)info.min, (unsigned long long)info.max,
                       (unsigned long long)info.default_value, info.search ? " (given to a search)" : "");
            putchar('\n');
        }
    }
}

/* What index_print_one needs to know. */
typedef struct index_print {
    const char *field;
    bool json;
    const char *reason; /* of auto; "": none */
    double seconds;
} index_print;

static int index_print_one(void *state, const vss_index_info *info)
{
    const index_print *print = state;
    char rows[32], bytes[32];
    if (strcmp(info->field, print->field) != 0)
        return 0;
    if (print->json) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_text(&json, "field", info->field);
        cli_json_text(&json, "type", info->type);
        cli_json_text(&json, "params", info->params);
        cli_json_count(&json, "segments", info->segments);
        cli_json_count(&json, "rows", info->rows);
        cli_json_count(&json, "bytes", info->bytes);
        cli_json_real(&json, "seconds", print->seconds);
        if (print->reason[0] != '\0')
            cli_json_text(&json, "reason", print->reason);
        cli_json_end(&json);
    } else {
        if (print->reason[0] != '\0')
            printf("%s\n", print->reason);
        printf("%s index of %s: %s rows, %s, built in %.2f s\n", info->type, info->field,
               cli_table_count(info->rows, rows), cli_table_bytes(info->bytes, bytes), print->seconds);
    }
    return 1;
}

/* What auto stands for: type, and params after which --set's come. */
static vss_status index_choose(cli_target *target, const vss_field *field, uint64_t mebibytes, uint32_t threads,
                               vss_index_choice *choice, char **params, vss_error *err)
{
    CLI_TRY(vss_collection_choose_index(target->col, field->name, mebibytes << 20, threads, choice, err));
    char *joined = cli_format("%s%s%s", choice->params, *params ? "," : "", *params ? *params : "");
    free(*params);
    *params = joined;
    return VSS_OK;
}

static vss_status index_build(cli_target *target, const cli_args *args, uint64_t mebibytes, uint32_t threads,
                              vss_collection *model_of, vss_error *err)
{
    const vss_field *field;
    cli_progress progress;
    CLI_TRY(cli_target_open(target, VSS_OPEN_EXISTING, err));
    CLI_TRY(cli_schema_vector(vss_collection_schema(target->col), cli_args_text(args, "field"), &field, err));
    cli_progress_begin(&progress);
    vss_build_options options = VSS_INIT(vss_build_options);
    options.threads = threads;
    options.model_of = model_of;
    options.device = cli_args_text(args, "device");
    options.progress = progress.shown ? cli_progress_step : NULL;
    options.progress_state = &progress;
    char *params = cli_args_joined(args, "set");
    const char *type = args->words[1];
    vss_index_choice choice = VSS_INIT(vss_index_choice);
    double begin = cli_seconds();
    vss_status status = VSS_OK;
    if (strcmp(type, "auto") == 0) {
        status = index_choose(target, field, mebibytes, threads, &choice, &params, err);
        type = choice.type;
    }
    if (status == VSS_OK)
        status = vss_collection_build_index(target->col, field->name, type, params, &options, err);
    cli_progress_end(&progress);
    free(params);
    if (status != VSS_OK)
        return status;
    index_print print = {field->name, cli_args_has(args, "json"), choice.reason, cli_seconds() - begin};
    return vss_collection_indexes(target->col, index_print_one, &print, err);
}

/* The same with the model of a collection that is opened for it, to be read only. */
static vss_status index_build_by(cli_target *target, const cli_args *args, uint64_t mebibytes, uint32_t threads,
                                 cli_target *model, vss_error *err)
{
    if (cli_args_has(args, "model-of"))
        CLI_TRY(cli_target_open(model, VSS_OPEN_READ_ONLY, err));
    return index_build(target, args, mebibytes, threads, model->col, err);
}

static int index_run(const cli_args *args)
{
    cli_target target, model = {0};
    vss_error err = {0};
    uint64_t threads = cli_processors(), mebibytes = 0;
    if (!cli_args_number(args, "threads", 1, 1024, &threads) ||
        !cli_args_number(args, "memory", 0, UINT64_C(1) << 40, &mebibytes) ||
        !cli_target_split("index", args->words[0], &target))
        return CLI_WRONG_USAGE;
    if (cli_args_has(args, "model-of") && !cli_target_split("index", cli_args_text(args, "model-of"), &model)) {
        (void)cli_target_close(&target, VSS_OK, &err);
        return CLI_WRONG_USAGE;
    }
    vss_status status = index_build_by(&target, args, mebibytes, (uint32_t)threads, &model, &err);
    status = cli_target_close(&model, status, &err);
    status = cli_target_close(&target, status, &err);
    return status == VSS_OK ? CLI_DONE : cli_report(&err);
}

const cli_command cli_index = {"index", "DB/COLL [--field F] TYPE|auto [--set k=v,...]",
                              "build an index of a vector field",
                               2, 2, index_options, index_run, index_help};
