/*
 * bench_graph.h - what the building of a graph asks of a card, timed
 */
#ifndef VSS_GPU_BENCH_GRAPH_H
#define VSS_GPU_BENCH_GRAPH_H

#include "state.h"

namespace vssg {

/* One round of a graph of so many points of 128 bytes, and the pruning of all rows; prints a line each. copies: bytes a
 * second of a copy within the card's memory. */
vss_status bench_graph(Device *device, uint64_t points, double copies, vss_error *err);

} // namespace vssg

#endif
