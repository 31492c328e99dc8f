/*
 * ivf.h - what the files of the inverted lists share
 *
 * Rows lie in lists, one a center; a search looks at the nprobe lists whose centers are nearest to the query. Everything
 * is in the space of carriers (carrier.h), where nearness is l2. Centers are points of a grid of bytes over that space
 * (one step for all components), on which k-means works too: index/quant.
 *
 * What a list holds of its rows, one after another in memory, is the type's:
 *     ivf_flat    their vectors
 *     ivf_sq8     their codes on the grid, a byte a component
 *     ivf_pq      product codes of 4 or 8 bits of their residuals (codec/pq.h)
 *     ivf_rabitq  signs of their rotated residuals, and more bits where asked (codec/rabitq.h)
 * Codes choose a shortlist, the vectors decide: what is offered to the top-k is scored by the vectors.
 */
#ifndef VSSI_IVF_H
#define VSSI_IVF_H

#include "../../simd/nearest.h"
#include "../../simd/planes.h"
#include "../../simd/scan4.h"
#include "../carrier.h"
#include "../codec/rabitq.h"
#include "../index_ops.h"

#define IVF_FORMAT 1u
#define IVF_MAX_LISTS 65536u
#define IVF_MAX_ROWS (1u << 30)
#define IVF_ROTATION 0x726f74u /* seed */

typedef enum ivf_kind { IVF_FLAT = 1, IVF_SQ8, IVF_RABITQ, IVF_KINDS } ivf_kind;

enum {
    IVF_BLOCK_HEADER = 256,
    IVF_BLOCK_LOW,      /* f32 [2][width]: the grid's low corner; the mean of the centers */
    IVF_BLOCK_CENTERS,  /* their codes, by panels of 32 (simd/nearest.h) */
    IVF_BLOCK_POINTS,   /* f32 [lists][width]: what they stand for */
    IVF_BLOCK_LISTS,    /* u32 [lists + 1]: where each list begins */
    IVF_BLOCK_ROWS,     /* u32 [rows]: row numbers, list by list, rising within one */
    IVF_BLOCK_CODES,    /* the type's, in the order of the rows; but for ivf_flat by blocks of 32, a list's own */
    IVF_BLOCK_MORE      /* ivf_rabitq: the bits after the first, in the order of the rows */
};

typedef struct ivf_header {
    uint32_t format, kind, rows, dim, metric, lists, width, size, bits, reserved;
    float step; /* of the grid, above 0 */
    uint32_t zero;
} ivf_header;

/* The first parameters of every type; then their own. */
enum { IVF_PARAM_NLIST, IVF_PARAM_NPROBE, IVF_PARAM_RERANK, IVF_PARAM_OWN };
enum { IVF_PARAM_BITS = IVF_PARAM_OWN };

/* An open index: everything but this struct and `blocks` lies in the mapping. Row numbers may hold anything. */
typedef struct ivf_index {
    vssi_heap *heap;
    ivf_header header;
    const float *low, *mean, *points;
    const uint8_t *centers;
    const uint32_t *lists, *rows;
    const uint8_t *codes, *more;
    size_t code_size, more_size; /* bytes a row; of codes, but for ivf_flat, a block of 32 rows */
    uint32_t *blocks;            /* [lists + 1]: where each list's blocks begin; not of ivf_flat */
    float *signs;                /* ivf_rabitq: the rotation */
} ivf_index;

/* A build in the making. */
typedef struct ivf_build {
    const vssi_build *in;
    const vssi_vectors *v;
    ivf_header header;
    float *low, *points; /* low: [2][width] */
    uint8_t *grid;       /* [rows][size]: codes of the rows */
    uint8_t *centers;    /* [lists][size] */
    uint8_t *panels;     /* the same by panels */
    uint32_t *where;     /* [rows]: list */
    uint32_t *lists, *rows;
    uint8_t *codes, *more;
} ivf_build;

/* Components of a rotated residual. */
static inline size_t ivf_turned_width(const ivf_header *h) { return (h->width + 15u) / 16u * 16u; }
/* Bytes that lists keep together: of ivf_flat a row; else of a block of 32 rows: a panel, or first bits, add, mul. */
static inline size_t ivf_code_size(const ivf_header *h, const vssi_vectors *v)
{
    if (h->kind == IVF_FLAT)
        return v->row_size;
    return h->kind == IVF_SQ8 ? vssi_panel_size(h->size) : 4 * ivf_turned_width(h) + 2 * VSSI_SCAN4_ROWS * sizeof(float);
}
/* Bytes of a row's other bits: planes, add, mul. */
static inline size_t ivf_more_size(const ivf_header *h)
{
    return h->bits > 1 ? vssi_planes_size(ivf_turned_width(h), h->bits - 1) + 2 * sizeof(float) : 0;
}

extern const vssi_index_ops vssi_ivf_flat_ops, vssi_ivf_sq8_ops, vssi_ivf_rabitq_ops;

/* ivf_grid.c: fit the grid to the rows; codes of rows and queries. */
vss_status vssi_ivf_grid_fit(ivf_build *b, vss_error *err);
void vssi_ivf_grid_code(const ivf_header *h, const float *low, const float *carrier, uint8_t *code);

/* ivf_build.c */
vss_status vssi_ivf_build(const vssi_build *build, ivf_kind kind, vssi_image *image, vss_error *err);

/* ivf_encode.c: blocks of 32 rows of all lists together; where each list's begin in blocks[lists + 1], unless NULL. */
size_t vssi_ivf_blocks(const ivf_header *h, const uint32_t *lists, uint32_t *blocks);
/* What the lists hold. */
vss_status vssi_ivf_encode(ivf_build *b, vss_error *err);

/* ivf_open.c, ivf_search.c, ivf_validate.c: as in vssi_index_ops. */
vss_status vssi_ivf_open(vssi_heap *heap, ivf_kind kind, const vssi_block *blocks, size_t n_blocks,
                         const vssi_vectors *vectors, void **index, vss_error *err);
void vssi_ivf_free(void *index);
vss_status vssi_ivf_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                           vssi_scratch *scratch, vssi_topk *topk, vss_error *err);
vss_status vssi_ivf_search_batch(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                 vssi_scratch *scratch, vssi_topk *topks, vss_error *err);
uint64_t vssi_ivf_validate(const void *index, void (*fault)(void *state, const char *line), void *state);

#endif
