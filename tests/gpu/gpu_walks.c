/*
 * gpu_walks.c - random graphs for the searches of gpu_case.h, and what walks over them find, by a plain walk
 */
#include "gpu_walks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GRAPHS_THREADS = 256, GRAPHS_FOLLOW = 8, GRAPHS_FAR = 4096, GRAPHS_POOLS = 4 }; /* as gpu/walks.cpp has them */

typedef struct graph_place {
    double score;
    uint32_t place;
    bool followed;
} graph_place;

/* One query's walk. */
typedef struct graph_walk {
    const gpu_walks *g;
    const gpu_case *c;
    size_t query;
    graph_place *pool; /* [capacity + 1] */
    size_t n, capacity, at; /* all before `at` are followed */
    uint8_t *seen;
    uint64_t visited, followed;
} graph_walk;

static void *graphs_block(size_t n, size_t size)
{
    void *block = malloc(n * size > 0 ? n * size : 1);
    assert_non_null(block);
    return block;
}

static uint32_t graphs_below(uint64_t *state, uint32_t n) { return (uint32_t)(gpu_random(state) % n); }

/* A number that should be below n. */
static uint32_t graphs_number(uint64_t *state, uint32_t n, bool wild)
{
    if (wild && gpu_random(state) % 4 == 0)
        return gpu_random(state) % 2 == 0 ? (uint32_t)gpu_random(state) : n + graphs_below(state, 3);
    return graphs_below(state, n);
}

static void graphs_links(gpu_walks *g, uint32_t rows, uint64_t *state)
{
    const gpu_walks_spec *s = &g->spec;
    g->links = graphs_block((size_t)rows * s->stride, sizeof *g->links);
    for (uint32_t place = 0; place < rows; place++) {
        uint32_t *links = g->links + (size_t)place * s->stride;
        links[0] = s->line ? place + 1 < rows : graphs_number(state, s->stride, s->wild);
        for (uint32_t i = 1; i < s->stride; i++)
            links[i] = s->line ? place + 1 : graphs_number(state, rows, s->wild);
    }
}

static void graphs_entries(gpu_walks *g, uint32_t rows, uint64_t *state)
{
    const gpu_walks_spec *s = &g->spec;
    const uint32_t members = s->entries - s->groups;
    g->entries = graphs_block(s->entries, sizeof *g->entries);
    g->groups = graphs_block(s->groups + 1, sizeof *g->groups);
    for (uint32_t i = 0; i < s->entries; i++)
        g->entries[i] = s->line ? 0 : graphs_number(state, rows, s->wild);
    for (uint32_t i = 0; i <= s->groups; i++)
        g->groups[i] = s->wild ? graphs_number(state, members + 1, true)
                               : s->groups > 0 ? (uint32_t)((uint64_t)members * i / s->groups) : 0;
}

static void graphs_map(gpu_walks *g, uint32_t rows, uint64_t *state)
{
    g->map = graphs_block(rows, sizeof *g->map);
    for (uint32_t i = 0; i < rows; i++)
        g->map[i] = i;
    for (uint32_t i = 0; i + 1 < rows; i++) {
        uint32_t other = i + graphs_below(state, rows - i), row = g->map[other];
        g->map[other] = g->map[i];
        g->map[i] = row;
    }
}

static void graphs_codes(gpu_walks *g, const gpu_case *c, uint64_t *state)
{
    const size_t size = g->spec.code_size, queries = c->spec.queries;
    const bool nibbles = g->spec.coding == VSS_DEVICE_CODING_NIBBLES;
    g->codes = graphs_block(c->spec.rows, size);
    g->query_codes = graphs_block(queries, size * (nibbles ? 2 : 1));
    for (size_t i = 0; i < c->spec.rows * size; i++)
        g->codes[i] = (uint8_t)gpu_random(state);
    for (size_t i = 0; i < queries * size * (nibbles ? 2 : 1); i++)
        g->query_codes[i] = (uint8_t)(nibbles ? gpu_random(state) % 255 - 127 : gpu_random(state));
}

static double graphs_code_score(const gpu_walks *g, size_t query, uint32_t place)
{
    const size_t size = g->spec.code_size;
    const bool nibbles = g->spec.coding == VSS_DEVICE_CODING_NIBBLES;
    const uint8_t *code = g->codes + place * size, *wanted = g->query_codes + query * size * (nibbles ? 2 : 1);
    double sum = 0;
    for (size_t i = 0; i < size; i++) {
        int low = nibbles ? 8 * (code[i] & 15) - (int8_t)wanted[i] : code[i] - wanted[i];
        int high = nibbles ? 8 * (code[i] >> 4) - (int8_t)wanted[size + i] : 0;
        sum += low * low + high * high;
    }
    return sum;
}

static uint32_t graphs_row(const gpu_walks *g, uint32_t place) { return g->map != NULL ? g->map[place] : place; }

static double graphs_score(const graph_walk *w, uint32_t place)
{
    if (w->g->spec.coding != VSS_DEVICE_CODING_NONE && !w->g->spec.uncoded)
        return graphs_code_score(w->g, w->query, place);
    if (w->c->spec.metric == VSS_METRIC_COSINE)
        return -(double)gpu_case_share(w->c, w->query, graphs_row(w->g, place));
    return (double)w->c->values[w->query * w->c->spec.rows + graphs_row(w->g, place)];
}

static bool graphs_before(const graph_place *a, const graph_place *b)
{
    return a->score != b->score ? a->score < b->score : a->place < b->place;
}

static void graphs_take(graph_walk *w, uint32_t place)
{
    const uint32_t rows = w->c->spec.rows;
    graph_place one = {.place = place < rows ? place : rows - 1};
    if (w->seen[one.place] != 0)
        return;
    w->seen[one.place] = 1;
    w->visited++;
    one.score = graphs_score(w, one.place);
    size_t at = w->n;
    while (at > 0 && graphs_before(&one, &w->pool[at - 1]))
        at--;
    if (at < w->capacity && at < w->at)
        w->at = at;
    memmove(w->pool + at + 1, w->pool + at, (w->n - at) * sizeof *w->pool);
    w->pool[at] = one;
    w->n = w->n < w->capacity ? w->n + 1 : w->capacity;
}

static void graphs_start(graph_walk *w)
{
    const gpu_walks *g = w->g;
    const uint32_t groups = g->spec.groups, members = g->spec.entries - groups, rows = w->c->spec.rows;
    const bool everywhere = w->c->allow != NULL || g->spec.pool >= 4 * groups;
    uint32_t best = 0;
    double least = INFINITY;
    for (uint32_t i = 0; i < groups; i++) {
        double score = graphs_score(w, g->entries[i] < rows ? g->entries[i] : rows - 1);
        best = score < least ? i : best;
        least = score < least ? score : least;
        w->visited++;
    }
    if (groups == 0)
        return;
    for (uint32_t i = g->groups[best]; i < g->groups[best + 1] && i < members; i++)
        graphs_take(w, g->entries[groups + i]);
    for (uint32_t i = everywhere ? 0 : best; i < (everywhere ? groups : best + 1); i++)
        graphs_take(w, g->entries[i]);
}

/* Follow the nearest of the pool that are not yet; false: there are none. */
static bool graphs_step(graph_walk *w)
{
    const uint32_t stride = w->g->spec.stride;
    uint32_t chosen[GRAPHS_FOLLOW], n = 0, most = GRAPHS_THREADS / stride;
    most = most < 1 ? 1 : most > GRAPHS_FOLLOW ? GRAPHS_FOLLOW : most;
    if (w->at >= w->n)
        return false;
    const size_t end = w->at + GRAPHS_THREADS; /* one look at the pool */
    for (; w->at < w->n && w->at < end && n < most; w->at++) {
        if (!w->pool[w->at].followed)
            chosen[n++] = w->pool[w->at].place;
        w->pool[w->at].followed = true;
    }
    w->followed += n;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t *links = w->g->links + (size_t)chosen[i] * stride;
        for (uint32_t j = 1; j < stride && j <= links[0]; j++)
            graphs_take(w, links[j]);
    }
    return true;
}

static bool graphs_allowed(const gpu_case *c, uint32_t row)
{
    return c->allow == NULL || (c->allow[row / 64] >> row % 64 & 1) != 0;
}

static void graphs_end(gpu_walks *g, gpu_case *c, const graph_walk *w, bool far)
{
    uint8_t *members = g->members + w->query * c->spec.rows;
    uint64_t allowed = 0;
    memset(members, 0, c->spec.rows);
    for (size_t i = 0; i < w->n; i++) {
        members[graphs_row(g, w->pool[i].place)] = 1;
        allowed += graphs_allowed(c, graphs_row(g, w->pool[i].place));
    }
    g->lost[w->query] = far || allowed < c->spec.k;
    if (!far && allowed == c->search.n_allow)
        g->lost[w->query] = false;
    if (g->lost[w->query])
        memset(members, 0, c->spec.rows);
    g->visited[w->query] = w->visited;
}

void gpu_walks_run(gpu_walks *g, gpu_case *c)
{
    graph_walk w = {.g = g, .c = c, .capacity = g->spec.pool};
    w.pool = graphs_block(w.capacity + 1, sizeof *w.pool);
    w.seen = graphs_block(c->spec.rows, 1);
    for (; w.query < c->spec.queries; w.query++) {
        bool far = false;
        memset(w.seen, 0, c->spec.rows);
        w.n = w.at = 0;
        w.visited = w.followed = 0;
        graphs_start(&w);
        while (!far && graphs_step(&w))
            far = w.at < w.n && w.followed > GRAPHS_FAR + (uint64_t)GRAPHS_POOLS * g->spec.pool;
        graphs_end(g, c, &w, far);
    }
    free(w.pool);
    free(w.seen);
}

void gpu_walks_make(gpu_walks *g, gpu_case *c, const gpu_walks_spec *spec)
{
    uint64_t state = c->spec.seed + 99;
    const size_t queries = c->spec.queries;
    *g = (gpu_walks){.spec = *spec};
    g->members = graphs_block(queries * c->spec.rows, 1);
    g->lost = graphs_block(queries, sizeof *g->lost);
    g->visited = graphs_block(queries, sizeof *g->visited);
    g->scored = graphs_block(queries, sizeof *g->scored);
    graphs_links(g, c->spec.rows, &state);
    graphs_entries(g, c->spec.rows, &state);
    if (spec->mapped)
        graphs_map(g, c->spec.rows, &state);
    if (spec->coding != VSS_DEVICE_CODING_NONE)
        graphs_codes(g, c, &state);
    g->graph = (vss_device_graph){.struct_size = sizeof g->graph, .stride = spec->stride, .links = g->links,
                                  .n_entries = spec->entries, .n_groups = spec->groups, .entries = g->entries,
                                  .groups = g->groups, .map = g->map, .coding = spec->coding,
                                  .code_size = spec->code_size, .codes = g->codes};
    gpu_walks_run(g, c);
    c->search.graph = &g->graph;
    c->search.graph_place = &g->place;
    c->search.pool = spec->pool;
    c->search.codes = spec->uncoded ? NULL : g->query_codes;
    c->search.code_stride = spec->code_size * (spec->coding == VSS_DEVICE_CODING_NIBBLES ? 2 : 1);
    c->hits.scored = g->scored;
    c->members = g->members;
}

void gpu_walks_check(const gpu_walks *g, const gpu_case *c)
{
    size_t lost = 0;
    for (size_t q = 0; q < c->spec.queries; q++) {
        lost += g->lost[q];
        if (g->lost[q] != (c->hits.counts[q] == VSS_DEVICE_UNSETTLED))
            fail_msg("query %zu: the walk finds %s, %u rows came; stride %u, pool %u, type %d, coding %d, seed %llu", q,
                     g->lost[q] ? "too few" : "enough", c->hits.counts[q], g->spec.stride, g->spec.pool,
                     (int)c->spec.type, (int)g->spec.coding, (unsigned long long)c->spec.seed);
        if (!g->lost[q] && c->search.n_allow > 0 && c->hits.scored[q] < g->visited[q])
            fail_msg("query %zu: %u rows scored, %llu places were to be; type %d, metric %d, seed %llu", q,
                     c->hits.scored[q], (unsigned long long)g->visited[q], (int)c->spec.type, (int)c->spec.metric,
                     (unsigned long long)c->spec.seed);
    }
    assert_int_equal(gpu_case_check(c), lost); /* of those no row is wanted */
}

void gpu_walks_free(gpu_walks *g, gpu_case *c, const vss_device *device)
{
    if (g->place != NULL)
        device->forget(device->state, g->place);
    c->search.graph = NULL;
    c->hits.scored = NULL;
    c->members = NULL;
    free(g->links);
    free(g->entries);
    free(g->groups);
    free(g->map);
    free(g->scored);
    free(g->codes);
    free(g->query_codes);
    free(g->members);
    free(g->lost);
    free(g->visited);
    *g = (gpu_walks){.place = NULL};
}
