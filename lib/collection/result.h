/*
 * result.h - what a vss_result handle points to, and how one is filled
 */
#ifndef VSSI_RESULT_H
#define VSSI_RESULT_H

#include "collection.h"

/* Where a returned row is. */
typedef struct vssi_place {
    float value; /* exact, smaller is nearer */
    uint32_t part;
    uint32_t row;
} vssi_place;

struct vss_result {
    vss_db *db; /* a reference: its heap holds the result */
    size_t n_queries;
    int64_t *offsets;      /* [n_queries + 1] */
    vssi_column *keys;
    float *distances;      /* NULL for get */
    size_t n_fields;
    char **names;          /* [n_fields] */
    vssi_column **fields;  /* [n_fields] */
    uint32_t flags;
    vss_explain explain;
    vss_explain_segment *explain_segments;
    bool explained;
};

/* An empty result for n_queries queries. */
vss_status vssi_result_create(vss_db *db, size_t n_queries, vss_result **out, vss_error *err);
void vssi_result_free(vss_result *result);

/* Read key and fields of the places, in order; the offsets are already set. similarity: distances are -value.
 * with_distances false: none. INVALID or NOT_FOUND for a field name. */
vss_status vssi_result_fill(vss_result *result, const vssi_schema *schema, const vssi_snapshot *snapshot,
                            const vssi_place *places, size_t n_places, bool with_distances, bool similarity,
                            const size_t *fields, size_t n_fields, vss_error *err);

/* The fields' indexes in the schema: names [n], all known and no one twice. */
vss_status vssi_result_fields(const vssi_schema *schema, const char *const *names, size_t n, size_t *fields,
                              vss_error *err);

#endif
