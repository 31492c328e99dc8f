/*
 * plugin.c - the list of the types that were registered
 *
 * A type is checked, its table of parameters copied, and the count raised last, so that readers need no lock. Types
 * stay for good, as collections hold pointers to their ops. Locks: plugin_mutex while one is added.
 */
#include "plugin.h"

#include <string.h>

#include "../../lib/base/fail.h"

static pthread_mutex_t plugin_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic size_t plugin_count;
static vssi_param plugin_tables[VSS_PLUGIN_MAX_TYPES][VSS_PLUGIN_MAX_PARAMS + 1]; /* and "refine" */

const vssi_index_ops *vssi_plugin_at(size_t i)
{
    return i < atomic_load_explicit(&plugin_count, memory_order_acquire) ? vssi_plugin_ops(i) : NULL;
}

static bool plugin_name_valid(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    return name != NULL && name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= 31 &&
           strspn(name, letters) == strlen(name);
}

static vss_status plugin_param_check(const vss_index_plugin *plugin, const vss_plugin_param *p, vss_error *err)
{
    if (!plugin_name_valid(p->name) || p->help == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "index type \"%s\": a parameter has no name or no help", plugin->name);
    if (strcmp(p->name, "exact") == 0 || strcmp(p->name, "trusted") == 0 || strcmp(p->name, VSSI_PARAM_REFINE) == 0)
        return vssi_fail(err, VSS_ERR_INVALID, "index type \"%s\": parameter \"%s\" is libvss' own", plugin->name,
                         p->name);
    if (p->text ? p->search != 0 : p->min > p->max || p->default_value < p->min || p->default_value > p->max)
        return vssi_fail(err, VSS_ERR_INVALID, "index type \"%s\": parameter \"%s\" has %s", plugin->name, p->name,
                         p->text ? "a text for searches" : "no range with its default");
    return VSS_OK;
}

vss_status vssi_plugin_valid(const vss_index_plugin *plugin, vss_error *err)
{
    if (plugin->abi != VSS_PLUGIN_ABI || plugin->struct_size != sizeof *plugin)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED,
                         "index plug-in of ABI %u (%u bytes), this library has %u (%zu bytes)", plugin->abi,
                         plugin->struct_size, VSS_PLUGIN_ABI, sizeof *plugin);
    if (!plugin_name_valid(plugin->name))
        return vssi_fail(err, VSS_ERR_INVALID, "index type \"%.64s\": not a name", plugin->name ? plugin->name : "");
    if (!plugin->build || !plugin->open || !plugin->search || !plugin->free)
        return vssi_fail(err, VSS_ERR_INVALID, "index type \"%s\": build, open, search and free are required",
                         plugin->name);
    if (plugin->n_params > VSS_PLUGIN_MAX_PARAMS || (plugin->n_params > 0 && plugin->params == NULL))
        return vssi_fail(err, VSS_ERR_INVALID, "index type \"%s\": %zu parameters, at most %u", plugin->name,
                         plugin->n_params, VSS_PLUGIN_MAX_PARAMS);
    for (size_t i = 0; i < plugin->n_params; i++)
        VSSI_TRY(plugin_param_check(plugin, &plugin->params[i], err));
    return VSS_OK;
}

/* Under plugin_mutex. */
static vss_status plugin_add(const vss_index_plugin *plugin, vss_error *err)
{
    size_t place = atomic_load(&plugin_count);
    for (size_t i = 0; i < place; i++) {
        if (vssi_plugin_of(i) == plugin)
            return VSS_OK;
        if (strcmp(vssi_plugin_of(i)->name, plugin->name) == 0)
            return vssi_fail(err, VSS_ERR_EXISTS, "index type \"%s\" is there already", plugin->name);
    }
    if (place == VSS_PLUGIN_MAX_TYPES)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "index type \"%s\": there are %u of plug-ins already", plugin->name,
                         VSS_PLUGIN_MAX_TYPES);
    for (size_t i = 0; i < plugin->n_params; i++) {
        const vss_plugin_param *p = &plugin->params[i];
        plugin_tables[place][i] = (vssi_param){.name = p->name, .alias = p->alias, .min = p->min, .max = p->max,
                                               .default_value = p->text ? 0 : p->default_value,
                                               .search = p->search != 0, .text = p->text != 0, .help = p->help};
    }
    plugin_tables[place][plugin->n_params] =
        (vssi_param){.name = VSSI_PARAM_REFINE, .max = 1, .default_value = 1, .search = true,
                     .help = "0: distances are the index's own, and no vector is read"};
    vssi_plugin_ops_fill(place, plugin, plugin_tables[place]);
    atomic_store_explicit(&plugin_count, place + 1, memory_order_release);
    return VSS_OK;
}

vss_status vssi_plugin_register(const vss_index_plugin *plugin, vss_error *err)
{
    vssi_mutex_lock(&plugin_mutex);
    vss_status status = plugin_add(plugin, err);
    vssi_mutex_unlock(&plugin_mutex);
    return status;
}
