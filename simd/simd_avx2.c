/*
 * simd_avx2.c - the kernels for AVX2 with FMA, F16C and POPCNT
 *
 * Four rows at once, so that one load of the query serves four rows. Floats: eight components a step, two registers of
 * sums a row, which are eight independent chains of fused multiply-adds; halves are widened to float32 as they are
 * read. Bytes: sixteen a step, widened to 16 bits, multiplied and added in pairs to sums of 32 bits. Bits: counted by
 * 64 with popcnt. A row scored alone goes through the same sequence of operations. Nothing is read past a row's end:
 * the last components are loaded under a mask, or piece by piece.
 */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

#define AVX2_INLINE VSSI_KERNELS_INLINE

/* n <= 8 bytes, zeros behind them. */
AVX2_INLINE uint64_t avx2_word(const char *p, size_t n)
{
    uint64_t word = 0;
    uint32_t first = 0, last = 0;
    if (n == 8) {
        memcpy(&word, p, 8);
        return word;
    }
    if (n >= 4) {
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        return first | (uint64_t)last << (8 * (n - 4));
    }
    if (n >= 2) {
        memcpy(&first, p, 2);
        memcpy(&last, p + n - 2, 2);
        return first | last << (8 * (n - 2));
    }
    return n ? (uint8_t)*p : 0;
}

/* n <= 16 bytes, zeros behind them. */
AVX2_INLINE __m128i avx2_part(const char *p, size_t n)
{
    size_t low = n < 8 ? n : 8;
    return _mm_set_epi64x((int64_t)avx2_word(p + low, n - low), (int64_t)avx2_word(p, low));
}

/* n <= 8 components from the i-th on as float32, zeros behind them. */
AVX2_INLINE __m256 avx2_floats(const char *row, size_t i, size_t n, vssi_simd_type type)
{
    if (type == VSSI_SIMD_F32) {
        const float *p = (const float *)(const void *)row + i;
        if (n == 8)
            return _mm256_loadu_ps(p);
        __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lanes));
    }
    const char *p = row + 2 * i;
    __m128i halves = n == 8 ? _mm_loadu_si128((const __m128i *)(const void *)p) : avx2_part(p, 2 * n);
    if (type == VSSI_SIMD_F16)
        return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

AVX2_INLINE __m256 avx2_step(__m256 sum, __m256 q, __m256 v, vssi_simd_op op)
{
    if (op == VSSI_SIMD_IP)
        return _mm256_fmadd_ps(q, v, sum);
    __m256 difference = _mm256_sub_ps(q, v);
    return _mm256_fmadd_ps(difference, difference, sum);
}

AVX2_INLINE void avx2_store(__m128 four, int count, float *scores)
{
    if (count == 1)
        *scores = _mm_cvtss_f32(four);
    else
        _mm_storeu_ps(scores, four);
}

AVX2_INLINE void avx2_block_floats(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const vssi_simd_type type = job->type;
    const size_t dim = job->dim, width = vssi_simd_row_size(type, 1);
    __m256 low[4] = {_mm256_setzero_ps()}, high[4] = {_mm256_setzero_ps()};
    size_t i = 0;
    for (int j = 1; j < count; j++)
        low[j] = high[j] = low[0];
    for (; i + 16 <= dim; i += 16) {
        __m256 q0 = avx2_floats(job->query, i, 8, VSSI_SIMD_F32), q1 = avx2_floats(job->query, i + 8, 8, VSSI_SIMD_F32);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            if (job->stream)
                vssi_kernels_ahead(job, rows[j] + i * width);
            low[j] = avx2_step(low[j], q0, avx2_floats(rows[j], i, 8, type), job->op);
            high[j] = avx2_step(high[j], q1, avx2_floats(rows[j], i + 8, 8, type), job->op);
        }
    }
    for (; i < dim; i += 8) {
        size_t n = dim - i < 8 ? dim - i : 8;
        __m256 q = avx2_floats(job->query, i, n, VSSI_SIMD_F32);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            low[j] = avx2_step(low[j], q, avx2_floats(rows[j], i, n, type), job->op);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        low[j] = j < count ? _mm256_add_ps(low[j], high[j]) : low[0];
    __m256 sums = _mm256_hadd_ps(_mm256_hadd_ps(low[0], low[1]), _mm256_hadd_ps(low[2], low[3]));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
    avx2_store(job->op == VSSI_SIMD_IP ? _mm_xor_ps(four, _mm_set1_ps(-0.0f)) : four, count, scores);
}

/* n <= 16 bytes from the i-th on, widened, zeros behind them. */
AVX2_INLINE __m256i avx2_bytes(const char *row, size_t i, size_t n, vssi_simd_type type)
{
    const char *p = row + i;
    __m128i bytes = n == 16 ? _mm_loadu_si128((const __m128i *)(const void *)p) : avx2_part(p, n);
    return type == VSSI_SIMD_I8 ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes);
}

AVX2_INLINE __m256i avx2_add(__m256i sum, __m256i q, __m256i v, vssi_simd_op op)
{
    if (op == VSSI_SIMD_L2)
        q = v = _mm256_sub_epi16(q, v);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(q, v));
}

AVX2_INLINE void avx2_block_bytes(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const vssi_simd_type type = job->type;
    const size_t dim = job->dim;
    __m256i sum[4] = {_mm256_setzero_si256()};
    size_t i = 0;
    for (int j = 1; j < 4; j++)
        sum[j] = sum[0];
    for (; i + 16 <= dim; i += 16) {
        __m256i q = avx2_bytes(job->query, i, 16, type);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            if (job->stream)
                vssi_kernels_ahead(job, rows[j] + i);
            sum[j] = avx2_add(sum[j], q, avx2_bytes(rows[j], i, 16, type), job->op);
        }
    }
    if (i < dim) {
        __m256i q = avx2_bytes(job->query, i, dim - i, type);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++)
            sum[j] = avx2_add(sum[j], q, avx2_bytes(rows[j], i, dim - i, type), job->op);
    }
    __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    if (job->op == VSSI_SIMD_IP)
        four = _mm_sub_epi32(_mm_setzero_si128(), four);
    avx2_store(_mm_cvtepi32_ps(four), count, scores);
}

AVX2_INLINE void avx2_block_bits(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const size_t size = job->dim / 8;
    uint32_t differ[4] = {0}, either[4] = {0};
    for (size_t i = 0; i < size; i += 8) {
        size_t n = size - i < 8 ? size - i : 8;
        uint64_t q = avx2_word((const char *)job->query + i, n);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            if (job->stream)
                vssi_kernels_ahead(job, rows[j] + i);
            uint64_t v = avx2_word(rows[j] + i, n);
            differ[j] += (uint32_t)__builtin_popcountll(q ^ v);
            if (job->op == VSSI_SIMD_JACCARD)
                either[j] += (uint32_t)__builtin_popcountll(q | v);
        }
    }
    for (int j = 0; j < count; j++) {
        if (job->op == VSSI_SIMD_HAMMING)
            scores[j] = (float)differ[j];
        else
            scores[j] = either[j] ? (float)differ[j] / (float)either[j] : 0;
    }
}

AVX2_INLINE void avx2_block(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    if (job->type == VSSI_SIMD_BITS)
        avx2_block_bits(job, rows, count, scores);
    else if (job->type == VSSI_SIMD_I8 || job->type == VSSI_SIMD_U8)
        avx2_block_bytes(job, rows, count, scores);
    else
        avx2_block_floats(job, rows, count, scores);
}

AVX2_INLINE int32_t avx2_prepare(const void *query, size_t dim, vssi_simd_type type, vssi_simd_op op)
{
    (void)query, (void)dim, (void)type, (void)op;
    return 0;
}

VSSI_KERNELS(avx2, l2_f32, VSSI_SIMD_F32, VSSI_SIMD_L2)
VSSI_KERNELS(avx2, ip_f32, VSSI_SIMD_F32, VSSI_SIMD_IP)
VSSI_KERNELS(avx2, l2_f16, VSSI_SIMD_F16, VSSI_SIMD_L2)
VSSI_KERNELS(avx2, ip_f16, VSSI_SIMD_F16, VSSI_SIMD_IP)
VSSI_KERNELS(avx2, l2_bf16, VSSI_SIMD_BF16, VSSI_SIMD_L2)
VSSI_KERNELS(avx2, ip_bf16, VSSI_SIMD_BF16, VSSI_SIMD_IP)
VSSI_KERNELS(avx2, l2_i8, VSSI_SIMD_I8, VSSI_SIMD_L2)
VSSI_KERNELS(avx2, ip_i8, VSSI_SIMD_I8, VSSI_SIMD_IP)
VSSI_KERNELS(avx2, l2_u8, VSSI_SIMD_U8, VSSI_SIMD_L2)
VSSI_KERNELS(avx2, ip_u8, VSSI_SIMD_U8, VSSI_SIMD_IP)
VSSI_KERNELS(avx2, hamming, VSSI_SIMD_BITS, VSSI_SIMD_HAMMING)
VSSI_KERNELS(avx2, jaccard, VSSI_SIMD_BITS, VSSI_SIMD_JACCARD)

const vssi_kernels vssi_simd_avx2 = {
    .level = "avx2",
    .below = &vssi_simd_scalar,
    .rows = {[VSSI_SIMD_F32] = VSSI_KERNELS_ROWS(avx2, l2_f32, ip_f32),
             [VSSI_SIMD_F16] = VSSI_KERNELS_ROWS(avx2, l2_f16, ip_f16),
             [VSSI_SIMD_BF16] = VSSI_KERNELS_ROWS(avx2, l2_bf16, ip_bf16),
             [VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(avx2, l2_i8, ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(avx2, l2_u8, ip_u8),
             [VSSI_SIMD_BITS] = VSSI_KERNELS_ROWS(avx2, hamming, jaccard)},
    .gather = {[VSSI_SIMD_F32] = VSSI_KERNELS_GATHER(avx2, l2_f32, ip_f32),
               [VSSI_SIMD_F16] = VSSI_KERNELS_GATHER(avx2, l2_f16, ip_f16),
               [VSSI_SIMD_BF16] = VSSI_KERNELS_GATHER(avx2, l2_bf16, ip_bf16),
               [VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(avx2, l2_i8, ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(avx2, l2_u8, ip_u8),
               [VSSI_SIMD_BITS] = VSSI_KERNELS_GATHER(avx2, hamming, jaccard)},
};
