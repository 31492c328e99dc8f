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

static void avx512_subsets(const float *v, size_t n, float inverse, uint8_t *table)
{
    static const __mmask16 has[4] = {0xaaaa, 0xcccc, 0xf0f0, 0xff00};
    const __m512 scale = _mm512_set1_ps(inverse), half = _mm512_set1_ps(0.5f);
    for (size_t j = 0; j < n; j += 4) {
        __m512 sums = _mm512_setzero_ps();
        float under = 0;
        for (size_t i = 0; i < 4; i++)
            under += v[j + i] < 0 ? v[j + i] : 0;
        for (size_t i = 4; i-- > 0;)
            sums = _mm512_mask_add_ps(sums, has[i], sums, _mm512_set1_ps(v[j + i]));
        __m512 entries = _mm512_mul_ps(_mm512_sub_ps(sums, _mm512_set1_ps(under)), scale);
        __m512i whole = _mm512_cvttps_epi32(_mm512_add_ps(entries, half));
        whole = _mm512_min_epi32(whole, _mm512_set1_epi32(255));
        _mm_store_si128((__m128i *)(void *)(table + 4 * j), _mm512_cvtepi32_epi8(whole));
    }
}

const vssi_hadamard vssi_hadamard_avx512 = {avx512_transform, avx512_subsets};
