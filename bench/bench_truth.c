/*
 * bench_truth.c - the true k-th distances that recall is counted against
 *
 * An exact search gives the distances that the searches under test return, bit for bit. Distances computed here from a
 * file's row numbers may differ in the last bit, and get a millionth of slack.
 */
#include "bench_truth.h"

#include <math.h>
#include <stdlib.h>

#include "tool.h"

static void truth_begin(cli_truth *truth, uint64_t n)
{
    truth->kth = cli_alloc(n, sizeof *truth->kth);
    truth->count = cli_alloc(n, sizeof *truth->count);
}

void cli_truth_free(cli_truth *truth)
{
    free(truth->kth);
    free(truth->count);
    *truth = (cli_truth){0};
}

vss_status cli_truth_search(const cli_memdb *m, uint32_t k, const char *filter, uint32_t threads,
                            cli_progress *progress, cli_truth *truth, vss_error *err)
{
    uint64_t block = cli_memdb_block(k) < 256 ? cli_memdb_block(k) : 256;
    truth_begin(truth, m->n_queries);
    for (uint64_t first = 0; first < m->n_queries; first += block) {
        uint64_t left = m->n_queries - first;
        vss_result *result;
        vss_search_request request = cli_memdb_request(m, first, left < block ? left : block, k);
        request.params = "exact=1";
        request.filter = filter;
        request.threads = threads;
        CLI_TRY(vss_collection_search(m->col, &request, &result, err));
        const int64_t *offsets = vss_result_offsets(result);
        for (uint64_t q = 0; q < request.n_queries; q++) {
            truth->count[first + q] = (uint32_t)(offsets[q + 1] - offsets[q]);
            truth->kth[first + q] = truth->count[first + q] ? vss_result_distances(result)[offsets[q + 1] - 1] : 0;
        }
        vss_result_free(result);
        cli_progress_step(progress, "truth", first + request.n_queries, m->n_queries);
    }
    cli_progress_end(progress);
    return VSS_OK;
}

static bool truth_larger_is_nearer(vss_metric metric)
{
    return metric == VSS_METRIC_IP || metric == VSS_METRIC_COSINE;
}

static bool truth_farther(vss_metric metric, double a, double b)
{
    return truth_larger_is_nearer(metric) ? a < b : a > b;
}

static double truth_distance(vss_metric metric, const double *a, const double *b, uint32_t dim)
{
    double l2 = 0, ip = 0, aa = 0, bb = 0; /* of bits: those that differ, that both have, that each has */
    for (uint32_t i = 0; i < dim; i++) {
        l2 += (a[i] - b[i]) * (a[i] - b[i]);
        ip += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    switch (metric) {
    case VSS_METRIC_IP: return ip;
    case VSS_METRIC_COSINE: return ip / sqrt(aa * bb);
    case VSS_METRIC_JACCARD: return aa + bb > 0 ? 1 - ip / (aa + bb - ip) : 0;
    default: return l2;
    }
}

/* How many of the first k ids name rows; -1 ends them. */
static vss_status truth_count(const cli_memdb *m, const char *path, uint64_t q, const int64_t *ids, uint32_t k,
                              uint32_t *count, vss_error *err)
{
    for (*count = 0; *count < k && ids[*count] != -1; ++*count)
        if (ids[*count] < 0 || (uint64_t)ids[*count] >= m->base.rows)
            return cli_fail(err, VSS_ERR_INVALID, "%s: row %llu names row %lld of %llu", path, (unsigned long long)q,
                            (long long)ids[*count], (unsigned long long)m->base.rows);
    return VSS_OK;
}

/* One query: the farthest of the rows its ids name, as they are stored, with slack. pair is room for two vectors. */
static vss_status truth_load_query(cli_memdb *m, uint64_t q, const int64_t *ids, double *pair, cli_truth *truth,
                                   vss_error *err)
{
    static const char *const fields[] = {"vector"};
    vss_column keys = VSS_INIT(vss_column);
    vss_result *rows;
    double kth = 0;
    keys.type = VSS_TYPE_INT64;
    keys.length = truth->count[q];
    keys.data = ids;
    CLI_TRY(vss_collection_get(m->col, &keys, fields, 1, &rows, err));
    const unsigned char *vectors = vss_result_field(rows, "vector")->data;
    cli_vector_widen(cli_vectors_given(m->type), m->queries + q * m->query_size, m->dim, pair);
    for (size_t i = 0; i < vss_result_rows(rows); i++) {
        cli_vector_widen(m->type, vectors + i * cli_vector_size(m->type, m->dim), m->dim, pair + m->dim);
        double distance = truth_distance(m->metric, pair, pair + m->dim, m->dim);
        if (i == 0 || truth_farther(m->metric, distance, kth))
            kth = distance;
    }
    vss_result_free(rows);
    double slack = fabs(kth) * 1e-6;
    truth->kth[q] = (float)(truth_larger_is_nearer(m->metric) ? kth - slack : kth + slack);
    return VSS_OK;
}

static vss_status truth_load_all(cli_memdb *m, cli_vectors *file, uint32_t k, cli_truth *truth, vss_error *err)
{
    if (file->rows < m->n_queries || file->dim < k)
        return cli_fail(err, VSS_ERR_INVALID, "%s: %llu rows of %u, expected %llu of at least %u", file->path,
                        (unsigned long long)file->rows, file->dim, (unsigned long long)m->n_queries, k);
    double *pair = cli_alloc(2 * (size_t)m->dim, sizeof *pair);
    int64_t *ids = cli_alloc(file->dim, sizeof *ids);
    vss_status status = VSS_OK;
    for (uint64_t q = 0; status == VSS_OK && q < m->n_queries; q++) {
        status = cli_vectors_read_ids(file, q, 1, ids, err);
        if (status == VSS_OK)
            status = truth_count(m, file->path, q, ids, k, &truth->count[q], err);
        if (status == VSS_OK)
            status = truth_load_query(m, q, ids, pair, truth, err);
    }
    free(pair);
    free(ids);
    return status;
}

vss_status cli_truth_load(cli_memdb *m, const char *path, uint32_t k, cli_truth *truth, vss_error *err)
{
    cli_vectors file;
    truth_begin(truth, m->n_queries);
    vss_status status = cli_vectors_open(path, &file, err);
    if (status == VSS_OK)
        status = truth_load_all(m, &file, k, truth, err);
    cli_vectors_close(&file);
    return status;
}

uint32_t cli_truth_hits(const cli_truth *truth, vss_metric metric, uint64_t q, const float *distances, uint64_t n)
{
    uint32_t hits = 0;
    for (uint64_t i = 0; i < n; i++)
        hits += !truth_farther(metric, (double)distances[i], (double)truth->kth[q]);
    return hits < truth->count[q] ? hits : truth->count[q];
}
