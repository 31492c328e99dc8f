/*
 * vss/plugin.h - index types that another library brings
 *
 * A plug-in fills a vss_index_plugin and hands it to vss_index_register; from then on collections of the process take
 * its name where they take "hnsw". It turns the vectors of a segment into one block of bytes, opens such bytes and
 * proposes rows; libvss stores, verifies, drops and rebuilds the bytes with the segment, applies filters and deletes,
 * and computes the distances that are returned, but for searches with "refine=0", which return the index's own. A
 * plug-in that is a shared library exports vss_plugin_main, and vss_plugin_load loads it: never by itself, only by that
 * call, and for as long as the process lives.
 */
#ifndef VSS_PLUGIN_H
#define VSS_PLUGIN_H

#include "index.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VSS_PLUGIN_ABI 2u           /* of everything in this header; a plug-in of another number is refused */
#define VSS_PLUGIN_MAX_TYPES 8u     /* in a process */
#define VSS_PLUGIN_MAX_PARAMS 32u   /* of a type */
#define VSS_PLUGIN_MAX_TEXT 1023u   /* bytes of a text parameter */

/* One parameter of a type: a number, or a text. A text belongs to a build; it may hold commas, but no "=". */
typedef struct vss_plugin_param {
    const char *name, *alias;         /* alias: another spelling, or NULL */
    uint64_t min, max, default_value; /* of a number */
    int search;                       /* 1: given to a search */
    int text;                         /* 1: a text */
    const char *help;
} vss_plugin_param;

/* What was given for a parameter, or its default; text "" for a text that was not given. */
typedef struct vss_plugin_value {
    uint64_t number;
    const char *text;
} vss_plugin_value;

/* The vectors of one field of one segment, as a plug-in gets them: float32, under l2 or an inner product. Vectors of
 * other types are widened; under cosine they are divided by their length and the metric is VSS_METRIC_IP. Binary
 * vectors are not offered to plug-ins. */
typedef struct vss_plugin_vectors {
    uint32_t struct_size;
    vss_metric metric;   /* L2 or IP */
    uint32_t dim;
    uint64_t rows;
    const float *floats; /* [rows][dim], where they are stored like that; else NULL, and read makes them. Both only in
                            a build */
    void *state;
    void (*read)(void *state, uint64_t first, uint64_t n, float *out); /* out [n][dim] */
} vss_plugin_vectors;

typedef struct vss_plugin_build {
    uint32_t struct_size;
    uint32_t threads;
    const vss_plugin_vectors *vectors;
    const vss_plugin_value *params;   /* in the order of the type's params; search ones at their defaults */
    void *state;
    /* Memory of the database's, 64-byte aligned; NO_MEMORY or BUDGET. */
    vss_status (*allocate)(void *state, size_t size, void **out, vss_error *err);
    void (*release)(void *state, void *memory); /* NULL is fine */
    int (*stopped)(void *state); /* 1: the caller wants no more, return CANCELLED; ask now and then */
} vss_plugin_build;

typedef struct vss_plugin_search {
    uint32_t struct_size;
    uint32_t k;
    uint64_t rows;                  /* in the segment */
    uint32_t dim;
    size_t n_queries;
    const float *queries;           /* [n_queries][dim]; under cosine of length 1 */
    const uint64_t *allow;          /* bit r % 64 of word r / 64: row r may be returned; NULL: every row */
    uint64_t n_allow;               /* bits set, or rows */
    const vss_plugin_value *params; /* in the order of the type's params; build ones at their defaults */
    float *distances;               /* [n_queries][k], to be filled beside the rows: the squared distance or the product
                                       that the index makes of each; NULL: not wanted */
} vss_plugin_search;

/* Every function but free may be called on any thread, search on several at once for one index. Those that fail write
 * one line into err (never NULL there) and return its status. */
typedef struct vss_index_plugin {
    uint32_t struct_size;
    uint32_t abi;                   /* VSS_PLUGIN_ABI */
    const char *name;               /* [a-z][a-z0-9_]{0,30}, of no other type; stored */
    uint32_t format;                /* of the bytes, stored; bytes of a higher one are refused */
    int trusting;                   /* 1: open is not safe on hostile bytes. It is then called for searches that say
                                       "trusted=1" only, which every such type takes; others are refused. */
    int estimates;                  /* 1: search fills in distances; searches take "refine=0" then */
    const vss_plugin_param *params;
    size_t n_params;
    /* Are the parameters (of a build) right for vectors of this metric and dim? rows is 0. INVALID, UNSUPPORTED. NULL:
     * always. */
    vss_status (*check)(const vss_plugin_vectors *vectors, const vss_plugin_value *params, vss_error *err);
    /* bytes [size] from build->allocate, which libvss releases. INVALID: these vectors can't be indexed so; where the
     * segment is one of many, it is scanned. */
    vss_status (*build)(const vss_plugin_build *build, void **bytes, size_t *size, vss_error *err);
    /* bytes stay as they are until free. CORRUPT. */
    vss_status (*open)(const vss_plugin_vectors *vectors, const void *bytes, size_t size, void **index, vss_error *err);
    /* rows [n_queries][k]: rows to look at, each once a query, in any order, -1 where there are fewer. Rows that are
     * not allowed, or not there, are passed over, and where distances are wanted those whose distance is not finite. */
    vss_status (*search)(const void *index, const vss_plugin_search *search, int64_t *rows, vss_error *err);
    void (*free)(void *index);
} vss_index_plugin;

/* Make a type known to the process, for good; the struct and what it points to are borrowed for as long. Registering
 * the same struct again does nothing. INVALID, EXISTS for a name that is taken, UNSUPPORTED for another ABI. */
VSS_API vss_status vss_index_register(const vss_index_plugin *plugin, vss_error *err);

/* Load a shared library by its path, which holds a "/", and call its vss_plugin_main, which registers its types through
 * the function it is given and returns that one's status. NOT_FOUND where it can't be loaded; INVALID where it has no
 * such function. */
VSS_API vss_status vss_plugin_load(const char *path, vss_error *err);
typedef vss_status (*vss_plugin_main_fn)(vss_status (*register_type)(const vss_index_plugin *plugin, vss_error *err),
                                         vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
