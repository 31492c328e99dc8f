/*
 * shortlist.h - the few least of many scored places
 *
 * What is below the cut goes into a buffer; when that is full, the wanted ones are kept and the cut falls to the
 * greatest of them (simd/select.h). Cost: a comparison a place, amortised O(1) a place kept. For approximate scores: of
 * equal ones those with the lowest places are kept, so that the order in which places come is of no importance.
 */
#ifndef VSSI_SHORTLIST_H
#define VSSI_SHORTLIST_H

#include "../simd/select.h"

typedef struct vssi_shortlist {
    const vssi_select *kernels;
    size_t wanted, n, capacity;
    float cut;        /* values above it are of no use; +inf at first */
    float *values;    /* [vssi_shortlist_room] */
    uint32_t *places; /* the same */
} vssi_shortlist;

/* Values, and places, of a list for `wanted`; a multiple of 16. */
static inline size_t vssi_shortlist_room(size_t wanted)
{
    return (2 * wanted + 3 * VSSI_SELECT_STEP) / VSSI_SELECT_STEP * VSSI_SELECT_STEP;
}

/* Begin in memory of vssi_shortlist_room(wanted) numbers of 8 bytes, 64-byte aligned. */
void vssi_shortlist_begin(vssi_shortlist *list, size_t wanted, void *memory);
/* The wanted ones, or all there are: n of them. */
void vssi_shortlist_trim(vssi_shortlist *list);

/* Add values[i] with place first + i for every bit i of mask. 32 values are read. */
static inline void vssi_shortlist_take(vssi_shortlist *list, const float *values, uint32_t first, uint32_t mask)
{
    if (list->n > list->capacity)
        vssi_shortlist_trim(list);
    list->kernels->take(values, first, mask, list->values, list->places, &list->n);
}

/* Add values[0 .. n) with places from first on. Up to 31 more values are read. */
void vssi_shortlist_add(vssi_shortlist *list, const float *values, size_t n, uint32_t first);

#endif
