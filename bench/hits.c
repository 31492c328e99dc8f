/*
 * hits.c - writes what a search found
 */
#include "hits.h"

#include <stdlib.h>

#include "json_out.h"
#include "table.h"
#include "tool.h"

void cli_hits_json(const vss_result *result, uint64_t first, const char *const *fields, size_t n_fields)
{
    const int64_t *offsets = vss_result_offsets(result);
    for (size_t q = 0; q < vss_result_queries(result); q++) {
        for (int64_t row = offsets[q]; row < offsets[q + 1]; row++) {
            cli_json json;
            cli_json_begin(&json, stdout);
            cli_json_count(&json, "query", first + q);
            cli_json_count(&json, "rank", (uint64_t)(row - offsets[q]));
            cli_json_cell(&json, "key", vss_result_keys(result), (uint64_t)row);
            cli_json_real32(&json, "distance", vss_result_distances(result)[row]);
            for (size_t f = 0; f < n_fields; f++)
                cli_json_cell(&json, fields[f], vss_result_field(result, fields[f]), (uint64_t)row);
            cli_json_end(&json);
        }
    }
}

static void hits_add_cell(cli_table *table, const vss_column *column, uint64_t row)
{
    char *text = cli_cell_text(column, row);
    cli_table_add(table, "%s", text);
    free(text);
}

static bool hits_is_number(const vss_column *column)
{
    return column->type >= VSS_TYPE_INT8 && column->type <= VSS_TYPE_FLOAT64;
}

/* The heads of a table of hits; numbers are set to the right. */
static void hits_begin_table(cli_table *table, const vss_result *result, const char *const *fields, size_t n_fields)
{
    size_t n = 3 + n_fields;
    char **heads = cli_alloc(n, sizeof *heads);
    heads[0] = cli_copy(">rank");
    heads[1] = cli_copy(hits_is_number(vss_result_keys(result)) ? ">key" : "key");
    heads[2] = cli_copy(">distance");
    for (size_t f = 0; f < n_fields; f++)
        heads[3 + f] = cli_format("%s%s", hits_is_number(vss_result_field(result, fields[f])) ? ">" : "", fields[f]);
    cli_table_begin(table, (const char *const *)heads, n);
    for (size_t i = 0; i < n; i++)
        free(heads[i]);
    free(heads);
}

void cli_hits_table(const vss_result *result, uint64_t first, const char *const *fields, size_t n_fields,
                    bool numbered)
{
    const int64_t *offsets = vss_result_offsets(result);
    for (size_t q = 0; q < vss_result_queries(result); q++) {
        cli_table table;
        if (numbered)
            printf("%squery %llu\n", first + q ? "\n" : "", (unsigned long long)(first + q));
        hits_begin_table(&table, result, fields, n_fields);
        for (int64_t row = offsets[q]; row < offsets[q + 1]; row++) {
            cli_table_add(&table, "%lld", (long long)(row - offsets[q]));
            hits_add_cell(&table, vss_result_keys(result), (uint64_t)row);
            cli_table_add(&table, "%.6f", (double)vss_result_distances(result)[row]);
            for (size_t f = 0; f < n_fields; f++)
                hits_add_cell(&table, vss_result_field(result, fields[f]), (uint64_t)row);
        }
        cli_table_print(&table, stdout);
    }
}

vss_status cli_hits_ibin(const vss_result *result, uint32_t k, cli_ibin *ibin, vss_error *err)
{
    const int64_t *offsets = vss_result_offsets(result), *keys = vss_result_keys(result)->data;
    int32_t *row = cli_alloc(k, sizeof *row);
    vss_status status = VSS_OK;
    for (size_t q = 0; status == VSS_OK && q < vss_result_queries(result); q++) {
        int64_t n = offsets[q + 1] - offsets[q];
        for (int64_t i = 0; status == VSS_OK && i < n; i++) {
            int64_t key = keys[offsets[q] + i];
            if (key < INT32_MIN || key > INT32_MAX)
                status = cli_fail(err, VSS_ERR_INVALID, "%s: key %lld does not fit int32", ibin->path, (long long)key);
            row[i] = (int32_t)key;
        }
        for (int64_t i = n; i < (int64_t)k; i++)
            row[i] = -1;
        if (status == VSS_OK)
            status = cli_ibin_write(ibin, row, k, err);
    }
    free(row);
    return status;
}

static const char *hits_plan(vss_plan plan)
{
    switch (plan) {
    case VSS_PLAN_SCAN: return "scan";
    case VSS_PLAN_SCAN_ROWS: return "scan of passing rows";
    case VSS_PLAN_INDEX: return "index";
    case VSS_PLAN_INDEX_THEN_SCAN: return "index, then scan";
    case VSS_PLAN_NOTHING: return "nothing passes";
    }
    return "?";
}

void cli_hits_explain(const vss_explain *explain, FILE *out)
{
    static const char *const heads[] = {">segment",   "plan",         "index",       "device",     ">rows", ">passing",
                                        ">distances", ">recomputed", ">filter ms", ">search ms"};
    cli_table table;
    char text[32];
    cli_table_begin(&table, heads, 10);
    for (size_t i = 0; i < explain->n_segments; i++) {
        const vss_explain_segment *segment = &explain->segments[i];
        cli_table_add(&table, "%zu", i);
        cli_table_add(&table, "%s", hits_plan(segment->plan));
        cli_table_add(&table, "%s", segment->index ? segment->index : "-");
        cli_table_add(&table, "%s", segment->device ? segment->device : "-");
        cli_table_add(&table, "%s", cli_table_count(segment->rows, text));
        cli_table_add(&table, "%s", cli_table_count(segment->passing, text));
        cli_table_add(&table, "%s", cli_table_count(segment->distances, text));
        cli_table_add(&table, "%s", cli_table_count(segment->recomputed, text));
        cli_table_add(&table, "%.3f", (double)segment->filter_ns * 1e-6);
        cli_table_add(&table, "%.3f", (double)segment->search_ns * 1e-6);
    }
    fprintf(out, "\nversion %llu, sequence %llu, %.3f ms\n", (unsigned long long)explain->version,
            (unsigned long long)explain->sequence, (double)explain->total_ns * 1e-6);
    cli_table_print(&table, out);
}
