/*
 * view.c - a whole object as memory, mapped or read
 */
#include "storage.h"

#include "../base/fail.h"

#if defined(__linux__)
#include <errno.h>
#include <sys/mman.h>
#else
enum { MADV_DONTNEED, MADV_NOHUGEPAGE };
#endif

/* Where an empty object's bytes are not. */
static _Alignas(64) const uint8_t view_nothing[64];

/* The object's size is asked before memory is taken for it: a size that was read from a file proves nothing. */
static vss_status view_read(const vss_storage *storage, vssi_heap *heap, const char *name, uint64_t size,
                            const uint8_t **data, vss_error *err)
{
    *data = NULL;
    uint64_t held;
    VSSI_TRY(storage->size(storage->state, name, &held, err));
    if (held != size)
        return vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\" has %llu bytes, expected %llu", name, (unsigned long long)held,
                         (unsigned long long)size);
    if ((size_t)size != size)
        return vssi_fail_memory(err, SIZE_MAX);
    *data = view_nothing;
    if (size == 0)
        return VSS_OK;
    uint8_t *block;
    VSSI_TRY(vssi_alloc(heap, (size_t)size, 1, &block, err));
    vssi_storage_huge(block, (size_t)size);
    vss_status status = storage->read(storage->state, name, 0, block, (size_t)size, err);
    if (status != VSS_OK) {
        vssi_free(heap, block);
        return status;
    }
    *data = block;
    return VSS_OK;
}

vss_status vssi_view_load(const vss_storage *storage, vssi_heap *heap, const char *name, uint64_t size, vssi_view *out,
                          vss_error *err)
{
    *out = (vssi_view){0};
    VSSI_TRY(view_read(storage, heap, name, size, &out->data, err));
    out->size = size;
    return VSS_OK;
}

vss_status vssi_view_open(const vss_storage *storage, vssi_heap *heap, const char *name, uint64_t size, vssi_view *out,
                          vss_error *err)
{
    *out = (vssi_view){0};
    /* A storage of the host's need not know how to map nothing. */
    if (storage->map != NULL && size != 0) {
        const void *data;
        VSSI_TRY(storage->map(storage->state, name, size, &data, err));
        out->data = data;
        out->size = size;
        out->mapped = true;
        return VSS_OK;
    }
    return vssi_view_load(storage, heap, name, size, out, err);
}

/* Tell the system what is planned for bytes [offset, offset + size) of a mapped file. */
static void view_advise(const vss_storage *storage, const vssi_view *view, uint64_t offset, uint64_t size, int advice)
{
#if defined(__linux__)
    int before = errno;
    uint64_t begin = offset / VSSI_PAGE * VSSI_PAGE;
    if (view->mapped && vssi_storage_is_posix(storage))
        (void)madvise((void *)((uintptr_t)view->data + begin), (size_t)(offset + size - begin), advice);
    errno = before;
#else
    (void)storage, (void)view, (void)offset, (void)size, (void)advice;
#endif
}

void vssi_view_rest(const vss_storage *storage, const vssi_view *view, uint64_t offset, uint64_t size)
{
    view_advise(storage, view, offset, size, MADV_DONTNEED);
}

void vssi_view_small(const vss_storage *storage, const vssi_view *view)
{
    view_advise(storage, view, 0, view->size, MADV_NOHUGEPAGE);
}

void vssi_view_close(const vss_storage *storage, vssi_heap *heap, vssi_view *view)
{
    if (view->mapped)
        storage->unmap(storage->state, view->data, view->size);
    else if (view->size != 0)
        vssi_free(heap, view->data);
    *view = (vssi_view){0};
}
