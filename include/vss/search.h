/*
 * vss/search.h - nearest-neighbour search and its result
 */
#ifndef VSS_SEARCH_H
#define VSS_SEARCH_H

#include "db.h"
#include "executor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VSS_MAX_K 16384u
#define VSS_MAX_QUERIES 16384u

typedef struct vss_collection vss_collection;
typedef struct vss_result vss_result;

typedef struct vss_search_request {
    uint32_t struct_size;
    const char *field;          /* NULL: the only vector field */
    const void *queries;        /* [n_queries][dim] of query_type, any alignment */
    size_t n_queries;           /* 0 to 16,384 */
    uint32_t dim;               /* must be the field's */
    uint32_t k;                 /* 1 to 16,384 */
    const char *filter;         /* NULL: every row */
    const char *params;         /* of the field's index, "ef=64"; "exact=1" scans; "refine=0" answers by the codes alone
                                   of a type that has it; NULL: defaults */
    const char *const *fields;  /* [n_fields] to return beside key and distance */
    size_t n_fields;
    const vss_column *exclude;  /* keys that must not be returned; NULL: none */
    uint32_t threads;           /* 0: 1. Queries are shared among them; the result is the same for any number */
    uint64_t deadline_ms;       /* from the call's begin; 0: none. Past it the result is what was found, truncated */
    vss_progress_fn progress;   /* NULL: none. Units: queries */
    void *progress_state;
    int explain;                /* 1: vss_result_explain tells what was done */
    vss_type query_type;        /* of queries: 0 the field's own; float32 is taken for f16 and bf16 fields too */
    int range;                  /* 1: only rows whose distance is at least range_low and at most range_high; exact */
    float range_low, range_high; /* as distances are returned; infinite: no bound on that side */
    const char *device;         /* where rows of sealed segments are compared: NULL or "cpu", or a device that was
                                   registered (vss/device.h): "cuda". What is exact is the same there */
    int device_required;        /* 1: fail where the device can't do what it is asked; else the CPU does it */
} vss_search_request;

/* For each query the min(k, live matching rows) nearest rows, nearest first, ties by key.
 * Distances are computed in float64 from the stored values and rounded once to float32. An index makes the choice of
 * rows approximate; without one, with "exact=1" or with a range, it is exact and the same on every machine.
 * With "refine=0" (ivf_sq8, ivf_rabitq, ivf_pq; plug-ins that estimate) rows that an index has are ranked by their
 * codes, their distances are what the codes tell of them, and no stored vector of theirs is read; rows that no index
 * has are compared as ever, and all rows of a segment whose plug-in finds fewer than are asked for. The result says
 * VSS_RESULT_ESTIMATED then. For jaccard the estimate takes both sets for equally large.
 * A device does what would be a scan: searches without an index, with "exact=1", of the type flat, or where few rows
 * pass a filter; it compares the rows of the inverted lists that a search looks at (ivf_*, but with "refine=0"), and
 * walks over the graph of an hnsw index: it may find other rows than the CPU, at the same ef no fewer of the nearest,
 * as a rule. Rows that are not sealed yet, ranges, and other indexes are the CPU's, and so are single queries that the
 * device leaves, and what its memory does not suffice for; with device_required a range and such an index are
 * UNSUPPORTED, and the device's failure is the search's.
 * The search sees one committed state. The result is the caller's: vss_result_free.
 * INVALID, NOT_FOUND (field), CANCELLED, CORRUPT, IO, NO_MEMORY, BUDGET; DEVICE for a device that is not there, and,
 * with device_required, UNSUPPORTED, DEVICE, NO_MEMORY, BUDGET as it says. */
VSS_API vss_status vss_collection_search(vss_collection *col, const vss_search_request *request, vss_result **result,
                                         vss_error *err);

typedef enum vss_result_flags {
    VSS_RESULT_TRUNCATED = 1,   /* the deadline ended the search */
    VSS_RESULT_APPROXIMATE = 2, /* an index chose the rows */
    VSS_RESULT_CAPPED = 4,      /* some query has more rows in its range than the k nearest ones that it got */
    VSS_RESULT_ESTIMATED = 8    /* "refine=0": distances are estimates from an index's codes */
} vss_result_flags;

/* Everything returned is borrowed until vss_result_free. Thread-safe. */
VSS_API size_t vss_result_queries(const vss_result *result);
VSS_API size_t vss_result_rows(const vss_result *result);
/* [queries + 1]: query q has rows offsets[q] to offsets[q + 1]. */
VSS_API const int64_t *vss_result_offsets(const vss_result *result);
VSS_API const vss_column *vss_result_keys(const vss_result *result);
/* [rows]; NULL for vss_collection_get. */
VSS_API const float *vss_result_distances(const vss_result *result);
/* A field that was asked for; NULL for another name. */
VSS_API const vss_column *vss_result_field(const vss_result *result, const char *name);
VSS_API uint32_t vss_result_flags_get(const vss_result *result); /* vss_result_flags */
VSS_API void vss_result_free(vss_result *result);                /* NULL is fine */

typedef enum vss_plan {
    VSS_PLAN_SCAN = 1,      /* every row compared */
    VSS_PLAN_SCAN_ROWS = 2, /* the rows that pass, gathered */
    VSS_PLAN_INDEX = 3,     /* the index walked */
    VSS_PLAN_INDEX_THEN_SCAN = 4, /* the index came back short for some query, which was scanned, or a device compared
                                     every row that passes as it has too little room for the walk */
    VSS_PLAN_NOTHING = 5    /* no row passes */
} vss_plan;

/* What a search did in one segment, all queries together. */
typedef struct vss_explain_segment {
    vss_plan plan;
    const char *index;     /* type, or NULL */
    const char *device;    /* where the rows were compared, or NULL: the CPU alone */
    uint64_t rows;         /* in the segment */
    uint64_t passing;      /* live and matching the filter */
    uint64_t distances;    /* computed by the search */
    uint64_t recomputed;   /* in float64 */
    uint64_t filter_ns;
    uint64_t search_ns;    /* summed over threads */
} vss_explain_segment;

typedef struct vss_explain {
    uint32_t struct_size;
    uint64_t version;   /* of the manifest */
    uint64_t sequence;
    uint64_t total_ns;
    size_t n_segments;
    const vss_explain_segment *segments;
} vss_explain;

/* NULL unless the request asked for it. */
VSS_API const vss_explain *vss_result_explain(const vss_result *result);

#ifdef __cplusplus
}
#endif
#endif
