/*
 * hadamard_avx512.c - four steps within a register, then two steps at a time between registers
 */
#include <immintrin.h>

#include "hadamard.h"

#define HADAMARD_INLINE static inline __attribute__((always_inline))

/* The partner plus the lane, or less the lane where the bit of `high` is set. */
HADAMARD_INLINE __m512 hadamard_within(__m512 lanes, __m512 partners, const __mmask16 high)
{
    return _mm512_add_ps(partners, _mm512_mask_sub_ps(lanes, high, _mm512_set1_ps(-0.0f), lanes));
}

HADAMARD_INLINE __m512 hadamard_sixteen(__m512 v)
{
    v = hadamard_within(v, _mm512_permute_ps(v, 0xb1), 0xaaaa);
    v = hadamard_within(v, _mm512_permute_ps(v, 0x4e), 0xcccc);
    v = hadamard_within(v, _mm512_shuffle_f32x4(v, v, 0xb1), 0xf0f0);
    return hadamard_within(v, _mm512_shuffle_f32x4(v, v, 0x4e), 0xff00);
}

/* Two steps, of `step` and twice that. */
HADAMARD_INLINE void hadamard_four(float *v, size_t step)
{
    for (size_t j = 0; j < step; j += 16) {
        __m512 a = _mm512_loadu_ps(v + j), b = _mm512_loadu_ps(v + j + step);
        __m512 c = _mm512_loadu_ps(v + j + 2 * step), d = _mm512_loadu_ps(v + j + 3 * step);
        __m512 ab = _mm512_add_ps(a, b), a_b = _mm512_sub_ps(a, b);
        __m512 cd = _mm512_add_ps(c, d), c_d = _mm512_sub_ps(c, d);
        _mm512_storeu_ps(v + j, _mm512_add_ps(ab, cd));
        _mm512_storeu_ps(v + j + step, _mm512_add_ps(a_b, c_d));
        _mm512_storeu_ps(v + j + 2 * step, _mm512_sub_ps(ab, cd));
        _mm512_storeu_ps(v + j + 3 * step, _mm512_sub_ps(a_b, c_d));
    }
}

static void avx512_transform(float *v, size_t n, float shrink)
{
    const __m512 scale = _mm512_set1_ps(shrink);
    size_t step = 16;
    for (size_t i = 0; i < n; i += 16)
        _mm512_storeu_ps(v + i, hadamard_sixteen(_mm512_loadu_ps(v + i)));
    for (; 4 * step <= n; step *= 4) {
        for (size_t i = 0; i < n; i += 4 * step)
            hadamard_four(v + i, step);
    }
    for (size_t j = 0; step < n && j < step; j += 16) {
        __m512 a = _mm512_loadu_ps(v + j), b = _mm512_loadu_ps(v + j + step);
        _mm512_storeu_ps(v + j, _mm512_add_ps(a, b));
        _mm512_storeu_ps(v + j + step, _mm512_sub_ps(a, b));
    }
    for (size_t i = 0; i < n; i += 16)
        _mm512_storeu_ps(v + i, _mm512_mul_ps(_mm512_loadu_ps(v + i), scale));
}

static float avx512_step(const float *v, size_t n)
{
    __m512 one = _mm512_setzero_ps(), four = one;
    for (size_t i = 0; i < n; i += 16) {
        __m512 most = _mm512_abs_ps(_mm512_loadu_ps(v + i));
        __m512 sum = _mm512_add_ps(most, _mm512_permute_ps(most, 0xb1));
        one = _mm512_max_ps(one, most);
        four = _mm512_max_ps(four, _mm512_add_ps(sum, _mm512_permute_ps(sum, 0x4e)));
    }
    return vssi_subsets_step(_mm512_reduce_max_ps(one), _mm512_reduce_max_ps(four));
}

/* The tables of four fours: an entry is the sum of what is above 0 of components that it has, and of what is below 0,
 * negated, of those that it has not. */
HADAMARD_INLINE __m512i hadamard_tables(__m128i rounded)
{
    static const __mmask64 has[4] = {0xaaaaaaaaaaaaaaaaull, 0xccccccccccccccccull, 0xf0f0f0f0f0f0f0f0ull,
                                     0xff00ff00ff00ff00ull};
    const __m128i zero = _mm_setzero_si128();
    __m512i above = _mm512_broadcast_i32x4(_mm_max_epi8(rounded, zero)), sums = _mm512_setzero_si512();
    __m512i below = _mm512_broadcast_i32x4(_mm_max_epi8(_mm_sub_epi8(zero, rounded), zero));
    const __m512i first = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_set_m128i(_mm_set1_epi8(4), zero)),
        _mm256_set_m128i(_mm_set1_epi8(12), _mm_set1_epi8(8)), 1);
    for (int b = 0; b < 4; b++) {
        __m512i place = _mm512_add_epi8(first, _mm512_set1_epi8((char)b));
        __m512i one = _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(below, place), has[b], above, place);
        sums = _mm512_add_epi8(sums, one);
    }
    return sums;
}

static float avx512_subsets(const float *v, size_t n, int8_t *rounded, uint8_t *table)
{
    float step = avx512_step(v, n), inverse = step > 0 ? 1 / step : 0;
    const __m512 scale = _mm512_set1_ps(inverse), half = _mm512_set1_ps(0.5f), sign = _mm512_set1_ps(-0.0f);
    for (size_t i = 0; i < n; i += 16) {
        __m512 one = _mm512_loadu_ps(v + i);
        __m512 nearest = _mm512_add_ps(_mm512_mul_ps(one, scale), _mm512_or_ps(half, _mm512_and_ps(one, sign)));
        __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(nearest));
        _mm_storeu_si128((__m128i *)(void *)(rounded + i), bytes);
        _mm512_storeu_si512(table + 4 * i, hadamard_tables(bytes));
    }
    return step;
}

const vssi_hadamard vssi_hadamard_avx512 = {avx512_transform, avx512_subsets};
