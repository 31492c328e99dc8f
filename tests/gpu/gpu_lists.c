/*
 * gpu_lists.c - random inverted lists for the searches of gpu_case.h
 */
#include "gpu_lists.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *lists_block(size_t n, size_t size)
{
    void *block = malloc(n * size > 0 ? n * size : 1);
    assert_non_null(block);
    return block;
}

/* Rows to lists; list n_lists is none. */
static void lists_assign(gpu_lists *l, uint32_t rows, uint32_t n_lists, bool every, uint64_t *state)
{
    uint32_t *where = lists_block(rows, sizeof *where), *next = lists_block(n_lists + 1, sizeof *next);
    memset(l->begins, 0, (n_lists + 1) * sizeof *l->begins);
    for (uint32_t r = 0; r < rows; r++) {
        bool in = n_lists > 0 && (every || gpu_random(state) % 16 != 0);
        where[r] = in ? (uint32_t)(gpu_random(state) % (1 + gpu_random(state) % n_lists)) : n_lists;
        if (in)
            l->begins[where[r] + 1]++;
    }
    for (uint32_t i = 0; i < n_lists; i++)
        l->begins[i + 1] += l->begins[i];
    memcpy(next, l->begins, (n_lists + 1) * sizeof *next);
    l->rows = lists_block(l->begins[n_lists], sizeof *l->rows);
    for (uint32_t r = 0; r < rows; r++)
        if (where[r] < n_lists)
            l->rows[next[where[r]]++] = r;
    free(where);
    free(next);
}

/* Each query's lists: the first of a shuffle. */
static void lists_choose(gpu_lists *l, size_t queries, uint32_t n_lists, uint32_t probes, uint64_t *state)
{
    uint32_t *order = lists_block(n_lists, sizeof *order);
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_lists; i++)
        order[i] = i;
    for (size_t q = 0; q < queries; q++) {
        uint32_t count = probes >= n_lists ? n_lists : (uint32_t)(gpu_random(state) % 4 == 0
                                                                  ? gpu_random(state) % (probes + 1) : probes);
        l->probe_begins[q] = n;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t other = i + (uint32_t)(gpu_random(state) % (n_lists - i)), list = order[other];
            order[other] = order[i];
            order[i] = list;
            l->probes[n++] = list;
        }
    }
    l->probe_begins[queries] = n;
    free(order);
}

void gpu_lists_members(gpu_lists *l, gpu_case *c)
{
    const uint32_t rows = c->spec.rows;
    memset(l->members, 0, c->spec.queries * rows);
    for (size_t q = 0; q < c->spec.queries; q++)
        for (uint64_t p = l->probe_begins[q]; p < l->probe_begins[q + 1]; p++)
            for (uint32_t i = l->begins[l->probes[p]]; i < l->begins[l->probes[p] + 1]; i++)
                if (l->rows[i] < rows)
                    l->members[q * rows + l->rows[i]] = 1;
}

void gpu_lists_make(gpu_lists *l, gpu_case *c, uint32_t n_lists, uint32_t probes, bool every)
{
    uint64_t state = c->spec.seed + 77;
    const size_t queries = c->spec.queries, most = probes < n_lists ? probes : n_lists;
    l->begins = lists_block(n_lists + 1, sizeof *l->begins);
    l->probes = lists_block(queries * most, sizeof *l->probes);
    l->probe_begins = lists_block(queries + 1, sizeof *l->probe_begins);
    l->members = lists_block(queries * c->spec.rows, 1);
    lists_assign(l, c->spec.rows, n_lists, every, &state);
    lists_choose(l, queries, n_lists, probes, &state);
    gpu_lists_members(l, c);
    l->lists = (vss_device_lists){sizeof l->lists, n_lists, l->begins, l->rows};
    c->search.lists = &l->lists;
    c->search.lists_place = &c->lists_place;
    c->search.probe_begins = l->probe_begins;
    c->search.probes = l->probes;
    c->members = l->members;
}

void gpu_lists_free(gpu_lists *l, gpu_case *c, const vss_device *device)
{
    if (c->lists_place != NULL)
        device->forget(device->state, c->lists_place);
    c->lists_place = NULL;
    c->search.lists = NULL;
    c->members = NULL;
    free(l->begins);
    free(l->rows);
    free(l->probes);
    free(l->probe_begins);
    free(l->members);
}
