/*
 * simd_avx512.c - the kernels for AVX-512 F, BW, DQ, VL
 *
 * Four rows at once, two registers of sums a row: eight independent chains of fused multiply-adds, and one load of the
 * query serves four rows. The four horizontal sums are joined. Tails are masked loads. A row scored alone goes through
 * the same sequence of operations, so its score has the same bits. Streaming asks for the line 4 KiB ahead of each one
 * read; gathering asks for the first 16 lines of the rows two groups ahead.
 */
#include <immintrin.h>
#include <stdbool.h>

#include "simd.h"

#define AVX512_INLINE static inline __attribute__((always_inline))
#define AVX512_AHEAD 4096 /* bytes */
#define AVX512_LINES 16   /* of a row to come, at most */
#define AVX512_GROUPS 2   /* of four rows, ahead */

AVX512_INLINE void avx512_prefetch(const float *row, size_t offset)
{
    _mm_prefetch((const char *)((uintptr_t)row + offset), _MM_HINT_T0);
}

AVX512_INLINE __m512 avx512_step(__m512 sum, __m512 q, __m512 v, bool ip)
{
    if (ip)
        return _mm512_fmadd_ps(q, v, sum);
    __m512 difference = _mm512_sub_ps(q, v);
    return _mm512_fmadd_ps(difference, difference, sum);
}

AVX512_INLINE __m256 avx512_fold(__m512 low, __m512 high)
{
    __m512 sum = _mm512_add_ps(low, high);
    return _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
}

/* The sums of four registers of eight, in four lanes. */
AVX512_INLINE __m128 avx512_join(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 four = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1));
}

AVX512_INLINE __m128 avx512_sign(__m128 sums, bool ip)
{
    return ip ? _mm_xor_ps(sums, _mm_set1_ps(-0.0f)) : sums;
}

/* Scores of four rows. stream: prefetch AVX512_AHEAD bytes past what is read. */
AVX512_INLINE __m128 avx512_four(const float *q, const float *const r[4], size_t dim, bool ip, bool stream)
{
    __m512 low[4], high[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        low[j] = high[j] = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + 32 <= dim; i += 32) {
        __m512 q0 = _mm512_loadu_ps(q + i), q1 = _mm512_loadu_ps(q + i + 16);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            if (stream) {
                avx512_prefetch(r[j] + i, AVX512_AHEAD);
                avx512_prefetch(r[j] + i, AVX512_AHEAD + 64);
            }
            low[j] = avx512_step(low[j], q0, _mm512_loadu_ps(r[j] + i), ip);
            high[j] = avx512_step(high[j], q1, _mm512_loadu_ps(r[j] + i + 16), ip);
        }
    }
    if (i + 16 <= dim) {
        __m512 q0 = _mm512_loadu_ps(q + i);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            if (stream)
                avx512_prefetch(r[j] + i, AVX512_AHEAD);
            low[j] = avx512_step(low[j], q0, _mm512_loadu_ps(r[j] + i), ip);
        }
        i += 16;
    }
    if (i < dim) {
        __mmask16 mask = (__mmask16)((1u << (dim - i)) - 1);
        __m512 q0 = _mm512_maskz_loadu_ps(mask, q + i);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            if (stream)
                avx512_prefetch(r[j] + i, AVX512_AHEAD);
            high[j] = avx512_step(high[j], q0, _mm512_maskz_loadu_ps(mask, r[j] + i), ip);
        }
    }
    return avx512_sign(avx512_join(avx512_fold(low[0], high[0]), avx512_fold(low[1], high[1]),
                                   avx512_fold(low[2], high[2]), avx512_fold(low[3], high[3])), ip);
}

/* The score of one row, by the same operations. */
AVX512_INLINE float avx512_one(const float *q, const float *r, size_t dim, bool ip)
{
    __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + 32 <= dim; i += 32) {
        low = avx512_step(low, _mm512_loadu_ps(q + i), _mm512_loadu_ps(r + i), ip);
        high = avx512_step(high, _mm512_loadu_ps(q + i + 16), _mm512_loadu_ps(r + i + 16), ip);
    }
    if (i + 16 <= dim) {
        low = avx512_step(low, _mm512_loadu_ps(q + i), _mm512_loadu_ps(r + i), ip);
        i += 16;
    }
    if (i < dim) {
        __mmask16 mask = (__mmask16)((1u << (dim - i)) - 1);
        high = avx512_step(high, _mm512_maskz_loadu_ps(mask, q + i), _mm512_maskz_loadu_ps(mask, r + i), ip);
    }
    __m256 sum = avx512_fold(low, high);
    return _mm_cvtss_f32(avx512_sign(avx512_join(sum, sum, sum, sum), ip));
}

AVX512_INLINE void avx512_rows(const float *query, const float *rows, size_t dim, size_t n, float *scores, bool ip)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4, rows += 4 * dim) {
        const float *four[4] = {rows, rows + dim, rows + 2 * dim, rows + 3 * dim};
        _mm_storeu_ps(scores + i, avx512_four(query, four, dim, ip, true));
    }
    for (; i < n; i++, rows += dim)
        scores[i] = avx512_one(query, rows, dim, ip);
}

AVX512_INLINE void avx512_fetch(const float *base, size_t dim, const uint32_t *rows, size_t n, size_t lines)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = base + (size_t)rows[i] * dim;
        for (size_t line = 0; line < lines; line++)
            avx512_prefetch(row, line * 64);
    }
}

AVX512_INLINE void avx512_gather(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                                 float *scores, bool ip)
{
    size_t lines = (dim * sizeof(float) + 63) / 64;
    lines = lines < AVX512_LINES ? lines : AVX512_LINES;
    size_t fetched = n < 4 * AVX512_GROUPS ? n : 4 * AVX512_GROUPS, i = 0;
    avx512_fetch(base, dim, rows, fetched, lines);
    for (; i + 4 <= n; i += 4) {
        size_t more = n - fetched < 4 ? n - fetched : 4;
        avx512_fetch(base, dim, rows + fetched, more, lines);
        fetched += more;
        const float *four[4] = {base + (size_t)rows[i] * dim, base + (size_t)rows[i + 1] * dim,
                                base + (size_t)rows[i + 2] * dim, base + (size_t)rows[i + 3] * dim};
        _mm_storeu_ps(scores + i, avx512_four(query, four, dim, ip, false));
    }
    for (; i < n; i++)
        scores[i] = avx512_one(query, base + (size_t)rows[i] * dim, dim, ip);
}

static void avx512_l2_rows(const float *query, const float *rows, size_t dim, size_t n, float *scores)
{
    avx512_rows(query, rows, dim, n, scores, false);
}

static void avx512_ip_rows(const float *query, const float *rows, size_t dim, size_t n, float *scores)
{
    avx512_rows(query, rows, dim, n, scores, true);
}

static void avx512_l2_gather(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                             float *scores)
{
    avx512_gather(query, base, dim, rows, n, scores, false);
}

static void avx512_ip_gather(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                             float *scores)
{
    avx512_gather(query, base, dim, rows, n, scores, true);
}

const vssi_kernels vssi_simd_avx512 = {
    .level = "avx512",
    .l2_f32_rows = avx512_l2_rows,
    .ip_f32_rows = avx512_ip_rows,
    .l2_f32_gather = avx512_l2_gather,
    .ip_f32_gather = avx512_ip_gather,
};
