/*
 * hnsw_build.c - from vectors to a graph, the same bytes on any number of threads
 *
 * Stages, each a parallel loop over fixed units: find equal rows; choose codes or floats to compare by; order the nodes
 * by place; rounds of partitioning, in which rows meet their neighbours; prune; add reverse links; hang on the equal
 * rows; choose entries; make every row reachable; number by row again; with codes, on one thread, choose the places
 * they are stored in.
 * Random numbers come from fixed seeds. ef_construction is turned into rounds (3 ef / 100, 1 to 16) and candidates that
 * a leaf leaves with a row (ef / 25, 6 to 24).
 *
 * Memory at the peak: the codes, the graph (4 x stride bytes a row; candidates lie there first), the candidates of one
 * or two rounds beside it (12 bytes a round for each that a leaf leaves: 192 at the defaults), some 50 bytes a row, and
 * a worker's packed leaf of at most 16 MiB or 128 rows; with a device, parts of 8 MiB a thread, 64 MiB in all.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

#define BUILD_LEAF 512u             /* rows, aimed at */
#define BUILD_LEAF_BYTES ((size_t)16 << 20)
#define BUILD_LEAF_LEAST 128u       /* rows of the largest leaf, however long they are */
#define BUILD_KEYS_APART 16u        /* so that the rows of keys don't compete for the same lines of the cache */
#define BUILD_SPILL 256u            /* bytes of candidates a row beside the graph, or as many as its vector has */
#define BUILD_SPARE 3u              /* links: two for equal rows, one for the repair */

static size_t build_clamp(size_t value, size_t low, size_t high) { return vssi_max(low, vssi_min(value, high)); }

void vssi_hnsw_plan(vssi_hnsw_build *b, const vssi_build *in)
{
    size_t m = (size_t)in->params[HNSW_PARAM_M], ef = (size_t)in->params[HNSW_PARAM_EF_CONSTRUCTION];
    *b = (vssi_hnsw_build){.in = in, .vectors = in->vectors, .heap = in->heap};
    b->rows = in->vectors->rows;
    b->degree = 2 * m;
    b->stride = (size_t)vssi_round_up(1 + b->degree + BUILD_SPARE, HNSW_ALIGN);
    b->room = b->stride - 1 - BUILD_SPARE;
    b->rounds = build_clamp(3 * ef / 100, 1, 16);
    b->keep = vssi_min(build_clamp(ef / 25, 6, 24), b->stride); /* so that a chunk fits inside the graph */
    b->inside = vssi_min(b->rounds * HNSW_FANOUT, b->stride / b->keep);
    size_t spare = vssi_max(BUILD_SPILL, in->vectors->row_size), round = b->keep * HNSW_FANOUT * sizeof *b->spill;
    size_t spilled = build_clamp(spare / round, 1, 2);
    b->chunks = vssi_min(b->rounds * HNSW_FANOUT, b->inside + spilled * HNSW_FANOUT);
    b->n_workers = vssi_max(1, in->threads);
}

/* Leaves and the room of workers, once the size of a vector is known. */
void vssi_hnsw_plan_leaves(vssi_hnsw_build *b)
{
    b->leaf_max = build_clamp(BUILD_LEAF_BYTES / b->vector_size, BUILD_LEAF_LEAST, VSSI_PAIRS_MOST);
    b->leaf_max -= b->leaf_max % VSSI_PAIRS_ROWS;
    b->leaf = vssi_min(BUILD_LEAF, b->leaf_max / 2);
    b->packed_rows = b->leaf_max;
    b->keys_stride = b->packed_rows + BUILD_KEYS_APART;
}

static vss_status build_space(vssi_hnsw_build *b, vss_error *err)
{
    VSSI_TRY(vssi_hnsw_twins_find(b, err));
    vssi_hnsw_space_floats(b);
    vssi_hnsw_plan_leaves(b);
    VSSI_TRY(vssi_hnsw_workers_make(b, err));
    b->total = b->rows + b->n_nodes * (b->rounds + 2);
    VSSI_TRY(vssi_hnsw_space_make(b, err));
    VSSI_TRY(vssi_hnsw_device_check(b, err));
    vssi_hnsw_workers_free(b);
    vssi_hnsw_plan_leaves(b);
    return vssi_hnsw_workers_make(b, err);
}

static vss_status build_candidates(vssi_hnsw_build *b, vss_error *err)
{
    size_t graph, spill;
    if (!vssi_mul(b->rows, b->stride, &graph) || !vssi_mul(b->n_nodes, (b->chunks - b->inside) * b->keep, &spill))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(b->heap, graph, sizeof *b->graph, &b->graph, err));
    VSSI_TRY(vssi_alloc(b->heap, spill, sizeof *b->spill, &b->spill, err));
    memset(b->graph, 0xff, b->n_nodes * b->stride * sizeof *b->graph); /* HNSW_FREE */
    memset(b->graph + b->n_nodes * b->stride, 0, (b->rows - b->n_nodes) * b->stride * sizeof *b->graph);
    if (spill > 0)
        memset(b->spill, 0xff, spill * sizeof *b->spill);
    for (size_t round = 0; round < b->rounds; round++) {
        if (b->filled + HNSW_FANOUT > b->chunks)
            VSSI_TRY(vssi_hnsw_prune_narrow(b, err));
        VSSI_TRY(vssi_hnsw_partition_round(b, round, err));
    }
    return VSS_OK;
}

static vss_status build_graph(vssi_hnsw_build *b, vss_error *err)
{
    VSSI_TRY(build_space(b, err));
    VSSI_TRY(vssi_hnsw_arrange(b, err));
    VSSI_TRY(build_candidates(b, err));
    VSSI_TRY(vssi_hnsw_prune_all(b, err));
    vssi_free(b->heap, b->spill);
    b->spill = NULL;
    VSSI_TRY(vssi_hnsw_link(b, err));
    vssi_hnsw_device_forget(b);
    VSSI_TRY(vssi_hnsw_twins_link(b, err));
    VSSI_TRY(vssi_hnsw_entries(b, err));
    VSSI_TRY(vssi_hnsw_repair(b, err));
    VSSI_TRY(vssi_hnsw_arrange_back(b, err));
    VSSI_TRY(vssi_hnsw_order(b, err));
    vssi_control_report(b->in->control, "graph", b->total, b->total); /* too late to stop */
    return VSS_OK;
}

/* Hand graph, entries and codes over to the image. */
static vss_status build_image(vssi_hnsw_build *b, vssi_image *image, vss_error *err)
{
    uint32_t *header;
    VSSI_TRY(vssi_alloc_zero(b->heap, HNSW_HEADER_WORDS, sizeof *header, &header, err));
    header[HNSW_HEADER_FORMAT] = HNSW_FORMAT;
    header[HNSW_HEADER_ROWS] = (uint32_t)b->rows;
    header[HNSW_HEADER_DIM] = b->vectors->dim;
    header[HNSW_HEADER_M] = (uint32_t)b->in->params[HNSW_PARAM_M];
    header[HNSW_HEADER_STRIDE] = (uint32_t)b->stride;
    header[HNSW_HEADER_ENTRIES] = (uint32_t)b->n_entries;
    header[HNSW_HEADER_CODES] = b->stored ? (uint32_t)b->form : HNSW_CODES_NONE;
    header[HNSW_HEADER_GROUPS] = (uint32_t)b->n_groups;
    image->n_blocks = HNSW_BLOCKS_PLAIN;
    image->blocks[0] = (vssi_block){HNSW_BLOCK_HEADER, sizeof *header, HNSW_HEADER_WORDS, header};
    image->blocks[1] = (vssi_block){HNSW_BLOCK_GRAPH, sizeof *b->graph, b->rows * b->stride, b->graph};
    image->blocks[2] = (vssi_block){HNSW_BLOCK_ENTRIES, sizeof *b->entries, b->n_entries, b->entries};
    image->blocks[3] = (vssi_block){HNSW_BLOCK_GROUPS, sizeof *b->groups, b->rows > 0 ? b->n_groups + 1 : 0, b->groups};
    b->graph = NULL;
    b->entries = NULL;
    b->groups = NULL;
    if (!b->stored)
        return VSS_OK;
    image->n_blocks = HNSW_BLOCKS_CODED;
    image->blocks[4] = (vssi_block){HNSW_BLOCK_MODEL, sizeof *b->model, 1, b->model};
    image->blocks[5] = (vssi_block){HNSW_BLOCK_LOW, sizeof *b->low, b->model->width, b->low};
    image->blocks[6] = (vssi_block){HNSW_BLOCK_CODES, b->model->size, b->rows, b->codes};
    image->blocks[7] = (vssi_block){HNSW_BLOCK_MAP, sizeof *b->map, b->rows, b->map};
    b->model = NULL;
    b->low = NULL;
    b->codes = NULL;
    b->map = NULL;
    return VSS_OK;
}

vss_status vssi_hnsw_build_image(const vssi_build *in, vssi_image *image, vss_error *err)
{
    vssi_hnsw_build b;
    vss_status status = VSS_OK;
    *image = (vssi_image){0};
    vssi_hnsw_plan(&b, in);
    if (b.rows >= HNSW_MAX_ROWS)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "hnsw: %zu rows, fewer than %u are possible", b.rows, HNSW_MAX_ROWS);
    VSSI_TRY(vssi_hnsw_codes_check(in, err));
    if (b.rows > 0)
        status = build_graph(&b, err);
    if (status == VSS_OK)
        status = build_image(&b, image, err);
    vssi_hnsw_device_forget(&b);
    vssi_hnsw_workers_free(&b);
    vssi_free(b.heap, b.twins);
    vssi_free(b.heap, b.order);
    vssi_free(b.heap, b.sums);
    vssi_free(b.heap, b.spill);
    vssi_free(b.heap, b.graph);
    vssi_free(b.heap, b.entries);
    vssi_free(b.heap, b.groups);
    vssi_free(b.heap, b.model);
    vssi_free(b.heap, b.low);
    vssi_free(b.heap, b.codes);
    vssi_free(b.heap, b.map);
    return status;
}
