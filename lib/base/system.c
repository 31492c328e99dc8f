/*
 * system.c - the clock, the process, random bits for names, and leave to use the processor's matrix registers
 */
#include "parallel.h"

#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"

#define SYSTEM_PERMIT 0x1023   /* ARCH_REQ_XCOMP_PERM, from Linux 5.16 */
#define SYSTEM_TILE_DATA 18    /* the state component */

uint64_t vssi_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t vssi_process_id(void) { return (int64_t)getpid(); }

uint64_t vssi_random_name(void)
{
    uint64_t bits;
    if (getrandom(&bits, sizeof bits, 0) == (ssize_t)sizeof bits)
        return bits;
    /* A kernel without the call. A name that is taken by chance is refused by the storage, never overwritten. */
    uint64_t state = vssi_now_ns() ^ (uint64_t)vssi_process_id() << 32 ^ (uint64_t)(uintptr_t)&bits;
    return vssi_random_next(&state);
}

bool vssi_permit_tiles(void)
{
#if defined(__x86_64__)
    return syscall(SYS_arch_prctl, SYSTEM_PERMIT, SYSTEM_TILE_DATA) == 0;
#else
    return false;
#endif
}
