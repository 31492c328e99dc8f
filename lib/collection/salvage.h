/*
 * salvage.h - what is whole of a damaged collection, as a new one (vss/salvage.h)
 */
#ifndef VSSI_SALVAGE_H
#define VSSI_SALVAGE_H

#include "collection.h"
#include "vss/salvage.h"

vss_status vssi_collection_salvage(vss_db *from, const char *name, vss_db *to, const char *new_name, vss_check_fn fn,
                                   void *state, vss_progress_fn progress, void *progress_state,
                                   vss_salvage_report *report, vss_error *err);

#endif
