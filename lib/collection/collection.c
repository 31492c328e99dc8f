/*
 * collection.c - what every call on a handle needs: its newest snapshot, the index types it has, may it write
 *
 * Locks: snapshot_mutex, for a few instructions.
 */
#include "collection.h"

void vssi_collection_define_types(vss_collection *col)
{
    const vssi_manifest *m = col->manifest;
    for (size_t i = 0; i < m->n_definitions; i++) {
        const vssi_field *field = vssi_schema_field(col->schema, m->definitions[i].field);
        if (field != NULL)
            atomic_store(&col->types[field - col->schema->fields], vssi_index_type_find(m->definitions[i].type));
    }
}

vssi_snapshot *vssi_collection_snapshot(vss_collection *col)
{
    vssi_mutex_lock(&col->snapshot_mutex);
    vssi_snapshot *s = vssi_snapshot_ref(col->snapshot);
    vssi_mutex_unlock(&col->snapshot_mutex);
    return s;
}

void vssi_collection_publish(vss_collection *col, vssi_snapshot *s)
{
    vssi_mutex_lock(&col->snapshot_mutex);
    vssi_snapshot *old = col->snapshot;
    col->snapshot = s;
    vssi_mutex_unlock(&col->snapshot_mutex);
    vssi_snapshot_unref(old);
}

vss_status vssi_collection_writable(vss_collection *col, vss_error *err)
{
    if (col->read_only)
        return vssi_fail(err, VSS_ERR_READ_ONLY, "collection \"%s\" is open read-only", col->name);
    if (col->poisoned != VSS_OK)
        return vssi_fail(err, VSS_ERR_POISONED, "collection \"%s\": an earlier write ended in %s; reopen it", col->name,
                         vss_status_name(col->poisoned));
    return VSS_OK;
}
