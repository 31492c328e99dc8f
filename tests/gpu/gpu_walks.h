/*
 * gpu_walks.h - random graphs for the searches of gpu_case.h, and what walks over them find, by a plain walk
 *
 * The plain walk keeps a sorted pool and a mark for every place, and scores by plain sums. Where scores are whole
 * numbers, or made of sums that float32 has without error (GPU_DATA_TIES), a device is to find the same places.
 */
#ifndef GPU_WALKS_H
#define GPU_WALKS_H

#include "gpu_case.h"

typedef struct gpu_walks_spec {
    uint32_t stride;       /* numbers of a place's links, 1 or more */
    uint32_t pool;
    uint32_t entries, groups;
    vss_device_coding coding;
    uint32_t code_size;
    bool uncoded;          /* walks are by vectors all the same */
    bool mapped;
    bool line;             /* place p leads to p + 1 alone; else links lead anywhere */
    bool wild;             /* counts, links, entries and groups may be any numbers */
} gpu_walks_spec;

typedef struct gpu_walks {
    gpu_walks_spec spec;
    vss_device_graph graph;
    uint32_t *links, *entries, *groups, *map, *scored;
    uint8_t *codes, *query_codes;
    uint8_t *members;      /* [queries][rows]: is the row in the pool of the query in the end */
    bool *lost;            /* [queries]: too few allowed rows are */
    uint64_t *visited;     /* [queries]: places that were scored */
    void *place;
} gpu_walks;

/* The case's search is one of this graph from then on. Blocks of exactly their size. */
void gpu_walks_make(gpu_walks *g, gpu_case *c, const gpu_walks_spec *spec);
/* After changing the graph: walk anew. */
void gpu_walks_run(gpu_walks *g, gpu_case *c);
/* Fails the test unless every query has found what the plain walk has. */
void gpu_walks_check(const gpu_walks *g, const gpu_case *c);
/* The graph, and the device's note of it. */
void gpu_walks_free(gpu_walks *g, gpu_case *c, const vss_device *device);

#endif
