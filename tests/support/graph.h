/*
 * graph.h - vectors of several kinds, graph indexes of them and searches, below the collection
 */
#ifndef TEST_GRAPH_H
#define TEST_GRAPH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../index/hnsw/hnsw.h"

enum graph_kind { UNIFORM, CLUSTERED, DUPLICATES, EQUAL, NEARLY_EQUAL, FAR_APART };

/* query: what graph_ask asks for. */
typedef struct graph_data {
    vssi_vectors vectors;
    float *data, *inverse;
    const float *query;
} graph_data;

/* In [-1, 1). */
float graph_random(uint64_t *state);

/* Rows from a fixed seed, with room for one more; give back. */
void graph_make(graph_data *all, size_t rows, size_t dim, vss_metric metric, enum graph_kind kind);
void graph_release(graph_data *all);

/* Build an index with the parameters of a text (NULL: defaults). */
vss_status graph_build(vssi_heap *heap, const vssi_vectors *vectors, const char *text, size_t threads,
                       vssi_control *control, vssi_image *image, vss_error *err);

/* hits by the index (or by a scan where index is NULL); returns how many. */
size_t graph_ask(graph_data *all, const void *index, vssi_scratch *scratch, const uint64_t *allow, size_t n_allow,
                 size_t k, uint64_t ef, vssi_hit *hits);

/* What a top-k of all->query asks. */
vssi_topk_source graph_source(graph_data *all);

/* For validate: print the line. */
void graph_print_fault(void *state, const char *line);

#endif
