/*
 * segment_open.c - a sealed segment opened by its directory
 *
 * Every field of the schema must have blocks of the right shape; of their contents only STATS is read. No locks.
 */
#include "segment_private.h"

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
        return vssi_segment_damaged(s, field, err, "no vectors of its dimension for every row");
    if (def->metric == VSS_METRIC_COSINE) {
        f->norms_entry = sealed_find(s, field, VSSI_BLOCK_NORMS, sizeof(float), s->rows, false);
        if (f->norms_entry == SIZE_MAX)
            return vssi_segment_damaged(s, field, err, "no norm for every row");
    }
    if (stats != NULL && !vssi_stats_find(stats, def->id, &f->max_norm))
        return vssi_segment_damaged(s, field, err, "no sound greatest norm in the statistics");
    return VSS_OK;
}

static vss_status sealed_open_column(vssi_segment *s, size_t field, vss_error *err)
{
    const size_t i = vssi_object_find(s->object, VSSI_BLOCK_COLUMN, s->schema->fields[field].id);
    if (i == SIZE_MAX)
        return vssi_segment_damaged(s, field, err, "no column");
    const vssi_object_entry *index = &s->object->entries[s->object->entries[i].hashed_by];
    if (index->element != VSSI_PART_ENTRY || index->count != vssi_segment_parts(s))
        return vssi_segment_damaged(s, field, err, "its column has another number of parts than the rows need");
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
            return vssi_segment_damaged(s, key, err, "no key offsets for every row");
        if (s->keys_entry != SIZE_MAX &&
            (s->object->entries[s->keys_entry].element != 1 || s->object->entries[s->keys_entry].hashed_by != 0))
            s->keys_entry = SIZE_MAX;
    } else {
        s->keys_entry = sealed_find(s, key, VSSI_BLOCK_KEYS, sizeof(int64_t), s->rows, false);
    }
    if (s->keys_entry == SIZE_MAX)
        return vssi_segment_damaged(s, key, err, "no keys");
    s->table_words = vssi_key_table_words(s->rows);
    s->table_entry = sealed_find(s, key, VSSI_BLOCK_KEY_TABLE, sizeof(uint32_t), s->table_words, false);
    if (s->table_entry == SIZE_MAX)
        return vssi_segment_damaged(s, key, err, "no key table of the size that the rows need");
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
