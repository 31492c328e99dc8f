/*
 * posix.h - what the files of the POSIX storage share
 */
#ifndef VSSI_POSIX_H
#define VSSI_POSIX_H

#include "storage.h"

typedef struct vssi_posix_storage {
    vssi_heap *heap;
    int root;       /* descriptor of the root directory */
    bool read_only;
} vssi_posix_storage;

/* Open the folder that a valid name stands in, part by part, following no symbolic link. *leaf is the rest of the name.
 * make: create what is missing, and fsync every folder above the one that is returned, so that it is durable.
 * The descriptor is the caller's; -1 and errno on failure. */
int vssi_posix_folder(const vssi_posix_storage *s, const char *name, bool make, const char **leaf);

/* fsync that an interruption does not end. */
int vssi_posix_sync(int fd);

/* close that leaves errno alone. */
void vssi_posix_close(int fd);

/* The status and line for a failed system call. doing: "read", as in `can't read "name": Input/output error`. */
vss_status vssi_posix_fail(vss_error *err, int os_errno, const char *doing, const char *name);

/* READ_ONLY where the storage was opened so. */
vss_status vssi_posix_writable(const vssi_posix_storage *s, const char *doing, const char *name, vss_error *err);

/* Remove the folders that name stands in, deepest first, as long as they are empty. */
void vssi_posix_prune(const vssi_posix_storage *s, const char *name);

/* What the names of put's hidden files begin with. */
#define VSSI_POSIX_TEMPORARY ".tmp-"
/* Remove those in the folder of a lock that was just taken, and in the folders in it. */
void vssi_posix_sweep(const vssi_posix_storage *s, const char *lock);

/* Write the parts one after another, however little a call of the system takes, and at most up to the next multiple of
 * `piece` bytes in one. name: for the line. */
vss_status vssi_posix_write(int fd, const char *name, const vss_span *parts, size_t n_parts, size_t piece,
                            vss_error *err);

/* Entries of the function table that have a file of their own. */
vss_status vssi_posix_put(void *state, const char *name, const vss_span *parts, size_t n_parts, vss_error *err);
vss_status vssi_posix_list(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg,
                           vss_error *err);
vss_status vssi_posix_lock(void *state, const char *name, void **lock, vss_error *err);
void vssi_posix_unlock(void *state, void *lock);
vss_status vssi_posix_log_open(void *state, const char *name, void **log, vss_error *err);
vss_status vssi_posix_log_append(void *state, void *log, const vss_span *parts, size_t n_parts, vss_error *err);
vss_status vssi_posix_log_sync(void *state, void *log, vss_error *err);
void vssi_posix_log_close(void *state, void *log);

#endif
