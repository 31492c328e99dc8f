/*
 * simd_neon.h - what the levels for arm64 share: loads of parts, prefetch, and the two loops over rows
 *
 * A level has inline functions of type vssi_neon_group that score one row or four, the number being a constant where
 * they are called; a row alone and a row among four go through the same operations, so that the scores have the same
 * bits. Streaming asks for the line 4 KiB ahead of each one read; gathering asks for the first 16 lines of the rows two
 * groups ahead.
 */
#ifndef VSSI_SIMD_NEON_H
#define VSSI_SIMD_NEON_H

#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#include "simd.h"

#define NEON_INLINE static inline __attribute__((always_inline))
#define NEON_GROUP 4    /* rows at once */
#define NEON_AHEAD 4096 /* bytes */
#define NEON_LINES 16   /* of a row to come, at most */
#define NEON_GROUPS 2   /* ahead */

/* Scores of row[count], count being 1 or NEON_GROUP. stream: prefetch NEON_AHEAD bytes past what is read. */
typedef void (*vssi_neon_group)(const void *query, const uint8_t *const *row, size_t count, size_t dim, bool stream,
                                float *scores, vssi_simd_type type, vssi_simd_op op);

NEON_INLINE void vssi_neon_prefetch(const uint8_t *row, size_t offset)
{
    __builtin_prefetch((const void *)((uintptr_t)row + offset));
}

/* n < 8 bytes and zeros behind them. */
NEON_INLINE uint64_t vssi_neon_half(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    size_t at = 0;
    if (n & 4) {
        uint32_t four;
        memcpy(&four, p, sizeof four);
        value = four;
        at = 4;
    }
    if (n & 2) {
        uint16_t two;
        memcpy(&two, p + at, sizeof two);
        value |= (uint64_t)two << (8 * at);
        at += 2;
    }
    return n & 1 ? value | (uint64_t)p[at] << (8 * at) : value;
}

/* n < 16 bytes and zeros behind them. */
NEON_INLINE uint8x16_t vssi_neon_part(const uint8_t *p, size_t n)
{
    if (n < 8)
        return vcombine_u8(vcreate_u8(vssi_neon_half(p, n)), vcreate_u8(0));
    return vcombine_u8(vld1_u8(p), vcreate_u8(vssi_neon_half(p + 8, n - 8)));
}

NEON_INLINE void vssi_neon_rows(const void *query, const void *rows, size_t dim, size_t n, float *scores,
                                vssi_neon_group group, vssi_simd_type type, vssi_simd_op op)
{
    size_t size = vssi_simd_row_size(type, dim), i = 0;
    const uint8_t *next = rows;
    for (; i + NEON_GROUP <= n; i += NEON_GROUP, next += NEON_GROUP * size) {
        const uint8_t *four[NEON_GROUP] = {next, next + size, next + 2 * size, next + 3 * size};
        group(query, four, NEON_GROUP, dim, true, scores + i, type, op);
    }
    for (; i < n; i++, next += size)
        group(query, &next, 1, dim, true, scores + i, type, op);
}

NEON_INLINE void vssi_neon_fetch(const uint8_t *base, size_t size, const uint32_t *rows, size_t n, size_t lines)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = base + (size_t)rows[i] * size;
        for (size_t line = 0; line < lines; line++)
            vssi_neon_prefetch(row, line * 64);
    }
}

NEON_INLINE void vssi_neon_gather(const void *query, const void *base, size_t dim, const uint32_t *rows, size_t n,
                                  float *scores, vssi_neon_group group, vssi_simd_type type, vssi_simd_op op)
{
    size_t size = vssi_simd_row_size(type, dim), lines = (size + 63) / 64;
    lines = lines < NEON_LINES ? lines : NEON_LINES;
    size_t fetched = n < NEON_GROUP * NEON_GROUPS ? n : NEON_GROUP * NEON_GROUPS, i = 0;
    vssi_neon_fetch(base, size, rows, fetched, lines);
    for (; i + NEON_GROUP <= n; i += NEON_GROUP) {
        size_t more = n - fetched < NEON_GROUP ? n - fetched : NEON_GROUP;
        vssi_neon_fetch(base, size, rows + fetched, more, lines);
        fetched += more;
        const uint8_t *four[NEON_GROUP];
#pragma GCC unroll 4
        for (size_t j = 0; j < NEON_GROUP; j++)
            four[j] = (const uint8_t *)base + (size_t)rows[i + j] * size;
        group(query, four, NEON_GROUP, dim, false, scores + i, type, op);
    }
    for (; i < n; i++) {
        const uint8_t *row = (const uint8_t *)base + (size_t)rows[i] * size;
        group(query, &row, 1, dim, false, scores + i, type, op);
    }
}

#endif
