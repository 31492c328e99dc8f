/*
 * hnsw_order.c - places for the rows, so that those that a walk reads together lie together
 *
 * Graph and codes go by place; map[place] is the row. The order is Gorder's greedy choice (Wei, Yu, Lu and Lin,
 * SIGMOD 2016): next comes the row with the most links from the last ORDER_WINDOW ones. Rows wait in lists by that
 * count, doubly linked, so that a count changes in constant time; where none has a link from the window, the first of
 * those left comes next. Departure: rows that share a neighbour are not counted, which would cost a look at the links
 * of every link; near neighbours that share one are mostly linked themselves.
 *
 * Entries come first of all, in their order: a search reads centres, and a group's members, one after another. In the
 * end rows are as wide as the longest needs. Only with codes: vectors stay where they are, and a walk on them would
 * gain little. Cost: two looks at every link and one copy of graph and codes, on one thread; 13 bytes a row and the
 * copy meanwhile.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

#define ORDER_WINDOW 16u
#define ORDER_PLACED 0xffu /* a count that none reaches */
#define ORDER_NONE UINT32_MAX

typedef struct order_work {
    const vssi_hnsw_build *build;
    uint32_t *next, *previous;        /* [rows] in the list of the row's count */
    uint8_t *count;                   /* [rows] links from the window, or ORDER_PLACED */
    uint32_t head[ORDER_WINDOW + 1];  /* of the list of a count */
    uint32_t most;                    /* no list above it has a row */
} order_work;

static void order_unlink(order_work *o, uint32_t row)
{
    uint32_t next = o->next[row], previous = o->previous[row];
    if (previous == ORDER_NONE)
        o->head[o->count[row]] = next;
    else
        o->next[previous] = next;
    if (next != ORDER_NONE)
        o->previous[next] = previous;
}

static void order_insert(order_work *o, uint32_t row, uint8_t count)
{
    uint32_t first = o->head[count];
    o->count[row] = count;
    o->next[row] = first;
    o->previous[row] = ORDER_NONE;
    if (first != ORDER_NONE)
        o->previous[first] = row;
    o->head[count] = row;
}

/* The row enters the window (step 1) or leaves it (step -1). */
static void order_window(order_work *o, uint32_t row, int step)
{
    const uint32_t *links = vssi_hnsw_links(o->build, row);
    for (size_t i = 1; i <= links[0]; i++) {
        uint32_t to = links[i];
        if (o->count[to] == ORDER_PLACED)
            continue;
        uint8_t count = (uint8_t)(o->count[to] + step);
        order_unlink(o, to);
        order_insert(o, to, count);
        if (count > o->most)
            o->most = count;
    }
}

static void order_place(order_work *o, uint32_t row)
{
    order_unlink(o, row);
    o->count[row] = ORDER_PLACED;
}

static uint32_t order_take(order_work *o)
{
    while (o->head[o->most] == ORDER_NONE)
        o->most--;
    uint32_t row = o->head[o->most];
    order_place(o, row);
    return row;
}

static vss_status order_choose(const vssi_hnsw_build *b, uint32_t *map, vss_error *err)
{
    order_work o = {.build = b};
    vss_status status;
    VSSI_TRY_GOTO(vssi_alloc(b->heap, b->rows, sizeof *o.next, &o.next, err), done);
    VSSI_TRY_GOTO(vssi_alloc(b->heap, b->rows, sizeof *o.previous, &o.previous, err), done);
    VSSI_TRY_GOTO(vssi_alloc(b->heap, b->rows, 1, &o.count, err), done);
    memset(o.head, 0xff, sizeof o.head); /* ORDER_NONE */
    for (size_t row = b->rows; row-- > 0;)
        order_insert(&o, (uint32_t)row, 0);
    for (size_t place = 0; place < b->n_entries; place++) {
        map[place] = b->entries[place];
        order_place(&o, map[place]);
    }
    for (size_t place = b->n_entries; place < b->rows; place++) {
        if (place >= b->n_entries + ORDER_WINDOW)
            order_window(&o, map[place - ORDER_WINDOW], -1);
        map[place] = order_take(&o);
        order_window(&o, map[place], 1);
    }
done:
    vssi_free(b->heap, o.next);
    vssi_free(b->heap, o.previous);
    vssi_free(b->heap, o.count);
    return status;
}

static size_t order_stride(const vssi_hnsw_build *b)
{
    size_t most = 0;
    for (size_t row = 0; row < b->rows; row++)
        most = vssi_max(most, vssi_hnsw_links(b, row)[0]);
    return (size_t)vssi_round_up(1 + most, HNSW_ALIGN);
}

/* places [rows]: the place of each row. */
static vss_status order_graph(vssi_hnsw_build *b, const uint32_t *map, const uint32_t *places, vss_error *err)
{
    size_t stride = order_stride(b);
    uint32_t *graph;
    VSSI_TRY(vssi_alloc_zero(b->heap, b->rows * stride, sizeof *graph, &graph, err));
    for (size_t place = 0; place < b->rows; place++) {
        const uint32_t *links = vssi_hnsw_links(b, map[place]);
        uint32_t *out = graph + place * stride;
        out[0] = links[0];
        for (size_t i = 1; i <= links[0]; i++)
            out[i] = places[links[i]];
    }
    for (size_t i = 0; i < b->n_entries; i++)
        b->entries[i] = places[b->entries[i]];
    vssi_free(b->heap, b->graph);
    b->graph = graph;
    b->stride = stride;
    return VSS_OK;
}

vss_status vssi_hnsw_order(vssi_hnsw_build *b, vss_error *err)
{
    uint32_t *places;
    if (!b->stored)
        return VSS_OK;
    VSSI_TRY(vssi_alloc(b->heap, b->rows, sizeof *b->map, &b->map, err));
    VSSI_TRY(order_choose(b, b->map, err));
    VSSI_TRY(vssi_alloc(b->heap, b->rows, sizeof *places, &places, err));
    for (size_t place = 0; place < b->rows; place++)
        places[b->map[place]] = (uint32_t)place;
    vss_status status = order_graph(b, b->map, places, err);
    vssi_free(b->heap, places);
    return status == VSS_OK ? vssi_hnsw_form_store(b, err) : status;
}
