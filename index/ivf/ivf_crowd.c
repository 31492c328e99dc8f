/*
 * ivf_crowd.c - the queries of a batch against centers, and against lists that several of them chose (simd/crowd.h)
 *
 * Their bytes are gathered side by side once a list. What comes out is what each query alone would have: whole sums,
 * the same operations, and shortlists that no order matters to. Cost: a copy of each query's bytes a list; then 32 rows
 * of 900 bits take as long for up to eight queries as three of them take to look the bits up, for 32 as four.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "ivf_batch.h"

#define CROWD_LINE 64u

/* Rows that queries are compared with, 32 at a time. */
typedef struct crowd_rows {
    const uint8_t *codes; /* panels, or blocks of bits */
    size_t at, end;       /* rows, or centers */
    bool centers;
} crowd_rows;

/* Bytes of the longest query. */
static size_t crowd_stride(const ivf_header *h)
{
    size_t turned = h->kind == IVF_RABITQ ? ivf_turned_width(h) : 0;
    return vssi_crowd_stride(vssi_max((size_t)h->size, turned) / 4);
}

size_t vssi_ivf_crowd_size(const ivf_header *h, size_t n)
{
    return (n + VSSI_CROWD_QUERIES) * crowd_stride(h) + (size_t)vssi_round_up(n * sizeof(vssi_crowd_query), 64);
}

void vssi_ivf_crowd_begin(ivf_batch *b, size_t n, uint8_t *memory)
{
    b->queries = (int8_t *)memory;
    b->with = (vssi_crowd_query *)(void *)(memory + (n + VSSI_CROWD_QUERIES) * crowd_stride(&b->index->header));
}

static void crowd_gather(ivf_batch *b, const crowd_rows *rows, const uint32_t *numbers, const uint32_t *nears, size_t n)
{
    bool bits = !rows->centers && b->index->header.kind == IVF_RABITQ;
    size_t units = bits ? ivf_turned_width(&b->index->header) / 4 : b->index->header.size / 4;
    size_t stride = vssi_crowd_stride(units);
    for (size_t q = 0; q < n; q++) {
        const ivf_walk *walk = &b->walks[numbers[q]];
        b->with[q] = (vssi_crowd_query){.whole = walk->square, .cut = rows->centers ? walk->near.cut : walk->list.cut};
        if (bits) {
            b->with[q].whole = walk->low;
            b->with[q].step = walk->scan.step;
            b->with[q].bias = walk->scan.bias;
            b->with[q].base = walk->near.values[nears[q]];
        }
        memcpy(b->queries + q * stride, bits ? (const void *)walk->rounded : walk->packed, stride);
    }
}

/* 32 rows from `at` on, of which those in wanted count; `most` queries at once. */
static void crowd_panel(ivf_batch *b, const crowd_rows *rows, const uint32_t *numbers, size_t n, size_t most,
                        const uint8_t *codes, size_t at, uint32_t wanted)
{
    _Alignas(64) int32_t sums[VSSI_CROWD_QUERIES * VSSI_CROWD_ROWS];
    _Alignas(64) float values[VSSI_CROWD_QUERIES * VSSI_CROWD_ROWS];
    uint32_t hits[VSSI_CROWD_QUERIES];
    const ivf_header *h = &b->index->header;
    bool bits = !rows->centers && h->kind == IVF_RABITQ;
    size_t units = bits ? ivf_turned_width(h) / 4 : h->size / 4;
    const float *add = (const float *)(const void *)(codes + 16 * units);
    for (size_t first = 0; first < n; first += most) {
        size_t some = vssi_min(most, n - first);
        vssi_crowd_query *with = b->with + first;
        const int8_t *queries = b->queries + first * vssi_crowd_stride(units);
        (bits ? b->crowd->bits : b->crowd->products)(queries, most, units, codes, sums);
        if (bits)
            b->crowd->codes(with, some, sums, add, add + VSSI_SCAN4_ROWS, values, hits);
        else
            b->crowd->far(with, some, sums, (const int32_t *)(const void *)(codes + VSSI_CROWD_ROWS * h->size), values,
                          hits);
        for (size_t q = 0; q < some; q++) {
            ivf_walk *walk = &b->walks[numbers[first + q]];
            vssi_shortlist *list = rows->centers ? &walk->near : &walk->list;
            if ((hits[q] & wanted) == 0)
                continue;
            vssi_shortlist_take(list, values + q * VSSI_CROWD_ROWS, (uint32_t)at, hits[q] & wanted);
            with[q].cut = list->cut;
        }
    }
}

static void crowd_all(ivf_batch *b, const crowd_rows *rows, const uint32_t *numbers, const uint32_t *nears, size_t n)
{
    const uint8_t *codes = rows->codes;
    size_t size = rows->centers ? vssi_panel_size(b->index->header.size) : b->index->code_size;
    size_t most = vssi_crowd_most(n);
    crowd_gather(b, rows, numbers, nears, n);
    b->crowd->begin(most);
    for (size_t at = rows->at; at < rows->end; at += VSSI_CROWD_ROWS, codes += size) {
        uint32_t wanted = vssi_ivf_valid(at, rows->end);
        if (!rows->centers) {
            for (size_t line = 0; at + VSSI_CROWD_ROWS < rows->end && line < size; line += CROWD_LINE)
                __builtin_prefetch(codes + size + line);
            wanted = vssi_ivf_permitted(&b->walks[numbers[0]], at, wanted);
        }
        if (wanted != 0)
            crowd_panel(b, rows, numbers, n, most, codes, at, wanted);
    }
    b->crowd->end();
}

void vssi_ivf_crowd_centers(ivf_batch *b, const uint32_t *numbers, size_t n, size_t at, size_t end)
{
    const uint8_t *panels = b->index->centers + at / VSSI_NEAREST_LANES * vssi_panel_size(b->index->header.size);
    const crowd_rows rows = {.codes = panels, .at = at, .end = end, .centers = true};
    crowd_all(b, &rows, numbers, NULL, n);
}

void vssi_ivf_crowd_list(ivf_batch *b, size_t list, size_t i, size_t n)
{
    const ivf_index *index = b->index;
    const crowd_rows rows = {.codes = index->codes + index->blocks[list] * index->code_size, .at = index->lists[list],
                             .end = index->lists[list + 1]};
    crowd_all(b, &rows, b->choosers + i, b->nears + i, n);
}
