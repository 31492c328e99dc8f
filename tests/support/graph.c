/*
 * graph.c - vectors of several kinds, graph indexes of them and searches
 */
#include "graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/hash.h"

float graph_random(uint64_t *state) { return (float)((double)(vssi_random_next(state) >> 40) * 0x1p-23 - 1); }

static void graph_fill_row(float *row, size_t i, size_t dim, enum graph_kind kind, uint64_t *state)
{
    uint64_t centre = vssi_random_next(state) % 20 + 1, copy = vssi_random_next(state) % 4 == 0 ? i : i % 7;
    uint64_t fixed = kind == DUPLICATES ? copy + 99 : kind == FAR_APART ? i % 2 + 5 : 11;
    for (size_t j = 0; j < dim; j++) {
        float noise = graph_random(state);
        switch (kind) {
        case UNIFORM: row[j] = noise; break;
        case CLUSTERED: row[j] = graph_random(&centre) * 10 + noise * 0.3f; break;
        case NEARLY_EQUAL: row[j] = 1 + noise * 1e-6f; break;
        case FAR_APART: row[j] = graph_random(&fixed) * 1e6f + noise; break;
        default: row[j] = graph_random(&fixed); break;
        }
    }
}

void graph_make(graph_data *all, size_t rows, size_t dim, vss_metric metric, enum graph_kind kind)
{
    uint64_t state = rows + 1000 * (uint64_t)kind;
    *all = (graph_data){.data = malloc((rows + 1) * dim * sizeof(float)),
                        .inverse = malloc((rows + 1) * sizeof(float))};
    all->vectors = (vssi_vectors){rows, (uint32_t)dim, VSS_TYPE_VECTOR_F32, metric, all->data, all->inverse, 0,
                                  VSSI_SIMD_F32, 0, NULL, NULL};
    vssi_vectors_bind(&all->vectors);
    for (size_t i = 0; i < rows; i++) {
        float *row = all->data + i * dim;
        graph_fill_row(row, i, dim, kind, &state);
        double norm = sqrt(vssi_exact_ip_f32(row, row, dim));
        all->inverse[i] = (float)(1 / norm);
        all->vectors.max_norm = norm > all->vectors.max_norm ? norm : all->vectors.max_norm;
    }
}

void graph_release(graph_data *all)
{
    free(all->data);
    free(all->inverse);
}

static vss_status graph_exact(void *state, const uint32_t *rows, size_t n, float *values, vss_error *err)
{
    const graph_data *all = state;
    size_t dim = all->vectors.dim;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        const float *row = all->data + rows[i] * dim;
        if (all->vectors.metric == VSS_METRIC_L2) {
            values[i] = (float)vssi_exact_l2_f32(all->query, row, dim);
            continue;
        }
        bool cosine = all->vectors.metric == VSS_METRIC_COSINE;
        double norm = cosine ? sqrt(vssi_exact_ip_f32(all->query, all->query, dim)) : 1;
        double scale = cosine ? (double)all->inverse[rows[i]] / norm : 1;
        values[i] = (float)(-vssi_exact_ip_f32(all->query, row, dim) * scale);
    }
    return VSS_OK;
}

static bool graph_key_before(void *state, uint32_t a, uint32_t b)
{
    (void)state;
    return a < b;
}

vssi_topk_source graph_source(graph_data *all) { return (vssi_topk_source){all, graph_exact, graph_key_before}; }

vss_status graph_build(vssi_heap *heap, const vssi_vectors *vectors, const char *text, size_t threads,
                             vssi_control *control, vssi_image *image, vss_error *err)
{
    uint64_t params[HNSW_PARAMS];
    assert_int_equal(vssi_param_parse("hnsw", vssi_hnsw_ops.params, HNSW_PARAMS, false, text, params, err), VSS_OK);
    vssi_build build = {heap, vectors, params, NULL, threads, control};
    return vssi_hnsw_ops.build(&build, image, err);
}

size_t graph_ask(graph_data *all, const void *index, vssi_scratch *scratch, const uint64_t *allow, size_t n_allow,
                       size_t k, uint64_t ef, vssi_hit *hits)
{
    uint64_t params[HNSW_PARAMS] = {[HNSW_PARAM_EF] = ef};
    vssi_topk_source source = graph_source(all);
    vssi_topk topk;
    vss_error err;
    const vssi_vectors *v = &all->vectors;
    double norm = sqrt(vssi_exact_ip_f32(all->query, all->query, v->dim));
    vssi_query query = {{all->query, (float)(1 / norm)}, allow, n_allow, params, NULL, 0, 0};
    bool l2 = v->metric == VSS_METRIC_L2;
    double gamma = vssi_simd_gamma(v->dim), scale = v->metric == VSS_METRIC_IP ? norm * v->max_norm : 1.01;
    assert_int_equal(vssi_topk_init(&topk, scratch, k, l2 ? gamma : 0, l2 ? 0 : gamma * scale, &source, &err),
                     VSS_OK);
    vss_status status = index ? vssi_hnsw_ops.search(index, v, &query, scratch, &topk, &err)
                              : vssi_flat_search(NULL, v, &query, scratch, &topk, &err);
    assert_int_equal(status, VSS_OK);
    assert_int_equal(vssi_topk_finish(&topk, &err), VSS_OK);
    memcpy(hits, topk.hits, topk.n_hits * sizeof *hits);
    return topk.n_hits;
}

void graph_print_fault(void *state, const char *line)
{
    (void)state;
    print_message("%s\n", line);
}
