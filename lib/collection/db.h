/*
 * db.h - what a vss_db handle points to
 *
 * Locks: `mutex` guards the list of open collections. The struct lives until the handle is closed and the last result
 * made through it is freed (`refs`), because results hold memory of its heap.
 */
#ifndef VSSI_DB_H
#define VSSI_DB_H

#include "../base/fail.h"
#include "../base/heap.h"
#include "../base/parallel.h"
#include "../storage/storage.h"
#include "vss/db.h"

struct vss_db {
    vssi_heap heap;
    _Atomic size_t refs;
    char *path;
    vss_open_mode mode;
    int64_t process;
    bool has_executor;
    vss_executor executor;
    vss_log_fn log;
    void *log_state;
    vss_storage storage;
    bool storage_open;
    bool logged; /* batches go through a log */
    vss_sync_mode sync;
    uint64_t sync_interval_ns;
    uint64_t background_memory; /* 0: default */
    vssi_mutex mutex;
    struct vss_collection *collections; /* open ones, linked by `next` */
};

/* On failure options->storage stays the caller's. */
vss_status vssi_db_open(const char *path, const vss_db_options *options, vss_db **out, vss_error *err);
/* Closes the collections still open. The first failure is returned; the handle is gone. */
vss_status vssi_db_close(vss_db *db, vss_error *err);
vss_status vssi_db_list(vss_db *db, char ***names, size_t *count, vss_error *err);

void vssi_db_ref(vss_db *db);
void vssi_db_unref(vss_db *db);

static inline const vss_executor *vssi_db_executor(const vss_db *db)
{
    return db->has_executor && db->executor.run != NULL ? &db->executor : NULL;
}

/* One line to the host's log hook, if there is one. */
__attribute__((format(printf, 3, 4))) void vssi_db_log(const vss_db *db, vss_log_level level, const char *format, ...);

#endif
