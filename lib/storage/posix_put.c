/*
 * posix_put.c - put-if-absent on POSIX: write a hidden file, fsync it, link it to its name, fsync the folder
 *
 * A name appears with all its bytes durable or not at all, and link() lets one of any number of writers win. Cost above
 * the writing: an fsync of the file and one of every folder from the root down. A process that is killed on the way
 * leaves a hidden file that no listing shows; the next holder of the folder's lock removes it (posix_sweep.c).
 *
 * Bytes are written by 64 KiB. Linux with large folios keeps in its cache in one piece what is written in one call,
 * up to 2 MiB, and maps such a piece whole into a process that reads a row of it (lib/format/object_pick.c).
 */
#include "posix.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../base/checked.h"
#include "../base/fail.h"
#include "../base/parallel.h"

#define POSIX_PUT_SPANS 64
#define POSIX_PUT_PIECE ((size_t)64 << 10) /* bytes a call */
#define POSIX_PUT_ATTEMPTS 64

typedef struct posix_target {
    int folder;
    int file;
    const char *leaf;
    char temporary[64];
} posix_target;

/* Open the folder and a new hidden file in it. */
static vss_status posix_put_begin(const vssi_posix_storage *s, const char *name, posix_target *t, vss_error *err)
{
    for (int attempt = 1;; attempt++) {
        t->folder = vssi_posix_folder(s, name, true, &t->leaf);
        if (t->folder >= 0) {
            (void)snprintf(t->temporary, sizeof t->temporary, VSSI_POSIX_TEMPORARY "%" PRId64 "-%016" PRIx64,
                           vssi_process_id(), vssi_random_name());
            t->file = openat(t->folder, t->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
            if (t->file >= 0)
                return VSS_OK;
            vssi_posix_close(t->folder);
        }
        /* A remove at the same time takes away a folder that is still empty: begin again. */
        bool again = (errno == ENOENT || errno == EEXIST) && attempt < POSIX_PUT_ATTEMPTS;
        if (!again)
            return errno == ENOENT ? vssi_fail_os(err, VSS_ERR_IO, ENOENT, "can't create \"%s\"", name)
                                   : vssi_posix_fail(err, errno, "create", name);
    }
}

vss_status vssi_posix_write(int fd, const char *name, const vss_span *parts, size_t n_parts, size_t piece,
                            vss_error *err)
{
    size_t part = 0;
    size_t skip = 0; /* bytes of parts[part] that are written */
    size_t written = 0;
    while (part < n_parts) {
        struct iovec spans[POSIX_PUT_SPANS];
        int n_spans = 0;
        size_t room = piece - written % piece;
        for (size_t i = part; i < n_parts && n_spans < POSIX_PUT_SPANS && room > 0; i++) {
            size_t done = i == part ? skip : 0, size = vssi_min(parts[i].size - done, room);
            if (size > 0)
                spans[n_spans++] = (struct iovec){(void *)((uintptr_t)parts[i].data + done), size};
            room -= size;
        }
        if (n_spans == 0 && n_parts - part <= POSIX_PUT_SPANS)
            return VSS_OK;
        ssize_t n = n_spans != 0 ? writev(fd, spans, n_spans) : 0;
        if (n < 0 && errno != EINTR)
            return vssi_posix_fail(err, errno, "write", name);
        if (n == 0 && n_spans != 0)
            return vssi_posix_fail(err, EIO, "write", name);
        written += n > 0 ? (size_t)n : 0;
        for (size_t left = n > 0 ? (size_t)n : 0; part < n_parts;) {
            size_t step = vssi_min(left, parts[part].size - skip);
            left -= step;
            skip += step;
            if (skip < parts[part].size)
                break;
            part++;
            skip = 0;
        }
    }
    return VSS_OK;
}

/* Give the hidden file its name. After the link the object may be there whatever happens next. */
static vss_status posix_put_commit(const posix_target *t, const char *name, vss_error *err)
{
    if (linkat(t->folder, t->temporary, t->folder, t->leaf, 0) != 0) {
        int reason = errno;
        struct stat info;
        /* Over NFS a link can be made although its answer says otherwise; the file's count of names knows. */
        if (fstat(t->file, &info) != 0 || info.st_nlink < 2) {
            if (reason == EEXIST)
                return vssi_fail(err, VSS_ERR_EXISTS, "object \"%s\" exists already", name);
            return vssi_fail_os(err, reason == ENOSPC || reason == EDQUOT ? VSS_ERR_NO_SPACE : VSS_ERR_IO, reason,
                                "can't create \"%s\"", name);
        }
    }
    (void)unlinkat(t->folder, t->temporary, 0);
    if (vssi_posix_sync(t->folder) != 0)
        return vssi_fail_os(err, VSS_ERR_UNKNOWN_COMMIT, errno, "can't make \"%s\" durable", name);
    return VSS_OK;
}

vss_status vssi_posix_put(void *state, const char *name, const vss_span *parts, size_t n_parts, vss_error *err)
{
    const vssi_posix_storage *s = state;
    VSSI_TRY(vssi_storage_check_name(name, err));
    VSSI_TRY(vssi_posix_writable(s, "create", name, err));
    posix_target t;
    VSSI_TRY(posix_put_begin(s, name, &t, err));
    vss_status status = vssi_posix_write(t.file, name, parts, n_parts, POSIX_PUT_PIECE, err);
    if (status == VSS_OK && vssi_posix_sync(t.file) != 0)
        status = vssi_posix_fail(err, errno, "write", name);
    if (status == VSS_OK)
        status = posix_put_commit(&t, name, err);
    bool absent = status != VSS_OK && status != VSS_ERR_UNKNOWN_COMMIT;
    if (absent)
        (void)unlinkat(t.folder, t.temporary, 0);
    vssi_posix_close(t.file);
    vssi_posix_close(t.folder);
    if (absent && status != VSS_ERR_EXISTS)
        vssi_posix_prune(s, name);
    return status;
}
