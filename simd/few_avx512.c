/*
 * few_avx512.c - two to four queries against four rows at a time: up to sixteen registers of sums, no panels
 *
 * A step is sixteen components: a load a row and a query, a subtraction and a multiply-add for each pair (ip: only the
 * latter). Rows are read once, in the order given; the same place of the row VSSI_FEW_AHEAD further on is asked for,
 * for the second cache. Pays while the memory is slower than the arithmetic: up to some eight queries, four at a time.
 */
#include "simd_avx512.h"
#include "tile.h"

#define FEW_INLINE VSSI_KERNELS_INLINE
#define FEW_ROWS 4

/* Sixteen components from the i-th on as float32; those not in the mask are 0 and are not read. */
FEW_INLINE __m512 few_load(vssi_simd_type type, const char *row, size_t i, __mmask16 mask)
{
    if (type == VSSI_SIMD_F32)
        return _mm512_maskz_loadu_ps(mask, row + 4 * i);
    __m256i halves = _mm256_maskz_loadu_epi16(mask, row + 2 * i);
    if (type == VSSI_SIMD_F16)
        return _mm512_cvtph_ps(halves);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

FEW_INLINE void few_step(const vssi_few_job *job, vssi_simd_type type, vssi_simd_op op, const int queries,
                         const char *const *rows, size_t i, __mmask16 mask, __m512 sums[][FEW_ROWS])
{
    __m512 v[FEW_ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < FEW_ROWS; r++) {
        _mm_prefetch(rows[r + (int)VSSI_FEW_AHEAD] + i * vssi_simd_row_size(type, 1), _MM_HINT_T1);
        v[r] = few_load(type, rows[r], i, mask);
    }
#pragma GCC unroll 4
    for (int q = 0; q < queries; q++) {
        __m512 query = _mm512_maskz_loadu_ps(mask, job->queries[q] + i);
#pragma GCC unroll 4
        for (int r = 0; r < FEW_ROWS; r++) {
            __m512 other = op == VSSI_SIMD_IP ? v[r] : _mm512_sub_ps(query, v[r]);
            sums[q][r] = _mm512_fmadd_ps(op == VSSI_SIMD_IP ? query : other, other, sums[q][r]);
        }
    }
}

FEW_INLINE void few_score(const vssi_few_job *job, vssi_simd_type type, vssi_simd_op op, const int queries)
{
    for (size_t row = 0; row < job->n; row += FEW_ROWS) {
        __m512 sums[VSSI_FEW_QUERIES][FEW_ROWS];
        size_t i = 0;
#pragma GCC unroll 4
        for (int q = 0; q < queries; q++) {
#pragma GCC unroll 4
            for (int r = 0; r < FEW_ROWS; r++)
                sums[q][r] = _mm512_setzero_ps();
        }
        for (; i + 16 <= job->dim; i += 16)
            few_step(job, type, op, queries, job->rows + row, i, 0xffff, sums);
        if (i < job->dim)
            few_step(job, type, op, queries, job->rows + row, i, (__mmask16)((1u << (job->dim - i)) - 1), sums);
#pragma GCC unroll 4
        for (int q = 0; q < queries; q++) {
            __m128 four = vssi_avx512_join(sums[q]);
            _mm_storeu_ps(job->scores[q] + row, op == VSSI_SIMD_IP ? _mm_sub_ps(_mm_setzero_ps(), four) : four);
        }
    }
}

FEW_INLINE void few_queries(const vssi_few_job *job, vssi_simd_type type, vssi_simd_op op)
{
    if (job->n_queries == 1)
        few_score(job, type, op, 1);
    else if (job->n_queries == 2)
        few_score(job, type, op, 2);
    else if (job->n_queries == 3)
        few_score(job, type, op, 3);
    else
        few_score(job, type, op, 4);
}

FEW_INLINE void few_op(const vssi_few_job *job, vssi_simd_type type)
{
    if (job->op == VSSI_SIMD_IP)
        few_queries(job, type, VSSI_SIMD_IP);
    else
        few_queries(job, type, VSSI_SIMD_L2);
}

void vssi_few_avx512(const vssi_few_job *job)
{
    if (job->type == VSSI_SIMD_F32)
        few_op(job, VSSI_SIMD_F32);
    else if (job->type == VSSI_SIMD_F16)
        few_op(job, VSSI_SIMD_F16);
    else
        few_op(job, VSSI_SIMD_BF16);
}
