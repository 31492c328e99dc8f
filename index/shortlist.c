/*
 * shortlist.c - selection
 */
#include "shortlist.h"

#include <math.h>

void vssi_select(uint64_t *keys, size_t n, size_t k)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        uint64_t pivot = keys[low + (high - low) / 2];
        size_t i = low, j = high - 1;
        for (;;) {
            while (keys[i] < pivot)
                i++;
            while (keys[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint64_t other = keys[i];
            keys[i++] = keys[j];
            keys[j--] = other;
        }
        size_t split = j + 1; /* [low, split) <= pivot <= [split, high) */
        if (split == high)
            split--; /* the pivot stands alone at the end */
        if (split >= k)
            high = split;
        if (split <= k)
            low = split;
    }
}

void vssi_shortlist_begin(vssi_shortlist *list, size_t wanted, uint64_t *keys)
{
    *list = (vssi_shortlist){.wanted = wanted, .capacity = vssi_shortlist_room(wanted), .cut = INFINITY, .keys = keys};
}

void vssi_shortlist_trim(vssi_shortlist *list)
{
    if (list->n <= list->wanted)
        return;
    vssi_select(list->keys, list->n, list->wanted);
    uint64_t last = 0;
    for (size_t i = 0; i < list->wanted; i++)
        last = list->keys[i] > last ? list->keys[i] : last;
    list->n = list->wanted;
    list->cut = vssi_key_value(last);
}
