/*
 * background_share.c - is there work behind the host's back, and how much memory each kind of it may take
 */
#include "background.h"

#define BACKGROUND_MEMORY 1073741824u /* bytes, where neither option says otherwise */

static uint64_t background_memory(const vss_db *db)
{
    if (db->background_memory != 0)
        return db->background_memory;
    return db->heap.budget != 0 ? db->heap.budget / 4 : BACKGROUND_MEMORY;
}

/* Growing rows, as many again while these are sealed, their copy, its index: a quarter each. */
uint64_t vssi_background_seal_bytes(const vss_db *db)
{
    const uint64_t share = background_memory(db) / 4;
    return share < VSSI_SEGMENT_BYTES ? share : VSSI_SEGMENT_BYTES;
}

/* The rows put together, and as much for the index. */
uint64_t vssi_background_compact_bytes(const vss_db *db)
{
    const uint64_t share = background_memory(db) / 2;
    return share < VSSI_SEGMENT_BYTES ? share : VSSI_SEGMENT_BYTES;
}

bool vssi_background_offered(const vss_collection *col)
{
    return col->db->has_executor && col->db->executor.submit != NULL && !col->read_only;
}
