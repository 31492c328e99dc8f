/*
 * crash_disk.c - see crash_disk.h
 */
#include "crash_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

static vss_status disk_fail(vss_status status, const char *what, const char *name, vss_error *err)
{
    if (err != NULL) {
        *err = (vss_error){.status = status};
        (void)snprintf(err->message, sizeof err->message, "%s \"%s\"", what, name);
    }
    return status;
}

static vss_status disk_dead(const char *name, vss_error *err)
{
    return disk_fail(VSS_ERR_IO, "the disk is dead:", name, err);
}

/* Count a mutating call. True when it is the one in which the disk dies: it is made, and reported as failed. */
static bool disk_dies(crash_disk *d)
{
    d->calls++;
    d->dead = d->dead || d->calls == d->die_at;
    return d->dead;
}

static crash_file *disk_find(const crash_disk *d, const char *name)
{
    crash_file *f = d->files;
    while (f != NULL && (f->removed || strcmp(f->name, name) != 0))
        f = f->next;
    return f;
}

/* Files stay in the order of their names, so that an image has one hash. */
static crash_file *disk_add(crash_disk *d, const char *name)
{
    crash_file *f = calloc(1, sizeof *f), **link = &d->files;
    if (f == NULL || strlen(name) >= sizeof f->name)
        abort();
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    while (*link != NULL && strcmp((*link)->name, name) < 0)
        link = &(*link)->next;
    f->next = *link;
    *link = f;
    return f;
}

static void disk_write(crash_file *f, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    if (f->size + size > f->capacity) {
        f->capacity = (f->size + size) * 2;
        f->bytes = realloc(f->bytes, f->capacity);
        if (f->bytes == NULL)
            abort();
    }
    memcpy(f->bytes + f->size, bytes, size);
    f->size += size;
}

static vss_status disk_read(void *state, const char *name, uint64_t offset, void *buffer, size_t size, vss_error *err)
{
    const crash_disk *d = state;
    const crash_file *f = disk_find(d, name);
    if (d->dead)
        return disk_dead(name, err);
    if (f == NULL)
        return disk_fail(VSS_ERR_NOT_FOUND, "no object", name, err);
    if (offset > f->size || size > f->size - offset)
        return disk_fail(VSS_ERR_CORRUPT, "short object", name, err);
    if (size > 0)
        memcpy(buffer, f->bytes + offset, size);
    return VSS_OK;
}

static vss_status disk_size(void *state, const char *name, uint64_t *size, vss_error *err)
{
    const crash_disk *d = state;
    const crash_file *f = disk_find(d, name);
    *size = f != NULL ? f->size : 0;
    if (d->dead)
        return disk_dead(name, err);
    return f != NULL ? VSS_OK : disk_fail(VSS_ERR_NOT_FOUND, "no object", name, err);
}

static vss_status disk_put(void *state, const char *name, const vss_span *parts, size_t n_parts, vss_error *err)
{
    crash_disk *d = state;
    if (d->beside != NULL && !d->dead)
        d->beside(d->beside_arg, name);
    bool was_dead = d->dead, dies = disk_dies(d);
    if (was_dead)
        return disk_dead(name, err);
    if (disk_find(d, name) != NULL)
        return disk_fail(VSS_ERR_EXISTS, "there is an object", name, err);
    crash_file *f = disk_add(d, name);
    for (size_t i = 0; i < n_parts; i++)
        disk_write(f, parts[i].data, parts[i].size);
    f->synced = f->size; /* whole, if it is there */
    f->named = !dies;
    return dies ? disk_dead(name, err) : VSS_OK;
}

static vss_status disk_list(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg,
                            vss_error *err)
{
    const crash_disk *d = state;
    char last[96] = "";
    size_t length = strlen(prefix);
    if (d->dead)
        return disk_dead(prefix, err);
    for (const crash_file *f = d->files, *next; f != NULL; f = next) {
        char name[96];
        next = f->next;
        (void)snprintf(name, sizeof name, "%s", f->name);
        char *slash = strncmp(name, prefix, length) == 0 && shallow ? strchr(name + length, '/') : NULL;
        if (slash != NULL)
            slash[1] = '\0';
        if (f->removed || strncmp(name, prefix, length) != 0 || strcmp(name, last) == 0)
            continue;
        (void)snprintf(last, sizeof last, "%s", name);
        if (fn(arg, name) != 0)
            break;
    }
    return VSS_OK;
}

static vss_status disk_remove(void *state, const char *name, vss_error *err)
{
    crash_disk *d = state;
    bool was_dead = d->dead, dies = disk_dies(d);
    if (was_dead)
        return disk_dead(name, err);
    crash_file *f = disk_find(d, name);
    if (f == NULL)
        return disk_fail(VSS_ERR_NOT_FOUND, "no object", name, err);
    f->removed = true;
    return dies ? disk_dead(name, err) : VSS_OK;
}

static vss_status disk_log_open(void *state, const char *name, void **log, vss_error *err)
{
    crash_disk *d = state;
    bool was_dead = d->dead, dies = disk_dies(d);
    *log = NULL;
    if (was_dead)
        return disk_dead(name, err);
    if (disk_find(d, name) != NULL)
        return disk_fail(VSS_ERR_EXISTS, "there is an object", name, err);
    crash_file *f = disk_add(d, name);
    if (dies)
        return disk_dead(name, err);
    *log = f;
    return VSS_OK;
}

static vss_status disk_log_append(void *state, void *log, const vss_span *parts, size_t n_parts, vss_error *err)
{
    crash_disk *d = state;
    crash_file *f = log;
    bool was_dead = d->dead, dies = disk_dies(d);
    if (was_dead)
        return disk_dead(f->name, err);
    d->last = f;
    d->last_begin = f->size;
    for (size_t i = 0; i < n_parts; i++)
        disk_write(f, parts[i].data, parts[i].size);
    return dies ? disk_dead(f->name, err) : VSS_OK;
}

static vss_status disk_log_sync(void *state, void *log, vss_error *err)
{
    crash_disk *d = state;
    crash_file *f = log;
    if (d->dead || disk_dies(d))
        return disk_dead(f->name, err);
    if (++d->syncs == d->fail_sync || f->lying) {
        f->lying = true;
        return disk_fail(VSS_ERR_IO, "the disk could not sync", f->name, err);
    }
    if (d->syncs == d->drop_sync)
        return VSS_OK;
    f->synced = f->size;
    f->named = true;
    return VSS_OK;
}

static void disk_log_close(void *state, void *log)
{
    (void)state;
    (void)log;
}

void crash_disk_init(crash_disk *d) { memset(d, 0, sizeof *d); }

void crash_disk_free(crash_disk *d)
{
    for (crash_file *f = d->files, *next; f != NULL; f = next) {
        next = f->next;
        free(f->bytes);
        free(f);
    }
    crash_disk_init(d);
}

void crash_disk_storage(crash_disk *d, vss_storage *out)
{
    *out = VSS_INIT(vss_storage);
    out->state = d;
    out->read = disk_read;
    out->put = disk_put;
    out->list = disk_list;
    out->size = disk_size;
    out->remove = disk_remove;
    out->log_open = disk_log_open;
    out->log_append = disk_log_append;
    out->log_sync = disk_log_sync;
    out->log_close = disk_log_close;
}

/* ---- what is left ---- */

static uint64_t disk_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t crash_disk_sectors(const crash_disk *d)
{
    return d->last == NULL ? 0 : (d->last->size + SECTOR - 1) / SECTOR - d->last_begin / SECTOR;
}

/* Is the file there after the crash? */
static bool disk_present(const crash_file *f, crash_model model, uint64_t *random)
{
    switch (model) {
    case CRASH_SYNCED:
        return f->named && !f->removed;
    case CRASH_ENTRIES:
        return f->named;
    case CRASH_RANDOM:
        return (f->named || disk_random(random) % 4 != 0) && (!f->removed || disk_random(random) % 2 == 0);
    default:
        return !f->removed;
    }
}

/* Some sectors of what was not durable; the end at a sector or where it was. */
static void disk_scatter(const crash_file *f, crash_file *to, uint64_t *random)
{
    size_t sectors = (f->size + SECTOR - 1) / SECTOR, first = f->synced / SECTOR;
    size_t end = (first + disk_random(random) % (sectors - first + 1)) * SECTOR;
    if (disk_random(random) % 2 == 0 || end > f->size)
        end = f->size;
    disk_write(to, f->bytes, end > f->synced ? end : f->synced);
    for (size_t s = first; s * SECTOR < to->size; s++) {
        size_t from = s * SECTOR > f->synced ? s * SECTOR : f->synced;
        size_t until = (s + 1) * SECTOR < to->size ? (s + 1) * SECTOR : to->size;
        if (from < until && disk_random(random) % 2 == 0)
            memset(to->bytes + from, 0, until - from);
    }
}

void crash_disk_after(const crash_disk *d, crash_model model, uint64_t number, crash_disk *out)
{
    uint64_t random = number;
    crash_disk_init(out);
    for (const crash_file *f = d->files; f != NULL; f = f->next) {
        if (!disk_present(f, model, &random) || (f->removed && disk_find(d, f->name)) || disk_find(out, f->name))
            continue;
        crash_file *to = disk_add(out, f->name);
        size_t cut = model == CRASH_TORN && f == d->last ? (d->last_begin / SECTOR + number) * SECTOR : f->size;
        if (model == CRASH_RANDOM && !f->lying && f->synced < f->size)
            disk_scatter(f, to, &random);
        else if (model == CRASH_SYNCED || (f->lying && model != CRASH_ALL))
            disk_write(to, f->bytes, f->synced);
        else
            disk_write(to, f->bytes, cut < f->synced ? f->synced : cut < f->size ? cut : f->size);
        to->synced = to->size;
        to->named = true;
    }
}

static uint64_t disk_hash(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static bool disk_is_log(const crash_file *f) { return strstr(f->name, "/w/") != NULL; }

uint64_t crash_disk_hash(const crash_disk *d, bool logs)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const crash_file *f = d->files; f != NULL; f = f->next)
        if (!f->removed && (logs || !disk_is_log(f))) {
            hash = disk_hash(hash, f->name, strlen(f->name) + 1);
            hash = disk_hash(hash, f->bytes, f->size);
        }
    return hash;
}

uint64_t crash_disk_batches(const crash_disk *d)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const crash_file *f = d->files; f != NULL; f = f->next)
        for (size_t at = 64; !f->removed && disk_is_log(f) && at + 64 <= f->size;) {
            uint64_t size;
            memcpy(&size, f->bytes + at + 16, sizeof size);
            hash = disk_hash(hash, f->bytes + at + 4, 20); /* kind, sequence, size */
            if (size > f->size - at - 64)
                abort();
            hash = disk_hash(hash, f->bytes + at + 64, (size_t)size);
            at += 64 + (size_t)((size + 63) / 64 * 64);
        }
    return hash;
}
