/*
 * gpu_graph.c - random points in groups, and what a device must say of them, by plain loops over whole numbers
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

static uint32_t graph_distance(const gpu_graph *g, uint32_t a, uint32_t b)
{
    const size_t size = g->spec.size;
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        int off = g->codes[a * size + i] - g->codes[b * size + i];
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
        distances[i] = graph_distance(g, member, met[i]);
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
    for (size_t group = 0; group < spec->groups; group++)
        graph_group(g, group);
    g->points = (vss_device_points){sizeof g->points, spec->size, spec->rows, g->codes};
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
