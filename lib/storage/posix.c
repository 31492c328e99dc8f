/*
 * posix.c - objects as files below a directory: open, read, map, remove
 *
 * An object is read through a descriptor of its own, opened for the call: no state is shared and no lock needed. What
 * is no regular file is no object. A mapping stays valid when its file is unlinked, which is all that ever happens to a
 * file.
 */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fail.h"

/* A descriptor and the size of an object. */
static vss_status posix_open(const vssi_posix_storage *s, const char *name, int *out, uint64_t *size, vss_error *err)
{
    *out = -1;
    VSSI_TRY(vssi_storage_check_name(name, err));
    const char *leaf;
    int folder = vssi_posix_folder(s, name, false, &leaf);
    if (folder < 0)
        return vssi_posix_fail(err, errno, "open", name);
    /* O_NONBLOCK: a pipe in an object's place must not hold the caller up. */
    int fd = openat(folder, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    vssi_posix_close(folder);
    if (fd < 0)
        return vssi_posix_fail(err, errno, "open", name);
    struct stat info;
    vss_status status = VSS_OK;
    if (fstat(fd, &info) != 0)
        status = vssi_posix_fail(err, errno, "open", name);
    else if (S_ISDIR(info.st_mode))
        status = vssi_posix_fail(err, ENOENT, "open", name);
    else if (!S_ISREG(info.st_mode))
        status = vssi_fail(err, VSS_ERR_IO, "can't open \"%s\": not a regular file", name);
    if (status != VSS_OK) {
        vssi_posix_close(fd);
        return status;
    }
    *out = fd;
    *size = (uint64_t)info.st_size;
    return VSS_OK;
}

static vss_status posix_read_range(int fd, const char *name, uint64_t offset, uint8_t *buffer, size_t size,
                                   vss_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, buffer + done, size - done, (off_t)(offset + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            return vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\" ended at byte %llu while it was read", name,
                             (unsigned long long)(offset + done));
        else if (errno != EINTR)
            return vssi_posix_fail(err, errno, "read", name);
    }
    return VSS_OK;
}

static vss_status posix_read(void *state, const char *name, uint64_t offset, void *buffer, size_t size, vss_error *err)
{
    int fd;
    uint64_t held;
    VSSI_TRY(posix_open(state, name, &fd, &held, err));
    vss_status status;
    if (offset > held || size > held - offset)
        status = vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\" has %llu bytes, %zu wanted at byte %llu", name,
                           (unsigned long long)held, size, (unsigned long long)offset);
    else
        status = posix_read_range(fd, name, offset, buffer, size, err);
    vssi_posix_close(fd);
    return status;
}

static vss_status posix_size(void *state, const char *name, uint64_t *size, vss_error *err)
{
    int fd;
    *size = 0;
    VSSI_TRY(posix_open(state, name, &fd, size, err));
    vssi_posix_close(fd);
    return VSS_OK;
}

static vss_status posix_remove(void *state, const char *name, vss_error *err)
{
    const vssi_posix_storage *s = state;
    VSSI_TRY(vssi_storage_check_name(name, err));
    VSSI_TRY(vssi_posix_writable(s, "remove", name, err));
    const char *leaf;
    int folder = vssi_posix_folder(s, name, false, &leaf);
    if (folder < 0)
        return vssi_posix_fail(err, errno, "remove", name);
    int failed = unlinkat(folder, leaf, 0);
    int reason = errno == EISDIR ? ENOENT : errno;
    vssi_posix_close(folder);
    if (failed != 0)
        return vssi_posix_fail(err, reason, "remove", name);
    vssi_posix_prune(s, name);
    return VSS_OK;
}

/* What an empty object maps to: mmap refuses to map nothing. */
static _Alignas(64) const uint8_t posix_nothing[64];

static vss_status posix_map(void *state, const char *name, uint64_t size, const void **data, vss_error *err)
{
    int fd;
    uint64_t held;
    *data = NULL;
    VSSI_TRY(posix_open(state, name, &fd, &held, err));
    vss_status status = VSS_OK;
    void *mapping = MAP_FAILED;
    if (held != size)
        status = vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\" has %llu bytes, expected %llu", name, (unsigned long long)held,
                           (unsigned long long)size);
    else if (size == 0)
        *data = posix_nothing;
    else if ((size_t)size != size)
        status = vssi_posix_fail(err, ENOMEM, "map", name);
    else if ((mapping = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        status = vssi_posix_fail(err, errno, "map", name);
    else
        *data = mapping;
    vssi_posix_close(fd);
    return status;
}

bool vssi_storage_is_posix(const vss_storage *storage) { return storage->map == posix_map; }

static void posix_unmap(void *state, const void *data, uint64_t size)
{
    (void)state;
    if (size != 0)
        (void)munmap((void *)(uintptr_t)data, (size_t)size);
}

static void posix_close(void *state)
{
    vssi_posix_storage *s = state;
    vssi_posix_close(s->root);
    vssi_free(s->heap, s);
}

/* The root's own entry must be as durable as what is put below it. */
static int posix_make_root(const char *root)
{
    if (mkdir(root, 0777) != 0)
        return errno == EEXIST ? 0 : -1;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent = fd >= 0 ? openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int failed = parent >= 0 ? vssi_posix_sync(parent) : -1;
    if (parent >= 0)
        vssi_posix_close(parent);
    if (fd >= 0)
        vssi_posix_close(fd);
    return failed;
}

vss_status vssi_storage_posix(vssi_heap *heap, const char *root, bool create, bool read_only, vss_storage *out,
                              vss_error *err)
{
    *out = VSS_INIT(vss_storage);
    vssi_posix_storage *s;
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *s, &s, err));
    s->heap = heap;
    s->read_only = read_only;
    s->root = -1;
    if (!create || read_only || posix_make_root(root) == 0)
        s->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->root < 0) {
        int reason = errno;
        vssi_free(heap, s);
        return vssi_fail_os(err, reason == ENOENT ? VSS_ERR_NOT_FOUND : VSS_ERR_IO, reason,
                            "can't open directory \"%s\"", root);
    }
    out->state = s;
    out->read = posix_read;
    out->put = vssi_posix_put;
    out->list = vssi_posix_list;
    out->size = posix_size;
    out->remove = posix_remove;
    out->map = posix_map;
    out->unmap = posix_unmap;
    out->lock = vssi_posix_lock;
    out->unlock = vssi_posix_unlock;
    out->close = posix_close;
    out->log_open = vssi_posix_log_open;
    out->log_append = vssi_posix_log_append;
    out->log_sync = vssi_posix_log_sync;
    out->log_close = vssi_posix_log_close;
    return VSS_OK;
}
