/*
 * filter_arena.c - memory that is taken piece by piece and ends all at once
 *
 * Blocks double from 4 KiB to 256 KiB; a larger piece has a block of its own. No locks: an arena belongs to one call.
 */
#include "../base/checked.h"
#include "filter_stages.h"

#define FILTER_BLOCK_MIN 4096u
#define FILTER_BLOCK_MAX 262144u

struct vssi_filter_block {
    vssi_filter_block *next;
    uint64_t pad; /* pieces begin at a multiple of 16 */
};

void vssi_filter_arena_init(vssi_filter_arena *arena, vssi_heap *heap)
{
    *arena = (vssi_filter_arena){.heap = heap};
}

void vssi_filter_arena_free(vssi_filter_arena *arena)
{
    while (arena->blocks != NULL) {
        vssi_filter_block *next = arena->blocks->next;
        vssi_free(arena->heap, arena->blocks);
        arena->blocks = next;
    }
    arena->at = arena->size = 0;
}

static vss_status filter_arena_grow(vssi_filter_arena *arena, size_t bytes, vss_error *err)
{
    size_t size = vssi_max(vssi_min(arena->size * 2, FILTER_BLOCK_MAX), FILTER_BLOCK_MIN);
    size_t wanted;
    if (!vssi_add(bytes, sizeof(vssi_filter_block), &wanted))
        return vssi_fail_memory(err, bytes);
    size = vssi_max(size, wanted);
    vssi_filter_block *block;
    VSSI_TRY(vssi_alloc_zero(arena->heap, 1, size, &block, err));
    block->next = arena->blocks;
    arena->blocks = block;
    arena->at = sizeof *block;
    arena->size = size;
    return VSS_OK;
}

vss_status vssi_filter_arena_alloc(vssi_filter_arena *arena, size_t count, size_t size, void *out_pointer,
                                   vss_error *err)
{
    void *none = NULL;
    memcpy(out_pointer, &none, sizeof none);
    size_t bytes;
    if (!vssi_mul(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return vssi_fail_memory(err, SIZE_MAX);
    bytes = (size_t)vssi_round_up(vssi_max(bytes, 1), 16);
    if (arena->blocks == NULL || bytes > arena->size - arena->at)
        VSSI_TRY(filter_arena_grow(arena, bytes, err));
    void *piece = (uint8_t *)arena->blocks + arena->at;
    arena->at += bytes;
    memcpy(out_pointer, &piece, sizeof piece);
    return VSS_OK;
}
