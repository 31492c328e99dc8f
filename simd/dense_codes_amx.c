/*
 * dense_codes_amx.c - rows of codes as they are stored times up to 32 queries
 *
 * A tile takes 16 rows any number of bytes apart, so that rows need no packing: the last 64 bytes of one may reach
 * into what follows, which the queries' zeros leave out. Up to 16 queries go with 64 rows at a time, more with 32: four
 * tiles of sums either way. Sums are compared while those of the next rows are made; nearly all pairs fail, so a row
 * costs a comparison or two. With each step some of what comes next is asked for, so that a pass over rows in memory
 * takes hardly longer than reading them.
 */
#include "dense_amx.h"

#define CODES_SUMS 1024u /* of four tiles */

/* Tiles 0 to 3 begin at -least, so that they are compared with numbers of the row alone. */
AMX_INLINE void codes_begin(const bool two, const int32_t *begin)
{
    const int32_t *other = begin + (two ? 16 : 0);
    AMX_LOAD(0, begin, 0);
    AMX_LOAD(1, other, 0);
    AMX_LOAD(2, begin, 0);
    AMX_LOAD(3, other, 0);
}

/* Ask for the lines of [at, at + lines). */
AMX_INLINE const char *codes_ask(const char *at, size_t lines)
{
    for (size_t i = 0; i < lines; i++, at += 64)
        __builtin_prefetch(at, 0, 2);
    return at;
}

/* 64 rows times 16 queries, or 32 times 32, to sums, [row][query]. Returns where asking goes on. */
AMX_INLINE const char *codes_multiply(const vssi_dense_codes *job, const char *rows, const bool two,
                                      const int32_t *begin, int32_t *sums, const char *next, size_t lines)
{
    const size_t stride = job->stride, sixteen = 16 * stride;
    const char *queries = job->queries;
    codes_begin(two, begin);
    for (size_t s = 0; s < job->steps; s++, rows += VSSI_DENSE_STEP, queries += 2 * AMX_TILE) {
        AMX_LOAD(6, queries, 64);
        AMX_LOAD(4, rows, stride);
        AMX_MULTIPLY("tdpbusd", 0, 4, 6);
        AMX_LOAD(5, rows + sixteen, stride);
        if (two) {
            AMX_LOAD(7, queries + AMX_TILE, 64);
            AMX_MULTIPLY("tdpbusd", 2, 5, 6);
            AMX_MULTIPLY("tdpbusd", 1, 4, 7);
            AMX_MULTIPLY("tdpbusd", 3, 5, 7);
        } else {
            AMX_MULTIPLY("tdpbusd", 1, 5, 6);
            AMX_LOAD(4, rows + 2 * sixteen, stride);
            AMX_MULTIPLY("tdpbusd", 2, 4, 6);
            AMX_LOAD(5, rows + 3 * sixteen, stride);
            AMX_MULTIPLY("tdpbusd", 3, 5, 6);
        }
        next = codes_ask(next, lines);
    }
    const size_t width = two ? 128 : 64;
    AMX_STORE(0, sums, width);
    AMX_STORE(1, sums + (two ? 16 : 256), width);
    AMX_STORE(2, sums + 512, width);
    AMX_STORE(3, sums + (two ? 528 : 768), width);
    return next;
}

/* The pairs of a row that has some. */
AMX_INLINE size_t codes_list(const vssi_dense_codes *job, const int32_t *sums, size_t row, uint32_t mask,
                             const bool two, uint32_t *where, int32_t *values, size_t n)
{
    __m512i norm = _mm512_set1_epi32(job->norms[row]);
    for (int half = 0; half < (two ? 2 : 1); half++) {
        __m512i value = _mm512_sub_epi32(_mm512_load_si512(sums + 16 * half), norm);
        value = _mm512_add_epi32(value, _mm512_load_si512(job->least + 16 * half));
        __mmask16 hits = (__mmask16)(mask >> 16 * half);
        _mm512_storeu_si512(values + n, _mm512_maskz_compress_epi32(hits, value));
        values += __builtin_popcount(hits);
    }
    return amx_list((uint32_t)row, mask, where, n);
}

/* Compare a block's sums, [rows][queries]; n are listed already. Returns how many are listed then. */
AMX_INLINE size_t codes_compare(const vssi_dense_codes *job, const int32_t *sums, size_t from, const bool two,
                                uint32_t *where, int32_t *values, size_t n)
{
    const size_t rows = two ? 32 : 64, width = two ? 32 : 16, count = job->n_rows - from;
    __attribute__((aligned(64))) __mmask16 hits[64]; /* [rows][queries / 16] */
    for (size_t r = 0; r < rows; r++) {
        __m512i norm = _mm512_set1_epi32(job->norms[from + (r < count ? r : 0)]);
        if (two)
            hits[2 * r + 1] = _mm512_cmpge_epi32_mask(_mm512_load_si512(sums + r * width + 16), norm);
        hits[two ? 2 * r : r] = _mm512_cmpge_epi32_mask(_mm512_load_si512(sums + r * width), norm);
    }
    __m512i low = _mm512_load_si512(hits), high = _mm512_load_si512(hits + 32);
    uint64_t some = two ? _mm512_test_epi32_mask(low, low) | (uint64_t)_mm512_test_epi32_mask(high, high) << 16
                        : _mm512_test_epi16_mask(low, low) | (uint64_t)_mm512_test_epi16_mask(high, high) << 32;
    for (some &= count < rows ? ((uint64_t)1 << count) - 1 : ~(uint64_t)0; some != 0; some &= some - 1) {
        size_t r = (size_t)__builtin_ctzll(some);
        uint32_t mask = two ? hits[2 * r] | (uint32_t)hits[2 * r + 1] << 16 : hits[r];
        n = codes_list(job, sums + r * width, from + r, mask, two, where, values, n);
    }
    return n;
}

/* The greatest values among a block's rows, 16 of them at a time, to greatest[][32]. */
AMX_INLINE void codes_greatest(const vssi_dense_codes *job, const int32_t *sums, size_t from, const bool two,
                               int32_t *greatest)
{
    const size_t rows = two ? 32 : 64, width = two ? 32 : 16, parts = rows / 16;
    for (size_t part = 0; part < parts; part++) {
        for (size_t half = 0; half < width; half += 16) {
            __m512i most = _mm512_set1_epi32(INT32_MIN);
            for (size_t r = part; r < rows; r += parts) {
                __m512i sum = _mm512_load_si512(sums + r * width + half);
                most = _mm512_max_epi32(most, _mm512_sub_epi32(sum, _mm512_set1_epi32(job->norms[from + r])));
            }
            _mm512_storeu_si512(greatest + (from / 16 + part) * VSSI_DENSE_QUERIES + half, most);
        }
    }
}

/* Pairs, or, greatest not NULL, the greatest values. */
AMX_INLINE size_t codes_all(const vssi_dense_codes *job, const bool two, uint32_t *where, int32_t *values,
                            int32_t *greatest)
{
    __attribute__((aligned(64))) int32_t sums[2][CODES_SUMS], begin[VSSI_DENSE_QUERIES];
    const size_t rows = two ? 32 : 64, blocks = (job->n_rows + rows - 1) / rows, asks = blocks * job->steps;
    const size_t lines = (job->next_bytes / 64 + asks - 1) / asks;
    const char *next = job->next, *end = next + job->next_bytes;
    size_t n = 0;
    for (size_t q = 0; q < VSSI_DENSE_QUERIES; q++)
        begin[q] = greatest ? 0 : -job->least[q];
    for (size_t b = 0; b <= blocks; b++) { /* compared one block later than multiplied */
        const int32_t *last = sums[(b + 1) % 2];
        if (b < blocks)
            next = codes_multiply(job, job->rows + b * rows * job->stride, two, begin, sums[b % 2], next,
                                  next < end ? lines : 0);
        if (b > 0 && greatest)
            codes_greatest(job, last, (b - 1) * rows, two, greatest);
        else if (b > 0)
            n = codes_compare(job, last, (b - 1) * rows, two, where, values, n);
    }
    return n;
}

size_t vssi_dense_amx_codes(const vssi_dense_codes *job, uint32_t *where, int32_t *values)
{
    amx_take(&amx_tiles);
    size_t n = job->n_queries > 16 ? codes_all(job, true, where, values, NULL)
                                   : codes_all(job, false, where, values, NULL);
    amx_give_back();
    return n;
}

void vssi_dense_amx_greatest(const vssi_dense_codes *job, int32_t *greatest)
{
    amx_take(&amx_tiles);
    if (job->n_queries > 16)
        (void)codes_all(job, true, NULL, NULL, greatest);
    else
        (void)codes_all(job, false, NULL, NULL, greatest);
    amx_give_back();
}
