/*
 * posix_sweep.c - remove the hidden files that a killed put left in a folder and in the folders in it
 *
 * Whoever takes the lock of a folder is the only one who puts below it (vss/storage.h), so that what is there when the
 * lock is taken belongs to nobody. Best effort: what can't be looked at or removed stays, and does no harm. Cost: one
 * look at each name. Links are not followed. No locks but the one its caller holds.
 */
#include "posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SWEEP_FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Takes the descriptor, which may be -1. inner: the folders in it, too. */
static void posix_sweep_folder(int fd, bool inner)
{
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    if (entries == NULL) {
        if (fd >= 0)
            vssi_posix_close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        struct stat info;
        const bool ours = strncmp(entry->d_name, VSSI_POSIX_TEMPORARY, strlen(VSSI_POSIX_TEMPORARY)) == 0;
        if (!ours && (!inner || entry->d_name[0] == '.'))
            continue;
        if (fstatat(dirfd(entries), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (ours && S_ISREG(info.st_mode))
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
        else if (!ours && S_ISDIR(info.st_mode))
            posix_sweep_folder(openat(dirfd(entries), entry->d_name, SWEEP_FOLDER_FLAGS), false);
    }
    (void)closedir(entries);
}

void vssi_posix_sweep(const vssi_posix_storage *s, const char *lock)
{
    const char *leaf;
    posix_sweep_folder(vssi_posix_folder(s, lock, false, &leaf), true);
}
