/*
 * pool_avx512.c - the pool of a walk without branches on where a row belongs
 *
 * A register holds sixteen places. With `before` what was one place further to the front, a place of a sorted array
 * becomes max(before, min(itself, score)) when a score is put in, and its row follows by two comparisons. So a row is
 * taken by one sweep over the registers from the back, with no branch but the loop's. A pool of more than POOL_SWEEP
 * places is swept from the register where the score belongs on. Sixteen new scores at a time are compared with the last
 * place; only those below it are looked at.
 */
#include <immintrin.h>

#include "pool.h"

#define POOL_SWEEP 128u

/* Places that come before a score. */
static inline size_t pool_count(const vssi_pool *pool, float score)
{
    const __m512 value = _mm512_set1_ps(score);
    size_t count = 0;
    for (size_t i = 0; i < pool->n; i += VSSI_POOL_LANES)
        count += (size_t)__builtin_popcount(_mm512_cmp_ps_mask(_mm512_load_ps(pool->scores + i), value, _CMP_LE_OQ));
    return count;
}

/* Move the places from register `begin` on, to make room for a score at its place. */
static inline void pool_put(vssi_pool *pool, size_t begin, float score, uint32_t row)
{
    const __m512 value = _mm512_set1_ps(score);
    const __m512i id = _mm512_set1_epi32((int)row);
    size_t last = pool->n < pool->capacity ? pool->n : pool->capacity - 1;
    size_t i = last / VSSI_POOL_LANES * VSSI_POOL_LANES;
    __m512 scores = _mm512_load_ps(pool->scores + i);
    __m512i rows = _mm512_load_si512(pool->rows + i);
    for (;;) {
        __m512 ahead = _mm512_set1_ps(-INFINITY);
        __m512i ahead_rows = _mm512_setzero_si512();
        if (i > 0) {
            ahead = _mm512_load_ps(pool->scores + i - VSSI_POOL_LANES);
            ahead_rows = _mm512_load_si512(pool->rows + i - VSSI_POOL_LANES);
        }
        __m512i joined = _mm512_alignr_epi32(_mm512_castps_si512(scores), _mm512_castps_si512(ahead), 15);
        __m512 before = _mm512_castsi512_ps(joined);
        __m512i before_rows = _mm512_alignr_epi32(rows, ahead_rows, 15);
        __mmask16 behind = _mm512_cmp_ps_mask(value, scores, _CMP_LT_OQ);
        __mmask16 moved = _mm512_cmp_ps_mask(value, before, _CMP_LT_OQ);
        rows = _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(rows, behind, id), moved, before_rows);
        _mm512_store_ps(pool->scores + i, _mm512_max_ps(before, _mm512_min_ps(scores, value)));
        _mm512_store_si512(pool->rows + i, rows);
        if (i <= begin)
            break;
        i -= VSSI_POOL_LANES;
        scores = ahead;
        rows = ahead_rows;
    }
    pool->n += pool->n < pool->capacity;
}

static inline size_t pool_min(size_t a, size_t b) { return a < b ? a : b; }

static size_t pool512_take(vssi_pool *pool, const float *scores, const uint32_t *rows, size_t n)
{
    const float *last = pool->scores + pool->capacity - 1;
    size_t foremost = pool->capacity;
    for (size_t at = 0; at < n; at += VSSI_POOL_LANES) {
        __mmask16 valid = (__mmask16)(n - at < VSSI_POOL_LANES ? (1u << (n - at)) - 1 : 0xffffu);
        __m512 fresh = _mm512_maskz_loadu_ps(valid, scores + at);
        unsigned left = _mm512_mask_cmp_ps_mask(valid, fresh, _mm512_set1_ps(*last), _CMP_LT_OQ);
        for (; left != 0; left &= left - 1) {
            size_t i = at + (size_t)__builtin_ctz(left);
            if (!(scores[i] < *last))
                continue;
            size_t place = pool_count(pool, scores[i]);
            size_t begin = pool->capacity > POOL_SWEEP ? place / VSSI_POOL_LANES * VSSI_POOL_LANES : 0;
            pool_put(pool, begin, scores[i], rows[i]);
            foremost = pool_min(foremost, place);
        }
    }
    return foremost;
}

static size_t pool512_next(const vssi_pool *pool, size_t at)
{
    size_t i = at / VSSI_POOL_LANES * VSSI_POOL_LANES;
    unsigned from = 0xffffu << (at - i);
    for (; i < pool->n; i += VSSI_POOL_LANES, from = 0xffffu) {
        unsigned followed = _mm512_movepi32_mask(_mm512_load_si512(pool->rows + i));
        unsigned open = ~followed & from & 0xffffu;
        if (open != 0)
            return i + (size_t)__builtin_ctz(open);
    }
    return i;
}

const vssi_pool_kernels vssi_pool_avx512 = {.take = pool512_take, .next = pool512_next};
