/*
 * ivf_batch.h - many queries on their way through the lists together
 */
#ifndef VSSI_IVF_BATCH_H
#define VSSI_IVF_BATCH_H

#include "../../simd/crowd.h"
#include "ivf_walk.h"

#define IVF_BATCH_PASSES 2u /* over the lists */

typedef struct ivf_batch {
    const ivf_index *index;
    const vssi_crowd *crowd; /* NULL: this level has none */
    ivf_walk *walks;         /* [n] */
    size_t n;
    uint32_t *every;         /* [n]: 0, 1, 2, ... */
    uint32_t *begins;        /* [IVF_BATCH_PASSES * lists + 1] in choosers: those of each list, pass by pass */
    uint32_t *choosers;      /* [n * probes]: queries */
    uint32_t *nears;         /* [n * probes]: the list's place in the query's `near` */
    int32_t *packed;         /* of twelve queries, where they are no crowd */
    int8_t *queries;         /* [n + VSSI_CROWD_QUERIES][stride]: of a crowd, the last of anything */
    vssi_crowd_query *with;  /* [n] */
} ivf_batch;

/* Fewer queries than these are no crowd. */
#define IVF_CROWD_LEAST 3u

/* ivf_crowd.c: bytes of a batch's work with crowds of n queries; lay them out. */
size_t vssi_ivf_crowd_size(const ivf_header *h, size_t n);
void vssi_ivf_crowd_begin(ivf_batch *b, size_t n, uint8_t *memory);
/* The centers [at, end) for n queries, given by number; at is a multiple of 32. */
void vssi_ivf_crowd_centers(ivf_batch *b, const uint32_t *numbers, size_t n, size_t at, size_t end);
/* A list of ivf_sq8 or ivf_rabitq for n choosers from the i-th on. */
void vssi_ivf_crowd_list(ivf_batch *b, size_t list, size_t i, size_t n);

#endif
