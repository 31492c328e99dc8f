/*
 * registry.c - the index types there are
 */
#include <string.h>

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

const vssi_index_ops *vssi_index_type_at(size_t i)
{
    const size_t own = sizeof registry_types / sizeof *registry_types;
    return i < own ? registry_types[i] : vssi_plugin_at(i - own);
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
