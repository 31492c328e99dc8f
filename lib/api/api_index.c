/*
 * api_index.c - build indexes, tell about them and their parameters
 */
#include "../../index/choose.h"
#include "../format/segment.h"
#include "door.h"

vss_status vss_collection_build_index(vss_collection *col, const char *field, const char *type, const char *params,
                                      const vss_build_options *options, vss_error *err)
{
    vss_build_options o;
    DOOR_NEED("vss_collection_build_index", col);
    DOOR_NEED("vss_collection_build_index", type);
    VSSI_TRY(vssi_door_db(col->db, err));
    VSSI_TRY(vssi_door_struct("vss_build_options", &o, sizeof o, options, err));
    if (o.model_of != NULL)
        VSSI_TRY(vssi_door_db(o.model_of->db, err));
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

/* Rows of a segment of vectors of so many bytes. */
static uint64_t index_segment(const vssi_vectors *shape)
{
    uint64_t most = VSSI_SEGMENT_BYTES / shape->row_size;
    return most < VSSI_SEGMENT_ROWS ? most : VSSI_SEGMENT_ROWS;
}

/* The vectors of a field, without any. */
static vss_status index_shape(vss_type type, vss_metric metric, uint32_t dim, vssi_vectors *shape, vss_error *err)
{
    const bool bits = type == VSS_TYPE_VECTOR_BINARY;
    const bool known = bits ? metric == VSS_METRIC_HAMMING || metric == VSS_METRIC_JACCARD
                            : metric >= VSS_METRIC_L2 && metric <= VSS_METRIC_COSINE;
    if (type < VSS_TYPE_VECTOR_F32 || type > VSS_TYPE_VECTOR_BINARY || !known)
        return vssi_fail(err, VSS_ERR_INVALID, "%s vectors under %s: there is no such field", vss_type_name(type),
                         vss_metric_name(metric));
    if (dim == 0 || dim > VSS_MAX_DIM || (bits && dim % 8 != 0))
        return vssi_fail(err, VSS_ERR_INVALID, "dim %u: expected 1 to %u%s", dim, VSS_MAX_DIM,
                         bits ? ", a multiple of 8" : "");
    *shape = (vssi_vectors){.type = type, .metric = metric, .dim = dim};
    vssi_vectors_bind(shape);
    return VSS_OK;
}

vss_status vss_index_estimate(const char *type, const char *params, vss_type vectors, vss_metric metric, uint32_t dim,
                              uint64_t rows, uint32_t threads, vss_index_cost *cost, vss_error *err)
{
    vssi_vectors shape;
    vssi_cost found;
    DOOR_NEED("vss_index_estimate", type);
    DOOR_NEED("vss_index_estimate", cost);
    const vssi_index_ops *ops = vssi_index_type_find(type);
    if (ops == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "unknown index type \"%.64s\"", type);
    VSSI_TRY(index_shape(vectors, metric, dim, &shape, err));
    VSSI_TRY(vssi_index_estimate(ops, params == NULL ? "" : params, &shape, rows, index_segment(&shape),
                                 threads == 0 ? 1 : threads, &found, err));
    vss_index_cost out = {.struct_size = sizeof out, .index_bytes = found.bytes, .build_bytes = found.build_bytes};
    vssi_door_return(&out, cost);
    return VSS_OK;
}

vss_status vss_collection_choose_index(vss_collection *col, const char *field, uint64_t memory_bytes, uint32_t threads,
                                       vss_index_choice *choice, vss_error *err)
{
    size_t i;
    vssi_vectors shape;
    vss_index_choice out;
    vss_collection_stats stats;
    DOOR_NEED("vss_collection_choose_index", col);
    DOOR_NEED("vss_collection_choose_index", choice);
    VSSI_TRY(vssi_door_db(col->db, err));
    const vssi_schema *schema = vssi_collection_fields(col);
    VSSI_TRY(vssi_schema_vector_field(schema, field, &i, err));
    VSSI_TRY(index_shape(schema->fields[i].type, schema->fields[i].metric, schema->fields[i].dim, &shape, err));
    VSSI_TRY(vssi_collection_stats(col, &stats, err));
    VSSI_TRY(vssi_index_choose(&shape, stats.rows, index_segment(&shape), threads == 0 ? 1 : threads, memory_bytes,
                               &out, err));
    vssi_door_return(&out, choice);
    return VSS_OK;
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
                          .default_value = p->default_value, .search = p->search, .help = p->help, .text = p->text};
    vssi_door_return(&out, info);
    return VSS_OK;
}
