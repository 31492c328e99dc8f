/*
 * param.h - "m=32,ef_construction=200": one table that validates, fills and explains
 */
#ifndef VSSI_PARAM_H
#define VSSI_PARAM_H

#include <stdbool.h>

#include "fail.h"

typedef struct vssi_param {
    const char *name;
    const char *alias; /* another spelling, or NULL */
    uint64_t min, max, default_value;
    bool search;       /* given to a search, else to a build */
    const char *help;
    const char *const *names; /* [max + 1]: what is written for the values, from min on; NULL: the numbers themselves */
} vssi_param;

/* Fill values[n_params] in the table's order: defaults, then what text gives (NULL: nothing). Blanks around names and
 * values are passed over. Only parameters with the given `search` are accepted. INVALID names the parameter, its range,
 * or for an unknown one what there is. A parameter given twice is INVALID. what: "hnsw search", for messages. */
vss_status vssi_param_parse(const char *what, const vssi_param *table, size_t n_params, bool search, const char *text,
                            uint64_t *values, vss_error *err);

#endif
