/*
 * ivf_walk.c - how far a walk goes, its memory, and its query in the forms that lists are compared with
 */
#include "ivf_walk.h"

#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../simd/crowd.h"
#include "../codec/rotate.h"

#define WALK_LEAST 8u    /* lists */
#define WALK_POWER 0.4   /* of the rows for each that passes a filter: times as many lists */
#define WALK_WIDEN 16.0  /* the most */
#define WALK_FIRST 4u    /* rows ranked by all bits for each that is scored by the vectors */
#define WALK_COARSE 5u   /* bits a component whose error hides that of the grid */
#define WALK_LANES 16u   /* sums that are taken at once */
#define WALK_FEW 4u      /* one in: fewer rows that may be returned are few */

size_t vssi_ivf_probes(const ivf_index *index, const vssi_query *query)
{
    size_t lists = index->header.lists, rows = index->header.rows;
    size_t wanted = (size_t)query->params[IVF_PARAM_NPROBE];
    if (wanted == 0)
        wanted = vssi_max(WALK_LEAST, (size_t)sqrt((double)lists));
    if (query->allow && query->n_allow > 0 && query->n_allow < rows) {
        double share = (double)rows / (double)query->n_allow;
        wanted = (size_t)((double)wanted * fmin(pow(share, WALK_POWER), WALK_WIDEN));
    }
    return vssi_min(wanted, lists);
}

size_t vssi_ivf_rerank(const ivf_walk *walk)
{
    size_t k = walk->topk->k, wanted = 1;
    if (walk->index->header.kind == IVF_FLAT)
        return wanted;
    wanted = (size_t)walk->query->params[IVF_PARAM_RERANK];
    if (wanted == 0)
        wanted = 2 * k + 20;
    return vssi_min(vssi_max(wanted, k), walk->index->header.rows);
}

/* Rows that the codes of the lists choose. */
static size_t walk_first(const ivf_walk *walk)
{
    size_t rerank = vssi_ivf_rerank(walk);
    return walk->index->more ? vssi_min(WALK_FIRST * rerank, walk->index->header.rows) : rerank;
}

typedef struct walk_sizes {
    size_t table, floats, code, near, list;
} walk_sizes;

static walk_sizes walk_sizes_of(const ivf_walk *walk)
{
    const ivf_header *h = &walk->index->header;
    size_t n = ivf_turned_width(h), code = (size_t)vssi_round_up(h->size, 64);
    bool residuals = h->kind == IVF_RABITQ || h->kind == IVF_PQ;
    return (walk_sizes){ivf_table_size(h), (residuals ? 2 : 1) * n * sizeof(float), code,
                        8 * vssi_shortlist_room(walk->n_probes), 8 * vssi_shortlist_room(walk_first(walk))};
}

size_t vssi_ivf_walk_size(const ivf_walk *walk)
{
    walk_sizes s = walk_sizes_of(walk);
    return s.table + s.floats + s.code + s.near + s.list;
}

size_t vssi_ivf_walk_packed(const ivf_header *h) { return vssi_crowd_stride(h->size / 4); }

size_t vssi_ivf_walk_rounded(const ivf_header *h)
{
    return h->kind == IVF_RABITQ ? vssi_crowd_stride(ivf_turned_width(h) / 4) : 0;
}

/* Are distances of the query's code to those of the centers too coarse for what codes of rows tell apart: where the
 * query lies outside of the grid, from six bits a component on, and where codes alone decide. */
static bool walk_must_measure(const ivf_walk *walk)
{
    const ivf_header *h = &walk->index->header;
    float sums[WALK_LANES] = {0}, off = 0, most = 0.26f * h->step * h->step * (float)h->width;
    size_t i = 0;
    for (; i + WALK_LANES <= h->width; i += WALK_LANES) {
        for (size_t j = 0; j < WALK_LANES; j++) {
            float difference = walk->carrier[i + j] - (walk->index->low[i + j] + h->step * walk->code[i + j]);
            sums[j] += difference * difference;
        }
    }
    for (; i < h->width; i++) {
        float difference = walk->carrier[i] - (walk->index->low[i] + h->step * walk->code[i]);
        sums[i % WALK_LANES] += difference * difference;
    }
    for (size_t j = 0; j < WALK_LANES; j++)
        off += sums[j];
    return off > most || vssi_ivf_estimates(walk) || (h->kind == IVF_RABITQ && h->bits > WALK_COARSE);
}

/* The query from the mean of the centers, and the tables that its residuals' codes are looked up in. */
static void walk_tables(ivf_walk *walk)
{
    const ivf_index *index = walk->index;
    const ivf_header *h = &index->header;
    size_t n = ivf_turned_width(h);
    walk->turned = walk->carrier + n;
    walk->whole = 0;
    for (size_t i = 0; i < n; i++)
        walk->turned[i] = i < h->width ? walk->carrier[i] - index->mean[i] : 0;
    walk->kernel = vssi_scan4_best();
    if (h->kind == IVF_PQ) {
        walk->scan = vssi_ivf_pq_prepare(index, walk->turned, walk->table);
        return;
    }
    vssi_rotate(index->signs, n, walk->turned);
    float sums[WALK_LANES] = {0}; /* n is a multiple */
    for (size_t i = 0; i < n; i++)
        sums[i % WALK_LANES] += walk->turned[i];
    for (size_t j = 0; j < WALK_LANES; j++)
        walk->whole += sums[j];
    vssi_rabitq_tables tables = vssi_rabitq_prepare(walk->turned, n, walk->table, walk->rounded);
    memset(walk->rounded + n, 0, vssi_ivf_walk_rounded(h) - n);
    walk->low = tables.low;
    if (vssi_crowd_best() != NULL)
        vssi_crowd_best()->order(walk->rounded, n);
    walk->scan = (vssi_scan4_query){walk->table, n / 4, tables.step, tables.bias};
}

void vssi_ivf_walk_begin(ivf_walk *walk, uint8_t *memory)
{
    const ivf_header *h = &walk->index->header;
    walk_sizes s = walk_sizes_of(walk);
    walk->table = memory;
    walk->carrier = (float *)(void *)(memory + s.table);
    walk->code = memory + s.table + s.floats;
    uint8_t *rest = walk->code + s.code;
    vssi_shortlist_begin(&walk->near, walk->n_probes, rest);
    vssi_shortlist_begin(&walk->list, walk_first(walk), rest + s.near);
    walk->few = walk->query->allow && walk->query->n_allow < h->rows / WALK_FEW;
    vssi_vectors v = *walk->v;
    v.max_norm = h->most;
    vssi_carrier_probe(&v, &walk->query->probe, walk->carrier);
    vssi_ivf_grid_code(h, walk->index->low, walk->carrier, walk->code);
    walk->panel = vssi_panel_best();
    const uint8_t *code = walk->code;
    if (walk->packs) {
        (void)vssi_panel_points(&code, 1, h->size, walk->packed, &walk->square);
        memset((uint8_t *)walk->packed + h->size, 0, vssi_ivf_walk_packed(h) - h->size);
    }
    if (h->kind == IVF_RABITQ || h->kind == IVF_PQ) {
        walk->measure = walk_must_measure(walk);
        walk_tables(walk);
    }
}

void vssi_ivf_walk_bases(ivf_walk *walk)
{
    const ivf_header *h = &walk->index->header;
    const vssi_kernel_rows l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_F32, VSSI_SIMD_L2);
    if (h->kind != IVF_RABITQ && h->kind != IVF_PQ)
        return;
    for (size_t i = 0; i < walk->near.n; i++) {
        walk->near.values[i] *= h->step * h->step;
        if (walk->measure)
            l2(walk->carrier, walk->index->points + (size_t)walk->near.places[i] * h->width, h->width, 1,
               &walk->near.values[i]);
    }
}
