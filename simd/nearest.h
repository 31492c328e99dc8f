/*
 * nearest.h - which of many centers lies nearest to each of many points, all of them codes of a byte a component
 *
 * Distances are sum (c - d)^2 in whole numbers, rounded once to float32, so that every level finds the same center; of
 * equal ones the first. Centers are packed once and stay in the cache while
 * a few points at a time, held in registers, are taken past all of them: two products a byte, without a sum across a
 * register. With a matrix unit centers are taken past VSSI_NEAREST_CROWD points instead, 32 by 32. Cost: n_points * n *
 * size products.
 */
#ifndef VSSI_NEAREST_H
#define VSSI_NEAREST_H

#include <stddef.h>
#include <stdint.h>

#define VSSI_NEAREST_LANES 32u  /* centers a panel */
#define VSSI_NEAREST_POINTS 12u /* at once */
#define VSSI_NEAREST_CROWD 128u /* at once by a matrix unit (crowd.h) */
#define VSSI_NEAREST_FAR 0x1p120f /* above every distance */

/* What a level does with a few points: bring best and where up to date for all centers. */
typedef struct vssi_nearest_job {
    const int32_t *points;  /* [units][count]: four codes each, 128 taken from every one */
    const int32_t *squares; /* [count]: sum d^2 */
    size_t count, units;    /* count: 1, 2, 4, 8 or 12 */
    const uint8_t *panels;  /* [n_panels][units][lanes][4], 64-byte aligned */
    const int32_t *bases;   /* [n_panels][lanes]: sum c^2 - 256 c */
    size_t n_panels;
    float *best;            /* [count][lanes], 64-byte aligned */
    uint32_t *where;        /* [count][lanes], 64-byte aligned */
} vssi_nearest_job;

typedef void (*vssi_nearest_kernel)(const vssi_nearest_job *job);

/* Packed centers. */
typedef struct vssi_nearest {
    vssi_nearest_kernel kernel; /* NULL: this level compares row by row */
    size_t n, size;
    uint8_t *panels; /* or [n][size] */
    int32_t *bases;
} vssi_nearest;

/* Bytes that n centers of `size` bytes, a multiple of 4 of at most 32,772, are packed into. False: too many. */
int vssi_nearest_room(size_t n, size_t size, size_t *bytes);

/* Pack the centers with the given numbers (NULL: the first n), at least one, of centers[][size] into memory of that
 * room, 64-byte aligned. */
void vssi_nearest_pack(vssi_nearest *set, const uint8_t *centers, const uint32_t *numbers, size_t n, size_t size,
                       void *memory);

/* Bytes that points of a size are packed into while they are compared. */
size_t vssi_nearest_scratch(size_t size);

/* where[i] = the place among the packed of the nearest to points[i], distances[i] = how far that is. scratch: of
 * vssi_nearest_scratch bytes, 64-byte aligned. */
void vssi_nearest_find(const vssi_nearest *set, const uint8_t *const *points, size_t n_points, void *scratch,
                       uint32_t *where, float *distances);

/* ---- panels that are stored: 32 rows and their bases ---- */

/* Bytes of a panel: [size / 4][32][4] codes, then 32 bases. */
static inline size_t vssi_panel_size(size_t size) { return VSSI_NEAREST_LANES * (size + sizeof(int32_t)); }

/* Write n <= 32 rows of codes; the places without a row repeat the last. */
void vssi_panel_set(uint8_t *panel, const uint8_t *const *rows, size_t n, size_t size);
/* The code [size] of the row in a lane. */
static inline void vssi_panel_get(const uint8_t *panel, size_t lane, size_t size, uint8_t *code)
{
    for (size_t i = 0; i < size; i++)
        code[i] = panel[(i / 4 * VSSI_NEAREST_LANES + lane) * 4 + i % 4];
}

/* Points for the panels' kernels: packed [size / 4][count], squares [count]; count 1, 2, 4, 8 or 12, the last point
 * again from n on. */
size_t vssi_panel_points(const uint8_t *const *points, size_t n, size_t size, int32_t *packed, int32_t *squares);

/* scores[count][32] = distances of the points and a panel's rows, 64-byte aligned all. */
typedef void (*vssi_panel_kernel)(const int32_t *points, const int32_t *squares, size_t count, size_t units,
                                  const uint8_t *panel, float *scores);
vssi_panel_kernel vssi_panel_best(void);
vssi_panel_kernel vssi_panel_level(size_t i);

void vssi_panel_scalar(const int32_t *points, const int32_t *squares, size_t count, size_t units, const uint8_t *panel,
                       float *scores);
#if defined(__x86_64__)
void vssi_panel_avx2(const int32_t *points, const int32_t *squares, size_t count, size_t units, const uint8_t *panel,
                     float *scores);
void vssi_nearest_vnni(const vssi_nearest_job *job);
void vssi_panel_vnni(const int32_t *points, const int32_t *squares, size_t count, size_t units, const uint8_t *panel,
                     float *scores);
#endif

#endif
