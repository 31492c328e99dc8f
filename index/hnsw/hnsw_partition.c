/*
 * hnsw_partition.c - rounds of random partitioning into overlapping leaves, where near rows meet
 *
 * After PiPNN. A round splits the nodes by random pivots, each row to the nearest one, until a cell needs at most 256
 * pivots; then each row goes to the HNSW_FANOUT nearest pivots of its cell; cells that came out too large are
 * split again, and in the end (rows that no pivot parts) cut by position. Other rounds take other pivots. All
 * rounds together compare a row with rounds x 3 leaves of about b->leaf rows. Pivots come from a fixed seed; cells
 * and the rows in them keep a fixed order. A partition without overlap, before the rounds, gives the order of the
 * nodes. 30 bytes a row meanwhile.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../lib/base/hash.h"
#include "hnsw.h"

#define PARTITION_PIVOTS 256u
#define PARTITION_LEVELS 8u
#define PARTITION_UNIT 1024u /* instances */
#define PARTITION_SEED 0x767373686e737731u

/* Instances (place * HNSW_FANOUT + slot) by cell. */
typedef struct partition_cells {
    uint32_t *instances; /* [begin[n_cells]] */
    uint32_t *begin;     /* [n_cells + 1] */
    size_t n_cells;
} partition_cells;

typedef struct partition_split {
    const partition_cells *cells;
    uint16_t *pivots;   /* [n_cells], 0: the cell stays */
    vssi_hnsw_group *units;
    size_t n_units;
    uint16_t *nearest;  /* [instances][fanout] */
    size_t fanout;
    uint64_t seed;
} partition_split;

enum partition_phase { PARTITION_COARSE, PARTITION_ORDER, PARTITION_SPREAD, PARTITION_MEND };

/* How many pivots a cell of n rows is split by in a phase; 0: it stays. */
static size_t partition_pivots(const vssi_hnsw_build *b, enum partition_phase phase, size_t n)
{
    size_t most = vssi_min(PARTITION_PIVOTS, b->packed_rows), leaves = vssi_hnsw_divide(n * HNSW_FANOUT, b->leaf);
    switch (phase) {
    case PARTITION_COARSE:
        return leaves > most ? vssi_min(most, vssi_hnsw_divide(leaves, most)) : 0;
    case PARTITION_ORDER:
        return n > b->leaf ? vssi_min(most, vssi_max(vssi_hnsw_divide(n, b->leaf), 2)) : 0;
    case PARTITION_SPREAD:
        return n > b->leaf ? vssi_min(most, vssi_max(leaves, HNSW_FANOUT + 1)) : 0;
    default:
        return n > b->leaf_max ? vssi_min(most, vssi_hnsw_divide(n, b->leaf) + 1) : 0;
    }
}

static void partition_free(vssi_heap *heap, partition_cells *cells)
{
    vssi_free(heap, cells->instances);
    vssi_free(heap, cells->begin);
    *cells = (partition_cells){0};
}

static size_t partition_size(const partition_cells *cells, size_t cell)
{
    return cells->begin[cell + 1] - cells->begin[cell];
}

/* The pivots of a unit's cell: one at random from each of as many equal stretches of it. Returns how many. */
static size_t partition_choose(const void *arg, size_t unit, uint32_t *places)
{
    const partition_split *split = arg;
    size_t cell = split->units[unit].cell, pivots = split->pivots[cell];
    uint64_t state = split->seed + cell * 0x9e3779b97f4a7c15u, n = partition_size(split->cells, cell);
    for (size_t j = 0; j < pivots; j++) {
        uint64_t low = n * j / pivots, high = n * (j + 1) / pivots;
        size_t at = (size_t)(low + vssi_random_next(&state) % (high - low));
        places[j] = split->cells->instances[split->cells->begin[cell] + at] / HNSW_FANOUT;
    }
    return pivots;
}

static void partition_assign(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t i)
{
    const partition_split *split = arg;
    const vssi_hnsw_group *unit = &split->units[i];
    uint32_t places[VSSI_PAIRS_QUERIES], nearest[HNSW_FANOUT], chosen[PARTITION_PIVOTS];
    size_t pivots = partition_choose(split, i, chosen);
    for (size_t j = 0; j < pivots; j++)
        vssi_hnsw_set_add(b, worker, (uint32_t)j, chosen[j]);
    for (size_t at = unit->begin; at < unit->end; at += VSSI_PAIRS_QUERIES) {
        size_t n = vssi_min(VSSI_PAIRS_QUERIES, unit->end - at);
        for (size_t q = 0; q < n; q++)
            places[q] = split->cells->instances[at + q] / HNSW_FANOUT;
        vssi_hnsw_set_keys(b, worker, pivots, places, n);
        for (size_t q = 0; q < n; q++) {
            b->pairs->least(worker->keys + q * b->keys_stride, pivots, split->fanout, nearest);
            for (size_t s = 0; s < split->fanout; s++)
                split->nearest[(at + q) * split->fanout + s] = (uint16_t)vssi_pairs_number(nearest[s]);
        }
    }
}

/* What a device says of a unit. */
static void partition_take(vssi_hnsw_build *b, const void *arg, size_t unit, const uint16_t *answer)
{
    const partition_split *split = arg;
    const vssi_hnsw_group *group = &split->units[unit];
    (void)b;
    memcpy(split->nearest + group->begin * split->fanout, answer,
           (group->end - group->begin) * split->fanout * sizeof *answer);
}

static vss_status partition_meet(vssi_hnsw_build *b, partition_split *split, vss_error *err)
{
    const vssi_hnsw_meeting meeting = {.instances = split->cells->instances, .groups = split->units,
                                       .n_groups = split->n_units, .keep = split->fanout, .pivots = partition_choose,
                                       .take = partition_take, .arg = split};
    bool done = false;
    if (vssi_hnsw_on_device(b))
        VSSI_TRY(vssi_hnsw_device_meet(b, &meeting, &done, err));
    return done ? VSS_OK : vssi_hnsw_run(b, split->n_units, 0, partition_assign, split, err);
}

/* Move the instances of one cell to its children, next in `out`. */
static void partition_scatter(const partition_split *split, size_t cell, partition_cells *out)
{
    const partition_cells *in = split->cells;
    size_t pivots = vssi_max(split->pivots[cell], 1), fanout = split->pivots[cell] ? split->fanout : 1;
    uint32_t at[PARTITION_PIVOTS + 1] = {0}, first = out->begin[out->n_cells];
    for (size_t i = in->begin[cell]; i < in->begin[cell + 1]; i++) {
        for (size_t s = 0; s < fanout; s++)
            at[(split->pivots[cell] ? split->nearest[i * fanout + s] : 0) + 1]++;
    }
    for (size_t j = 0; j < pivots; j++) {
        at[j + 1] += at[j];
        if (at[j + 1] > at[j])
            out->begin[++out->n_cells] = first + at[j + 1];
    }
    for (size_t i = in->begin[cell]; i < in->begin[cell + 1]; i++) {
        for (size_t s = 0; s < fanout; s++) {
            size_t child = split->pivots[cell] ? split->nearest[i * fanout + s] : 0;
            out->instances[first + at[child]++] = in->instances[i] + (uint32_t)s;
        }
    }
}

/* Choose pivots and units. Returns the room that the result needs in *instances and *cells. */
static vss_status partition_plan(vssi_hnsw_build *b, enum partition_phase phase, partition_split *split,
                                 size_t *instances, size_t *cells, vss_error *err)
{
    const partition_cells *in = split->cells;
    size_t most_units = in->begin[in->n_cells] / PARTITION_UNIT + in->n_cells;
    *instances = *cells = 0;
    VSSI_TRY(vssi_alloc(b->heap, in->n_cells, sizeof *split->pivots, &split->pivots, err));
    VSSI_TRY(vssi_alloc(b->heap, most_units, sizeof *split->units, &split->units, err));
    for (size_t cell = 0; cell < in->n_cells; cell++) {
        size_t n = partition_size(in, cell), pivots = partition_pivots(b, phase, n);
        split->pivots[cell] = (uint16_t)pivots;
        *instances += pivots ? n * split->fanout : n;
        *cells += vssi_max(pivots, 1);
        for (uint32_t at = in->begin[cell]; pivots && at < in->begin[cell + 1]; at += PARTITION_UNIT) {
            uint32_t end = (uint32_t)vssi_min(at + PARTITION_UNIT, in->begin[cell + 1]);
            split->units[split->n_units++] = (vssi_hnsw_group){(uint32_t)cell, at, end};
        }
    }
    return vssi_alloc(b->heap, in->begin[in->n_cells] * split->fanout, sizeof *split->nearest, &split->nearest, err);
}

static vss_status partition_make(vssi_hnsw_build *b, partition_split *split, size_t instances, size_t cells,
                                 partition_cells *out, vss_error *err)
{
    VSSI_TRY(vssi_alloc(b->heap, instances, sizeof *out->instances, &out->instances, err));
    VSSI_TRY(vssi_alloc(b->heap, cells + 1, sizeof *out->begin, &out->begin, err));
    out->begin[0] = 0;
    VSSI_TRY(partition_meet(b, split, err));
    for (size_t cell = 0; cell < split->cells->n_cells; cell++)
        partition_scatter(split, cell, out);
    return VSS_OK;
}

/* Replace cells by their children. *changed: was there anything to split. */
static vss_status partition_step(vssi_hnsw_build *b, enum partition_phase phase, uint64_t seed, partition_cells *cells,
                                 bool *changed, vss_error *err)
{
    partition_split split = {.cells = cells, .fanout = phase == PARTITION_SPREAD ? HNSW_FANOUT : 1, .seed = seed};
    partition_cells out = {0};
    size_t instances, n_cells;
    vss_status status = partition_plan(b, phase, &split, &instances, &n_cells, err);
    *changed = split.n_units > 0;
    if (status == VSS_OK && *changed)
        status = partition_make(b, &split, instances, n_cells, &out, err);
    vssi_free(b->heap, split.pivots);
    vssi_free(b->heap, split.units);
    vssi_free(b->heap, split.nearest);
    if (status != VSS_OK || !*changed) {
        partition_free(b->heap, &out);
        return status;
    }
    partition_free(b->heap, cells);
    *cells = out;
    return VSS_OK;
}

/* One phase, repeated while it changes anything and may be repeated. */
static vss_status partition_phase_run(vssi_hnsw_build *b, enum partition_phase phase, uint64_t *seed,
                                      partition_cells *cells, vss_error *err)
{
    bool changed = true;
    size_t levels = phase == PARTITION_SPREAD || phase == PARTITION_ORDER ? 1 : PARTITION_LEVELS;
    for (size_t level = 0; changed && level < levels; level++)
        VSSI_TRY(partition_step(b, phase, vssi_random_next(seed), cells, &changed, err));
    return VSS_OK;
}

/* Cut the cells into leaves. */
static vss_status partition_leaves(const vssi_hnsw_build *b, const partition_cells *cells, vssi_hnsw_group **leaves,
                                   size_t *n, vss_error *err)
{
    size_t most = cells->begin[cells->n_cells] / b->leaf_max + cells->n_cells;
    VSSI_TRY(vssi_alloc(b->heap, most, sizeof **leaves, leaves, err));
    *n = 0;
    for (size_t cell = 0; cell < cells->n_cells; cell++) {
        for (size_t at = cells->begin[cell], end = cells->begin[cell + 1]; at < end; at += b->leaf_max)
            (*leaves)[(*n)++] = (vssi_hnsw_group){(uint32_t)cell, (uint32_t)at,
                                                  (uint32_t)vssi_min(at + b->leaf_max, end)};
    }
    return VSS_OK;
}

static vss_status partition_start(vssi_hnsw_build *b, partition_cells *cells, vss_error *err)
{
    VSSI_TRY(vssi_alloc(b->heap, b->n_nodes, sizeof *cells->instances, &cells->instances, err));
    VSSI_TRY(vssi_alloc(b->heap, 2, sizeof *cells->begin, &cells->begin, err));
    for (size_t i = 0; i < b->n_nodes; i++)
        cells->instances[i] = (uint32_t)i * HNSW_FANOUT;
    cells->begin[0] = 0;
    cells->begin[1] = (uint32_t)b->n_nodes;
    cells->n_cells = 1;
    return VSS_OK;
}

vss_status vssi_hnsw_partition_round(vssi_hnsw_build *b, size_t round, vss_error *err)
{
    partition_cells cells = {0};
    vssi_hnsw_group *leaves = NULL;
    uint64_t seed = PARTITION_SEED + round;
    size_t n;
    vss_status status;
    VSSI_TRY_GOTO(partition_start(b, &cells, err), done);
    VSSI_TRY_GOTO(partition_phase_run(b, PARTITION_COARSE, &seed, &cells, err), done);
    VSSI_TRY_GOTO(partition_phase_run(b, PARTITION_SPREAD, &seed, &cells, err), done);
    VSSI_TRY_GOTO(partition_phase_run(b, PARTITION_MEND, &seed, &cells, err), done);
    VSSI_TRY_GOTO(partition_leaves(b, &cells, &leaves, &n, err), done);
    status = vssi_hnsw_leaves(b, cells.instances, leaves, n, err);
    b->filled += HNSW_FANOUT;
done:
    vssi_free(b->heap, leaves);
    partition_free(b->heap, &cells);
    return status;
}

vss_status vssi_hnsw_partition_order(vssi_hnsw_build *b, uint32_t *places, vss_error *err)
{
    partition_cells cells = {0};
    uint64_t seed = PARTITION_SEED - 1;
    vss_status status;
    VSSI_TRY_GOTO(partition_start(b, &cells, err), done);
    VSSI_TRY_GOTO(partition_phase_run(b, PARTITION_COARSE, &seed, &cells, err), done);
    VSSI_TRY_GOTO(partition_phase_run(b, PARTITION_ORDER, &seed, &cells, err), done);
    for (size_t i = 0; i < b->n_nodes; i++)
        places[i] = cells.instances[i] / HNSW_FANOUT;
done:
    partition_free(b->heap, &cells);
    return status;
}
