/*
 * probes.h - which inverted lists each query of a search names, as the card wants to know it
 */
#ifndef VSS_GPU_PROBES_H
#define VSS_GPU_PROBES_H

#include "layout.h"

namespace vssg {

/* Of searches with lists or a graph. */
struct ProbeSizes {
    uint32_t parts, rows; /* of one query, at most */
    size_t held;          /* bytes of the card's memory that the lists or the graph take */
    bool walks;           /* by a graph */
    uint64_t code_stride; /* bytes of a query's code on the card; 0 without */
};

/* Check what a search with lists names. INVALID. */
vss_status probes_measure(const vss_device_search *search, ProbeSizes *most, vss_error *err);

/* The shares [n] and the parts of the queries that the indices name; returns how many parts. They were measured. */
size_t probes_write(const vss_device_search *search, const uint32_t *indices, uint32_t n, Share *shares, Part *parts);

} // namespace vssg

#endif
