/*
 * db_open.c - open and close a database, list its collections
 *
 * Cost: opening touches the root only; listing reads the newest manifest's name and flag of every collection.
 */
#include "db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/text.h"
#include "collection.h"

static vss_status db_storage(vss_db *db, const vss_db_options *options, vss_error *err)
{
    if (options->storage != NULL) {
        db->storage = *options->storage;
        return VSS_OK;
    }
    if (strcmp(db->path, "mem:") == 0)
        return vssi_storage_memory(&db->heap, &db->storage, err);
    return vssi_storage_posix(&db->heap, db->path, db->mode == VSS_OPEN_CREATE, db->mode == VSS_OPEN_READ_ONLY,
                              &db->storage, err);
}

vss_status vssi_db_open(const char *path, const vss_db_options *options, vss_db **out, vss_error *err)
{
    vss_db *db;
    vss_status status;
    vssi_heap first; /* the handle itself is not part of its own budget */
    vssi_heap_init(&first, options->allocator, 0);
    VSSI_TRY(vssi_alloc_zero(&first, 1, sizeof *db, &db, err));
    vssi_heap_init(&db->heap, options->allocator, options->memory_budget);
    atomic_init(&db->refs, 1);
    vssi_mutex_init(&db->mutex);
    db->mode = options->mode;
    db->process = vssi_process_id();
    db->log = options->log;
    db->log_state = options->log_state;
    if (options->executor != NULL) {
        db->executor = *options->executor;
        db->has_executor = true;
    }
    VSSI_TRY_GOTO(vssi_strdup(&db->heap, path, strlen(path), &db->path, err), fail);
    VSSI_TRY_GOTO(db_storage(db, options, err), fail);
    db->storage_open = true;
    db->logged = db->storage.log_open != NULL && (options->storage != NULL || strcmp(path, "mem:") != 0);
    db->sync = options->sync;
    db->sync_interval_ns = (options->sync_interval_ms == 0 ? 1000 : (uint64_t)options->sync_interval_ms) * 1000000;
    db->background_memory = options->background_memory;
    *out = db;
    return VSS_OK;
fail:
    vssi_db_unref(db);
    return status;
}

vss_status vssi_db_close(vss_db *db, vss_error *err)
{
    vss_status first = VSS_OK;
    while (db->collections != NULL) {
        vss_collection *col = db->collections;
        col->handles = 1;
        vss_status status = vssi_collection_close(col, first == VSS_OK ? err : NULL);
        if (first == VSS_OK)
            first = status;
    }
    if (db->storage.close != NULL)
        db->storage.close(db->storage.state);
    db->storage_open = false;
    vssi_db_unref(db);
    return first;
}

/* Folder names under the root that could be collections. */
typedef struct db_listing {
    vssi_writer names; /* texts one after another, each ended by NUL */
    size_t count;
} db_listing;

static int db_listing_add(void *arg, const char *name)
{
    db_listing *listing = arg;
    size_t size = strlen(name);
    char folder[64];
    if (size < 2 || size > sizeof folder || name[size - 1] != '/')
        return 0;
    memcpy(folder, name, size - 1);
    folder[size - 1] = '\0';
    if (!vssi_collection_name_valid(folder))
        return 0;
    vssi_write_bytes(&listing->names, folder, size);
    listing->count++;
    return listing->names.status != VSS_OK;
}

static int db_compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names block of the public API: count pointers, then the texts; from the default heap, so that vss_names_free
 * needs no db. */
static vss_status db_names_block(vss_db *db, const db_listing *listing, char ***names, size_t *count, vss_error *err)
{
    vss_status status;
    char **block;
    size_t head = (listing->count + 1) * sizeof(char *), n = 0;
    VSSI_TRY(vssi_alloc_zero(vssi_heap_default(), 1, head + listing->names.size, &block, err));
    char *to = (char *)block + head;
    const char *from = (const char *)listing->names.data;
    for (size_t i = 0; i < listing->count; i++) {
        size_t size = strlen(from) + 1;
        bool exists;
        VSSI_TRY_GOTO(vssi_collection_exists(db, from, &exists, err), fail);
        if (exists) {
            memcpy(to, from, size);
            block[n++] = to;
            to += size;
        }
        from += size;
    }
    qsort(block, n, sizeof *block, db_compare_names);
    *names = block;
    *count = n;
    return VSS_OK;
fail:
    vssi_free(vssi_heap_default(), block);
    return status;
}

vss_status vssi_db_list(vss_db *db, char ***names, size_t *count, vss_error *err)
{
    db_listing listing = {.names = {.heap = &db->heap, .err = err}};
    vss_status status = db->storage.list(db->storage.state, "", 1, db_listing_add, &listing, err);
    if (status == VSS_OK)
        status = listing.names.status;
    if (status == VSS_OK)
        status = db_names_block(db, &listing, names, count, err);
    vssi_free(&db->heap, listing.names.data);
    return status;
}
