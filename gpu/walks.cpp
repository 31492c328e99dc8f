/*
 * walks.cpp - walks over a graph, as the card wants to know of them
 *
 * Rows of links are read side by side, so as many places are followed at once as a block has threads for their links.
 * A walk of an ordinary graph follows little more than the places of its pool; WALKS_FAR allows for the way there.
 */
#include "walks.h"

#include <cstring>

namespace vssg {

constexpr uint32_t WALKS_FAR = 4096;  /* places that a walk follows, at most, */
constexpr uint32_t WALKS_POOLS = 4;   /* beside so many times those of its pool */

/* Pieces of a query's code, each as long as a code of the graph. */
static uint32_t walks_pieces(const Graph &graph, const vss_device_search *search)
{
    if (search->codes == nullptr || graph.coding == VSS_DEVICE_CODING_NONE)
        return 0;
    return graph.coding == VSS_DEVICE_CODING_NIBBLES ? 2 : 1;
}

ProbeSizes walks_measure(const Graph &graph, const vss_device_search *search)
{
    ProbeSizes sizes{};
    sizes.walks = true;
    sizes.parts = 1;
    sizes.rows = search->pool;
    sizes.code_stride = walks_pieces(graph, search) * graph.code_stride;
    sizes.held = graph.n * (size_t{graph.stride} * sizeof(uint32_t) + graph.code_stride + sizeof(uint32_t));
    return sizes;
}

Walks walks_plan(const Graph &graph, const vss_device_search *search)
{
    Walks walks{};
    const uint64_t allowed = search->allow != nullptr ? search->n_allow : graph.n;
    const uint32_t follow = THREADS / graph.stride;
    walks.graph = graph;
    walks.pool = search->pool;
    walks.wanted = static_cast<uint32_t>(search->k < allowed ? search->k : allowed);
    walks.follow = follow < 1 ? 1 : follow < WALK_FOLLOW ? follow : WALK_FOLLOW;
    walks.most = WALKS_FAR + WALKS_POOLS * search->pool;
    return walks;
}

void walks_codes(const Graph &graph, const vss_device_search *search, const uint32_t *indices, uint32_t n, uint8_t *to)
{
    const uint32_t pieces = walks_pieces(graph, search);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *from = static_cast<const uint8_t *>(search->codes) + indices[i] * search->code_stride;
        for (uint32_t piece = 0; piece < pieces; piece++, to += graph.code_stride) {
            std::memcpy(to, from + size_t{piece} * graph.code_size, graph.code_size);
            std::memset(to + graph.code_size, 0, graph.code_stride - graph.code_size);
        }
    }
}

} // namespace vssg
