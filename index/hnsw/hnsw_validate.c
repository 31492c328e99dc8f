/*
 * hnsw_validate.c - look at every link of a stored graph
 *
 * Counts, ids, links to itself, links twice in a row, entries, and whether every row is reached from the centres; of
 * codes, that the grid begins at finite numbers, that they end with zeros and that each row has one place. Per row
 * the first fault is told. One look at every link for the checks and one for the walk; 9 bytes a row meanwhile.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "hnsw.h"

typedef struct validate_state {
    const vssi_hnsw_index *index;
    void (*fault)(void *state, const char *line);
    void *fault_state;
    uint64_t faults;
    uint32_t *seen;   /* [rows] the last row + 1 that linked to it */
    uint32_t *queue;  /* [rows] */
    uint8_t *reached; /* [rows] */
    size_t tail;
} validate_state;

__attribute__((format(printf, 2, 3))) static void validate_fault(validate_state *v, const char *format, ...)
{
    char line[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    v->faults++;
    if (v->fault)
        v->fault(v->fault_state, line);
}

static const uint32_t *validate_links(const validate_state *v, size_t row, size_t *n)
{
    const uint32_t *links = v->index->graph + row * v->index->stride;
    *n = vssi_min(links[0], v->index->stride - 1);
    return links + 1;
}

static void validate_row(validate_state *v, size_t row)
{
    size_t n;
    const uint32_t *links = validate_links(v, row, &n);
    if (links[-1] > n) {
        validate_fault(v, "hnsw: row %zu has %u links, there is room for %zu", row, links[-1], n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (links[i] >= v->index->rows) {
            validate_fault(v, "hnsw: row %zu leads to row %u of %zu", row, links[i], v->index->rows);
            return;
        }
        if (links[i] == row || v->seen[links[i]] == row + 1) {
            validate_fault(v, "hnsw: row %zu leads to %s", row, links[i] == row ? "itself" : "a row twice");
            return;
        }
        v->seen[links[i]] = (uint32_t)row + 1;
    }
}

static void validate_reach(validate_state *v, uint32_t row)
{
    if (row >= v->index->rows || v->reached[row])
        return;
    v->reached[row] = 1;
    v->queue[v->tail++] = row;
}

static void validate_walk(validate_state *v)
{
    for (size_t i = 0; i < v->index->n_entries; i++) {
        if (v->index->entries[i] >= v->index->rows)
            validate_fault(v, "hnsw: entry %zu is row %u of %zu", i, v->index->entries[i], v->index->rows);
        if (i < v->index->n_groups)
            validate_reach(v, v->index->entries[i]);
    }
    for (size_t head = 0; head < v->tail; head++) {
        size_t n;
        const uint32_t *links = validate_links(v, v->queue[head], &n);
        for (size_t i = 0; i < n; i++)
            validate_reach(v, links[i]);
    }
    for (size_t row = 0; row < v->index->rows; row++) {
        if (!v->reached[row])
            validate_fault(v, "hnsw: row %zu is not reached from the centres", row);
    }
}

static void validate_codes(validate_state *v)
{
    const vssi_sq8 *sq8 = &v->index->sq8;
    for (size_t i = 0; i < sq8->model.width; i++) {
        if (!isfinite(sq8->low[i]))
            validate_fault(v, "hnsw: the grid of component %zu begins at %g", i, sq8->low[i]);
    }
    for (size_t row = 0; row < v->index->rows; row++) {
        const char *wrong = vssi_hnsw_form_wrong(v->index, row);
        if (wrong != NULL)
            validate_fault(v, "hnsw: the code at place %zu %s", row, wrong);
    }
}

/* seen is free again: [rows] rows that have a place. */
static void validate_map(validate_state *v)
{
    memset(v->seen, 0, v->index->rows * sizeof *v->seen);
    for (size_t place = 0; place < v->index->rows; place++) {
        uint32_t row = v->index->map[place];
        if (row >= v->index->rows || v->seen[row])
            validate_fault(v, "hnsw: place %zu is of row %u of %zu%s", place, row, v->index->rows,
                           row < v->index->rows ? ", which has one" : "");
        else
            v->seen[row] = 1;
    }
}

uint64_t vssi_hnsw_validate(const void *index, void (*fault)(void *state, const char *line), void *state)
{
    validate_state v = {.index = index, .fault = fault, .fault_state = state};
    vss_error err;
    if (vssi_alloc_zero(v.index->heap, v.index->rows, sizeof *v.seen, &v.seen, &err) != VSS_OK ||
        vssi_alloc(v.index->heap, v.index->rows, sizeof *v.queue, &v.queue, &err) != VSS_OK ||
        vssi_alloc_zero(v.index->heap, v.index->rows, 1, &v.reached, &err) != VSS_OK) {
        validate_fault(&v, "hnsw: not checked: %.100s", err.message);
    } else {
        for (size_t row = 0; row < v.index->rows; row++)
            validate_row(&v, row);
        validate_walk(&v);
        if (v.index->map)
            validate_map(&v);
    }
    if (v.index->coded)
        validate_codes(&v);
    vssi_free(v.index->heap, v.seen);
    vssi_free(v.index->heap, v.queue);
    vssi_free(v.index->heap, v.reached);
    return v.faults;
}
