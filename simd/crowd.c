/*
 * crowd.c - the choice of kernels for crowds of queries
 */
#include "crowd.h"

#include "simd.h"

static const vssi_crowd *crowd_of(const vssi_kernels *level)
{
#if defined(VSS_SIMD_AMX)
    if (vssi_simd_has(level, &vssi_simd_amx))
        return &vssi_crowd_amx;
#else
    (void)level;
#endif
    return NULL;
}

const vssi_crowd *vssi_crowd_best(void) { return crowd_of(vssi_simd()); }

const vssi_crowd *vssi_crowd_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? crowd_of(level) : NULL;
}
