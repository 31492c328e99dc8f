/*
 * posix_list.c - name the objects below a folder
 *
 * Walks with a stack of open folders of its own: a name has at most 512 bytes, so at most 256 folders are open at once.
 * What is hidden, what no object can be called (a lock among it), and what is neither file nor folder is passed over;
 * links are not followed. A folder without an object in it does not exist for a listing, as on an object store.
 */
#include "posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../base/fail.h"
#include "../base/text.h"

#define POSIX_NAME_MAX 512
#define POSIX_DEPTH_MAX (POSIX_NAME_MAX / 2 + 1)

typedef struct posix_level {
    DIR *entries;
    size_t length; /* of the folder's name with its '/' */
} posix_level;

typedef struct posix_walk {
    size_t depth;
    char name[POSIX_NAME_MAX + 2]; /* of the entry met last; a folder's ends in '/' */
    posix_level levels[POSIX_DEPTH_MAX];
} posix_walk;

/* Go into a folder, whose name stands in walk->name[length]. Takes the descriptor, which may be -1 of a failed open. */
static vss_status posix_walk_enter(posix_walk *walk, int fd, size_t length, vss_error *err)
{
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    if (entries == NULL) {
        int reason = errno;
        if (fd >= 0)
            vssi_posix_close(fd);
        /* Gone since it was met, or no folder: nothing in it. */
        if (reason == ENOENT || reason == ENOTDIR || reason == ELOOP)
            return VSS_OK;
        return vssi_posix_fail(err, reason, "list", walk->name);
    }
    walk->levels[walk->depth++] = (posix_level){entries, length};
    return VSS_OK;
}

static vss_status posix_walk_descend(posix_walk *walk, vss_error *err)
{
    const posix_level *top = &walk->levels[walk->depth - 1];
    size_t length = strlen(walk->name);
    char part[POSIX_NAME_MAX + 2];
    memcpy(part, walk->name + top->length, length - top->length - 1);
    part[length - top->length - 1] = '\0';
    int fd = openat(dirfd(top->entries), part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return posix_walk_enter(walk, fd, length, err);
}

static void posix_walk_leave(posix_walk *walk)
{
    (void)closedir(walk->levels[--walk->depth].entries);
}

static unsigned char posix_entry_type(DIR *folder, const struct dirent *entry)
{
    struct stat info;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    return S_ISREG(info.st_mode) ? DT_REG : S_ISDIR(info.st_mode) ? DT_DIR : DT_UNKNOWN;
}

/* The next object or folder of the folder on top, its name in walk->name; *more is false when there is none. */
static vss_status posix_walk_next(posix_walk *walk, bool *more, bool *folder, vss_error *err)
{
    const posix_level *top = &walk->levels[walk->depth - 1];
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(top->entries);
        if (entry == NULL) {
            *more = false;
            walk->name[top->length] = '\0';
            return errno == 0 ? VSS_OK : vssi_posix_fail(err, errno, "list", walk->name);
        }
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || length > POSIX_NAME_MAX - top->length)
            continue;
        memcpy(walk->name + top->length, entry->d_name, length + 1);
        unsigned char type = vssi_object_name_valid(walk->name) ? posix_entry_type(top->entries, entry) : DT_UNKNOWN;
        if (type != DT_REG && type != DT_DIR)
            continue;
        *more = true;
        *folder = type == DT_DIR;
        if (*folder)
            memcpy(walk->name + top->length + length, "/", 2);
        return VSS_OK;
    }
}

/* Walk on until the walk is back above `floor` levels; with fn NULL until the first object, which *found tells. */
static vss_status posix_walk_deep(posix_walk *walk, size_t floor, vss_storage_list_fn fn, void *arg, bool *found,
                                  vss_error *err)
{
    while (walk->depth > floor) {
        bool more, folder;
        VSSI_TRY(posix_walk_next(walk, &more, &folder, err));
        if (!more) {
            posix_walk_leave(walk);
        } else if (folder) {
            /* A name of full length has no room for a child. */
            if (strlen(walk->name) < POSIX_NAME_MAX && walk->depth < POSIX_DEPTH_MAX)
                VSSI_TRY(posix_walk_descend(walk, err));
        } else {
            *found = true;
            if (fn == NULL || fn(arg, walk->name) != 0)
                return VSS_OK;
        }
    }
    return VSS_OK;
}

static vss_status posix_walk_shallow(posix_walk *walk, vss_storage_list_fn fn, void *arg, vss_error *err)
{
    for (;;) {
        bool more, folder;
        VSSI_TRY(posix_walk_next(walk, &more, &folder, err));
        if (!more)
            return VSS_OK;
        size_t length = strlen(walk->name);
        if (folder) {
            bool found = false;
            if (length < POSIX_NAME_MAX)
                VSSI_TRY(posix_walk_descend(walk, err));
            VSSI_TRY(posix_walk_deep(walk, 1, NULL, NULL, &found, err));
            while (walk->depth > 1)
                posix_walk_leave(walk);
            if (!found)
                continue;
            walk->name[length] = '\0';
        }
        if (fn(arg, walk->name) != 0)
            return VSS_OK;
    }
}

vss_status vssi_posix_list(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg,
                           vss_error *err)
{
    const vssi_posix_storage *s = state;
    VSSI_TRY(vssi_storage_check_prefix(prefix, err));
    posix_walk *walk;
    VSSI_TRY(vssi_alloc(s->heap, 1, sizeof *walk, &walk, err));
    walk->depth = 0;
    size_t length = strlen(prefix);
    memcpy(walk->name, prefix, length + 1);
    const char *leaf;
    int fd = vssi_posix_folder(s, prefix, false, &leaf);
    vss_status status = posix_walk_enter(walk, fd, length, err);
    if (status == VSS_OK && walk->depth == 1) {
        bool found = false;
        status = shallow ? posix_walk_shallow(walk, fn, arg, err) : posix_walk_deep(walk, 0, fn, arg, &found, err);
    }
    while (walk->depth > 0)
        posix_walk_leave(walk);
    vssi_free(s->heap, walk);
    return status;
}
