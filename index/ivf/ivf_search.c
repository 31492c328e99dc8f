/*
 * ivf_search.c - the lists next to a query, the best of their codes, the best of those by the vectors
 *
 * 1. All centers are compared by their codes; the nprobe nearest are chosen.
 * 2. Their lists are read, nearest first (ivf_scan.c).
 * 3. What is left is scored by the vectors and offered (ivf_offer.c).
 * With a row filter more lists are read. No lock, and no allocation but scratch memory that grows once.
 */
#include <stdlib.h>

#include "../../lib/base/checked.h"
#include "ivf_walk.h"

#define SEARCH_ASK 32u /* lists between two questions to the control */

static int search_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The lists to read, nearest first. */
static void search_choose(ivf_walk *walk, uint64_t *probes)
{
    const ivf_header *h = &walk->index->header;
    const vssi_panel_kernel kernel = vssi_panel_best();
    const uint8_t *panel = walk->index->centers;
    _Alignas(64) float scores[VSSI_NEAREST_LANES];
    for (size_t first = 0; first < h->lists; first += VSSI_NEAREST_LANES, panel += vssi_panel_size(h->size)) {
        kernel(walk->packed, &walk->square, 1, h->size / 4, panel, scores);
        vssi_shortlist_add(&walk->near, scores, vssi_min(VSSI_NEAREST_LANES, h->lists - first), (uint32_t)first);
    }
    vssi_shortlist_trim(&walk->near);
    walk->n_probes = walk->near.n;
    for (size_t i = 0; i < walk->n_probes; i++) /* distances have no sign */
        probes[i] = (uint64_t)vssi_select_order(walk->near.values[i]) << 32 | walk->near.places[i];
    qsort(probes, walk->n_probes, sizeof *probes, search_order);
}

static void search_lists(ivf_walk *walk, const uint64_t *probes)
{
    for (size_t p = 0; p < walk->n_probes; p++) {
        if (p % SEARCH_ASK == SEARCH_ASK - 1 && vssi_control_stopped(walk->query->control))
            return;
        vssi_ivf_scan(walk, (uint32_t)probes[p]);
    }
}

vss_status vssi_ivf_search(const void *opened, const vssi_vectors *vectors, const vssi_query *query,
                           vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    ivf_walk walk = {.index = opened, .v = vectors, .query = query, .topk = topk};
    uint64_t *probes;
    uint8_t *memory;
    if (query->allow && query->n_allow == 0)
        return VSS_OK;
    walk.n_probes = vssi_ivf_probes(walk.index, query);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, walk.n_probes, sizeof *probes, &probes, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, vssi_ivf_walk_size(&walk), 1, &memory, err));
    vssi_ivf_walk_begin(&walk, memory);
    search_choose(&walk, probes);
    search_lists(&walk, probes);
    if (walk.index->header.kind != IVF_FLAT)
        vssi_ivf_offer(&walk);
    scratch->distances += walk.scanned + walk.index->header.lists;
    return topk->status;
}
