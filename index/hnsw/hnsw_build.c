/*
 * hnsw_build.c - from vectors to a graph, the same bytes on any number of threads
 *
 * Stages, each a parallel loop over fixed units: find equal rows; rounds of partitioning, in which rows meet their
 * neighbours; prune; add reverse links; hang on the equal rows; make every row reachable; make codes. Random numbers
 * come from fixed seeds. ef_construction is turned into rounds (ef / 50, 1 to 16), candidates kept for a row (2 ef / 5,
 * 16 to 512) and those of one leaf (ef / 16, 6 to 64).
 *
 * Memory at the peak: the graph (4 x stride bytes a row), the candidates (8 x (kept + 3 x best of a leaf) bytes a row:
 * 928 at the defaults), some 60 bytes a row, and a worker's packed leaf of at most 16 MiB or 128 rows.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

#define BUILD_LEAF 600u             /* rows, aimed at */
#define BUILD_LEAF_BYTES (16u << 20)
#define BUILD_LEAF_LEAST 128u       /* rows of the largest leaf, however long they are */
#define BUILD_SPARE 3u              /* links: two for equal rows, one for the repair */

static size_t build_clamp(size_t value, size_t low, size_t high) { return vssi_max(low, vssi_min(value, high)); }

void vssi_hnsw_plan(vssi_hnsw_build *b, const vssi_build *in)
{
    size_t m = (size_t)in->params[HNSW_PARAM_M], ef = (size_t)in->params[HNSW_PARAM_EF_CONSTRUCTION];
    *b = (vssi_hnsw_build){.in = in, .vectors = in->vectors, .l2 = vssi_simd_rows(vssi_simd(), VSSI_SIMD_F32, VSSI_SIMD_L2), .heap = in->heap};
    b->rows = in->vectors->rows;
    b->pdim = (size_t)in->vectors->dim + (in->vectors->metric == VSS_METRIC_IP);
    b->degree = 2 * m;
    b->stride = (size_t)vssi_round_up(1 + b->degree + BUILD_SPARE, HNSW_ALIGN);
    b->rounds = build_clamp(ef / 50, 1, 16);
    b->kept = build_clamp(2 * ef / 5, 16, 512);
    b->keep = build_clamp(ef / 16, 6, 64);
    b->leaf_max = build_clamp(BUILD_LEAF_BYTES / (b->pdim * sizeof(float)), BUILD_LEAF_LEAST, 2 * BUILD_LEAF);
    b->leaf = b->leaf_max / 2;
    b->packed_rows = b->leaf_max;
    b->n_workers = vssi_max(1, in->threads);
}

static vss_status build_candidates(vssi_hnsw_build *b, vss_error *err)
{
    size_t width = b->kept + HNSW_FANOUT * b->keep, size;
    if (!vssi_mul(b->rows, width, &size))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(b->heap, size, sizeof *b->candidates, &b->candidates, err));
    memset(b->candidates, 0xff, size * sizeof *b->candidates); /* HNSW_NONE */
    for (size_t round = 0; round < b->rounds; round++)
        VSSI_TRY(vssi_hnsw_partition_round(b, round, err));
    return VSS_OK;
}

static vss_status build_graph(vssi_hnsw_build *b, vss_error *err)
{
    size_t size;
    VSSI_TRY(vssi_hnsw_twins_find(b, err));
    b->total = b->n_nodes * (2 * b->rounds + 2) + (vssi_hnsw_codes_wanted(b->in) ? b->rows : 0);
    VSSI_TRY(vssi_hnsw_workers_make(b, err));
    VSSI_TRY(build_candidates(b, err));
    if (!vssi_mul(b->rows, b->stride, &size))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc_zero(b->heap, size, sizeof *b->graph, &b->graph, err));
    VSSI_TRY(vssi_hnsw_prune_all(b, err));
    vssi_free(b->heap, b->candidates);
    b->candidates = NULL;
    VSSI_TRY(vssi_hnsw_link(b, err));
    VSSI_TRY(vssi_hnsw_twins_link(b, err));
    VSSI_TRY(vssi_hnsw_repair(b, err));
    VSSI_TRY(vssi_hnsw_codes_make(b, err));
    vssi_control_report(b->in->control, "graph", b->total, b->total); /* too late to stop */
    return VSS_OK;
}

/* Clear what earlier stages left behind the last link of a row. */
static void build_blank(vssi_hnsw_build *b)
{
    for (size_t row = 0; row < b->rows; row++) {
        uint32_t *links = vssi_hnsw_links(b, row);
        memset(links + 1 + links[0], 0, (b->stride - 1 - links[0]) * sizeof *links);
    }
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
    header[HNSW_HEADER_CODES] = b->model ? HNSW_CODES_SQ8 : HNSW_CODES_NONE;
    image->n_blocks = 3;
    image->blocks[0] = (vssi_block){HNSW_BLOCK_HEADER, sizeof *header, HNSW_HEADER_WORDS, header};
    image->blocks[1] = (vssi_block){HNSW_BLOCK_GRAPH, sizeof *b->graph, b->rows * b->stride, b->graph};
    image->blocks[2] = (vssi_block){HNSW_BLOCK_ENTRIES, sizeof *b->entries, b->n_entries, b->entries};
    b->graph = NULL;
    b->entries = NULL;
    if (!b->model)
        return VSS_OK;
    image->n_blocks = 6;
    image->blocks[3] = (vssi_block){HNSW_BLOCK_MODEL, sizeof *b->model, 1, b->model};
    image->blocks[4] = (vssi_block){HNSW_BLOCK_LOW, sizeof *b->low, b->model->width, b->low};
    image->blocks[5] = (vssi_block){HNSW_BLOCK_CODES, b->model->size, b->rows, b->codes};
    b->model = NULL;
    b->low = NULL;
    b->codes = NULL;
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
    if (status == VSS_OK) {
        build_blank(&b);
        status = build_image(&b, image, err);
    }
    vssi_hnsw_workers_free(&b);
    vssi_free(b.heap, b.twins);
    vssi_free(b.heap, b.nodes);
    vssi_free(b.heap, b.candidates);
    vssi_free(b.heap, b.graph);
    vssi_free(b.heap, b.entries);
    vssi_free(b.heap, b.model);
    vssi_free(b.heap, b.low);
    vssi_free(b.heap, b.codes);
    return status;
}
