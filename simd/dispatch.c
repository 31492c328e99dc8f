/*
 * dispatch.c - one table of kernels, chosen once for the process
 *
 * Threads that ask at the same time choose the same table, so the choice needs no lock.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "simd.h"

static const vssi_kernels *const dispatch_levels[] = {
    &vssi_simd_scalar,
#if defined(__x86_64__)
    &vssi_simd_avx2,
    &vssi_simd_avx512,
    &vssi_simd_avx512vnni,
#elif defined(__aarch64__)
    &vssi_simd_neon,
    &vssi_simd_neondot,
#endif
};

const vssi_kernels *vssi_simd_level(size_t i) { return i < vssi_simd_detect() ? dispatch_levels[i] : NULL; }

static const vssi_kernels *dispatch_choose(void)
{
    size_t levels = vssi_simd_detect();
    const char *wanted = getenv("VSS_SIMD");
    for (size_t i = 0; wanted && i < levels; i++) {
        if (strcmp(dispatch_levels[i]->level, wanted) == 0)
            return dispatch_levels[i];
    }
    return dispatch_levels[levels - 1];
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
