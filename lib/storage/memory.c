/*
 * memory.c - objects in memory
 *
 * A sorted array of pointers to counted objects: a look-up is a binary search, a put moves the pointers behind it. One
 * mutex guards array, counts, sizes and locks; bytes are copied outside it, which the count makes safe. A mapping is a
 * count more, so that it outlives a remove. A log has spare room behind its bytes; where that ends it moves to a
 * block of twice the size, and who reads the old one keeps it.
 */
#include "storage.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "../base/checked.h"
#include "../base/fail.h"
#include "../base/parallel.h"

#define MEMORY_LOG_ROOM 4096u /* bytes a log begins with */

/* The bytes follow, capacity of them, then the name. */
typedef struct memory_object {
    _Alignas(64) size_t references;
    size_t size;
    size_t capacity; /* above the size in a log only */
    const char *name;
} memory_object;

/* One reference to its object, which is in the array unless it was removed. */
typedef struct memory_log {
    memory_object *object;
} memory_log;

typedef struct memory_lock {
    struct memory_lock *next;
    char name[];
} memory_lock;

typedef struct memory_storage {
    vssi_heap *heap;
    vssi_mutex mutex;
    memory_object **objects; /* [count], by name */
    size_t count;
    size_t capacity;
    memory_lock *locks;
} memory_storage;

static uint8_t *memory_data(memory_object *object) { return (uint8_t *)(object + 1); }

/* The first object whose name is not below. */
static size_t memory_lower_bound(const memory_storage *s, const char *name)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(s->objects[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool memory_found(const memory_storage *s, size_t at, const char *name)
{
    return at < s->count && strcmp(s->objects[at]->name, name) == 0;
}

static void memory_release(memory_storage *s, memory_object *object)
{
    vssi_mutex_lock(&s->mutex);
    bool last = --object->references == 0;
    vssi_mutex_unlock(&s->mutex);
    if (last)
        vssi_free(s->heap, object);
}

/* The object with one reference more, which is the caller's, and its size now. */
static vss_status memory_acquire(memory_storage *s, const char *name, memory_object **out, size_t *size, vss_error *err)
{
    *out = NULL;
    *size = 0;
    VSSI_TRY(vssi_storage_check_name(name, err));
    vssi_mutex_lock(&s->mutex);
    size_t at = memory_lower_bound(s, name);
    if (memory_found(s, at, name)) {
        *out = s->objects[at];
        (*out)->references++;
        *size = (*out)->size;
    }
    vssi_mutex_unlock(&s->mutex);
    return *out != NULL ? VSS_OK : vssi_fail(err, VSS_ERR_NOT_FOUND, "no object \"%s\"", name);
}

static vss_status memory_read(void *state, const char *name, uint64_t offset, void *buffer, size_t size, vss_error *err)
{
    memory_storage *s = state;
    memory_object *object;
    size_t held;
    VSSI_TRY(memory_acquire(s, name, &object, &held, err));
    vss_status status = VSS_OK;
    if (offset > held || size > held - offset)
        status = vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\" has %zu bytes, %zu wanted at byte %llu", name, held, size,
                           (unsigned long long)offset);
    else if (size != 0)
        memcpy(buffer, memory_data(object) + offset, size);
    memory_release(s, object);
    return status;
}

static vss_status memory_size(void *state, const char *name, uint64_t *size, vss_error *err)
{
    memory_storage *s = state;
    memory_object *object;
    size_t held;
    *size = 0;
    VSSI_TRY(memory_acquire(s, name, &object, &held, err));
    *size = held;
    memory_release(s, object);
    return VSS_OK;
}

static vss_status memory_map(void *state, const char *name, uint64_t size, const void **data, vss_error *err)
{
    memory_storage *s = state;
    memory_object *object;
    size_t held;
    *data = NULL;
    VSSI_TRY(memory_acquire(s, name, &object, &held, err));
    if (held != size) {
        vss_status status = vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\" has %zu bytes, expected %llu", name, held,
                                      (unsigned long long)size);
        memory_release(s, object);
        return status;
    }
    *data = memory_data(object);
    return VSS_OK;
}

static void memory_unmap(void *state, const void *data, uint64_t size)
{
    (void)size;
    if (data != NULL)
        memory_release(state, (memory_object *)((uintptr_t)data - sizeof(memory_object)));
}

static vss_status memory_total(const vss_span *parts, size_t n_parts, size_t *total, vss_error *err)
{
    *total = 0;
    for (size_t i = 0; i < n_parts; i++)
        if (!vssi_add(*total, parts[i].size, total))
            return vssi_fail_memory(err, SIZE_MAX);
    return VSS_OK;
}

static void memory_gather(uint8_t *to, const vss_span *parts, size_t n_parts)
{
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].size != 0) {
            memcpy(to, parts[i].data, parts[i].size);
            to += parts[i].size;
        }
}

/* An object of no bytes with room for capacity. */
static vss_status memory_room(memory_storage *s, const char *name, size_t capacity, memory_object **out, vss_error *err)
{
    size_t name_size = strlen(name) + 1, total;
    memory_object *object;
    *out = NULL;
    if (!vssi_add(capacity, sizeof *object + name_size, &total))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(s->heap, total, 1, &object, err));
    *object = (memory_object){.references = 1, .capacity = capacity, .name = (char *)memory_data(object) + capacity};
    memcpy(memory_data(object) + capacity, name, name_size);
    *out = object;
    return VSS_OK;
}

static vss_status memory_make(memory_storage *s, const char *name, const vss_span *parts, size_t n_parts,
                              memory_object **out, vss_error *err)
{
    size_t size;
    *out = NULL;
    VSSI_TRY(memory_total(parts, n_parts, &size, err));
    VSSI_TRY(memory_room(s, name, size, out, err));
    vssi_storage_huge(*out, sizeof(memory_object) + size);
    memory_gather(memory_data(*out), parts, n_parts);
    (*out)->size = size;
    return VSS_OK;
}

/* With the mutex held. */
static vss_status memory_insert(memory_storage *s, memory_object *object, vss_error *err)
{
    size_t at = memory_lower_bound(s, object->name);
    if (memory_found(s, at, object->name))
        return vssi_fail(err, VSS_ERR_EXISTS, "object \"%s\" exists already", object->name);
    if (s->count == s->capacity) {
        size_t capacity = vssi_max(16, s->capacity * 2);
        VSSI_TRY(vssi_realloc(s->heap, capacity, sizeof *s->objects, &s->objects, err));
        s->capacity = capacity;
    }
    memmove(s->objects + at + 1, s->objects + at, (s->count - at) * sizeof *s->objects);
    s->objects[at] = object;
    s->count++;
    return VSS_OK;
}

static vss_status memory_put(void *state, const char *name, const vss_span *parts, size_t n_parts, vss_error *err)
{
    memory_storage *s = state;
    VSSI_TRY(vssi_storage_check_name(name, err));
    memory_object *object;
    VSSI_TRY(memory_make(s, name, parts, n_parts, &object, err));
    vssi_mutex_lock(&s->mutex);
    vss_status status = memory_insert(s, object, err);
    vssi_mutex_unlock(&s->mutex);
    if (status != VSS_OK)
        vssi_free(s->heap, object);
    return status;
}

static vss_status memory_remove(void *state, const char *name, vss_error *err)
{
    memory_storage *s = state;
    VSSI_TRY(vssi_storage_check_name(name, err));
    memory_object *object = NULL;
    vssi_mutex_lock(&s->mutex);
    size_t at = memory_lower_bound(s, name);
    if (memory_found(s, at, name)) {
        object = s->objects[at];
        s->count--;
        memmove(s->objects + at, s->objects + at + 1, (s->count - at) * sizeof *s->objects);
    }
    vssi_mutex_unlock(&s->mutex);
    if (object == NULL)
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "no object \"%s\"", name);
    memory_release(s, object);
    return VSS_OK;
}

static vss_status memory_log_open(void *state, const char *name, void **log, vss_error *err)
{
    memory_storage *s = state;
    memory_log *made;
    *log = NULL;
    VSSI_TRY(vssi_storage_check_name(name, err));
    VSSI_TRY(vssi_alloc(s->heap, 1, sizeof *made, &made, err));
    vss_status status = memory_room(s, name, MEMORY_LOG_ROOM, &made->object, err);
    if (status == VSS_OK) {
        vssi_mutex_lock(&s->mutex);
        status = memory_insert(s, made->object, err);
        made->object->references += status == VSS_OK;
        vssi_mutex_unlock(&s->mutex);
    }
    if (status != VSS_OK) {
        vssi_free(s->heap, made->object);
        vssi_free(s->heap, made);
        return status;
    }
    *log = made;
    return VSS_OK;
}

/* Move the log to a block with room for wanted bytes. */
static vss_status memory_log_move(memory_storage *s, memory_log *log, size_t wanted, vss_error *err)
{
    memory_object *old = log->object, *larger;
    size_t twice = old->capacity <= SIZE_MAX / 2 ? old->capacity * 2 : SIZE_MAX;
    VSSI_TRY(memory_room(s, old->name, vssi_max(wanted, twice), &larger, err));
    memcpy(memory_data(larger), memory_data(old), old->size);
    larger->size = old->size;
    vssi_mutex_lock(&s->mutex);
    size_t at = memory_lower_bound(s, old->name);
    bool listed = at < s->count && s->objects[at] == old;
    if (listed) {
        s->objects[at] = larger;
        larger->references++;
    }
    vssi_mutex_unlock(&s->mutex);
    if (listed)
        memory_release(s, old);
    memory_release(s, old);
    log->object = larger;
    return VSS_OK;
}

static vss_status memory_log_append(void *state, void *handle, const vss_span *parts, size_t n_parts, vss_error *err)
{
    memory_storage *s = state;
    memory_log *log = handle;
    size_t added, wanted;
    VSSI_TRY(memory_total(parts, n_parts, &added, err));
    if (!vssi_add(log->object->size, added, &wanted))
        return vssi_fail_memory(err, SIZE_MAX);
    if (wanted > log->object->capacity)
        VSSI_TRY(memory_log_move(s, log, wanted, err));
    memory_gather(memory_data(log->object) + log->object->size, parts, n_parts);
    vssi_mutex_lock(&s->mutex);
    log->object->size = wanted;
    vssi_mutex_unlock(&s->mutex);
    return VSS_OK;
}

static vss_status memory_log_sync(void *state, void *log, vss_error *err)
{
    (void)state;
    (void)log;
    (void)err;
    return VSS_OK;
}

static void memory_log_close(void *state, void *handle)
{
    memory_storage *s = state;
    memory_log *log = handle;
    if (log == NULL)
        return;
    memory_release(s, log->object);
    vssi_free(s->heap, log);
}

/* Bytes of the name to list: all, or with shallow up to and with the first '/' behind the prefix. */
static size_t memory_listed(const char *name, size_t prefix_length, int shallow)
{
    const char *slash = shallow ? strchr(name + prefix_length, '/') : NULL;
    return slash != NULL ? (size_t)(slash - name) + 1 : strlen(name);
}

/* With the mutex held: the names to list, each ended by NUL, into texts. With texts NULL only their size. */
static size_t memory_collect(const memory_storage *s, const char *prefix, int shallow, char *texts)
{
    size_t prefix_length = strlen(prefix);
    size_t size = 0;
    const char *last = NULL;
    size_t last_length = 0;
    for (size_t i = memory_lower_bound(s, prefix); i < s->count; i++) {
        const char *name = s->objects[i]->name;
        if (strncmp(name, prefix, prefix_length) != 0)
            break;
        size_t length = memory_listed(name, prefix_length, shallow);
        /* The objects of one folder stand together: it is named once. */
        if (last != NULL && length == last_length && memcmp(name, last, length) == 0)
            continue;
        last = name;
        last_length = length;
        if (texts != NULL) {
            memcpy(texts + size, name, length);
            texts[size + length] = '\0';
        }
        size += length + 1;
    }
    return size;
}

/* The names are copied first: fn may put and remove. */
static vss_status memory_list(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg,
                              vss_error *err)
{
    memory_storage *s = state;
    VSSI_TRY(vssi_storage_check_prefix(prefix, err));
    char *texts;
    vssi_mutex_lock(&s->mutex);
    size_t size = memory_collect(s, prefix, shallow, NULL);
    vss_status status = vssi_alloc(s->heap, size, 1, &texts, err);
    if (status == VSS_OK && size != 0)
        (void)memory_collect(s, prefix, shallow, texts);
    vssi_mutex_unlock(&s->mutex);
    if (status != VSS_OK)
        return status;
    for (size_t at = 0; at < size; at += strlen(texts + at) + 1)
        if (fn(arg, texts + at) != 0)
            break;
    vssi_free(s->heap, texts);
    return VSS_OK;
}

static vss_status memory_busy(const char *name, vss_error *err)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        memcpy(host, "unknown", sizeof "unknown");
    const char *slash = strrchr(name, '/');
    int shown = slash != NULL ? (int)(slash - name) : (int)strlen(name);
    return vssi_fail(err, VSS_ERR_BUSY, "\"%.*s\" is held by process %lld on host %s", shown, name,
                     (long long)vssi_process_id(), host);
}

static vss_status memory_lock_take(void *state, const char *name, void **lock, vss_error *err)
{
    memory_storage *s = state;
    *lock = NULL;
    VSSI_TRY(vssi_storage_check_lock(name, err));
    size_t size = strlen(name) + 1;
    memory_lock *taken;
    VSSI_TRY(vssi_alloc(s->heap, sizeof *taken + size, 1, &taken, err));
    memcpy(taken->name, name, size);
    vssi_mutex_lock(&s->mutex);
    const memory_lock *other = s->locks;
    while (other != NULL && strcmp(other->name, name) != 0)
        other = other->next;
    if (other == NULL) {
        taken->next = s->locks;
        s->locks = taken;
    }
    vssi_mutex_unlock(&s->mutex);
    if (other != NULL) {
        vssi_free(s->heap, taken);
        return memory_busy(name, err);
    }
    *lock = taken;
    return VSS_OK;
}

static void memory_lock_give(void *state, void *lock)
{
    memory_storage *s = state;
    if (lock == NULL)
        return;
    vssi_mutex_lock(&s->mutex);
    memory_lock **link = &s->locks;
    while (*link != lock) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = (*link)->next;
    vssi_mutex_unlock(&s->mutex);
    vssi_free(s->heap, lock);
}

static void memory_close(void *state)
{
    memory_storage *s = state;
    for (memory_lock *lock = s->locks, *next; lock != NULL; lock = next) {
        next = lock->next;
        vssi_free(s->heap, lock);
    }
    for (size_t i = 0; i < s->count; i++)
        memory_release(s, s->objects[i]);
    vssi_free(s->heap, s->objects);
    vssi_mutex_destroy(&s->mutex);
    vssi_free(s->heap, s);
}

vss_status vssi_storage_memory(vssi_heap *heap, vss_storage *out, vss_error *err)
{
    *out = VSS_INIT(vss_storage);
    memory_storage *s;
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *s, &s, err));
    s->heap = heap;
    vssi_mutex_init(&s->mutex);
    out->state = s;
    out->read = memory_read;
    out->put = memory_put;
    out->list = memory_list;
    out->size = memory_size;
    out->remove = memory_remove;
    out->map = memory_map;
    out->unmap = memory_unmap;
    out->lock = memory_lock_take;
    out->unlock = memory_lock_give;
    out->close = memory_close;
    out->log_open = memory_log_open;
    out->log_append = memory_log_append;
    out->log_sync = memory_log_sync;
    out->log_close = memory_log_close;
    return VSS_OK;
}
