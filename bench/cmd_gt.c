/*
 * cmd_gt.c - vss gt: the exact nearest rows of each query, as an .ibin file of row numbers
 */
#include <stdio.h>

#include "hits.h"
#include "json_out.h"
#include "memdb.h"
#include "path.h"
#include "tool.h"

static const cli_option gt_options[] = {
    {"base", "FILE", "the vectors to search", false},
    {"queries", "FILE", "the vectors to search for", false},
    {"metric", "NAME", "l2, ip or cosine; hamming or jaccard for binary", false},
    {"dtype", "NAME", "f32 (the default for every file), f16, bf16, i8, u8, or binary of u8 files", false},
    {"k", "N", "rows a query (10)", false},
    {"out", "FILE.ibin", "where the row numbers go", false},
    {"threads", "N", "threads (the processors this process may use)", false},
    {NULL, NULL, NULL, false},
};

static vss_status gt_search(cli_memdb *memdb, uint32_t k, uint32_t threads, cli_ibin *ibin, cli_progress *progress,
                            vss_error *err)
{
    uint64_t block = cli_memdb_block(k) < 256 ? cli_memdb_block(k) : 256;
    for (uint64_t first = 0; first < memdb->n_queries; first += block) {
        uint64_t left = memdb->n_queries - first;
        vss_result *result;
        vss_search_request request = cli_memdb_request(memdb, first, left < block ? left : block, k);
        request.params = "exact=1";
        request.threads = threads;
        CLI_TRY(vss_collection_search(memdb->col, &request, &result, err));
        vss_status status = cli_hits_ibin(result, k, ibin, err);
        vss_result_free(result);
        CLI_TRY(status);
        cli_progress_step(progress, "searching", first + request.n_queries, memdb->n_queries);
    }
    return VSS_OK;
}

static vss_status gt_work(cli_memdb *memdb, const cli_args *args, vss_type type, uint32_t k, uint32_t threads,
                          vss_error *err)
{
    cli_progress progress;
    cli_ibin ibin = {0};
    cli_progress_begin(&progress);
    CLI_TRY(cli_memdb_load(memdb, cli_args_text(args, "base"), type, cli_metric_parse(cli_args_text(args, "metric")),
                           false, &progress, err));
    CLI_TRY(cli_memdb_queries(memdb, cli_args_text(args, "queries"), UINT64_MAX, err));
    vss_status status = cli_ibin_create(cli_args_text(args, "out"), memdb->n_queries, k, &ibin, err);
    if (status == VSS_OK)
        status = gt_search(memdb, k, threads, &ibin, &progress, err);
    cli_progress_end(&progress);
    return cli_ibin_finish(&ibin, status, err);
}

static int gt_run(const cli_args *args)
{
    static const char *const needed[] = {"base", "queries", "metric", "out"};
    cli_memdb memdb = {0};
    vss_error err = {0};
    uint64_t k = 10, threads = cli_processors();
    vss_type type;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!cli_args_has(args, needed[i]))
            return cli_usage("gt", "gt needs --%s", needed[i]);
    if (cli_metric_parse(cli_args_text(args, "metric")) == VSS_METRIC_NONE)
        return cli_usage("gt", "--metric %s: expected l2, ip, cosine, hamming or jaccard",
                         cli_args_text(args, "metric"));
    if (!cli_args_number(args, "k", 1, VSS_MAX_K, &k) || !cli_args_number(args, "threads", 1, 1024, &threads) ||
        !cli_memdb_type(args, &type))
        return CLI_WRONG_USAGE;
    vss_status status = gt_work(&memdb, args, type, (uint32_t)k, (uint32_t)threads, &err);
    uint64_t queries = memdb.n_queries;
    cli_memdb_close(&memdb);
    if (status != VSS_OK)
        return cli_report(&err);
    if (cli_args_has(args, "json")) {
        cli_json json;
        cli_json_begin(&json, stdout);
        cli_json_text(&json, "out", cli_args_text(args, "out"));
        cli_json_count(&json, "queries", queries);
        cli_json_count(&json, "k", k);
        cli_json_end(&json);
    } else {
        printf("wrote %llu rows of %llu row numbers to %s\n", (unsigned long long)queries, (unsigned long long)k,
               cli_args_text(args, "out"));
    }
    return CLI_DONE;
}

const cli_command cli_gt = {"gt", "--base F --queries F --metric M -k K --out FILE.ibin",
                            "write the exact nearest rows of queries", 0, 0, gt_options, gt_run, NULL};
