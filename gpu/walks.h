/*
 * walks.h - walks over a graph, as the card wants to know of them
 */
#ifndef VSS_GPU_WALKS_H
#define VSS_GPU_WALKS_H

#include "probes.h"
#include "walk.h"

namespace vssg {

/* What a pass of the search has to have room for. */
ProbeSizes walks_measure(const Graph &graph, const vss_device_search *search);

/* What is the same for all queries; where things lie is not set. */
Walks walks_plan(const Graph &graph, const vss_device_search *search);

/* The codes of the queries [n] that the indices name, each filled up as the graph's are. */
void walks_codes(const Graph &graph, const vss_device_search *search, const uint32_t *indices, uint32_t n, uint8_t *to);

} // namespace vssg

#endif
