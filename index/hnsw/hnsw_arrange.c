/*
 * hnsw_arrange.c - number the nodes so that near ones lie side by side, and number by row again in the end
 *
 * A build reads the codes of near rows together, and a graph's rows too: in this order most of them are in cache. Codes
 * and graph are moved in place, cycle by cycle of the permutation. 5 bytes a row meanwhile.
 */
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

#define ARRANGE_UNIT 4096u /* rows */

/* Elements of `size` bytes at data[n]: element i comes from from[i]. buffer: room for one. */
static void arrange_move(uint8_t *data, size_t size, const uint32_t *from, size_t n, uint64_t *moved, uint8_t *buffer)
{
    memset(moved, 0, vssi_bitmap_words(n) * sizeof *moved);
    for (size_t first = 0; first < n; first++) {
        if (vssi_bitmap_get(moved, first) || from[first] == first)
            continue;
        size_t at = first;
        memcpy(buffer, data + first * size, size);
        for (; from[at] != first; at = from[at]) {
            memcpy(data + at * size, data + from[at] * size, size);
            vssi_bitmap_set(moved, at);
        }
        memcpy(data + at * size, buffer, size);
        vssi_bitmap_set(moved, at);
    }
}

static vss_status arrange_all(vssi_hnsw_build *b, uint8_t *data, size_t size, const uint32_t *from, vss_error *err)
{
    uint64_t *moved;
    VSSI_TRY(vssi_alloc(b->heap, vssi_bitmap_words(b->rows) * sizeof *moved + size, 1, &moved, err));
    arrange_move(data, size, from, b->rows, moved, (uint8_t *)(moved + vssi_bitmap_words(b->rows)));
    vssi_free(b->heap, moved);
    return VSS_OK;
}

vss_status vssi_hnsw_arrange(vssi_hnsw_build *b, vss_error *err)
{
    uint32_t *places;
    vss_status status;
    if (b->coded)
        VSSI_TRY(arrange_all(b, b->codes, b->vector_size, b->order, err));
    VSSI_TRY(vssi_hnsw_space_sums(b, err));
    VSSI_TRY(vssi_alloc(b->heap, b->rows, sizeof *places, &places, err));
    VSSI_TRY_GOTO(vssi_hnsw_partition_order(b, places, err), done);
    vssi_hnsw_device_forget(b); /* the codes move */
    for (size_t place = b->n_nodes; place < b->rows; place++)
        places[place] = (uint32_t)place;
    if (b->coded)
        VSSI_TRY_GOTO(arrange_all(b, b->codes, b->vector_size, places, err), done);
    VSSI_TRY_GOTO(arrange_all(b, (uint8_t *)b->order, sizeof *b->order, places, err), done);
    status = vssi_hnsw_space_sums(b, err);
done:
    vssi_free(b->heap, places);
    return status;
}

static void arrange_links(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    (void)worker;
    (void)arg;
    size_t end = vssi_min((unit + 1) * ARRANGE_UNIT, b->rows);
    for (size_t place = unit * ARRANGE_UNIT; place < end; place++) {
        uint32_t *links = vssi_hnsw_links(b, place);
        for (size_t i = 1; i <= links[0]; i++)
            links[i] = b->order[links[i]];
        memset(links + 1 + links[0], 0, (b->stride - 1 - links[0]) * sizeof *links);
    }
}

vss_status vssi_hnsw_arrange_back(vssi_hnsw_build *b, vss_error *err)
{
    uint32_t *places;
    vss_status status;
    VSSI_TRY(vssi_hnsw_run(b, vssi_hnsw_divide(b->rows, ARRANGE_UNIT), 0, arrange_links, NULL, err));
    for (size_t i = 0; i < b->n_entries; i++)
        b->entries[i] = b->order[b->entries[i]];
    VSSI_TRY(vssi_alloc(b->heap, b->rows, sizeof *places, &places, err));
    for (size_t place = 0; place < b->rows; place++)
        places[b->order[place]] = (uint32_t)place;
    VSSI_TRY_GOTO(arrange_all(b, (uint8_t *)b->graph, b->stride * sizeof *b->graph, places, err), done);
    status = VSS_OK;
    if (b->coded && b->stored)
        status = arrange_all(b, b->codes, b->vector_size, places, err);
done:
    vssi_free(b->heap, places);
    return status;
}
