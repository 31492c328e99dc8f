/*
 * gpu_graph.c - random points in groups, rows with candidates, and what a device must say of them, by plain loops over
 * whole numbers
 */
#include "gpu_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_case.h"

static void *graph_block(size_t bytes)
{
    void *block = malloc(bytes);
    assert_true(block != NULL || bytes == 0);
    return block;
}

static uint32_t graph_distance(const vss_device_points *p, uint32_t a, uint32_t b)
{
    const size_t size = p->size;
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        int off = p->codes[a * size + i] - p->codes[b * size + i];
        sum += (uint32_t)(off * off);
    }
    return sum;
}

/* The key of vss_device_neighbors: the float32 without its 9 last bits. */
static uint32_t graph_key(uint32_t distance)
{
    float rounded = (float)distance;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    return bits >> 9;
}

/* The nearest of met[n] to a member, by repeated looking for the next. self: its number, or past all. */
static void graph_member(gpu_graph *g, uint32_t member, size_t self, const uint32_t *met, size_t n, uint16_t *answer)
{
    uint32_t *distances = graph_block(n * sizeof *distances);
    bool *taken = calloc(n + 1, sizeof *taken);
    for (size_t i = 0; i < n; i++)
        distances[i] = graph_distance(&g->points, member, met[i]);
    for (size_t k = 0; k < g->spec.keep; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (i != self && !taken[i] && (best == n || graph_key(distances[i]) < graph_key(distances[best])))
                best = i;
        for (size_t i = 0; best < n && i < n; i++)
            g->tied += i != self && !taken[i] && i > best && distances[i] <= distances[best];
        taken[best] = true;
        answer[k] = best < n ? (uint16_t)best : VSS_DEVICE_NONE;
    }
    free(distances);
    free(taken);
}

static void graph_group(gpu_graph *g, size_t group)
{
    const size_t first = g->begins[group], n = g->begins[group + 1] - first;
    const bool pivots = g->pivot_begins != NULL;
    const uint32_t *met = pivots ? g->pivots + g->pivot_begins[group] : g->members + first;
    const size_t n_met = pivots ? g->pivot_begins[group + 1] - g->pivot_begins[group] : n;
    for (size_t i = 0; i < n; i++)
        graph_member(g, g->members[first + i], pivots ? n_met : i, met, n_met,
                     g->answer + (first + i) * g->spec.keep);
}

/* Where groups begin, of so many numbers at most, and the numbers. */
static uint64_t *graph_numbers(const gpu_graph_spec *s, uint32_t most, uint32_t **numbers, uint64_t *state)
{
    uint64_t *begins = graph_block((s->groups + 1) * sizeof *begins);
    begins[0] = 0;
    for (size_t i = 0; i < s->groups; i++)
        begins[i + 1] = begins[i] + (s->full ? most : gpu_random(state) % (most + 1));
    *numbers = graph_block(begins[s->groups] * sizeof **numbers);
    for (size_t i = 0; i < begins[s->groups]; i++)
        (*numbers)[i] = (uint32_t)(gpu_random(state) % s->rows);
    return begins;
}

void gpu_graph_make(gpu_graph *g, const gpu_graph_spec *spec)
{
    uint64_t state = spec->seed;
    *g = (gpu_graph){.spec = *spec};
    g->codes = graph_block((size_t)spec->rows * spec->size);
    gpu_points_bytes(spec->bytes, g->codes, spec->rows, spec->size, &state);
    g->begins = graph_numbers(spec, spec->members, &g->members, &state);
    if (spec->pivots > 0)
        g->pivot_begins = graph_numbers(spec, spec->pivots, &g->pivots, &state);
    g->answer = graph_block(g->begins[spec->groups] * spec->keep * sizeof *g->answer);
    g->points = (vss_device_points){sizeof g->points, spec->size, spec->rows, g->codes};
    for (size_t group = 0; group < spec->groups; group++)
        graph_group(g, group);
}

void gpu_graph_free(gpu_graph *g)
{
    free(g->codes);
    free(g->begins);
    free(g->pivot_begins);
    free(g->members);
    free(g->pivots);
    free(g->answer);
    *g = (gpu_graph){0};
}

vss_status gpu_graph_ask(const gpu_graph *g, const vss_device *device, void **place, int (*stopped)(void *state),
                         void *state, vss_error *err)
{
    const gpu_graph_spec *s = &g->spec;
    const size_t n = g->begins[s->groups] * s->keep;
    uint16_t *answer = graph_block(n * sizeof *answer);
    memset(answer, 0xee, n * sizeof *answer);
    const vss_device_neighbors job = {.struct_size = sizeof job, .keep = s->keep, .n_groups = s->groups,
                                      .begins = g->begins, .members = g->members, .pivot_begins = g->pivot_begins,
                                      .pivots = g->pivots, .answer = answer, .state = state, .stopped = stopped};
    *err = (vss_error){0};
    vss_status status = device->neighbors(device->state, place, &g->points, &job, err);
    for (size_t i = 0; status == VSS_OK && i < n; i++)
        if (answer[i] != g->answer[i])
            fail_msg("number %zu of member %zu is %u, not %u: %u points of %u bytes, groups of %u and %u, keep %u, "
                     "bytes %d, seed %llu", i % s->keep, i / s->keep, answer[i], g->answer[i], s->rows, s->size,
                     s->members, s->pivots, s->keep, (int)s->bytes, (unsigned long long)s->seed);
    free(answer);
    return status;
}

/* Does a row's i-th candidate count. */
static bool rows_count(const gpu_rows *r, size_t row, uint64_t i)
{
    const uint32_t point = r->candidates[i];
    for (uint64_t j = r->begins[row]; j < i; j++)
        if (r->candidates[j] == point)
            return false;
    return point != VSS_DEVICE_FREE && point != r->rows[row];
}

/* The next of a row's candidates after those that are taken; past all, there is none. few: by keys. */
static uint64_t rows_next(const gpu_rows *r, size_t row, const bool *taken, const float *far, bool few)
{
    const uint64_t first = r->begins[row], past = r->begins[row + 1];
    uint64_t best = past;
    for (uint64_t i = first; i < past; i++) {
        if (taken[i - first])
            continue;
        if (best == past) {
            best = i;
            continue;
        }
        uint32_t mine = graph_key((uint32_t)far[i - first]), other = graph_key((uint32_t)far[best - first]);
        bool nearer = few ? mine < other : far[i - first] < far[best - first] ||
                      (far[i - first] == far[best - first] && r->candidates[i] < r->candidates[best]);
        best = nearer ? i : best;
    }
    return best;
}

static bool rows_hidden(const gpu_rows *r, const uint32_t *links, uint32_t n, uint32_t point, float far)
{
    for (uint32_t i = 0; i < n; i++)
        if (r->spec.factor * (float)graph_distance(&r->points, links[i], point) < far)
            return true;
    return false;
}

static void rows_prune(gpu_rows *r, size_t row)
{
    const uint64_t first = r->begins[row], n = r->begins[row + 1] - first;
    bool *taken = calloc(n + 1, sizeof *taken);
    float *far = graph_block(n * sizeof *far);
    uint32_t *links = r->links + row * r->spec.degree, count = 0, left = 0;
    for (uint64_t i = 0; i < n; i++) {
        taken[i] = !rows_count(r, row, first + i);
        left += !taken[i];
        far[i] = taken[i] ? 0 : (float)graph_distance(&r->points, r->rows[row], r->candidates[first + i]);
    }
    const bool few = left <= 128;
    for (uint32_t look = 0; look < left && look < r->spec.most && count < r->spec.degree; look++) {
        uint64_t at = rows_next(r, row, taken, far, few);
        taken[at - first] = true;
        if (rows_hidden(r, links, count, r->candidates[at], far[at - first]))
            r->hidden++;
        else
            links[count++] = r->candidates[at];
    }
    r->counts[row] = n > VSS_DEVICE_MET ? VSS_DEVICE_UNSETTLED : count;
    free(taken);
    free(far);
}

static uint32_t rows_candidate(const gpu_rows *r, size_t row, uint64_t i, uint64_t *state)
{
    const uint64_t random = gpu_random(state);
    if (gpu_random(state) % 100 >= r->spec.repeats)
        return (uint32_t)(random % r->spec.points);
    if (random % 3 == 0)
        return VSS_DEVICE_FREE;
    return random % 3 == 1 || i == r->begins[row] ? r->rows[row]
                                                  : r->candidates[r->begins[row] + random / 3 % (i - r->begins[row])];
}

void gpu_rows_make(gpu_rows *r, const gpu_rows_spec *spec)
{
    uint64_t state = spec->seed;
    *r = (gpu_rows){.spec = *spec};
    r->codes = graph_block((size_t)spec->points * spec->size);
    gpu_points_bytes(spec->bytes, r->codes, spec->points, spec->size, &state);
    r->points = (vss_device_points){sizeof r->points, spec->size, spec->points, r->codes};
    r->rows = graph_block(spec->rows * sizeof *r->rows);
    r->begins = graph_block((spec->rows + 1) * sizeof *r->begins);
    r->counts = graph_block(spec->rows * sizeof *r->counts);
    r->links = graph_block(spec->rows * spec->degree * sizeof *r->links);
    r->begins[0] = 0;
    for (size_t row = 0; row < spec->rows; row++) {
        r->rows[row] = (uint32_t)(gpu_random(&state) % spec->points);
        r->begins[row + 1] = r->begins[row] + (spec->full ? spec->candidates
                                                          : gpu_random(&state) % (spec->candidates + 1));
    }
    r->candidates = graph_block(r->begins[spec->rows] * sizeof *r->candidates);
    for (size_t row = 0; row < spec->rows; row++) {
        for (uint64_t i = r->begins[row]; i < r->begins[row + 1]; i++)
            r->candidates[i] = rows_candidate(r, row, i, &state);
        rows_prune(r, row);
    }
}

void gpu_rows_free(gpu_rows *r)
{
    free(r->codes);
    free(r->rows);
    free(r->begins);
    free(r->candidates);
    free(r->counts);
    free(r->links);
    *r = (gpu_rows){0};
}

static void rows_check(const gpu_rows *r, const vss_device_prune *job)
{
    const gpu_rows_spec *s = &r->spec;
    for (size_t row = 0; row < s->rows; row++) {
        bool same = job->counts[row] == r->counts[row];
        for (size_t i = 0; same && r->counts[row] != VSS_DEVICE_UNSETTLED && i < r->counts[row]; i++)
            same = job->links[row * s->degree + i] == r->links[row * s->degree + i];
        if (!same)
            fail_msg("row %zu of %llu candidates is wrong, %u links, not %u: %u points of %u bytes, up to %u "
                     "candidates, most %u, degree %u, factor %g, bytes %d, seed %llu", row,
                     (unsigned long long)(r->begins[row + 1] - r->begins[row]), job->counts[row], r->counts[row],
                     s->points, s->size, s->candidates, s->most, s->degree, (double)s->factor, (int)s->bytes,
                     (unsigned long long)s->seed);
    }
}

vss_status gpu_rows_ask(const gpu_rows *r, const vss_device *device, void **place, int (*stopped)(void *state),
                        void *state, vss_error *err)
{
    const gpu_rows_spec *s = &r->spec;
    const size_t rows = s->rows * sizeof(uint32_t);
    const vss_device_prune job = {.struct_size = sizeof job, .most = s->most, .degree = s->degree,
                                  .factor = s->factor, .n_rows = s->rows, .rows = r->rows, .begins = r->begins,
                                  .candidates = r->candidates, .counts = graph_block(rows),
                                  .links = graph_block(rows * s->degree), .state = state, .stopped = stopped};
    memset(job.counts, 0xee, rows);
    memset(job.links, 0xee, rows * s->degree);
    *err = (vss_error){0};
    vss_status status = device->prune(device->state, place, &r->points, &job, err);
    if (status == VSS_OK)
        rows_check(r, &job);
    free(job.counts);
    free(job.links);
    return status;
}
