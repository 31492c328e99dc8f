/*
 * api_salvage.c - what can still be read of a damaged collection
 */
#include "../collection/salvage.h"
#include "door.h"

vss_status vss_collection_salvage(vss_db *from, const char *name, vss_db *to, const char *new_name, vss_check_fn fn,
                                  void *state, vss_progress_fn progress, void *progress_state,
                                  vss_salvage_report *report, vss_error *err)
{
    vss_salvage_report done = VSS_INIT(vss_salvage_report);
    DOOR_NEED("vss_collection_salvage", from);
    DOOR_NEED("vss_collection_salvage", to);
    VSSI_TRY(vssi_door_db(from, err));
    VSSI_TRY(vssi_door_db(to, err));
    VSSI_TRY(vssi_door_name(name, err));
    VSSI_TRY(vssi_door_name(new_name, err));
    vss_status status = vssi_collection_salvage(from, name, to, new_name, fn, state, progress, progress_state, &done,
                                                err);
    if (status == VSS_OK)
        vssi_door_return(&done, report);
    return status;
}
