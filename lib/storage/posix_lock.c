/*
 * posix_lock.c - one writer a folder: an open-file-description lock on a file that tells who holds it
 *
 * The kernel drops the lock when the process ends, however it ends, and it also holds between two handles of one
 * process. unlock removes the file while it still holds it, so whoever locks must look whether the file that it locked
 * is still the one of that name.
 */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/checked.h"
#include "../base/fail.h"
#include "../base/parallel.h"

#define POSIX_LOCK_ATTEMPTS 64

typedef struct posix_lock {
    int fd;
    int64_t process;
    char name[];
} posix_lock;

static int posix_lock_set(int fd, short type)
{
    struct flock region = {.l_type = type, .l_whence = SEEK_SET};
    int failed;
    do {
        failed = fcntl(fd, F_OFD_SETLK, &region);
    } while (failed != 0 && errno == EINTR);
    return failed;
}

/* The line names process and host, as the holder wrote them. */
static vss_status posix_lock_busy(int fd, const char *name, vss_error *err)
{
    char text[320] = "";
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    const char *slash = strrchr(name, '/');
    int shown = slash != NULL ? (int)(slash - name) : (int)strlen(name);
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits] != ' ')
        return vssi_fail(err, VSS_ERR_BUSY, "\"%.*s\" is held by another process", shown, name);
    return vssi_fail(err, VSS_ERR_BUSY, "\"%.*s\" is held by process %.*s on host %s", shown, name, (int)digits, text,
                     text + digits + 1);
}

/* Is the file of that name still the one that was opened? */
static bool posix_lock_current(int folder, const char *leaf, int fd)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && fstatat(folder, leaf, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static vss_status posix_lock_sign(int fd, int64_t process, const char *name, vss_error *err)
{
    char host[256] = "";
    char text[320];
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        memcpy(host, "unknown", sizeof "unknown");
    int length = snprintf(text, sizeof text, "%lld %s\n", (long long)process, host);
    if (ftruncate(fd, 0) != 0)
        return vssi_posix_fail(err, errno, "lock", name);
    for (int done = 0; done < length;) { /* a full disk takes a part before it says so */
        ssize_t n = pwrite(fd, text + done, (size_t)(length - done), done);
        if (n > 0)
            done += (int)n;
        else if (n == 0 || errno != EINTR)
            return vssi_posix_fail(err, n == 0 ? EIO : errno, "lock", name);
    }
    return VSS_OK;
}

/* One try. *again: the file went away under it. */
static vss_status posix_lock_try(const vssi_posix_storage *s, const char *name, int64_t process, int *out, bool *again,
                                 vss_error *err)
{
    *again = false;
    const char *leaf;
    int folder = vssi_posix_folder(s, name, true, &leaf);
    int fd = folder >= 0 ? openat(folder, leaf, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666) : -1;
    vss_status status = VSS_OK;
    if (fd < 0) {
        *again = errno == ENOENT;
        status = *again ? VSS_OK : vssi_posix_fail(err, errno, "lock", name);
    } else if (posix_lock_set(fd, F_WRLCK) != 0) {
        bool held = errno == EAGAIN || errno == EACCES;
        status = held ? posix_lock_busy(fd, name, err) : vssi_posix_fail(err, errno, "lock", name);
    } else {
        *again = !posix_lock_current(folder, leaf, fd);
        status = *again ? VSS_OK : posix_lock_sign(fd, process, name, err);
        if (status != VSS_OK)
            (void)unlinkat(folder, leaf, 0); /* still held, as in unlock */
    }
    if (folder >= 0)
        vssi_posix_close(folder);
    if (fd >= 0 && (status != VSS_OK || *again))
        vssi_posix_close(fd);
    *out = status == VSS_OK && !*again ? fd : -1;
    return status;
}

vss_status vssi_posix_lock(void *state, const char *name, void **lock, vss_error *err)
{
    const vssi_posix_storage *s = state;
    *lock = NULL;
    VSSI_TRY(vssi_storage_check_lock(name, err));
    VSSI_TRY(vssi_posix_writable(s, "lock", name, err));
    size_t size = strlen(name) + 1;
    posix_lock *held;
    VSSI_TRY(vssi_alloc(s->heap, sizeof *held + size, 1, &held, err));
    memcpy(held->name, name, size);
    held->process = vssi_process_id();
    bool again = true;
    vss_status status = VSS_OK;
    for (int attempt = 0; again && attempt < POSIX_LOCK_ATTEMPTS; attempt++)
        status = posix_lock_try(s, name, held->process, &held->fd, &again, err);
    if (status == VSS_OK && again)
        status = vssi_fail(err, VSS_ERR_BUSY, "\"%s\" is being taken and given back by other processes", name);
    if (status != VSS_OK) {
        vssi_posix_prune(s, name);
        vssi_free(s->heap, held);
        return status;
    }
    vssi_posix_sweep(s, name);
    *lock = held;
    return VSS_OK;
}

void vssi_posix_unlock(void *state, void *lock)
{
    const vssi_posix_storage *s = state;
    posix_lock *held = lock;
    if (held == NULL)
        return;
    /* A forked child only drops its copy of the descriptor: the lock is the parent's. */
    if (held->process == vssi_process_id()) {
        const char *leaf;
        int folder = vssi_posix_folder(s, held->name, false, &leaf);
        if (folder >= 0) {
            if (posix_lock_current(folder, leaf, held->fd))
                (void)unlinkat(folder, leaf, 0);
            vssi_posix_close(folder);
        }
        vssi_posix_prune(s, held->name);
        (void)posix_lock_set(held->fd, F_UNLCK);
    }
    vssi_posix_close(held->fd);
    vssi_free(s->heap, held);
}
