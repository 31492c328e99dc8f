/*
 * rowset.h - all rows of a collection, small enough to compare: a hash of each key and of all values beside it
 *
 * Works on any schema. Running out of memory ends the program.
 */
#ifndef ROWSET_H
#define ROWSET_H

#include <stdbool.h>
#include <stdint.h>

#include "vss.h"

typedef struct rowset_row {
    uint64_t key;
    uint64_t values;
} rowset_row;

typedef struct rowset {
    size_t n, room;
    rowset_row *rows; /* by key */
} rowset;

/* Overwrites out; rowset_free either way. */
vss_status rowset_read(vss_collection *col, const char *filter, rowset *out, vss_error *err);
void rowset_free(rowset *set);

/* Has `of` every row of set, with the same values? */
bool rowset_within(const rowset *set, const rowset *of);
static inline bool rowset_equal(const rowset *a, const rowset *b) { return a->n == b->n && rowset_within(a, b); }

#endif
