/*
 * hnsw_estimate.c - what a graph will take, from the shape of the rows alone
 *
 * A build holds most when candidates are pruned into the graph (hnsw_build.c). codes=auto is counted as codes, which
 * the build drops where they are too coarse.
 */
#include "hnsw.h"

void vssi_hnsw_estimate(const vssi_build *in, vssi_cost *cost)
{
    vssi_hnsw_build b;
    vssi_hnsw_plan(&b, in);
    const uint64_t rows = b.rows, numbers = b.kept + HNSW_FANOUT * b.keep;
    const uint64_t graph = rows * b.stride * sizeof *b.graph;
    uint64_t codes = vssi_hnsw_codes_wanted(in) ? rows * vssi_hnsw_codes_size(in->vectors) : 0;
    uint64_t worker = sizeof(float) * b.packed_rows * (b.pdim + 2) + sizeof(uint64_t) * (b.packed_rows * b.keep + 2 * numbers);
    *cost = (vssi_cost){graph + codes, graph + b.n_workers * worker + 2 * sizeof *b.twins * rows};
    uint64_t candidates = rows * numbers * sizeof *b.candidates;
    cost->build_bytes += candidates > codes ? candidates : codes;
}
