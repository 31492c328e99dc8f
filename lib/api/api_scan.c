/*
 * api_scan.c - every row, in batches
 */
#include "door.h"

vss_status vss_collection_scan(vss_collection *col, const vss_scan_options *options, vss_scan_fn fn, void *state,
                               vss_error *err)
{
    vss_scan_options o;
    DOOR_NEED("vss_collection_scan", col);
    VSSI_TRY(vssi_door_db(col->db, err));
    DOOR_NEED("vss_collection_scan", fn);
    VSSI_TRY(vssi_door_struct("vss_scan_options", &o, sizeof o, options, err));
    if (o.fields == NULL)
        o.n_fields = 0;
    for (size_t i = 0; i < o.n_fields; i++)
        if (o.fields[i] == NULL)
            return vssi_fail(err, VSS_ERR_INVALID, "vss_collection_scan: the name of field %zu is NULL", i);
    if (o.batch_rows > VSS_MAX_BATCH_ROWS)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_scan_options: batch_rows is %u, at most %u", o.batch_rows,
                         VSS_MAX_BATCH_ROWS);
    return vssi_collection_scan(col, &o, fn, state, err);
}
