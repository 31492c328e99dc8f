/*
 * vss/storage.h - the only door to bytes: a flat space of named, immutable objects
 *
 * A name is made of [a-z0-9._-] and '/', at most 512 bytes, and has no empty part
 * and none that begins with '.'. A lock's name is "LOCK" or "folder/LOCK"; locks are no objects and are never listed.
 * An object appears whole or not at all and is never changed; nothing is renamed, truncated or overwritten. A log is an
 * object that grows at its end while it is open.
 * Every function may be called from any thread, also at once.
 */
#ifndef VSS_STORAGE_H
#define VSS_STORAGE_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vss_span {
    const void *data;
    size_t size;
} vss_span;

/* Called once a name. A non-zero result ends the listing, which still returns VSS_OK. */
typedef int (*vss_storage_list_fn)(void *arg, const char *name);

typedef struct vss_storage {
    uint32_t struct_size;
    void *state;

    /* Fill buffer[size] from the object's bytes at offset: the whole range or an error, never less.
     * NOT_FOUND; CORRUPT when the object ends before; IO. */
    vss_status (*read)(void *state, const char *name, uint64_t offset, void *buffer, size_t size, vss_error *err);
    /* Create the object from the parts, in order, if the name is free; durable on return.
     * EXISTS; NO_SPACE; READ_ONLY; IO: absent; UNKNOWN_COMMIT: absent or present whole. */
    vss_status (*put)(void *state, const char *name, const vss_span *parts, size_t n_parts, vss_error *err);
    /* Name the objects whose names begin with prefix ("" or ending in '/'), in any order. With shallow, only what
     * stands directly under the prefix, folders ending in '/'. A prefix that is not there names nothing. IO. */
    vss_status (*list)(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg, vss_error *err);
    /* NOT_FOUND; IO. */
    vss_status (*size)(void *state, const char *name, uint64_t *size, vss_error *err);
    /* NOT_FOUND; READ_ONLY; IO. */
    vss_status (*remove)(void *state, const char *name, vss_error *err);

    /* Optional, NULL where missing. A read-only view of a whole object of exactly size bytes, 64-byte aligned, valid
     * until unmap even if the object is removed. NOT_FOUND; CORRUPT when the size differs; IO; NO_MEMORY. */
    vss_status (*map)(void *state, const char *name, uint64_t size, const void **data, vss_error *err);
    void (*unmap)(void *state, const void *data, uint64_t size);
    /* Optional. Take the exclusive lock that name stands for, until unlock or the end of the process. Whoever puts
     * below the lock's folder holds it: what a killed put left there can be removed. BUSY with the holder's pid and
     * host in the line; READ_ONLY; IO. */
    vss_status (*lock)(void *state, const char *name, void **lock, vss_error *err);
    void (*unlock)(void *state, void *lock);

    /* Give back what the storage holds. NULL where there is nothing to give back. */
    void (*close)(void *state);

    /* Optional, all four or none: without them a collection keeps no log, and writes are durable at a flush only. Logs
     * are read, listed, measured and removed as objects are. One log is used by one thread at a time.
     *
     * Create an empty log if the name is free. EXISTS; NO_SPACE; READ_ONLY; IO. */
    vss_status (*log_open)(void *state, const char *name, void **log, vss_error *err);
    /* Add the parts, in order, at its end. NO_SPACE, IO, NO_MEMORY: the log is as it was. UNKNOWN_COMMIT: some of the
     * bytes may be there, and the log can only be closed. */
    vss_status (*log_append)(void *state, void *log, const vss_span *parts, size_t n_parts, vss_error *err);
    /* Make its name and every byte appended so far durable. After any failure nobody knows which of them are, and the
     * log can only be closed. */
    vss_status (*log_sync)(void *state, void *log, vss_error *err);
    void (*log_close)(void *state, void *log);
} vss_storage;

#ifdef __cplusplus
}
#endif
#endif
