/*
 * cmd_bench.c - vss bench: builds an index over a file of vectors and measures searches, a line a sweep point
 *
 * The collection is in memory, one sealed segment up to 2^20 rows. --set may name parameters of the build and of the
 * search: the index type's own table says which is which. With several --engine, or --index and an engine of FAISS,
 * one index after the other is built over the same rows and measured; each takes of --set and --sweep what its type
 * knows.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_run.h"
#include "json_out.h"
#include "path.h"
#include "table.h"
#include "tool.h"

static const cli_option bench_options[] = {
    {"base", "FILE", "the vectors to search", false},
    {"queries", "FILE", "the vectors to search for", false},
    {"truth", "FILE", "row numbers of the nearest rows (an exact search by default)", false},
    {"metric", "NAME", "l2, ip or cosine; hamming or jaccard for binary", false},
    {"dtype", "NAME", "f32 (the default for every file), f16, bf16, i8, u8, or binary of u8 files", false},
    {"index", "TYPE", "the index", false},
    {"set", "K=V,...", "parameters of the index and of its searches", true},
    {"sweep", "K=V,V,...", "a search parameter and the values to try", false},
    {"filter-rate", "R", "search with a filter that this part of the rows passes, as 0.01", false},
    {"k", "N", "hits a query (10)", false},
    {"threads", "N", "threads that build and search (1)", false},
    {"batch", "N", "queries a call (1)", false},
    {"first", "N", "only the first N queries of the file", false},
    {"device", "NAME", "what builds and searches: cpu (the default), or a device that was loaded, as cuda", false},
    {"engine", "NAME", "vss, or faiss:FACTORY through the FAISS plug-in; repeat it to compare", true},
    {NULL, NULL, NULL, false},
};

typedef struct bench_job {
    const cli_args *args;
    const char *engine, *type;    /* of the index that is being measured */
    vss_type dtype;
    char *build_set, *search_set; /* what --set holds for each; "" for nothing */
    uint64_t k, threads, batch, first;
    char *filter;                 /* NULL: none */
    double filter_rate;
    cli_memdb memdb;
    cli_truth truth;
    bool truth_known;
    cli_progress progress;
    double build_s;
    uint64_t index_bytes, rss_before;
    cli_table table;              /* without --json */
} bench_job;

/* Does a type know the parameter. */
typedef enum bench_known { BENCH_UNKNOWN, BENCH_BUILD, BENCH_SEARCH } bench_known;

static bench_known bench_knows(const char *type, const char *name, size_t size)
{
    static const char *const every[] = {"exact", "refine", "trusted"};
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++)
        if (strlen(every[i]) == size && memcmp(every[i], name, size) == 0)
            return BENCH_SEARCH;
    vss_param_info info = VSS_INIT(vss_param_info);
    for (size_t i = 0; vss_index_param(type, i, &info, NULL) == VSS_OK; i++) {
        bool named = strlen(info.name) == size && memcmp(info.name, name, size) == 0;
        bool aliased = info.alias && strlen(info.alias) == size && memcmp(info.alias, name, size) == 0;
        if (named || aliased)
            return info.search ? BENCH_SEARCH : BENCH_BUILD;
    }
    return BENCH_UNKNOWN;
}

/* The factory of an engine "faiss:FACTORY"; NULL: it is libvss itself. */
static const char *bench_factory(const char *engine)
{
    return engine && strncmp(engine, "faiss:", 6) == 0 ? engine + 6 : NULL;
}

/* Is the parameter, which the type at work doesn't know, another's that is measured too. */
static bool bench_others_know(const bench_job *job, const char *name, size_t size)
{
    const char *own = cli_args_text(job->args, "index");
    bool known = own && bench_knows(own, name, size) != BENCH_UNKNOWN;
    for (size_t i = 0; i < cli_args_count(job->args, "engine"); i++)
        known |= bench_factory(cli_args_nth(job->args, "engine", i)) &&
                 bench_knows("faiss", name, size) != BENCH_UNKNOWN;
    return known;
}

static void bench_join(char **set, const char *more)
{
    char *joined = cli_format("%s%s%s", *set, **set && *more ? "," : "", more);
    free(*set);
    *set = joined;
}

/* What of --set is for the index that is being measured. An item without "=" goes on with the one before it. */
static void bench_split_set(bench_job *job)
{
    char *set = cli_args_joined(job->args, "set"), *rest = NULL, **to = &job->build_set;
    const char *factory = bench_factory(job->engine);
    job->build_set = factory ? cli_format("factory=%s", factory) : cli_copy("");
    job->search_set = cli_copy(factory ? "trusted=1" : "");
    for (char *one = set ? strtok_r(set, ",", &rest) : NULL; one; one = strtok_r(NULL, ",", &rest)) {
        size_t name = strcspn(one, "=");
        bench_known known = bench_knows(job->type, one, name);
        if (one[name])
            to = known == BENCH_SEARCH ? &job->search_set : &job->build_set;
        if (!one[name] || known != BENCH_UNKNOWN || !bench_others_know(job, one, name))
            bench_join(to, one);
    }
    free(set);
}

/* A number of kB from /proc/self/status, in bytes. */
static uint64_t bench_memory(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    uint64_t bytes = 0;
    size_t size = strlen(name);
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, size) == 0 && line[size] == ':')
            bytes = strtoull(line + size + 1, NULL, 10) * 1024;
    if (file)
        fclose(file);
    return bytes;
}

static int bench_add_bytes(void *state, const vss_index_info *info)
{
    *(uint64_t *)state += info->bytes;
    return 0;
}

static vss_status bench_build(bench_job *job, vss_error *err)
{
    vss_build_options options = VSS_INIT(vss_build_options);
    options.threads = (uint32_t)job->threads;
    options.device = cli_args_text(job->args, "device");
    options.progress = job->progress.shown ? cli_progress_step : NULL;
    options.progress_state = &job->progress;
    double begin = cli_seconds();
    job->index_bytes = 0;
    vss_status status = vss_collection_build_index(job->memdb.col, "vector", job->type, job->build_set, &options, err);
    job->build_s = cli_seconds() - begin;
    cli_progress_end(&job->progress);
    return status == VSS_OK ? vss_collection_indexes(job->memdb.col, bench_add_bytes, &job->index_bytes, err) : status;
}

static double bench_round(double value, double digits) { return floor(value * digits + 0.5) / digits; }

static uint64_t bench_rss(const bench_job *job)
{
    uint64_t peak = bench_memory("VmHWM");
    return peak > job->rss_before ? peak - job->rss_before : 0;
}

static void bench_print_json(const bench_job *job, const cli_bench_run *run)
{
    cli_json json;
    cli_json_begin(&json, stdout);
    cli_json_text(&json, "engine", job->engine);
    cli_json_text(&json, "index", job->type);
    cli_json_text(&json, "build_params", job->build_set);
    cli_json_text(&json, "search_params", run->params);
    cli_json_count(&json, "n", job->memdb.base.rows);
    cli_json_count(&json, "dim", job->memdb.dim);
    cli_json_text(&json, "metric", vss_metric_name(job->memdb.metric));
    cli_json_count(&json, "k", job->k);
    cli_json_count(&json, "threads", job->threads);
    cli_json_count(&json, "batch", job->batch);
    cli_json_real(&json, "recall", run->recall);
    cli_json_real(&json, "qps", bench_round(run->qps, 10));
    cli_json_real(&json, "p50_us", bench_round(run->p50_us, 100));
    cli_json_real(&json, "p99_us", bench_round(run->p99_us, 100));
    cli_json_real(&json, "build_s", bench_round(job->build_s, 10000));
    cli_json_count(&json, "index_bytes", job->index_bytes);
    cli_json_count(&json, "rss_bytes", bench_rss(job));
    cli_json_text(&json, "simd", vss_simd_level());
    if (cli_args_has(job->args, "device"))
        cli_json_text(&json, "device", cli_args_text(job->args, "device"));
    if (cli_args_has(job->args, "dtype"))
        cli_json_text(&json, "dtype", cli_dtype_name(job->dtype));
    if (job->filter)
        cli_json_real(&json, "filter_rate", job->filter_rate);
    cli_json_end(&json);
    fflush(stdout);
}

static void bench_begin_table(bench_job *job)
{
    static const char *const heads[] = {"search", ">recall", ">queries/s", ">p50 us", ">p99 us"};
    char rows[32], index[32], rss[32], queries[32];
    printf("%s %s over %s rows of %u %s (%s, %s), built in %.2f s, %s, %s resident\n", job->type, job->build_set,
           cli_table_count(job->memdb.base.rows, rows), job->memdb.dim, cli_dtype_name(job->dtype),
           vss_metric_name(job->memdb.metric), vss_simd_level(), job->build_s, cli_table_bytes(job->index_bytes, index),
           cli_table_bytes(bench_rss(job), rss));
    printf("%s queries, k %llu, %llu threads, %llu a call%s%s\n\n", cli_table_count(job->memdb.n_queries, queries),
           (unsigned long long)job->k, (unsigned long long)job->threads, (unsigned long long)job->batch,
           job->filter ? ", filter " : "", job->filter ? job->filter : "");
    cli_table_begin(&job->table, heads, 5);
}

static vss_status bench_point(bench_job *job, const char *params, vss_error *err)
{
    cli_bench_run run = {.memdb = &job->memdb, .truth = &job->truth, .k = (uint32_t)job->k,
                         .threads = (uint32_t)job->threads, .batch = (uint32_t)job->batch, .filter = job->filter,
                         .params = params, .device = cli_args_text(job->args, "device")};
    CLI_TRY(cli_bench_run_measure(&run, err));
    if (cli_args_has(job->args, "json")) {
        bench_print_json(job, &run);
        return VSS_OK;
    }
    cli_table_add(&job->table, "%s", *params ? params : "defaults");
    cli_table_add(&job->table, "%.4f", run.recall);
    cli_table_add(&job->table, "%.0f", run.qps);
    cli_table_add(&job->table, "%.1f", run.p50_us);
    cli_table_add(&job->table, "%.1f", run.p99_us);
    return VSS_OK;
}

static vss_status bench_sweep(bench_job *job, vss_error *err)
{
    const char *sweep = cli_args_text(job->args, "sweep");
    if (!sweep || (bench_knows(job->type, sweep, strcspn(sweep, "=")) == BENCH_UNKNOWN &&
                   bench_others_know(job, sweep, strcspn(sweep, "="))))
        return bench_point(job, job->search_set, err);
    size_t name = strcspn(sweep, "=");
    char *values = cli_copy(sweep + name + 1), *rest = NULL;
    vss_status status = VSS_OK;
    for (char *value = strtok_r(values, ",", &rest); value && status == VSS_OK; value = strtok_r(NULL, ",", &rest)) {
        char *params = cli_format("%s%s%.*s=%s", job->search_set, *job->search_set ? "," : "", (int)name, sweep, value);
        status = bench_point(job, params, err);
        free(params);
    }
    free(values);
    return status;
}

/* Build one index and measure it. */
static vss_status bench_engine(bench_job *job, const char *engine, vss_error *err)
{
    const char *truth = cli_args_text(job->args, "truth");
    job->engine = engine;
    job->type = bench_factory(engine) ? "faiss" : cli_args_text(job->args, "index");
    bench_split_set(job);
    vss_status status = bench_build(job, err);
    if (status == VSS_OK && !job->truth_known) {
        status = truth ? cli_truth_load(&job->memdb, truth, (uint32_t)job->k, &job->truth, err)
                       : cli_truth_search(&job->memdb, (uint32_t)job->k, job->filter, cli_processors(), &job->progress,
                                          &job->truth, err);
        job->truth_known = status == VSS_OK;
    }
    bool as_json = cli_args_has(job->args, "json");
    if (status == VSS_OK && !as_json)
        bench_begin_table(job);
    if (status == VSS_OK)
        status = bench_sweep(job, err);
    if (status == VSS_OK && !as_json)
        cli_table_print(&job->table, stdout);
    cli_table_free(&job->table);
    free(job->build_set);
    free(job->search_set);
    return status;
}

static vss_status bench_work(bench_job *job, vss_error *err)
{
    size_t engines = cli_args_count(job->args, "engine");
    bool own = cli_args_has(job->args, "index");
    job->rss_before = bench_memory("VmRSS");
    CLI_TRY(cli_memdb_load(&job->memdb, cli_args_text(job->args, "base"), job->dtype,
                           cli_metric_parse(cli_args_text(job->args, "metric")), job->filter != NULL, &job->progress,
                           err));
    CLI_TRY(cli_memdb_queries(&job->memdb, cli_args_text(job->args, "queries"), job->first, err));
    if (own)
        CLI_TRY(bench_engine(job, "vss", err));
    for (size_t i = 0; i < engines; i++) {
        const char *engine = cli_args_nth(job->args, "engine", i);
        if (bench_factory(engine))
            CLI_TRY(bench_engine(job, engine, err));
    }
    return VSS_OK;
}

/* --filter-rate into a filter. False: a line about it has been printed. */
static bool bench_read_rate(bench_job *job)
{
    const char *text = cli_args_text(job->args, "filter-rate");
    if (!text)
        return true;
    char *end;
    double rate = strtod(text, &end);
    if (end == text || *end || !(rate > 0) || !(rate <= 1)) {
        cli_usage("bench", "--filter-rate %s: expected a number above 0 and at most 1", text);
        return false;
    }
    if (cli_args_has(job->args, "truth")) {
        cli_usage("bench", "--truth is for searches without --filter-rate");
        return false;
    }
    job->filter_rate = rate;
    job->filter = cli_format("bucket < %.0f", rate * CLI_MEMDB_BUCKETS);
    return true;
}

/* The options that must be there, and what is wrong with others. CLI_DONE to go on. */
static int bench_check_options(const cli_args *args)
{
    static const char *const needed[] = {"base", "queries", "metric"};
    const char *device = cli_args_text(args, "device");
    bool measured = cli_args_has(args, "index");
    const char *sweep = cli_args_text(args, "sweep");
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!cli_args_has(args, needed[i]))
            return cli_usage("bench", "bench needs --%s", needed[i]);
    if (cli_metric_parse(cli_args_text(args, "metric")) == VSS_METRIC_NONE)
        return cli_usage("bench", "--metric %s: expected l2, ip, cosine, hamming or jaccard",
                         cli_args_text(args, "metric"));
    if (sweep && (!strchr(sweep, '=') || sweep[0] == '=' || !strchr(sweep, '=')[1]))
        return cli_usage("bench", "--sweep %s: expected NAME=VALUE,VALUE,...", sweep);
    if (device && strcmp(device, "cpu") != 0 && !vss_device_find(device))
        return cli_refuse("there is no device \"%s\": --device-library loads the library that has it", device);
    for (size_t i = 0; i < cli_args_count(args, "engine"); i++) {
        const char *engine = cli_args_nth(args, "engine", i);
        if (strcmp(engine, "vss") != 0 && (!bench_factory(engine) || !*bench_factory(engine)))
            return cli_usage("bench", "--engine %s: expected vss or faiss:FACTORY", engine);
        measured |= bench_factory(engine) != NULL;
    }
    if (!measured)
        return cli_usage("bench", "bench needs --index");
    return CLI_DONE;
}

static int bench_run(const cli_args *args)
{
    bench_job job = {.args = args, .k = 10, .threads = 1, .batch = 1, .first = UINT64_MAX};
    vss_error err = {0};
    int code = bench_check_options(args);
    if (code != CLI_DONE)
        return code;
    if (!cli_args_number(args, "k", 1, VSS_MAX_K, &job.k) || !cli_args_number(args, "threads", 1, 1024, &job.threads) ||
        !cli_args_number(args, "batch", 1, VSS_MAX_QUERIES, &job.batch) ||
        !cli_args_number(args, "first", 1, UINT64_MAX, &job.first) || !cli_memdb_type(args, &job.dtype) ||
        !bench_read_rate(&job))
        return CLI_WRONG_USAGE;
    cli_progress_begin(&job.progress);
    vss_status status = bench_work(&job, &err);
    cli_progress_end(&job.progress);
    cli_truth_free(&job.truth);
    cli_memdb_close(&job.memdb);
    free(job.filter);
    return status == VSS_OK ? CLI_DONE : cli_report(&err);
}

const cli_command cli_bench = {"bench",
                               "--base F --queries F --metric M --index TYPE [--engine faiss:FACTORY] [--set ...] "
                               "[--sweep ef=16,32] [-k 10]",
                               "measure recall and speed", 0, 0, bench_options, bench_run, NULL};
