/*
 * nearest_avx512vnni.c - 12 points against panels of 32 centers: 24 registers of sums
 *
 * vpdpbusd is in assembly: gcc 12 moves the sums of its intrinsic to memory and back from 24 registers on. The lanes'
 * best so far stay in the first cache: they are touched once a panel.
 */
#include <immintrin.h>

#include "nearest.h"

#define NEAREST_INLINE static inline __attribute__((always_inline))

NEAREST_INLINE __m512i nearest_add(__m512i sum, __m512i codes, __m512i point)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(point));
    return sum;
}

/* sum (c - d)^2 of 16 lanes. */
NEAREST_INLINE __m512 nearest_far(__m512i product, __m512i base, __m512i square)
{
    return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_sub_epi32(base, _mm512_slli_epi32(product, 1)), square));
}

/* Distances against what the lanes have found so far. */
NEAREST_INLINE void nearest_keep(__m512i product, __m512i base, __m512i square, __m512i number, float *best,
                                 uint32_t *where)
{
    __m512 far = nearest_far(product, base, square);
    __mmask16 nearer = _mm512_cmp_ps_mask(far, _mm512_load_ps(best), _CMP_LT_OQ);
    _mm512_mask_store_ps(best, nearer, far);
    _mm512_mask_store_epi32(where, nearer, number);
}

/* The products of `count` points and the 32 rows of a panel. */
NEAREST_INLINE void nearest_products(const int32_t *point, const uint8_t *v, size_t units, const int count,
                                     __m512i *low, __m512i *high)
{
#pragma GCC unroll 12
    for (int q = 0; q < count; q++)
        low[q] = high[q] = _mm512_setzero_si512();
    for (size_t i = 0; i < units; i++, v += 128, point += count) {
        __m512i v_low = _mm512_load_si512(v), v_high = _mm512_load_si512(v + 64);
#pragma GCC unroll 12
        for (int q = 0; q < count; q++) {
            __m512i four = _mm512_set1_epi32(point[q]);
            low[q] = nearest_add(low[q], v_low, four);
            high[q] = nearest_add(high[q], v_high, four);
        }
    }
}

NEAREST_INLINE void nearest_block(const vssi_nearest_job *job, size_t panel, const int count)
{
    __m512i low[VSSI_NEAREST_POINTS], high[VSSI_NEAREST_POINTS];
    nearest_products(job->points, job->panels + panel * job->units * 128, job->units, count, low, high);
    size_t first = panel * VSSI_NEAREST_LANES;
    __m512i number = _mm512_add_epi32(_mm512_set1_epi32((int)first), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                                                                      11, 12, 13, 14, 15));
    __m512i base_low = _mm512_load_si512(job->bases + first), base_high = _mm512_load_si512(job->bases + first + 16);
#pragma GCC unroll 12
    for (int q = 0; q < count; q++) {
        __m512i square = _mm512_set1_epi32(job->squares[q]);
        float *best = job->best + q * (int)VSSI_NEAREST_LANES;
        uint32_t *where = job->where + q * (int)VSSI_NEAREST_LANES;
        nearest_keep(low[q], base_low, square, number, best, where);
        nearest_keep(high[q], base_high, square, _mm512_add_epi32(number, _mm512_set1_epi32(16)), best + 16,
                     where + 16);
    }
}

void vssi_nearest_vnni(const vssi_nearest_job *job)
{
    for (size_t panel = 0; panel < job->n_panels; panel++) {
        switch (job->count) {
        case 12:
            nearest_block(job, panel, 12);
            break;
        case 8:
            nearest_block(job, panel, 8);
            break;
        case 4:
            nearest_block(job, panel, 4);
            break;
        case 2:
            nearest_block(job, panel, 2);
            break;
        default:
            nearest_block(job, panel, 1);
        }
    }
}

NEAREST_INLINE void panel_block(const int32_t *points, const int32_t *squares, const int count, size_t units,
                                const uint8_t *panel, float *scores)
{
    __m512i low[VSSI_NEAREST_POINTS], high[VSSI_NEAREST_POINTS];
    const uint8_t *bases = panel + units * 128;
    nearest_products(points, panel, units, count, low, high);
    __m512i base_low = _mm512_load_si512(bases), base_high = _mm512_load_si512(bases + 64);
#pragma GCC unroll 12
    for (int q = 0; q < count; q++) {
        __m512i square = _mm512_set1_epi32(squares[q]);
        _mm512_storeu_ps(scores + 32 * q, nearest_far(low[q], base_low, square));
        _mm512_storeu_ps(scores + 32 * q + 16, nearest_far(high[q], base_high, square));
    }
}

/* One point: two sums a half, as a product waits for the one before it. */
static void panel_one(const int32_t *point, int32_t square, size_t units, const uint8_t *panel, float *scores)
{
    const uint8_t *v = panel, *bases = panel + units * 128;
    __m512i low[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, high[2] = {low[0], low[0]};
    size_t i = 0;
    for (; i + 2 <= units; i += 2, v += 256) {
        __m512i first = _mm512_set1_epi32(point[i]), second = _mm512_set1_epi32(point[i + 1]);
        low[0] = nearest_add(low[0], _mm512_load_si512(v), first);
        high[0] = nearest_add(high[0], _mm512_load_si512(v + 64), first);
        low[1] = nearest_add(low[1], _mm512_load_si512(v + 128), second);
        high[1] = nearest_add(high[1], _mm512_load_si512(v + 192), second);
    }
    if (i < units) {
        low[0] = nearest_add(low[0], _mm512_load_si512(v), _mm512_set1_epi32(point[i]));
        high[0] = nearest_add(high[0], _mm512_load_si512(v + 64), _mm512_set1_epi32(point[i]));
    }
    __m512i far = _mm512_set1_epi32(square);
    _mm512_storeu_ps(scores, nearest_far(_mm512_add_epi32(low[0], low[1]), _mm512_load_si512(bases), far));
    _mm512_storeu_ps(scores + 16, nearest_far(_mm512_add_epi32(high[0], high[1]), _mm512_load_si512(bases + 64), far));
}

void vssi_panel_vnni(const int32_t *points, const int32_t *squares, size_t count, size_t units, const uint8_t *panel,
                     float *scores)
{
    switch (count) {
    case 12:
        panel_block(points, squares, 12, units, panel, scores);
        break;
    case 8:
        panel_block(points, squares, 8, units, panel, scores);
        break;
    case 4:
        panel_block(points, squares, 4, units, panel, scores);
        break;
    case 2:
        panel_block(points, squares, 2, units, panel, scores);
        break;
    default:
        panel_one(points, *squares, units, panel, scores);
    }
}
