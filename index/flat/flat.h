/*
 * flat.h - the index type that keeps nothing beside the vectors; its searches are declared in index_ops.h
 */
#ifndef VSSI_FLAT_H
#define VSSI_FLAT_H

#include "../index_ops.h"

#define FLAT_BLOCK 256u        /* rows */
#define FLAT_ASK (256u * 256u) /* comparisons between two questions to the control */

extern const vssi_index_ops vssi_flat_ops;

/* Offer the rows [begin, end), at most FLAT_BLOCK, to topk. Returns how many it scored. */
size_t vssi_flat_block(const vssi_vectors *v, const vssi_query *query, size_t begin, size_t end, vssi_topk *topk);

#endif
