/*
 * vss/index.h - building indexes, and what their parameters mean
 *
 * Parameters are text, "m=32,ef_construction=200". One table a type holds each parameter's name, range, default and
 * meaning; it validates the text, and vss_index_param reads it. Milvus' spellings (M, efConstruction) are accepted.
 */
#ifndef VSS_INDEX_H
#define VSS_INDEX_H

#include "collection.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vss_build_options {
    uint32_t struct_size;
    uint32_t threads;         /* 0: 1 */
    vss_progress_fn progress; /* NULL: none */
    void *progress_state;
    uint64_t deadline_ms;     /* from the call's begin; 0: none. VSS_ERR_DEADLINE, and nothing has changed */
    vss_collection *model_of; /* NULL: train. An open collection, of any database, whose model of the field of the same
                               * name is used in place of training, whatever the rows are: segments that are built in
                               * different processes can then be merged without being coded again */
    const char *device;       /* where centers are trained, rows brought to their lists (ivf_*) and coded (ivf_rabitq,
                               * ivf_pq), or rows compared with each other (hnsw): NULL or "cpu", or a registered device
                               * (vss/device.h). What such a device has no function for is the CPU's */
    int device_required;      /* 1: fail where the device can't do what it is asked; else the CPU does it */
} vss_build_options;

/* Define the index of a vector field, build it for every sealed segment of at least 4,096 rows, and commit. Segments
 * sealed later get theirs when they are sealed; smaller ones are scanned. A field has one index: a second replaces it.
 * ivf_*: centers and codewords are trained on the largest segment and serve the others, and those that are sealed or
 * merged later, until rows come that lie much farther from their centers, or ask for many more lists; then, and when
 * the index is built again, they are trained anew.
 * type: one of vss_index_type. field: NULL for the only vector field. params, options: NULL for defaults. Flushes
 * first. INVALID names the parameter and its range, or what of model_of's index does not fit; NOT_FOUND: model_of has
 * no such field, or no model for it. CANCELLED, DEADLINE, READ_ONLY, IO, NO_SPACE, NO_MEMORY. DEVICE for a device that
 * is not there, and, with device_required, UNSUPPORTED, DEVICE, NO_MEMORY, BUDGET as it says.
 * The bytes built do not depend on the number of threads, but for types of plug-ins. A device brings rows to the same
 * lists as the CPU; the centers that it trains are others, as it compares every point with every center in every round,
 * and the same on every device. A graph (hnsw) has the same bytes with a device and without; one whose vectors are
 * compared as float32 (fewer than 16 components without codes=sq8, f16 or sq4; codes too coarse; inner products and
 * cosines of integers; jaccard) is the CPU's. */
VSS_API vss_status vss_collection_build_index(vss_collection *col, const char *field, const char *type,
                                              const char *params, const vss_build_options *options, vss_error *err);

typedef struct vss_index_info {
    uint32_t struct_size;
    const char *field;
    const char *type;
    const char *params;   /* as defined */
    uint64_t segments;    /* that have it */
    uint64_t rows;        /* in those segments */
    uint64_t bytes;       /* of the index objects, and of the model they are built by */
} vss_index_info;

/* The indexes defined, one call fn each; texts are borrowed for the call of fn. A non-zero result of fn ends it. */
VSS_API vss_status vss_collection_indexes(vss_collection *col, int (*fn)(void *state, const vss_index_info *info),
                                          void *state, vss_error *err);

/* What an index takes. */
typedef struct vss_index_cost {
    uint32_t struct_size;
    uint64_t index_bytes; /* of the index objects, which searches read */
    uint64_t build_bytes; /* of memory that a build holds at most, beside the vectors */
} vss_index_cost;

/* What an index of `rows` vectors of `dim` components would take, before anything is built: within a tenth, but for
 * what depends on the vectors' values: codes that hnsw's codes=auto drops (they are counted), and the length of the
 * prefix that flat's codes begin with. Segments are built one at a time; rows beyond 2^20 make several. params: NULL
 * for defaults. threads: 0 is 1. INVALID for an unknown type or parameter, a type or metric that no field has, or a
 * dim of 0 or above 32,768. */
VSS_API vss_status vss_index_estimate(const char *type, const char *params, vss_type vectors, vss_metric metric,
                                      uint32_t dim, uint64_t rows, uint32_t threads, vss_index_cost *cost,
                                      vss_error *err);

typedef struct vss_index_choice {
    uint32_t struct_size;
    uint64_t index_bytes; /* as vss_index_estimate has them */
    uint64_t build_bytes;
    char type[32];        /* for vss_collection_build_index */
    char params[64];
    char reason[256];     /* one line */
} vss_index_choice;

/* The type and parameters to build for a vector field, by its rows, components and type, such that the index objects
 * take at most memory_bytes (0: no limit): flat where a scan is fast enough, or nothing fits; else a graph or, for long
 * vectors or little memory, inverted lists. field: NULL for the only vector field. Nothing is built. NOT_FOUND: no such
 * field. */
VSS_API vss_status vss_collection_choose_index(vss_collection *col, const char *field, uint64_t memory_bytes,
                                               uint32_t threads, vss_index_choice *choice, vss_error *err);

/* The i-th index type's name, NULL past the last; those of plug-ins (vss/plugin.h) come last. Static text. */
VSS_API const char *vss_index_type(size_t i);

/* One parameter of an index type. search is 1 for those given to a search. Static texts. */
typedef struct vss_param_info {
    uint32_t struct_size;
    const char *name;
    const char *alias;   /* other spelling, or NULL */
    uint64_t min, max, default_value;
    int search;
    const char *help;
    int text;            /* 1: a text, which may hold commas; min, max and default_value are 0 */
} vss_param_info;

/* The i-th parameter of a type. NOT_FOUND past the last; INVALID for an unknown type. */
VSS_API vss_status vss_index_param(const char *type, size_t i, vss_param_info *info, vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
