/*
 * hnsw_twins.c - rows with equal vectors
 *
 * Equal vectors would prune each other's links and fall apart into clumps. So the graph is built over the first row of
 * each set, its node, and the others hang on it as a binary tree: in a set t_0 (the node), t_1, t_2, ... row t_i is
 * linked both ways with t_2i+1 and t_2i+2, and each but the node also leads to the node. A row of the tree has at
 * most four links, and a set of n is walked in log n steps. Cost: a hash and a sort of the rows; 16 bytes a row
 * meanwhile.
 */
#include <string.h>

#include "../../lib/base/fail.h"
#include "../../lib/base/hash.h"
#include "hnsw.h"

/* keys[i] = the upper half of the hash, then the row. */
static void twins_mark(vssi_hnsw_build *b, const uint64_t *keys, size_t n)
{
    const vssi_vectors *v = b->vectors;
    for (size_t i = 0, first = 0; i < n; i++) {
        uint32_t row = (uint32_t)keys[i], node = (uint32_t)keys[first];
        bool same = keys[i] >> 32 == keys[first] >> 32 &&
                    memcmp(vssi_vectors_row(v, row), vssi_vectors_row(v, node), v->row_size) == 0;
        if (!same)
            first = i;
        b->twins[row] = (uint32_t)keys[first];
    }
}

vss_status vssi_hnsw_twins_find(vssi_hnsw_build *b, vss_error *err)
{
    uint64_t *keys;
    VSSI_TRY(vssi_alloc(b->heap, b->rows, sizeof *b->twins, &b->twins, err));
    VSSI_TRY(vssi_alloc(b->heap, b->rows, sizeof *b->order, &b->order, err));
    VSSI_TRY(vssi_alloc(b->heap, b->rows, sizeof *keys, &keys, err));
    for (size_t row = 0; row < b->rows; row++) {
        uint64_t hash = vssi_hash(vssi_vectors_row(b->vectors, row), b->vectors->row_size, 0);
        keys[row] = (hash & 0xffffffff00000000u) | row;
    }
    vssi_hnsw_sort(keys, b->rows);
    twins_mark(b, keys, b->rows);
    vssi_free(b->heap, keys);
    for (size_t row = 0; row < b->rows; row++) {
        if (b->twins[row] == row)
            b->order[b->n_nodes++] = (uint32_t)row;
    }
    for (size_t row = 0, place = b->n_nodes; row < b->rows; row++) {
        if (b->twins[row] != row)
            b->order[place++] = (uint32_t)row;
    }
    return VSS_OK;
}

static void twins_add(vssi_hnsw_build *b, uint32_t from, uint32_t to)
{
    uint32_t *links = vssi_hnsw_links(b, from);
    links[1 + links[0]++] = to;
}

/* Link a set, places rows[n] with the node in front. */
static void twins_tree(vssi_hnsw_build *b, const uint32_t *rows, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        size_t parent = (i - 1) / 2;
        twins_add(b, rows[parent], rows[i]);
        twins_add(b, rows[i], rows[parent]);
        if (parent)
            twins_add(b, rows[i], rows[0]);
    }
}

vss_status vssi_hnsw_twins_link(vssi_hnsw_build *b, vss_error *err)
{
    if (b->n_nodes == b->rows)
        return VSS_OK;
    uint64_t *keys;
    uint32_t *set, *places;
    size_t n = 0;
    VSSI_TRY(vssi_alloc(b->heap, b->rows, sizeof *keys + sizeof *set, &keys, err));
    places = set = (uint32_t *)(keys + b->rows);
    for (size_t place = 0; place < b->rows; place++)
        places[b->order[place]] = (uint32_t)place;
    for (size_t place = 0; place < b->rows; place++)
        keys[place] = (uint64_t)places[b->twins[b->order[place]]] << 32 | place;
    vssi_hnsw_sort(keys, b->rows);
    for (size_t i = 0; i < b->rows; i++) {
        set[n++] = (uint32_t)keys[i];
        if (i + 1 == b->rows || keys[i] >> 32 != keys[i + 1] >> 32) {
            twins_tree(b, set, n);
            n = 0;
        }
    }
    vssi_free(b->heap, keys);
    return VSS_OK;
}
