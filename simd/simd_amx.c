/*
 * simd_amx.c - the level of processors with AMX: matrix kernels (dense_amx.c), all else as avx512vnni has it
 */
#include "simd.h"

const vssi_kernels vssi_simd_amx = {.level = "amx", .below = &vssi_simd_avx512vnni};
