/*
 * background.h - work behind the host's back, on the threads of its executor
 */
#ifndef VSSI_BACKGROUND_H
#define VSSI_BACKGROUND_H

#include "collection.h"

/* ---- background_share.c ---- */

/* Is there an executor that takes such work? */
bool vssi_background_offered(const vss_collection *col);
/* How much may grow in memory before it is sealed, and how much a compaction may put together. */
uint64_t vssi_background_seal_bytes(const vss_db *db);
uint64_t vssi_background_compact_bytes(const vss_db *db);
/* ---- background.c ---- */

/* Something was written: when there is work to do, and none is under way or waiting, hand it to the executor. Without
 * any lock of the collection held. */
void vssi_background_notice(vss_collection *col);
/* Before the handle ends: work under way is cancelled where it can be, and waited for; waiting work will do nothing. */
void vssi_background_stop(vss_collection *col);

#endif
