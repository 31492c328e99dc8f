/*
 * memdb.h - a file of vectors as a collection in memory: what gt and bench search
 */
#ifndef CLI_MEMDB_H
#define CLI_MEMDB_H

#include <stdbool.h>

#include "args.h"
#include "progress.h"
#include "vector_types.h"

/* Keys are row numbers. bucket, where asked for, is an int64 field whose values are reproducible and spread evenly
 * over [0, CLI_MEMDB_BUCKETS). */
typedef struct cli_memdb {
    cli_vectors base;
    vss_type type;          /* of the vector field */
    uint32_t dim;
    vss_metric metric;
    vss_db *db;
    vss_collection *col;
    unsigned char *queries; /* [n_queries] of query_size bytes, in the field's given type */
    size_t query_size;
    uint64_t n_queries;
} cli_memdb;

#define CLI_MEMDB_BUCKETS 1000000u

/* Load the base as vectors of a type. cli_memdb_close, whether or not it worked. */
vss_status cli_memdb_load(cli_memdb *memdb, const char *path, vss_type type, vss_metric metric, bool buckets,
                          cli_progress *progress, vss_error *err);
/* Load the first queries of a file, at most max of them. */
vss_status cli_memdb_queries(cli_memdb *memdb, const char *path, uint64_t max, vss_error *err);
void cli_memdb_close(cli_memdb *memdb);

/* The type that --dtype names, f32 where it is not given. False: a line about it has been printed. */
bool cli_memdb_type(const cli_args *args, vss_type *type);

/* A search request for n queries from the first on. */
vss_search_request cli_memdb_request(const cli_memdb *memdb, uint64_t first, uint64_t n, uint32_t k);
/* How many queries to put into a call so that its result stays small. */
uint64_t cli_memdb_block(uint32_t k);

#endif
