/*
 * graph.h - a graph in the card's memory, as vss_device_graph has it
 */
#ifndef VSS_GPU_GRAPH_H
#define VSS_GPU_GRAPH_H

#include "layout.h"

namespace vssg {

/* Of n places, one for each row; made once. */
struct Graph {
    const uint32_t *links;   /* [n][stride]: how many, then places. They may hold anything, as entries and groups may */
    const uint32_t *entries; /* [n_entries] */
    const uint32_t *groups;  /* [n_groups + 1] */
    const uint32_t *map;     /* [n]: the row at a place; NULL: each is at its own */
    const uint8_t *codes;    /* [n][code_stride], filled up with zeros; NULL without */
    uint64_t code_stride;    /* a multiple of 16 */
    uint32_t n, stride, n_entries, n_groups;
    uint32_t code_size;      /* bytes that are stored of a code */
    vss_device_coding coding;
    bool damaged;            /* the map is not one of all rows: nothing is searched */
};

} // namespace vssg

#endif
