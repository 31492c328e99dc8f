/*
 * ivf_scan.c - read one list: what its codes say of its rows goes into the shortlist
 *
 * ivf_flat has the vectors there and offers rows at once. The others go by 32 rows; with few rows that may be returned,
 * the 32 are asked for first, and passed over where there is none. Lists are short and lie anywhere: codes are fetched
 * ahead of the one that is read, into the lists that come next.
 */
#include "../../lib/base/checked.h"
#include "ivf_walk.h"

#define SCAN_BLOCK 256u /* vectors scored at once */
#define SCAN_AHEAD 32u   /* lines asked for ahead */
#define SCAN_LINE 64u

/* Ask for so many lines more. */
static void scan_ahead(ivf_walk *walk, size_t lines)
{
    const ivf_index *index = walk->index;
    ivf_ahead *ahead = &walk->ahead;
    for (; lines > 0; lines--) {
        while (ahead->line >= ahead->end) {
            if (ahead->next == walk->n_probes)
                return;
            size_t list = walk->probes[ahead->next++].list;
            const uint32_t *begins = index->blocks ? index->blocks : index->lists;
            ahead->line = index->codes + begins[list] * index->code_size;
            ahead->end = index->codes + begins[list + 1] * index->code_size;
            if (walk->measure)
                __builtin_prefetch(index->points + list * index->header.width);
        }
        __builtin_prefetch(ahead->line);
        ahead->line += SCAN_LINE;
    }
}

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
        scan_ahead(walk, size / SCAN_LINE);
        if (wanted == 0)
            continue;
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
        scan_ahead(walk, size / SCAN_LINE);
        if (wanted == 0)
            continue;
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

static float scan_base(ivf_walk *walk, const ivf_probe *probe)
{
    const ivf_header *h = &walk->index->header;
    const vssi_kernel_rows l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_F32, VSSI_SIMD_L2);
    float *base = &walk->bases[probe->list];
    *base = probe->far * h->step * h->step;
    if (walk->measure)
        l2(walk->carrier, walk->index->points + (size_t)probe->list * h->width, h->width, 1, base);
    return *base;
}

void vssi_ivf_scan(ivf_walk *walk, size_t p)
{
    const ivf_probe *probe = &walk->probes[p];
    size_t list = probe->list;
    if (p == 0)
        scan_ahead(walk, SCAN_AHEAD);
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
            scan_blocks(walk, list, scan_base(walk, probe));
        else
            scan_bytes(walk, list, scan_base(walk, probe));
    }
}
