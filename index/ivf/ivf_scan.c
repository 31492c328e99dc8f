/*
 * ivf_scan.c - read one list: what its codes say of its rows goes into the shortlist
 *
 * ivf_flat has the vectors there and offers rows at once. The others go by 32 rows; with few rows that may be returned,
 * the 32 are asked for first, and passed over where there is none.
 */
#include "../../lib/base/checked.h"
#include "ivf_walk.h"

#define SCAN_BLOCK 256u /* vectors scored at once */
#define SCAN_AHEAD 4u   /* blocks fetched ahead */

static void scan_take(ivf_walk *walk, const float *values, size_t at, uint32_t hits)
{
    if (!walk->few)
        hits = vssi_ivf_permitted(walk, at, hits);
    if (hits != 0)
        vssi_shortlist_take(&walk->list, values, (uint32_t)at, hits);
}

/* The rows of the 32 that are to be looked at. */
static uint32_t scan_wanted(const ivf_walk *walk, size_t at, size_t end)
{
    uint32_t valid = vssi_ivf_valid(at, end);
    return walk->few ? vssi_ivf_permitted(walk, at, valid) : valid;
}

/* Codes of 1 or of 4 bits. */
static void scan_blocks(ivf_walk *walk, size_t list, float base)
{
    const ivf_index *index = walk->index;
    size_t codes = 16 * walk->scan.subs, size = index->code_size;
    const size_t mul = index->header.kind == IVF_RABITQ ? VSSI_SCAN4_ROWS : 0;
    const uint8_t *block = index->codes + index->blocks[list] * size;
    float values[VSSI_SCAN4_ROWS];
    for (size_t at = index->lists[list], end = index->lists[list + 1]; at < end; at += 32, block += size) {
        const float *add = (const float *)(const void *)(block + codes);
        uint32_t wanted = scan_wanted(walk, at, end);
        if (wanted == 0)
            continue;
        for (size_t line = 0; line < size; line += 64)
            __builtin_prefetch(block + SCAN_AHEAD * size + line);
        uint32_t hits = walk->kernel(&walk->scan, block, add, mul ? add + mul : NULL, base, walk->list.cut, values);
        scan_take(walk, values, at, hits & wanted);
    }
}

static void scan_codes(ivf_walk *walk, size_t list)
{
    const ivf_index *index = walk->index;
    const vssi_panel_kernel kernel = vssi_panel_best();
    size_t size = index->code_size;
    const uint8_t *panel = index->codes + index->blocks[list] * size;
    _Alignas(64) float values[VSSI_NEAREST_LANES];
    for (size_t at = index->lists[list], end = index->lists[list + 1]; at < end; at += 32, panel += size) {
        uint32_t wanted = scan_wanted(walk, at, end);
        if (wanted == 0)
            continue;
        for (size_t line = 0; line < size; line += 64)
            __builtin_prefetch(panel + SCAN_AHEAD * size + line);
        kernel(walk->packed, &walk->square, 1, index->header.size / 4, panel, values);
        scan_take(walk, values, at, walk->list.kernels->below(values, 32, walk->list.cut) & wanted);
    }
}

/* Product codes of 8 bits. */
static void scan_bytes(ivf_walk *walk, size_t list, float base)
{
    const ivf_index *index = walk->index;
    float values[32] = {0};
    for (size_t at = index->lists[list], end = index->lists[list + 1]; at < end; at += 32) {
        uint32_t wanted = scan_wanted(walk, at, end);
        if (wanted == 0)
            continue;
        vssi_ivf_pq_scan(index, walk->table, at, vssi_min(32, end - at), base, values);
        scan_take(walk, values, at, walk->list.kernels->below(values, 32, walk->list.cut) & wanted);
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

static float scan_base(ivf_walk *walk, size_t list)
{
    const ivf_header *h = &walk->index->header;
    const vssi_kernel_rows l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_F32, VSSI_SIMD_L2);
    l2(walk->carrier, walk->index->points + list * h->width, h->width, 1, &walk->bases[list]);
    return walk->bases[list];
}

void vssi_ivf_scan(ivf_walk *walk, size_t list)
{
    walk->scanned += walk->index->lists[list + 1] - walk->index->lists[list];
    switch (walk->index->header.kind) {
    case IVF_FLAT:
        scan_vectors(walk, list);
        break;
    case IVF_SQ8:
        scan_codes(walk, list);
        break;
    default:
        if (ivf_has_blocks(&walk->index->header))
            scan_blocks(walk, list, scan_base(walk, list));
        else
            scan_bytes(walk, list, scan_base(walk, list));
    }
}
