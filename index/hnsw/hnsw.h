/*
 * hnsw.h - what the files of the graph index share
 *
 * The graph is one flat level: a row of u32 for each row of the segment, [count, neighbours...] at a fixed stride.
 * A search starts from entry rows spread over the data, in groups (hnsw_entries.c), instead of from upper levels.
 *
 * A build works on "nodes", the first of each set of rows with equal vectors, in a space where nearness is squared l2
 * whatever the metric: cosine takes vectors of unit length; inner product takes one more component,
 * sqrt(max^2 - |v|^2), which makes all lengths equal, so that the nearest by l2 is the largest by inner product.
 *
 * Beside the graph there may be codes (hnsw_form.c), mostly a byte a component (codec/sq8.h): then a search walks on
 * them and scores the best of what it found by the vectors. Graph and codes then go by place, not by row
 * (hnsw_order.c).
 */
#ifndef VSSI_HNSW_H
#define VSSI_HNSW_H

#include "../../simd/nibbles.h"
#include "../../simd/pairs.h"
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
enum { HNSW_CODES_NONE, HNSW_CODES_SQ8, HNSW_CODES_F16, HNSW_CODES_SQ4, HNSW_CODES_AUTO };
enum {
    HNSW_BLOCK_HEADER = 256,
    HNSW_BLOCK_GRAPH,
    HNSW_BLOCK_ENTRIES,
    HNSW_BLOCK_GROUPS,
    HNSW_BLOCK_MODEL, /* from here on: with codes */
    HNSW_BLOCK_LOW,
    HNSW_BLOCK_CODES,
    HNSW_BLOCK_MAP
};

/* Blocks of an image, in the order of their kinds: without codes, and with them. */
enum { HNSW_BLOCKS_PLAIN = 4, HNSW_BLOCKS_CODED = 8 };

/* Words of the header block. */
enum {
    HNSW_HEADER_FORMAT,
    HNSW_HEADER_ROWS,
    HNSW_HEADER_DIM,
    HNSW_HEADER_M,
    HNSW_HEADER_STRIDE,
    HNSW_HEADER_ENTRIES,
    HNSW_HEADER_CODES, /* HNSW_CODES_NONE to HNSW_CODES_SQ4 */
    HNSW_HEADER_GROUPS,
    HNSW_HEADER_WORDS
};

#define HNSW_FORMAT 4u
#define HNSW_ALIGN 16u          /* u32 in 64 bytes: a row of the graph begins on a cache line */
#define HNSW_MAX_STRIDE 2048u
#define HNSW_MAX_ROWS (1u << 30)
#define HNSW_FANOUT 3u          /* leaves a row goes to in a round of partitioning */
#define HNSW_FREE UINT32_MAX    /* no candidate */

/* An open index: everything but this struct lies in the mapping. Links may hold anything. */
typedef struct vssi_hnsw_index {
    vssi_heap *heap;
    size_t rows, stride, n_entries, n_groups;
    const uint32_t *graph;   /* [rows][stride] */
    const uint32_t *entries; /* [n_entries], centres first. May hold anything */
    const uint32_t *groups;  /* [n_groups + 1] where groups begin behind the centres, rising to n_entries - n_groups */
    const uint32_t *map;     /* [rows] the row at a place; NULL: each row is at its own. May hold anything */
    bool coded;
    vssi_sq8 sq8;            /* where coded; its kernels are for sq8 */
    uint32_t form;           /* of the codes, HNSW_CODES_... */
    vssi_kernel_gather gather; /* scores of codes, of gather_dim */
    size_t gather_dim;
} vssi_hnsw_index;

/* A query for the codes of an index. */
typedef struct vssi_hnsw_query {
    vssi_sq8_query code;
    vssi_nibbles_query nibbles;
    const void *gathered; /* what the index's gather takes */
} vssi_hnsw_query;

/* Memory of one worker. */
typedef struct vssi_hnsw_worker {
    uint8_t *packed;     /* [packed_rows] vectors; or the panels of a set */
    uint8_t *query;      /* a vector */
    int32_t *bases;      /* [packed_rows] of a set's panels */
    int32_t *queries;    /* [vector_size / 4][VSSI_PAIRS_QUERIES] codes of a group */
    uint32_t *keys;      /* [VSSI_PAIRS_QUERIES][keys_stride] */
    float *scores;       /* [packed_rows] */
    float *worst;        /* [packed_rows] */
    uint32_t *alive;     /* [packed_rows] */
    uint64_t *lists;     /* [lists_size] a row's candidates */
    uint32_t *ids;       /* [lists_size] */
    size_t lists_size;
    uint32_t *seen;      /* a hash table of places, of twice lists_size or more */
    unsigned seen_shift; /* of what is in use of it */
} vssi_hnsw_worker;

/* A build numbers the rows by place: nodes first, near ones side by side, then the other rows. */
typedef struct vssi_hnsw_build {
    const vssi_build *in;
    const vssi_vectors *vectors;
    vssi_heap *heap;
    size_t rows;
    size_t n_nodes;
    uint32_t *twins;         /* [rows] by row: the first row with the same vector */
    uint32_t *order;         /* [rows] the row at each place */
    bool coded;              /* vectors are compared by their codes */
    bool stored;             /* codes go into the index, */
    uint64_t form;           /* in this form */
    size_t vector_size;      /* bytes of a vector in build space: a code, or float32 */
    size_t vector_dim;       /* components, as the kernels count them */
    vssi_kernel_rows l2_rows;
    vssi_kernel_gather l2_gather;
    const vssi_pairs *pairs;
    vssi_sq8_model *model;   /* of the codes; NULL: none, or the vectors' own bytes */
    double *low;             /* [width] */
    uint8_t *codes;          /* [rows][vector_size], by row, and by place from ordering to the end */
    int32_t (*sums)[2];      /* [n_nodes] base and norm of a code (simd/pairs.h), by place */
    size_t degree;           /* links a row has at most until equal rows and repairs are added */
    size_t room;             /* links until then that reverse ones fill */
    size_t stride;           /* of a row of the graph */
    size_t rounds, keep;     /* of partitioning; best of a leaf */
    size_t leaf, leaf_max;   /* rows of a leaf, aimed at and at most */
    size_t packed_rows;      /* room of a worker */
    size_t keys_stride;      /* of its rows of keys */
    size_t chunks, inside;   /* of candidates a row: room for all, and for those in its row of the graph */
    size_t filled;           /* chunks in use */
    uint32_t *graph;         /* [rows][stride], by place; candidates before pruning */
    uint32_t *spill;         /* [n_nodes][chunks - inside][keep] */
    vssi_hnsw_worker *workers;
    size_t n_workers;
    uint32_t *entries;       /* [n_entries] places, centres first */
    uint32_t *groups;        /* [n_groups + 1] */
    size_t n_entries, n_groups;
    uint32_t *map;           /* [rows] once graph and codes go by places of locality (hnsw_order.c) */
    void *place;             /* the device's, of the codes by place */
    uint64_t total;          /* units of progress */
    _Atomic uint64_t done;
} vssi_hnsw_build;

extern const vssi_index_ops vssi_hnsw_ops;

/* hnsw_build.c: sizes by rows and parameters; everything. */
void vssi_hnsw_plan(vssi_hnsw_build *b, const vssi_build *in);
void vssi_hnsw_plan_leaves(vssi_hnsw_build *b);
vss_status vssi_hnsw_build_image(const vssi_build *build, vssi_image *image, vss_error *err);

/* hnsw_work.c: unit(build, worker, arg, i) once for each i below n_units, in any order, on the build's threads; the
 * worker's memory is the unit's while it runs. Units weigh `weight` each in the progress. CANCELLED, DEADLINE. */
typedef void (*vssi_hnsw_unit)(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t i);
vss_status vssi_hnsw_run(vssi_hnsw_build *b, size_t n_units, uint64_t weight, vssi_hnsw_unit unit, void *arg,
                         vss_error *err);
vss_status vssi_hnsw_workers_make(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_workers_fit(vssi_hnsw_build *b, size_t lists_size, vss_error *err);
void vssi_hnsw_workers_free(vssi_hnsw_build *b);

static inline uint64_t vssi_hnsw_key(float score, uint32_t place)
{
    union {
        float value;
        uint32_t bits;
    } pun = {score};
    return (uint64_t)pun.bits << 32 | place;
}

static inline size_t vssi_hnsw_divide(size_t a, size_t by) { return a / by + (a % by != 0); }

static inline uint32_t *vssi_hnsw_links(const vssi_hnsw_build *b, size_t place) { return b->graph + place * b->stride; }

/* Ask for the code at a place, up to its first lines. */
static inline void vssi_hnsw_fetch(const vssi_hnsw_build *b, size_t place)
{
    if (!b->coded)
        return;
    for (size_t at = 0; at < b->vector_size && at < 1024; at += 64)
        __builtin_prefetch(b->codes + place * b->vector_size + at);
}

/* The keep places that a leaf leaves with one of its rows; HNSW_FREE: none. */
static inline uint32_t *vssi_hnsw_chunk(const vssi_hnsw_build *b, size_t place, size_t chunk)
{
    if (chunk < b->inside)
        return b->graph + place * b->stride + chunk * b->keep;
    return b->spill + (place * (b->chunks - b->inside) + chunk - b->inside) * b->keep;
}

/* hnsw_estimate.c */
void vssi_hnsw_estimate(const vssi_build *in, vssi_cost *cost);

/* hnsw_twins.c: find equal vectors, and order the rows nodes first; after linking, hang them on their nodes. */
vss_status vssi_hnsw_twins_find(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_twins_link(vssi_hnsw_build *b, vss_error *err);

/* hnsw_space.c: vectors as float32, as long as nothing else is known; choose how they are compared (workers are made
 * for floats); the sums of codes; the vector at a place; its distances from places[n]. */
void vssi_hnsw_space_floats(vssi_hnsw_build *b);
vss_status vssi_hnsw_space_make(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_space_sums(vssi_hnsw_build *b, vss_error *err);
void vssi_hnsw_pack(const vssi_hnsw_build *b, size_t place, void *out);
void vssi_hnsw_distances(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t place, const uint32_t *places,
                         size_t n, float *scores);

/* hnsw_set.c: pack the vector at a place as member `number` of the worker's set; then the keys of at most
 * VSSI_PAIRS_QUERIES places with its n members: worker->keys[q * keys_stride + number], NONE from n on. */
void vssi_hnsw_set_add(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t number, uint32_t place);
void vssi_hnsw_set_keys(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, size_t n, const uint32_t *queries,
                        size_t n_queries);

/* hnsw_arrange.c: number the nodes so that near ones lie side by side; in the end, number by row again. */
vss_status vssi_hnsw_arrange(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_arrange_back(vssi_hnsw_build *b, vss_error *err);

/* hnsw_partition.c: one round of candidates; the order that a partition without overlap leaves nodes in. */
vss_status vssi_hnsw_partition_round(vssi_hnsw_build *b, size_t round, vss_error *err);
vss_status vssi_hnsw_partition_order(vssi_hnsw_build *b, uint32_t *places, vss_error *err);

/* Consecutive instances, place * HNSW_FANOUT + slot, of one cell of a partition. */
typedef struct vssi_hnsw_group {
    uint32_t cell, begin, end;
} vssi_hnsw_group;

/* hnsw_leaf.c: compare all pairs of each of n > 0 leaves; the best of a row go into its chunk b->filled + slot. */
vss_status vssi_hnsw_leaves(vssi_hnsw_build *b, const uint32_t *instances, const vssi_hnsw_group *leaves, size_t n,
                            vss_error *err);

/* hnsw_device.c: can builds use such a device; is this one's to be asked; where vectors are compared as float32 none
 * is, which fails if it is required; what it knows of the codes is no longer so. */
bool vssi_hnsw_device_can(const vss_device *device);
bool vssi_hnsw_on_device(const vssi_hnsw_build *b);
vss_status vssi_hnsw_device_check(const vssi_hnsw_build *b, vss_error *err);
void vssi_hnsw_device_forget(vssi_hnsw_build *b);

/* Groups whose members meet each other, or pivots. Groups count `weight` each in the progress. */
typedef struct vssi_hnsw_meeting {
    const uint32_t *instances;
    const vssi_hnsw_group *groups;
    size_t n_groups, keep;
    /* Places of the pivots of a group into places[VSSI_PAIRS_MOST]; returns how many. NULL: none. */
    size_t (*pivots)(const void *arg, size_t group, uint32_t *places);
    /* answer[members][keep] of a group, right as numbers; on any thread, groups side by side. */
    void (*take)(vssi_hnsw_build *b, const void *arg, size_t group, const uint16_t *answer);
    const void *arg;
    uint64_t weight;
} vssi_hnsw_meeting;

/* hnsw_device.c: *done: the device has done it; else the CPU is to. CANCELLED, DEADLINE, its failure where required. */
vss_status vssi_hnsw_device_meet(vssi_hnsw_build *b, const vssi_hnsw_meeting *meeting, bool *done, vss_error *err);

/* hnsw_prune.c: of worker->ids[n], choose at most `degree` links for the place. Returns how many. */
size_t vssi_hnsw_prune(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t place, size_t n, uint32_t *links);
vss_status vssi_hnsw_prune_all(vssi_hnsw_build *b, vss_error *err);

#define HNSW_PRUNE_UNIT 256u /* rows */

/* Rows whose candidates are pruned, on any thread, side by side. place: of the row. */
typedef struct vssi_hnsw_pruning {
    const uint32_t *rows; /* [n] places; NULL: places below n */
    size_t n;
    size_t usual;         /* candidates of a row, about */
    size_t most, degree;  /* candidates that are looked at, and of which at most so many are taken */
    float factor;         /* of robust pruning, alpha^2 */
    size_t (*size)(const vssi_hnsw_build *b, const void *arg, size_t place);
    void (*copy)(const vssi_hnsw_build *b, const void *arg, size_t place, uint32_t *candidates); /* [size] */
    void (*take)(vssi_hnsw_build *b, const void *arg, size_t place, const uint32_t *chosen, size_t n);
    void (*row)(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const void *arg, size_t place); /* the CPU's way, whole */
    const void *arg;
    uint64_t weight;      /* of a row in the progress */
} vssi_hnsw_pruning;

/* What the pruning of links has in common. */
void vssi_hnsw_prune_links(const vssi_hnsw_build *b, vssi_hnsw_pruning *pruning);
vss_status vssi_hnsw_prune_rows(vssi_hnsw_build *b, const vssi_hnsw_pruning *pruning, vss_error *err);
/* hnsw_device_prune.c: *done = NULL, or whether units of HNSW_PRUNE_UNIT rows are done; the caller frees it. CANCELLED,
 * DEADLINE, the device's failure where required. */
vss_status vssi_hnsw_device_prune(vssi_hnsw_build *b, const vssi_hnsw_pruning *pruning, bool **done, vss_error *err);

/* Keep only the nearest candidates, in the chunks inside the graph: all others are free then. */
vss_status vssi_hnsw_prune_narrow(vssi_hnsw_build *b, vss_error *err);
void vssi_hnsw_sort(uint64_t *keys, size_t n);

/* hnsw_prune.c: a worker's table of places for the next row of at most n; put a place in, false: it was there. */
void vssi_hnsw_seen_clear(vssi_hnsw_worker *worker, size_t n);
bool vssi_hnsw_seen_add(vssi_hnsw_worker *worker, uint32_t place);

/* hnsw_link.c: add the reverse of every link. */
vss_status vssi_hnsw_link(vssi_hnsw_build *b, vss_error *err);

/* hnsw_entries.c: choose the entries and their groups. */
vss_status vssi_hnsw_entries(vssi_hnsw_build *b, vss_error *err);

/* hnsw_repair.c: make every row reachable from the centres. */
vss_status vssi_hnsw_repair(vssi_hnsw_build *b, vss_error *err);

/* hnsw_codes.c: bytes of a code in the build; the form that is stored if any is; can the build have the codes it asks
 * for (INVALID); does it want any; are they worth while; make them of all rows, by row; do they tell neighbours apart,
 * and would coarse ones. */
uint32_t vssi_hnsw_codes_size(const vssi_vectors *v);
uint64_t vssi_hnsw_codes_form(const vssi_build *in);
bool vssi_hnsw_codes_wanted(const vssi_build *in);
bool vssi_hnsw_codes_helpful(const vssi_vectors *v);
vss_status vssi_hnsw_codes_check(const vssi_build *in, vss_error *err);
vss_status vssi_hnsw_codes_make(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_codes_fine(vssi_hnsw_build *b, bool *fine, bool *coarse, vss_error *err);
void vssi_hnsw_codes_drop(vssi_hnsw_build *b);

/* hnsw_nibbles.c: codes of four bits [rows][size] of the build's, by b->map, and their model from the build's. */
vss_status vssi_hnsw_nibbles_make(const vssi_hnsw_build *b, uint32_t size, uint8_t *codes, vssi_sq8_model *model,
                                  vss_error *err);

/* hnsw_form.c: bytes of a code of a form; put the build's codes in b->form, by b->map, with their model; check and bind
 * those of an index; a query for them, in scratch memory; what is wrong with a code, NULL: nothing. */
uint32_t vssi_hnsw_form_size(uint64_t form, uint32_t width);
vss_status vssi_hnsw_form_store(vssi_hnsw_build *b, vss_error *err);
vss_status vssi_hnsw_form_open(vssi_hnsw_index *index, uint32_t form, const vssi_block *blocks, size_t n_blocks,
                               const vssi_vectors *vectors, vss_error *err);
vss_status vssi_hnsw_form_prepare(const vssi_hnsw_index *index, const vssi_probe *probe, vssi_scratch *scratch,
                                  vssi_hnsw_query *query, vss_error *err);
const char *vssi_hnsw_form_wrong(const vssi_hnsw_index *index, size_t place);

/* hnsw_order.c: move graph, entries and codes to places that suit a walk; without codes nothing moves. */
vss_status vssi_hnsw_order(vssi_hnsw_build *b, vss_error *err);

/* hnsw_block.c: the block of `kind`, of count elements, in memory aligned to `align`. CORRUPT. */
vss_status vssi_hnsw_block(const vssi_block *blocks, size_t n_blocks, uint32_t kind, size_t element, size_t align,
                           uint64_t count, const void **data, vss_error *err);

/* hnsw_search.c: rows in the pool of a walk for the k nearest; are codes to be walked on for a query. */
size_t vssi_hnsw_capacity(const vssi_query *query, size_t rows, size_t k);
bool vssi_hnsw_inside(const vssi_hnsw_index *index, const vssi_hnsw_query *query);

/* hnsw_open.c, hnsw_search.c, hnsw_walks.c, hnsw_validate.c: as in vssi_index_ops. */
vss_status vssi_hnsw_open(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *vectors,
                          void **index, vss_error *err);
void vssi_hnsw_free(void *index);
vss_status vssi_hnsw_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                            vssi_scratch *scratch, vssi_topk *topk, vss_error *err);
vss_status vssi_hnsw_walks(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                           size_t k, size_t most, vssi_scratch *scratch, vssi_walks *out, vss_error *err);
uint64_t vssi_hnsw_validate(const void *index, void (*fault)(void *state, const char *line), void *state);

#endif
