/*
 * huge.c - large objects in memory on huge pages, where the kernel has them to give
 *
 * A walk over a graph reads a few lines at random of tens of megabytes, and with pages of 4 KiB most of those reads
 * also miss the TLB. The hint is given before the memory is first written, so that the pages are huge from the start;
 * it costs one system call, and whether it is heeded changes nothing but time. A mapped file can't have such pages on
 * most file systems: what is read from it at random again and again is copied (vssi_view_load).
 */
#include "storage.h"

#if defined(__linux__)

#include <errno.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void vssi_storage_huge(void *memory, size_t size)
{
    uintptr_t begin = ((uintptr_t)memory + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    uintptr_t end = ((uintptr_t)memory + size) / HUGE_PAGE * HUGE_PAGE;
    int before = errno;
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    errno = before;
}

#else

void vssi_storage_huge(void *memory, size_t size)
{
    (void)memory;
    (void)size;
}

#endif
