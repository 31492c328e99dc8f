/*
 * flat_walk.h - the rows that a search looks at, one after another, asked for before they are read
 */
#ifndef VSSI_FLAT_WALK_H
#define VSSI_FLAT_WALK_H

#include "flat.h"

#define FLAT_WALK_AHEAD 128u /* rows at most */

typedef struct flat_walk {
    const vssi_vectors *v;
    const vssi_query *query;
    size_t at, end;       /* of the rows that are not in ids yet */
    size_t n, known;      /* ids of the block, and with those that come next */
    size_t ahead;         /* rows; 0: none are asked for */
    size_t begun, asked;  /* ids whose rows' first lines, and whose rows, have been asked for */
    uint32_t ids[FLAT_BLOCK + FLAT_WALK_AHEAD];
} flat_walk;

/* Walk over the rows [begin, end), allowed ones where the query says so. Rows of fewer than `shortest` bytes are not
 * asked for. */
void vssi_flat_walk_begin(flat_walk *walk, const vssi_vectors *v, const vssi_query *query, size_t begin, size_t end,
                          size_t shortest);

/* The next block in ids, of n rows, at most FLAT_BLOCK. Returns n; 0: that was all. */
size_t vssi_flat_walk_next(flat_walk *walk, size_t n);

/* The block's rows before the i-th are about to be read: ask for those some way behind it. */
void vssi_flat_walk_ask(flat_walk *walk, size_t i);

#endif
