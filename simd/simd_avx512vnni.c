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
 * once, 64 bytes a step, the last ones under a mask. Streamed rows of 64, 96 and 128 bits: sixteen at once, four in a
 * register, prefetched by line. The two counts of JACCARD share one sum.
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

/* Counts by 64 bits of a row, for JACCARD those of the bits that are set in either above those that differ: sums of
 * both are at most 2^15. */
VNNI_INLINE __m512i vnni_counts(__m512i differ, __m512i either, vssi_simd_op op)
{
    return op == VSSI_SIMD_JACCARD ? _mm512_or_si512(differ, _mm512_slli_epi64(either, 16)) : differ;
}

/* The scores of four rows from the sums of such counts. */
VNNI_INLINE __m128 vnni_finish_bits(__m128i sums, vssi_simd_op op)
{
    if (op == VSSI_SIMD_HAMMING)
        return _mm_cvtepi32_ps(sums);
    __m128 all = _mm_cvtepi32_ps(_mm_srli_epi32(sums, 16));
    __m128 differ = _mm_cvtepi32_ps(_mm_and_si128(sums, _mm_set1_epi32(0xffff)));
    return _mm_maskz_div_ps(_mm_cmp_ps_mask(all, _mm_setzero_ps(), _CMP_NEQ_OQ), differ, all);
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
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        differ[j] = vnni_counts(differ[j], either[j], job->op);
    __m128i sums = vssi_avx512_join_pairs(_mm512_or_si512(differ[0], _mm512_slli_epi64(differ[1], 32)),
                                          _mm512_or_si512(differ[2], _mm512_slli_epi64(differ[3], 32)));
    vssi_avx512_store(vnni_finish_bits(sums, job->op), count, scores);
}

/* Rows of at most 16 bytes: a small register each, for which the processor has more units. */
VNNI_INLINE void vnni_block_short(const vssi_kernels_job *job, const char *const *rows, int count, float *scores)
{
    const __mmask16 mask = (__mmask16)vnni_mask(job->dim / 8, 0);
    __m128i q = _mm_maskz_loadu_epi8(mask, job->query), sums[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        sums[j] = _mm_setzero_si128();
#pragma GCC unroll 4
    for (int j = 0; j < count; j++) {
        __m128i v = _mm_maskz_loadu_epi8(mask, rows[j]);
        sums[j] = _mm_popcnt_epi64(_mm_xor_si128(q, v));
        if (job->op == VSSI_SIMD_JACCARD)
            sums[j] = _mm_or_si128(sums[j], _mm_slli_epi64(_mm_popcnt_epi64(_mm_or_si128(q, v)), 16));
    }
    if (job->stream) /* four rows are one line */
        vssi_kernels_ahead(job, rows[0]);
    __m128i ab = _mm_or_si128(sums[0], _mm_slli_epi64(sums[1], 32));
    __m128i cd = _mm_or_si128(sums[2], _mm_slli_epi64(sums[3], 32));
    sums[0] = _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
    vssi_avx512_store(vnni_finish_bits(sums[0], job->op), count, scores);
}

/* The scores of sixteen rows of 8, 12 or 16 bytes. q is the query in each 16 bytes, as are the rows, spread to that. */
VNNI_INLINE __m512 vnni_sixteen(__m512i q, const char *rows, size_t size, vssi_simd_op op)
{
    const __mmask16 mask = (__mmask16)((1u << size) - 1), used = (__mmask16)(((1u << size / 4) - 1) * 0x1111u);
    const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i words = _mm512_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
    const __m512i turn = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i spread = _mm512_add_epi32(_mm512_mullo_epi32(lanes, _mm512_set1_epi32((int)(size / 4))), words);
    __m512i counts[4];
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        __m512i v = _mm512_maskz_loadu_epi32(mask, rows + j * 4 * size);
        v = size < 16 ? _mm512_maskz_permutexvar_epi32(used, spread, v) : v;
        __m512i differ = _mm512_popcnt_epi64(_mm512_xor_si512(q, v)), either = differ;
        if (op == VSSI_SIMD_JACCARD)
            either = _mm512_popcnt_epi64(_mm512_or_si512(q, v));
        counts[j] = vnni_counts(differ, either, op);
    }
    __m512i ab = _mm512_or_si512(counts[0], _mm512_slli_epi64(counts[1], 32));
    __m512i cd = _mm512_or_si512(counts[2], _mm512_slli_epi64(counts[3], 32));
    __m512i sums = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    sums = _mm512_permutexvar_epi32(turn, sums);
    if (op == VSSI_SIMD_HAMMING)
        return _mm512_cvtepi32_ps(sums);
    __m512 all = _mm512_cvtepi32_ps(_mm512_srli_epi32(sums, 16));
    __m512 differ = _mm512_cvtepi32_ps(_mm512_and_si512(sums, _mm512_set1_epi32(0xffff)));
    return _mm512_maskz_div_ps(_mm512_cmp_ps_mask(all, _mm512_setzero_ps(), _CMP_NEQ_OQ), differ, all);
}

/* As many of n such rows as are whole groups of sixteen; size is a constant. Returns their number. */
VNNI_INLINE size_t vnni_groups(const void *query, const char *rows, size_t size, size_t n, vssi_simd_op op,
                               float *scores)
{
    const vssi_kernels_job job = {.type = VSSI_SIMD_BITS, .ahead = VSSI_KERNELS_AHEAD};
    const __m512i q = _mm512_broadcast_i32x4(_mm_maskz_loadu_epi8((__mmask16)vnni_mask(size, 0), query));
    size_t i = 0;
    for (; i + 16 <= n; i += 16, rows += 16 * size) {
#pragma GCC unroll 4
        for (size_t offset = 0; offset < 16 * size; offset += 64)
            vssi_kernels_ahead(&job, rows + offset);
        _mm512_storeu_ps(scores + i, vnni_sixteen(q, rows, size, op));
    }
    return i;
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

/* Rows of 8, 12 and 16 bytes by groups of sixteen: the same counts and quotients as the block's. How many were done. */
VNNI_INLINE size_t vnni_short(const void *query, const void *rows, size_t dim, size_t n, vssi_simd_op op, float *scores)
{
    if (dim == 64)
        return vnni_groups(query, rows, 8, n, op, scores);
    if (dim == 96)
        return vnni_groups(query, rows, 12, n, op, scores);
    return dim == 128 ? vnni_groups(query, rows, 16, n, op, scores) : 0;
}

static void vnni_all_hamming_rows(const void *query, const void *rows, size_t dim, size_t n, float *scores)
{
    size_t done = vnni_short(query, rows, dim, n, VSSI_SIMD_HAMMING, scores);
    vnni_hamming_rows(query, (const char *)rows + done * (dim / 8), dim, n - done, scores + done);
}

static void vnni_all_jaccard_rows(const void *query, const void *rows, size_t dim, size_t n, float *scores)
{
    size_t done = vnni_short(query, rows, dim, n, VSSI_SIMD_JACCARD, scores);
    vnni_jaccard_rows(query, (const char *)rows + done * (dim / 8), dim, n - done, scores + done);
}

const vssi_kernels vssi_simd_avx512vnni = {
    .level = "avx512vnni",
    .below = &vssi_simd_avx512,
    .rows = {[VSSI_SIMD_I8] = VSSI_KERNELS_ROWS(vnni, l2_i8, ip_i8),
             [VSSI_SIMD_U8] = VSSI_KERNELS_ROWS(vnni, l2_u8, ip_u8),
             [VSSI_SIMD_BITS] = VSSI_KERNELS_ROWS(vnni, all_hamming, all_jaccard)},
    .gather = {[VSSI_SIMD_I8] = VSSI_KERNELS_GATHER(vnni, l2_i8, ip_i8),
               [VSSI_SIMD_U8] = VSSI_KERNELS_GATHER(vnni, l2_u8, ip_u8),
               [VSSI_SIMD_BITS] = VSSI_KERNELS_GATHER(vnni, hamming, jaccard)},
};
