/*
 * flat_tile.h - a batch of queries in panels, and what differs between panels of floats and of bytes
 */
#ifndef VSSI_FLAT_TILE_H
#define VSSI_FLAT_TILE_H

#include "../../simd/tile.h"
#include "flat.h"

#define FLAT_TILE_AHEAD 2u /* panels */

typedef struct flat_tile {
    const vssi_vectors *v;
    const vssi_query *queries;
    vssi_topk *topks;
    size_t n;                 /* queries */
    const struct flat_panels *panels;
    size_t rows;              /* of a panel */
    size_t most;              /* queries that are multiplied together */
    size_t units;             /* of four bytes, in a row of a panel */
    size_t groups;            /* of queries that are multiplied together */
    size_t parts, part_units; /* of rows that are multiplied together; the last one may be shorter */
    void *panel;              /* [units][rows], 64-byte aligned */
    float *scale;             /* [rows] */
    float *base;              /* [rows]; of bytes int32_t */
    uint32_t *packed;         /* the groups' queries, one group [units][its queries] after another */
    float *cuts;              /* [n rounded up to pairs] */
    double *squares;          /* [n]: of floats, what is taken from the threshold */
    int32_t *add;             /* [n rounded up to pairs]: of bytes */
    float *row;               /* [dim], room for a query */
    float *sums;              /* [n rounded up to pairs][rows], of parts; of bytes int32_t */
    uint32_t *ids;            /* of the panel's rows, in one of the turns */
    uint32_t turns[FLAT_TILE_AHEAD + 1][VSSI_TILE_ROWS];
    size_t counts[FLAT_TILE_AHEAD + 1];
    const char *ahead[VSSI_TILE_ROWS + 1];
    vssi_tile_next next;      /* the rows of the panel FLAT_TILE_AHEAD later */
    size_t asks;              /* of a group, as tile.h has them */
} flat_tile;

/* One group of queries against one part of the panel. */
typedef struct flat_tile_group {
    size_t first, count;      /* queries; count is even */
    const uint32_t *packed;   /* [units][count] */
    const float *panel;       /* [units][rows] */
    size_t units;
    vssi_tile_part part;
} flat_tile_group;

typedef struct flat_panels {
    /* rows, most and units of t. False: this processor or these vectors can't go this way. */
    bool (*fit)(flat_tile *t);
    /* Query q into out[0], out[stride], ...: its units. */
    void (*query)(flat_tile *t, size_t q, size_t stride, uint32_t *out);
    /* cuts[q] from the top-k's threshold. */
    void (*cut)(flat_tile *t, size_t q);
    /* The panel of the n rows in ids; places beyond them never hit. */
    void (*fill)(flat_tile *t, size_t n);
    void (*multiply)(flat_tile *t, const flat_tile_group *group, uint32_t *hits);
} flat_panels;

extern const flat_panels vssi_flat_floats; /* flat_floats.c: every type but binary */
extern const flat_panels vssi_flat_bytes;  /* flat_bytes.c: i8, u8 and binary */

/* Search the rows [begin, end) with t's queries; v, queries, topks and n are given. */
vss_status vssi_flat_tile_search(flat_tile *t, vssi_scratch *scratch, size_t begin, size_t end, vss_error *err);

/* flat_dense.c: the same of rows of every type but binary, where vssi_dense_best() has kernels. */
vss_status vssi_flat_dense_search(const vssi_vectors *v, const vssi_query *queries, size_t n, vssi_scratch *scratch,
                                  vssi_topk *topks, vss_error *err);

/* The next rows from *at on, at most capacity: allowed ones where the query says so. Returns how many and moves *at
 * behind them. */
size_t vssi_flat_next(const vssi_query *query, size_t *at, size_t end, uint32_t *rows, size_t capacity);

#endif
