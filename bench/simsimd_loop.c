/*
 * simsimd_loop.c - a loop over rows that calls simsimd's kernel for each, as its users do
 *
 * Compiled for this very processor (-march=native), so that simsimd has every kernel it could have here.
 */
#include "simsimd_loop.h"

#include <string.h>

#include <simsimd/simsimd.h>

static simsimd_metric_dense_punned_t simsimd_loop_kernel;

static const struct {
    simsimd_datatype_t type;
    simsimd_metric_kind_t ops[VSSI_SIMD_OPS];
} simsimd_loop_types[VSSI_SIMD_TYPES] = {
    [VSSI_SIMD_F32] = {simsimd_datatype_f32_k, {simsimd_metric_l2sq_k, simsimd_metric_dot_k}},
    [VSSI_SIMD_F16] = {simsimd_datatype_f16_k, {simsimd_metric_l2sq_k, simsimd_metric_dot_k}},
    [VSSI_SIMD_BF16] = {simsimd_datatype_bf16_k, {simsimd_metric_l2sq_k, simsimd_metric_dot_k}},
    [VSSI_SIMD_I8] = {simsimd_datatype_i8_k, {simsimd_metric_l2sq_k, simsimd_metric_dot_k}},
    [VSSI_SIMD_U8] = {simsimd_datatype_u8_k, {simsimd_metric_l2sq_k, simsimd_metric_dot_k}},
    [VSSI_SIMD_BITS] = {simsimd_datatype_b8_k, {simsimd_metric_hamming_k, simsimd_metric_jaccard_k}},
};

const char *bench_simsimd_choose(vssi_simd_type type, vssi_simd_op op)
{
    static const struct {
        simsimd_capability_t capability;
        const char *name;
    } names[] = {{simsimd_cap_serial_k, "serial"},     {simsimd_cap_haswell_k, "haswell"},
                 {simsimd_cap_skylake_k, "skylake"},   {simsimd_cap_ice_k, "ice"},
                 {simsimd_cap_genoa_k, "genoa"},       {simsimd_cap_sapphire_k, "sapphire"},
                 {simsimd_cap_turin_k, "turin"},       {simsimd_cap_sierra_k, "sierra"},
                 {simsimd_cap_neon_k, "neon"},         {simsimd_cap_neon_f16_k, "neon_f16"},
                 {simsimd_cap_neon_bf16_k, "neon_bf16"}, {simsimd_cap_neon_i8_k, "neon_i8"}};
    int allowed = simsimd_cap_any_k, found;
    if (type == VSSI_SIMD_F16) /* this one adds in float16 */
        allowed &= ~(int)simsimd_cap_sapphire_k;
    simsimd_kernel_punned_t kernel = NULL;
    simsimd_capability_t capability = simsimd_cap_serial_k;
    simsimd_find_kernel_punned(simsimd_loop_types[type].ops[op], simsimd_loop_types[type].type, simsimd_capabilities(),
                               (simsimd_capability_t)allowed, &kernel, &capability);
    found = (int)capability;
    memcpy(&simsimd_loop_kernel, &kernel, sizeof kernel); /* simsimd's type for kernels of every shape */
    for (size_t i = 0; kernel && i < sizeof names / sizeof *names; i++) {
        if ((int)names[i].capability == found)
            return names[i].name;
    }
    return kernel ? "other" : NULL;
}

void bench_simsimd_rows(const void *query, const void *rows, size_t size, size_t count, size_t n, float *scores)
{
    for (size_t i = 0; i < n; i++) {
        simsimd_distance_t distance;
        simsimd_loop_kernel(query, (const char *)rows + i * size, count, &distance);
        scores[i] = (float)distance;
    }
}
