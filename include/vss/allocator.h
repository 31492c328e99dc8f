/*
 * vss/allocator.h - where the library's memory comes from
 */
#ifndef VSS_ALLOCATOR_H
#define VSS_ALLOCATOR_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A host's allocator. Called from any thread, also at once. align is a power of two, 16 to 4096; size is above 0.
 * alloc returns NULL when there is no memory; release gets back the size and align that the block was asked with. */
typedef struct vss_allocator {
    uint32_t struct_size;
    void *state;
    void *(*alloc)(void *state, size_t size, size_t align);
    void (*release)(void *state, void *block, size_t size, size_t align);
} vss_allocator;

#ifdef __cplusplus
}
#endif
#endif
