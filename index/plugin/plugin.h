/*
 * plugin.h - index types of other libraries (vss/plugin.h) behind the ops table
 */
#ifndef VSSI_PLUGIN_H
#define VSSI_PLUGIN_H

#include "../index_ops.h"
#include "vss/plugin.h"

/* What is wrong with a type is said in err. */
vss_status vssi_plugin_valid(const vss_index_plugin *plugin, vss_error *err);
/* Make a valid type known for good, unless another one has its name: EXISTS. Thread-safe. */
vss_status vssi_plugin_register(const vss_index_plugin *plugin, vss_error *err);
/* The i-th that was registered, NULL past the last. Thread-safe. */
const vssi_index_ops *vssi_plugin_at(size_t i);

/* ---- plugin_ops.c: the ops tables, one a place in the list of types ---- */

/* Fill the table of a place; table: the type's parameters as vssi_param, and "refine" after them, for good. */
void vssi_plugin_ops_fill(size_t place, const vss_index_plugin *plugin, const vssi_param *table);
const vssi_index_ops *vssi_plugin_ops(size_t place);
const vss_index_plugin *vssi_plugin_of(size_t place);

/* ---- plugin_build.c ---- */
vss_status vssi_plugin_check(const vss_index_plugin *plugin, const vssi_vectors *shape, const uint64_t *params,
                             const char *text, vss_error *err);
vss_status vssi_plugin_build(const vss_index_plugin *plugin, const vssi_build *build, vssi_image *image,
                             vss_error *err);
vss_status vssi_plugin_open(const vss_index_plugin *plugin, vssi_heap *heap, const vssi_block *blocks, size_t n_blocks,
                            const vssi_vectors *vectors, void **index, vss_error *err);

/* ---- plugin_search.c ---- */
vss_status vssi_plugin_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                              vssi_scratch *scratch, vssi_topk *topk, vss_error *err);
vss_status vssi_plugin_search_batch(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                    vssi_scratch *scratch, vssi_topk *topks, vss_error *err);
void vssi_plugin_free(void *index);

/* What open makes. */
typedef struct vssi_plugin_index {
    vssi_heap *heap;
    const vss_index_plugin *plugin;
    void *index; /* the plug-in's */
} vssi_plugin_index;

#define VSSI_PLUGIN_BLOCK 256u /* the only one: the plug-in's bytes */

#endif
