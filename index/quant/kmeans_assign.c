/*
 * kmeans_assign.c - the nearest center of every point
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/simd.h"
#include "../shortlist.h"
#include "kmeans_private.h"

#define ASSIGN_BLOCK 256u /* centers scored at once */

/* A worker's memory: packed points; then the packed centers next to one, and the list of those. */
typedef struct assign_scratch {
    void *points, *panels, *list;
} assign_scratch;

static size_t assign_room(const vssi_kmeans *job)
{
    size_t room = 0;
    (void)vssi_nearest_room(KMEANS_NEXT, job->size, &room); /* 128 rows of 32 KB at most */
    return (size_t)vssi_round_up(room, 64);
}

static size_t assign_points(const vssi_kmeans *job)
{
    return (size_t)vssi_round_up(vssi_nearest_scratch(job->size), 64);
}

size_t vssi_kmeans_assign_scratch(const vssi_kmeans *job)
{
    size_t list = 8 * vssi_shortlist_room(KMEANS_NEXT), sums = job->size * sizeof(uint32_t);
    return assign_points(job) + assign_room(job) + (size_t)vssi_round_up(vssi_max(list, sums), 64);
}

static assign_scratch assign_split(const vssi_kmeans *job, uint8_t *scratch)
{
    assign_scratch s = {.points = scratch, .panels = scratch + assign_points(job)};
    s.list = (uint8_t *)s.panels + assign_room(job);
    return s;
}

/* The rows given, against a set whose places have the numbers given (NULL: the places themselves). */
static void assign_rows(kmeans_run *run, const vssi_nearest *set, const uint32_t *numbers, const uint32_t *rows,
                        size_t n, void *packed)
{
    const uint8_t *points[KMEANS_POINTS] = {0};
    uint32_t where[KMEANS_POINTS];
    float far[KMEANS_POINTS];
    for (size_t i = 0; i < n; i++)
        points[i] = run->job->codes + rows[i] * run->job->size;
    vssi_nearest_find(set, points, n, packed, where, far);
    for (size_t i = 0; i < n; i++) {
        run->where[rows[i]] = numbers ? numbers[where[i]] : where[i];
        if (run->far)
            run->far[rows[i]] = far[i];
    }
}

static void assign_unit(kmeans_run *run, uint8_t *scratch, size_t unit)
{
    size_t first = unit * KMEANS_TASK, end = vssi_min(first + KMEANS_TASK, run->job->rows);
    uint32_t rows[KMEANS_POINTS];
    for (size_t at = first; at < end; at += KMEANS_POINTS) {
        size_t n = vssi_min(KMEANS_POINTS, end - at);
        for (size_t i = 0; i < n; i++)
            rows[i] = (uint32_t)(at + i);
        assign_rows(run, &run->set, NULL, rows, n, scratch);
    }
}

vss_status vssi_kmeans_all(kmeans_run *run, vss_error *err)
{
    const vssi_kmeans *job = run->job;
    bool done = false;
    if (vssi_kmeans_on_device(run))
        VSSI_TRY(vssi_kmeans_device_all(run, &done, err));
    if (done)
        return VSS_OK;
    vssi_nearest_pack(&run->set, run->centers, NULL, job->clusters, job->size, run->panels);
    return vssi_kmeans_share(run, (job->rows + KMEANS_TASK - 1) / KMEANS_TASK, job->rows, assign_unit, err);
}

/* The KMEANS_NEXT centers next to center c, itself among them. */
static const uint32_t *assign_neighbours(kmeans_run *run, size_t c, void *memory)
{
    const vssi_kmeans *job = run->job;
    const vssi_kernel_rows l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_U8, VSSI_SIMD_L2);
    float scores[ASSIGN_BLOCK];
    vssi_shortlist list;
    vssi_shortlist_begin(&list, KMEANS_NEXT, memory);
    for (size_t first = 0; first < job->clusters; first += ASSIGN_BLOCK) {
        size_t n = vssi_min(ASSIGN_BLOCK, job->clusters - first);
        l2(run->centers + c * job->size, run->centers + first * job->size, job->size, n, scores);
        vssi_shortlist_add(&list, scores, n, (uint32_t)first);
    }
    vssi_shortlist_trim(&list);
    return list.places;
}

static void assign_next_unit(kmeans_run *run, uint8_t *scratch, size_t c)
{
    assign_scratch s = assign_split(run->job, scratch);
    vssi_nearest set;
    size_t end = run->begins[c + 1];
    if (run->begins[c] == end)
        return;
    const uint32_t *numbers = assign_neighbours(run, c, s.list);
    vssi_nearest_pack(&set, run->centers, numbers, KMEANS_NEXT, run->job->size, s.panels);
    for (size_t at = run->begins[c]; at < end; at += KMEANS_POINTS)
        assign_rows(run, &set, numbers, run->order + at, vssi_min(KMEANS_POINTS, end - at), s.points);
}

vss_status vssi_kmeans_next(kmeans_run *run, vss_error *err)
{
    return vssi_kmeans_share(run, run->job->clusters, run->job->rows, assign_next_unit, err);
}
