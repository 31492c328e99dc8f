/*
 * flat.h - the exact index type: every row is compared; with codes=sq8 it keeps a byte a component to compare first
 */
#ifndef VSSI_FLAT_H
#define VSSI_FLAT_H

#include "../index_ops.h"

#define FLAT_BLOCK 256u        /* rows */
#define FLAT_ASK (256u * 256u) /* comparisons between two questions to the control */

extern const vssi_index_ops vssi_flat_ops;

/* Offer the rows [begin, end), at most FLAT_BLOCK, to topk. Returns how many it scored. */
size_t vssi_flat_block(const vssi_vectors *v, const vssi_query *query, size_t begin, size_t end, vssi_topk *topk);

/* ---- flat_codes*.c: the index object, and searches through it ---- */
enum { FLAT_PARAM_CODES, FLAT_PARAM_PREFIX, FLAT_PARAMS };
enum { FLAT_CODES_NONE, FLAT_CODES_SQ8 };
enum { FLAT_PREFIX_NONE, FLAT_PREFIX_AUTO }; /* else the bytes of a row */
enum {
    FLAT_BLOCK_MODEL = 256,
    FLAT_BLOCK_LOW,
    FLAT_BLOCK_CODES,
    FLAT_BLOCK_OUTLIERS,
    FLAT_BLOCK_PREFIX,
    FLAT_BLOCK_PREFIX_LOW,
    FLAT_BLOCK_TURN,
    FLAT_BLOCK_PANELS,
    FLAT_BLOCK_NORMS
};
vss_status vssi_flat_build(const vssi_build *build, vssi_image *image, vss_error *err);
void vssi_flat_estimate(const vssi_build *in, vssi_cost *cost);
vss_status vssi_flat_open(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *vectors,
                          void **index, vss_error *err);
vss_status vssi_flat_codes_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                                  vssi_scratch *scratch, vssi_topk *topk, vss_error *err);
vss_status vssi_flat_codes_batch(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                 vssi_scratch *scratch, vssi_topk *topks, vss_error *err);
uint64_t vssi_flat_validate(const void *index, void (*fault)(void *state, const char *line), void *state);
void vssi_flat_free(void *index);

#endif
