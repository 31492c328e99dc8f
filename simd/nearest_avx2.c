/*
 * nearest_avx2.c - a panel's rows by eight: bytes widened to words, products summed by pairs
 *
 * A register holds four rows' two pair sums each; the pairs of all units are joined once, in the end.
 */
#include <immintrin.h>

#include "nearest.h"

#define PANEL_PARTS 8 /* registers of sums: four rows each */

static void panel_sums(const int32_t *points, size_t stride, size_t units, const uint8_t *panel, __m256i *sums)
{
    for (int part = 0; part < PANEL_PARTS; part++)
        sums[part] = _mm256_setzero_si256();
    for (size_t i = 0; i < units; i++, panel += 4 * VSSI_NEAREST_LANES) {
        __m256i point = _mm256_cvtepi8_epi16(_mm_set1_epi32(points[i * stride]));
        for (int part = 0; part < PANEL_PARTS; part++) {
            __m128i codes = _mm_loadu_si128((const __m128i *)(const void *)(panel + 16 * part));
            sums[part] = _mm256_add_epi32(sums[part], _mm256_madd_epi16(_mm256_cvtepu8_epi16(codes), point));
        }
    }
}

void vssi_panel_avx2(const int32_t *points, const int32_t *squares, size_t count, size_t units, const uint8_t *panel,
                     float *scores)
{
    const uint8_t *bases = panel + 4 * VSSI_NEAREST_LANES * units;
    for (size_t q = 0; q < count; q++) {
        __m256i sums[PANEL_PARTS];
        panel_sums(points + q, count, units, panel, sums);
        for (int part = 0; part < PANEL_PARTS; part += 2) {
            __m256i joined = _mm256_hadd_epi32(sums[part], sums[part + 1]); /* rows 0 1 4 5 2 3 6 7 */
            joined = _mm256_permute4x64_epi64(joined, 0xd8);
            __m256i base = _mm256_loadu_si256((const __m256i *)(const void *)(bases + 16 * part));
            __m256i sum = _mm256_sub_epi32(base, _mm256_slli_epi32(joined, 1));
            sum = _mm256_add_epi32(sum, _mm256_set1_epi32(squares[q]));
            _mm256_storeu_ps(scores + q * VSSI_NEAREST_LANES + 4 * part, _mm256_cvtepi32_ps(sum));
        }
    }
}
