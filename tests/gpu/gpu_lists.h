/*
 * gpu_lists.h - random inverted lists for the searches of gpu_case.h
 */
#ifndef GPU_LISTS_H
#define GPU_LISTS_H

#include "gpu_case.h"

typedef struct gpu_lists {
    vss_device_lists lists;
    uint32_t *begins, *rows, *probes;
    uint64_t *probe_begins;
    uint8_t *members;
} gpu_lists;

/* Lists of uneven length, some of them empty, of most of the rows or, with `every`, of all; each query of the case
 * names `probes` of them at most: some fewer, some none, all of them where there are no more. The case's search is one
 * of these lists from then on. Blocks of exactly their size. */
void gpu_lists_make(gpu_lists *l, gpu_case *c, uint32_t n_lists, uint32_t probes, bool every);
/* After changing the rows of the lists: what the case is checked against. */
void gpu_lists_members(gpu_lists *l, gpu_case *c);
/* The lists, and the device's note of them. */
void gpu_lists_free(gpu_lists *l, gpu_case *c, const vss_device *device);

#endif
