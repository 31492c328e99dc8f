/*
 * door.c - handles, structs and columns as they come in from outside
 */
#include "door.h"

#include <string.h>

#include "../base/text.h"

vss_status vssi_door_db(const vss_db *db, vss_error *err)
{
    if (db->process != vssi_process_id())
        return vssi_fail(err, VSS_ERR_FORKED, "the database was opened by process %lld, before a fork",
                         (long long)db->process);
    return VSS_OK;
}

vss_status vssi_door_name(const char *name, vss_error *err)
{
    if (name == NULL || !vssi_collection_name_valid(name))
        return vssi_fail(err, VSS_ERR_INVALID, "collection name \"%.80s\" does not match [a-z0-9][a-z0-9_-]{0,62}",
                         name == NULL ? "" : name);
    return VSS_OK;
}

vss_status vssi_door_struct(const char *what, void *to, size_t size, const void *from, vss_error *err)
{
    uint32_t given;
    memset(to, 0, size);
    if (from == NULL)
        return VSS_OK;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > 4096)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: struct_size is %u; set it to the struct's size (VSS_INIT does)",
                         what, given);
    memcpy(to, from, given < size ? given : size);
    for (size_t i = size; i < given; i++)
        if (((const uint8_t *)from)[i] != 0)
            return vssi_fail(err, VSS_ERR_UNSUPPORTED, "%s: byte %zu is set, which this library does not know", what,
                             i);
    return VSS_OK;
}

void vssi_door_return(const void *from, void *to)
{
    uint32_t known, given;
    if (to == NULL)
        return;
    memcpy(&known, from, sizeof known);
    memcpy(&given, to, sizeof given);
    if (given > sizeof given)
        memcpy((uint8_t *)to + sizeof given, (const uint8_t *)from + sizeof given,
               (given < known ? given : known) - sizeof given);
}

vss_status vssi_door_column(const char *what, const vss_column *from, vss_column *to, vss_error *err)
{
    if (from == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: the column is NULL", what);
    VSSI_TRY(vssi_door_struct(what, to, sizeof *to, from, err));
    bool scalar = to->type >= VSS_TYPE_BOOL && to->type <= VSS_TYPE_ARRAY;
    if (!scalar && !vssi_type_is_vector(to->type))
        return vssi_fail(err, VSS_ERR_INVALID, "%s: %d is not a type of values", what, (int)to->type);
    if (to->length > INT64_MAX / (8 * (uint64_t)VSS_MAX_DIM))
        return vssi_fail(err, VSS_ERR_INVALID, "%s: %llu rows", what, (unsigned long long)to->length);
    if (scalar && to->type >= VSS_TYPE_STRING && to->type != VSS_TYPE_TIMESTAMP && to->offsets == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: offsets are missing", what);
    if (to->data == NULL && to->length > 0 && to->type != VSS_TYPE_STRING && to->type != VSS_TYPE_JSON)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: data is missing", what);
    return VSS_OK;
}
