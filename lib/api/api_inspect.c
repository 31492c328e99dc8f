/*
 * api_inspect.c - what is in one stored file
 */
#include "../format/inspect.h"
#include "door.h"

vss_status vss_file_inspect(const char *name, const void *data, size_t size, vss_inspect_fn fn, void *state,
                            vss_error *err)
{
    DOOR_NEED("vss_file_inspect", name);
    DOOR_NEED("vss_file_inspect", fn);
    if (size > 0)
        DOOR_NEED("vss_file_inspect", data);
    return vssi_file_inspect(name, data, size, fn, state, err);
}
