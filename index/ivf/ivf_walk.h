/*
 * ivf_walk.h - one query on its way through the lists
 */
#ifndef VSSI_IVF_WALK_H
#define VSSI_IVF_WALK_H

#include "../../lib/base/bitmap.h"
#include "../shortlist.h"
#include "ivf.h"

/* A list to read, and how far its center is from the query, in squared steps of the grid. */
typedef struct ivf_probe {
    float far;
    uint32_t list;
} ivf_probe;

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
    float *bases;            /* [lists], the caller's: squared distance of the query and the center, of the lists read */
    bool measure;            /* bases are measured from the points; else those of the codes are near enough */
    uint8_t *code;           /* [size]: on the grid */
    int32_t square;          /* sum of the code's squares */
    int32_t *packed;         /* the code as simd/nearest.h packs a single point */
    uint8_t *table;          /* the same */
    vssi_scan4_query scan;
    vssi_scan4_kernel kernel;
    size_t n_probes;
    const ivf_probe *probes; /* nearest first, about */
    ivf_ahead ahead;
    vssi_shortlist near;     /* of lists */
    vssi_shortlist list;     /* of positions */
    bool few;                /* few rows may be returned: panels and blocks without any are passed over */
    uint64_t scanned;
} ivf_walk;

/* ivf_walk.c: how many lists; what a walk needs in memory, 64-byte aligned, and begin in it; the query's codes. */
size_t vssi_ivf_probes(const ivf_index *index, const vssi_query *query);
size_t vssi_ivf_walk_size(const ivf_walk *walk);
void vssi_ivf_walk_begin(ivf_walk *walk, uint8_t *memory);

/* Can the row at a position be returned. */
static inline bool vssi_ivf_allowed(const ivf_walk *walk, size_t position)
{
    uint32_t row = walk->index->rows[position];
    return row < walk->index->header.rows && (!walk->query->allow || vssi_bitmap_get(walk->query->allow, row));
}

/* Those of the rows in mask, from a position on, that can. */
static inline uint32_t vssi_ivf_permitted(const ivf_walk *walk, size_t position, uint32_t mask)
{
    for (uint32_t left = walk->query->allow ? mask : 0; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(left);
        if (!vssi_ivf_allowed(walk, position + i))
            mask &= ~(1u << i);
    }
    return mask;
}

/* The places of the 32 from a position on that are in a list that ends at `end`. */
static inline uint32_t vssi_ivf_valid(size_t position, size_t end)
{
    return end - position < 32 ? (1u << (end - position)) - 1 : UINT32_MAX;
}

/* ivf_search.c: read the lists in walk->near and offer what they hold. probes: room for all of them. */
void vssi_ivf_search_lists(ivf_walk *walk, ivf_probe *probes);

/* ivf_scan.c: read the list of the walk's p-th probe. */
void vssi_ivf_scan(ivf_walk *walk, size_t p);

/* ivf_offer.c: what the shortlist holds, ranked by all bits and scored by the vectors, to the top-k. */
size_t vssi_ivf_rerank(const ivf_walk *walk);
void vssi_ivf_offer(ivf_walk *walk);

#endif
