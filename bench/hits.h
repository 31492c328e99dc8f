/*
 * hits.h - a search's result as JSON lines, tables and .ibin rows
 */
#ifndef CLI_HITS_H
#define CLI_HITS_H

#include <stdbool.h>

#include "vector_file.h"
#include "vss.h"

/* A hit a line: query rank key distance, then the fields. first is the number of the result's first query. */
void cli_hits_json(const vss_result *result, uint64_t first, const char *const *fields, size_t n_fields);
/* A table a query; its number above it when numbered. */
void cli_hits_table(const vss_result *result, uint64_t first, const char *const *fields, size_t n_fields,
                    bool numbered);
/* A row a query of k int32 keys, -1 where there is no hit. INVALID: a key that does not fit. */
vss_status cli_hits_ibin(const vss_result *result, uint32_t k, cli_ibin *ibin, vss_error *err);
/* What the search did in each segment, on out. */
void cli_hits_explain(const vss_explain *explain, FILE *out);

#endif
