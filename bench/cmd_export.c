/*
 * cmd_export.c - vss export: the rows of a collection as files that create and import read back
 *
 * OUT becomes a folder of schema.json, rows.jsonl and the vectors of one field; it appears under its name when it is
 * complete. The keys are rows' values: the schema of a collection that counts its keys is written without auto_id. All
 * of it is one committed state; nothing is locked.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_out.h"
#include "path.h"
#include "progress.h"
#include "table.h"
#include "tool.h"
#include "vector_file_new.h"
#include "vector_types.h"

enum { EXPORT_BATCH_BYTES = 1 << 24, EXPORT_BATCH_ROWS = 4096 };

static const cli_option export_options[] = {
    {"field", "NAME", "the field whose vectors get a file of their own; the only one by default", false},
    {"filter", "EXPR", "only the rows that match", false},
    {"format", "NAME", "of the file of vectors: npy (the default), or bin for .fbin .u8bin .i8bin", false},
    {NULL, NULL, NULL, false},
};

typedef struct export_job {
    cli_target target;
    const vss_schema *schema;
    const vss_field *field, *key;
    bool npy;
    char *partial;            /* OUT.partial */
    char *vectors_name;       /* in it */
    FILE *rows;
    cli_vector_out vectors;
    uint64_t done, total;
    vss_error *err;           /* of the callback */
    vss_status status;
    cli_progress progress;
} export_job;

static vss_status export_fail(const char *path, vss_error *err)
{
    return cli_fail(err, VSS_ERR_IO, "%s: %s", path, strerror(errno));
}

/* The file of that name in the folder, to be written. */
static vss_status export_create(const export_job *job, const char *name, FILE **file, vss_error *err)
{
    char *path = cli_format("%s/%s", job->partial, name);
    *file = fopen(path, "wbx");
    vss_status status = *file ? VSS_OK : export_fail(path, err);
    free(path);
    return status;
}

static vss_status export_schema(const export_job *job, vss_error *err)
{
    FILE *file;
    CLI_TRY(export_create(job, "schema.json", &file, err));
    json_t *schema = json_loads(vss_collection_schema_json(job->target.col), 0, NULL), *field;
    size_t i;
    json_array_foreach(json_object_get(schema, "fields"), i, field)
        json_object_del(field, "auto_id");
    bool written = schema && json_dumpf(schema, file, JSON_INDENT(2)) == 0 && fputc('\n', file) != EOF;
    written = fclose(file) == 0 && written;
    json_decref(schema);
    return written ? VSS_OK : export_fail("schema.json", err);
}

/* The file of vectors, which tells the number of rows first. */
static vss_status export_begin_vectors(export_job *job, uint64_t total, vss_error *err)
{
    char *path = cli_format("%s/%s", job->partial, job->vectors_name);
    job->total = total;
    vss_status status = cli_vector_out_open(path, job->field->type, job->field->dim, total, job->npy, &job->vectors,
                                            err);
    free(path);
    return status;
}

static vss_status export_batch(export_job *job, const vss_result *rows, uint64_t total, vss_error *err)
{
    const uint64_t n = vss_result_rows(rows);
    if (job->done == 0)
        CLI_TRY(export_begin_vectors(job, total, err));
    for (uint64_t row = 0; row < n; row++) {
        cli_json json;
        cli_json_begin(&json, job->rows);
        for (size_t f = 0; f < job->schema->n_fields; f++) {
            const vss_field *field = job->schema->fields[f];
            if (field != job->field)
                cli_json_cell(&json, field->name,
                              field == job->key ? vss_result_keys(rows) : vss_result_field(rows, field->name), row);
        }
        cli_json_end(&json);
    }
    if (ferror(job->rows))
        return export_fail("rows.jsonl", err);
    CLI_TRY(cli_vector_out_write(&job->vectors, vss_result_field(rows, job->field->name)->data, n, err));
    job->done += n;
    cli_progress_step(&job->progress, "exporting", job->done, total);
    return VSS_OK;
}

static int export_rows(void *state, const vss_result *rows, uint64_t total)
{
    export_job *job = state;
    job->status = export_batch(job, rows, total, job->err);
    return job->status != VSS_OK;
}

static vss_status export_scan(export_job *job, const cli_args *args, vss_error *err)
{
    vss_scan_options options = VSS_INIT(vss_scan_options);
    const char **fields = cli_alloc(job->schema->n_fields, sizeof *fields);
    size_t row = 1;
    for (size_t f = 0; f < job->schema->n_fields; f++) {
        const vss_field *field = job->schema->fields[f];
        row += cli_vector_size(field->type, field->dim);
        if (field != job->key)
            fields[options.n_fields++] = field->name;
    }
    vss_error late = {0};
    job->err = &late;
    options.fields = fields;
    options.filter = cli_args_text(args, "filter");
    options.batch_rows = row < EXPORT_BATCH_BYTES / EXPORT_BATCH_ROWS ? EXPORT_BATCH_ROWS
                         : row < EXPORT_BATCH_BYTES                 ? (uint32_t)(EXPORT_BATCH_BYTES / row) : 1;
    vss_status status = vss_collection_scan(job->target.col, &options, export_rows, job, err);
    free(fields);
    if (job->status != VSS_OK)
        *err = late; /* why the scan was cancelled */
    return status;
}

static vss_status export_files(export_job *job, const cli_args *args, vss_error *err)
{
    CLI_TRY(export_schema(job, err));
    CLI_TRY(export_create(job, "rows.jsonl", &job->rows, err));
    CLI_TRY(export_scan(job, args, err));
    if (job->done == 0)
        CLI_TRY(export_begin_vectors(job, 0, err));
    return VSS_OK;
}

static vss_status export_finish(export_job *job, const char *out, vss_status status, vss_error *err)
{
    const char *const names[] = {"schema.json", "rows.jsonl", job->vectors_name};
    if (job->rows && fclose(job->rows) != 0 && status == VSS_OK)
        status = export_fail("rows.jsonl", err);
    status = cli_vector_out_close(&job->vectors, status, err);
    if (status == VSS_OK && rename(job->partial, out) != 0)
        status = export_fail(out, err);
    for (size_t i = 0; status != VSS_OK && i < 3; i++) {
        char *path = cli_format("%s/%s", job->partial, names[i]);
        (void)unlink(path);
        free(path);
    }
    if (status != VSS_OK)
        (void)rmdir(job->partial);
    return status;
}

static vss_status export_work(export_job *job, const cli_args *args, vss_error *err)
{
    const char *out = args->words[1];
    struct stat info;
    CLI_TRY(cli_target_open(&job->target, VSS_OPEN_READ_ONLY, err));
    job->schema = vss_collection_schema(job->target.col);
    job->key = cli_schema_key(job->schema);
    CLI_TRY(cli_schema_vector(job->schema, cli_args_text(args, "field"), &job->field, err));
    job->vectors_name = cli_format("%s%s", job->field->name, cli_vector_out_ending(job->field->type, job->npy));
    if (lstat(out, &info) == 0)
        return cli_fail(err, VSS_ERR_EXISTS, "%s exists already", out);
    job->partial = cli_format("%s.partial", out);
    if (mkdir(job->partial, 0777) != 0)
        return export_fail(job->partial, err);
    return export_finish(job, out, export_files(job, args, err), err);
}

static void export_print(const export_job *job, const cli_args *args)
{
    if (cli_args_has(args, "json")) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_count(&json, "rows", job->done);
        cli_json_text(&json, "vectors", job->vectors_name);
        cli_json_end(&json);
    } else {
        char count[32];
        printf("exported %s rows of %s to %s: schema.json, rows.jsonl, %s\n", cli_table_count(job->done, count),
               args->words[0], args->words[1], job->vectors_name);
    }
}

static void export_help(void)
{
    puts("\nOUT becomes a folder. It is read back by\n"
         "  vss create DB/NEW --schema OUT/schema.json\n"
         "  vss import DB/NEW --vectors OUT/FIELD.npy --rows OUT/rows.jsonl");
}

static int export_run(const cli_args *args)
{
    export_job job = {0};
    vss_error err = {0};
    const char *format = cli_args_text(args, "format");
    job.npy = !format || strcmp(format, "npy") == 0;
    if (!job.npy && strcmp(format, "bin") != 0)
        return cli_usage("export", "--format %s: expected npy or bin", format);
    if (!cli_target_split("export", args->words[0], &job.target))
        return CLI_WRONG_USAGE;
    cli_progress_begin(&job.progress);
    vss_status status = export_work(&job, args, &err);
    cli_progress_end(&job.progress);
    status = cli_target_close(&job.target, status, &err);
    if (status == VSS_OK)
        export_print(&job, args);
    free(job.partial);
    free(job.vectors_name);
    return status == VSS_OK ? CLI_DONE : cli_report(&err);
}

const cli_command cli_export = {"export", "DB/COLL OUT [--filter EXPR] [--field F] [--format npy|bin]",
                                "write rows to files that import reads", 2, 2, export_options, export_run, export_help};
