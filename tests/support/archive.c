/*
 * archive.c - files in memory, and the storage that shows them
 */
#include "archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/bytes.h"
#include "../../lib/base/fail.h"

#define ARCHIVE_FILES_MAX 64u

static void *archive_alloc(size_t size)
{
    void *block;
    if (posix_memalign(&block, 64, size > 0 ? size : 1) != 0) {
        fputs("archive: out of memory\n", stderr);
        abort();
    }
    return block;
}

void archive_free(archive *a)
{
    for (size_t i = 0; i < a->n_files; i++) {
        free(a->files[i].name);
        free(a->files[i].data);
    }
    free(a->files);
    *a = (archive){0};
}

archive_file *archive_find(const archive *a, const char *name)
{
    for (size_t i = 0; i < a->n_files; i++)
        if (!a->files[i].removed && strcmp(a->files[i].name, name) == 0)
            return &a->files[i];
    return NULL;
}

static void archive_fill(archive_file *file, const void *data, size_t size)
{
    free(file->data);
    file->data = archive_alloc(size);
    file->size = size;
    if (size > 0)
        memcpy(file->data, data, size);
}

archive_file *archive_set(archive *a, const char *name, const void *data, size_t size)
{
    archive_file *file = archive_find(a, name);
    if (file == NULL) {
        archive_file *files = archive_alloc((a->n_files + 1) * sizeof *files);
        if (a->n_files > 0)
            memcpy(files, a->files, a->n_files * sizeof *files);
        free(a->files);
        a->files = files;
        file = &a->files[a->n_files++];
        *file = (archive_file){.name = archive_alloc(strlen(name) + 1)};
        strcpy(file->name, name);
    }
    archive_fill(file, data, size);
    return file;
}

void archive_copy(const archive *from, archive *to)
{
    *to = (archive){0};
    for (size_t i = 0; i < from->n_files; i++)
        if (!from->files[i].removed)
            archive_set(to, from->files[i].name, from->files[i].data, from->files[i].size);
}

void archive_resize(archive_file *file, size_t size)
{
    uint8_t *data = archive_alloc(size);
    const size_t kept = size < file->size ? size : file->size;
    memcpy(data, file->data, kept);
    memset(data + kept, 0, size - kept);
    free(file->data);
    file->data = data;
    file->size = size;
}

size_t archive_bytes(const archive *a)
{
    size_t bytes = 0;
    for (size_t i = 0; i < a->n_files; i++)
        bytes += a->files[i].removed ? 0 : a->files[i].size;
    return bytes;
}

/* ---- the storage ---- */

static vss_status archive_missing(const char *name, vss_error *err)
{
    return vssi_fail(err, VSS_ERR_NOT_FOUND, "no object \"%s\"", name);
}

static vss_status archive_read(void *state, const char *name, uint64_t offset, void *buffer, size_t size,
                               vss_error *err)
{
    const archive_file *file = archive_find(state, name);
    if (file == NULL)
        return archive_missing(name, err);
    if (offset > file->size || size > file->size - offset)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\" ends before", name);
    if (size > 0)
        memcpy(buffer, file->data + offset, size);
    return VSS_OK;
}

static vss_status archive_put(void *state, const char *name, const vss_span *parts, size_t n_parts, vss_error *err)
{
    size_t size = 0;
    if (archive_find(state, name) != NULL)
        return vssi_fail(err, VSS_ERR_EXISTS, "object \"%s\" is there already", name);
    for (size_t i = 0; i < n_parts; i++)
        size += parts[i].size;
    archive_file *file = archive_set(state, name, NULL, 0);
    archive_resize(file, size);
    size = 0;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size > 0)
            memcpy(file->data + size, parts[i].data, parts[i].size);
        size += parts[i].size;
    }
    return VSS_OK;
}

/* Was the folder of files[i] below the prefix named already? */
static bool archive_listed(const archive *a, size_t i, size_t size)
{
    for (size_t j = 0; j < i; j++)
        if (!a->files[j].removed && strncmp(a->files[j].name, a->files[i].name, size) == 0)
            return true;
    return false;
}

static vss_status archive_list(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg,
                               vss_error *err)
{
    const archive *a = state;
    const size_t skip = strlen(prefix);
    (void)err;
    for (size_t i = 0; i < a->n_files; i++) {
        const char *name = a->files[i].name;
        if (a->files[i].removed || strncmp(name, prefix, skip) != 0)
            continue;
        const char *slash = shallow ? strchr(name + skip, '/') : NULL;
        char folder[1024];
        if (slash != NULL) {
            const size_t size = (size_t)(slash - name) + 1;
            if (size >= sizeof folder || archive_listed(a, i, size))
                continue;
            memcpy(folder, name, size);
            folder[size] = '\0';
            name = folder;
        }
        if (fn(arg, name) != 0)
            break;
    }
    return VSS_OK;
}

static vss_status archive_size(void *state, const char *name, uint64_t *size, vss_error *err)
{
    const archive_file *file = archive_find(state, name);
    if (file == NULL)
        return archive_missing(name, err);
    *size = file->size;
    return VSS_OK;
}

static vss_status archive_remove(void *state, const char *name, vss_error *err)
{
    archive_file *file = archive_find(state, name);
    if (file == NULL)
        return archive_missing(name, err);
    file->removed = true;
    return VSS_OK;
}

static vss_status archive_map(void *state, const char *name, uint64_t size, const void **data, vss_error *err)
{
    const archive_file *file = archive_find(state, name);
    if (file == NULL)
        return archive_missing(name, err);
    if (file->size != size)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\" has %zu bytes, expected %llu", name, file->size,
                         (unsigned long long)size);
    *data = file->data;
    return VSS_OK;
}

static void archive_unmap(void *state, const void *data, uint64_t size)
{
    (void)state;
    (void)data;
    (void)size;
}

/* ---- logs: a handle is the name, since files move when one is added ---- */

static vss_status archive_log_open(void *state, const char *name, void **log, vss_error *err)
{
    *log = NULL;
    if (archive_find(state, name) != NULL)
        return vssi_fail(err, VSS_ERR_EXISTS, "object \"%s\" is there already", name);
    archive_set(state, name, NULL, 0);
    *log = archive_alloc(strlen(name) + 1);
    strcpy(*log, name);
    return VSS_OK;
}

static vss_status archive_log_append(void *state, void *log, const vss_span *parts, size_t n_parts, vss_error *err)
{
    archive_file *file = archive_find(state, log);
    if (file == NULL)
        return archive_missing(log, err);
    for (size_t i = 0; i < n_parts; i++) {
        const size_t at = file->size;
        archive_resize(file, at + parts[i].size);
        if (parts[i].size > 0)
            memcpy(file->data + at, parts[i].data, parts[i].size);
    }
    return VSS_OK;
}

static vss_status archive_log_sync(void *state, void *log, vss_error *err)
{
    (void)state;
    (void)log;
    (void)err;
    return VSS_OK;
}

static void archive_log_close(void *state, void *log)
{
    (void)state;
    free(log);
}

void archive_storage(archive *a, bool map, vss_storage *out)
{
    *out = (vss_storage){.struct_size = sizeof *out, .state = a, .read = archive_read, .put = archive_put,
                         .list = archive_list, .size = archive_size, .remove = archive_remove,
                         .log_open = archive_log_open, .log_append = archive_log_append,
                         .log_sync = archive_log_sync, .log_close = archive_log_close};
    if (map) {
        out->map = archive_map;
        out->unmap = archive_unmap;
    }
}

/* ---- one string of bytes ---- */

static bool archive_unpack_file(vssi_reader *r, archive *out)
{
    char name[256];
    const size_t name_size = vssi_read8(r);
    const uint8_t *text = vssi_read_bytes(r, name_size);
    const size_t size = vssi_read32(r);
    const uint8_t *data = vssi_read_bytes(r, size);
    if (r->bad || name_size == 0 || memchr(text, 0, name_size) != NULL || out->n_files == ARCHIVE_FILES_MAX)
        return false;
    memcpy(name, text, name_size);
    name[name_size] = '\0';
    archive_set(out, name, data, size);
    return true;
}

bool archive_unpack(const uint8_t *data, size_t size, archive *out)
{
    vssi_reader r = {.data = data, .size = size};
    *out = (archive){0};
    while (r.at < size)
        if (!archive_unpack_file(&r, out)) {
            archive_free(out);
            return false;
        }
    return true;
}

size_t archive_pack(const archive *a, uint8_t *data, size_t capacity)
{
    size_t at = 0;
    for (size_t i = 0; i < a->n_files; i++) {
        const archive_file *file = &a->files[i];
        const size_t name_size = strlen(file->name);
        if (file->removed)
            continue;
        if (name_size > UINT8_MAX || file->size > UINT32_MAX || capacity - at < name_size + 5 ||
            capacity - at - name_size - 5 < file->size)
            return 0;
        data[at] = (uint8_t)name_size;
        memcpy(data + at + 1, file->name, name_size);
        vssi_store32(data + at + 1 + name_size, (uint32_t)file->size);
        memcpy(data + at + 5 + name_size, file->data, file->size);
        at += 5 + name_size + file->size;
    }
    return at;
}
