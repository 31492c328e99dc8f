/*
 * dense_amx.c - 32 rows times 32 queries in four tiles of sums, 64 bytes of each a step
 *
 * A step loads two tiles of rows and two of queries, 1 KiB each, for four products of tiles: 65,536 products of bytes
 * or 32,768 of halves. Sums are stored and compared row by row while the next panel is multiplied: nearly all pairs
 * fail, so a row costs two comparisons and a branch. Up to 16 queries take half of it all.
 *
 * AMX has no interface but its instructions: they are in assembly, as gcc 12's intrinsics do not say that they read
 * memory. Its products of bytes are exact; those of bfloat16 are float32 sums in the unit's own order, rounded to
 * nearest, in which numbers below 2^-126 count as 0 (Intel, Software Developer's Manual 2, TDPBF16PS).
 */
#include <immintrin.h>

#include <stdbool.h>

#include "dense.h"

#define AMX_INLINE static inline __attribute__((always_inline))
#define AMX_TILE 1024u
#define AMX_AHEAD 2048u /* bytes, of the rows that are packed */

#define AMX_LOAD(tile, at, stride)                                                                                    \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile : : "r"(at), "r"((size_t)(stride)) : "memory")
#define AMX_STORE(tile, at, stride)                                                                                   \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1,1)" : : "r"(at), "r"((size_t)(stride)) : "memory")
#define AMX_ZERO(tile) __asm__ volatile("tilezero %%tmm" #tile : : : "memory")
#define AMX_MULTIPLY(what, sum, rows, queries)                                                                        \
    __asm__ volatile(what " %%tmm" #queries ", %%tmm" #rows ", %%tmm" #sum : : : "memory")

/* Tiles 0 to 3: sums; 4, 5: rows; 6, 7: queries. All of 16 rows of 64 bytes. */
typedef struct amx_config {
    uint8_t palette, start, zero[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} amx_config;

static const amx_config amx_tiles = {
    .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

AMX_INLINE void amx_take(void) { __asm__ volatile("ldtilecfg %0" : : "m"(amx_tiles)); }
AMX_INLINE void amx_give_back(void) { __asm__ volatile("tilerelease"); }

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

/* Sums begin at -least, so that they are compared with numbers of the row alone. */
AMX_INLINE void amx_codes_panel(const vssi_dense_job *job, size_t p, const bool two, const int32_t *begin,
                                int32_t *sums)
{
    AMX_LOAD(0, begin, 0);
    AMX_LOAD(2, begin, 0);
    if (two) {
        AMX_LOAD(1, begin + 16, 0);
        AMX_LOAD(3, begin + 16, 0);
    }
    AMX_PANEL("tdpbusd")
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

/* Row `row`'s pairs in mask, with these values, behind the n listed. Returns how many there are then. */
AMX_INLINE size_t amx_list(uint32_t row, __mmask32 mask, uint32_t *where, size_t n)
{
    const __m512i number = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i pair = _mm512_or_si512(number, _mm512_set1_epi32((int)(row << 5)));
    for (int half = 0; half < 2; half++, mask >>= 16) {
        _mm512_storeu_si512(where + n, _mm512_maskz_compress_epi32((__mmask16)mask, pair));
        pair = _mm512_add_epi32(pair, _mm512_set1_epi32(16));
        n += (size_t)__builtin_popcount(mask & 0xffff);
    }
    return n;
}

AMX_INLINE size_t amx_codes_row(const int32_t *sums, const vssi_dense_codes *with, size_t row, const bool two,
                                uint32_t *where, int32_t *values, size_t n)
{
    __m512i limit = _mm512_set1_epi32(-with->halves[row]), low = _mm512_load_si512(sums);
    __m512i high = two ? _mm512_load_si512(sums + 16) : low;
    __mmask16 a = _mm512_cmpge_epi32_mask(low, limit), b = two ? _mm512_cmpge_epi32_mask(high, limit) : 0;
    if (__builtin_expect(!_kortestz_mask16_u8(a, b), 0)) {
        low = _mm512_add_epi32(_mm512_sub_epi32(low, limit), _mm512_load_si512(with->least));
        _mm512_storeu_si512(values + n, _mm512_maskz_compress_epi32(a, low));
        high = _mm512_add_epi32(_mm512_sub_epi32(high, limit), _mm512_load_si512(with->least + 16));
        _mm512_storeu_si512(values + n + __builtin_popcount(a), _mm512_maskz_compress_epi32(b, high));
        n = amx_list((uint32_t)row, (uint32_t)a | (uint32_t)b << 16, where, n);
    }
    return n;
}

AMX_INLINE size_t amx_codes_all(const vssi_dense_job *job, const vssi_dense_codes *with, const bool two,
                                uint32_t *where, int32_t *values)
{
    __attribute__((aligned(64))) int32_t sums[2][VSSI_DENSE_ROWS * VSSI_DENSE_QUERIES], begin[VSSI_DENSE_QUERIES];
    size_t n = 0;
    for (size_t q = 0; q < VSSI_DENSE_QUERIES; q++)
        begin[q] = -with->least[q];
    for (size_t p = 0; p <= job->n_panels; p++) { /* compared one panel later than multiplied */
        if (p < job->n_panels)
            amx_codes_panel(job, p, two, begin, sums[p % 2]);
        for (size_t r = 0; p > 0 && r < VSSI_DENSE_ROWS; r++)
            n = amx_codes_row(sums[(p - 1) % 2] + r * VSSI_DENSE_QUERIES, with, (p - 1) * VSSI_DENSE_ROWS + r, two,
                              where, values, n);
    }
    return n;
}

static size_t amx_codes(const vssi_dense_job *job, const vssi_dense_codes *with, uint32_t *where, int32_t *values)
{
    amx_take();
    size_t n = job->n_queries > 16 ? amx_codes_all(job, with, true, where, values)
                                   : amx_codes_all(job, with, false, where, values);
    amx_give_back();
    return n;
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
    amx_take();
    size_t n = job->n_queries > 16 ? amx_floats_all(job, with, false, true, where)
                                   : amx_floats_all(job, with, false, false, where);
    amx_give_back();
    return n;
}

static size_t amx_bytes(const vssi_dense_job *job, const vssi_dense_floats *with, uint32_t *where)
{
    amx_take();
    size_t n = job->n_queries > 16 ? amx_floats_all(job, with, true, true, where)
                                   : amx_floats_all(job, with, true, false, where);
    amx_give_back();
    return n;
}

/* Asks for what follows the row some way on: through an integer, as that may lie past the end of the rows. */
AMX_INLINE void amx_ahead(const char *at) { __builtin_prefetch((const void *)((uintptr_t)at + AMX_AHEAD), 0, 3); }

/* A row of bytes, all of them xor flip, or NULL: zeros, to its place in a panel; sum c and sum c (c - 128). */
AMX_INLINE void amx_pack_row(const char *row, size_t bytes, char flip, char *place, int32_t *sum, int32_t *square)
{
    const __m512i ones = _mm512_set1_epi8(1), top = _mm512_set1_epi8((char)-128), every = _mm512_set1_epi8(flip);
    __m512i sums = _mm512_setzero_si512(), squares = sums;
    for (size_t i = 0; i < bytes; i += VSSI_DENSE_STEP, place += VSSI_DENSE_ROWS * VSSI_DENSE_STEP) {
        __m512i v = _mm512_setzero_si512();
        if (row != NULL) {
            __mmask64 mask = ~(uint64_t)0 >> (bytes - i < 64 ? 64 - (bytes - i) : 0);
            v = _mm512_maskz_loadu_epi8(mask, row + i);
            v = flip != 0 ? _mm512_maskz_mov_epi8(mask, _mm512_xor_si512(v, every)) : v;
            amx_ahead(row + i);
        }
        _mm512_store_si512(place, v);
        squares = _mm512_dpbusd_epi32(squares, v, _mm512_xor_si512(v, top));
        sums = _mm512_dpbusd_epi32(sums, v, ones);
    }
    *sum = _mm512_reduce_add_epi32(sums);
    *square = _mm512_reduce_add_epi32(squares);
}

static void amx_pack_codes(const char *const *rows, size_t n, size_t bytes, char *panel, int32_t *halves)
{
    for (size_t r = 0; r < VSSI_DENSE_ROWS; r++) {
        int32_t sum, square;
        amx_pack_row(r < n ? rows[r] : NULL, bytes, 0, panel + r * VSSI_DENSE_STEP, &sum, &square);
        /* sum c (c - 128) - 128 sum c, halved downwards, negated */
        halves[r] = r < n ? -((square - 128 * sum) >> 1) : VSSI_DENSE_NEVER;
    }
}

static void amx_pack_bytes(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, char *panel,
                           int32_t *sums, int32_t *squares)
{
    for (size_t r = 0; r < VSSI_DENSE_ROWS; r++) {
        const char *row = r < n ? rows[r] : NULL;
        if (type == VSSI_SIMD_I8)
            amx_pack_row(row, dim, (char)-128, panel + r * VSSI_DENSE_STEP, &sums[r], &squares[r]);
        else
            amx_pack_row(row, dim, 0, panel + r * VSSI_DENSE_STEP, &sums[r], &squares[r]);
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

AMX_INLINE void amx_pack_type(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, char *panel,
                              float *norms, float *rests)
{
    for (size_t r = 0; r < VSSI_DENSE_ROWS; r++) {
        __m512 norm = _mm512_setzero_ps(), rest = norm;
        for (size_t i = 0; i < dim; i += 32) {
            size_t left = r < n ? dim - i : 0;
            __mmask32 mask = (__mmask32)(left >= 32 ? ~0u : (1u << left) - 1);
            __m512 low = _mm512_setzero_ps(), high = low;
            if (r < n) {
                low = amx_widen(type, rows[r], i, (__mmask16)mask);
                amx_ahead(rows[r] + vssi_simd_row_size(type, i));
            }
            if (left > 16) {
                high = amx_widen(type, rows[r], i + 16, (__mmask16)(mask >> 16));
                if (type == VSSI_SIMD_F32)
                    amx_ahead(rows[r] + 4 * i + 64);
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

static void amx_pack_floats(vssi_simd_type type, const char *const *rows, size_t n, size_t dim, char *panel,
                            float *norms, float *rests)
{
    if (type == VSSI_SIMD_F32)
        amx_pack_type(VSSI_SIMD_F32, rows, n, dim, panel, norms, rests);
    else if (type == VSSI_SIMD_F16)
        amx_pack_type(VSSI_SIMD_F16, rows, n, dim, panel, norms, rests);
    else
        amx_pack_type(VSSI_SIMD_BF16, rows, n, dim, panel, norms, rests);
}

const vssi_dense vssi_dense_amx = {amx_pack_codes, amx_pack_floats, amx_pack_bytes,
                                  amx_codes,      amx_floats,      amx_bytes};
