/*
 * heap.c - counted, budgeted memory in blocks of 64-byte alignment
 *
 * Each block stands behind a header of one cache line that remembers its size, so that freeing needs none. The header
 * is counted. Cost above the hook's: two atomic operations. No locks. Without a hook small blocks are aligned here,
 * within what malloc gives: glibc keeps those it frees at hand, but not what posix_memalign gave. Not under
 * AddressSanitizer, which sees to the byte what goes beyond a block that it made itself.
 */
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "fail.h"

#define HEAP_ALIGN 64
#if defined(__SANITIZE_ADDRESS__)
#define HEAP_SMALL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_SMALL 0
#endif
#endif
#ifndef HEAP_SMALL
#define HEAP_SMALL 896 /* bytes; glibc's caches hold up to 1,032 */
#endif

typedef struct heap_header {
    _Alignas(HEAP_ALIGN) size_t total; /* bytes asked from the hook, this header included */
} heap_header;

static void *heap_system_alloc(void *state, size_t size, size_t align)
{
    (void)state;
    void *large;
    if (size <= HEAP_SMALL) {
        void *raw = malloc(size + sizeof raw + align - 1);
        void **block = (void **)(((uintptr_t)raw + sizeof raw + align - 1) & ~(uintptr_t)(align - 1));
        if (raw == NULL)
            return NULL;
        block[-1] = raw;
        return block;
    }
    return size <= PTRDIFF_MAX && posix_memalign(&large, align, size) == 0 ? large : NULL;
}

static void heap_system_release(void *state, void *block, size_t size, size_t align)
{
    (void)state;
    (void)align;
    free(size <= HEAP_SMALL ? ((void **)block)[-1] : block);
}

#define HEAP_SYSTEM_HOOK \
    {.struct_size = sizeof(vss_allocator), .alloc = heap_system_alloc, .release = heap_system_release}

void vssi_heap_init(vssi_heap *heap, const vss_allocator *hook, uint64_t budget)
{
    static const vss_allocator system = HEAP_SYSTEM_HOOK;
    heap->hook = hook != NULL ? *hook : system;
    heap->budget = budget;
    atomic_init(&heap->used, 0);
    atomic_init(&heap->peak, 0);
}

vssi_heap *vssi_heap_default(void)
{
    static vssi_heap heap = {.hook = HEAP_SYSTEM_HOOK};
    return &heap;
}

/* Count total bytes in, unless that would pass the budget. */
static bool heap_reserve(vssi_heap *heap, uint64_t total)
{
    uint64_t used = atomic_load_explicit(&heap->used, memory_order_relaxed);
    uint64_t after;
    do {
        if (!vssi_add_u64(used, total, &after) || (heap->budget != 0 && after > heap->budget))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&heap->used, &used, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    uint64_t peak = atomic_load_explicit(&heap->peak, memory_order_relaxed);
    while (peak < after && !atomic_compare_exchange_weak_explicit(&heap->peak, &peak, after, memory_order_relaxed,
                                                                  memory_order_relaxed))
        ;
    return true;
}

static void heap_unreserve(vssi_heap *heap, uint64_t total)
{
    atomic_fetch_sub_explicit(&heap->used, total, memory_order_relaxed);
}

static heap_header *heap_header_of(const void *pointer)
{
    return (heap_header *)(uintptr_t)((uintptr_t)pointer - sizeof(heap_header));
}

static vss_status heap_take(vssi_heap *heap, size_t size, void **out, vss_error *err)
{
    *out = NULL;
    if (size == 0)
        return VSS_OK;
    size_t total;
    if (!vssi_add(size, sizeof(heap_header), &total))
        return vssi_fail_memory(err, size);
    if (!heap_reserve(heap, total)) {
        if (heap->budget == 0)
            return vssi_fail_memory(err, size);
        return vssi_fail(err, VSS_ERR_BUDGET, "memory budget of %llu bytes is spent (%zu wanted)",
                         (unsigned long long)heap->budget, size);
    }
    heap_header *header = heap->hook.alloc(heap->hook.state, total, HEAP_ALIGN);
    if (header == NULL) {
        heap_unreserve(heap, total);
        return vssi_fail_memory(err, size);
    }
    header->total = total;
    *out = header + 1;
    return VSS_OK;
}

/* The pointer variable's type is the caller's: its bytes are copied, never read as a void *. */
static void heap_set_pointer(void *out_pointer, const void *value)
{
    memcpy(out_pointer, &value, sizeof value);
}

vss_status vssi_alloc(vssi_heap *heap, size_t count, size_t size, void *out_pointer, vss_error *err)
{
    heap_set_pointer(out_pointer, NULL);
    size_t bytes;
    if (!vssi_mul(count, size, &bytes))
        return vssi_fail(err, VSS_ERR_NO_MEMORY, "out of memory (%zu times %zu bytes wanted)", count, size);
    void *block;
    VSSI_TRY(heap_take(heap, bytes, &block, err));
    heap_set_pointer(out_pointer, block);
    return VSS_OK;
}

vss_status vssi_alloc_zero(vssi_heap *heap, size_t count, size_t size, void *out_pointer, vss_error *err)
{
    VSSI_TRY(vssi_alloc(heap, count, size, out_pointer, err));
    void *block;
    memcpy(&block, out_pointer, sizeof block);
    if (block != NULL)
        memset(block, 0, count * size); /* did not overflow above */
    return VSS_OK;
}

vss_status vssi_realloc(vssi_heap *heap, size_t count, size_t size, void *inout_pointer, vss_error *err)
{
    const void *old;
    void *block;
    memcpy(&old, inout_pointer, sizeof old);
    VSSI_TRY(vssi_alloc(heap, count, size, &block, err));
    if (old != NULL && block != NULL) {
        size_t held = heap_header_of(old)->total - sizeof(heap_header);
        memcpy(block, old, vssi_min(held, count * size));
    }
    vssi_free(heap, old);
    heap_set_pointer(inout_pointer, block);
    return VSS_OK;
}

void vssi_free(vssi_heap *heap, const void *pointer)
{
    if (pointer == NULL)
        return;
    heap_header *header = heap_header_of(pointer);
    size_t total = header->total;
    heap->hook.release(heap->hook.state, header, total, HEAP_ALIGN);
    heap_unreserve(heap, total);
}

vss_status vssi_strdup(vssi_heap *heap, const char *text, size_t size, char **out, vss_error *err)
{
    *out = NULL;
    size_t bytes;
    if (!vssi_add(size, 1, &bytes))
        return vssi_fail_memory(err, size);
    char *copy;
    VSSI_TRY(vssi_alloc(heap, bytes, 1, &copy, err));
    if (size != 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    *out = copy;
    return VSS_OK;
}
