/*
 * object_name.c - the checks of names that every storage makes first
 */
#include "storage.h"

#include <string.h>

#include "../base/fail.h"
#include "../base/text.h"

vss_status vssi_storage_check_name(const char *name, vss_error *err)
{
    if (vssi_object_name_valid(name))
        return VSS_OK;
    return vssi_fail(err, VSS_ERR_INVALID, "object name \"%.100s\" is not valid", name);
}

/* Is name[length] the name of a folder that objects can stand in? */
static bool object_folder_valid(const char *name, size_t length)
{
    char folder[513];
    if (length >= sizeof folder)
        return false;
    memcpy(folder, name, length);
    folder[length] = '\0';
    return vssi_object_name_valid(folder);
}

vss_status vssi_storage_check_prefix(const char *prefix, vss_error *err)
{
    size_t length = strnlen(prefix, 513);
    if (length == 0 || (length <= 512 && prefix[length - 1] == '/' && object_folder_valid(prefix, length - 1)))
        return VSS_OK;
    return vssi_fail(err, VSS_ERR_INVALID, "object name prefix \"%.100s\" is not valid", prefix);
}

vss_status vssi_storage_check_lock(const char *name, vss_error *err)
{
    const char *slash = strrchr(name, '/');
    const char *last = slash != NULL ? slash + 1 : name;
    if (strcmp(last, "LOCK") == 0 && (slash == NULL || object_folder_valid(name, (size_t)(slash - name))))
        return VSS_OK;
    return vssi_fail(err, VSS_ERR_INVALID, "lock name \"%.100s\" is not valid", name);
}
