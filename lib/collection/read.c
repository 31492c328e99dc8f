/*
 * read.c - rows by key, counts, figures; a filter over one part
 *
 * Locks: none beyond taking the snapshot.
 */
#include <string.h>

#include "../base/bitmap.h"
#include "collection.h"
#include "journal.h"
#include "result.h"

static vss_status read_column(void *state, size_t field, size_t part, vss_column *view, vss_error *err)
{
    return vssi_segment_column(state, field, part, view, err);
}

static vss_status read_zone(void *state, size_t field, size_t part, vssi_zone *zone, vss_error *err)
{
    return vssi_segment_zone(state, field, part, zone, err);
}

vss_status vssi_part_filter(const vssi_part *part, const vssi_filter *filter, uint64_t *bitmap, size_t *passing,
                            vss_error *err)
{
    vssi_filter_source source = {part->segment, vssi_segment_rows(part->segment), read_column, read_zone};
    return vssi_filter_rows(filter, &source, bitmap, passing, err);
}

static vss_status read_places(const vssi_snapshot *s, const vss_column *keys, vss_result *result, vssi_place *places,
                              size_t *n, vss_error *err)
{
    VSSI_TRY(vssi_snapshot_keys_ready(s, err));
    *n = 0;
    for (size_t i = 0; i < keys->length; i++) {
        vssi_key key = vssi_key_of(keys, i);
        size_t part, row;
        if (vssi_snapshot_find(s, &key, &part, &row))
            places[(*n)++] = (vssi_place){0, (uint32_t)part, (uint32_t)row};
        result->offsets[i + 1] = (int64_t)*n;
    }
    return VSS_OK;
}

vss_status vssi_collection_get(vss_collection *col, const vss_column *keys, const char *const *names, size_t n_fields,
                               vss_result **out, vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    vss_status status;
    vss_result *result;
    vssi_place *places = NULL;
    size_t fields[VSS_MAX_FIELDS], n;
    VSSI_TRY(vssi_keys_check(schema, keys, err));
    VSSI_TRY(vssi_result_fields(schema, names, n_fields, fields, err));
    VSSI_TRY(vssi_result_create(col->db, (size_t)keys->length, &result, err));
    vssi_snapshot *s = vssi_collection_snapshot(col);
    VSSI_TRY_GOTO(vssi_alloc(&col->db->heap, (size_t)keys->length, sizeof *places, &places, err), fail);
    VSSI_TRY_GOTO(read_places(s, keys, result, places, &n, err), fail);
    VSSI_TRY_GOTO(vssi_result_fill(result, schema, s, places, n, false, false, fields, n_fields, err), fail);
    vssi_snapshot_unref(s);
    vssi_free(&col->db->heap, places);
    *out = result;
    return VSS_OK;
fail:
    vssi_snapshot_unref(s);
    vssi_free(&col->db->heap, places);
    vssi_result_free(result);
    return status;
}

static vss_status read_count_part(const vssi_part *part, const vssi_filter *filter, vssi_heap *heap, uint64_t *count,
                                  vss_error *err)
{
    size_t rows = vssi_segment_rows(part->segment), passing;
    uint64_t *bitmap;
    VSSI_TRY(vssi_alloc(heap, vssi_bitmap_words(rows), sizeof *bitmap, &bitmap, err));
    vss_status status = vssi_part_filter(part, filter, bitmap, &passing, err);
    if (status == VSS_OK && part->deleted != NULL) {
        vssi_bitmap_subtract(bitmap, part->deleted->words, rows);
        passing = vssi_bitmap_count(bitmap, rows);
    }
    if (status == VSS_OK)
        *count += passing;
    vssi_free(heap, bitmap);
    return status;
}

vss_status vssi_collection_count(vss_collection *col, const char *text, uint64_t *count, vss_error *err)
{
    vss_status status = VSS_OK;
    vssi_filter *filter;
    uint64_t total = 0;
    vssi_snapshot *s = vssi_collection_snapshot(col);
    if (text == NULL) {
        *count = vssi_snapshot_live(s);
        vssi_snapshot_unref(s);
        return VSS_OK;
    }
    status = vssi_filter_compile(&col->db->heap, vssi_collection_fields(col), text, &filter, err);
    if (status == VSS_OK) {
        for (size_t i = 0; i < s->n_parts && status == VSS_OK; i++)
            status = read_count_part(&s->parts[i], filter, &col->db->heap, &total, err);
        vssi_filter_free(filter);
    }
    vssi_snapshot_unref(s);
    if (status == VSS_OK)
        *count = total;
    return status;
}

static uint64_t read_object_bytes(const vssi_manifest *m)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->n_segments; i++) {
        const vssi_manifest_segment *g = &m->segments[i];
        bytes += g->object.size + (g->deletes.name != NULL ? g->deletes.size : 0);
        for (size_t j = 0; j < g->n_indexes; j++)
            bytes += g->indexes[j].object.size;
    }
    for (size_t i = 0; i < m->n_definitions; i++)
        bytes += m->definitions[i].model.name != NULL ? m->definitions[i].model.size : 0;
    return bytes;
}

vss_status vssi_collection_stats(vss_collection *col, vss_collection_stats *stats, vss_error *err)
{
    (void)err;
    vssi_mutex_lock(&col->write_mutex);
    const vssi_snapshot *s = col->snapshot;
    uint64_t total = 0, growing = 0;
    for (size_t i = 0; i < s->n_parts; i++) {
        total += vssi_segment_rows(s->parts[i].segment);
        if (i >= s->n_sealed)
            growing += vssi_part_live(&s->parts[i]);
    }
    stats->rows = vssi_snapshot_live(s);
    stats->deleted = total - stats->rows;
    stats->segments = s->n_sealed + (s->n_parts > s->n_sealed);
    stats->growing = growing;
    stats->version = col->manifest->version;
    stats->sequence = col->sequence;
    stats->bytes = read_object_bytes(col->manifest) + col->manifest_bytes + vssi_journal_bytes(col);
    vssi_mutex_unlock(&col->write_mutex);
    vssi_mutex_lock(&col->background_mutex);
    stats->background = col->background_status;
    vssi_mutex_unlock(&col->background_mutex);
    return VSS_OK;
}
