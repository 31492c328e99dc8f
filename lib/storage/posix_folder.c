/*
 * posix_folder.c - the way to the folder of a name, and what every call of the system needs: sync, close, its error
 *
 * Every part of a name is opened with O_NOFOLLOW, so that a link planted below the root leads nowhere.
 */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/fail.h"

#define POSIX_FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void vssi_posix_close(int fd)
{
    int saved = errno;
    (void)close(fd);
    errno = saved;
}

int vssi_posix_sync(int fd)
{
    int failed;
    do {
        failed = fsync(fd);
    } while (failed != 0 && errno == EINTR);
    return failed;
}

vss_status vssi_posix_fail(vss_error *err, int os_errno, const char *doing, const char *name)
{
    vss_status status = VSS_ERR_IO;
    switch (os_errno) {
    case ENOENT:
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "no object \"%s\"", name);
    case ENOSPC:
    case EDQUOT:
        status = VSS_ERR_NO_SPACE;
        break;
    case EROFS:
        status = VSS_ERR_READ_ONLY;
        break;
    case ENOMEM:
        status = VSS_ERR_NO_MEMORY;
        break;
    default:
        break;
    }
    return vssi_fail_os(err, status, os_errno, "can't %s \"%s\"", doing, name);
}

vss_status vssi_posix_writable(const vssi_posix_storage *s, const char *doing, const char *name, vss_error *err)
{
    if (!s->read_only)
        return VSS_OK;
    return vssi_fail(err, VSS_ERR_READ_ONLY, "can't %s \"%s\": the storage was opened read-only", doing, name);
}

static int posix_enter(int parent, const char *part, bool make)
{
    int fd = openat(parent, part, POSIX_FOLDER_FLAGS);
    if (fd < 0 && errno == ENOENT && make) {
        if (mkdirat(parent, part, 0777) != 0 && errno != EEXIST)
            return -1;
        fd = openat(parent, part, POSIX_FOLDER_FLAGS);
    }
    /* Also for a folder that was there: who made it may not have come to its fsync. */
    if (fd >= 0 && make && vssi_posix_sync(parent) != 0) {
        vssi_posix_close(fd);
        return -1;
    }
    return fd;
}

int vssi_posix_folder(const vssi_posix_storage *s, const char *name, bool make, const char **leaf)
{
    int fd = openat(s->root, ".", POSIX_FOLDER_FLAGS);
    const char *at = name;
    for (const char *slash; fd >= 0 && (slash = strchr(at, '/')) != NULL; at = slash + 1) {
        char part[NAME_MAX + 1];
        size_t length = (size_t)(slash - at);
        int next = -1;
        if (length < sizeof part) {
            memcpy(part, at, length);
            part[length] = '\0';
            next = posix_enter(fd, part, make);
        } else {
            errno = ENAMETOOLONG;
        }
        vssi_posix_close(fd);
        fd = next;
    }
    *leaf = at;
    return fd;
}

void vssi_posix_prune(const vssi_posix_storage *s, const char *name)
{
    char folder[513];
    (void)strncpy(folder, name, sizeof folder - 1);
    folder[sizeof folder - 1] = '\0';
    for (char *slash; (slash = strrchr(folder, '/')) != NULL;) {
        *slash = '\0';
        const char *leaf;
        int parent = vssi_posix_folder(s, folder, false, &leaf);
        if (parent < 0)
            return;
        int failed = unlinkat(parent, leaf, AT_REMOVEDIR);
        vssi_posix_close(parent);
        if (failed != 0)
            return;
    }
}
