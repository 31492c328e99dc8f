/*
 * shortlist.c - the buffer's upkeep
 */
#include "shortlist.h"

#include <math.h>

#include "../lib/base/checked.h"

void vssi_shortlist_begin(vssi_shortlist *list, size_t wanted, void *memory)
{
    size_t room = vssi_shortlist_room(wanted);
    *list = (vssi_shortlist){.kernels = vssi_select_best(), .wanted = wanted, .capacity = room - 2 * VSSI_SELECT_STEP,
                             .cut = INFINITY, .values = memory};
    list->places = (uint32_t *)(void *)(list->values + room);
}

void vssi_shortlist_trim(vssi_shortlist *list)
{
    if (list->n <= list->wanted)
        return;
    list->cut = list->kernels->least(list->values, list->places, list->n, list->wanted);
    list->n = list->wanted;
}

void vssi_shortlist_add(vssi_shortlist *list, const float *values, size_t n, uint32_t first)
{
    for (size_t i = 0; i < n; i += VSSI_SELECT_STEP) {
        uint32_t mask = list->kernels->below(values + i, vssi_min(VSSI_SELECT_STEP, n - i), list->cut);
        if (mask != 0)
            vssi_shortlist_take(list, values + i, first + (uint32_t)i, mask);
    }
}
