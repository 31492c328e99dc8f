/*
 * scan.c - every live row that matches a filter, in batches
 *
 * The filter is evaluated over all segments before the first batch, so that the number of rows is known; a batch may
 * hold rows of several segments. Cost: a bitmap of all rows and one batch. Locks: none beyond taking the snapshot, so
 * the callback may use the collection.
 */
#include "../base/bitmap.h"
#include "collection.h"
#include "result.h"

#define SCAN_BATCH 4096u

typedef struct scan_run {
    vss_collection *col;
    const vssi_snapshot *snapshot;
    vssi_filter *filter;     /* NULL: every row */
    uint64_t **matching;     /* [parts] live rows that match */
    uint64_t total;
    size_t fields[VSS_MAX_FIELDS];
    size_t n_fields;
    vssi_place *places;      /* [batch] */
    size_t n_places, batch;
    vss_scan_fn fn;
    void *state;
} scan_run;

static vss_status scan_match(scan_run *run, size_t part, vss_error *err)
{
    const vssi_part *p = &run->snapshot->parts[part];
    const size_t rows = vssi_segment_rows(p->segment);
    size_t passing;
    uint64_t *bitmap;
    VSSI_TRY(vssi_alloc_zero(&run->col->db->heap, vssi_bitmap_words(rows), sizeof *bitmap, &bitmap, err));
    run->matching[part] = bitmap;
    if (run->filter != NULL)
        VSSI_TRY(vssi_part_filter(p, run->filter, bitmap, &passing, err));
    else
        vssi_bitmap_fill(bitmap, rows);
    if (p->deleted != NULL)
        vssi_bitmap_subtract(bitmap, p->deleted->words, rows);
    run->total += vssi_bitmap_count(bitmap, rows);
    return VSS_OK;
}

/* Hand the places gathered to the caller. */
static vss_status scan_hand(scan_run *run, vss_error *err)
{
    vss_result *result;
    if (run->n_places == 0)
        return VSS_OK;
    VSSI_TRY(vssi_result_create(run->col->db, 1, &result, err));
    result->offsets[1] = (int64_t)run->n_places;
    vss_status status = vssi_result_fill(result, vssi_collection_fields(run->col), run->snapshot, run->places,
                                         run->n_places, false, false, run->fields, run->n_fields, err);
    if (status == VSS_OK && run->fn(run->state, result, run->total) != 0)
        status = vssi_fail(err, VSS_ERR_CANCELLED, "the scan was cancelled");
    vssi_result_free(result);
    run->n_places = 0;
    return status;
}

static vss_status scan_part(scan_run *run, size_t part, vss_error *err)
{
    const size_t rows = vssi_segment_rows(run->snapshot->parts[part].segment);
    for (size_t row = 0; row < rows; row++) {
        if (!vssi_bitmap_get(run->matching[part], row))
            continue;
        run->places[run->n_places++] = (vssi_place){0, (uint32_t)part, (uint32_t)row};
        if (run->n_places == run->batch)
            VSSI_TRY(scan_hand(run, err));
    }
    return VSS_OK;
}

static vss_status scan_all(scan_run *run, const vss_scan_options *options, vss_error *err)
{
    vssi_heap *heap = &run->col->db->heap;
    const vssi_snapshot *s = run->snapshot;
    if (options->filter != NULL)
        VSSI_TRY(vssi_filter_compile(heap, vssi_collection_fields(run->col), options->filter, &run->filter, err));
    VSSI_TRY(vssi_alloc(heap, run->batch, sizeof *run->places, &run->places, err));
    VSSI_TRY(vssi_alloc_zero(heap, s->n_parts, sizeof *run->matching, &run->matching, err));
    VSSI_TRY(vssi_snapshot_keys_ready(s, err));
    for (size_t p = 0; p < s->n_parts; p++)
        VSSI_TRY(scan_match(run, p, err));
    for (size_t p = 0; p < s->n_parts; p++)
        VSSI_TRY(scan_part(run, p, err));
    return scan_hand(run, err);
}

vss_status vssi_collection_scan(vss_collection *col, const vss_scan_options *options, vss_scan_fn fn, void *state,
                                vss_error *err)
{
    scan_run run = {.col = col, .fn = fn, .state = state, .n_fields = options->n_fields};
    vssi_heap *heap = &col->db->heap;
    run.batch = options->batch_rows == 0 ? SCAN_BATCH : options->batch_rows;
    VSSI_TRY(vssi_result_fields(vssi_collection_fields(col), options->fields, options->n_fields, run.fields, err));
    vssi_snapshot *s = vssi_collection_snapshot(col);
    run.snapshot = s;
    vss_status status = scan_all(&run, options, err);
    for (size_t p = 0; run.matching != NULL && p < s->n_parts; p++)
        vssi_free(heap, run.matching[p]);
    vssi_free(heap, run.matching);
    vssi_free(heap, run.places);
    vssi_filter_free(run.filter);
    vssi_snapshot_unref(s);
    return status;
}
