/*
 * cmd_import.c - vss import: rows from a file of vectors and a file of JSON lines, batch by batch
 *
 * What can be known beforehand is checked before the first row is written: headers, dimension, every line of the rows,
 * and that there are as many rows as vectors. A batch that the collection then refuses ends the import; the rows before
 * it stay, and the error line counts them. Every file goes into fields of f32, f16 and bf16; i8 takes files of i8, u8
 * files of u8, and binary files of u8 too, eight components a byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_out.h"
#include "path.h"
#include "progress.h"
#include "rows.h"
#include "table.h"
#include "tool.h"
#include "vector_types.h"

static const cli_option import_options[] = {
    {"vectors", "FILE", "the vectors: .npy .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin", false},
    {"field", "NAME", "the vector field they are for; the only one by default", false},
    {"rows", "FILE", "the other fields: JSON lines, .jsonl or .jsonl.zst, a row a vector", false},
    {"ignore-unknown", NULL, "pass over JSON members that are no field", false},
    {"batch", "N", "rows written at once (10,000)", false},
    {NULL, NULL, NULL, false},
};

typedef struct import_job {
    cli_target target;
    cli_vectors vectors;
    cli_rows rows;
    const vss_field *field;
    uint64_t batch;
    unsigned char *block;     /* [batch] vectors in the field's given type */
    const char **names;       /* [fields] */
    const vss_column **columns;
    uint64_t done;            /* rows written */
    cli_progress progress;
} import_job;

static vss_status import_open(import_job *job, const cli_args *args, vss_error *err)
{
    CLI_TRY(cli_vectors_open(cli_args_text(args, "vectors"), &job->vectors, err));
    CLI_TRY(cli_target_open(&job->target, VSS_OPEN_EXISTING, err));
    const vss_schema *schema = vss_collection_schema(job->target.col);
    CLI_TRY(cli_schema_vector(schema, cli_args_text(args, "field"), &job->field, err));
    CLI_TRY(cli_vectors_match(&job->vectors, job->field, err));
    job->batch = job->batch < job->vectors.rows ? job->batch : job->vectors.rows;
    job->block = cli_alloc(job->batch, cli_vector_size(cli_vectors_given(job->field->type), job->field->dim));
    job->names = cli_alloc(schema->n_fields, sizeof *job->names);
    job->columns = cli_alloc(schema->n_fields, sizeof *job->columns);
    if (cli_args_has(args, "rows"))
        return cli_rows_open(cli_args_text(args, "rows"), schema, job->field->name,
                             cli_args_has(args, "ignore-unknown"), &job->rows, err);
    const vss_field *key = cli_schema_key(schema);
    if (!(key->flags & VSS_FIELD_AUTO_ID))
        return cli_fail(err, VSS_ERR_INVALID, "field \"%s\": the rows need keys, give them with --rows", key->name);
    return VSS_OK;
}

/* Read every row once, so that a mistake in the last line is found before the first is written. */
static vss_status import_check_rows(import_job *job, vss_error *err)
{
    uint64_t n, rows = 0;
    if (!job->rows.lines)
        return VSS_OK;
    do {
        CLI_TRY(cli_rows_read(&job->rows, job->batch ? job->batch : 1, &n, err));
        rows += n;
        cli_progress_step(&job->progress, "checking", rows, job->vectors.rows);
    } while (n > 0);
    if (rows != job->vectors.rows)
        return cli_fail(err, VSS_ERR_INVALID, "%s has %llu vectors, %s has %llu rows: nothing was imported",
                        job->vectors.path, (unsigned long long)job->vectors.rows, job->rows.path,
                        (unsigned long long)rows);
    return cli_rows_rewind(&job->rows, err);
}

static vss_status import_batch(import_job *job, vss_error *err)
{
    uint64_t left = job->vectors.rows - job->done, n = left < job->batch ? left : job->batch, read = n;
    vss_column vectors = VSS_INIT(vss_column);
    vectors.type = cli_vectors_given(job->field->type);
    vectors.dim = job->field->dim;
    vectors.length = n;
    vectors.data = job->block;
    CLI_TRY(cli_vectors_read_as(&job->vectors, job->field->type, job->done, n, job->block, err));
    job->names[0] = job->field->name;
    job->columns[0] = &vectors;
    if (job->rows.lines)
        CLI_TRY(cli_rows_read(&job->rows, n, &read, err));
    if (read != n)
        return cli_fail(err, VSS_ERR_IO, "%s: changed while it was read", job->rows.path);
    for (size_t i = 0; i < job->rows.n_builders; i++) {
        job->names[i + 1] = job->rows.builders[i].name;
        job->columns[i + 1] = cli_builder_view(&job->rows.builders[i]);
    }
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = job->rows.n_builders + 1;
    batch.names = job->names;
    batch.columns = job->columns;
    CLI_TRY(vss_collection_insert(job->target.col, &batch, NULL, err));
    job->done += n;
    return VSS_OK;
}

static vss_status import_all(import_job *job, vss_error *err)
{
    CLI_TRY(import_check_rows(job, err));
    while (job->done < job->vectors.rows) {
        uint64_t first = job->done;
        vss_status status = import_batch(job, err);
        if (status != VSS_OK && job->vectors.rows > job->batch)
            return cli_prefix(err, "batch from row %llu (the %llu rows before it were imported)",
                              (unsigned long long)first, (unsigned long long)first);
        if (status != VSS_OK)
            return status;
        cli_progress_step(&job->progress, "importing", job->done, job->vectors.rows);
    }
    return vss_collection_flush(job->target.col, err);
}

static void import_free(import_job *job)
{
    cli_progress_end(&job->progress);
    cli_rows_close(&job->rows);
    cli_vectors_close(&job->vectors);
    free(job->block);
    free(job->names);
    free(job->columns);
}

static void import_print(const import_job *job, const cli_args *args, double seconds)
{
    if (cli_args_has(args, "json")) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_count(&json, "rows", job->done);
        cli_json_real(&json, "seconds", seconds);
        cli_json_end(&json);
    } else {
        char count[32];
        printf("imported %s rows into %s in %.2f s\n", cli_table_count(job->done, count), args->words[0], seconds);
    }
}

static void import_help(void)
{
    puts("\nEvery file goes into fields of f32, f16 and bf16, files of i8 into i8, of u8 into u8, and of u8 into\n"
         "binary, eight components a byte, the lowest bit first. In --rows a vector is a list of numbers, for binary\n"
         "of 0 and 1.");
}

static int import_run(const cli_args *args)
{
    import_job job = {.batch = 10000};
    vss_error err = {0};
    if (!cli_args_has(args, "vectors"))
        return cli_usage("import", "import needs --vectors");
    if (!cli_args_number(args, "batch", 1, VSS_MAX_BATCH_ROWS, &job.batch) ||
        !cli_target_split("import", args->words[0], &job.target))
        return CLI_WRONG_USAGE;
    double begin = cli_seconds();
    cli_progress_begin(&job.progress);
    vss_status status = import_open(&job, args, &err);
    if (status == VSS_OK)
        status = import_all(&job, &err);
    import_free(&job);
    status = cli_target_close(&job.target, status, &err);
    if (status != VSS_OK)
        return cli_report(&err);
    import_print(&job, args, cli_seconds() - begin);
    return CLI_DONE;
}

const cli_command cli_import = {"import", "DB/COLL --vectors FILE [--field F] [--rows FILE.jsonl[.zst]] [--batch N]",
                                "add rows from files", 1, 1, import_options, import_run, import_help};
