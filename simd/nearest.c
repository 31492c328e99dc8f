/*
 * nearest.c - packing of centers and points; levels without a kernel of their own compare row by row
 */
#include "nearest.h"

#include <string.h>

#include "../lib/base/checked.h"
#include "crowd.h"
#include "simd.h"

#define NEAREST_BLOCK 256u /* centers scored at once, row by row */

static vssi_nearest_kernel nearest_kernel(void)
{
#if defined(__x86_64__)
    if (vssi_simd_has(vssi_simd(), &vssi_simd_avx512vnni))
        return vssi_nearest_vnni;
#endif
    return NULL;
}

int vssi_nearest_room(size_t n, size_t size, size_t *bytes)
{
    size_t panels = n / VSSI_NEAREST_LANES + 1, codes, lanes;
    if (!vssi_mul(panels * VSSI_NEAREST_LANES, size, &codes) || !vssi_mul(panels, VSSI_NEAREST_LANES * 4, &lanes))
        return 0;
    return vssi_add(codes, lanes, bytes);
}

/* A row's codes in its lane of [units][lanes][4]; returns its base. */
static int32_t nearest_lane(uint8_t *out, const uint8_t *code, size_t size)
{
    int32_t base = 0;
    for (size_t i = 0; i < size; i += 4, out += 4 * VSSI_NEAREST_LANES) {
        memcpy(out, code + i, 4);
        for (size_t j = i; j < i + 4; j++)
            base += code[j] * (code[j] - 256);
    }
    return base;
}

/* The codes of a panel's centers side by side; the last one again where there are no more. */
static void nearest_panel(vssi_nearest *set, const uint8_t *centers, const uint32_t *numbers, size_t panel)
{
    const size_t lanes = VSSI_NEAREST_LANES;
    for (size_t lane = 0; lane < lanes; lane++) {
        size_t place = vssi_min(panel * lanes + lane, set->n - 1);
        const uint8_t *code = centers + (numbers ? numbers[place] : place) * set->size;
        set->bases[panel * lanes + lane] = nearest_lane(set->panels + panel * lanes * set->size + 4 * lane, code,
                                                        set->size);
    }
}

void vssi_nearest_pack(vssi_nearest *set, const uint8_t *centers, const uint32_t *numbers, size_t n, size_t size,
                       void *memory)
{
    size_t panels = (n + VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES, places = panels * VSSI_NEAREST_LANES;
    *set = (vssi_nearest){.kernel = nearest_kernel(), .n = n, .size = size, .bases = memory};
    set->panels = (uint8_t *)(set->bases + places);
    if (set->kernel != NULL) {
        for (size_t panel = 0; panel < panels; panel++)
            nearest_panel(set, centers, numbers, panel);
        return;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(set->panels + i * size, centers + (numbers ? numbers[i] : i) * size, size);
}

static void nearest_by_rows(const vssi_nearest *set, const uint8_t *point, uint32_t *where, float *distance)
{
    const vssi_kernel_rows l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_U8, VSSI_SIMD_L2);
    float scores[NEAREST_BLOCK];
    *distance = VSSI_NEAREST_FAR;
    for (size_t first = 0; first < set->n; first += NEAREST_BLOCK) {
        size_t n = vssi_min(NEAREST_BLOCK, set->n - first);
        l2(point, set->panels + first * set->size, set->size, n, scores);
        for (size_t i = 0; i < n; i++) {
            if (scores[i] < *distance) {
                *distance = scores[i];
                *where = (uint32_t)(first + i);
            }
        }
    }
}

/* The best of a point's lanes; of equal ones the first center. */
static void nearest_lanes(const vssi_nearest *set, const float *best, const uint32_t *lanes, uint32_t *where,
                          float *distance)
{
    *distance = VSSI_NEAREST_FAR;
    for (size_t lane = 0; lane < VSSI_NEAREST_LANES; lane++) {
        uint32_t place = (uint32_t)vssi_min(lanes[lane], set->n - 1);
        if (best[lane] < *distance || (best[lane] <= *distance && place < *where)) {
            *distance = best[lane];
            *where = place;
        }
    }
}

static int32_t nearest_point(const uint8_t *code, size_t units, size_t count, int32_t *out)
{
    int32_t square = 0;
    for (size_t i = 0; i < units; i++) {
        uint32_t four;
        memcpy(&four, code + 4 * i, sizeof four);
        out[i * count] = (int32_t)(four ^ 0x80808080u);
    }
    for (size_t j = 0; j < 4 * units; j++) /* apart: it is done by vectors then */
        square += code[j] * code[j];
    return square;
}

/* The kernels' counts of points: the least that is enough. */
static size_t nearest_count(size_t n)
{
    static const size_t counts[] = {1, 2, 4, 8};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (n <= counts[i])
            return counts[i];
    }
    return VSSI_NEAREST_POINTS;
}

size_t vssi_panel_points(const uint8_t *const *points, size_t n, size_t size, int32_t *packed, int32_t *squares)
{
    size_t count = nearest_count(n);
    for (size_t q = 0; q < count; q++)
        squares[q] = nearest_point(points[vssi_min(q, n - 1)], size / 4, count, packed + q);
    return count;
}

static void nearest_few(const vssi_nearest *set, const uint8_t *const *points, size_t n, int32_t *packed,
                        uint32_t *where, float *distances)
{
    _Alignas(64) float best[VSSI_NEAREST_POINTS * VSSI_NEAREST_LANES];
    _Alignas(64) uint32_t lanes[VSSI_NEAREST_POINTS * VSSI_NEAREST_LANES] = {0};
    int32_t squares[VSSI_NEAREST_POINTS];
    size_t units = set->size / 4, count = vssi_panel_points(points, n, set->size, packed, squares);
    for (size_t i = 0; i < count * VSSI_NEAREST_LANES; i++)
        best[i] = VSSI_NEAREST_FAR;
    const vssi_nearest_job job = {.points = packed, .squares = squares, .count = count, .units = units,
                                  .panels = set->panels, .bases = set->bases,
                                  .n_panels = (set->n + VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES, .best = best,
                                  .where = lanes};
    set->kernel(&job);
    for (size_t q = 0; q < n; q++)
        nearest_lanes(set, best + q * VSSI_NEAREST_LANES, lanes + q * VSSI_NEAREST_LANES, &where[q], &distances[q]);
}

/* What a crowd of points works in. */
typedef struct nearest_crowd_job {
    int8_t *queries; /* [VSSI_NEAREST_CROWD][stride] */
    float *best;     /* [VSSI_NEAREST_CROWD][lanes] */
    uint32_t *lanes; /* the same */
} nearest_crowd_job;

static size_t nearest_crowd_bytes(size_t size)
{
    return VSSI_NEAREST_CROWD * (vssi_crowd_stride(size / 4) + VSSI_NEAREST_LANES * (sizeof(float) + sizeof(uint32_t)));
}

size_t vssi_nearest_scratch(size_t size)
{
    size_t few = VSSI_NEAREST_POINTS * size;
    return vssi_crowd_best() != NULL ? vssi_max(few, nearest_crowd_bytes(size)) : few;
}

static nearest_crowd_job nearest_crowd_begin(size_t size, void *scratch)
{
    nearest_crowd_job job = {.queries = scratch};
    job.best = (float *)(void *)(job.queries + VSSI_NEAREST_CROWD * vssi_crowd_stride(size / 4));
    job.lanes = (uint32_t *)(job.best + VSSI_NEAREST_CROWD * VSSI_NEAREST_LANES);
    for (size_t i = 0; i < VSSI_NEAREST_CROWD * VSSI_NEAREST_LANES; i++) {
        job.best[i] = VSSI_NEAREST_FAR;
        job.lanes[i] = 0;
    }
    return job;
}

/* Up to VSSI_NEAREST_CROWD points against all panels. */
static void nearest_crowd(const vssi_nearest *set, const vssi_crowd *crowd, const uint8_t *const *points, size_t n,
                          void *scratch, uint32_t *where, float *distances)
{
    _Alignas(64) int32_t sums[VSSI_CROWD_QUERIES * VSSI_CROWD_ROWS];
    int32_t squares[VSSI_NEAREST_CROWD + VSSI_CROWD_QUERIES];
    const size_t units = set->size / 4, stride = vssi_crowd_stride(units);
    const size_t most = vssi_crowd_most(n), all = (n + most - 1) / most * most;
    const nearest_crowd_job job = nearest_crowd_begin(set->size, scratch);
    for (size_t q = 0; q < all; q++) { /* the last point again behind them */
        int8_t *query = job.queries + q * stride;
        squares[q] = nearest_point(points[vssi_min(q, n - 1)], units, 1, (int32_t *)(void *)query);
        memset(query + set->size, 0, stride - set->size);
    }
    crowd->begin(most);
    for (size_t p = 0; p * VSSI_NEAREST_LANES < set->n; p++) {
        const uint8_t *panel = set->panels + p * VSSI_NEAREST_LANES * set->size;
        for (size_t q = 0; q < n; q += most) {
            crowd->products(job.queries + q * stride, most, units, panel, sums);
            crowd->nearest(squares + q, most, sums, set->bases + p * VSSI_NEAREST_LANES,
                           (uint32_t)(p * VSSI_NEAREST_LANES), job.best + q * VSSI_NEAREST_LANES,
                           job.lanes + q * VSSI_NEAREST_LANES);
        }
    }
    crowd->end();
    for (size_t q = 0; q < n; q++)
        nearest_lanes(set, job.best + q * VSSI_NEAREST_LANES, job.lanes + q * VSSI_NEAREST_LANES, &where[q],
                      &distances[q]);
}

void vssi_nearest_find(const vssi_nearest *set, const uint8_t *const *points, size_t n_points, void *scratch,
                       uint32_t *where, float *distances)
{
    const vssi_crowd *crowd = vssi_crowd_best();
    const size_t most = crowd != NULL ? VSSI_NEAREST_CROWD : VSSI_NEAREST_POINTS;
    for (size_t i = 0; i < n_points && set->kernel == NULL; i++)
        nearest_by_rows(set, points[i], &where[i], &distances[i]);
    for (size_t i = 0; i < n_points && set->kernel != NULL; i += most) {
        size_t n = vssi_min(most, n_points - i);
        if (crowd != NULL && n > VSSI_NEAREST_POINTS)
            nearest_crowd(set, crowd, points + i, n, scratch, where + i, distances + i);
        else
            for (size_t j = i; j < i + n; j += VSSI_NEAREST_POINTS)
                nearest_few(set, points + j, vssi_min(VSSI_NEAREST_POINTS, i + n - j), scratch, where + j,
                            distances + j);
    }
}

void vssi_panel_set(uint8_t *panel, const uint8_t *const *rows, size_t n, size_t size)
{
    int32_t *bases = (int32_t *)(void *)(panel + VSSI_NEAREST_LANES * size);
    for (size_t lane = 0; lane < VSSI_NEAREST_LANES; lane++)
        bases[lane] = nearest_lane(panel + 4 * lane, rows[vssi_min(lane, n - 1)], size);
}

void vssi_panel_scalar(const int32_t *points, const int32_t *squares, size_t count, size_t units, const uint8_t *panel,
                       float *scores)
{
    const int32_t *bases = (const int32_t *)(const void *)(panel + VSSI_NEAREST_LANES * 4 * units);
    for (size_t q = 0; q < count; q++) {
        int32_t sums[VSSI_NEAREST_LANES] = {0};
        for (size_t i = 0; i < units; i++) {
            int8_t four[4];
            memcpy(four, &points[i * count + q], sizeof four);
            const uint8_t *codes = panel + i * 4 * VSSI_NEAREST_LANES;
            for (size_t lane = 0; lane < VSSI_NEAREST_LANES; lane++) {
                for (size_t j = 0; j < 4; j++)
                    sums[lane] += four[j] * codes[4 * lane + j];
            }
        }
        for (size_t lane = 0; lane < VSSI_NEAREST_LANES; lane++)
            scores[q * VSSI_NEAREST_LANES + lane] = (float)(bases[lane] + squares[q] - 2 * (int64_t)sums[lane]);
    }
}

static vssi_panel_kernel panel_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    if (vssi_simd_has(level, &vssi_simd_avx512vnni))
        return vssi_panel_vnni;
    return level == &vssi_simd_scalar ? vssi_panel_scalar : vssi_panel_avx2;
#else
    (void)level;
    return vssi_panel_scalar;
#endif
}

vssi_panel_kernel vssi_panel_best(void) { return panel_of(vssi_simd()); }

vssi_panel_kernel vssi_panel_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? panel_of(level) : NULL;
}
