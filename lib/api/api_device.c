/*
 * api_device.c - devices: registered, found, loaded
 */
#include <string.h>

#include "../../index/device/device.h"
#include "../base/library.h"
#include "door.h"

vss_status vss_device_register(const vss_device *device, vss_error *err)
{
    DOOR_NEED("vss_device_register", device);
    return vssi_device_register(device, err);
}

const vss_device *vss_device_find(const char *name) { return name == NULL ? NULL : vssi_device_find(name); }

vss_status vss_device_load(const char *path, const char *options, vss_error *err)
{
    void (*found)(void);
    vss_device_main_fn entry;
    vss_error why = {.status = VSS_OK};
    DOOR_NEED("vss_device_load", path);
    if (strchr(path, '/') == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "device library \"%.200s\": expected a path with a \"/\"", path);
    VSSI_TRY(vssi_library_function(path, "vss_device_main", &found, err));
    memcpy(&entry, &found, sizeof entry);
    vss_status status = entry(vss_device_register, options, &why);
    if (status != VSS_OK && err != NULL)
        *err = why;
    return status;
}
