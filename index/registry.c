/*
 * registry.c - the index types there are
 */
#include <string.h>

#include "../lib/base/fail.h"
#include "flat/flat.h"
#include "hnsw/hnsw.h"
#include "ivf/ivf.h"
#include "plugin/plugin.h"

static const vssi_index_ops *const registry_types[] = {
    &vssi_flat_ops,
    &vssi_hnsw_ops,
    &vssi_ivf_flat_ops,
    &vssi_ivf_sq8_ops,
    &vssi_ivf_rabitq_ops,
    &vssi_ivf_pq_ops,
};

#define REGISTRY_OWN (sizeof registry_types / sizeof *registry_types)

const vssi_index_ops *vssi_index_type_at(size_t i)
{
    return i < REGISTRY_OWN ? registry_types[i] : vssi_plugin_at(i - REGISTRY_OWN);
}

const vssi_index_ops *vssi_index_type_find(const char *name)
{
    const vssi_index_ops *type;
    for (size_t i = 0; (type = vssi_index_type_at(i)) != NULL; i++) {
        if (strcmp(type->name, name) == 0)
            return type;
    }
    return NULL;
}

vss_status vssi_index_type_register(const vss_index_plugin *plugin, vss_error *err)
{
    VSSI_TRY(vssi_plugin_valid(plugin, err));
    for (size_t i = 0; i < REGISTRY_OWN; i++)
        if (strcmp(registry_types[i]->name, plugin->name) == 0)
            return vssi_fail(err, VSS_ERR_EXISTS, "index type \"%s\" is there already", plugin->name);
    return vssi_plugin_register(plugin, err);
}
