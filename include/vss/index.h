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
} vss_build_options;

/* Define the index of a vector field, build it for every sealed segment of at least 4,096 rows, and commit. Segments
 * sealed later get theirs when they are sealed; smaller ones are scanned. A field has one index: a second replaces it.
 * type: "flat", "hnsw". field: NULL for the only vector field. params, options: NULL for defaults. Flushes first.
 * INVALID names the parameter and its range. CANCELLED, DEADLINE, READ_ONLY, IO, NO_SPACE, NO_MEMORY.
 * The bytes built do not depend on the number of threads. */
VSS_API vss_status vss_collection_build_index(vss_collection *col, const char *field, const char *type,
                                              const char *params, const vss_build_options *options, vss_error *err);

typedef struct vss_index_info {
    uint32_t struct_size;
    const char *field;
    const char *type;
    const char *params;   /* as defined */
    uint64_t segments;    /* that have it */
    uint64_t rows;        /* in those segments */
    uint64_t bytes;       /* of the index objects */
} vss_index_info;

/* The indexes defined, one call fn each; texts are borrowed for the call of fn. A non-zero result of fn ends it. */
VSS_API vss_status vss_collection_indexes(vss_collection *col, int (*fn)(void *state, const vss_index_info *info),
                                          void *state, vss_error *err);

/* The i-th index type's name, NULL past the last. Static text. */
VSS_API const char *vss_index_type(size_t i);

/* One parameter of an index type. search is 1 for those given to a search. Static texts. */
typedef struct vss_param_info {
    uint32_t struct_size;
    const char *name;
    const char *alias;   /* other spelling, or NULL */
    uint64_t min, max, default_value;
    int search;
    const char *help;
} vss_param_info;

/* The i-th parameter of a type. NOT_FOUND past the last; INVALID for an unknown type. */
VSS_API vss_status vss_index_param(const char *type, size_t i, vss_param_info *info, vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
