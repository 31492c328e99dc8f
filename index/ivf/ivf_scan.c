/*
 * ivf_scan.c - read one list: what its codes say of its rows goes into the shortlist
 *
 * ivf_flat has the vectors there and offers rows at once. The others go by 32 rows; with few rows that may be returned,
 * the 32 are asked for first, and passed over where there is none. Lists are short and lie anywhere: codes are fetched
 * ahead of the one that is read, into the lists that come next.
 */
#include "../../lib/base/checked.h"
#include "ivf_walk.h"

#define SCAN_BLOCK 256u  /* vectors scored at once */
#define SCAN_AHEAD 32u   /* lines asked for ahead */
#define SCAN_LINE 64u
#define SCAN_BLOCKS 64u  /* of 32 rows, looked through at once */
#define SCAN_ROWS 8u     /* lines of row numbers asked for ahead */

/* Ask for so many lines more. */
static void scan_ahead(ivf_walk *walk, size_t lines)
{
    const ivf_index *index = walk->index;
    ivf_ahead *ahead = &walk->ahead;
    for (; lines > 0; lines--) {
        while (ahead->line >= ahead->end) {
            if (ahead->next == walk->n_probes)
                return;
            size_t list = walk->near.places[walk->order[ahead->next++]];
            const uint32_t *begins = index->blocks ? index->blocks : index->lists;
            ahead->line = index->codes + begins[list] * index->code_size;
            ahead->end = index->codes + begins[list + 1] * index->code_size;
        }
        __builtin_prefetch(ahead->line);
        ahead->line += SCAN_LINE;
    }
}

/* Codes of 1 or of 4 bits. */
static uint32_t scan_block(ivf_walk *walk, const uint8_t *block, float base, float *values)
{
    const float *add = (const float *)(const void *)(block + 16 * walk->scan.subs);
    const float *mul = walk->index->header.kind == IVF_RABITQ ? add + VSSI_SCAN4_ROWS : NULL;
    return walk->kernel(&walk->scan, block, add, mul, base, walk->list.cut, values);
}

/* Codes of a byte. */
static uint32_t scan_panel(ivf_walk *walk, const uint8_t *panel, float *values)
{
    walk->panel(walk->packed, &walk->square, 1, walk->index->header.size / 4, panel, values);
    return walk->list.kernels->below(values, 32, walk->list.cut);
}

/* Product codes of 8 bits. */
static uint32_t scan_bytes(ivf_walk *walk, size_t at, size_t n, float base, float *values)
{
    vssi_ivf_pq_scan(walk->index, walk->table, at, n, base, values);
    return walk->list.kernels->below(values, n, walk->list.cut);
}

/* The rows of each of the n blocks from a position on that are to be looked at; with few of them those blocks are asked
 * for at once. */
static void scan_wanted(ivf_walk *walk, size_t at, size_t end, const uint8_t *block, size_t n, uint32_t *wanted)
{
    size_t size = walk->index->code_size;
    for (size_t b = 0; b < n; b++, at += 32) {
        wanted[b] = vssi_ivf_valid(at, end);
        if (!walk->few)
            continue;
        wanted[b] = vssi_ivf_permitted(walk, at, wanted[b]);
        for (size_t line = 0; wanted[b] != 0 && block != NULL && line < size; line += SCAN_LINE)
            __builtin_prefetch(block + b * size + line);
    }
}

void vssi_ivf_scan_codes(ivf_walk *walk, size_t list, float base)
{
    const ivf_index *index = walk->index;
    size_t at = index->lists[list], end = index->lists[list + 1], size = index->code_size;
    const uint8_t *block = index->blocks ? index->codes + index->blocks[list] * size : NULL;
    _Alignas(64) float values[VSSI_NEAREST_LANES] = {0};
    uint32_t wanted[SCAN_BLOCKS];
    for (size_t n; at < end; block = block ? block + n * size : NULL) {
        n = vssi_min(SCAN_BLOCKS, (end - at + 31) / 32);
        scan_wanted(walk, at, end, block, n, wanted);
        for (size_t b = 0; b < n; b++, at += 32) {
            if (!walk->few)
                scan_ahead(walk, block ? size / SCAN_LINE : size / 2);
            if (wanted[b] == 0)
                continue;
            uint32_t hits;
            if (block == NULL)
                hits = scan_bytes(walk, at, vssi_min(32, end - at), base, values);
            else if (index->header.kind == IVF_SQ8)
                hits = scan_panel(walk, block + b * size, values);
            else
                hits = scan_block(walk, block + b * size, base, values);
            hits &= wanted[b];
            hits = walk->few ? hits : vssi_ivf_permitted(walk, at, hits);
            if (hits != 0)
                vssi_shortlist_take(&walk->list, values, (uint32_t)at, hits);
        }
    }
}

static void scan_vectors(ivf_walk *walk, size_t list)
{
    const ivf_index *index = walk->index;
    const vssi_vectors *v = walk->v;
    float scores[SCAN_BLOCK];
    uint32_t rows[SCAN_BLOCK];
    for (size_t at = index->lists[list], end = index->lists[list + 1]; at < end; at += SCAN_BLOCK) {
        size_t n = vssi_min(SCAN_BLOCK, end - at), kept = 0;
        v->score_rows(walk->query->probe.vector, index->codes + at * index->code_size, v->dim, n, scores);
        for (size_t i = 0; i < n; i++) {
            if (!vssi_ivf_allowed(walk, at + i))
                continue;
            rows[kept] = index->rows[at + i];
            scores[kept] = scores[i];
            if (v->metric == VSS_METRIC_COSINE)
                scores[kept] *= walk->query->probe.scale * v->inverse_norms[rows[kept]];
            kept++;
        }
        vssi_topk_add(walk->topk, scores, rows, kept);
    }
}

void vssi_ivf_scan(ivf_walk *walk, size_t p)
{
    const ivf_index *index = walk->index;
    const uint32_t *near = walk->near.places;
    size_t list = near[walk->order[p]];
    if (p == 0 && !walk->few)
        scan_ahead(walk, SCAN_AHEAD);
    for (size_t line = 0; walk->few && p + 1 < walk->n_probes && line < SCAN_ROWS; line++) /* of the next list */
        __builtin_prefetch(index->rows + index->lists[near[walk->order[p + 1]]] + 16 * line);
    walk->scanned += index->lists[list + 1] - index->lists[list];
    if (index->header.kind == IVF_FLAT)
        scan_vectors(walk, list);
    else
        vssi_ivf_scan_codes(walk, list, walk->near.values[walk->order[p]]);
}
