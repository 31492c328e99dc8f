/*
 * ivf_search.c - the lists next to a query, the best of their codes, the best of those by the vectors
 *
 * 1. All centers are compared by their codes; the nprobe nearest are chosen.
 * 2. Their lists are read one after another: the codes' values go into a shortlist (shortlist.h). ivf_flat has the
 *    vectors there and offers rows at once. ivf_rabitq reads first bits by 32 rows, and ranks its shortlist once more by
 *    all bits.
 * 3. The rows that are left are scored by the vectors and offered.
 * With a row filter lists are read the same way and more of them; rows that may not be returned are left out before
 * they enter a shortlist, whole blocks without any are passed over. Row numbers are bounded where they are used.
 * No lock, no allocation but scratch memory that grows once.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../codec/rotate.h"
#include "../shortlist.h"
#include "ivf.h"

#define IVF_BLOCK 256u  /* rows, or centers, scored at once */
#define IVF_ASK 32u     /* lists between two questions to the control */
#define IVF_LEAST 8u    /* lists */
#define IVF_WIDEN 16u   /* times as many lists at most, with a filter */
#define IVF_AHEAD 8u     /* rows fetched ahead */
#define IVF_MANY 4u     /* one in: of more allowed rows only those that pass are looked up */

typedef struct ivf_walk {
    const ivf_index *index;
    const vssi_vectors *v;
    const vssi_query *query;
    vssi_topk *topk;
    vssi_scratch *scratch;
    float *carrier;          /* [width] */
    float *turned, whole;    /* [turned width], and its sum, ivf_rabitq */
    float *bases;            /* [lists]: squared distance of the query and the center, of the lists read */
    uint8_t *code;           /* [size] */
    uint8_t *table;          /* ivf_rabitq */
    vssi_rabitq_tables tables;
    vssi_scan4_query scan;
    vssi_scan4_kernel kernel;
    size_t n_probes;
    uint64_t *probes;        /* [n_probes]: order of the distance, then list; sorted */
    vssi_shortlist near;     /* of lists */
    vssi_shortlist list;     /* of positions */
    uint64_t scanned;
} ivf_walk;

static int search_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Lists to read. */
static size_t search_probes(const ivf_index *index, const vssi_query *query)
{
    size_t lists = index->header.lists, rows = index->header.rows;
    size_t wanted = (size_t)query->params[IVF_PARAM_NPROBE];
    if (wanted == 0)
        wanted = vssi_max(IVF_LEAST, (size_t)sqrt((double)lists));
    if (query->allow && query->n_allow > 0 && query->n_allow < rows) {
        double share = (double)rows / (double)query->n_allow;
        wanted = (size_t)((double)wanted * fmin(sqrt(share), IVF_WIDEN));
    }
    return vssi_min(wanted, lists);
}

/* Rows to score by the vectors. */
static size_t search_rerank(const ivf_walk *walk)
{
    if (walk->index->header.kind == IVF_FLAT)
        return 1;
    size_t wanted = (size_t)walk->query->params[IVF_PARAM_RERANK], k = walk->topk->k;
    if (wanted == 0)
        wanted = 2 * k + 20;
    return vssi_min(vssi_max(wanted, k), walk->index->header.rows);
}

/* Rows to rank by all bits. */
static size_t search_first(const ivf_walk *walk)
{
    size_t rerank = search_rerank(walk);
    if (walk->index->more == NULL)
        return rerank;
    return vssi_min(vssi_max(4 * rerank, 100), walk->index->header.rows);
}

static vss_status search_memory(ivf_walk *walk, vss_error *err)
{
    const ivf_header *h = &walk->index->header;
    size_t n = ivf_turned_width(h), code = (size_t)vssi_round_up(h->size, 64), floats = 2 * n * sizeof(float);
    size_t table = ivf_table_size(h);
    size_t near = vssi_shortlist_room(walk->n_probes), first = search_first(walk);
    uint8_t *memory;
    VSSI_TRY(vssi_scratch_get(walk->scratch, VSSI_SCRATCH_CODES, table + floats + code, 1, &memory, err));
    walk->table = memory;
    walk->carrier = (float *)(void *)(memory + table);
    walk->turned = walk->carrier + n;
    walk->code = memory + table + floats;
    VSSI_TRY(vssi_scratch_get(walk->scratch, VSSI_SCRATCH_SCORES, h->lists, sizeof *walk->bases, &walk->bases, err));
    VSSI_TRY(vssi_scratch_get(walk->scratch, VSSI_SCRATCH_POOL, near + vssi_shortlist_room(first), 8, &memory, err));
    vssi_shortlist_begin(&walk->near, walk->n_probes, memory);
    vssi_shortlist_begin(&walk->list, first, memory + 8 * near);
    return vssi_scratch_get(walk->scratch, VSSI_SCRATCH_ROWS, walk->n_probes, sizeof *walk->probes, &walk->probes, err);
}

static void search_prepare(ivf_walk *walk)
{
    const ivf_index *index = walk->index;
    const ivf_header *h = &index->header;
    size_t n = ivf_turned_width(h);
    vssi_carrier_probe(walk->v, &walk->query->probe, walk->carrier);
    vssi_ivf_grid_code(h, index->low, walk->carrier, walk->code);
    walk->kernel = vssi_scan4_best();
    for (size_t i = 0; i < n; i++)
        walk->turned[i] = i < h->width ? walk->carrier[i] - index->mean[i] : 0;
    if (h->kind == IVF_PQ)
        walk->scan = vssi_ivf_pq_prepare(index, walk->turned, walk->table);
    if (h->kind != IVF_RABITQ)
        return;
    vssi_rotate(index->signs, n, walk->turned);
    for (size_t i = 0; i < n; i++)
        walk->whole += walk->turned[i];
    walk->tables = vssi_rabitq_prepare(walk->turned, n, walk->table);
    walk->scan = (vssi_scan4_query){walk->table, n / 4, walk->tables.step, walk->tables.bias};
}

/* The lists to read, nearest first. */
static void search_choose(ivf_walk *walk)
{
    const ivf_index *index = walk->index;
    const ivf_header *h = &index->header;
    const vssi_kernel_rows l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_U8, VSSI_SIMD_L2);
    float scores[IVF_BLOCK];
    for (size_t first = 0; first < h->lists; first += IVF_BLOCK) {
        size_t n = vssi_min(IVF_BLOCK, h->lists - first);
        l2(walk->code, index->centers + first * h->size, h->size, n, scores);
        vssi_shortlist_add(&walk->near, scores, n, (uint32_t)first);
    }
    vssi_shortlist_trim(&walk->near);
    walk->n_probes = walk->near.n;
    for (size_t i = 0; i < walk->n_probes; i++)
        walk->probes[i] = (uint64_t)vssi_select_order(walk->near.values[i]) << 32 | walk->near.places[i]; /* no signs */
    qsort(walk->probes, walk->n_probes, sizeof *walk->probes, search_order);
}

static bool search_allowed(const ivf_walk *walk, uint32_t position)
{
    uint32_t row = walk->index->rows[position];
    return row < walk->index->header.rows && (!walk->query->allow || vssi_bitmap_get(walk->query->allow, row));
}

/* Those of the rows in mask, from a position on, that may be returned. */
static uint32_t search_permitted(const ivf_walk *walk, size_t position, uint32_t mask)
{
    for (uint32_t left = walk->query->allow ? mask : 0; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(left);
        if (!search_allowed(walk, (uint32_t)(position + i)))
            mask &= ~(1u << i);
    }
    return mask;
}

/* Lists in blocks: 32 rows at a time. */
static void search_signs(ivf_walk *walk, size_t list, float base)
{
    const ivf_index *index = walk->index;
    size_t begin = index->lists[list], end = index->lists[list + 1], codes = 16 * walk->scan.subs;
    const uint8_t *block = index->codes + index->blocks[list] * index->code_size;
    bool few = walk->query->allow && walk->query->n_allow < index->header.rows / IVF_MANY;
    bool mul = index->header.kind == IVF_RABITQ;
    float values[VSSI_SCAN4_ROWS];
    for (size_t at = begin; at < end; at += VSSI_SCAN4_ROWS, block += index->code_size) {
        const float *add = (const float *)(const void *)(block + codes);
        uint32_t valid = end - at < VSSI_SCAN4_ROWS ? (1u << (end - at)) - 1 : UINT32_MAX;
        uint32_t allowed = few ? search_permitted(walk, at, valid) : valid;
        if (allowed == 0)
            continue;
        for (size_t ahead = 0; ahead < index->code_size; ahead += 64)
            __builtin_prefetch(block + 4 * index->code_size + ahead);
        uint32_t hits = allowed & walk->kernel(&walk->scan, block, add, mul ? add + VSSI_SCAN4_ROWS : NULL, base,
                                               walk->list.cut, values);
        if (!few)
            hits = search_permitted(walk, at, hits);
        if (hits != 0)
            vssi_shortlist_take(&walk->list, values, (uint32_t)at, hits);
    }
    walk->scanned += end - begin;
}

/* The lists of ivf_sq8, and of ivf_pq with codes of 8 bits. */
static void search_codes(ivf_walk *walk, size_t list, float base)
{
    const ivf_index *index = walk->index;
    const ivf_header *h = &index->header;
    const vssi_kernel_rows l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_U8, VSSI_SIMD_L2);
    float scores[IVF_BLOCK];
    for (size_t at = index->lists[list], end = index->lists[list + 1]; at < end; at += IVF_BLOCK) {
        size_t n = vssi_min(IVF_BLOCK, end - at);
        if (h->kind == IVF_SQ8)
            l2(walk->code, index->codes + at * h->size, h->size, n, scores);
        else
            vssi_ivf_pq_scan(index, walk->table, at, n, base, scores);
        for (size_t i = 0; i < n; i += VSSI_SELECT_STEP) {
            uint32_t hits = walk->list.kernels->below(scores + i, vssi_min(VSSI_SELECT_STEP, n - i), walk->list.cut);
            hits = search_permitted(walk, at + i, hits);
            if (hits != 0)
                vssi_shortlist_take(&walk->list, scores + i, (uint32_t)(at + i), hits);
        }
        walk->scanned += n;
    }
}

/* The lists of ivf_flat: their vectors are offered at once. */
static void search_vectors(ivf_walk *walk, size_t list)
{
    const ivf_index *index = walk->index;
    const vssi_vectors *v = walk->v;
    float scores[IVF_BLOCK];
    uint32_t rows[IVF_BLOCK];
    for (size_t at = index->lists[list], end = index->lists[list + 1]; at < end; at += IVF_BLOCK) {
        size_t n = vssi_min(IVF_BLOCK, end - at), kept = 0;
        v->score_rows(walk->query->probe.vector, index->codes + at * index->code_size, v->dim, n, scores);
        for (size_t i = 0; i < n; i++) {
            if (!search_allowed(walk, (uint32_t)(at + i)))
                continue;
            rows[kept] = index->rows[at + i];
            scores[kept] = scores[i];
            if (v->metric == VSS_METRIC_COSINE)
                scores[kept] *= walk->query->probe.scale * v->inverse_norms[rows[kept]];
            kept++;
        }
        vssi_topk_add(walk->topk, scores, rows, kept);
        walk->scanned += n;
    }
}

static float search_base(const ivf_walk *walk, size_t list)
{
    const ivf_header *h = &walk->index->header;
    const vssi_kernel_rows l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_F32, VSSI_SIMD_L2);
    l2(walk->carrier, walk->index->points + list * h->width, h->width, 1, &walk->bases[list]);
    return walk->bases[list];
}

static void search_lists(ivf_walk *walk)
{
    for (size_t p = 0; p < walk->n_probes; p++) {
        size_t list = (uint32_t)walk->probes[p];
        if (p % IVF_ASK == IVF_ASK - 1 && vssi_control_stopped(walk->query->control))
            return;
        switch (walk->index->header.kind) {
        case IVF_FLAT:
            search_vectors(walk, list);
            break;
        case IVF_SQ8:
            search_codes(walk, list, 0);
            break;
        default:
            if (ivf_has_blocks(&walk->index->header))
                search_signs(walk, list, search_base(walk, list));
            else
                search_codes(walk, list, search_base(walk, list));
        }
    }
}

/* The list that holds a position. */
static size_t search_list_of(const ivf_index *index, uint32_t position)
{
    size_t low = 0, high = index->header.lists;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (index->lists[middle] <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* What all bits say of a position, from what the first ones said: S of rabitq.h is 2^(bits - 1) times theirs, and the
 * other bits' product with the query, each about its middle. */
static float search_all_bits(const ivf_walk *walk, uint32_t position, float value, vssi_planes_kernel kernel)
{
    const ivf_index *index = walk->index;
    const unsigned bits = index->header.bits;
    size_t n = ivf_turned_width(&index->header), list = search_list_of(index, position);
    size_t slot = position - index->lists[list];
    const uint8_t *block = index->codes + (index->blocks[list] + slot / VSSI_SCAN4_ROWS) * index->code_size;
    const float *first = (const float *)(const void *)(block + 4 * n) + slot % VSSI_SCAN4_ROWS;
    const uint8_t *row = index->more + position * index->more_size;
    float factors[2], base = walk->bases[list], sum = 0, half = (float)(1u << (bits - 1));
    memcpy(factors, row + vssi_planes_size(n, bits - 1), sizeof factors);
    if (first[VSSI_SCAN4_ROWS] < 0)
        sum = half * ((value - base - first[0]) / first[VSSI_SCAN4_ROWS]);
    sum += kernel(walk->turned, row, n, bits - 1) - (half - 1) / 2 * walk->whole;
    return base + factors[0] + factors[1] * sum;
}

static void search_fetch(const uint8_t *row, size_t size)
{
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch(row + at);
}

/* Rank the shortlist once more; the rows to be scored by the vectors are in front then. Returns how many. */
static size_t search_more(ivf_walk *walk)
{
    const ivf_index *index = walk->index;
    const vssi_planes_kernel kernel = vssi_planes_best();
    vssi_shortlist *list = &walk->list;
    size_t wanted = vssi_min(search_rerank(walk), list->n);
    for (size_t i = 0; i < vssi_min(IVF_AHEAD, list->n); i++)
        search_fetch(index->more + list->places[i] * index->more_size, index->more_size);
    for (size_t i = 0; i < list->n; i++) {
        if (i + IVF_AHEAD < list->n)
            search_fetch(index->more + list->places[i + IVF_AHEAD] * index->more_size, index->more_size);
        list->values[i] = search_all_bits(walk, list->places[i], list->values[i], kernel);
    }
    if (wanted < list->n)
        (void)list->kernels->least(list->values, list->places, list->n, wanted);
    return wanted;
}

/* Offer what is left, scored by the vectors. */
static void search_offer(ivf_walk *walk)
{
    float scores[IVF_BLOCK];
    uint32_t rows[IVF_BLOCK];
    vssi_shortlist_trim(&walk->list);
    size_t left = walk->index->more ? search_more(walk) : walk->list.n;
    walk->scanned += left;
    for (size_t first = 0; first < left; first += IVF_BLOCK) {
        size_t end = vssi_min(first + IVF_BLOCK, left), n = 0;
        for (size_t i = first; i < end; i++) {
            rows[n] = walk->index->rows[walk->list.places[i]];
            n += rows[n] < walk->index->header.rows;
        }
        vssi_vectors_score_gather(walk->v, &walk->query->probe, rows, n, scores);
        vssi_topk_add(walk->topk, scores, rows, n);
    }
}

vss_status vssi_ivf_search(const void *opened, const vssi_vectors *vectors, const vssi_query *query,
                           vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    ivf_walk walk = {.index = opened, .v = vectors, .query = query, .topk = topk, .scratch = scratch};
    if (query->allow && query->n_allow == 0)
        return VSS_OK;
    walk.n_probes = search_probes(walk.index, query);
    VSSI_TRY(search_memory(&walk, err));
    search_prepare(&walk);
    search_choose(&walk);
    search_lists(&walk);
    if (walk.index->header.kind != IVF_FLAT)
        search_offer(&walk);
    scratch->distances += walk.scanned + walk.index->header.lists;
    return topk->status;
}
