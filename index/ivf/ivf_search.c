/*
 * ivf_search.c - the lists next to a query, the best of their codes, the best of those by the vectors
 *
 * 1. All centers are compared by their codes; the nprobe nearest are chosen, and of these with `spread` those that are
 *    not much farther than the nearest. That is an estimate, no bound: distance to a center less the radius of its list
 *    is below the nearest rows' for nearly all lists of real vectors.
 * 2. Their lists are read, nearest first (ivf_scan.c).
 * 3. What is left is scored by the vectors and offered (ivf_offer.c).
 * With a row filter more lists are read. No lock, and no allocation but scratch memory that grows once.
 */
#include <math.h>

#include "../../lib/base/checked.h"
#include "ivf_walk.h"

#define SEARCH_ASK 32u   /* lists between two questions to the control */
#define SEARCH_SORTS 64u /* classes of lists by distance */
#define SEARCH_FLOOR 0.25f

/* The lists of walk->near, nearest class first. */
static void search_order(const ivf_walk *walk, uint32_t *order)
{
    const float *far = walk->near.values;
    size_t n = walk->near.n, begins[SEARCH_SORTS + 1] = {0};
    float low = far[0], high = far[0];
    for (size_t i = 1; i < n; i++) {
        low = far[i] < low ? far[i] : low;
        high = far[i] > high ? far[i] : high;
    }
    float scale = high > low ? (float)(SEARCH_SORTS - 1) / (high - low) : 0;
    for (size_t i = 0; i < n; i++)
        begins[1 + (size_t)((far[i] - low) * scale)]++;
    for (size_t c = 0; c < SEARCH_SORTS; c++)
        begins[c + 1] += begins[c];
    for (size_t i = 0; i < n; i++)
        order[begins[(size_t)((far[i] - low) * scale)]++] = (uint32_t)i;
}

/* The nearest of a few lists is no farther than SEARCH_FLOOR of what is usual: queries on a center have others too. */
static float search_limit(const ivf_walk *walk, uint64_t spread)
{
    const ivf_header *h = &walk->index->header;
    float least = walk->near.values[0];
    for (size_t i = 1; i < walk->near.n; i++)
        least = walk->near.values[i] < least ? walk->near.values[i] : least;
    return (1 + (float)spread / 100) * fmaxf(least, SEARCH_FLOOR * h->far / (h->step * h->step));
}

void vssi_ivf_search_near(ivf_walk *walk)
{
    const uint64_t spread = walk->query->params[IVF_PARAM_SPREAD];
    const uint32_t *lists = walk->index->lists;
    vssi_shortlist *near = &walk->near;
    vssi_shortlist_trim(near);
    if (spread == 0 || walk->query->allow != NULL)
        return;
    const float limit = search_limit(walk, spread);
    size_t rows = 0, n = 0;
    for (size_t i = 0; i < near->n; i++)
        if (near->values[i] <= limit)
            rows += lists[near->places[i] + 1] - lists[near->places[i]];
    for (size_t i = 0; rows >= walk->topk->k && i < near->n; i++) {
        near->places[n] = near->places[i];
        near->values[n] = near->values[i];
        n += near->values[i] <= limit;
    }
    near->n = n > 0 ? n : near->n;
}

void vssi_ivf_search_lists(ivf_walk *walk, uint32_t *order)
{
    vssi_ivf_search_near(walk);
    walk->n_probes = walk->near.n;
    walk->order = order;
    search_order(walk, order);
    vssi_ivf_walk_bases(walk);
    for (size_t p = 0; p < walk->n_probes; p++) {
        if (p % SEARCH_ASK == SEARCH_ASK - 1 && vssi_control_stopped(walk->query->control))
            break;
        vssi_ivf_scan(walk, p);
    }
}

static void search_choose(ivf_walk *walk)
{
    const ivf_header *h = &walk->index->header;
    const vssi_panel_kernel kernel = vssi_panel_best();
    const uint8_t *panel = walk->index->centers;
    _Alignas(64) float scores[VSSI_NEAREST_LANES];
    for (size_t first = 0; first < h->lists; first += VSSI_NEAREST_LANES, panel += vssi_panel_size(h->size)) {
        kernel(walk->packed, &walk->square, 1, h->size / 4, panel, scores);
        vssi_shortlist_add(&walk->near, scores, vssi_min(VSSI_NEAREST_LANES, h->lists - first), (uint32_t)first);
    }
}

/* The walk as far as its n_probes go. */
static vss_status search_walk(ivf_walk *walk, vssi_scratch *scratch, vss_error *err)
{
    uint32_t *order;
    uint8_t *memory;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, walk->n_probes, sizeof *order, &order, err));
    const size_t packed = vssi_ivf_walk_packed(&walk->index->header), size = vssi_ivf_walk_size(walk);
    const size_t rounded = vssi_ivf_walk_rounded(&walk->index->header);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, size + packed + rounded, 1, &memory, err));
    walk->packed = (int32_t *)(void *)(memory + size);
    walk->rounded = (int8_t *)memory + size + packed;
    vssi_ivf_walk_begin(walk, memory);
    search_choose(walk);
    vssi_ivf_search_lists(walk, order);
    scratch->distances += walk->index->header.lists;
    return VSS_OK;
}

vss_status vssi_ivf_search(const void *opened, const vssi_vectors *vectors, const vssi_query *query,
                           vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    ivf_walk walk = {.index = opened, .v = vectors, .query = query, .topk = topk, .packs = true};
    size_t lists = walk.index->header.lists;
    if (query->allow && query->n_allow == 0)
        return VSS_OK;
    walk.n_probes = vssi_ivf_probes(walk.index, query);
    VSSI_TRY(search_walk(&walk, scratch, err));
    if (vssi_ivf_estimates(&walk) && walk.list.n < vssi_min(topk->k, query->n_allow) && walk.n_probes < lists) {
        walk.n_probes = lists; /* no scan makes up for what is missing */
        walk.ahead = (ivf_ahead){0};
        VSSI_TRY(search_walk(&walk, scratch, err));
    }
    if (walk.index->header.kind != IVF_FLAT)
        vssi_ivf_offer(&walk);
    scratch->distances += walk.scanned;
    return topk->status;
}
