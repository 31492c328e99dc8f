/*
 * project.c - the choice of kernels, and the one for registers of 16 bytes
 */
#define PROJECT_ROWS 4
#define PROJECT_LANES 2
#include "project_tile.h"

#include "simd.h"

void vssi_project_scalar(const vssi_projection *p) { project_all(p); }

static vssi_project project_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    for (; level != NULL; level = level->below) {
        if (level == &vssi_simd_avx512)
            return vssi_project_avx512;
        if (level == &vssi_simd_avx2)
            return vssi_project_avx2;
    }
#else
    (void)level;
#endif
    return vssi_project_scalar;
}

vssi_project vssi_project_best(void) { return project_of(vssi_simd()); }

vssi_project vssi_project_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? project_of(level) : NULL;
}
