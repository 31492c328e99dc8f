/*
 * tile_bits_avx512vnni.c - panels of 32 rows of bits, up to 12 queries at once: 24 registers of sums
 *
 * A step is 32 bits of all rows: two loads of the panel, a broadcast a query, two each of xor, count and addition a
 * query. No sum is taken across a register, which is most of the work of one query on short rows. Jaccard needs the
 * same counts only: the bits that are set in either are half of those of row, query and difference together.
 */
#include "tile_avx512.h"

#define BITS_INLINE VSSI_TILE512_INLINE
#define BITS_QUERIES 12u

BITS_INLINE __m512i bits_load(const void *panel, size_t i, size_t half)
{
    return _mm512_load_si512((const char *)panel + i * 128 + half * 64);
}

static void bits_pack(vssi_simd_type type, vssi_simd_op op, const char *const *rows, size_t n, size_t dim, void *panel,
                      int32_t *base)
{
    __m512i low = _mm512_setzero_si512(), high = low;
    size_t units = (dim / 8 + 3) / 4;
    (void)type;
    vssi_tile512_pack_bytes(rows, n, dim / 8, 0, panel);
    for (size_t i = 0; i < units && op == VSSI_SIMD_JACCARD; i++) {
        low = _mm512_add_epi32(low, _mm512_popcnt_epi32(bits_load(panel, i, 0)));
        high = _mm512_add_epi32(high, _mm512_popcnt_epi32(bits_load(panel, i, 1)));
    }
    _mm512_store_si512(base, low);
    _mm512_store_si512(base + 16, high);
}

BITS_INLINE uint32_t bits_compare(const vssi_tile_bytes_job *job, size_t q, __m512i differ, size_t at)
{
    __m512 value = _mm512_cvtepi32_ps(differ);
    if (job->op == VSSI_SIMD_JACCARD) {
        __m512i both = _mm512_add_epi32(_mm512_load_si512(job->base + at), _mm512_set1_epi32(job->add[q]));
        __m512 either = _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_add_epi32(both, differ), 1));
        value = _mm512_maskz_div_ps(_mm512_cmp_ps_mask(either, _mm512_setzero_ps(), _CMP_NEQ_OQ), value, either);
    }
    value = _mm512_mul_ps(value, _mm512_load_ps(job->scale + at));
    return _mm512_cmp_ps_mask(value, _mm512_set1_ps(job->cuts[q]), _CMP_LE_OQ);
}

BITS_INLINE void bits_block(const vssi_tile_bytes_job *job, const int count, uint32_t *hits)
{
    __m512i low[BITS_QUERIES], high[BITS_QUERIES];
    const int32_t *query = job->queries;
    vssi_tile_next next = *job->next;
    bool begun = job->part & VSSI_TILE_MORE_BEFORE;
#pragma GCC unroll 12
    for (int q = 0; q < count; q++) {
        low[q] = begun ? _mm512_load_si512(job->sums + q * 32) : _mm512_setzero_si512();
        high[q] = begun ? _mm512_load_si512(job->sums + q * 32 + 16) : _mm512_setzero_si512();
    }
    for (size_t i = 0; i < job->units; i++, query += count) {
        __m512i v_low = bits_load(job->panel, i, 0), v_high = bits_load(job->panel, i, 1);
        if (i < job->asks)
            vssi_tile_ask(&next, 2);
#pragma GCC unroll 12
        for (int q = 0; q < count; q++) {
            __m512i one = _mm512_set1_epi32(query[q]);
            low[q] = _mm512_add_epi32(low[q], _mm512_popcnt_epi32(_mm512_xor_si512(one, v_low)));
            high[q] = _mm512_add_epi32(high[q], _mm512_popcnt_epi32(_mm512_xor_si512(one, v_high)));
        }
    }
    *job->next = next;
    if (job->part & VSSI_TILE_MORE_BEHIND) {
#pragma GCC unroll 12
        for (int q = 0; q < count; q++) {
            _mm512_store_si512(job->sums + q * 32, low[q]);
            _mm512_store_si512(job->sums + q * 32 + 16, high[q]);
        }
        return;
    }
#pragma GCC unroll 12
    for (int q = 0; q < count; q++)
        hits[q] = bits_compare(job, (size_t)q, low[q], 0) | bits_compare(job, (size_t)q, high[q], 16) << 16;
}

static void bits_multiply(const vssi_tile_bytes_job *job, uint32_t *hits)
{
    switch (job->n_queries) {
    case 2:
        bits_block(job, 2, hits);
        break;
    case 4:
        bits_block(job, 4, hits);
        break;
    case 6:
        bits_block(job, 6, hits);
        break;
    case 8:
        bits_block(job, 8, hits);
        break;
    case 10:
        bits_block(job, 10, hits);
        break;
    default:
        bits_block(job, 12, hits);
    }
}

const vssi_tile_bytes vssi_tile_bits_vpopcnt = {VSSI_TILE512_ROWS, BITS_QUERIES, bits_pack, bits_multiply};
