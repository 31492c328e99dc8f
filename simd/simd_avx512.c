/*
 * simd_avx512.c - the kernels for AVX-512 F, BW, DQ, VL
 *
 * Four rows at once, so that one load of the query serves four rows. Floats: 32 components a step, two registers of
 * sums a row, which are eight independent chains of fused multiply-adds. Halves are widened to float32 as they are
 * read; those of bfloat16 by a shift for the even components and a mask for the odd ones, against the query's even and
 * odd ones. Bytes: 32 a step, widened to 16 bits, multiplied and added in pairs to sums of 32 bits. The last components
 * are loaded under a mask. A row scored alone goes through the same sequence of operations. Bits are left to the level
 * below: a table in a register would be no faster on short rows than popcnt.
 */
#include "simd_avx512.h"

#define AVX512_INLINE VSSI_KERNELS_INLINE
#define AVX512_STEP 32 /* components */

/* 32 components: 0 to 15 and 16 to 31, or the even and the odd ones of BF16. */
typedef struct avx512_pair {
    __m512 low, high;
} avx512_pair;

/* Of a row, from the i-th on; those not in the mask are 0 and are not read. */
AVX512_INLINE avx512_pair avx512_floats(const char *row, size_t i, vssi_simd_type type, __mmask32 mask)
{
    const float *p = (const float *)(const void *)row + i;
    if (type == VSSI_SIMD_F32)
        return (avx512_pair){_mm512_maskz_loadu_ps((__mmask16)mask, p),
                             _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), p + 16)};
    __m512i halves = _mm512_maskz_loadu_epi16(mask, row + 2 * i);
    if (type == VSSI_SIMD_F16)
        return (avx512_pair){_mm512_cvtph_ps(_mm512_castsi512_si256(halves)),
                             _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1))};
    return (avx512_pair){_mm512_castsi512_ps(_mm512_slli_epi32(halves, 16)),
                         _mm512_castsi512_ps(_mm512_and_si512(halves, _mm512_set1_epi32((int)0xffff0000u)))};
}

/* The same without a mask. */
AVX512_INLINE avx512_pair avx512_floats_whole(const char *row, size_t i, vssi_simd_type type)
{
    const char *p = row + i * 2;
    if (type == VSSI_SIMD_F16)
        return (avx512_pair){_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p)),
                             _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p + 32)))};
    return avx512_floats(row, i, type, 0xffffffffu);
}

/* The query's components in the order of the rows'. */
AVX512_INLINE avx512_pair avx512_query(const char *query, size_t i, vssi_simd_type type, __mmask32 mask)
{
    avx512_pair q = avx512_floats(query, i, VSSI_SIMD_F32, mask);
    if (type != VSSI_SIMD_BF16)
        return q;
    __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    return (avx512_pair){_mm512_permutex2var_ps(q.low, even, q.high), _mm512_permutex2var_ps(q.low, odd, q.high)};
}

AVX512_INLINE __m512 avx512_step(__m512 sum, __m512 q, __m512 v, vssi_simd_op op)
{
    if (op == VSSI_SIMD_IP)
        return _mm512_fmadd_ps(q, v, sum);
    __m512 difference = _mm512_sub_ps(q, v);
    return _mm512_fmadd_ps(difference, difference, sum);
}

AVX512_INLINE void avx512_block_floats(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const vssi_simd_type type = job->type;
    const size_t dim = job->dim, width = vssi_simd_row_size(type, 1);
    __m512 low[4], high[4];
    size_t i = 0;
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        low[j] = high[j] = _mm512_setzero_ps();
    for (; i + AVX512_STEP <= dim; i += AVX512_STEP) {
        avx512_pair q = avx512_query(job->query, i, type, 0xffffffffu);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            if (job->stream)
                vssi_kernels_ahead(job, rows[j] + i * width);
            if (job->stream && type == VSSI_SIMD_F32)
                vssi_kernels_ahead(job, rows[j] + i * width + 64);
            avx512_pair v = avx512_floats_whole(rows[j], i, type);
            low[j] = avx512_step(low[j], q.low, v.low, job->op);
            high[j] = avx512_step(high[j], q.high, v.high, job->op);
        }
    }
    if (i < dim) {
        __mmask32 mask = (1u << (dim - i)) - 1;
        avx512_pair q = avx512_query(job->query, i, type, mask);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            avx512_pair v = avx512_floats(rows[j], i, type, mask);
            low[j] = avx512_step(low[j], q.low, v.low, job->op);
            high[j] = avx512_step(high[j], q.high, v.high, job->op);
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        low[j] = _mm512_add_ps(low[j], high[j]);
    __m128 four = vssi_avx512_join(low);
    vssi_avx512_store(job->op == VSSI_SIMD_IP ? _mm_xor_ps(four, _mm_set1_ps(-0.0f)) : four, count, scores);
}

/* 32 bytes from the i-th on, widened; those not in the mask are 0 and are not read. */
AVX512_INLINE __m512i avx512_bytes(const char *row, size_t i, vssi_simd_type type, __mmask32 mask)
{
    __m256i bytes = _mm256_maskz_loadu_epi8(mask, row + i);
    return type == VSSI_SIMD_I8 ? _mm512_cvtepi8_epi16(bytes) : _mm512_cvtepu8_epi16(bytes);
}

AVX512_INLINE __m512i avx512_add(__m512i sum, __m512i q, __m512i v, vssi_simd_op op)
{
    if (op == VSSI_SIMD_L2)
        q = v = _mm512_sub_epi16(q, v);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(q, v));
}

AVX512_INLINE void avx512_block_bytes(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const vssi_simd_type type = job->type;
    const size_t dim = job->dim;
    __m512i sum[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        sum[j] = _mm512_setzero_si512();
    for (size_t i = 0; i < dim; i += AVX512_STEP) {
        __mmask32 mask = dim - i < AVX512_STEP ? (1u << (dim - i)) - 1 : 0xffffffffu;
        __m512i q = avx512_bytes(job->query, i, type, mask);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            if (job->stream)
                vssi_kernels_ahead(job, rows[j] + i);
            sum[j] = avx512_add(sum[j], q, avx512_bytes(rows[j], i, type, mask), job->op);
        }
    }
    __m128i four = vssi_avx512_join_int(sum);
    if (job->op == VSSI_SIMD_IP)
        four = _mm_sub_epi32(_mm_setzero_si128(), four);
    vssi_avx512_store(_mm_cvtepi32_ps(four), count, scores);
}

AVX512_INLINE void avx512_block(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    if (job->type == VSSI_SIMD_I8 || job->type == VSSI_SIMD_U8)
        avx512_block_bytes(job, rows, count, scores);
    else
        avx512_block_floats(job, rows, count, scores);
}

AVX512_INLINE int32_t avx512_prepare(const void *query, size_t dim, vssi_simd_type type, vssi_simd_op op)
{
    (void)query, (void)dim, (void)type, (void)op;
    return 0;
}

VSSI_KERNELS(avx512, l2_f32, VSSI_SIMD_F32, VSSI_SIMD_L2)
VSSI_KERNELS(avx512, ip_f32, VSSI_SIMD_F32, VSSI_SIMD_IP)
VSSI_KERNELS(avx512, l2_f16, VSSI_SIMD_F16, VSSI_SIMD_L2)
VSSI_KERNELS(avx512, ip_f16, VSSI_SIMD_F16, VSSI_SIMD_IP)
VSSI_KERNELS(avx512, l2_bf16, VSSI_SIMD_BF16, VSSI_SIMD_L2)
VSSI_KERNELS(avx512, ip_bf16, VSSI_SIMD_BF16, VSSI_SIMD_IP)
VSSI_KERNELS(avx512, l2_i8, VSSI_SIMD_I8, VSSI_SIMD_L2)
VSSI_KERNELS(avx512, ip_i8, VSSI_SIMD_I8, VSSI_SIMD_IP)
VSSI_KERNELS(avx512, l2_u8, VSSI_SIMD_U8, VSSI_SIMD_L2)
VSSI_KERNELS(avx512, ip_u8, VSSI_SIMD_U8, VSSI_SIMD_IP)

const vssi_kernels vssi_simd_avx512 = {
    .level = "avx512",
    .below = &vssi_simd_avx2,
    .rows = {[VSSI_SIMD_F32] = VSSI_KERNELS_ROWS(avx512, l2_f32, ip_f32),
             [VSSI_SIMD_F16] = VSSI_KERNELS_ROWS(avx512, l2_f16, ip_f16),
             [VSSI_SIMD_BF16] = VSSI_KERNELS_ROWS(avx512, l2_bf16, ip_bf16),
             [VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(avx512, l2_i8, ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(avx512, l2_u8, ip_u8)},
    .gather = {[VSSI_SIMD_F32] = VSSI_KERNELS_GATHER(avx512, l2_f32, ip_f32),
               [VSSI_SIMD_F16] = VSSI_KERNELS_GATHER(avx512, l2_f16, ip_f16),
               [VSSI_SIMD_BF16] = VSSI_KERNELS_GATHER(avx512, l2_bf16, ip_bf16),
               [VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(avx512, l2_i8, ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(avx512, l2_u8, ip_u8)},
};
