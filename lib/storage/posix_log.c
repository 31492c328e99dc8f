/*
 * posix_log.c - logs on POSIX: a file that is created if absent, appended to, and made durable with fdatasync
 *
 * An append that fails cuts the file back to the length before, so that what follows never stands behind half a record.
 * Cost: one writev an append; one fdatasync a sync; creating it fsyncs every folder from the root down. No locks: a log
 * is one thread's at a time.
 */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../base/checked.h"
#include "../base/fail.h"

#define POSIX_LOG_ATTEMPTS 64

typedef struct posix_log {
    int fd;
    uint64_t size;
    char name[];
} posix_log;

/* A new file, its name durable. -1 and errno on failure. */
static int posix_log_create(const vssi_posix_storage *s, const char *name)
{
    const char *leaf;
    int folder = vssi_posix_folder(s, name, true, &leaf);
    if (folder < 0)
        return -1;
    int fd = openat(folder, leaf, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0 && vssi_posix_sync(folder) != 0) {
        int reason = errno;
        (void)unlinkat(folder, leaf, 0);
        vssi_posix_close(fd);
        errno = reason;
        fd = -1;
    }
    vssi_posix_close(folder);
    return fd;
}

vss_status vssi_posix_log_open(void *state, const char *name, void **log, vss_error *err)
{
    const vssi_posix_storage *s = state;
    size_t size = strlen(name) + 1;
    posix_log *made;
    *log = NULL;
    VSSI_TRY(vssi_storage_check_name(name, err));
    VSSI_TRY(vssi_posix_writable(s, "create", name, err));
    VSSI_TRY(vssi_alloc(s->heap, sizeof *made + size, 1, &made, err));
    memcpy(made->name, name, size);
    made->size = 0;
    made->fd = -1;
    errno = ENOENT;
    /* A remove at the same time takes away a folder that is still empty: begin again. */
    for (int attempt = 0; made->fd < 0 && errno == ENOENT && attempt < POSIX_LOG_ATTEMPTS; attempt++)
        made->fd = posix_log_create(s, name);
    if (made->fd < 0) {
        int reason = errno;
        vssi_free(s->heap, made);
        if (reason == EEXIST)
            return vssi_fail(err, VSS_ERR_EXISTS, "object \"%s\" exists already", name);
        vssi_posix_prune(s, name);
        return reason == ENOENT ? vssi_fail_os(err, VSS_ERR_IO, reason, "can't create \"%s\"", name)
                                : vssi_posix_fail(err, reason, "create", name);
    }
    *log = made;
    return VSS_OK;
}

vss_status vssi_posix_log_append(void *state, void *log, const vss_span *parts, size_t n_parts, vss_error *err)
{
    posix_log *l = log;
    uint64_t added = 0;
    (void)state;
    for (size_t i = 0; i < n_parts; i++)
        if (!vssi_add_u64(added, parts[i].size, &added))
            return vssi_fail_memory(err, SIZE_MAX);
    vss_status status = vssi_posix_write(l->fd, l->name, parts, n_parts, SIZE_MAX, err);
    if (status == VSS_OK)
        l->size += added;
    else if (ftruncate(l->fd, (off_t)l->size) != 0)
        status = vssi_fail_os(err, VSS_ERR_UNKNOWN_COMMIT, errno, "can't take a failed write back from \"%s\"",
                              l->name);
    return status;
}

vss_status vssi_posix_log_sync(void *state, void *log, vss_error *err)
{
    const posix_log *l = log;
    int failed;
    (void)state;
    do {
        failed = fdatasync(l->fd);
    } while (failed != 0 && errno == EINTR);
    return failed == 0 ? VSS_OK : vssi_fail_os(err, VSS_ERR_IO, errno, "can't make \"%s\" durable", l->name);
}

void vssi_posix_log_close(void *state, void *log)
{
    const vssi_posix_storage *s = state;
    posix_log *l = log;
    if (l == NULL)
        return;
    vssi_posix_close(l->fd);
    vssi_free(s->heap, l);
}
