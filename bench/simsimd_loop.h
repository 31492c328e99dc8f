/* simsimd_loop.h - simsimd's kernels in the shape of ours, for vss-bench-kernels built with VSS_SIMSIMD_DIR */
#ifndef BENCH_SIMSIMD_LOOP_H
#define BENCH_SIMSIMD_LOOP_H

#include <stddef.h>

#include "../simd/simd.h"

/* A call of simsimd's kernel for each of n rows, query of the rows' type. */
void bench_simsimd_rows(const void *query, const void *rows, size_t size, size_t count, size_t n, float *scores);

/* Choose the kernel that bench_simsimd_rows calls: the best one simsimd has for this processor. Returns the name of the
 * capability, NULL where there is none. F16 gets the best that adds in float32. */
const char *bench_simsimd_choose(vssi_simd_type type, vssi_simd_op op);

#endif
