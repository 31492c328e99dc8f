/*
 * filter_eval.c - a plan over a source, part by part
 *
 * A node is handed the map of rows that are still in question and clears those that it doesn't pass. `and` hands the
 * map from child to child; `or` gives each child the rows that no earlier one has passed. When no row is left in
 * question, the rest is not looked at, and its columns are not read; nor is a column whose least and greatest value
 * settle a range. Memory: two maps of a part for each `or` within `or`s.
 */
#include <assert.h>

#include "filter_stages.h"

typedef struct filter_run {
    const vssi_filter_source *source;
    size_t part, rows, words;
    vss_error *err;
} filter_run;

static bool filter_eval_empty(const uint64_t *map, size_t words)
{
    uint64_t any = 0;
    for (size_t i = 0; i < words; i++)
        any |= map[i];
    return any == 0;
}

static vss_status filter_eval_column(const filter_run *run, size_t field, vss_column *view)
{
    VSSI_TRY(run->source->column(run->source->state, field, run->part, view, run->err));
    assert(view->length == run->rows);
    return VSS_OK;
}

/* A bound of a zone as a key. */
static int64_t filter_eval_key(vss_type type, int64_t number, double real)
{
    if (type == VSS_TYPE_FLOAT32) {
        float narrow = (float)real;
        int32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        return vssi_filter_key32(bits);
    }
    if (type == VSS_TYPE_FLOAT64) {
        int64_t bits;
        memcpy(&bits, &real, sizeof bits);
        return vssi_filter_key64(bits);
    }
    return number;
}

/* Does the part's least and greatest value settle a range for all its rows? */
static vss_status filter_eval_zone(const filter_run *run, const vssi_filter_plan *leaf, uint64_t *map, bool *settled)
{
    vssi_zone zone;
    *settled = false;
    if (leaf->kind != VSSI_PLAN_RANGE || run->source->zone == NULL)
        return VSS_OK;
    VSSI_TRY(run->source->zone(run->source->state, leaf->field, run->part, &zone, run->err));
    if (!zone.known || zone.nulls == zone.rows)
        return VSS_OK;
    int64_t min = filter_eval_key(leaf->type, zone.min_int, zone.min_float);
    int64_t max = filter_eval_key(leaf->type, zone.max_int, zone.max_float);
    bool inside = min >= leaf->range.lo && max <= leaf->range.hi;
    bool outside = max < leaf->range.lo || min > leaf->range.hi;
    if (leaf->negate ? inside : outside) {
        memset(map, 0, run->words * sizeof *map);
        *settled = true;
    } else if (leaf->negate ? outside : inside) {
        *settled = zone.nulls == 0;
    }
    return VSS_OK;
}

static vss_status filter_eval_leaf(const filter_run *run, const vssi_filter_plan *leaf, uint64_t *map)
{
    vss_column view, other;
    bool two = leaf->kind == VSSI_PLAN_FIELDS, settled;
    VSSI_TRY(filter_eval_zone(run, leaf, map, &settled));
    if (settled)
        return VSS_OK;
    VSSI_TRY(filter_eval_column(run, leaf->field, &view));
    if (two)
        VSSI_TRY(filter_eval_column(run, leaf->fields.other, &other));
    vssi_filter_leaf(leaf, &view, two ? &other : NULL, run->rows, map);
    return VSS_OK;
}

static vss_status filter_eval_node(const filter_run *run, const vssi_filter_plan *node, uint64_t *map, uint64_t *spare);

static vss_status filter_eval_and(const filter_run *run, const vssi_filter_plan *node, uint64_t *map, uint64_t *spare)
{
    for (const vssi_filter_plan *child = node->first; child != NULL; child = child->next) {
        VSSI_TRY(filter_eval_node(run, child, map, spare));
        if (filter_eval_empty(map, run->words))
            break;
    }
    return VSS_OK;
}

/* spare: this node's two maps, then those of the nodes below. map: rows that no child has passed yet, until the end. */
static vss_status filter_eval_or(const filter_run *run, const vssi_filter_plan *node, uint64_t *map, uint64_t *spare)
{
    uint64_t *passed = spare, *tried = spare + VSSI_FILTER_WORDS;
    memset(passed, 0, run->words * sizeof *passed);
    for (const vssi_filter_plan *child = node->first; child != NULL; child = child->next) {
        memcpy(tried, map, run->words * sizeof *tried);
        VSSI_TRY(filter_eval_node(run, child, tried, spare + 2 * VSSI_FILTER_WORDS));
        for (size_t i = 0; i < run->words; i++) {
            passed[i] |= tried[i];
            map[i] &= ~tried[i];
        }
        if (filter_eval_empty(map, run->words))
            break;
    }
    memcpy(map, passed, run->words * sizeof *map);
    return VSS_OK;
}

static vss_status filter_eval_node(const filter_run *run, const vssi_filter_plan *node, uint64_t *map, uint64_t *spare)
{
    if (node->kind == VSSI_PLAN_AND)
        return filter_eval_and(run, node, map, spare);
    if (node->kind == VSSI_PLAN_OR)
        return filter_eval_or(run, node, map, spare);
    return filter_eval_leaf(run, node, map);
}

static vss_status filter_eval_parts(const vssi_filter *filter, const vssi_filter_source *source, uint64_t *bitmap,
                                    uint64_t *spare, vss_error *err)
{
    for (size_t first = 0; first < source->rows; first += VSSI_FILTER_PART) {
        size_t left = source->rows - first, rows = left < VSSI_FILTER_PART ? left : VSSI_FILTER_PART;
        filter_run run = {source, first / VSSI_FILTER_PART, rows, vssi_bitmap_words(rows), err};
        uint64_t *map = bitmap + first / 64;
        vssi_bitmap_fill(map, rows);
        VSSI_TRY(filter_eval_node(&run, filter->root, map, spare));
    }
    return VSS_OK;
}

vss_status vssi_filter_rows(const vssi_filter *filter, const vssi_filter_source *source, uint64_t *bitmap,
                            size_t *passing, vss_error *err)
{
    uint64_t *spare = NULL;
    *passing = 0;
    if (filter->root->kind == VSSI_PLAN_CONST) {
        bool all = filter->root->value;
        memset(bitmap, 0, vssi_bitmap_words(source->rows) * sizeof *bitmap);
        if (all)
            vssi_bitmap_fill(bitmap, source->rows);
        *passing = all ? source->rows : 0;
        return VSS_OK;
    }
    VSSI_TRY(vssi_alloc(filter->heap, filter->root->levels, 2 * VSSI_FILTER_WORDS * sizeof *spare, &spare, err));
    vss_status status = filter_eval_parts(filter, source, bitmap, spare, err);
    vssi_free(filter->heap, spare);
    VSSI_TRY(status);
    *passing = vssi_bitmap_count(bitmap, source->rows);
    return VSS_OK;
}
