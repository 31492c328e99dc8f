/*
 * ivf_offer.c - the best of the codes, scored by the vectors
 *
 * With ivf_rabitq all bits rank the shortlist first. Row numbers are bounded here.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "ivf_walk.h"

#define OFFER_BLOCK 256u /* rows scored at once */
#define OFFER_AHEAD 8u   /* rows fetched ahead */

/* The list of walk->near that holds a position. */
static size_t offer_list_of(const ivf_walk *walk, uint32_t position)
{
    size_t low = 0, high = walk->near.n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (walk->index->lists[walk->near.places[middle]] <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* A row of the shortlist on its way to be ranked by all bits. */
typedef struct offer_row {
    const float *first;  /* add of its first bit; mul is VSSI_SCAN4_ROWS further */
    const uint8_t *more; /* its other bits and factors */
    float base;          /* of its list */
} offer_row;

/* Find a position's row, and ask for all that is read of it. */
static offer_row offer_find(const ivf_walk *walk, uint32_t position)
{
    const ivf_index *index = walk->index;
    size_t near = offer_list_of(walk, position), list = walk->near.places[near], slot = position - index->lists[list];
    const uint8_t *block = index->codes + (index->blocks[list] + slot / VSSI_SCAN4_ROWS) * index->code_size;
    block += 4 * ivf_turned_width(&index->header);
    offer_row row = {.first = (const float *)(const void *)block + slot % VSSI_SCAN4_ROWS,
                     .more = index->more + position * index->more_size, .base = walk->near.values[near]};
    __builtin_prefetch(row.first);
    __builtin_prefetch(row.first + VSSI_SCAN4_ROWS);
    for (size_t at = 0; at < index->more_size; at += 64)
        __builtin_prefetch(row.more + at);
    return row;
}

/* What all bits say of a row, from what the first ones said: S of rabitq.h is 2^(bits - 1) times theirs, and the other
 * bits' product with the query, each about its middle. */
static float offer_all_bits(const ivf_walk *walk, const offer_row *row, float value, vssi_planes_kernel kernel)
{
    const unsigned bits = walk->index->header.bits;
    const size_t n = ivf_turned_width(&walk->index->header);
    float factors[2], sum = 0, half = (float)(1u << (bits - 1));
    memcpy(factors, row->more + vssi_planes_size(n, bits - 1), sizeof factors);
    if (row->first[VSSI_SCAN4_ROWS] < 0)
        sum = half * ((value - row->base - row->first[0]) / row->first[VSSI_SCAN4_ROWS]);
    sum += kernel(walk->turned, row->more, n, bits - 1) - (half - 1) / 2 * walk->whole;
    return row->base + factors[0] + factors[1] * sum;
}

/* Rank the shortlist once more; the rows to be scored by the vectors are in front then. Returns how many. */
static size_t offer_more(ivf_walk *walk)
{
    const vssi_planes_kernel kernel = vssi_planes_best();
    vssi_shortlist *list = &walk->list;
    offer_row rows[OFFER_AHEAD];
    size_t wanted = vssi_min(vssi_ivf_rerank(walk), list->n);
    for (size_t i = 0; i < vssi_min(OFFER_AHEAD, list->n); i++)
        rows[i] = offer_find(walk, list->places[i]);
    for (size_t i = 0; i < list->n; i++) {
        list->values[i] = offer_all_bits(walk, &rows[i % OFFER_AHEAD], list->values[i], kernel);
        if (i + OFFER_AHEAD < list->n)
            rows[i % OFFER_AHEAD] = offer_find(walk, list->places[i + OFFER_AHEAD]);
    }
    if (wanted < list->n)
        (void)list->kernels->least(list->values, list->places, list->n, wanted);
    return wanted;
}

/* The score of a row at that squared distance of carriers (carrier.h), as vssi_vectors_score_gather has it. */
static float offer_score(const ivf_walk *walk, float far)
{
    const vssi_vectors *v = walk->v;
    const vssi_simd_type kind = v->kind == VSSI_SIMD_F16 || v->kind == VSSI_SIMD_BF16 ? VSSI_SIMD_F32 : v->kind;
    const void *vector = walk->query->probe.vector;
    double most = walk->index->header.most, d = far > 0 ? (double)far : 0, cosine = 1 - fmin(d, 4) / 2;
    double norm = v->metric == VSS_METRIC_IP ? sqrt(vssi_exact(kind, VSSI_SIMD_IP, vector, vector, v->dim)) : 1;
    switch (v->metric) {
    case VSS_METRIC_COSINE:
        return (float)-cosine;
    case VSS_METRIC_JACCARD: /* |a and b| / sqrt(|a| |b|), of sets of one size */
        return (float)(1 - fmax(cosine, 0) / (2 - fmax(cosine, 0)));
    case VSS_METRIC_IP:
        return most > 0 ? (float)((d / most - 2 * most) / 2 * norm) : 0;
    default:
        return (float)d;
    }
}

/* Offer the shortlist's first n as the codes score them. */
static void offer_estimates(ivf_walk *walk, size_t n)
{
    const ivf_header *h = &walk->index->header;
    float unit = h->kind == IVF_SQ8 ? h->step * h->step : 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = walk->index->rows[walk->list.places[i]];
        if (row < h->rows)
            vssi_topk_push(walk->topk, offer_score(walk, unit * walk->list.values[i]), row);
    }
}

/* Offer what is left, scored by the vectors. */
void vssi_ivf_offer(ivf_walk *walk)
{
    float scores[OFFER_BLOCK];
    uint32_t rows[OFFER_BLOCK];
    vssi_shortlist_trim(&walk->list);
    size_t left = walk->index->more ? offer_more(walk) : walk->list.n;
    if (vssi_ivf_estimates(walk)) {
        offer_estimates(walk, left);
        return;
    }
    walk->scanned += left;
    for (size_t first = 0; first < left; first += OFFER_BLOCK) {
        size_t end = vssi_min(first + OFFER_BLOCK, left), n = 0;
        for (size_t i = first; i < end; i++) {
            rows[n] = walk->index->rows[walk->list.places[i]];
            n += rows[n] < walk->index->header.rows;
        }
        vssi_vectors_score_gather(walk->v, &walk->query->probe, rows, n, scores);
        vssi_topk_add(walk->topk, scores, rows, n);
    }
}
