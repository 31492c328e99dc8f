/*
 * simd_avx2.c - the kernels for AVX2 with FMA
 *
 * Four rows at once, two registers of sums a row: eight independent chains of fused multiply-adds, and one load of the
 * query serves four rows. The four horizontal sums are joined; the last dim % 8 components are added one by one. A row
 * scored alone goes through the same sequence of operations, so its score has the same bits. Streaming asks for the
 * line 4 KiB ahead of each one read; gathering asks for the first 16 lines of the rows two groups ahead.
 */
#include <immintrin.h>
#include <stdbool.h>

#include "simd.h"

#define AVX2_INLINE static inline __attribute__((always_inline))
#define AVX2_AHEAD 4096 /* bytes */
#define AVX2_LINES 16   /* of a row to come, at most */
#define AVX2_GROUPS 2   /* of four rows, ahead */

AVX2_INLINE void avx2_prefetch(const float *row, size_t offset)
{
    _mm_prefetch((const char *)((uintptr_t)row + offset), _MM_HINT_T0);
}

AVX2_INLINE __m256 avx2_step(__m256 sum, __m256 q, __m256 v, bool ip)
{
    if (ip)
        return _mm256_fmadd_ps(q, v, sum);
    __m256 difference = _mm256_sub_ps(q, v);
    return _mm256_fmadd_ps(difference, difference, sum);
}

/* The sums of four registers of eight, in four lanes. */
AVX2_INLINE __m128 avx2_join(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 four = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1));
}

/* One component of a row, added to the lowest lane: the same operation for a row alone and for each of four. */
AVX2_INLINE __m128 avx2_tail(const float *q, const float *r, size_t begin, size_t dim, bool ip)
{
    __m128 sum = _mm_setzero_ps();
    for (size_t i = begin; i < dim; i++) {
        __m128 a = _mm_castsi128_ps(_mm_loadu_si32(q + i)), b = _mm_castsi128_ps(_mm_loadu_si32(r + i));
        if (!ip)
            a = b = _mm_sub_ss(a, b);
        sum = _mm_fmadd_ss(a, b, sum);
    }
    return sum;
}

AVX2_INLINE __m128 avx2_sign(__m128 sums, bool ip) { return ip ? _mm_xor_ps(sums, _mm_set1_ps(-0.0f)) : sums; }

/* Scores of four rows. stream: prefetch AVX2_AHEAD bytes past what is read. */
AVX2_INLINE __m128 avx2_four(const float *q, const float *const r[4], size_t dim, bool ip, bool stream)
{
    __m256 low[4], high[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        low[j] = high[j] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= dim; i += 16) {
        __m256 q0 = _mm256_loadu_ps(q + i), q1 = _mm256_loadu_ps(q + i + 8);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            if (stream)
                avx2_prefetch(r[j] + i, AVX2_AHEAD);
            low[j] = avx2_step(low[j], q0, _mm256_loadu_ps(r[j] + i), ip);
            high[j] = avx2_step(high[j], q1, _mm256_loadu_ps(r[j] + i + 8), ip);
        }
    }
    if (i + 8 <= dim) {
        __m256 q0 = _mm256_loadu_ps(q + i);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            if (stream)
                avx2_prefetch(r[j] + i, AVX2_AHEAD);
            low[j] = avx2_step(low[j], q0, _mm256_loadu_ps(r[j] + i), ip);
        }
        i += 8;
    }
    __m128 sums = avx2_join(_mm256_add_ps(low[0], high[0]), _mm256_add_ps(low[1], high[1]),
                            _mm256_add_ps(low[2], high[2]), _mm256_add_ps(low[3], high[3]));
    if (i < dim) {
        __m128 t01 = _mm_unpacklo_ps(avx2_tail(q, r[0], i, dim, ip), avx2_tail(q, r[1], i, dim, ip));
        __m128 t23 = _mm_unpacklo_ps(avx2_tail(q, r[2], i, dim, ip), avx2_tail(q, r[3], i, dim, ip));
        sums = _mm_add_ps(sums, _mm_movelh_ps(t01, t23));
    }
    return avx2_sign(sums, ip);
}

/* The score of one row, by the same operations. */
AVX2_INLINE float avx2_one(const float *q, const float *r, size_t dim, bool ip)
{
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= dim; i += 16) {
        low = avx2_step(low, _mm256_loadu_ps(q + i), _mm256_loadu_ps(r + i), ip);
        high = avx2_step(high, _mm256_loadu_ps(q + i + 8), _mm256_loadu_ps(r + i + 8), ip);
    }
    if (i + 8 <= dim) {
        low = avx2_step(low, _mm256_loadu_ps(q + i), _mm256_loadu_ps(r + i), ip);
        i += 8;
    }
    __m256 both = _mm256_add_ps(low, high);
    __m128 sum = avx2_join(both, both, both, both);
    if (i < dim)
        sum = _mm_add_ps(sum, avx2_tail(q, r, i, dim, ip));
    return _mm_cvtss_f32(avx2_sign(sum, ip));
}

AVX2_INLINE void avx2_rows(const float *query, const float *rows, size_t dim, size_t n, float *scores, bool ip)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4, rows += 4 * dim) {
        const float *four[4] = {rows, rows + dim, rows + 2 * dim, rows + 3 * dim};
        _mm_storeu_ps(scores + i, avx2_four(query, four, dim, ip, true));
    }
    for (; i < n; i++, rows += dim)
        scores[i] = avx2_one(query, rows, dim, ip);
}

AVX2_INLINE void avx2_fetch(const float *base, size_t dim, const uint32_t *rows, size_t n, size_t lines)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = base + (size_t)rows[i] * dim;
        for (size_t line = 0; line < lines; line++)
            avx2_prefetch(row, line * 64);
    }
}

AVX2_INLINE void avx2_gather(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                             float *scores, bool ip)
{
    size_t lines = (dim * sizeof(float) + 63) / 64;
    lines = lines < AVX2_LINES ? lines : AVX2_LINES;
    size_t fetched = n < 4 * AVX2_GROUPS ? n : 4 * AVX2_GROUPS, i = 0;
    avx2_fetch(base, dim, rows, fetched, lines);
    for (; i + 4 <= n; i += 4) {
        size_t more = n - fetched < 4 ? n - fetched : 4;
        avx2_fetch(base, dim, rows + fetched, more, lines);
        fetched += more;
        const float *four[4] = {base + (size_t)rows[i] * dim, base + (size_t)rows[i + 1] * dim,
                                base + (size_t)rows[i + 2] * dim, base + (size_t)rows[i + 3] * dim};
        _mm_storeu_ps(scores + i, avx2_four(query, four, dim, ip, false));
    }
    for (; i < n; i++)
        scores[i] = avx2_one(query, base + (size_t)rows[i] * dim, dim, ip);
}

static void avx2_l2_rows(const float *query, const float *rows, size_t dim, size_t n, float *scores)
{
    avx2_rows(query, rows, dim, n, scores, false);
}

static void avx2_ip_rows(const float *query, const float *rows, size_t dim, size_t n, float *scores)
{
    avx2_rows(query, rows, dim, n, scores, true);
}

static void avx2_l2_gather(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                           float *scores)
{
    avx2_gather(query, base, dim, rows, n, scores, false);
}

static void avx2_ip_gather(const float *query, const float *base, size_t dim, const uint32_t *rows, size_t n,
                           float *scores)
{
    avx2_gather(query, base, dim, rows, n, scores, true);
}

const vssi_kernels vssi_simd_avx2 = {
    .level = "avx2",
    .l2_f32_rows = avx2_l2_rows,
    .ip_f32_rows = avx2_ip_rows,
    .l2_f32_gather = avx2_l2_gather,
    .ip_f32_gather = avx2_ip_gather,
};
