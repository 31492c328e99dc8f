/*
 * hnsw_open.c - use a stored graph in place
 *
 * Checks the header against the blocks and the vectors; looks at no link. O(1).
 */
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

/* A block of u32, aligned as they are. */
static vss_status open_words(const vssi_block *blocks, size_t n_blocks, uint32_t kind, uint64_t count,
                             const uint32_t **words, vss_error *err)
{
    const void *data = NULL;
    VSSI_TRY(vssi_hnsw_block(blocks, n_blocks, kind, sizeof **words, sizeof **words, count, &data, err));
    *words = data;
    return VSS_OK;
}

static vss_status open_header(const uint32_t *header, const vssi_vectors *vectors, vss_error *err)
{
    if (header[HNSW_HEADER_FORMAT] > HNSW_FORMAT)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT, "hnsw: format %u, this library reads up to %u",
                         header[HNSW_HEADER_FORMAT], HNSW_FORMAT);
    if (header[HNSW_HEADER_FORMAT] != HNSW_FORMAT)
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: format %u", header[HNSW_HEADER_FORMAT]);
    if (header[HNSW_HEADER_ROWS] != vectors->rows || header[HNSW_HEADER_DIM] != vectors->dim)
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: made for %u rows of %u components, the segment has %zu of %u",
                         header[HNSW_HEADER_ROWS], header[HNSW_HEADER_DIM], vectors->rows, vectors->dim);
    uint32_t stride = header[HNSW_HEADER_STRIDE], entries = header[HNSW_HEADER_ENTRIES];
    if (stride < HNSW_ALIGN || stride > HNSW_MAX_STRIDE || stride % HNSW_ALIGN != 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: stride %u", stride);
    if (vectors->rows >= HNSW_MAX_ROWS || entries > vectors->rows || (entries == 0 && vectors->rows > 0))
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: %u entries for %zu rows", entries, vectors->rows);
    if (header[HNSW_HEADER_GROUPS] > entries || (header[HNSW_HEADER_GROUPS] == 0 && entries > 0))
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: %u groups of %u entries", header[HNSW_HEADER_GROUPS], entries);
    if (header[HNSW_HEADER_CODES] > HNSW_CODES_SQ4)
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: codes %u", header[HNSW_HEADER_CODES]);
    return VSS_OK;
}

/* Entries and where their groups begin. */
static vss_status open_entries(const vssi_block *blocks, size_t n_blocks, const uint32_t *header,
                               vssi_hnsw_index *index, vss_error *err)
{
    const size_t n = header[HNSW_HEADER_ENTRIES], groups = header[HNSW_HEADER_GROUPS];
    VSSI_TRY(open_words(blocks, n_blocks, HNSW_BLOCK_ENTRIES, n, &index->entries, err));
    VSSI_TRY(open_words(blocks, n_blocks, HNSW_BLOCK_GROUPS, n > 0 ? groups + 1 : 0, &index->groups, err));
    for (size_t g = 0; n > 0 && g <= groups; g++) {
        if (index->groups[g] < (g > 0 ? index->groups[g - 1] : 0) || index->groups[g] > n - groups)
            return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: group %zu begins at entry %u of %zu", g, index->groups[g],
                             n - groups);
    }
    index->n_entries = n;
    index->n_groups = groups;
    return VSS_OK;
}

vss_status vssi_hnsw_open(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *vectors,
                          void **index, vss_error *err)
{
    const uint32_t *header, *graph;
    uint64_t words;
    vssi_hnsw_index all = {.heap = heap, .rows = vectors->rows}, *made;
    *index = NULL;
    VSSI_TRY(open_words(blocks, n_blocks, HNSW_BLOCK_HEADER, HNSW_HEADER_WORDS, &header, err));
    VSSI_TRY(open_header(header, vectors, err));
    if (!vssi_mul_u64(vectors->rows, header[HNSW_HEADER_STRIDE], &words))
        return vssi_fail(err, VSS_ERR_CORRUPT, "hnsw: stride %u", header[HNSW_HEADER_STRIDE]);
    VSSI_TRY(open_words(blocks, n_blocks, HNSW_BLOCK_GRAPH, words, &graph, err));
    VSSI_TRY(open_entries(blocks, n_blocks, header, &all, err));
    all.stride = header[HNSW_HEADER_STRIDE];
    all.graph = graph;
    if (header[HNSW_HEADER_CODES] != HNSW_CODES_NONE) {
        VSSI_TRY(vssi_hnsw_form_open(&all, header[HNSW_HEADER_CODES], blocks, n_blocks, vectors, err));
        all.coded = true;
        VSSI_TRY(open_words(blocks, n_blocks, HNSW_BLOCK_MAP, vectors->rows, &all.map, err));
    }
    VSSI_TRY(vssi_alloc(heap, 1, sizeof *made, &made, err));
    *made = all;
    *index = made;
    return VSS_OK;
}

void vssi_hnsw_free(void *index)
{
    vssi_hnsw_index *made = index;
    if (made)
        vssi_free(made->heap, made);
}
