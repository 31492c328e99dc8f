/*
 * scratch_pool.c - scratch memory, one for each thread that searches at once, kept by the collection between calls
 *
 * Locks: scratch_mutex, for a list operation.
 */
#include "collection.h"

vss_status vssi_scratch_take(vss_collection *col, vssi_scratch_node **out, vss_error *err)
{
    vssi_mutex_lock(&col->scratch_mutex);
    vssi_scratch_node *node = col->idle_scratch;
    if (node != NULL)
        col->idle_scratch = node->next;
    vssi_mutex_unlock(&col->scratch_mutex);
    if (node == NULL) {
        VSSI_TRY(vssi_alloc_zero(&col->db->heap, 1, sizeof *node, &node, err));
        vssi_scratch_init(&node->scratch, &col->db->heap);
    }
    *out = node;
    return VSS_OK;
}

void vssi_scratch_give(vss_collection *col, vssi_scratch_node *node)
{
    vssi_mutex_lock(&col->scratch_mutex);
    node->next = col->idle_scratch;
    col->idle_scratch = node;
    vssi_mutex_unlock(&col->scratch_mutex);
}

void vssi_scratch_clear(vss_collection *col)
{
    while (col->idle_scratch != NULL) {
        vssi_scratch_node *node = col->idle_scratch;
        col->idle_scratch = node->next;
        vssi_scratch_free(&node->scratch);
        vssi_free(&col->db->heap, node);
    }
}
