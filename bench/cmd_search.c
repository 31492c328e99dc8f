/*
 * cmd_search.c - vss search: nearest neighbours, or all rows in a range, of vectors in a file or of rows named by key
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hits.h"
#include "keys.h"
#include "like.h"
#include "memdb.h"
#include "path.h"
#include "tool.h"
#include "vector_types.h"

static const cli_option search_options[] = {
    {"queries", "FILE", "query vectors: .npy .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin", false},
    {"like", "KEY", "rows near this one, which is left out; repeat it for the mean of several", true},
    {"k", "N", "hits a query (10)", false},
    {"within", "R", "instead of -k: all rows as near as R or nearer, R as distances are printed", false},
    {"beyond", "R", "and those as far as R or farther only", false},
    {"cap", "N", "at most N of them a query (16384)", false},
    {"field", "NAME", "the vector field; the only one by default", false},
    {"filter", "EXPR", "only rows that match, as 'price < 20 and section == \"net\"'", false},
    {"set", "K=V,...", "search parameters, as ef=64; exact=1 compares every row", true},
    {"fields", "A,B", "fields to return", true},
    {"first", "N", "only the first N queries of the file", false},
    {"out", "FILE.ibin", "write the keys as int32, -1 where there are fewer than k", false},
    {"threads", "N", "threads (the processors this process may use)", false},
    {"device", "NAME", "where rows are compared, as cuda: see vss help; the processor by default", false},
    {"explain", NULL, "say what was done in each segment", false},
    {NULL, NULL, NULL, false},
};

typedef struct search_job {
    const cli_args *args;
    cli_target target;
    cli_vectors vectors;      /* of --queries */
    uint64_t n_queries, k, threads, first;
    bool range, capped;       /* --within or --beyond; some query has more rows than the cap */
    float within, beyond;     /* infinite: not given */
    const vss_field *field;
    const vss_schema *schema;
    void *block;              /* the queries of one call, in the field's given type */
    size_t query_size;        /* bytes of one */
    cli_builder like;         /* keys to leave out */
    char *set, *names;        /* --set; --fields, cut at the commas */
    const char **fields;      /* [n_fields], into names */
    size_t n_fields;
    cli_ibin ibin;
    bool json;
} search_job;

/* Names of fields, separated by commas, each once. */
static void search_split_fields(search_job *job)
{
    job->names = cli_args_joined(job->args, "fields");
    char *rest = NULL;
    for (char *name = job->names ? strtok_r(job->names, ",", &rest) : NULL; name; name = strtok_r(NULL, ",", &rest)) {
        bool known = false;
        for (size_t i = 0; i < job->n_fields; i++)
            known |= strcmp(job->fields[i], name) == 0;
        if (known)
            continue;
        job->fields = cli_resize(job->fields, job->n_fields + 1, sizeof *job->fields);
        job->fields[job->n_fields++] = name;
    }
}

/* A line of JSON has each name once. */
static vss_status search_check_names(const search_job *job, vss_error *err)
{
    static const char *const own[] = {"query", "rank", "key", "distance"};
    for (size_t f = 0; job->json && f < job->n_fields; f++)
        for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
            if (strcmp(job->fields[f], own[i]) == 0)
                return cli_fail(err, VSS_ERR_INVALID, "field \"%s\": --json writes something else under that name",
                                own[i]);
    return VSS_OK;
}

static vss_status search_open_like(search_job *job, vss_error *err)
{
    size_t named = cli_args_count(job->args, "like"), more = job->args->n_words - 1, n = named + more;
    const char **texts = cli_alloc(n, sizeof *texts);
    vss_result *rows = NULL;
    for (size_t i = 0; i < n; i++)
        texts[i] = i < named ? cli_args_nth(job->args, "like", i) : job->args->words[1 + i - named];
    job->n_queries = 1;
    job->block = cli_alloc(1, job->query_size);
    vss_status status = cli_keys_build(cli_schema_key(job->schema), texts, n, &job->like, err);
    if (status == VSS_OK)
        status = vss_collection_get(job->target.col, cli_builder_view(&job->like), &job->field->name, 1, &rows, err);
    if (status == VSS_OK)
        status = cli_like_mean(job->field, rows, texts, job->block, err);
    vss_result_free(rows);
    free(texts);
    return status;
}

static vss_status search_open_file(search_job *job, vss_error *err)
{
    CLI_TRY(cli_vectors_open(cli_args_text(job->args, "queries"), &job->vectors, err));
    CLI_TRY(cli_vectors_match(&job->vectors, job->field, err));
    job->n_queries = job->vectors.rows < job->first ? job->vectors.rows : job->first;
    job->block = cli_alloc(cli_memdb_block((uint32_t)job->k), job->query_size);
    return VSS_OK;
}

static vss_status search_open(search_job *job, vss_error *err)
{
    const char *out = cli_args_text(job->args, "out");
    CLI_TRY(search_check_names(job, err));
    CLI_TRY(cli_target_open(&job->target, VSS_OPEN_READ_ONLY, err));
    job->schema = vss_collection_schema(job->target.col);
    CLI_TRY(cli_schema_vector(job->schema, cli_args_text(job->args, "field"), &job->field, err));
    job->query_size = cli_vector_size(cli_vectors_given(job->field->type), job->field->dim);
    if (out && cli_schema_key(job->schema)->type != VSS_TYPE_INT64)
        return cli_fail(err, VSS_ERR_INVALID, "%s: an .ibin file holds int32 keys, this collection has strings", out);
    CLI_TRY(cli_args_has(job->args, "queries") ? search_open_file(job, err) : search_open_like(job, err));
    return out ? cli_ibin_create(out, job->n_queries, (uint32_t)job->k, &job->ibin, err) : VSS_OK;
}

/* Print or write one result. */
static vss_status search_show(search_job *job, const vss_result *result, uint64_t first, vss_error *err)
{
    if (job->json)
        cli_hits_json(result, first, job->fields, job->n_fields);
    else if (!job->ibin.file)
        cli_hits_table(result, first, job->fields, job->n_fields, job->n_queries > 1);
    job->capped |= (vss_result_flags_get(result) & VSS_RESULT_CAPPED) != 0;
    const vss_explain *explain = vss_result_explain(result);
    if (explain)
        cli_hits_explain(explain, job->json ? stderr : stdout);
    return job->ibin.file ? cli_hits_ibin(result, (uint32_t)job->k, &job->ibin, err) : VSS_OK;
}

/* Bounds of the distance; of a similarity the near one is the higher. */
static void search_range(const search_job *job, vss_search_request *request)
{
    bool similarity = job->field->metric == VSS_METRIC_IP || job->field->metric == VSS_METRIC_COSINE;
    bool within = cli_args_has(job->args, "within"), beyond = cli_args_has(job->args, "beyond");
    float near = beyond ? job->beyond : similarity ? INFINITY : -INFINITY;
    float far = within ? job->within : similarity ? -INFINITY : INFINITY;
    request->range = job->range;
    request->range_low = similarity ? far : near;
    request->range_high = similarity ? near : far;
}

static vss_status search_block(search_job *job, uint64_t first, uint64_t n, vss_error *err)
{
    vss_result *result;
    vss_search_request request = VSS_INIT(vss_search_request);
    if (job->vectors.path)
        CLI_TRY(cli_vectors_read_as(&job->vectors, job->field->type, first, n, job->block, err));
    request.field = job->field->name;
    request.queries = job->block;
    request.query_type = cli_vectors_given(job->field->type);
    request.n_queries = n;
    request.dim = job->field->dim;
    request.k = (uint32_t)job->k;
    request.filter = cli_args_text(job->args, "filter");
    request.params = job->set;
    request.fields = job->fields;
    request.n_fields = job->n_fields;
    request.exclude = job->like.rows ? cli_builder_view(&job->like) : NULL;
    request.threads = (uint32_t)job->threads;
    search_range(job, &request);
    request.explain = cli_args_has(job->args, "explain");
    request.device = cli_args_text(job->args, "device");
    CLI_TRY(vss_collection_search(job->target.col, &request, &result, err));
    vss_status status = search_show(job, result, first, err);
    vss_result_free(result);
    return status;
}

static vss_status search_all(search_job *job, vss_error *err)
{
    CLI_TRY(search_open(job, err));
    uint64_t block = cli_memdb_block((uint32_t)job->k);
    for (uint64_t first = 0; first < job->n_queries; first += block) {
        uint64_t left = job->n_queries - first;
        CLI_TRY(search_block(job, first, left < block ? left : block, err));
    }
    return VSS_OK;
}

static void search_free(search_job *job)
{
    cli_vectors_close(&job->vectors);
    cli_builder_free(&job->like);
    free(job->block);
    free(job->set);
    free(job->names);
    free(job->fields);
}

static void search_help(void)
{
    puts("\nThe mean of several --like is rounded for fields of i8 and u8, and refused for binary ones. Files of\n"
         "queries: any for f32, f16 and bf16 fields, i8 for i8, u8 for u8, and u8 for binary, eight components a\n"
         "byte.");
}

/* --within, --beyond and --cap, which take the place of -k. False: a line about them has been printed. */
static bool search_read_range(search_job *job)
{
    const cli_args *args = job->args;
    job->range = cli_args_has(args, "within") || cli_args_has(args, "beyond");
    if (!cli_args_real(args, "within", &job->within) || !cli_args_real(args, "beyond", &job->beyond) ||
        !cli_args_number(args, "cap", 1, VSS_MAX_K, &job->k))
        return false;
    if (job->range && cli_args_has(args, "k")) {
        cli_usage("search", "search: -k is for searches without --within and --beyond, which take --cap");
        return false;
    }
    if (!job->range && cli_args_has(args, "cap")) {
        cli_usage("search", "search: --cap is for --within and --beyond");
        return false;
    }
    if (job->range && !cli_args_has(args, "cap"))
        job->k = VSS_MAX_K;
    return true;
}

static int search_run(const cli_args *args)
{
    search_job job = {.args = args, .k = 10, .threads = cli_processors(), .first = UINT64_MAX,
                      .json = cli_args_has(args, "json")};
    vss_error err = {0};
    bool like = cli_args_has(args, "like");
    if (cli_args_has(args, "queries") == like)
        return cli_usage("search", "search needs either --queries or --like");
    if (args->n_words > 1 && !like)
        return cli_usage("search", "search: unexpected argument \"%s\"", args->words[1]);
    if (!cli_args_number(args, "k", 1, VSS_MAX_K, &job.k) || !cli_args_number(args, "threads", 1, 1024, &job.threads) ||
        !cli_args_number(args, "first", 1, UINT64_MAX, &job.first) || !search_read_range(&job) ||
        !cli_target_split("search", args->words[0], &job.target))
        return CLI_WRONG_USAGE;
    job.set = cli_args_joined(args, "set");
    search_split_fields(&job);
    vss_status status = search_all(&job, &err);
    bool wrote = job.ibin.file != NULL;
    status = cli_ibin_finish(&job.ibin, status, &err);
    search_free(&job);
    status = cli_target_close(&job.target, status, &err);
    if (status != VSS_OK)
        return cli_report(&err);
    if (job.capped)
        fprintf(stderr, "vss: some query has more than %llu rows in its range\n", (unsigned long long)job.k);
    if (wrote && !job.json)
        printf("wrote %llu rows of %llu keys to %s\n", (unsigned long long)job.n_queries, (unsigned long long)job.k,
               cli_args_text(args, "out"));
    return CLI_DONE;
}

const cli_command cli_search = {"search", "DB/COLL --queries FILE | --like KEY... -k K | --within R [--filter EXPR] "
                                          "[--set ef=64]",
                                "find nearest neighbours", 1, 64, search_options, search_run, search_help};
