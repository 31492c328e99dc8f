/*
 * graph.cpp - a graph on the card: its links, entries, groups, map and codes
 *
 * Memory: 4 bytes a link that there is room for, 4 a row where there is a map, and the codes, filled up with zeros to
 * multiples of 16 bytes. What is stored is not trusted: the kernel bounds what it reads (walk.h); whether the map has
 * each row once is seen here, by a bitmap, as a row that was found twice would move the k-th: queries of a graph with
 * another map are left to the CPU. Cost: that, once, and the copies.
 */
#include "graph.h"

#include <cstdio>
#include <cstdlib>

#include "carve.h"
#include "fail.h"
#include "state.h"
#include "walk.h"

namespace vssg {

constexpr uint32_t GRAPH_STRIDE = 65536;  /* numbers of a place's links, at most */
constexpr uint32_t GRAPH_ENTRIES = 65536; /* at most: all may be compared before a walk begins */
constexpr uint32_t GRAPH_CODE = 32832;    /* bytes, at most */

struct GraphFrom {
    const vss_device_graph *graph;
    uint32_t rows;
};

static vss_status graph_check(const vss_device_graph *graph, uint32_t pool, vss_error *err)
{
    const uint32_t size = graph->coding != VSS_DEVICE_CODING_NONE ? graph->code_size : 1;
    if (pool == 0 || pool > WALK_POOL)
        return fail(err, VSS_ERR_UNSUPPORTED, "a walk that keeps %u rows in view, wanted 1 to %u", pool, WALK_POOL);
    if (graph->stride == 0 || graph->stride > GRAPH_STRIDE)
        return fail(err, VSS_ERR_UNSUPPORTED, "a graph of stride %u, wanted 1 to %u", graph->stride, GRAPH_STRIDE);
    if (graph->n_groups > graph->n_entries || graph->n_entries > GRAPH_ENTRIES)
        return fail(err, VSS_ERR_UNSUPPORTED, "a graph with %u groups of %u entries, wanted %u at most",
                    graph->n_groups, graph->n_entries, GRAPH_ENTRIES);
    if (graph->coding > VSS_DEVICE_CODING_NIBBLES || size == 0 || size > GRAPH_CODE)
        return fail(err, VSS_ERR_UNSUPPORTED, "codes of kind %d and %u bytes, wanted up to %d and 1 to %u",
                    static_cast<int>(graph->coding), graph->code_size, static_cast<int>(VSS_DEVICE_CODING_NIBBLES),
                    GRAPH_CODE);
    return VSS_OK;
}

/* Is some row at no place? */
static vss_status graph_damaged(const uint32_t *map, uint32_t rows, bool *damaged, vss_error *err)
{
    *damaged = false;
    if (map == nullptr)
        return VSS_OK;
    uint64_t *seen = static_cast<uint64_t *>(std::calloc(rows / 64 + 1, sizeof *seen));
    if (seen == nullptr)
        return fail(err, VSS_ERR_NO_MEMORY, "out of memory for a bitmap of %u rows", rows);
    for (uint32_t place = 0; place < rows && !*damaged; place++) {
        const uint32_t row = map[place];
        *damaged = row >= rows || (seen[row / 64] >> row % 64 & 1) != 0;
        if (!*damaged)
            seen[row / 64] |= uint64_t{1} << row % 64;
    }
    std::free(seen);
    return VSS_OK;
}

static size_t graph_links_bytes(const Graph &g) { return whole_up(size_t{g.n} * g.stride * sizeof(uint32_t)); }
static size_t graph_entries_bytes(const Graph &g) { return whole_up(size_t{g.n_entries} * sizeof(uint32_t)); }
static size_t graph_groups_bytes(const Graph &g) { return whole_up((size_t{g.n_groups} + 1) * sizeof(uint32_t)); }

static size_t graph_shape(Place *place, const void *from, char (&what)[64])
{
    const GraphFrom *asked = static_cast<const GraphFrom *>(from);
    const vss_device_graph *graph = asked->graph;
    const bool coded = graph->coding != VSS_DEVICE_CODING_NONE;
    Graph *g = &place->graph;
    *g = Graph{};
    g->n = asked->rows;
    g->stride = graph->stride;
    g->n_entries = graph->n_entries;
    g->n_groups = graph->n_groups;
    g->coding = graph->coding;
    g->code_size = coded ? graph->code_size : 0;
    g->code_stride = (size_t{g->code_size} + 15) / 16 * 16;
    (void)std::snprintf(what, sizeof what, "a graph of %u rows, %u links each", g->n, g->stride - 1);
    const size_t map = graph->map != nullptr ? whole_up(size_t{g->n} * sizeof(uint32_t)) : 0;
    return graph_links_bytes(*g) + graph_entries_bytes(*g) + graph_groups_bytes(*g) + map + g->n * g->code_stride;
}

/* Words to *at, which moves on; the staging memory is free again. */
static vss_status graph_words(Call *call, uint8_t **at, size_t room, const uint32_t *from, size_t n,
                              const uint32_t **out, vss_error *err)
{
    *out = reinterpret_cast<const uint32_t *>(*at);
    VSSG_TRY(call_send(call, *at, from, n * sizeof *from, err));
    *at += room;
    return runtime_finish(call->stream, err);
}

static vss_status graph_load(Device *, Call *call, Place *place, const void *from, vss_error *err)
{
    const GraphFrom *asked = static_cast<const GraphFrom *>(from);
    const vss_device_graph *graph = asked->graph;
    Graph *g = &place->graph;
    uint8_t *at = static_cast<uint8_t *>(place->memory);
    VSSG_TRY(graph_damaged(graph->map, g->n, &g->damaged, err));
    VSSG_TRY(graph_words(call, &at, graph_links_bytes(*g), graph->links, size_t{g->n} * g->stride, &g->links, err));
    VSSG_TRY(graph_words(call, &at, graph_entries_bytes(*g), graph->entries, g->n_entries, &g->entries, err));
    VSSG_TRY(graph_words(call, &at, graph_groups_bytes(*g), graph->groups, g->n_groups + 1, &g->groups, err));
    if (graph->map != nullptr)
        VSSG_TRY(graph_words(call, &at, whole_up(size_t{g->n} * sizeof(uint32_t)), graph->map, g->n, &g->map, err));
    if (g->code_size == 0)
        return VSS_OK;
    /* Codes lie as rows of bytes do. */
    vss_device_vectors codes{};
    codes.type = VSS_TYPE_VECTOR_U8;
    codes.dim = g->code_size;
    codes.rows = g->n;
    codes.data = graph->codes;
    Rows shape{};
    shape.n = g->n;
    shape.stride = g->code_stride;
    g->codes = at;
    return place_upload(call, shape, at, &codes, err);
}

vss_status graph_take(Device *device, Call *call, const vss_device_search *search, uint64_t rows, Place **out,
                      vss_error *err)
{
    const GraphFrom from{search->graph, static_cast<uint32_t>(rows)};
    VSSG_TRY(graph_check(search->graph, search->pool, err));
    return place_hold(device, call, search->graph_place, PlaceFill{&from, graph_shape, graph_load}, out, err);
}

} // namespace vssg
