/*
 * storage.h - the library's side of vss/storage.h: name checks, and the storages that come with it
 */
#ifndef VSSI_STORAGE_H
#define VSSI_STORAGE_H

#include <stdbool.h>

#include "../base/heap.h"
#include "vss/storage.h"

/* What every storage asks of a name before it looks at it: INVALID and a line that shows it. */
vss_status vssi_storage_check_name(const char *name, vss_error *err);
/* "" or a folder's name ending in '/'. */
vss_status vssi_storage_check_prefix(const char *prefix, vss_error *err);
/* A lock's name is "LOCK" or "folder/LOCK". */
vss_status vssi_storage_check_lock(const char *name, vss_error *err);

/* Objects are files below root. put: write to a hidden temporary, fsync, link to the name, fsync of every directory on
 * the way, unlink the temporary. Names are resolved below root without following symbolic links. The lock is an
 * open-file-description lock on a file that holds "pid host" and is removed by unlock. create: make root if its parent
 * is there. read_only: root must exist; put, remove and lock are READ_ONLY. NOT_FOUND; IO; NO_MEMORY. */
vss_status vssi_storage_posix(vssi_heap *heap, const char *root, bool create, bool read_only, vss_storage *out,
                              vss_error *err);
/* Are the storage's mappings of files. */
bool vssi_storage_is_posix(const vss_storage *storage);

/* Objects in memory, gone at close, which must come after every unmap, unlock and log_close. Offers every function. */
vss_status vssi_storage_memory(vssi_heap *heap, vss_storage *out, vss_error *err);

/* huge.c: memory that is about to be written and then read at random; a hint. */
void vssi_storage_huge(void *memory, size_t size);

/* The whole object as memory, 64-byte aligned: mapped where the storage can, else read into the heap. Never NULL. */
typedef struct vssi_view {
    const uint8_t *data;
    uint64_t size;
    bool mapped;
} vssi_view;
/* NOT_FOUND; CORRUPT when the object has not exactly size bytes; IO; NO_MEMORY; BUDGET. */
vss_status vssi_view_open(const vss_storage *storage, vssi_heap *heap, const char *name, uint64_t size, vssi_view *out,
                          vss_error *err);
/* Leaves the view empty; a view that is all zeros is fine. */
void vssi_view_close(const vss_storage *storage, vssi_heap *heap, vssi_view *view);
/* The same read into the heap, on huge pages where there are any; closed as the other is. */
vss_status vssi_view_load(const vss_storage *storage, vssi_heap *heap, const char *name, uint64_t size, vssi_view *out,
                          vss_error *err);
/* The pages of a mapped file that bytes [offset, offset + size) touch leave the process; whoever reads them brings them
 * back. Nothing for other views. */
void vssi_view_rest(const vss_storage *storage, const vssi_view *view, uint64_t offset, uint64_t size);
/* From now on the pages of a mapped file come into the process one by one and not as huge ones; a hint. */
void vssi_view_small(const vss_storage *storage, const vssi_view *view);
#define VSSI_PAGE 4096u /* bytes; where the system's are larger, a part of a view may not rest */

#endif
