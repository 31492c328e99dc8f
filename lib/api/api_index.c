/*
 * api_index.c - build indexes, tell about them and their parameters
 */
#include "door.h"

vss_status vss_collection_build_index(vss_collection *col, const char *field, const char *type, const char *params,
                                      const vss_build_options *options, vss_error *err)
{
    vss_build_options o;
    DOOR_NEED("vss_collection_build_index", col);
    DOOR_NEED("vss_collection_build_index", type);
    VSSI_TRY(vssi_door_db(col->db, err));
    VSSI_TRY(vssi_door_struct("vss_build_options", &o, sizeof o, options, err));
    return vssi_collection_build_index(col, field, type, params, &o, err);
}

vss_status vss_collection_indexes(vss_collection *col, int (*fn)(void *state, const vss_index_info *info), void *state,
                                  vss_error *err)
{
    DOOR_NEED("vss_collection_indexes", col);
    DOOR_NEED("vss_collection_indexes", fn);
    VSSI_TRY(vssi_door_db(col->db, err));
    return vssi_collection_indexes(col, fn, state, err);
}

const char *vss_index_type(size_t i)
{
    const vssi_index_ops *ops = vssi_index_type_at(i);
    return ops == NULL ? NULL : ops->name;
}

vss_status vss_index_param(const char *type, size_t i, vss_param_info *info, vss_error *err)
{
    DOOR_NEED("vss_index_param", type);
    DOOR_NEED("vss_index_param", info);
    const vssi_index_ops *ops = vssi_index_type_find(type);
    if (ops == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "unknown index type \"%.64s\"", type);
    if (i >= ops->n_params)
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "%s has %zu parameters", ops->name, ops->n_params);
    const vssi_param *p = &ops->params[i];
    vss_param_info out = {.struct_size = sizeof out, .name = p->name, .alias = p->alias, .min = p->min, .max = p->max,
                          .default_value = p->default_value, .search = p->search, .help = p->help};
    vssi_door_return(&out, info);
    return VSS_OK;
}
