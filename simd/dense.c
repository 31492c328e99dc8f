/*
 * dense.c - the table of matrix kernels that goes with a level, and how queries are laid out for them
 */
#include "dense.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../lib/base/half.h"

/* The place of unit u (four bytes) of query q in its group. */
static char *dense_place(char *group, size_t u, size_t q)
{
    size_t step = u / 16, row = u % 16;
    return group + ((step * 2 + q / 16) * 16 + row) * 64 + q % 16 * 4;
}

int32_t vssi_dense_norm(const uint8_t *code, size_t bytes)
{
    int32_t sum = 0;
    uint32_t squares = 0;
    for (size_t i = 0; i < bytes; i++) {
        sum += code[i];
        squares += (uint32_t)code[i] * code[i];
    }
    return (int32_t)(squares / 2) - 128 * sum;
}

void vssi_dense_query_codes(const uint8_t *code, size_t bytes, size_t q, char *group)
{
    for (size_t i = 0; i < bytes; i++)
        dense_place(group, i / 4, q)[i % 4] = (char)(code[i] ^ 0x80);
}

double vssi_dense_query_floats(const float *query, size_t dim, size_t q, char *group)
{
    double rest = 0;
    for (size_t i = 0; i < dim; i++) {
        uint16_t rounded = fabsf(query[i]) < FLT_MIN ? 0 : vssi_bfloat_round(query[i]);
        uint32_t bits = (uint32_t)rounded << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        memcpy(dense_place(group, i / 2, q) + i % 2 * 2, &rounded, sizeof rounded);
        rest += ((double)query[i] - (double)value) * ((double)query[i] - (double)value);
    }
    return rest;
}

static const vssi_dense *dense_of(const vssi_kernels *level)
{
#if defined(VSS_SIMD_AMX)
    if (vssi_simd_has(level, &vssi_simd_amx))
        return &vssi_dense_amx;
#else
    (void)level;
#endif
    return NULL;
}

const vssi_dense *vssi_dense_best(void) { return dense_of(vssi_simd()); }

const vssi_dense *vssi_dense_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? dense_of(level) : NULL;
}
