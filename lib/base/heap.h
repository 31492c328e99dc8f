/*
 * heap.h - every byte the library holds: the host's allocator, counted, within a budget
 *
 * Thread-safe; the counters are atomic. malloc and free appear nowhere else.
 */
#ifndef VSSI_HEAP_H
#define VSSI_HEAP_H

#include <stdatomic.h>

#include "vss/allocator.h"
#include "vss/error.h"

typedef struct vssi_heap {
    vss_allocator hook;
    uint64_t budget; /* 0: none */
    _Atomic uint64_t used;
    _Atomic uint64_t peak;
} vssi_heap;

/* hook NULL: the C library's. */
void vssi_heap_init(vssi_heap *heap, const vss_allocator *hook, uint64_t budget);

/* count * size bytes, 64-byte aligned, or an error line (NO_MEMORY, BUDGET; INVALID never: overflow is NO_MEMORY).
 * *out is NULL on failure and, with VSS_OK, for 0 bytes. */
vss_status vssi_alloc(vssi_heap *heap, size_t count, size_t size, void *out_pointer, vss_error *err);
vss_status vssi_alloc_zero(vssi_heap *heap, size_t count, size_t size, void *out_pointer, vss_error *err);

/* Grow or shrink to count * size bytes, keeping the contents; *inout_pointer is unchanged on failure. */
vss_status vssi_realloc(vssi_heap *heap, size_t count, size_t size, void *inout_pointer, vss_error *err);

void vssi_free(vssi_heap *heap, const void *pointer); /* NULL is fine */

/* A copy of text[size] ended by NUL. */
vss_status vssi_strdup(vssi_heap *heap, const char *text, size_t size, char **out, vss_error *err);

/* Of the process-wide default heap without a budget, for objects that belong to no database (vss_schema_parse). */
vssi_heap *vssi_heap_default(void);

#endif
