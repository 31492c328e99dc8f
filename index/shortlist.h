/*
 * shortlist.h - the few least of many scored places, in any order
 *
 * What is below the cut goes into a buffer; when that is full, the wanted ones are selected and the cut falls to the
 * greatest of them. Cost: a comparison a place, amortised O(1) a place kept. For approximate scores: of equal ones the
 * lower places are kept.
 */
#ifndef VSSI_SHORTLIST_H
#define VSSI_SHORTLIST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct vssi_shortlist {
    size_t wanted, n, capacity;
    float cut;      /* values above it are of no use; +inf at first */
    uint64_t *keys; /* [capacity]: vssi_key_of(value, place) */
} vssi_shortlist;

/* A number that orders as (value, place) do; value is no NaN. */
static inline uint64_t vssi_key_of(float value, uint32_t place)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | place;
}
static inline uint32_t vssi_key_place(uint64_t key) { return (uint32_t)key; }
static inline float vssi_key_value(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float value;
    bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Put the k least of keys[n] in front, in any order; k <= n. Hoare's selection: O(n) expected. */
void vssi_select(uint64_t *keys, size_t n, size_t k);

/* Keys that a list for `wanted` works in. */
static inline size_t vssi_shortlist_room(size_t wanted) { return 2 * wanted + 64; }
void vssi_shortlist_begin(vssi_shortlist *list, size_t wanted, uint64_t *keys);
/* The wanted ones, or all there are, in front: n of them. */
void vssi_shortlist_trim(vssi_shortlist *list);

static inline void vssi_shortlist_add(vssi_shortlist *list, float value, uint32_t place)
{
    if (!(value <= list->cut))
        return;
    list->keys[list->n++] = vssi_key_of(value, place);
    if (list->n == list->capacity)
        vssi_shortlist_trim(list);
}

#endif
