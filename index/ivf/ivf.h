/*
 * ivf.h - what the files of the inverted lists share
 *
 * Rows lie in lists, one a center; a search looks at the nprobe lists whose centers are nearest to the query.
 * Everything is in the space of carriers (carrier.h), where nearness is l2. Centers are points of a grid of bytes over
 * that space (one step for all components), on which k-means works too: index/quant.
 *
 * What a list holds of its rows, one after another in memory, is the type's:
 *     ivf_flat    their vectors
 *     ivf_sq8     their codes on the grid, a byte a component
 *     ivf_pq      product codes of 4 or 8 bits of their residuals (codec/pq.h)
 *     ivf_rabitq  signs of their rotated residuals, and more bits where asked (codec/rabitq.h)
 * Grid, centers and codewords are the model. It is trained apart from the coding of rows (ivf_train.c) and may serve
 * many segments (ivf_model.c); every index holds a copy of it, so that a search needs nothing else. Where rows were
 * coded by the same model before, in segments that are merged, lists and codes are taken over (ivf_source.c).
 * Codes choose a shortlist, the vectors decide: what is offered to the top-k is scored by the vectors, unless refine=0,
 * when it is what the codes say and no vector is read.
 */
#ifndef VSSI_IVF_H
#define VSSI_IVF_H

#include "../../simd/nearest.h"
#include "../../simd/planes.h"
#include "../../simd/scan4.h"
#include "../carrier.h"
#include "../codec/pq.h"
#include "../codec/rabitq.h"
#include "../index_ops.h"

#define IVF_FORMAT 2u
#define IVF_MAX_LISTS 65536u
#define IVF_MAX_ROWS (1u << 30)
#define IVF_ROTATION 0x726f74u /* seed */

typedef enum ivf_kind { IVF_FLAT = 1, IVF_SQ8, IVF_RABITQ, IVF_PQ, IVF_KINDS } ivf_kind;

enum {
    IVF_BLOCK_HEADER = 256,
    IVF_BLOCK_LOW,      /* f32 [2][width]: the grid's low corner; the mean of the centers */
    IVF_BLOCK_CENTERS,  /* their codes, by panels of 32 (simd/nearest.h) */
    IVF_BLOCK_POINTS,   /* f32 [lists][width]: what they stand for */
    IVF_BLOCK_LISTS,    /* u32 [lists + 1]: where each list begins */
    IVF_BLOCK_ROWS,     /* u32 [rows]: row numbers, list by list, rising within one */
    IVF_BLOCK_CODES,    /* the type's, in the order of the rows; by blocks of 32, a list's own, but for ivf_flat and
                         * codes of 8 bits */
    IVF_BLOCK_MORE,     /* ivf_rabitq: the bits after the first, in the order of the rows */
    IVF_BLOCK_WORDS     /* ivf_pq: f32 [width][2^bits], codewords (codec/pq.h) */
};

typedef struct ivf_header {
    uint32_t format, kind, rows, dim, metric, lists, width, size, bits, subs; /* subs: ivf_pq; rows 0: a model */
    float step;     /* of the grid, above 0 */
    float far;      /* mean squared distance of a row from its center, to be expected of rows like those trained on */
    double most;    /* ip: the length of carriers; else 0 */
    uint64_t model; /* hash of all that was trained: codes of one model are alike */
} ivf_header;

/* The first parameters of every type; then their own. */
enum { IVF_PARAM_NLIST, IVF_PARAM_NPROBE, IVF_PARAM_SPREAD, IVF_PARAM_RERANK, IVF_PARAM_REFINE, IVF_PARAM_OWN };
enum { IVF_PARAM_BITS = IVF_PARAM_OWN };
enum { IVF_PARAM_M = IVF_PARAM_OWN, IVF_PARAM_NBITS };

/* An open index: everything but this struct and `blocks` lies in the mapping. Row numbers may hold anything. */
typedef struct ivf_index {
    vssi_heap *heap;
    ivf_header header;
    const float *low, *mean, *points;
    const uint8_t *centers;
    const uint32_t *lists, *rows;
    const uint8_t *codes, *more;
    size_t code_size, more_size; /* bytes a row, or of a block of 32 rows */
    uint32_t *blocks;            /* [lists + 1]: where each list's blocks begin; NULL without any */
    vssi_pq pq;                  /* ivf_pq */
    float *signs;                /* ivf_rabitq: the rotation */
} ivf_index;

/* A build in the making. */
typedef struct ivf_build {
    const vssi_build *in;
    vssi_vectors v;      /* with the model's max_norm */
    ivf_header header;
    float *low, *points; /* low: [2][width] */
    uint8_t *centers;    /* [lists][size] */
    uint8_t *panels;     /* the same by panels */
    uint32_t *where;     /* [rows]: list */
    uint32_t *origin;    /* [rows]: position in the source that has the row (ivf_source.c), or IVF_FRESH; NULL: no
                          * sources */
    uint32_t *lists, *rows;
    uint8_t *codes, *more;
    float *words;
} ivf_build;

#define IVF_FRESH UINT32_MAX

/* Components of a rotated residual. */
static inline size_t ivf_turned_width(const ivf_header *h) { return (h->width + 15u) / 16u * 16u; }
/* Do codes lie in blocks of 32 rows. */
static inline bool ivf_has_blocks(const ivf_header *h)
{
    return h->kind == IVF_SQ8 || h->kind == IVF_RABITQ || (h->kind == IVF_PQ && h->bits == 4);
}
/* Codes of 4 bits a row in a block. */
static inline size_t ivf_block_subs(const ivf_header *h)
{
    return h->kind == IVF_PQ ? (h->subs + 3u) / 4u * 4u : ivf_turned_width(h) / 4;
}
/* Bytes of a block of codes of 1 or 4 bits: codes; add; ivf_rabitq: mul. */
static inline size_t ivf_block_size(const ivf_header *h)
{
    return 16 * ivf_block_subs(h) + (h->kind == IVF_PQ ? 1 : 2) * VSSI_SCAN4_ROWS * sizeof(float);
}
/* Bytes of a row of ivf_pq with codes of 8 bits: add, codes, padding to 4. */
static inline size_t ivf_bytes_size(const ivf_header *h) { return sizeof(float) + (h->subs + 3u) / 4u * 4u; }
/* Bytes of a query's tables: scan4's; ivf_pq: then, or only, float32. */
static inline size_t ivf_table_size(const ivf_header *h)
{
    bool bits = h->kind == IVF_RABITQ || (h->kind == IVF_PQ && h->bits == 4);
    size_t bytes = bits ? 16 * ivf_block_subs(h) : 0;
    return h->kind == IVF_PQ ? bytes + (((size_t)h->subs << h->bits) + 15) / 16 * 64 : bytes;
}
/* Bytes of codes that lie together: a row's, or a block's. */
static inline size_t ivf_code_size(const ivf_header *h, const vssi_vectors *v)
{
    if (!ivf_has_blocks(h))
        return h->kind == IVF_FLAT ? v->row_size : ivf_bytes_size(h);
    return h->kind == IVF_SQ8 ? vssi_panel_size(h->size) : ivf_block_size(h);
}
/* Bytes of a row's other bits: planes, add, mul. */
static inline size_t ivf_more_size(const ivf_header *h)
{
    return h->bits > 1 ? vssi_planes_size(ivf_turned_width(h), h->bits - 1) + 2 * sizeof(float) : 0;
}

extern const vssi_index_ops vssi_ivf_flat_ops, vssi_ivf_sq8_ops, vssi_ivf_rabitq_ops, vssi_ivf_pq_ops;

/* ivf_grid.c: fit the grid to all rows; codes[n][size] of n rows evenly spread over all, or with `rows` of rows[n];
 * code of a carrier. */
vss_status vssi_ivf_grid_fit(ivf_build *b, vss_error *err);
vss_status vssi_ivf_grid_rows(const ivf_build *b, const uint32_t *rows, size_t n, uint8_t *codes, vss_error *err);
void vssi_ivf_grid_code(const ivf_header *h, const float *low, const float *carrier, uint8_t *code);

/* ivf_plan.c: the header, without what is trained, by rows and parameters (INVALID); free what a build has made. */
vss_status vssi_ivf_plan(ivf_build *b, ivf_kind kind, vss_error *err);
void vssi_ivf_build_free(ivf_build *b);

/* ivf_train.c: rows that centers, and codewords, are trained on; all that rows are coded by. */
size_t vssi_ivf_sample(const ivf_header *h);
vss_status vssi_ivf_train(const vssi_build *build, ivf_kind kind, vssi_image *model, vss_error *err);

/* ivf_model.c: what the build has as a model's blocks; a model, which may be anything, into the build (CORRUPT); as in
 * vssi_index_ops. */
void vssi_ivf_model_image(const ivf_build *b, ivf_header *header, vssi_image *image);
vss_status vssi_ivf_model_load(ivf_build *b, const vssi_image *model, vss_error *err);
vss_status vssi_ivf_suits(const vssi_build *build, ivf_kind kind, bool *suits, vss_error *err);

/* ivf_source.c: lists of the rows that sources have, and where; the source of a row, with its position there; NULL: it
 * has none. Copy its code to a slot of the list, of types with codes by 32 rows; `codes` is room for a row's. */
vss_status vssi_ivf_sources(ivf_build *b, vss_error *err);
const ivf_index *vssi_ivf_source(const ivf_build *b, uint32_t row, size_t *position);
void vssi_ivf_source_copy(const ivf_index *from, size_t position, size_t list, uint8_t *block, size_t slot,
                          uint8_t *codes);

/* ivf_build.c */
vss_status vssi_ivf_build(const vssi_build *build, ivf_kind kind, vssi_image *image, vss_error *err);

/* ivf_encode.c: the centers by panels; what they stand for; what the lists hold. */
vss_status vssi_ivf_encode_centers(ivf_build *b, vss_error *err);
vss_status vssi_ivf_encode_points(ivf_build *b, vss_error *err);
vss_status vssi_ivf_encode(ivf_build *b, vss_error *err);

/* ivf_encode_parts.c: rows that no source has, less their centers, to be coded together. */
typedef struct ivf_residuals {
    size_t n, n_centers;
    uint32_t *positions;  /* [n]: in the order of the lists */
    uint32_t *lists;      /* [n] */
    uint32_t *where;      /* [n]: center of each, of these */
    float *residuals;     /* [n][width], filled up with zeros */
    float *centers;       /* [n_centers][width]: less the mean of all centers, filled up, as the coder has made them */
    uint8_t *codes;       /* [n][code_size] */
    vssi_rabitq_row *factors; /* [n] */
    float *spare;         /* [width] to work in */
} ivf_residuals;

/* How a type codes them. */
struct ivf_coder;
/* codes and factors of all of them, by the build's device. */
typedef vss_status (*ivf_ask)(const ivf_build *b, const struct ivf_coder *coder, const ivf_residuals *r,
                              vss_error *err);
typedef struct ivf_coder {
    size_t width, code_size;
    const float *signs;   /* ivf_rabitq: the rotation */
    vssi_pq pq;           /* ivf_pq */
    void **place;         /* ivf_pq: the device's note of the codewords */
    void (*center)(const struct ivf_coder *coder, float *center); /* NULL: centers stay as they are */
    /* codes and factors of the i-th; its residual may be used up */
    void (*code)(const ivf_build *b, const struct ivf_coder *coder, const ivf_residuals *r, size_t i);
    /* The i-th's to its place: its list's block and the slot there, or its own bytes. */
    void (*put)(const ivf_build *b, const struct ivf_coder *coder, const ivf_residuals *r, size_t i, uint8_t *place,
                size_t slot);
    /* What a source has at a position into the place; the row's own position is `at`. */
    void (*copy)(const ivf_build *b, const ivf_index *from, size_t position, size_t list, size_t at, uint8_t *place,
                 size_t slot, uint8_t *codes);
    ivf_ask ask;          /* NULL: the CPU codes all */
} ivf_coder;
/* Code all rows by the coder, in parts shared among threads. CANCELLED, DEADLINE, NO_MEMORY, BUDGET; a device's own
 * where it is required. */
vss_status vssi_ivf_encode_parts(ivf_build *b, const ivf_coder *coder, vss_error *err);

/* ivf_encode_device.c: the coder's `ask`, or NULL where the build has no device for it, or too few rows to pay; let the
 * device forget a coder's codewords. */
ivf_ask vssi_ivf_ask_signs(const ivf_build *b);
ivf_ask vssi_ivf_ask_words(const ivf_build *b);
void vssi_ivf_forget_words(const ivf_build *b, void *place);

/* ivf_encode_lists.c: blocks of 32 rows of all lists together; where each list's begin in blocks[lists + 1], unless
 * NULL. */
size_t vssi_ivf_blocks(const ivf_header *h, const uint32_t *lists, uint32_t *blocks);
/* Lists shared among threads, each once with a worker's scratch memory of scratch_size bytes. blocks as above, or NULL
 * where there are none. CANCELLED, DEADLINE, NO_MEMORY, BUDGET. */
typedef void (*ivf_encode_list)(ivf_build *b, const uint32_t *blocks, const void *state, uint8_t *scratch, size_t list);
vss_status vssi_ivf_encode_lists(ivf_build *b, size_t scratch_size, ivf_encode_list encode, const void *state,
                                 vss_error *err);
/* Places of a block without a row hold no number: they are never below a cut. add: of the block. */
void vssi_ivf_encode_pad(float *add, size_t first);

/* ivf_pq.c: the number of runs for `m` (0: by the width), or INVALID; codewords; codes; tables of a query, which is
 * measured from the mean; values of the n rows from a position on, of codes of 8 bits. */
vss_status vssi_ivf_pq_subs(uint64_t m, uint32_t width, uint32_t bits, uint32_t *subs, vss_error *err);
vss_status vssi_ivf_pq_train(ivf_build *b, vss_error *err);
vss_status vssi_ivf_pq_encode(ivf_build *b, vss_error *err);
vssi_scan4_query vssi_ivf_pq_prepare(const ivf_index *index, const float *query, uint8_t *tables);
void vssi_ivf_pq_scan(const ivf_index *index, const uint8_t *tables, size_t position, size_t n, float base,
                      float *values);

/* ivf_estimate.c */
void vssi_ivf_estimate(const vssi_build *in, ivf_kind kind, vssi_cost *cost);

/* ivf_open.c: are the numbers of a header, but for its rows, those of an index or a model. */
bool vssi_ivf_header_valid(const ivf_header *h);

/* ivf_open.c, ivf_search.c, ivf_batch.c, ivf_validate.c: as in vssi_index_ops. */
vss_status vssi_ivf_open(vssi_heap *heap, ivf_kind kind, const vssi_block *blocks, size_t n_blocks,
                         const vssi_vectors *vectors, void **index, vss_error *err);
void vssi_ivf_free(void *index);
vss_status vssi_ivf_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                           vssi_scratch *scratch, vssi_topk *topk, vss_error *err);
vss_status vssi_ivf_search_batch(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                 vssi_scratch *scratch, vssi_topk *topks, vss_error *err);
vss_status vssi_ivf_probe(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                          vssi_scratch *scratch, vssi_topk *topks, vssi_probes *out, vss_error *err);
uint64_t vssi_ivf_validate(const void *index, void (*fault)(void *state, const char *line), void *state);

#endif
