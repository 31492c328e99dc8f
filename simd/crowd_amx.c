/*
 * crowd_amx.c - up to 32 queries times 32 rows in four tiles of sums, 64 bytes of each a step
 *
 * Queries are the left side, a tile row each, so that a tile of few queries takes less time; more than 16 are shared
 * out evenly among two tiles. Up to 16 have sums of even steps and of odd ones, as a product of tiles waits 52 cycles
 * for the one before it in the same sums. The right side is a panel as it lies: four bytes of sixteen rows side by
 * side. The last fours of a panel are copied to where zeros follow them.
 */
#include <stdbool.h>
#include <string.h>

#include "../lib/base/checked.h"
#include "amx.h"
#include "crowd.h"

#define CROWD_UNITS 16u    /* fours a step */
#define CROWD_UNIT 128u    /* bytes of four components of 32 rows */
#define CROWD_STEP 2048u   /* bytes of a step of 32 rows */
#define CROWD_RING 4u      /* steps of spread rows */
#define CROWD_TILE 16u     /* queries a tile */

/* Tiles 0, 1 and 2, 3: sums of the first and the second queries, or of even and odd steps; 4, 5: these; 6, 7: rows */
static void amx_begin(size_t n)
{
    amx_config config = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {[6] = 16, [7] = 16}};
    size_t first = n > CROWD_TILE ? (n + 1) / 2 : n, second = n > CROWD_TILE ? n / 2 : n;
    config.rows[0] = config.rows[1] = config.rows[4] = (uint8_t)first;
    config.rows[2] = config.rows[3] = config.rows[5] = (uint8_t)second;
    amx_take(&config);
}

static void amx_end(void) { amx_give_back(); }

/* 64 bytes of the queries of a tile times those of the rows, into two tiles of sums. */
#define CROWD_TIMES(sum, other, tile)                                                                                 \
    AMX_LOAD(tile, queries, stride);                                                                                  \
    AMX_LOAD(6, panel, CROWD_UNIT);                                                                                   \
    AMX_MULTIPLY("tdpbsud", sum, tile, 6);                                                                            \
    AMX_LOAD(7, panel + 64, CROWD_UNIT);                                                                              \
    AMX_MULTIPLY("tdpbsud", other, tile, 7)

/* Of the first, or of all, queries; into the other sums. */
AMX_INLINE void crowd_even(const int8_t *queries, size_t stride, const uint8_t *panel) { CROWD_TIMES(0, 1, 4); }
AMX_INLINE void crowd_odd(const int8_t *queries, size_t stride, const uint8_t *panel) { CROWD_TIMES(2, 3, 5); }

/* Of the second queries, when the rows have been loaded for the first. */
AMX_INLINE void crowd_second(const int8_t *queries, size_t stride)
{
    AMX_LOAD(5, queries, stride);
    AMX_MULTIPLY("tdpbsud", 2, 5, 6);
    AMX_MULTIPLY("tdpbsud", 3, 5, 7);
}

/* Where a step's fours are: the last ones are copied to `last`. */
AMX_INLINE const uint8_t *crowd_rows(const uint8_t *panel, size_t step, size_t units, uint8_t *last)
{
    const size_t rest = vssi_min(units - step * CROWD_UNITS, CROWD_UNITS) * CROWD_UNIT;
    panel += step * CROWD_STEP;
    if (rest == CROWD_STEP)
        return panel;
    memcpy(last, panel, rest);
    memset(last + rest, 0, CROWD_STEP - rest);
    return last;
}

/* sums[n][32] += more[n][32] */
static void crowd_add(int32_t *sums, const int32_t *more, size_t n)
{
    for (size_t i = 0; i < n * VSSI_CROWD_ROWS; i += 16)
        _mm512_store_si512(sums + i, _mm512_add_epi32(_mm512_load_si512(sums + i), _mm512_load_si512(more + i)));
}

/* Four subs, or zeros where there are none. Their bytes of a row are put side by side, then a bit of each byte is taken
 * at a time. */
AMX_INLINE void crowd_spread(const uint8_t *block, bool there, uint8_t *panel)
{
    static const uint64_t takes[8] = { /* the matrices that move bit b to bit 0, and no other bit anywhere */
        0x0100000000000000, 0x0200000000000000, 0x0400000000000000, 0x0800000000000000,
        0x1000000000000000, 0x2000000000000000, 0x4000000000000000, 0x8000000000000000};
    static const _Alignas(64) uint8_t places[64] = {
        0,  16, 32, 48, 1,  17, 33, 49, 2,  18, 34, 50, 3,  19, 35, 51, 4,  20, 36, 52, 5,  21,
        37, 53, 6,  22, 38, 54, 7,  23, 39, 55, 8,  24, 40, 56, 9,  25, 41, 57, 10, 26, 42, 58,
        11, 27, 43, 59, 12, 28, 44, 60, 13, 29, 45, 61, 14, 30, 46, 62, 15, 31, 47, 63};
    __m512i codes = _mm512_setzero_si512();
    if (there)
        codes = _mm512_permutexvar_epi8(_mm512_load_si512(places), _mm512_loadu_si512(block));
    for (size_t b = 0; b < 8; b++) {
        __m512i take = _mm512_set1_epi64((long long)takes[b]);
        _mm512_store_si512(panel + b % 4 * CROWD_UNIT + b / 4 * 64, _mm512_gf2p8affine_epi64_epi8(codes, take, 0));
    }
}

/* A step of a block's rows in one of a few places in turn, which stay in the first cache. */
AMX_INLINE const uint8_t *crowd_bits(const uint8_t *block, size_t step, size_t subs, uint8_t *ring)
{
    uint8_t *panel = ring + step % CROWD_RING * CROWD_STEP;
    for (size_t j = step * CROWD_UNITS; j < (step + 1) * CROWD_UNITS; j += 4)
        crowd_spread(block + 16 * j, j < subs, panel + j % CROWD_UNITS * CROWD_UNIT);
    return panel;
}

AMX_INLINE void crowd_products(const int8_t *queries, size_t n, size_t units, const uint8_t *rows, const bool bits,
                                 int32_t *sums)
{
    _Alignas(64) uint8_t ring[CROWD_RING * CROWD_STEP];
    _Alignas(64) int32_t odd[CROWD_TILE * VSSI_CROWD_ROWS];
    const size_t stride = vssi_crowd_stride(units), first = n > CROWD_TILE ? (n + 1) / 2 : n;
    int32_t *more = n > CROWD_TILE ? sums + first * VSSI_CROWD_ROWS : odd;
    const uint8_t *next = bits ? crowd_bits(rows, 0, units, ring) : NULL;
    __asm__ volatile("tilezero %tmm0\n\ttilezero %tmm1\n\ttilezero %tmm2\n\ttilezero %tmm3");
    for (size_t s = 0; s < stride / 64; s++, queries += 64) {
        const uint8_t *panel = bits ? next : crowd_rows(rows, s, units, ring);
        if (bits && s + 1 < stride / 64)
            next = crowd_bits(rows, s + 1, units, ring);
        if (n > CROWD_TILE) {
            crowd_even(queries, stride, panel);
            crowd_second(queries + first * stride, stride);
        } else if (s % 2 == 0) {
            crowd_even(queries, stride, panel);
        } else {
            crowd_odd(queries, stride, panel);
        }
    }
    AMX_STORE(0, sums, 128);
    AMX_STORE(1, sums + 16, 128);
    AMX_STORE(2, more, 128);
    AMX_STORE(3, more + 16, 128);
    if (n <= CROWD_TILE)
        crowd_add(sums, more, n);
}

static void amx_products(const int8_t *queries, size_t n, size_t units, const uint8_t *panel, int32_t *sums)
{
    crowd_products(queries, n, units, panel, false, sums);
}

static void amx_bits(const int8_t *queries, size_t n, size_t subs, const uint8_t *block, int32_t *sums)
{
    crowd_products(queries, n, subs, block, true, sums);
}

static void amx_order(int8_t *query, size_t n)
{
    const __m128i turn = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (size_t i = 0; i < n; i += 16) {
        __m128i *four = (__m128i *)(void *)(query + i);
        _mm_storeu_si128(four, _mm_shuffle_epi8(_mm_loadu_si128(four), turn));
    }
}

/* sum (c - d)^2 of sixteen rows. */
AMX_INLINE __m512 crowd_far(const int32_t *sums, const int32_t *bases, __m512i square)
{
    __m512i base = _mm512_loadu_si512(bases), twice = _mm512_slli_epi32(_mm512_load_si512(sums), 1);
    return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_sub_epi32(base, twice), square));
}

static void amx_nearest(const int32_t *squares, size_t n, const int32_t *sums, const int32_t *bases, uint32_t first,
                        float *best, uint32_t *where)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (size_t i = 0; i < n * VSSI_CROWD_ROWS; i += 16) {
        __m512i square = _mm512_set1_epi32(squares[i / VSSI_CROWD_ROWS]);
        __m512 far = crowd_far(sums + i, bases + i % VSSI_CROWD_ROWS, square);
        __mmask16 nearer = _mm512_cmp_ps_mask(far, _mm512_load_ps(best + i), _CMP_LT_OQ);
        __m512i number = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)(first + i % VSSI_CROWD_ROWS)));
        _mm512_mask_store_ps(best + i, nearer, far);
        _mm512_mask_store_epi32(where + i, nearer, number);
    }
}

static void amx_far(const vssi_crowd_query *queries, size_t n, const int32_t *sums, const int32_t *bases,
                    float *values, uint32_t *hits)
{
    for (size_t q = 0; q < n; q++, sums += VSSI_CROWD_ROWS, values += VSSI_CROWD_ROWS) {
        __m512i square = _mm512_set1_epi32(queries[q].whole);
        __m512 low = crowd_far(sums, bases, square), high = crowd_far(sums + 16, bases + 16, square);
        __m512 cut = _mm512_set1_ps(queries[q].cut);
        _mm512_store_ps(values, low);
        _mm512_store_ps(values + 16, high);
        hits[q] = (uint32_t)_mm512_cmp_ps_mask(low, cut, _CMP_LE_OQ) |
                  (uint32_t)_mm512_cmp_ps_mask(high, cut, _CMP_LE_OQ) << 16;
    }
}

/* What codes say of sixteen rows. */
AMX_INLINE __m512 crowd_codes(const vssi_crowd_query *query, const int32_t *sums, const float *add, const float *mul)
{
    __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums), _mm512_set1_epi32(query->whole));
    __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(query->step));
    value = _mm512_mul_ps(_mm512_add_ps(value, _mm512_set1_ps(query->bias)), _mm512_loadu_ps(mul));
    return _mm512_add_ps(_mm512_add_ps(_mm512_set1_ps(query->base), _mm512_loadu_ps(add)), value);
}

static void amx_codes(const vssi_crowd_query *queries, size_t n, const int32_t *sums, const float *add,
                      const float *mul, float *values, uint32_t *hits)
{
    for (size_t q = 0; q < n; q++, sums += VSSI_CROWD_ROWS, values += VSSI_CROWD_ROWS) {
        __m512 low = crowd_codes(&queries[q], sums, add, mul);
        __m512 high = crowd_codes(&queries[q], sums + 16, add + 16, mul + 16), cut = _mm512_set1_ps(queries[q].cut);
        _mm512_store_ps(values, low);
        _mm512_store_ps(values + 16, high);
        hits[q] = (uint32_t)_mm512_cmp_ps_mask(low, cut, _CMP_LE_OQ) |
                  (uint32_t)_mm512_cmp_ps_mask(high, cut, _CMP_LE_OQ) << 16;
    }
}

const vssi_crowd vssi_crowd_amx = {amx_begin, amx_end, amx_products, amx_bits, amx_order, amx_far, amx_codes,
                                  amx_nearest};
