/*
 * kernels.h - the loops over rows that levels share, and the two entry points made from them
 *
 * A level has one inline function, a block: it scores up to four rows, and a constant count of rows, type and operation
 * selects its code. The loops hand it four rows at a time and the last ones singly, so that the score of a pair must
 * not depend on count.
 * Streaming, the block asks for the same place of the rows to come as it reads, in the order in which it reads: for
 * the second cache a whole number of blocks and at least VSSI_KERNELS_AHEAD bytes on, as what waits for memory in the
 * few line buffers of the first cache keeps reading and arithmetic from overlapping, and for the first cache
 * VSSI_KERNELS_NEAR bytes on. Rows of F32, with little arithmetic a line, only VSSI_KERNELS_NEAR_F32 bytes on: both
 * would add 0.05 to their share of the memory's rate and take a third from that of the caches.
 * Gathering asks, a line at a time and at most VSSI_KERNELS_FETCH bytes of a row, for the rows two blocks ahead, for
 * the first cache; a call of one block of short rows reads them at once.
 */
#ifndef VSSI_KERNELS_H
#define VSSI_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simd.h"

#define VSSI_KERNELS_INLINE static inline __attribute__((always_inline))
#define VSSI_KERNELS_BLOCK 4
#define VSSI_KERNELS_AHEAD 4096   /* bytes, at least */
#define VSSI_KERNELS_NEAR 1024    /* bytes */
#define VSSI_KERNELS_NEAR_F32 512 /* bytes */
#define VSSI_KERNELS_FETCH 1024   /* bytes */
#define VSSI_KERNELS_SHORT 512    /* bytes of a row */

/* What a block is asked for; type, op and stream are constants. */
typedef struct vssi_kernels_job {
    const void *query;
    size_t dim;
    vssi_simd_type type;
    vssi_simd_op op;
    int32_t prepared; /* what the level worked out of the query, if it does */
    bool stream;      /* prefetch past what is read */
    size_t ahead;     /* bytes, of the prefetch for the second cache */
} vssi_kernels_job;

/* Scores of the first count of rows, which is 1 or VSSI_KERNELS_BLOCK. */
typedef void (*vssi_kernels_block)(const vssi_kernels_job *job, const char *const *rows, int count, float *scores);

/* Asks for what is read after p: through an integer, as that may lie past the end of the rows. */
VSSI_KERNELS_INLINE void vssi_kernels_ahead(const vssi_kernels_job *job, const char *p)
{
    size_t near = job->type == VSSI_SIMD_F32 ? VSSI_KERNELS_NEAR_F32 : VSSI_KERNELS_NEAR;
    if (job->type != VSSI_SIMD_F32)
        __builtin_prefetch((const void *)((uintptr_t)p + job->ahead), 0, 2);
    __builtin_prefetch((const void *)((uintptr_t)p + near), 0, 3);
}

VSSI_KERNELS_INLINE void vssi_kernels_stream(vssi_kernels_job *job, const void *rows, size_t n, float *scores,
                                             vssi_kernels_block block)
{
    size_t size = vssi_simd_row_size(job->type, job->dim), i = 0;
    const char *row = rows;
    const size_t four = VSSI_KERNELS_BLOCK * size;
    job->ahead = (VSSI_KERNELS_AHEAD + four - 1) / four * four;
    for (; i + VSSI_KERNELS_BLOCK <= n; i += VSSI_KERNELS_BLOCK, row += VSSI_KERNELS_BLOCK * size) {
        const char *block_rows[VSSI_KERNELS_BLOCK] = {row, row + size, row + 2 * size, row + 3 * size};
        block(job, block_rows, VSSI_KERNELS_BLOCK, scores + i);
    }
    for (; i < n; i++, row += size)
        block(job, &row, 1, scores + i);
}

VSSI_KERNELS_INLINE void vssi_kernels_fetch(const char *base, size_t size, const uint32_t *rows, size_t n)
{
    size_t last = (size < VSSI_KERNELS_FETCH ? size : VSSI_KERNELS_FETCH) - 1;
    for (size_t i = 0; i < n; i++) {
        const char *row = base + rows[i] * size;
        for (size_t offset = 0; offset < last; offset += 64)
            __builtin_prefetch(row + offset, 0, 3);
        __builtin_prefetch(row + last, 0, 3);
    }
}

VSSI_KERNELS_INLINE void vssi_kernels_gather(const vssi_kernels_job *job, const char *base, const uint32_t *rows,
                                             size_t n, float *scores, vssi_kernels_block block)
{
    size_t size = vssi_simd_row_size(job->type, job->dim), i = 0;
    size_t fetched = n < 2 * VSSI_KERNELS_BLOCK ? n : 2 * VSSI_KERNELS_BLOCK;
    if (n > VSSI_KERNELS_BLOCK || size > VSSI_KERNELS_SHORT)
        vssi_kernels_fetch(base, size, rows, fetched);
    for (; i + VSSI_KERNELS_BLOCK <= n; i += VSSI_KERNELS_BLOCK) {
        size_t more = n - fetched < VSSI_KERNELS_BLOCK ? n - fetched : VSSI_KERNELS_BLOCK;
        vssi_kernels_fetch(base, size, rows + fetched, more);
        fetched += more;
        const char *four[VSSI_KERNELS_BLOCK] = {base + rows[i] * size, base + rows[i + 1] * size,
                                                base + rows[i + 2] * size, base + rows[i + 3] * size};
        block(job, four, VSSI_KERNELS_BLOCK, scores + i);
    }
    for (; i < n; i++) {
        const char *row = base + rows[i] * size;
        block(job, &row, 1, scores + i);
    }
}

/* The kernels prefix_name_rows and prefix_name_gather from prefix_block and prefix_prepare(query, dim, type, op). */
#define VSSI_KERNELS(prefix, name, type_, op_)                                                                        \
    static void prefix##_##name##_rows(const void *query, const void *rows, size_t dim, size_t n, float *scores)      \
    {                                                                                                                 \
        vssi_kernels_job job = {query, dim, type_, op_, prefix##_prepare(query, dim, type_, op_), true, 0};           \
        vssi_kernels_stream(&job, rows, n, scores, prefix##_block);                                                   \
    }                                                                                                                 \
    static void prefix##_##name##_gather(const void *query, const void *base, size_t dim, const uint32_t *rows,       \
                                         size_t n, float *scores)                                                     \
    {                                                                                                                 \
        vssi_kernels_job job = {query, dim, type_, op_, prefix##_prepare(query, dim, type_, op_), false, 0};          \
        vssi_kernels_gather(&job, base, rows, n, scores, prefix##_block);                                             \
    }

/* A type's entries in the level's table: the kernels of its two operations. */
#define VSSI_KERNELS_ROWS(prefix, first, second) {prefix##_##first##_rows, prefix##_##second##_rows}
#define VSSI_KERNELS_GATHER(prefix, first, second) {prefix##_##first##_gather, prefix##_##second##_gather}

#endif
