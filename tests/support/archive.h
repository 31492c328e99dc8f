/*
 * archive.h - a collection's files as bytes that a test can reach and damage, mounted as a storage
 *
 * Not thread-safe. Each file is a block of exactly its size, so that a sanitizer sees every byte read past its end.
 * Running out of memory ends the program.
 */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include <stdbool.h>

#include "vss/storage.h"

typedef struct archive_file {
    char *name;
    uint8_t *data; /* 64-byte aligned; never NULL */
    size_t size;
    bool removed;  /* gone for the storage; its bytes stay, for those who have them mapped */
} archive_file;

/* All zeros is an empty one. */
typedef struct archive {
    size_t n_files;
    archive_file *files;
} archive;

void archive_free(archive *a);
/* to is overwritten; removed files are left out. */
void archive_copy(const archive *from, archive *to);
/* The file of that name, NULL where there is none or it was removed. Valid until a file is added. */
archive_file *archive_find(const archive *a, const char *name);
/* Add a file, or give one other bytes. No mapping of it may be in use. */
archive_file *archive_set(archive *a, const char *name, const void *data, size_t size);
/* New bytes are zeros. */
void archive_resize(archive_file *file, size_t size);
/* Bytes of all files. */
size_t archive_bytes(const archive *a);

/* a as a storage, for as long as a lives. Without map, objects are read into the library's heap. */
void archive_storage(archive *a, bool map, vss_storage *out);

/* The files one after another: u8 size of the name, name, u32 size, bytes. False: data is not that, or has more than 64
 * files; then *out is empty. */
bool archive_unpack(const uint8_t *data, size_t size, archive *out);
/* Bytes written; 0 where they are more than capacity. */
size_t archive_pack(const archive *a, uint8_t *data, size_t capacity);

#endif
