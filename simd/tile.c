/*
 * tile.c - the table of tile kernels that goes with a level of the distance kernels
 *
 * Levels without a table of their own use the nearest below. The choice is a few comparisons a search.
 */
#include "tile.h"

static const vssi_tile *tile_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    for (; level != NULL; level = level->below) {
        if (level == &vssi_simd_avx512)
            return &vssi_tile_avx512;
        if (level == &vssi_simd_avx2)
            return &vssi_tile_avx2;
    }
#else
    (void)level;
#endif
    return &vssi_tile_scalar;
}

const vssi_tile *vssi_tile_best(void) { return tile_of(vssi_simd()); }

static const vssi_tile_codes *tile_codes_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    for (; level != NULL; level = level->below) {
        if (level == &vssi_simd_avx512vnni)
            return &vssi_tile_codes_vnni;
        if (level == &vssi_simd_avx2)
            return &vssi_tile_codes_avx2;
    }
#else
    (void)level;
#endif
    return &vssi_tile_codes_scalar;
}

const vssi_tile_codes *vssi_tile_codes_best(void) { return tile_codes_of(vssi_simd()); }

const vssi_tile_codes *vssi_tile_codes_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? tile_codes_of(level) : NULL;
}

const vssi_tile_bytes *vssi_tile_bytes_best(vssi_simd_type type)
{
#if defined(__x86_64__)
    bool level = vssi_simd_has(vssi_simd(), &vssi_simd_avx512vnni);
    if (level && (type == VSSI_SIMD_I8 || type == VSSI_SIMD_U8))
        return &vssi_tile_bytes_vnni;
    if (level && type == VSSI_SIMD_BITS)
        return &vssi_tile_bits_vpopcnt;
#else
    (void)type;
#endif
    return NULL;
}

vssi_few vssi_few_best(void)
{
#if defined(__x86_64__)
    if (vssi_tile_best() == &vssi_tile_avx512)
        return vssi_few_avx512;
#endif
    return NULL;
}

const vssi_tile *vssi_tile_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? tile_of(level) : NULL;
}
