/*
 * vss/db.h - a database: a directory (or other storage) with collections in it
 */
#ifndef VSS_DB_H
#define VSS_DB_H

#include "allocator.h"
#include "error.h"
#include "executor.h"
#include "log.h"
#include "storage.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vss_db vss_db;

typedef enum vss_open_mode {
    VSS_OPEN_CREATE = 0,    /* read and write; the directory is made if it is missing */
    VSS_OPEN_EXISTING = 1,  /* read and write; NOT_FOUND if the directory is missing */
    VSS_OPEN_READ_ONLY = 2  /* takes no lock and writes no byte; NOT_FOUND if the directory is missing */
} vss_open_mode;

/* When what is written becomes durable: proof against a power cut or a crash of the system. A crash of the process
 * alone loses nothing that was acknowledged in any of these modes. What is lost is always the newest batches, whole
 * ones. */
typedef enum vss_sync_mode {
    VSS_SYNC_COMMIT = 0,   /* before the call returns: nothing acknowledged is ever lost */
    VSS_SYNC_INTERVAL = 1, /* with the first write that is sync_interval_ms or more after the last time, and at a flush
                              or close: the writes since then can be lost. No thread does it behind the program's
                              back. */
    VSS_SYNC_OFF = 2       /* at a flush or close: the writes since then can be lost */
} vss_sync_mode;

typedef struct vss_db_options {
    uint32_t struct_size;
    vss_open_mode mode;
    const vss_allocator *allocator; /* copied; NULL: the C library's */
    uint64_t memory_budget;         /* bytes the database may hold at once, mappings not counted; 0: no limit */
    const vss_executor *executor;   /* copied; replaces the threads a call would start */
    vss_log_fn log;
    void *log_state;
    const vss_storage *storage;     /* copied; used in place of the path, which then only names it in messages.
                                       Its close is called when the database is closed, or when the open fails for
                                       another reason than this struct. */
    vss_sync_mode sync;
    uint32_t sync_interval_ms;      /* 0: 1,000 */
    uint64_t background_memory;     /* bytes that growing rows and the work on them behind the host's back
                                       (vss/executor.h) may take, about, a collection; 0: a quarter of memory_budget, or
                                       1 GiB without one. Rows are sealed in pieces of a quarter of it; segments that
                                       would take more than half of it are compacted by explicit calls only. */
} vss_db_options;

/* Open a database. path: a directory, or "mem:" for one in memory that ends with the handle.
 * options: NULL for defaults. INVALID, NOT_FOUND, IO, NO_MEMORY. */
VSS_API vss_status vss_db_open(const char *path, const vss_db_options *options, vss_db **db, vss_error *err);

/* Close the database and every collection still open on it, flushing each one that can be written; the first failure
 * is returned, and the handle is gone all the same. NULL is fine. */
VSS_API vss_status vss_db_close(vss_db *db, vss_error *err);

/* Bytes the database holds now and held at most, mappings not counted. Either pointer may be NULL. */
VSS_API vss_status vss_db_memory(const vss_db *db, uint64_t *used, uint64_t *peak, vss_error *err);

/* The names of the collections, sorted. names[count] and its texts are one block: vss_names_free. IO, NO_MEMORY. */
VSS_API vss_status vss_db_list(vss_db *db, char ***names, size_t *count, vss_error *err);
VSS_API void vss_names_free(char **names); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
