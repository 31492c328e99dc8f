/*
 * pairs_avx512vnni.c - keys of 12 queries times 32 rows of codes, and the least of many keys
 *
 * Products as in tile_avx512vnni.c: 24 registers of sums, two vpdpbusd a query and four codes. The least of many keys
 * goes as in pairs.c; what is left is put in order by counting, for each key, the keys below it.
 */
#include "pairs.h"

#include <immintrin.h>

#define PAIRS_INLINE static inline __attribute__((always_inline))
#define PAIRS_MANY 128u    /* keys from which on columns are worth while; and most keys ordered by counting */
#define PAIRS_COLUMNS 16u

/* In assembly: gcc 12 moves the sums of the intrinsic to memory and back from 24 registers on. */
PAIRS_INLINE __m512i pairs_add(__m512i sum, __m512i codes, __m512i query)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(query));
    return sum;
}

PAIRS_INLINE __m512i pairs_keys_of(__m512i sum, __m512i base, __m512i norm, __m512i number)
{
    __m512i score = _mm512_sub_epi32(_mm512_add_epi32(base, norm), _mm512_slli_epi32(sum, 1));
    __m512i bits = _mm512_slli_epi32(_mm512_castps_si512(_mm512_cvtepi32_ps(score)), 1);
    __m512i mask = _mm512_set1_epi32((int)~(VSSI_PAIRS_MOST - 1));
    return _mm512_ternarylogic_epi32(bits, mask, number, 0xea); /* bits & mask | number */
}

static void pairs_vnni_keys(const vssi_pairs_job *job, uint32_t *keys, size_t stride)
{
    __m512i low[VSSI_PAIRS_QUERIES], high[VSSI_PAIRS_QUERIES];
    const char *v = job->panel;
    const int32_t *query = job->queries;
#pragma GCC unroll 12
    for (size_t q = 0; q < VSSI_PAIRS_QUERIES; q++)
        low[q] = high[q] = _mm512_setzero_si512();
    for (size_t i = 0; i < job->units; i++, v += 128, query += VSSI_PAIRS_QUERIES) {
        __m512i v_low = _mm512_load_si512(v), v_high = _mm512_load_si512(v + 64);
#pragma GCC unroll 12
        for (size_t q = 0; q < VSSI_PAIRS_QUERIES; q++) {
            __m512i four = _mm512_set1_epi32(query[q]);
            low[q] = pairs_add(low[q], v_low, four);
            high[q] = pairs_add(high[q], v_high, four);
        }
    }
    __m512i base_low = _mm512_load_si512(job->bases), base_high = _mm512_load_si512(job->bases + 16);
    __m512i number = _mm512_add_epi32(_mm512_set1_epi32((int)job->first),
                                      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    __m512i after = _mm512_add_epi32(number, _mm512_set1_epi32(16));
#pragma GCC unroll 12
    for (size_t q = 0; q < VSSI_PAIRS_QUERIES; q++) {
        __m512i norm = _mm512_set1_epi32(job->norms[q]);
        _mm512_store_si512(keys + q * stride, pairs_keys_of(low[q], base_low, norm, number));
        _mm512_store_si512(keys + q * stride + 16, pairs_keys_of(high[q], base_high, norm, after));
    }
}

/* The k least of keys[n] by their ranks, n at most 16 * count; keys are NONE up to there. */
PAIRS_INLINE void pairs_rank(const uint32_t *keys, size_t n, size_t k, const size_t count, uint32_t *out)
{
    __m512i all[8], rank[8], one = _mm512_set1_epi32(1);
#pragma GCC unroll 8
    for (size_t r = 0; r < count; r++) {
        all[r] = _mm512_loadu_si512(keys + 16 * r);
        rank[r] = _mm512_setzero_si512();
    }
    for (size_t j = 0; j < n; j++) {
        __m512i key = _mm512_set1_epi32((int)keys[j]);
#pragma GCC unroll 8
        for (size_t r = 0; r < count; r++)
            rank[r] = _mm512_mask_add_epi32(rank[r], _mm512_cmplt_epu32_mask(key, all[r]), rank[r], one);
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < count; r++) {
        uint32_t ranks[16], in = _mm512_cmplt_epu32_mask(rank[r], _mm512_set1_epi32((int)k));
        _mm512_storeu_si512(ranks, rank[r]);
        for (; in != 0; in &= in - 1)
            out[ranks[__builtin_ctz(in)]] = keys[16 * r + (size_t)__builtin_ctz(in)];
    }
}

static void pairs_order(const uint32_t *keys, size_t n, size_t k, uint32_t *out)
{
    for (size_t i = 0; i < k; i++)
        out[i] = VSSI_PAIRS_NONE;
    if (n <= 16)
        pairs_rank(keys, n, k, 1, out);
    else if (n <= 32)
        pairs_rank(keys, n, k, 2, out);
    else if (n <= 64)
        pairs_rank(keys, n, k, 4, out);
    else
        pairs_rank(keys, n, k, 8, out);
}

/* The k-th least of 16 keys, or the greatest of those that are equal to it. */
PAIRS_INLINE uint32_t pairs_bound(__m512i least, size_t k)
{
    __m512i rank = _mm512_setzero_si512(), one = _mm512_set1_epi32(1);
#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) {
        __m512i key = _mm512_permutexvar_epi32(_mm512_set1_epi32(j), least);
        rank = _mm512_mask_add_epi32(rank, _mm512_cmplt_epu32_mask(key, least), rank, one);
    }
    __mmask16 in = _mm512_cmplt_epu32_mask(rank, _mm512_set1_epi32((int)k));
    return (uint32_t)_mm512_mask_reduce_max_epu32(in, least);
}

static void pairs_vnni_least(const uint32_t *keys, size_t n, size_t k, uint32_t *out)
{
    uint32_t left[VSSI_PAIRS_MOST + PAIRS_MANY];
    size_t n_left = 0;
    if (n < PAIRS_MANY) {
        for (size_t i = 0; i < PAIRS_MANY; i += 16)
            _mm512_storeu_si512(left + i, i < n ? _mm512_load_si512(keys + i) : _mm512_set1_epi32(-1));
        pairs_order(left, n, k, out);
        return;
    }
    if (k == 0 || k > PAIRS_COLUMNS) {
        vssi_pairs_insert(keys, n, k, out);
        return;
    }
    __m512i least = _mm512_load_si512(keys);
    for (size_t j = 16; j < n; j += 16)
        least = _mm512_min_epu32(least, _mm512_load_si512(keys + j));
    __m512i bound = _mm512_set1_epi32((int)pairs_bound(least, k));
    for (size_t j = 0; j < n; j += 16) {
        __m512i some = _mm512_load_si512(keys + j);
        __mmask16 in = _mm512_cmple_epu32_mask(some, bound);
        _mm512_storeu_si512(left + n_left, _mm512_maskz_compress_epi32(in, some));
        n_left += (size_t)__builtin_popcount(in);
    }
    if (n_left > PAIRS_MANY) {
        vssi_pairs_insert(left, n_left, k, out);
        return;
    }
    for (size_t i = n_left; i < PAIRS_MANY; i += 16)
        _mm512_storeu_si512(left + i, _mm512_set1_epi32(-1));
    pairs_order(left, n_left, k, out);
}

const vssi_pairs vssi_pairs_avx512vnni = {"avx512vnni", pairs_vnni_keys, pairs_vnni_least};
