/*
 * api_search.c - vss_collection_search and the looks at its result
 */
#include <string.h>

#include "../collection/result.h"
#include "door.h"

static vss_status search_door(const vss_search_request *r, vss_column *exclude, vss_error *err)
{
    if (r->k < 1 || r->k > VSS_MAX_K)
        return vssi_fail(err, VSS_ERR_INVALID, "k is %u, must be 1 to %u", r->k, VSS_MAX_K);
    if (r->n_queries > VSS_MAX_QUERIES)
        return vssi_fail(err, VSS_ERR_INVALID, "%zu queries, at most %u in a call", r->n_queries, VSS_MAX_QUERIES);
    if (r->queries == NULL && r->n_queries > 0)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_search_request: queries is NULL");
    if (r->fields == NULL && r->n_fields > 0)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_search_request: fields is NULL");
    for (size_t i = 0; i < r->n_fields && i <= VSS_MAX_FIELDS; i++)
        if (r->fields[i] == NULL)
            return vssi_fail(err, VSS_ERR_INVALID, "vss_search_request: the name of field %zu is NULL", i);
    if (r->range && !(r->range_low <= r->range_high))
        return vssi_fail(err, VSS_ERR_INVALID, "range_low is %g, range_high %g: no distance lies between",
                         (double)r->range_low, (double)r->range_high);
    return r->exclude == NULL ? VSS_OK : vssi_door_column("exclude", r->exclude, exclude, err);
}

vss_status vss_collection_search(vss_collection *col, const vss_search_request *request, vss_result **result,
                                 vss_error *err)
{
    vss_search_request r;
    vss_column exclude;
    DOOR_NEED("vss_collection_search", result);
    *result = NULL;
    DOOR_NEED("vss_collection_search", col);
    DOOR_NEED("vss_collection_search", request);
    VSSI_TRY(vssi_door_db(col->db, err));
    VSSI_TRY(vssi_door_struct("vss_search_request", &r, sizeof r, request, err));
    VSSI_TRY(search_door(&r, &exclude, err));
    if (r.exclude != NULL)
        r.exclude = &exclude;
    return vssi_collection_search(col, &r, result, err);
}

size_t vss_result_queries(const vss_result *result) { return result == NULL ? 0 : result->n_queries; }

size_t vss_result_rows(const vss_result *result)
{
    return result == NULL ? 0 : (size_t)result->offsets[result->n_queries];
}

const int64_t *vss_result_offsets(const vss_result *result) { return result == NULL ? NULL : result->offsets; }

const vss_column *vss_result_keys(const vss_result *result) { return result == NULL ? NULL : &result->keys->view; }

const float *vss_result_distances(const vss_result *result) { return result == NULL ? NULL : result->distances; }

const vss_column *vss_result_field(const vss_result *result, const char *name)
{
    for (size_t i = 0; result != NULL && name != NULL && i < result->n_fields; i++)
        if (strcmp(result->names[i], name) == 0)
            return &result->fields[i]->view;
    return NULL;
}

uint32_t vss_result_flags_get(const vss_result *result) { return result == NULL ? 0 : result->flags; }

void vss_result_free(vss_result *result) { vssi_result_free(result); }

const vss_explain *vss_result_explain(const vss_result *result)
{
    return result != NULL && result->explained ? &result->explain : NULL;
}
