/*
 * hnsw.h - what the files of the graph index share
 *
 * The graph is one flat level: a row of u32 for each row of the segment, [count, neighbours...] at a fixed stride.
 * A search starts from entry rows spread over the data instead of from upper levels.
 *
 * A build works on "nodes", the first of each set of rows with equal vectors, in a space where nearness is squared l2
 * whatever the metric: cosine takes vectors of unit length; inner product takes one more component,
 * sqrt(max^2 - |v|^2), which makes all lengths equal, so that the nearest by l2 is the largest by inner product.
 *
 * Beside the graph there may be codes, a byte a component (codec/sq8.h): then a search walks on them and scores the
 * best of what it found by the vectors.
 */
#ifndef VSSI_HNSW_H
#define VSSI_HNSW_H

#include "../codec/sq8.h"
#include "../index_ops.h"

enum {
    HNSW_PARAM_M,
    HNSW_PARAM_EF_CONSTRUCTION,
    HNSW_PARAM_EF,
    HNSW_PARAM_CODES,
    HNSW_PARAM_RERANK,
    HNSW_PARAMS
};
enum { HNSW_CODES_NONE, HNSW_CODES_SQ8, HNSW_CODES_AUTO };
enum {
    HNSW_BLOCK_HEADER = 256,
    HNSW_BLOCK_GRAPH,
    HNSW_BLOCK_ENTRIES,
    HNSW_BLOCK_MODEL, /* from here on: with codes */
    HNSW_BLOCK_LOW,
    HNSW_BLOCK_CODES
};

/* Words of the header block. */
enum {
    HNSW_HEADER_FORMAT,
    HNSW_HEADER_ROWS,
    HNSW_HEADER_DIM,
    HNSW_HEADER_M,
    HNSW_HEADER_STRIDE,
    HNSW_HEADER_ENTRIES,
    HNSW_HEADER_CODES, /* HNSW_CODES_NONE or HNSW_CODES_SQ8 */
    HNSW_HEADER_ZERO,
    HNSW_HEADER_WORDS
};

#define HNSW_FORMAT 2u
#define HNSW_ALIGN 16u          /* u32 in 64 bytes: a row of the graph begins on a cache line */
#define HNSW_MAX_STRIDE 2048u
#define HNSW_MAX_ROWS (1u << 30)
#define HNSW_FANOUT 3u          /* leaves a row goes to in a round of partitioning */
#define HNSW_NONE UINT64_MAX    /* no candidate */

/* An open index: everything but this struct lies in the mapping. Links may hold anything. */
typedef struct vssi_hnsw_index {
    vssi_heap *heap;
    size_t rows, stride, n_entries;
    const uint32_t *graph;   /* [rows][stride] */
    const uint32_t *entries; /* [n_entries] */
    bool coded;
    vssi_sq8 sq8;            /* where coded */
} vssi_hnsw_index;

/* Memory of one worker. */
typedef struct vssi_hnsw_worker {
    float *packed;       /* [packed_rows][pdim] */
    float *query;        /* [pdim] */
    float *scores;       /* [packed_rows] */
    float *worst;        /* [packed_rows] */
    uint64_t *lists;     /* [packed_rows][keep]; a row's merge; a row's linking */
    size_t lists_size;   /* elements */
} vssi_hnsw_worker;

typedef struct vssi_hnsw_build {
    const vssi_build *in;
    const vssi_vectors *vectors;
    vssi_kernel_rows l2; /* of packed rows */
    vssi_heap *heap;
    size_t rows;
    size_t pdim;             /* components of a vector in build space */
    size_t degree;           /* links a row has at most until equal rows and repairs are added */
    size_t stride;           /* of a row of the graph */
    size_t rounds, keep, kept; /* of partitioning; best of a leaf; best of all rounds */
    size_t leaf, leaf_max;   /* rows of a leaf, aimed at and at most */
    size_t packed_rows;      /* room of a worker */
    uint32_t *twins;         /* [rows] the first row with the same vector */
    uint32_t *nodes;         /* [n_nodes] rows that are their own twin */
    size_t n_nodes;
    uint64_t *candidates;    /* [rows][kept + HNSW_FANOUT * keep], each score bits << 32 | row */
    uint32_t *graph;         /* [rows][stride] */
    vssi_hnsw_worker *workers;
    size_t n_workers;
    uint32_t *entries;
    size_t n_entries;
    vssi_sq8_model *model;   /* of the codes; NULL: none */
    double *low;             /* [width] */
    uint8_t *codes;          /* [rows][size] */
    uint64_t total;          /* units of progress */
    _Atomic uint64_t done;
} vssi_hnsw_build;

extern const vssi_index_ops vssi_hnsw_ops;

/* hnsw_build.c: sizes by rows and parameters; everything. */
void vssi_hnsw_plan(vssi_hnsw_build *b, const vssi_build *in);
vss_status vssi_hnsw_build_image(const vssi_build *build, vssi_image *image, vss_error *err);

/* hnsw_work.c: unit(build, worker, arg, i) once for each i below n_units, in any order, on the build's threads; the
 * worker's memory is the unit's while it runs. Units weigh `weight` each in the progress. CANCELLED, DEADLINE. */
typedef void (*vssi_hnsw_unit)(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t i);
vss_status vssi_hnsw_run(vssi_hnsw_build *b, size_t n_units, uint64_t weight, vssi_hnsw_unit unit, void *arg,
                         vss_error *err);
vss_status vssi_hnsw_workers_make(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_workers_fit(vssi_hnsw_build *b, size_t lists_size, vss_error *err);
void vssi_hnsw_workers_free(vssi_hnsw_build *b);

/* hnsw_work.c: the row's vector in build space. */
void vssi_hnsw_pack(const vssi_hnsw_build *b, size_t row, float *out);

static inline uint64_t vssi_hnsw_key(float score, uint32_t row)
{
    union {
        float value;
        uint32_t bits;
    } pun = {score};
    return (uint64_t)pun.bits << 32 | row;
}

static inline float vssi_hnsw_key_score(uint64_t key)
{
    union {
        uint32_t bits;
        float value;
    } pun = {(uint32_t)(key >> 32)};
    return pun.value;
}

static inline uint32_t *vssi_hnsw_links(const vssi_hnsw_build *b, size_t row) { return b->graph + row * b->stride; }

/* hnsw_estimate.c */
void vssi_hnsw_estimate(const vssi_build *in, vssi_cost *cost);

/* hnsw_twins.c: find equal vectors; after linking, hang them on their nodes. */
vss_status vssi_hnsw_twins_find(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_twins_link(vssi_hnsw_build *b, vss_error *err);

/* hnsw_partition.c: one round; candidates of the nodes are updated. */
vss_status vssi_hnsw_partition_round(vssi_hnsw_build *b, size_t round, vss_error *err);

/* hnsw_leaf.c: compare all pairs of a leaf, instances[n] = row * HNSW_FANOUT + slot; and gather what a round found. */
void vssi_hnsw_leaf(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const uint32_t *instances, size_t n);
void vssi_hnsw_leaf_merge(vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t row);

/* hnsw_prune.c: of keys[n], sorted, at most packed_rows of them, choose at most `degree` links for the row. */
size_t vssi_hnsw_prune(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, const uint64_t *keys, size_t n,
                       uint32_t *links);
vss_status vssi_hnsw_prune_all(vssi_hnsw_build *b, vss_error *err);
void vssi_hnsw_sort(uint64_t *keys, size_t n);

/* hnsw_link.c: add the reverse of every link. */
vss_status vssi_hnsw_link(vssi_hnsw_build *b, vss_error *err);

/* hnsw_repair.c: choose the entries; make every row reachable from them. */
vss_status vssi_hnsw_repair(vssi_hnsw_build *b, vss_error *err);

/* hnsw_codes.c: bytes of a stored code; can the build have the codes it asks for (INVALID); make them, of the finished
 * graph, where they are of use; check and bind those of an index. */
uint32_t vssi_hnsw_codes_size(const vssi_vectors *v);
bool vssi_hnsw_codes_wanted(const vssi_build *in);
vss_status vssi_hnsw_codes_check(const vssi_build *in, vss_error *err);
vss_status vssi_hnsw_codes_make(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_codes_open(vssi_hnsw_index *index, const vssi_block *blocks, size_t n_blocks,
                                const vssi_vectors *vectors, vss_error *err);

/* hnsw_open.c: the block of `kind`, of count elements, in memory aligned to `align`. CORRUPT. */
vss_status vssi_hnsw_open_block(const vssi_block *blocks, size_t n_blocks, uint32_t kind, size_t element, size_t align,
                                uint64_t count, const void **data, vss_error *err);

/* hnsw_open.c, hnsw_search.c, hnsw_validate.c: as in vssi_index_ops. */
vss_status vssi_hnsw_open(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *vectors,
                          void **index, vss_error *err);
void vssi_hnsw_free(void *index);
vss_status vssi_hnsw_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                            vssi_scratch *scratch, vssi_topk *topk, vss_error *err);
uint64_t vssi_hnsw_validate(const void *index, void (*fault)(void *state, const char *line), void *state);

#endif
