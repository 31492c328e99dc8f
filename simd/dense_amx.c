/*
 * dense_amx.c - panels of 32 rows times 32 queries in four tiles of sums, 64 bytes of each a step
 *
 * A step loads two tiles of rows and two of queries, 1 KiB each, for four products of tiles: 65,536 products of bytes
 * or 32,768 of halves. Sums are stored and compared row by row while the next panel is multiplied: nearly all pairs
 * fail, so a row costs two comparisons and a branch. Up to 16 queries take half of it all.
 */
#include "dense_amx.h"

#define AMX_AHEAD 2048u /* bytes, of the rows that are packed */

/* Sums of panel p with all queries, or with the first 16, to sums[32][32]. */
#define AMX_PANEL(what)                                                                                               \
    const char *panel = job->panels + p * vssi_dense_size(job->steps), *queries = job->queries;                       \
    for (size_t s = 0; s < job->steps; s++, panel += 2 * AMX_TILE, queries += 2 * AMX_TILE) {                         \
        AMX_LOAD(4, panel, 64);                                                                                       \
        AMX_LOAD(6, queries, 64);                                                                                     \
        AMX_LOAD(5, panel + AMX_TILE, 64);                                                                            \
        AMX_MULTIPLY(what, 0, 4, 6);                                                                                  \
        AMX_MULTIPLY(what, 2, 5, 6);                                                                                  \
        if (two) {                                                                                                    \
            AMX_LOAD(7, queries + AMX_TILE, 64);                                                                      \
            AMX_MULTIPLY(what, 1, 4, 7);                                                                              \
            AMX_MULTIPLY(what, 3, 5, 7);                                                                              \
        }                                                                                                             \
    }                                                                                                                 \
    AMX_STORE(0, sums, 128);                                                                                          \
    AMX_STORE(2, sums + 16 * 32, 128);                                                                                \
    if (two) {                                                                                                        \
        AMX_STORE(1, sums + 16, 128);                                                                                 \
        AMX_STORE(3, sums + 16 * 32 + 16, 128);                                                                       \
    }

AMX_INLINE void amx_floats_panel(const vssi_dense_job *job, size_t p, const bool whole, const bool two, float *sums)
{
    AMX_ZERO(0);
    AMX_ZERO(2);
    if (two) {
        AMX_ZERO(1);
        AMX_ZERO(3);
    }
    if (whole) {
        AMX_PANEL("tdpbusd")
    } else {
        AMX_PANEL("tdpbf16ps")
    }
}

/* Sixteen sums as float32. */
AMX_INLINE __m512 amx_sums(const void *sums, const bool whole)
{
    return whole ? _mm512_cvtepi32_ps(_mm512_load_si512(sums)) : _mm512_load_ps(sums);
}

AMX_INLINE size_t amx_floats_row(const float *sums, const vssi_dense_floats *with, size_t row, const bool whole,
                                 const bool two, uint32_t *where, size_t n)
{
    __m512 scale = _mm512_set1_ps(with->scale[row]), base = _mm512_set1_ps(with->base[row]);
    __m512 rest = _mm512_set1_ps(with->rest[row]);
    __mmask16 hits[2] = {0, 0};
    for (int half = 0; half < (two ? 2 : 1); half++) {
        __m512 limit = _mm512_fmadd_ps(_mm512_load_ps(with->fall + half * 16), scale, base);
        limit = _mm512_fnmadd_ps(_mm512_load_ps(with->reach + half * 16), rest, limit);
        hits[half] = _mm512_cmp_ps_mask(amx_sums(sums + half * 16, whole), limit, _CMP_GE_OQ);
    }
    if (__builtin_expect(!_kortestz_mask16_u8(hits[0], hits[1]), 0))
        n = amx_list((uint32_t)row, (uint32_t)hits[0] | (uint32_t)hits[1] << 16, where, n);
    return n;
}

/* whole: of bytes. */
AMX_INLINE size_t amx_floats_all(const vssi_dense_job *job, const vssi_dense_floats *with, const bool whole,
                                 const bool two, uint32_t *where)
{
    __attribute__((aligned(64))) float sums[2][VSSI_DENSE_ROWS * VSSI_DENSE_QUERIES];
    size_t n = 0;
    for (size_t p = 0; p <= job->n_panels; p++) { /* compared one panel later than multiplied */
        if (p < job->n_panels)
            amx_floats_panel(job, p, whole, two, sums[p % 2]);
        for (size_t r = 0; p > 0 && r < VSSI_DENSE_ROWS; r++)
            n = amx_floats_row(sums[(p - 1) % 2] + r * VSSI_DENSE_QUERIES, with, (p - 1) * VSSI_DENSE_ROWS + r, whole,
                               two, where, n);
    }
    return n;
}

static size_t amx_floats(const vssi_dense_job *job, const vssi_dense_floats *with, uint32_t *where)
{
    amx_take(&amx_tiles);
    size_t n = job->n_queries > 16 ? amx_floats_all(job, with, false, true, where)
                                   : amx_floats_all(job, with, false, false, where);
    amx_give_back();
    return n;
}

static size_t amx_bytes(const vssi_dense_job *job, const vssi_dense_floats *with, uint32_t *where)
{
    amx_take(&amx_tiles);
    size_t n = job->n_queries > 16 ? amx_floats_all(job, with, true, true, where)
                                   : amx_floats_all(job, with, true, false, where);
    amx_give_back();
    return n;
}

/* Asks for what follows byte `at` of a row some way on, but not past byte `last`: through an integer, as that may lie
 * past the end of the rows. */
AMX_INLINE void amx_ahead(const char *row, size_t at, size_t last)
{
    size_t ahead = at + AMX_AHEAD;
    __builtin_prefetch((const void *)((uintptr_t)row + (ahead < last ? ahead : last)), 0, 3);
}

/* A row of bytes, all of them xor flip, or NULL: zeros, to its place in a panel; sum c and sum c (c - 128). */
AMX_INLINE void amx_pack_row(const char *row, size_t bytes, size_t last, char flip, char *place, int32_t *sum,
                             int32_t *square)
{
    const __m512i ones = _mm512_set1_epi8(1), top = _mm512_set1_epi8((char)-128), every = _mm512_set1_epi8(flip);
    __m512i sums = _mm512_setzero_si512(), squares = sums;
    for (size_t i = 0; i < bytes; i += VSSI_DENSE_STEP, place += VSSI_DENSE_ROWS * VSSI_DENSE_STEP) {
        __m512i v = _mm512_setzero_si512();
        if (row != NULL) {
            __mmask64 mask = ~(uint64_t)0 >> (bytes - i < 64 ? 64 - (bytes - i) : 0);
            v = _mm512_maskz_loadu_epi8(mask, row + i);
            v = flip != 0 ? _mm512_maskz_mov_epi8(mask, _mm512_xor_si512(v, every)) : v;
            amx_ahead(row, i, last);
        }
        _mm512_store_si512(place, v);
        squares = _mm512_dpbusd_epi32(squares, v, _mm512_xor_si512(v, top));
        sums = _mm512_dpbusd_epi32(sums, v, ones);
    }
    *sum = _mm512_reduce_add_epi32(sums);
    *square = _mm512_reduce_add_epi32(squares);
}

static void amx_pack_bytes(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, size_t last,
                           char *panel, int32_t *sums, int32_t *squares)
{
    for (size_t r = 0; r < VSSI_DENSE_ROWS; r++) {
        const char *row = r < n ? rows[r] : NULL;
        if (type == VSSI_SIMD_I8)
            amx_pack_row(row, dim, last, (char)-128, panel + r * VSSI_DENSE_STEP, &sums[r], &squares[r]);
        else
            amx_pack_row(row, dim, last, 0, panel + r * VSSI_DENSE_STEP, &sums[r], &squares[r]);
    }
}

/* Sixteen components from the i-th on as float32, exactly; those not in the mask are 0 and are not read. */
AMX_INLINE __m512 amx_widen(vssi_simd_type type, const char *row, size_t i, __mmask16 mask)
{
    if (type == VSSI_SIMD_F32)
        return _mm512_maskz_loadu_ps(mask, row + 4 * i);
    __m256i halves = _mm256_maskz_loadu_epi16(mask, row + 2 * i);
    if (type == VSSI_SIMD_F16)
        return _mm512_cvtph_ps(halves);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

AMX_INLINE void amx_pack_type(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, size_t last,
                              char *panel, float *norms, float *rests)
{
    for (size_t r = 0; r < VSSI_DENSE_ROWS; r++) {
        __m512 norm = _mm512_setzero_ps(), rest = norm;
        for (size_t i = 0; i < dim; i += 32) {
            size_t left = r < n ? dim - i : 0;
            __mmask32 mask = (__mmask32)(left >= 32 ? ~0u : (1u << left) - 1);
            __m512 low = _mm512_setzero_ps(), high = low;
            if (r < n) {
                low = amx_widen(type, rows[r], i, (__mmask16)mask);
                amx_ahead(rows[r], vssi_simd_row_size(type, i), last);
            }
            if (left > 16) {
                high = amx_widen(type, rows[r], i + 16, (__mmask16)(mask >> 16));
                if (type == VSSI_SIMD_F32)
                    amx_ahead(rows[r], 4 * i + 64, last);
            }
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
            _mm512_store_si512(panel + (i / 32 * VSSI_DENSE_ROWS + r) * VSSI_DENSE_STEP, both);
            __m512i wide = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(both));
            __m512 off_low = _mm512_sub_ps(low, _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)));
            wide = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(both, 1));
            __m512 off_high = _mm512_sub_ps(high, _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)));
            norm = _mm512_fmadd_ps(high, high, _mm512_fmadd_ps(low, low, norm));
            rest = _mm512_fmadd_ps(off_high, off_high, _mm512_fmadd_ps(off_low, off_low, rest));
        }
        norms[r] = _mm512_reduce_add_ps(norm);
        rests[r] = _mm512_reduce_add_ps(rest);
    }
}

static void amx_pack_floats(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, size_t last,
                            char *panel, float *norms, float *rests)
{
    if (type == VSSI_SIMD_F32)
        amx_pack_type(VSSI_SIMD_F32, rows, n, dim, last, panel, norms, rests);
    else if (type == VSSI_SIMD_F16)
        amx_pack_type(VSSI_SIMD_F16, rows, n, dim, last, panel, norms, rests);
    else
        amx_pack_type(VSSI_SIMD_BF16, rows, n, dim, last, panel, norms, rests);
}

const vssi_dense vssi_dense_amx = {
    amx_pack_floats, amx_pack_bytes, vssi_dense_amx_codes, vssi_dense_amx_greatest, amx_floats, amx_bytes};
