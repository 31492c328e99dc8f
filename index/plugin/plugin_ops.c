/*
 * plugin_ops.c - an ops table a place, whose functions know the plug-in by the place
 */
#include "plugin.h"

static const vss_index_plugin *plugin_types[VSS_PLUGIN_MAX_TYPES];

#define PLUGIN_PLACE(n)                                                                                               \
    static vss_status plugin_check_##n(const vssi_vectors *shape, const uint64_t *params, const char *text,           \
                                       vss_error *err)                                                                \
    {                                                                                                                 \
        return vssi_plugin_check(plugin_types[n], shape, params, text, err);                                          \
    }                                                                                                                 \
    static vss_status plugin_build_##n(const vssi_build *build, vssi_image *image, vss_error *err)                    \
    {                                                                                                                 \
        return vssi_plugin_build(plugin_types[n], build, image, err);                                                 \
    }                                                                                                                 \
    static vss_status plugin_open_##n(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks,                     \
                                      const vssi_vectors *vectors, void **index, vss_error *err)                      \
    {                                                                                                                 \
        return vssi_plugin_open(plugin_types[n], heap, blocks, n_blocks, vectors, index, err);                        \
    }
PLUGIN_PLACE(0)
PLUGIN_PLACE(1)
PLUGIN_PLACE(2)
PLUGIN_PLACE(3)
PLUGIN_PLACE(4)
PLUGIN_PLACE(5)
PLUGIN_PLACE(6)
PLUGIN_PLACE(7)

#define PLUGIN_OPS(n)                                                                                                 \
    {                                                                                                                 \
        .check = plugin_check_##n, .build = plugin_build_##n, .open = plugin_open_##n, .search = vssi_plugin_search,  \
        .search_batch = vssi_plugin_search_batch, .free = vssi_plugin_free                                            \
    }
static vssi_index_ops plugin_ops[VSS_PLUGIN_MAX_TYPES] = {PLUGIN_OPS(0), PLUGIN_OPS(1), PLUGIN_OPS(2), PLUGIN_OPS(3),
                                                          PLUGIN_OPS(4), PLUGIN_OPS(5), PLUGIN_OPS(6), PLUGIN_OPS(7)};

void vssi_plugin_ops_fill(size_t place, const vss_index_plugin *plugin, const vssi_param *table)
{
    plugin_types[place] = plugin;
    plugin_ops[place].name = plugin->name;
    plugin_ops[place].format = plugin->format;
    plugin_ops[place].trusting = plugin->trusting != 0;
    plugin_ops[place].params = table;
    plugin_ops[place].n_params = plugin->n_params + (plugin->estimates != 0);
}

const vssi_index_ops *vssi_plugin_ops(size_t place) { return &plugin_ops[place]; }
const vss_index_plugin *vssi_plugin_of(size_t place) { return plugin_types[place]; }
