/*
 * simd_avx512vnni.c - the kernels of bytes and bits for AVX-512 with VNNI and VPOPCNTDQ
 *
 * vpdpbusd multiplies unsigned by signed bytes and adds four products to a sum of 32 bits, and does not saturate. A
 * vector v of bytes is read in two ways: u = the bytes as unsigned (of I8: v + 128), s = as signed (of U8: v - 128),
 * one from the other by turning the top bit. With t the query's s:
 *     IP  of I8  u . t - 128 sum(t)             IP of U8  query . s + 128 sum(query)
 *     L2         |query's u|^2 + u . s - 2 u . t - 128 sum(u) = sum (u - (t + 128))^2
 * where what depends on the query alone is worked out once a call (the cost of about half a row). Intermediate sums may
 * wrap, the results do not: they are below 2^31 for dim up to 32,768. Bits are counted by 64 in vectors. Four rows at
 * once, 64 bytes a step, the last ones under a mask.
 */
#include "simd_avx512.h"

#define VNNI_INLINE VSSI_KERNELS_INLINE

/* The mask of the bytes i to i + 63 of a row of size. */
VNNI_INLINE __mmask64 vnni_mask(size_t size, size_t i)
{
    return size - i < 64 ? ((__mmask64)1 << (size - i)) - 1 : ~(__mmask64)0;
}

/* The top bit turned, of the bytes in the mask. */
VNNI_INLINE __m512i vnni_turn(__m512i bytes, __mmask64 mask)
{
    return _mm512_xor_si512(bytes, _mm512_maskz_set1_epi8(mask, (char)-128));
}

VNNI_INLINE int32_t vnni_prepare(const void *query, size_t dim, vssi_simd_type type, vssi_simd_op op)
{
    if (type == VSSI_SIMD_BITS)
        return 0;
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512(), product = sum;
    for (size_t i = 0; i < dim; i += 64) {
        __mmask64 mask = vnni_mask(dim, i);
        __m512i q = _mm512_maskz_loadu_epi8(mask, (const char *)query + i), turned = vnni_turn(q, mask);
        if (op == VSSI_SIMD_IP) {
            sum = type == VSSI_SIMD_I8 ? _mm512_dpbusd_epi32(sum, ones, q) : _mm512_dpbusd_epi32(sum, q, ones);
        } else {
            __m512i u = type == VSSI_SIMD_I8 ? turned : q, s = type == VSSI_SIMD_I8 ? q : turned;
            sum = _mm512_dpbusd_epi32(sum, u, ones);
            product = _mm512_dpbusd_epi32(product, u, s);
        }
    }
    uint32_t total = 128 * (uint32_t)_mm512_reduce_add_epi32(sum);
    if (op == VSSI_SIMD_IP)
        return (int32_t)(type == VSSI_SIMD_I8 ? 0 - total : total);
    return (int32_t)(total + (uint32_t)_mm512_reduce_add_epi32(product));
}

/* What a step of a row adds: to a the product with the query, to b and c (L2) the row's own terms. */
typedef struct vnni_sums {
    __m512i a, b, c;
} vnni_sums;

VNNI_INLINE vnni_sums vnni_add(vnni_sums sum, __m512i q, __m512i v, __mmask64 mask, vssi_simd_type type,
                               vssi_simd_op op)
{
    __m512i turned = vnni_turn(v, mask), u = type == VSSI_SIMD_I8 ? turned : v, s = type == VSSI_SIMD_I8 ? v : turned;
    if (op == VSSI_SIMD_IP) {
        sum.a = type == VSSI_SIMD_I8 ? _mm512_dpbusd_epi32(sum.a, u, q) : _mm512_dpbusd_epi32(sum.a, q, s);
    } else {
        sum.a = _mm512_dpbusd_epi32(sum.a, u, q);
        sum.b = _mm512_dpbusd_epi32(sum.b, u, s);
        sum.c = _mm512_dpbusd_epi32(sum.c, u, _mm512_set1_epi8(-128));
    }
    return sum;
}

VNNI_INLINE void vnni_block_bytes(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const bool turn = job->type == VSSI_SIMD_U8 && job->op == VSSI_SIMD_L2;
    const size_t dim = job->dim;
    const __m512i zero = _mm512_setzero_si512();
    vnni_sums sum[4] = {{zero, zero, zero}, {zero, zero, zero}, {zero, zero, zero}, {zero, zero, zero}};
    size_t i = 0;
    for (; i + 64 <= dim; i += 64) {
        __m512i q = _mm512_loadu_si512((const char *)job->query + i);
        q = turn ? vnni_turn(q, ~(__mmask64)0) : q;
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            if (job->stream)
                vssi_kernels_ahead(job, rows[j] + i);
            sum[j] = vnni_add(sum[j], q, _mm512_loadu_si512(rows[j] + i), ~(__mmask64)0, job->type, job->op);
        }
    }
    if (i < dim) {
        __mmask64 mask = vnni_mask(dim, i);
        __m512i q = _mm512_maskz_loadu_epi8(mask, (const char *)job->query + i);
        q = turn ? vnni_turn(q, mask) : q;
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            if (job->stream)
                vssi_kernels_ahead(job, rows[j] + i);
            sum[j] = vnni_add(sum[j], q, _mm512_maskz_loadu_epi8(mask, rows[j] + i), mask, job->type, job->op);
        }
    }
    __m512i total[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        total[j] = sum[j].a;
        if (job->op == VSSI_SIMD_L2)
            total[j] = _mm512_sub_epi32(_mm512_add_epi32(sum[j].b, sum[j].c), _mm512_slli_epi32(sum[j].a, 1));
    }
    __m128i four = vssi_avx512_join_int(total);
    four = _mm_add_epi32(four, _mm_set1_epi32(job->prepared));
    if (job->op == VSSI_SIMD_IP)
        four = _mm_sub_epi32(_mm_setzero_si128(), four);
    vssi_avx512_store(_mm_cvtepi32_ps(four), count, scores);
}

/* What follows the counting: bits that differ and that are set in either, of four rows. */
VNNI_INLINE void vnni_finish_bits(__m128i differ, __m128i either, vssi_simd_op op, int count, float *scores)
{
    __m128 four = _mm_cvtepi32_ps(differ);
    if (op == VSSI_SIMD_JACCARD) {
        __m128 all = _mm_cvtepi32_ps(either);
        four = _mm_maskz_div_ps(_mm_cmp_ps_mask(all, _mm_setzero_ps(), _CMP_NEQ_OQ), four, all);
    }
    vssi_avx512_store(four, count, scores);
}

/* The sums of four rows of counts, each below 2^32. */
VNNI_INLINE __m128i vnni_join(const __m512i *counts)
{
    return vssi_avx512_join_pairs(_mm512_or_si512(counts[0], _mm512_slli_epi64(counts[1], 32)),
                                  _mm512_or_si512(counts[2], _mm512_slli_epi64(counts[3], 32)));
}

VNNI_INLINE void vnni_block_bits(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const size_t size = job->dim / 8;
    __m512i differ[4], either[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        differ[j] = either[j] = _mm512_setzero_si512();
    for (size_t i = 0; i < size; i += 64) {
        __mmask64 mask = vnni_mask(size, i);
        __m512i q = _mm512_maskz_loadu_epi8(mask, (const char *)job->query + i);
#pragma GCC unroll 4
        for (int j = 0; j < count; j++) {
            if (job->stream)
                vssi_kernels_ahead(job, rows[j] + i);
            __m512i v = _mm512_maskz_loadu_epi8(mask, rows[j] + i);
            differ[j] = _mm512_add_epi64(differ[j], _mm512_popcnt_epi64(_mm512_xor_si512(q, v)));
            if (job->op == VSSI_SIMD_JACCARD)
                either[j] = _mm512_add_epi64(either[j], _mm512_popcnt_epi64(_mm512_or_si512(q, v)));
        }
    }
    vnni_finish_bits(vnni_join(differ), vnni_join(either), job->op, count, scores);
}

/* The same in small registers. */
VNNI_INLINE __m128i vnni_join_short(const __m128i *counts)
{
    __m128i ab = _mm_or_si128(counts[0], _mm_slli_epi64(counts[1], 32));
    __m128i cd = _mm_or_si128(counts[2], _mm_slli_epi64(counts[3], 32));
    return _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
}

/* Rows of at most 16 bytes: a small register each, for which the processor has more units. */
VNNI_INLINE void vnni_block_short(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const __mmask16 mask = (__mmask16)vnni_mask(job->dim / 8, 0);
    __m128i q = _mm_maskz_loadu_epi8(mask, job->query), differ[4], either[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        differ[j] = either[j] = _mm_setzero_si128();
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        __m128i v = _mm_maskz_loadu_epi8(mask, rows[j]);
        differ[j] = _mm_popcnt_epi64(_mm_xor_si128(q, v));
        either[j] = _mm_popcnt_epi64(_mm_or_si128(q, v));
    }
    if (job->stream) /* four rows are one line */
        vssi_kernels_ahead(job, rows[0]);
    vnni_finish_bits(vnni_join_short(differ), vnni_join_short(either), job->op, count, scores);
}

VNNI_INLINE void vnni_block(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    if (job->type == VSSI_SIMD_BITS && job->dim <= 128)
        vnni_block_short(job, rows, count, scores);
    else if (job->type == VSSI_SIMD_BITS)
        vnni_block_bits(job, rows, count, scores);
    else
        vnni_block_bytes(job, rows, count, scores);
}

VSSI_KERNELS(vnni, l2_i8, VSSI_SIMD_I8, VSSI_SIMD_L2)
VSSI_KERNELS(vnni, ip_i8, VSSI_SIMD_I8, VSSI_SIMD_IP)
VSSI_KERNELS(vnni, l2_u8, VSSI_SIMD_U8, VSSI_SIMD_L2)
VSSI_KERNELS(vnni, ip_u8, VSSI_SIMD_U8, VSSI_SIMD_IP)
VSSI_KERNELS(vnni, hamming, VSSI_SIMD_BITS, VSSI_SIMD_HAMMING)
VSSI_KERNELS(vnni, jaccard, VSSI_SIMD_BITS, VSSI_SIMD_JACCARD)

const vssi_kernels vssi_simd_avx512vnni = {
    .level = "avx512vnni",
    .below = &vssi_simd_avx512,
    .rows = {[VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(vnni, l2_i8, ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(vnni, l2_u8, ip_u8),
             [VSSI_SIMD_BITS] = VSSI_KERNELS_ROWS(vnni, hamming, jaccard)},
    .gather = {[VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(vnni, l2_i8, ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(vnni, l2_u8, ip_u8),
               [VSSI_SIMD_BITS] = VSSI_KERNELS_GATHER(vnni, hamming, jaccard)},
};
