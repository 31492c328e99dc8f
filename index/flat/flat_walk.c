/*
 * flat_walk.c - the rows that a search looks at, one after another, asked for before they are read
 *
 * The first two lines of a row are asked for WALK_BYTES of rows ahead, for the second cache, which sets off the
 * processor's own prefetching behind them, and the next ones up to WALK_ROW bytes half as far ahead. What is further
 * on in a row is left to the processor, which then reads in order, as are all rows where none is left out. Vectors that
 * the caches hold are not asked for. Cost: two instructions a line; numbers of rows are written once, some of each
 * block moved once.
 */
#include "flat_walk.h"

#include <string.h>

#include "../../lib/base/checked.h"
#include "flat_tile.h"

#define WALK_LINE 64u
#define WALK_BYTES ((size_t)64 << 10) /* of rows that are asked for and not read */
#define WALK_CACHE ((size_t)8 << 20)  /* bytes of vectors */
#define WALK_LEAST 8u                 /* rows */
#define WALK_FIRST 128u               /* bytes of a row */
#define WALK_ROW 512u                 /* bytes of a row */

void vssi_flat_walk_begin(flat_walk *walk, const vssi_vectors *v, const vssi_query *query, size_t begin, size_t end,
                          size_t shortest)
{
    walk->v = v;
    walk->query = query;
    walk->at = begin;
    walk->end = end;
    walk->n = walk->known = walk->begun = walk->asked = 0;
    walk->ahead = 0;
    if (query->allow && v->row_size >= shortest && v->rows > WALK_CACHE / v->row_size)
        walk->ahead = vssi_max(vssi_min(WALK_BYTES / v->row_size, FLAT_WALK_AHEAD), WALK_LEAST);
}

size_t vssi_flat_walk_next(flat_walk *walk, size_t n)
{
    size_t left = walk->known - walk->n;
    memmove(walk->ids, walk->ids + walk->n, left * sizeof *walk->ids);
    walk->begun -= vssi_min(walk->begun, walk->n);
    walk->asked -= vssi_min(walk->asked, walk->n);
    if (left < n + walk->ahead)
        left += vssi_flat_next(walk->query, &walk->at, walk->end, walk->ids + left, n + walk->ahead - left);
    walk->known = left;
    return walk->n = vssi_min(n, left);
}

/* Ask for the bytes [begin, end) of the rows ids[from] to ids[to - 1]. */
static void walk_lines(const flat_walk *walk, size_t from, size_t to, size_t begin, size_t end)
{
    for (size_t i = from; i < to; i++) {
        uintptr_t row = (uintptr_t)vssi_vectors_row(walk->v, walk->ids[i]);
        for (uintptr_t line = (row + begin) & ~(uintptr_t)(WALK_LINE - 1); line < row + end; line += WALK_LINE)
            __builtin_prefetch((const void *)line, 0, 2);
    }
}

void vssi_flat_walk_ask(flat_walk *walk, size_t i)
{
    if (walk->ahead == 0)
        return;
    size_t begun = vssi_min(i + walk->ahead, walk->known), asked = vssi_min(i + walk->ahead / 2, walk->known);
    walk_lines(walk, walk->begun, begun, 0, vssi_min(walk->v->row_size, WALK_FIRST));
    walk_lines(walk, walk->asked, asked, WALK_FIRST, vssi_min(walk->v->row_size, WALK_ROW));
    walk->begun = begun;
    walk->asked = asked;
}
