/*
 * hnsw_estimate.c - what a graph will take, from the shape of the rows alone
 *
 * A build holds most while rows are partitioned (the graph, candidates beside it, and up to ESTIMATE_PARTITION bytes a
 * row), while links are reversed (two thirds of the degree is what pruning leaves), or, where codes are stored, while
 * the graph is copied into the order of places. codes=auto is counted as codes, which the
 * build drops where they are too coarse.
 */
#include "../../lib/base/checked.h"
#include "hnsw.h"

#define ESTIMATE_PARTITION 46u

/* Bytes of a row's code while a build compares by them; 0: by float32. */
static uint64_t estimate_code(const vssi_build *in)
{
    const vssi_vectors *v = in->vectors;
    bool bytes = v->type == VSS_TYPE_VECTOR_I8 || v->type == VSS_TYPE_VECTOR_U8;
    if (vssi_hnsw_codes_wanted(in) || vssi_hnsw_codes_helpful(v))
        return vssi_hnsw_codes_size(v);
    return (bytes && v->metric == VSS_METRIC_L2) || v->metric == VSS_METRIC_HAMMING ? vssi_round_up(v->dim, 4) : 0;
}

static uint64_t estimate_worker(const vssi_hnsw_build *b)
{
    uint64_t n = b->packed_rows, seen = 16;
    while (seen < 2 * n)
        seen *= 2;
    return n * (b->vector_size + 4 * sizeof(float) + sizeof(uint64_t) + sizeof(uint32_t)) + seen * sizeof(uint32_t) +
           VSSI_PAIRS_QUERIES * (b->vector_size + b->keys_stride * sizeof(uint32_t));
}

void vssi_hnsw_estimate(const vssi_build *in, vssi_cost *cost)
{
    vssi_hnsw_build b;
    vssi_hnsw_plan(&b, in);
    const uint64_t rows = b.rows, graph = rows * b.stride * sizeof *b.graph, code = estimate_code(in);
    const bool stored = vssi_hnsw_codes_wanted(in);
    const uint64_t kept = stored ? vssi_hnsw_form_size(vssi_hnsw_codes_form(in),
                                                       vssi_sq8_width(in->vectors->dim, in->vectors->metric)) : 0;
    vssi_hnsw_space_floats(&b);
    if (code != 0)
        b.vector_size = code;
    vssi_hnsw_plan_leaves(&b);
    uint64_t spill = rows * (b.chunks - b.inside) * b.keep * sizeof *b.spill + rows * ESTIMATE_PARTITION;
    uint64_t reverse = rows * (b.degree * 2 / 3 + 5) * sizeof *b.graph;
    uint64_t copy = stored ? vssi_max(graph, rows * kept) + rows * 4 * sizeof(uint32_t) : 0;
    cost->bytes = graph + (stored ? rows * (kept + sizeof *b.map) : 0);
    cost->build_bytes = graph + rows * code + vssi_max(reverse, vssi_max(spill, copy));
    cost->build_bytes += b.n_workers * estimate_worker(&b);
}
