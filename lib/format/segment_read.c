/*
 * segment_read.c - a sealed segment: opened by its directory, read in place, scalar parts decoded at first use
 *
 * Opening checks that every field of the schema has blocks of the right shape, and reads STATS. A decoded part is
 * published by compare-exchange; the loser of a race frees its own. No locks. Key blocks are verified by hash, but
 * what they say (offsets, rows) is bounded at every use, and validated whole before a view of text keys is handed out.
 */
#include <assert.h>

#include "../base/text.h"
#include "limits.h"
#include "segment_private.h"

static vss_status sealed_damaged(const vssi_segment *s, size_t field, vss_error *err, const char *what)
{
    return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": field \"%s\": %s", s->object->name,
                     s->schema->fields[field].name, what);
}

/* The entry of that kind, if it has that shape. chunked: its hashes stand in another block. */
static size_t sealed_find(const vssi_segment *s, size_t field, uint32_t kind, uint64_t element, uint64_t count,
                          bool chunked)
{
    const size_t i = vssi_object_find(s->object, kind, s->schema->fields[field].id);
    if (i == SIZE_MAX || s->object->entries[i].element != element || s->object->entries[i].count != count)
        return SIZE_MAX;
    return (s->object->entries[i].hashed_by != 0) == chunked ? i : SIZE_MAX;
}

static vss_status sealed_open_vectors(vssi_segment *s, size_t field, const vssi_stats *stats, vss_error *err)
{
    const vssi_field *def = &s->schema->fields[field];
    vssi_segment_field *f = &s->fields[field];
    f->vectors_entry = sealed_find(s, field, VSSI_BLOCK_VECTORS, vssi_value_size(def->type, def->dim), s->rows,
                                   true);
    if (f->vectors_entry == SIZE_MAX)
        return sealed_damaged(s, field, err, "no vectors of its dimension for every row");
    if (def->metric == VSS_METRIC_COSINE) {
        f->norms_entry = sealed_find(s, field, VSSI_BLOCK_NORMS, sizeof(float), s->rows, false);
        if (f->norms_entry == SIZE_MAX)
            return sealed_damaged(s, field, err, "no norm for every row");
    }
    if (stats != NULL && !vssi_stats_find(stats, def->id, &f->max_norm))
        return sealed_damaged(s, field, err, "no sound greatest norm in the statistics");
    return VSS_OK;
}

static vss_status sealed_open_column(vssi_segment *s, size_t field, vss_error *err)
{
    const size_t i = vssi_object_find(s->object, VSSI_BLOCK_COLUMN, s->schema->fields[field].id);
    if (i == SIZE_MAX)
        return sealed_damaged(s, field, err, "no column");
    const vssi_object_entry *index = &s->object->entries[s->object->entries[i].hashed_by];
    if (index->element != VSSI_PART_ENTRY || index->count != vssi_segment_parts(s))
        return sealed_damaged(s, field, err, "its column has another number of parts than the rows need");
    s->fields[field].column_entry = i;
    return VSS_OK;
}

static vss_status sealed_open_keys(vssi_segment *s, vss_error *err)
{
    const size_t key = s->schema->key;
    if (s->text_keys) {
        s->keys_entry = vssi_object_find(s->object, VSSI_BLOCK_KEYS, s->schema->fields[key].id);
        s->offsets_entry = sealed_find(s, key, VSSI_BLOCK_KEY_OFFSETS, sizeof(uint64_t), (uint64_t)s->rows + 1, false);
        if (s->offsets_entry == SIZE_MAX)
            return sealed_damaged(s, key, err, "no key offsets for every row");
        if (s->keys_entry != SIZE_MAX &&
            (s->object->entries[s->keys_entry].element != 1 || s->object->entries[s->keys_entry].hashed_by != 0))
            s->keys_entry = SIZE_MAX;
    } else {
        s->keys_entry = sealed_find(s, key, VSSI_BLOCK_KEYS, sizeof(int64_t), s->rows, false);
    }
    if (s->keys_entry == SIZE_MAX)
        return sealed_damaged(s, key, err, "no keys");
    s->table_words = vssi_key_table_words(s->rows);
    s->table_entry = sealed_find(s, key, VSSI_BLOCK_KEY_TABLE, sizeof(uint32_t), s->table_words, false);
    if (s->table_entry == SIZE_MAX)
        return sealed_damaged(s, key, err, "no key table of the size that the rows need");
    s->table = vssi_object_raw(s->object, s->table_entry);
    if (s->text_keys) {
        s->texts = vssi_object_raw(s->object, s->keys_entry);
        s->texts_size = s->object->entries[s->keys_entry].size;
        s->offsets = vssi_object_raw(s->object, s->offsets_entry);
    } else {
        s->numbers = vssi_object_raw(s->object, s->keys_entry);
    }
    return VSS_OK;
}

/* stats NULL: damaged, the greatest norms stay 0. */
static vss_status sealed_open_fields(vssi_segment *s, const vssi_stats *stats, vss_error *err)
{
    for (size_t f = 0; f < s->n_fields; f++) {
        if (f == s->schema->key)
            VSSI_TRY(sealed_open_keys(s, err));
        else if (vssi_type_is_vector(s->schema->fields[f].type))
            VSSI_TRY(sealed_open_vectors(s, f, stats, err));
        else
            VSSI_TRY(sealed_open_column(s, f, err));
    }
    return VSS_OK;
}

/* The segment that an object holds; takes the object over. */
static vss_status sealed_open(vssi_heap *heap, const vssi_schema *schema, vssi_object *object, size_t rows,
                              const vssi_stats *stats, vssi_segment **out, vss_error *err)
{
    vssi_segment *s;
    vss_status status = vssi_segment_shell(heap, schema, rows, &s, err);
    if (status != VSS_OK) {
        vssi_object_close(object);
        return status;
    }
    s->object = object;
    status = sealed_open_fields(s, stats, err);
    if (status != VSS_OK) {
        vssi_segment_unref(s);
        return status;
    }
    *out = s;
    return VSS_OK;
}

static vss_status sealed_kind(const char *prefix, const vssi_object_ref *ref, vss_error *err)
{
    if (ref->kind != VSSI_OBJECT_SEGMENT)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s%s\" is no segment", prefix, ref->name);
    return VSS_OK;
}

vss_status vssi_segment_open(vssi_heap *heap, const vss_storage *storage, const char *prefix, const vssi_schema *schema,
                             const vssi_object_ref *ref, vssi_segment **out, vss_error *err)
{
    vssi_object *object;
    vssi_stats stats;
    *out = NULL;
    VSSI_TRY(sealed_kind(prefix, ref, err));
    VSSI_TRY(vssi_object_open(heap, storage, prefix, ref, &object, err));
    const vss_status status = vssi_stats_read(object, &stats, err);
    if (status != VSS_OK) {
        vssi_object_close(object);
        return status;
    }
    return sealed_open(heap, schema, object, (size_t)stats.rows, &stats, out, err);
}

vss_status vssi_segment_open_damaged(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                     const vssi_schema *schema, const vssi_object_ref *ref, size_t rows,
                                     vssi_segment **out, vss_error *err)
{
    vssi_object *object;
    *out = NULL;
    VSSI_TRY(sealed_kind(prefix, ref, err));
    VSSI_TRY(vssi_object_open_damaged(heap, storage, prefix, ref, &object, err));
    return sealed_open(heap, schema, object, rows, NULL, out, err);
}

static void sealed_part_free(vssi_heap *heap, vssi_segment_part *part)
{
    if (part != NULL)
        vssi_column_free(part->column);
    vssi_free(heap, part);
}

void vssi_segment_sealed_free(vssi_segment *segment)
{
    if (segment->object == NULL)
        return;
    for (size_t f = 0; f < segment->n_fields; f++) {
        _Atomic(vssi_segment_part *) *parts = atomic_load_explicit(&segment->fields[f].parts, memory_order_acquire);
        for (size_t p = 0; parts != NULL && p < vssi_segment_parts(segment); p++)
            sealed_part_free(segment->heap, atomic_load_explicit(&parts[p], memory_order_acquire));
        vssi_free(segment->heap, (const void *)parts);
    }
    vssi_object_close(segment->object);
}

vss_status vssi_segment_sealed_keys(vssi_segment *segment, vss_error *err)
{
    const void *data;
    VSSI_TRY(vssi_object_block(segment->object, segment->keys_entry, &data, err));
    if (segment->text_keys)
        VSSI_TRY(vssi_object_block(segment->object, segment->offsets_entry, &data, err));
    else
        vssi_segment_key_range(segment);
    return vssi_object_block(segment->object, segment->table_entry, &data, err);
}

const char *vssi_segment_keys_wrong(const vssi_segment *segment, size_t first, size_t n)
{
    const int64_t *o = segment->offsets;
    if (!segment->text_keys)
        return NULL;
    for (size_t row = first; row < first + n; row++) {
        if (o[row] < 0 || o[row + 1] <= o[row] || (uint64_t)o[row + 1] > segment->texts_size)
            return "the offsets of its keys are malformed";
        if (o[row + 1] - o[row] > VSSI_TEXT_MAX)
            return "a key is too long";
        if (!vssi_utf8_valid(segment->texts + o[row], (size_t)(o[row + 1] - o[row])))
            return "a key is not UTF-8";
    }
    return NULL;
}

/* The part's entry in COLUMN_INDEX, whose hash is verified at the first use. */
static vss_status sealed_find_part(vssi_segment *s, size_t field, size_t part, vssi_column_part *found, uint64_t *end,
                                   vss_error *err)
{
    const vssi_object_entry *column = &s->object->entries[s->fields[field].column_entry];
    const void *index;
    VSSI_TRY(vssi_object_block(s->object, column->hashed_by, &index, err));
    if (!vssi_column_part_find(column, &s->object->entries[column->hashed_by], index, part,
                               s->schema->fields[field].type, found, end) ||
        found->zone.rows != vssi_segment_part_rows(s, part))
        return sealed_damaged(s, field, err, "the index of its column is malformed");
    return VSS_OK;
}

vss_status vssi_segment_decode(vssi_segment *segment, size_t field, size_t part, vssi_column **out, vss_error *err)
{
    const vssi_object_entry *column = &segment->object->entries[segment->fields[field].column_entry];
    vssi_column_part found;
    uint64_t end;
    vss_error why = {0};
    *out = NULL;
    VSSI_TRY(sealed_find_part(segment, field, part, &found, &end, err));
    if (!vssi_column_part_good(segment->object, column, &found, end))
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": field \"%s\": part %zu is damaged",
                         segment->object->name, segment->schema->fields[field].name, part);
    const uint8_t *stored = segment->object->view.data + column->offset + found.offset;
    const vss_status status = vssi_column_part_decode(segment->heap, &segment->schema->fields[field], stored, &found,
                                                      out, &why);
    if (status == VSS_ERR_CORRUPT)
        return vssi_fail(err, status, "object \"%s\": field \"%s\": part %zu: %s", segment->object->name,
                         segment->schema->fields[field].name, part, why.message);
    if (status != VSS_OK)
        return vssi_fail(err, status, "%s", why.message);
    return VSS_OK;
}

vss_status vssi_segment_sealed_zone(vssi_segment *segment, size_t field, size_t part, vssi_zone *zone, vss_error *err)
{
    vssi_column_part found;
    uint64_t end;
    VSSI_TRY(sealed_find_part(segment, field, part, &found, &end, err));
    *zone = found.zone;
    return VSS_OK;
}

/* The published parts of a field, [parts], made at the first use. */
static vss_status sealed_parts(vssi_segment *s, size_t field, _Atomic(vssi_segment_part *) **out, vss_error *err)
{
    _Atomic(vssi_segment_part *) *parts = atomic_load_explicit(&s->fields[field].parts, memory_order_acquire);
    if (parts == NULL) {
        _Atomic(vssi_segment_part *) *fresh;
        VSSI_TRY(vssi_alloc_zero(s->heap, vssi_segment_parts(s), sizeof *fresh, &fresh, err));
        if (atomic_compare_exchange_strong_explicit(&s->fields[field].parts, &parts, fresh, memory_order_acq_rel,
                                                    memory_order_acquire))
            parts = fresh;
        else
            vssi_free(s->heap, (const void *)fresh);
    }
    *out = parts;
    return VSS_OK;
}

/* A part made for the first time: a scalar decoded, or keys validated in place. */
static vss_status sealed_make_part(vssi_segment *s, size_t field, size_t part, vssi_segment_part *made, vss_error *err)
{
    if (field != s->schema->key) {
        VSSI_TRY(vssi_segment_decode(s, field, part, &made->column, err));
        made->view = made->column->view;
        return VSS_OK;
    }
    const size_t first = part * VSSI_COLUMN_ROWS, n = vssi_segment_part_rows(s, part);
    VSSI_TRY(vssi_segment_keys_ready(s, err));
    const char *wrong = vssi_segment_keys_wrong(s, first, n);
    if (wrong != NULL)
        return sealed_damaged(s, field, err, wrong);
    const vss_column keys = vssi_segment_key_view(s);
    made->view = vssi_column_slice(&keys, first, n);
    return VSS_OK;
}

static vss_status sealed_vectors_part(vssi_segment *s, size_t field, size_t part, vss_column *view, vss_error *err)
{
    const vssi_field *def = &s->schema->fields[field];
    const size_t first = part * VSSI_COLUMN_ROWS, n = vssi_segment_part_rows(s, part);
    const uint8_t *vectors = vssi_object_raw(s->object, s->fields[field].vectors_entry);
    VSSI_TRY(vssi_segment_verify_vectors(s, field, first, n, err));
    *view = (vss_column){.struct_size = sizeof *view, .type = def->type, .dim = def->dim, .length = n,
                         .data = vectors + first * vssi_value_size(def->type, def->dim)};
    return VSS_OK;
}

vss_status vssi_segment_sealed_part(vssi_segment *segment, size_t field, size_t part, vss_column *view,
                                    vss_error *err)
{
    _Atomic(vssi_segment_part *) *parts;
    if (vssi_type_is_vector(segment->schema->fields[field].type))
        return sealed_vectors_part(segment, field, part, view, err);
    VSSI_TRY(sealed_parts(segment, field, &parts, err));
    vssi_segment_part *found = atomic_load_explicit(&parts[part], memory_order_acquire);
    if (found == NULL) {
        vssi_segment_part *fresh;
        VSSI_TRY(vssi_alloc_zero(segment->heap, 1, sizeof *fresh, &fresh, err));
        const vss_status status = sealed_make_part(segment, field, part, fresh, err);
        if (status != VSS_OK) {
            sealed_part_free(segment->heap, fresh);
            return status;
        }
        if (atomic_compare_exchange_strong_explicit(&parts[part], &found, fresh, memory_order_acq_rel,
                                                    memory_order_acquire))
            found = fresh;
        else
            sealed_part_free(segment->heap, fresh);
    }
    *view = found->view;
    return VSS_OK;
}
