/*
 * scratch.h - memory that belongs to one thread of one call, reused from call to call
 *
 * Slots grow and never shrink. A slot's contents outlive the call; new bytes are zero.
 */
#ifndef VSSI_SCRATCH_H
#define VSSI_SCRATCH_H

#include "../lib/base/heap.h"

#define VSSI_SCRATCH_SLOTS 14

typedef struct vssi_scratch {
    vssi_heap *heap;
    void *slot[VSSI_SCRATCH_SLOTS];
    size_t size[VSSI_SCRATCH_SLOTS];
    uint64_t distances; /* computed with it so far: searches add to it */
    uint32_t epoch; /* of the visited marks in slot VSSI_SCRATCH_VISITED */
} vssi_scratch;

enum {
    VSSI_SCRATCH_VISITED,
    VSSI_SCRATCH_POOL,
    VSSI_SCRATCH_ROWS,
    VSSI_SCRATCH_SCORES,
    VSSI_SCRATCH_TOPK,
    VSSI_SCRATCH_QUERY,
    VSSI_SCRATCH_TILE,        /* queries and rows packed for tile.h */
    VSSI_SCRATCH_CODES,       /* queries of a codec */
    VSSI_SCRATCH_PROBES,      /* what queries of a device probe or walk by (index_ops.h) */
    VSSI_SCRATCH_FREE         /* first slot without a meaning of its own */
};

void vssi_scratch_init(vssi_scratch *scratch, vssi_heap *heap);
void vssi_scratch_free(vssi_scratch *scratch);
/* At least count * size bytes in the slot, 64-byte aligned, old contents kept, new bytes zero. */
vss_status vssi_scratch_get(vssi_scratch *scratch, size_t slot, size_t count, size_t size, void *out_pointer,
                            vss_error *err);

#endif
