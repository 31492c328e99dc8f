/*
 * tile_codes_scalar.c - panels of 32 rows of codes in plain C
 *
 * One query after another: 32 sums, which compilers keep in vectors on every processor.
 */
#include <string.h>

#include "tile.h"

static void codes_pack(const char *const *rows, size_t n, size_t units, char *panel)
{
    memset(panel, 0, units * VSSI_TILE_ROWS * 4);
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < units; i++)
            memcpy(panel + (i * VSSI_TILE_ROWS + r) * 4, rows[r] + 4 * i, 4);
    }
}

static void codes_halves(const char *panels, size_t n_panels, size_t units, int32_t *halves)
{
    const uint8_t *c = (const uint8_t *)panels;
    for (size_t p = 0; p < n_panels; p++, halves += VSSI_TILE_ROWS) {
        int32_t sum[VSSI_TILE_ROWS] = {0};
        for (size_t i = 0; i < units; i++, c += 4 * VSSI_TILE_ROWS) {
            for (size_t r = 0; r < VSSI_TILE_ROWS; r++) {
                for (size_t j = 0; j < 4; j++)
                    sum[r] += c[4 * r + j] * (256 - c[4 * r + j]);
            }
        }
        for (size_t r = 0; r < VSSI_TILE_ROWS; r++) /* -floor(-sum / 2); sum is never below 0 */
            halves[r] = (sum[r] + 1) / 2;
    }
}

static void codes_multiply(const vssi_tile_codes_job *job, uint32_t *hits)
{
    const size_t n = job->n_queries, size = job->units * 4 * VSSI_TILE_ROWS;
    for (size_t p = 0; p < job->n_panels; p++, hits += n) {
        for (size_t q = 0; q < n; q++) {
            const uint8_t *c = (const uint8_t *)job->panels + p * size;
            int32_t sum[VSSI_TILE_ROWS];
            memcpy(sum, job->halves + p * VSSI_TILE_ROWS, sizeof sum);
            for (size_t i = 0; i < job->units; i++, c += 4 * VSSI_TILE_ROWS) {
                int8_t d[4];
                memcpy(d, &job->queries[i * n + q], sizeof d);
                for (size_t r = 0; r < VSSI_TILE_ROWS; r++)
                    sum[r] += c[4 * r] * d[0] + c[4 * r + 1] * d[1] + c[4 * r + 2] * d[2] + c[4 * r + 3] * d[3];
            }
            hits[q] = 0;
            for (size_t r = 0; r < VSSI_TILE_ROWS; r++)
                hits[q] |= (uint32_t)(sum[r] >= job->least[q]) << r;
        }
    }
}

size_t vssi_tile_codes_collect(const uint32_t *hits, size_t stride, const uint32_t *allowed, size_t n_panels,
                               uint32_t first, uint32_t *rows)
{
    size_t n = 0;
    for (size_t p = 0; p < n_panels; p++, first += VSSI_TILE_ROWS) {
        for (uint32_t left = hits[p * stride] & allowed[p]; left != 0; left &= left - 1)
            rows[n++] = first + (uint32_t)__builtin_ctz(left);
    }
    return n;
}

const vssi_tile_codes vssi_tile_codes_scalar = {8, 0, codes_pack, codes_halves, codes_multiply,
                                                 vssi_tile_codes_collect};
