/*
 * search.h - one search in the making: what is decided for all queries, and what each thread shares
 */
#ifndef VSSI_SEARCH_H
#define VSSI_SEARCH_H

#include "collection.h"
#include "result.h"
#include "segment_index.h"

/* One segment, for all queries alike. */
typedef struct search_part {
    const vssi_part *part;
    vssi_vectors vectors;
    uint64_t *allow; /* rows that may be returned; NULL: all */
    size_t n_allow;
    vss_plan plan;
    const vssi_index_ops *ops; /* of the index, for PLAN_INDEX */
    const void *opened;
    const vss_device *device;  /* that compares its rows, or NULL */
    vssi_segment_index *through; /* whose lists or graph the device goes by; NULL: it compares every row */
    _Atomic bool device_failed; /* and the CPU goes on */
    uint64_t filter_ns;
    _Atomic uint64_t search_ns, distances, recomputed;
    _Atomic bool fell_back; /* some query was scanned after the index */
    _Atomic bool verified;  /* every row that a scan reads */
} search_part;

typedef struct search {
    vss_collection *col;
    const vss_search_request *request;
    const vssi_schema *schema;
    size_t field;
    vss_type query_type;           /* of the request's vectors */
    size_t query_size;             /* bytes of one */
    bool similarity;               /* larger is nearer */
    bool exact;                    /* asked for */
    bool estimates;                /* asked for: the type's scores are the values */
    bool trusted;                  /* stored bytes of a type that trusts them may be opened */
    uint32_t k;                    /* rows sought for a query: the request's; with a range one more, which tells of a
                                      cap */
    float near, far;               /* least and greatest value of a row, smaller is nearer; infinite without a range */
    const vssi_index_ops *type;    /* of the field's definition, or flat */
    uint64_t params[64];           /* values in the order of type->params */
    const vss_device *device;      /* asked for; NULL: the CPU */
    vssi_snapshot *snapshot;
    vssi_filter *filter;
    size_t n_parts;
    search_part *parts;
    vssi_control control;
    size_t group;                  /* queries a task */
    size_t ranges;                 /* of rows that each query is shared by */
    size_t width;                  /* most rows a query can get */
    vssi_place *places;            /* [ranges][n_queries][width]; in the end the first range's hold the result */
    uint32_t *counts;              /* [ranges][n_queries] */
    _Atomic size_t done;           /* queries, once a range */
    vssi_mutex error_mutex;
    vss_status status;             /* the first failure of a thread; error_mutex */
    vss_error *err;
} search;

/* ---- plan.c ---- */
/* Bitmap and plan of every part. */
vss_status vssi_search_plan(search *s, vss_error *err);
/* Make sure of the vectors that a scan of the part reads, once a search. */
vss_status vssi_search_verify(const search *s, search_part *p, vss_error *err);

/* ---- search_group.c: the work of the threads ---- */
/* Decide how the work is shared: group and ranges. */
void vssi_search_share(search *s, size_t threads);
/* Task number t of a search: one group of queries over one range of rows. */
void vssi_search_task(void *arg, size_t t);
/* Merge what the ranges found. */
vss_status vssi_search_join(search *s, vss_error *err);

/* ---- search_device.c ---- */
/* Give the part to the device that is asked for, where it can do what is planned: a scan, or the lists or graph of an
 * index. Where the request requires the device: UNSUPPORTED with the reason why it can't. */
vss_status vssi_search_device(const search *s, search_part *p, vssi_segment_index *index, vss_error *err);

/* ---- rescore.c: the values that are returned ---- */
typedef struct rescore {
    const search *search;
    search_part *part;
    const void *query;  /* float32 for float vectors of any width, else of the vectors' type; 64-byte aligned */
    double query_norm;  /* |q| under ip and cosine, else 0 */
    float *widened;     /* [dim], room for a row of 16-bit floats */
} rescore;
void vssi_rescore_source(rescore *r, vssi_topk_source *source);
/* The bound on a score's error for this query (topk.h). */
void vssi_rescore_bound(const search_part *p, double query_norm, double *relative, double *absolute);

#endif
