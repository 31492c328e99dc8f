/*
 * gpu_points.c - random points and centers and what a device must say of them, by a plain loop over whole numbers
 */
#include "gpu_points.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_case.h"

static void *points_block(size_t bytes)
{
    void *block = malloc(bytes);
    assert_non_null(block);
    return block;
}

static uint8_t points_byte(gpu_bytes bytes, bool center, size_t i, uint64_t *state)
{
    uint64_t random = gpu_random(state);
    switch (bytes) {
    case GPU_BYTES_EQUAL:
        return (uint8_t)(i * 37);
    case GPU_BYTES_FEW:
        return (uint8_t)(7 + random % 3);
    case GPU_BYTES_ENDS:
        return random % 2 ? 255 : 0;
    case GPU_BYTES_APART:
        return (uint8_t)(i < 4 ? 100 + random % 3 : center ? 0 : 255 - random % 4);
    default:
        return (uint8_t)random;
    }
}

void gpu_points_bytes(gpu_bytes bytes, uint8_t *to, size_t n, uint32_t size, uint64_t *state)
{
    for (size_t at = 0; at < n * size; at++)
        to[at] = points_byte(bytes, false, at % size, state);
}

static void points_fill(const gpu_point_spec *s, bool center, uint8_t *to, size_t n, uint64_t *state)
{
    for (size_t at = 0; at < n * s->size; at++)
        to[at] = points_byte(s->bytes, center, at % s->size, state);
}

static uint32_t points_distance(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (uint32_t)((a[i] - b[i]) * (a[i] - b[i]));
    return sum;
}

static void points_nearest(gpu_points *p, size_t row)
{
    const gpu_point_spec *s = &p->spec;
    uint32_t best = 0, far = 0, least = UINT32_MAX;
    for (uint32_t c = 0; c < s->centers; c++) {
        uint32_t d = points_distance(p->codes + row * s->size, p->centers + (size_t)c * s->size, s->size);
        least = d < least ? d : least;
        if (c == 0 || (float)d < (float)far) {
            best = c;
            far = d;
        }
    }
    p->where[row] = best;
    p->far[row] = far;
    p->rounded += least < far;
}

void gpu_points_make(gpu_points *p, const gpu_point_spec *spec)
{
    uint64_t state = spec->seed;
    *p = (gpu_points){.spec = *spec};
    p->codes = points_block(spec->rows * spec->size);
    p->centers = points_block((size_t)spec->centers * spec->size);
    p->where = points_block(spec->rows * sizeof *p->where);
    p->far = points_block(spec->rows * sizeof *p->far);
    points_fill(spec, false, p->codes, spec->rows, &state);
    points_fill(spec, true, p->centers, spec->centers, &state);
    /* Some centers are points, and some of these twice. */
    for (uint32_t c = 0; c < spec->centers && spec->bytes != GPU_BYTES_APART; c += 3)
        memcpy(p->centers + (size_t)c * spec->size, p->codes + gpu_random(&state) % spec->rows * spec->size,
               spec->size);
    for (size_t row = 0; row < spec->rows; row++)
        points_nearest(p, row);
    p->points = (vss_device_points){sizeof p->points, spec->size, spec->rows, p->codes};
}

void gpu_points_free(gpu_points *p)
{
    free(p->codes);
    free(p->centers);
    free(p->where);
    free(p->far);
    *p = (gpu_points){0};
}

static void points_wrong(const gpu_points *p, const char *what, size_t at)
{
    const gpu_point_spec *s = &p->spec;
    fail_msg("%s %zu is wrong: %zu points of %u bytes, %u centers, bytes %d, seed %llu", what, at, s->rows, s->size,
             s->centers, (int)s->bytes, (unsigned long long)s->seed);
}

static void points_same(const gpu_points *p, const char *what, const uint32_t *a, const uint32_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            points_wrong(p, what, i);
}

static void points_check_center(const gpu_points *p, const vss_device_nearest *n, uint32_t c, uint32_t *sums)
{
    const gpu_point_spec *s = &p->spec;
    uint64_t inertia = 0;
    uint32_t count = 0, farthest = 0, most = 0;
    memset(sums, 0, s->size * sizeof *sums);
    for (size_t row = 0; row < s->rows; row++) {
        if (p->where[row] != c)
            continue;
        if (count++ == 0 || p->far[row] > most) {
            most = p->far[row];
            farthest = (uint32_t)row;
        }
        inertia += p->far[row];
        for (size_t i = 0; i < s->size; i++)
            sums[i] += p->codes[row * s->size + i];
    }
    if (n->counts[c] != count)
        points_wrong(p, "count", c);
    if (n->inertias[c] != inertia)
        points_wrong(p, "inertia", c);
    if (count > 0 && n->farthest[c] != farthest)
        points_wrong(p, "farthest", c);
    points_same(p, "sum", n->sums + (size_t)c * s->size, sums, s->size);
}

static void points_check(const gpu_points *p, const vss_device_nearest *n)
{
    if (n->where != NULL)
        points_same(p, "center of point", n->where, p->where, p->spec.rows);
    if (n->far != NULL)
        points_same(p, "distance of point", n->far, p->far, p->spec.rows);
    uint32_t *sums = points_block(p->spec.size * sizeof *sums);
    for (uint32_t c = 0; n->counts != NULL && c < p->spec.centers; c++)
        points_check_center(p, n, c, sums);
    free(sums);
}

/* NULL unless it is wanted; rubbish. */
static void *points_answer(bool wanted, size_t bytes)
{
    return wanted ? memset(points_block(bytes), 0xee, bytes) : NULL;
}

vss_status gpu_points_ask(const gpu_points *p, const vss_device *device, void **place, int wanted,
                          int (*stopped)(void *state), void *state, vss_error *err)
{
    const gpu_point_spec *s = &p->spec;
    const size_t rows = s->rows * sizeof(uint32_t), each = s->centers * sizeof(uint32_t);
    const bool sums = wanted & GPU_SUMS;
    vss_device_nearest n = {.struct_size = sizeof n, .n_centers = s->centers, .centers = p->centers,
                            .where = points_answer(wanted & GPU_WHERE, rows),
                            .far = points_answer(wanted & GPU_FAR, rows), .counts = points_answer(sums, each),
                            .inertias = points_answer(sums, 2 * each), .sums = points_answer(sums, each * s->size),
                            .farthest = points_answer(sums, each), .state = state, .stopped = stopped};
    *err = (vss_error){0};
    vss_status status = device->nearest(device->state, place, &p->points, &n, err);
    if (status == VSS_OK)
        points_check(p, &n);
    free(n.where);
    free(n.far);
    free(n.counts);
    free(n.inertias);
    free(n.sums);
    free(n.farthest);
    return status;
}
