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
    bool text;         /* a text, which may hold commas but no "=" */
} vssi_param;

/* The value of a text: its place in the whole text that was parsed, and its bytes, 0 where it is not given. */
#define VSSI_PARAM_TEXT_MAX 1023u
static inline uint64_t vssi_param_text_value(size_t offset, size_t size) { return (uint64_t)offset << 10 | size; }
static inline size_t vssi_param_text_offset(uint64_t value) { return (size_t)(value >> 10); }
static inline size_t vssi_param_text_size(uint64_t value) { return (size_t)(value & 1023); }

/* Fill values[n_params] in the table's order: defaults, then what text gives (NULL: nothing). Blanks around names and
 * values are passed over. Items without "=" that follow a text parameter belong to its text. Only parameters with the
 * given `search` are accepted. INVALID names the parameter, its range,
 * or for an unknown one what there is. A parameter given twice is INVALID. what: "hnsw search", for messages. */
vss_status vssi_param_parse(const char *what, const vssi_param *table, size_t n_params, bool search, const char *text,
                            uint64_t *values, vss_error *err);

#endif
