/*
 * dispatch.c - one table of kernels, chosen once for the process
 *
 * Threads that ask at the same time choose the same table, so the choice needs no lock.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/base/parallel.h"
#include "simd.h"

static const vssi_kernels *const dispatch_levels[] = {
    &vssi_simd_scalar,
#if defined(__x86_64__)
    &vssi_simd_avx2,
    &vssi_simd_avx512,
    &vssi_simd_avx512vnni,
#if defined(VSS_SIMD_AMX)
    &vssi_simd_amx,
#endif
#elif defined(__aarch64__)
    &vssi_simd_neon,
    &vssi_simd_neondot,
#endif
};

/* Tiles need the system's permission, which is asked for only where the level is wanted. */
static bool dispatch_permitted(const vssi_kernels *level)
{
#if defined(VSS_SIMD_AMX)
    return level != &vssi_simd_amx || vssi_permit_tiles();
#else
    (void)level;
    return true;
#endif
}

const vssi_kernels *vssi_simd_level(size_t i)
{
    return i < vssi_simd_detect() && dispatch_permitted(dispatch_levels[i]) ? dispatch_levels[i] : NULL;
}

static const vssi_kernels *dispatch_choose(void)
{
    const vssi_kernels *best = dispatch_levels[vssi_simd_detect() - 1];
    const char *wanted = getenv("VSS_SIMD");
    for (const vssi_kernels *level = best; wanted && level != NULL; level = level->below) {
        if (strcmp(level->level, wanted) == 0)
            best = level;
    }
    return dispatch_permitted(best) ? best : best->below;
}

const vssi_kernels *vssi_simd(void)
{
    static const vssi_kernels *_Atomic chosen;
    const vssi_kernels *table = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!table) {
        table = dispatch_choose();
        atomic_store_explicit(&chosen, table, memory_order_relaxed);
    }
    return table;
}

vssi_kernel_rows vssi_simd_rows(const vssi_kernels *level, vssi_simd_type type, vssi_simd_op op)
{
    while (!level->rows[type][op])
        level = level->below;
    return level->rows[type][op];
}

vssi_kernel_gather vssi_simd_gather(const vssi_kernels *level, vssi_simd_type type, vssi_simd_op op)
{
    while (!level->gather[type][op])
        level = level->below;
    return level->gather[type][op];
}
