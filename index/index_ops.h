/*
 * index_ops.h - the table every index type fills, and what passes through it
 *
 * An index sees the vectors of one segment and blocks of bytes, never storage. It proposes rows with float32
 * scores; the caller's top-k recomputes what is returned. A new type is a folder, a line in registry.c and a
 * parameter table.
 */
#ifndef VSSI_INDEX_OPS_H
#define VSSI_INDEX_OPS_H

#include "../lib/base/parallel.h"
#include "../lib/base/param.h"
#include "../lib/base/heap.h"
#include "../simd/simd.h"
#include "scratch.h"
#include "topk.h"
#include "device/device_use.h"
#include "vss/plugin.h"

/* The vectors of one field of one segment. Ids are row numbers below rows. */
typedef struct vssi_vectors {
    size_t rows;
    uint32_t dim;
    vss_type type;
    vss_metric metric;
    const void *data;           /* [rows], of the type */
    const float *inverse_norms; /* [rows], cosine only */
    double max_norm;            /* at least every |v| */
    vssi_simd_type kind;        /* from here on: vssi_vectors_bind */
    size_t row_size;            /* bytes */
    vssi_kernel_rows score_rows;
    vssi_kernel_gather score_gather;
    /* NULL: vssi_vectors_pick does nothing; else what it calls, and what that knows them by. */
    void (*pick)(const struct vssi_vectors *v, const uint32_t *rows, size_t n);
    void *owner;
    size_t field;
} vssi_vectors;

/* Fill in what follows from type, dim and metric: kernels are chosen here, not at every distance. */
void vssi_vectors_bind(vssi_vectors *v);

static inline const void *vssi_vectors_row(const vssi_vectors *v, size_t row)
{
    return (const uint8_t *)v->data + row * v->row_size;
}

/* Rows that are about to be read here and there, of vectors that are otherwise left alone: see vssi_object_pick. */
static inline void vssi_vectors_pick(const vssi_vectors *v, const uint32_t *rows, size_t n)
{
    if (v->pick != NULL)
        v->pick(v, rows, n);
}

/* A query as the kernels take it: float32 for float vectors of any width, else of the vectors' type. scale: 1 / |q| for
 * cosine, else unused. */
typedef struct vssi_probe {
    const void *vector;
    float scale;
} vssi_probe;

/* Score = smaller is nearer: distances as they are, ip negated, cosine negated. */
void vssi_vectors_score_rows(const vssi_vectors *v, const vssi_probe *probe, size_t first, size_t n, float *scores);
void vssi_vectors_score_gather(const vssi_vectors *v, const vssi_probe *probe, const uint32_t *rows, size_t n,
                               float *scores);

/* A block of an index object. kind is the type's own, from 256 up. */
typedef struct vssi_block {
    uint32_t kind;
    uint32_t element; /* bytes */
    uint64_t count;   /* elements; size = element * count, checked by the container */
    const void *data;
} vssi_block;

/* What a build made: blocks in memory of the heap, each freed with vssi_free by the caller. */
#define VSSI_IMAGE_BLOCKS 9
typedef struct vssi_image {
    size_t n_blocks;
    vssi_block blocks[VSSI_IMAGE_BLOCKS];
} vssi_image;
void vssi_image_free(vssi_heap *heap, vssi_image *image);

/* An index of rows that are also among those of a build: the live ones of them are rows first, first + 1, ... there. */
typedef struct vssi_source {
    const void *index;       /* opened, of the type that is built */
    const uint64_t *deleted; /* bit r: row r is left out; NULL: none */
    size_t rows, first;
} vssi_source;

typedef struct vssi_build {
    vssi_heap *heap;
    const vssi_vectors *vectors;
    const uint64_t *params;        /* values in the order of ops->params */
    const vss_executor *executor;  /* or NULL */
    size_t threads;
    vssi_control *control;
    const char *text;              /* that the values of text parameters point into; NULL where the type has none */
    const vssi_image *model;       /* that suits; NULL: train one. Types that train nothing ignore what follows */
    const vssi_source *sources;    /* [n_sources], by rising first: codes made by the same model are taken over */
    size_t n_sources;
    vssi_device_use *device;       /* or NULL */
} vssi_build;

/* Bytes of an index, and of the memory that its build holds at most. */
typedef struct vssi_cost {
    uint64_t bytes, build_bytes;
} vssi_cost;

/* One query against one segment. */
typedef struct vssi_query {
    vssi_probe probe;
    const uint64_t *allow;    /* bit r: row r may be returned; NULL: every row */
    size_t n_allow;           /* bits set, or rows */
    const uint64_t *params;   /* values in the order of ops->params, search ones meaningful */
    vssi_control *control;    /* or NULL */
    size_t begin, end;        /* the rows to look at; end 0: all. Types that aren't exact look at all */
} vssi_query;

/* The lists that some queries look at, for devices (vss/device.h). */
typedef struct vssi_probes {
    vss_device_lists lists;
    const uint64_t *begins; /* [n + 1] in probes */
    const uint32_t *probes;
} vssi_probes;

/* The graph that some queries are to be searched by, for devices. */
typedef struct vssi_walks {
    vss_device_graph graph;
    uint32_t pool;
    const void *codes; /* [n][code_stride]: the queries as the graph's codes want them; NULL: by vectors */
    size_t code_stride;
    const bool *outside; /* [n]: the codes say too little of the query, the index's own search is to do it */
} vssi_walks;

/* A search parameter of types that can score rows by their codes alone. 0: search offers those scores, which are the
 * values then (topk.h), reads no vector, and offers min(k, n_allow) rows; the part of a plug-in's that offers fewer is
 * scanned. */
#define VSSI_PARAM_REFINE "refine"

typedef struct vssi_index_ops {
    const char *name;
    uint32_t format;              /* stored; a reader refuses a higher one */
    bool exact;                   /* returns what a scan returns */
    bool scattered;               /* its blocks are read at random: better from memory than from a mapped file */
    bool filters;                 /* it takes few passing rows well: fewer than one in 20 (lib/collection/plan.c) */
    bool (*device)(const vss_device *device); /* can its build ask such a device; NULL: it asks none */
    bool trusting;                /* open is not safe on hostile bytes: for searches that say trusted=1 only */
    const vssi_param *params;     /* build and search parameters, one table */
    size_t n_params;
    /* Are build parameters right for vectors of this type, metric and dim? text: as in vssi_build. NULL: always. */
    vss_status (*check)(const vssi_vectors *shape, const uint64_t *params, const char *text, vss_error *err);
    /* Build from vectors. An image without blocks: nothing is kept beside the vectors, which are scanned. INVALID: they
     * can't be indexed so.
     * CANCELLED, DEADLINE, NO_MEMORY, BUDGET; *image is empty then. Same input, same bytes, on any number of
     * threads. */
    vss_status (*build)(const vssi_build *build, vssi_image *image, vss_error *err);
    /* What is trained before any row is coded, as blocks like an index's, so that many segments can share it (their
     * codes are then alike). NULL: nothing is. Status as build's. */
    vss_status (*train)(const vssi_build *build, vssi_image *model, vss_error *err);
    /* Does build->model serve the build's vectors? It may be anything; a sample of the rows is looked at, and without
     * rows the shape alone. CORRUPT: it is no model. INVALID as build. With train only. */
    vss_status (*suits)(const vssi_build *build, bool *suits, vss_error *err);
    /* What build would make and hold, from rows, dim, type and metric of the vectors and the parameters: within a
     * tenth, but for what depends on the values. Memory of the vectors is not counted. */
    void (*estimate)(const vssi_build *build, vssi_cost *cost);
    /* Use stored blocks in place (a mapping: verified by hash, but still hostile). Checks sizes and headers; ids
     * inside are bounded at use.
     * The vectors' pointers outlive the index. CORRUPT. */
    vss_status (*open)(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks, const vssi_vectors *vectors,
                       void **index, vss_error *err);
    /* Offer rows to topk (vssi_topk_add); its k is the query's. Re-entrant: all scratch memory is in `scratch`. */
    vss_status (*search)(const void *index, const vssi_vectors *vectors, const vssi_query *query, vssi_scratch *scratch,
                         vssi_topk *topk, vss_error *err);
    /* The same for n queries at once, topks [n]; all but the probes is as in the first query. NULL: one by one. */
    vss_status (*search_batch)(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                               vssi_scratch *scratch, vssi_topk *topks, vss_error *err);
    /* The lists that search_batch would read for the queries, in slot VSSI_SCRATCH_PROBES. NULL: the type has none. */
    vss_status (*probe)(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                        vssi_scratch *scratch, vssi_topk *topks, vssi_probes *out, vss_error *err);
    /* How a device that walks with a pool of at most `most` rows would do what search does, for the k nearest of the
     * queries: what they need in slot VSSI_SCRATCH_PROBES. A pool above `most`: not at all. NULL: the type has no
     * graph. */
    vss_status (*walks)(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n, size_t k,
                        size_t most, vssi_scratch *scratch, vssi_walks *out, vss_error *err);
    /* Look at every stored number. One line a fault; returns how many. NULL: nothing to look at. */
    uint64_t (*validate)(const void *index, void (*fault)(void *state, const char *line), void *state);
    void (*free)(void *index);
} vssi_index_ops;

/* registry.c: the i-th type, NULL past the last; a type by name, NULL if unknown. Those of plug-ins come last. */
const vssi_index_ops *vssi_index_type_at(size_t i);
const vssi_index_ops *vssi_index_type_find(const char *name);
/* Make a plug-in's type known for good; INVALID, EXISTS. Thread-safe. */
vss_status vssi_index_type_register(const vss_index_plugin *plugin, vss_error *err);

/* flat/: compare the query with every row (or every allowed one). The scan that every plan falls back to; index is not
 * looked at. */
vss_status vssi_flat_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                            vssi_scratch *scratch, vssi_topk *topk, vss_error *err);
vss_status vssi_flat_search_batch(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                  vssi_scratch *scratch, vssi_topk *topks, vss_error *err);

#endif
