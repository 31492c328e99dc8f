/*
 * ivf_walk.h - one query on its way through the lists
 */
#ifndef VSSI_IVF_WALK_H
#define VSSI_IVF_WALK_H

#include "../../lib/base/bitmap.h"
#include "../shortlist.h"
#include "ivf.h"

/* What is asked for ahead of what is read: the codes of the lists, one list after another. */
typedef struct ivf_ahead {
    const uint8_t *line, *end; /* of a list */
    size_t next;               /* probe after it */
} ivf_ahead;

typedef struct ivf_walk {
    const ivf_index *index;
    const vssi_vectors *v;
    const vssi_query *query;
    vssi_topk *topk;
    float *carrier;          /* [width] */
    float *turned, whole;    /* [turned width] from the mean, and its sum; ivf_rabitq (rotated), ivf_pq */
    bool measure;            /* distances from centers are the points'; else those of the codes are near enough */
    uint8_t *code;           /* [size]: on the grid */
    int32_t square;          /* sum of the code's squares */
    int32_t *packed;         /* the code as simd/nearest.h packs a single point: signed bytes, then 0 up to a stride */
    uint8_t *table;          /* the same */
    int8_t *rounded;         /* ivf_rabitq: `turned` in whole numbers of scan.step, as a crowd has it if there is one */
    int32_t low;             /* the sum of those below 0 */
    vssi_scan4_query scan;
    vssi_scan4_kernel kernel;
    vssi_panel_kernel panel;
    size_t n_probes;
    const uint32_t *order;   /* [n_probes] in near: nearest first, about */
    ivf_ahead ahead;
    vssi_shortlist near;     /* of lists, rising; values: how far their centers are from the query, in squared steps of
                              * the grid, then as vssi_ivf_walk_bases makes them */
    vssi_shortlist list;     /* of positions */
    bool packs;              /* packed and square are wanted */
    bool few;                /* few rows may be returned: panels and blocks without any are passed over */
    uint64_t scanned;
} ivf_walk;

/* Are distances what the codes say. */
static inline bool vssi_ivf_estimates(const ivf_walk *walk)
{
    return walk->index->header.kind != IVF_FLAT && walk->query->params[IVF_PARAM_REFINE] == 0;
}

/* ivf_walk.c: how many lists; what a walk needs in memory, 64-byte aligned, and begin in it; the query's codes. */
size_t vssi_ivf_probes(const ivf_index *index, const vssi_query *query);
/* How many rows the vectors score. */
size_t vssi_ivf_rerank(const ivf_walk *walk);
size_t vssi_ivf_walk_size(const ivf_walk *walk);
void vssi_ivf_walk_begin(ivf_walk *walk, uint8_t *memory);
/* Bytes of packed and of rounded, 64-byte aligned too, which the caller sets. */
size_t vssi_ivf_walk_packed(const ivf_header *h);
size_t vssi_ivf_walk_rounded(const ivf_header *h);
/* The squared distances of the query from the centers of walk->near, where codes are of residuals. */
void vssi_ivf_walk_bases(ivf_walk *walk);

/* Can the row at a position be returned. */
static inline bool vssi_ivf_allowed(const ivf_walk *walk, size_t position)
{
    uint32_t row = walk->index->rows[position];
    return row < walk->index->header.rows && (!walk->query->allow || vssi_bitmap_get(walk->query->allow, row));
}

/* Those of the rows in mask, from a position on, that can. The mask is within 32 rows, none past the last. */
static inline uint32_t vssi_ivf_permitted(const ivf_walk *walk, size_t position, uint32_t mask)
{
    const ivf_index *index = walk->index;
    if (walk->query->allow == NULL || mask == 0)
        return mask;
    size_t n = 32 - (size_t)__builtin_clz(mask);
    return mask & walk->list.kernels->allowed(index->rows + position, n, walk->query->allow, index->header.rows);
}

/* The places of the 32 from a position on that are in a list that ends at `end`. */
static inline uint32_t vssi_ivf_valid(size_t position, size_t end)
{
    return end - position < 32 ? (1u << (end - position)) - 1 : UINT32_MAX;
}

/* ivf_search.c: leave the lists in walk->near that are to be read; read them. order: room for all of them. */
void vssi_ivf_search_near(ivf_walk *walk);
void vssi_ivf_search_lists(ivf_walk *walk, uint32_t *order);

/* ivf_scan.c: read the p-th list of the walk's order; a list of codes, whose center is base away, squared. */
void vssi_ivf_scan(ivf_walk *walk, size_t p);
void vssi_ivf_scan_codes(ivf_walk *walk, size_t list, float base);

/* ivf_offer.c: what the shortlist holds, ranked by all bits and scored by the vectors, to the top-k. */
void vssi_ivf_offer(ivf_walk *walk);

#endif
