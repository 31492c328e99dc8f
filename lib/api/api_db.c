/*
 * api_db.c - vss_db_open, _close, _list, _memory
 */
#include <string.h>

#include "door.h"

static vss_status db_storage_check(const vss_storage *given, vss_storage *storage, vss_error *err)
{
    VSSI_TRY(vssi_door_struct("vss_storage", storage, sizeof *storage, given, err));
    if (!storage->read || !storage->put || !storage->list || !storage->size || !storage->remove)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_storage: read, put, list, size and remove are required");
    if (!storage->map != !storage->unmap || !storage->lock != !storage->unlock)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_storage: map goes with unmap, lock with unlock");
    if (!storage->log_open != !storage->log_append || !storage->log_open != !storage->log_sync ||
        !storage->log_open != !storage->log_close)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_storage: log_open, log_append, log_sync and log_close go together");
    return VSS_OK;
}

static vss_status db_options_check(const vss_db_options *options, vss_allocator *allocator, vss_executor *executor,
                                   vss_error *err)
{
    if (options->mode < VSS_OPEN_CREATE || options->mode > VSS_OPEN_READ_ONLY)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_db_options: mode %d is none", (int)options->mode);
    if (options->sync < VSS_SYNC_COMMIT || options->sync > VSS_SYNC_OFF)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_db_options: sync %d is none", (int)options->sync);
    VSSI_TRY(vssi_door_struct("vss_allocator", allocator, sizeof *allocator, options->allocator, err));
    if (options->allocator != NULL && (allocator->alloc == NULL || allocator->release == NULL))
        return vssi_fail(err, VSS_ERR_INVALID, "vss_allocator: alloc and release are required");
    VSSI_TRY(vssi_door_struct("vss_executor", executor, sizeof *executor, options->executor, err));
    if (options->executor != NULL && executor->run == NULL && executor->submit == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_executor: run and submit are NULL");
    return VSS_OK;
}

/* storage: already read from the options and checked, or unused. */
static vss_status db_open(const char *path, vss_db_options *options, const vss_storage *storage, vss_db **db,
                          vss_error *err)
{
    vss_allocator allocator;
    vss_executor executor;
    VSSI_TRY(db_options_check(options, &allocator, &executor, err));
    if (path[0] == '\0' && options->storage == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "vss_db_open: path is empty");
    options->storage = options->storage != NULL ? storage : NULL;
    options->allocator = options->allocator != NULL ? &allocator : NULL;
    options->executor = options->executor != NULL ? &executor : NULL;
    return vssi_db_open(path, options, db, err);
}

vss_status vss_db_open(const char *path, const vss_db_options *options, vss_db **db, vss_error *err)
{
    vss_db_options o;
    vss_storage storage = {0};
    DOOR_NEED("vss_db_open", db);
    *db = NULL;
    DOOR_NEED("vss_db_open", path);
    VSSI_TRY(vssi_door_struct("vss_db_options", &o, sizeof o, options, err));
    if (o.storage != NULL)
        VSSI_TRY(db_storage_check(o.storage, &storage, err));
    vss_status status = db_open(path, &o, &storage, db, err);
    if (status != VSS_OK && storage.close != NULL)
        storage.close(storage.state);
    return status;
}

vss_status vss_db_close(vss_db *db, vss_error *err)
{
    if (db == NULL)
        return VSS_OK;
    VSSI_TRY(vssi_door_db(db, err));
    return vssi_db_close(db, err);
}

vss_status vss_db_memory(const vss_db *db, uint64_t *used, uint64_t *peak, vss_error *err)
{
    DOOR_NEED("vss_db_memory", db);
    VSSI_TRY(vssi_door_db(db, err));
    if (used != NULL)
        *used = atomic_load(&db->heap.used);
    if (peak != NULL)
        *peak = atomic_load(&db->heap.peak);
    return VSS_OK;
}

vss_status vss_db_list(vss_db *db, char ***names, size_t *count, vss_error *err)
{
    DOOR_NEED("vss_db_list", names);
    *names = NULL;
    DOOR_NEED("vss_db_list", count);
    DOOR_NEED("vss_db_list", db);
    VSSI_TRY(vssi_door_db(db, err));
    return vssi_db_list(db, names, count, err);
}

void vss_names_free(char **names) { vssi_free(vssi_heap_default(), names); }
