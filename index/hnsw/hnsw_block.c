/*
 * hnsw_block.c - a stored block by its kind, if it is what the header says
 */
#include "../../lib/base/fail.h"
#include "hnsw.h"

static const vssi_block *block_find(const vssi_block *blocks, size_t n_blocks, uint32_t kind)
{
    for (size_t i = 0; i < n_blocks; i++) {
        if (blocks[i].kind == kind)
            return &blocks[i];
    }
    return NULL;
}

vss_status vssi_hnsw_block(const vssi_block *blocks, size_t n_blocks, uint32_t kind, size_t element, size_t align,
                           uint64_t count, const void **data, vss_error *err)
{
    const vssi_block *block = block_find(blocks, n_blocks, kind);
    if (!block)
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: block %u is missing", kind);
    if (block->element != element || block->count != count)
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: block %u has %llu elements of %u bytes, expected %llu of %zu",
                         kind, (unsigned long long)block->count, block->element, (unsigned long long)count, element);
    if (count > 0 && (!block->data || (uintptr_t)block->data % align != 0))
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: block %u is not aligned to %zu bytes", kind, align);
    *data = block->data;
    return VSS_OK;
}
