/*
 * api_plugin.c - index types of other libraries
 */
#include <string.h>

#include "../../index/plugin/plugin.h"
#include "../base/library.h"
#include "door.h"

vss_status vss_index_register(const vss_index_plugin *plugin, vss_error *err)
{
    DOOR_NEED("vss_index_register", plugin);
    return vssi_index_type_register(plugin, err);
}

vss_status vss_plugin_load(const char *path, vss_error *err)
{
    void (*found)(void);
    vss_plugin_main_fn entry;
    DOOR_NEED("vss_plugin_load", path);
    if (strchr(path, '/') == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "plug-in \"%.200s\": expected a path with a \"/\"", path);
    VSSI_TRY(vssi_library_function(path, "vss_plugin_main", &found, err));
    memcpy(&entry, &found, sizeof entry);
    return entry(vss_index_register, err);
}
