/*
 * plugin_search.c - queries to a plug-in, and the rows it proposes to the top-k
 *
 * The rows are scored by their vectors, so that those of several segments compare; with "refine=0" the plug-in's
 * distances are the scores. Where nothing is known yet that a score could be compared with, the top-k recomputes every
 * row it is offered anyway, and the score is left out. Cost beside the plug-in's: the k rows a query read once, none
 * with "refine=0"; queries that lie apart or are no float32 copied.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "plugin.h"

/* One query as the plug-in takes it. */
static void plugin_query(const vssi_vectors *v, const vssi_probe *probe, float *out)
{
    bool halves = v->kind == VSSI_SIMD_F16 || v->kind == VSSI_SIMD_BF16; /* whose queries are float32 */
    vssi_simd_widen(halves ? VSSI_SIMD_F32 : v->kind, probe->vector, v->dim, out);
    for (uint32_t c = 0; v->metric == VSS_METRIC_COSINE && c < v->dim; c++)
        out[c] *= probe->scale;
}

/* Do the queries lie as the plug-in takes them? */
static bool plugin_in_place(const vssi_vectors *v, const vssi_query *queries, size_t n)
{
    bool same = v->kind <= VSSI_SIMD_BF16 && v->metric != VSS_METRIC_COSINE;
    const float *first = queries[0].probe.vector;
    for (size_t q = 1; q < n && same; q++)
        same = queries[q].probe.vector == first + q * v->dim;
    return same;
}

static vss_status plugin_queries(const vssi_vectors *v, const vssi_query *queries, size_t n, vssi_scratch *scratch,
                                 const float **out, vss_error *err)
{
    float *copy;
    *out = queries[0].probe.vector;
    if (plugin_in_place(v, queries, n))
        return VSS_OK;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, n * v->dim, sizeof *copy, &copy, err));
    for (size_t q = 0; q < n; q++)
        plugin_query(v, &queries[q].probe, copy + q * v->dim);
    *out = copy;
    return VSS_OK;
}

/* What came back for one query, and room for what is offered. */
typedef struct plugin_found {
    const int64_t *rows;    /* [k] */
    const float *distances; /* [k]; NULL: the vectors tell */
    uint32_t *offered;      /* [k] */
    float *scores;          /* [k] */
} plugin_found;

static void plugin_offer(const vssi_vectors *v, const vssi_query *query, const plugin_found *found,
                         vssi_scratch *scratch, vssi_topk *topk)
{
    size_t n = 0;
    for (size_t i = 0; i < topk->k; i++) {
        uint64_t row = (uint64_t)found->rows[i]; /* -1 is beyond every row */
        if (row >= v->rows || (query->allow != NULL && !vssi_bitmap_get(query->allow, row)))
            continue;
        if (found->distances != NULL && !isfinite(found->distances[i]))
            continue;
        if (found->distances != NULL)
            found->scores[n] = v->metric == VSS_METRIC_L2 ? found->distances[i] : -found->distances[i];
        found->offered[n++] = (uint32_t)row;
    }
    if (found->distances == NULL && isinf(topk->threshold))
        memset(found->scores, 0, n * sizeof *found->scores);
    else if (found->distances == NULL)
        vssi_vectors_score_gather(v, &query->probe, found->offered, n, found->scores);
    vssi_topk_add(topk, found->scores, found->offered, n);
    scratch->distances += n;
}

/* Does the search want the plug-in's distances? Its "refine" comes after the plug-in's own parameters. */
static bool plugin_estimates(const vss_index_plugin *plugin, const vssi_query *query)
{
    return plugin->estimates != 0 && query->params[plugin->n_params] == 0;
}

vss_status vssi_plugin_search_batch(const void *p, const vssi_vectors *v, const vssi_query *queries, size_t n,
                                    vssi_scratch *scratch, vssi_topk *topks, vss_error *err)
{
    const vssi_plugin_index *index = p;
    const size_t k = topks[0].k;
    vss_plugin_value values[VSS_PLUGIN_MAX_PARAMS];
    vss_error own;
    const float *vectors;
    int64_t *rows;
    float *distances = NULL;
    plugin_found found;
    VSSI_TRY(plugin_queries(v, queries, n, scratch, &vectors, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_POOL, n * k, sizeof *rows, &rows, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, k, sizeof *found.offered, &found.offered, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_SCORES, k, sizeof *found.scores, &found.scores, err));
    if (plugin_estimates(index->plugin, queries))
        VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, n * k, sizeof *distances, &distances, err));
    for (size_t i = 0; i < index->plugin->n_params; i++)
        values[i] = (vss_plugin_value){queries[0].params[i], ""};
    const vss_plugin_search asked = {.struct_size = sizeof asked, .k = (uint32_t)k, .rows = v->rows, .dim = v->dim,
                                     .n_queries = n, .queries = vectors, .allow = queries[0].allow,
                                     .n_allow = queries[0].n_allow, .params = values, .distances = distances};
    VSSI_TRY(index->plugin->search(index->index, &asked, rows, err != NULL ? err : &own));
    for (size_t q = 0; q < n; q++) {
        found.rows = rows + q * k;
        found.distances = distances != NULL ? distances + q * k : NULL;
        plugin_offer(v, &queries[q], &found, scratch, &topks[q]);
        VSSI_TRY(topks[q].status);
    }
    return VSS_OK;
}

vss_status vssi_plugin_search(const void *index, const vssi_vectors *v, const vssi_query *query, vssi_scratch *scratch,
                              vssi_topk *topk, vss_error *err)
{
    return vssi_plugin_search_batch(index, v, query, 1, scratch, topk, err);
}

void vssi_plugin_free(void *p)
{
    vssi_plugin_index *index = p;
    index->plugin->free(index->index);
    vssi_free(index->heap, index);
}
