/*
 * fault_storage.c - see fault_storage.h
 *
 * A mapping of an object with a flipped byte is a private copy, remembered until it is given back.
 */
#include "fault_storage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fault_copy {
    struct fault_copy *next;
    const void *mapping; /* of the storage inside */
    void *data;
} fault_copy;

static const char *const fault_names[FAULT_KINDS] = {"any", "read", "put", "list", "size", "remove",
                                                    "map", "lock", "open log", "append to", "sync"};

static bool fault_hits(const fault_storage *f, fault_kind kind, uint64_t number)
{
    if (f->target == 0 || f->kind != kind)
        return false;
    return f->mode == FAULT_FOREVER ? number >= f->target : number == f->target;
}

/* Count a call; true when it is the one to fail. */
static bool fault_count(fault_storage *f, fault_kind kind)
{
    uint64_t of_kind = atomic_fetch_add(&f->calls[kind], 1) + 1;
    uint64_t of_any = atomic_fetch_add(&f->calls[FAULT_ANY], 1) + 1;
    bool hit = fault_hits(f, kind, of_kind) || fault_hits(f, FAULT_ANY, of_any);
    if (hit)
        atomic_fetch_add(&f->failed, 1);
    return hit;
}

static vss_status fault_report(const fault_storage *f, fault_kind kind, const char *name, vss_error *err)
{
    if (err != NULL) {
        *err = (vss_error){.status = f->status};
        (void)snprintf(err->message, sizeof err->message, "injected fault: %s \"%s\"", fault_names[kind], name);
    }
    return f->status;
}

/* Run the call, unless the fault comes before it; report the fault where there is one. */
#define FAULT_CALL(f, kind, name, err, call)                                            \
    do {                                                                                \
        bool hit_ = fault_count(f, kind);                                               \
        if (!hit_)                                                                      \
            return call;                                                                \
        if ((f)->mode == FAULT_AFTER) {                                                 \
            vss_status made_ = call;                                                    \
            if (made_ != VSS_OK)                                                        \
                return made_;                                                           \
        }                                                                               \
        return fault_report(f, kind, name, err);                                        \
    } while (0)

static bool fault_flips(const fault_storage *f, const char *name, uint64_t begin, uint64_t size)
{
    return f->flip_name != NULL && strstr(name, f->flip_name) != NULL && f->flip_offset >= begin &&
           f->flip_offset - begin < size;
}

static vss_status fault_read_flipped(fault_storage *f, const char *name, uint64_t offset, void *buffer, size_t size,
                                     vss_error *err)
{
    vss_status status = f->inner.read(f->inner.state, name, offset, buffer, size, err);
    if (status == VSS_OK && fault_flips(f, name, offset, size))
        ((uint8_t *)buffer)[f->flip_offset - offset] ^= f->flip_mask;
    return status;
}

static vss_status fault_read(void *state, const char *name, uint64_t offset, void *buffer, size_t size, vss_error *err)
{
    fault_storage *f = state;
    FAULT_CALL(f, FAULT_READ, name, err, fault_read_flipped(f, name, offset, buffer, size, err));
}

static vss_status fault_put(void *state, const char *name, const vss_span *parts, size_t n_parts, vss_error *err)
{
    fault_storage *f = state;
    if (f->before_put != NULL)
        f->before_put(f->before_arg, name);
    FAULT_CALL(f, FAULT_PUT, name, err, f->inner.put(f->inner.state, name, parts, n_parts, err));
}

static vss_status fault_list(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg,
                             vss_error *err)
{
    fault_storage *f = state;
    FAULT_CALL(f, FAULT_LIST, prefix, err, f->inner.list(f->inner.state, prefix, shallow, fn, arg, err));
}

static vss_status fault_size(void *state, const char *name, uint64_t *size, vss_error *err)
{
    fault_storage *f = state;
    FAULT_CALL(f, FAULT_SIZE, name, err, f->inner.size(f->inner.state, name, size, err));
}

static vss_status fault_remove(void *state, const char *name, vss_error *err)
{
    fault_storage *f = state;
    FAULT_CALL(f, FAULT_REMOVE, name, err, f->inner.remove(f->inner.state, name, err));
}

static vss_status fault_map(void *state, const char *name, uint64_t size, const void **data, vss_error *err)
{
    fault_storage *f = state;
    *data = NULL;
    if (fault_count(f, FAULT_MAP))
        return fault_report(f, FAULT_MAP, name, err); /* a mapping made and hidden would only be lost */
    vss_status status = f->inner.map(f->inner.state, name, size, data, err);
    if (status != VSS_OK || !fault_flips(f, name, 0, size))
        return status;
    fault_copy *copy = malloc(sizeof *copy);
    void *bytes = aligned_alloc(64, (size_t)(size + 63) / 64 * 64);
    if (copy == NULL || bytes == NULL)
        abort();
    memcpy(bytes, *data, (size_t)size);
    ((uint8_t *)bytes)[f->flip_offset] ^= f->flip_mask;
    pthread_mutex_lock(&f->mutex);
    *copy = (fault_copy){f->copies, *data, bytes};
    f->copies = copy;
    pthread_mutex_unlock(&f->mutex);
    *data = bytes;
    return VSS_OK;
}

static void fault_unmap(void *state, const void *data, uint64_t size)
{
    fault_storage *f = state;
    pthread_mutex_lock(&f->mutex);
    fault_copy **link = &f->copies;
    while (*link != NULL && (*link)->data != data)
        link = &(*link)->next;
    fault_copy *copy = *link;
    if (copy != NULL)
        *link = copy->next;
    pthread_mutex_unlock(&f->mutex);
    f->inner.unmap(f->inner.state, copy != NULL ? copy->mapping : data, size);
    if (copy != NULL)
        free(copy->data);
    free(copy);
}

static vss_status fault_lock(void *state, const char *name, void **lock, vss_error *err)
{
    fault_storage *f = state;
    *lock = NULL;
    if (fault_count(f, FAULT_LOCK))
        return fault_report(f, FAULT_LOCK, name, err);
    return f->inner.lock(f->inner.state, name, lock, err);
}

static void fault_unlock(void *state, void *lock)
{
    fault_storage *f = state;
    f->inner.unlock(f->inner.state, lock);
}

static vss_status fault_log_open(void *state, const char *name, void **log, vss_error *err)
{
    fault_storage *f = state;
    *log = NULL;
    if (fault_count(f, FAULT_LOG_OPEN))
        return fault_report(f, FAULT_LOG_OPEN, name, err);
    return f->inner.log_open(f->inner.state, name, log, err);
}

static vss_status fault_log_append(void *state, void *log, const vss_span *parts, size_t n_parts, vss_error *err)
{
    fault_storage *f = state;
    if (fault_count(f, FAULT_LOG_APPEND))
        return fault_report(f, FAULT_LOG_APPEND, "log", err);
    return f->inner.log_append(f->inner.state, log, parts, n_parts, err);
}

static vss_status fault_log_sync(void *state, void *log, vss_error *err)
{
    fault_storage *f = state;
    FAULT_CALL(f, FAULT_LOG_SYNC, "log", err, f->inner.log_sync(f->inner.state, log, err));
}

static void fault_log_close(void *state, void *log)
{
    fault_storage *f = state;
    f->inner.log_close(f->inner.state, log);
}

static void fault_close(void *state)
{
    fault_storage *f = state;
    if (f->inner.close != NULL)
        f->inner.close(f->inner.state);
    pthread_mutex_destroy(&f->mutex);
}

void fault_storage_wrap(fault_storage *f, const vss_storage *inner, vss_storage *out)
{
    memset(f, 0, sizeof *f);
    f->inner = *inner;
    pthread_mutex_init(&f->mutex, NULL);
    *out = VSS_INIT(vss_storage);
    out->state = f;
    out->read = fault_read;
    out->put = fault_put;
    out->list = fault_list;
    out->size = fault_size;
    out->remove = fault_remove;
    out->map = inner->map != NULL ? fault_map : NULL;
    out->unmap = inner->unmap != NULL ? fault_unmap : NULL;
    out->lock = inner->lock != NULL ? fault_lock : NULL;
    out->unlock = inner->unlock != NULL ? fault_unlock : NULL;
    out->close = fault_close;
    if (inner->log_open != NULL) {
        out->log_open = fault_log_open;
        out->log_append = fault_log_append;
        out->log_sync = fault_log_sync;
        out->log_close = fault_log_close;
    }
}

void fault_storage_fail(fault_storage *f, fault_kind kind, uint64_t nth, vss_status status, fault_mode mode)
{
    f->kind = kind;
    f->target = nth == 0 ? 0 : atomic_load(&f->calls[kind]) + nth;
    f->status = status;
    f->mode = mode;
}

void fault_storage_flip(fault_storage *f, const char *name, uint64_t offset, uint8_t mask)
{
    f->flip_name = name;
    f->flip_offset = offset;
    f->flip_mask = mask;
}

uint64_t fault_storage_calls(const fault_storage *f, fault_kind kind)
{
    return atomic_load(&f->calls[kind]);
}
