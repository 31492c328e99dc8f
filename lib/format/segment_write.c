/*
 * segment_write.c - seal a memory segment: the same rows as one immutable object
 *
 * Vectors, norms and keys are handed to the storage from where they lie; scalar columns are compressed into memory
 * first. Cost: one pass for hashing, one for compression, one for storing. No locks. Nothing but the rows decides the
 * bytes.
 */
#include <assert.h>
#include <string.h>

#include "segment_private.h"

/* Compressed columns, kept until the object is put. */
typedef struct segment_images {
    vssi_writer *data;  /* [n_fields] */
    vssi_writer *index; /* [n_fields] */
} segment_images;

static vss_status segment_add(vssi_object_writer *w, uint32_t kind, uint32_t field, size_t element, uint64_t count,
                              const void *data, vss_error *err)
{
    const vss_span span = {data, element * (size_t)count};
    return vssi_object_add(w, kind, field, (uint32_t)element, count, &span, 1, NULL, err);
}

static vss_status segment_add_vectors(const vssi_segment *s, size_t field, vssi_object_writer *w, vss_error *err)
{
    const vssi_field *def = &s->schema->fields[field];
    const size_t row = vssi_value_size(def->type, def->dim);
    const vss_span span = {s->fields[field].column->view.data, row * s->rows};
    VSSI_TRY(vssi_object_add_chunked(w, VSSI_BLOCK_VECTORS, def->id, (uint32_t)row, s->rows, &span, 1, NULL, err));
    if (s->fields[field].norms == NULL)
        return VSS_OK;
    return segment_add(w, VSSI_BLOCK_NORMS, def->id, sizeof(float), s->rows, s->fields[field].norms, err);
}

static vss_status segment_add_keys(const vssi_segment *s, vssi_object_writer *w, vss_error *err)
{
    const uint32_t id = s->schema->fields[s->schema->key].id;
    if (s->text_keys) {
        VSSI_TRY(segment_add(w, VSSI_BLOCK_KEYS, id, 1, s->texts_size, s->texts, err));
        VSSI_TRY(segment_add(w, VSSI_BLOCK_KEY_OFFSETS, id, sizeof *s->offsets, s->rows + 1, s->offsets, err));
    } else {
        VSSI_TRY(segment_add(w, VSSI_BLOCK_KEYS, id, sizeof *s->numbers, s->rows, s->numbers, err));
    }
    return segment_add(w, VSSI_BLOCK_KEY_TABLE, id, sizeof *s->table, s->table_words, s->table, err);
}

static vss_status segment_add_column(const vssi_segment *s, size_t field, vssi_object_writer *w,
                                     segment_images *images, vss_error *err)
{
    const vssi_field *def = &s->schema->fields[field];
    vssi_writer *data = &images->data[field], *index = &images->index[field];
    *data = *index = (vssi_writer){.heap = s->heap, .err = err};
    VSSI_TRY(vssi_column_encode(&s->fields[field].column->view, (def->flags & VSS_FIELD_NULLABLE) != 0,
                                vssi_object_writer_offset(w), data, index, err));
    VSSI_TRY(segment_add(w, VSSI_BLOCK_COLUMN, def->id, 1, data->size, data->data, err));
    return segment_add(w, VSSI_BLOCK_COLUMN_INDEX, def->id, VSSI_PART_ENTRY, index->size / VSSI_PART_ENTRY,
                       index->data, err);
}

static vss_status segment_add_fields(const vssi_segment *s, vssi_object_writer *w, segment_images *images,
                                     vss_error *err)
{
    for (size_t f = 0; f < s->n_fields; f++) {
        if (f == s->schema->key)
            VSSI_TRY(segment_add_keys(s, w, err));
        else if (vssi_type_is_vector(s->schema->fields[f].type))
            VSSI_TRY(segment_add_vectors(s, f, w, err));
        else
            VSSI_TRY(segment_add_column(s, f, w, images, err));
    }
    return VSS_OK;
}

static vss_status segment_pack_stats(const vssi_segment *s, vssi_writer *stats)
{
    uint32_t vectors = 0;
    for (size_t f = 0; f < s->n_fields; f++)
        vectors += vssi_type_is_vector(s->schema->fields[f].type);
    vssi_stats_begin(stats, s->rows, vectors);
    for (size_t f = 0; f < s->n_fields; f++)
        if (vssi_type_is_vector(s->schema->fields[f].type))
            vssi_stats_norm(stats, s->schema->fields[f].id, s->fields[f].max_norm);
    return stats->status;
}

static void segment_images_free(const vssi_segment *s, segment_images *images)
{
    for (size_t f = 0; f < s->n_fields; f++) {
        if (images->data != NULL)
            vssi_free(s->heap, images->data[f].data);
        if (images->index != NULL)
            vssi_free(s->heap, images->index[f].data);
    }
    vssi_free(s->heap, images->data);
    vssi_free(s->heap, images->index);
}

vss_status vssi_segment_write(vssi_segment *segment, const vss_storage *storage, const char *prefix, const char *name,
                              vssi_object_ref *ref, vss_error *err)
{
    vssi_segment *s = segment;
    segment_images images = {0};
    vssi_writer stats = {.heap = s->heap, .err = err};
    vssi_object_writer *w = NULL;
    vss_status status;
    assert(s->object == NULL);
    *ref = (vssi_object_ref){.kind = VSSI_OBJECT_SEGMENT};
    VSSI_TRY_GOTO(vssi_alloc_zero(s->heap, s->n_fields, sizeof *images.data, &images.data, err), done);
    VSSI_TRY_GOTO(vssi_alloc_zero(s->heap, s->n_fields, sizeof *images.index, &images.index, err), done);
    VSSI_TRY_GOTO(vssi_object_writer_create(s->heap, VSSI_OBJECT_SEGMENT, &w, err), done);
    VSSI_TRY_GOTO(segment_add_fields(s, w, &images, err), done);
    VSSI_TRY_GOTO(segment_pack_stats(s, &stats), done);
    VSSI_TRY_GOTO(segment_add(w, VSSI_BLOCK_STATS, 0, 1, stats.size, stats.data, err), done);
    status = vssi_object_put(w, storage, prefix, name, ref, err);
done:
    vssi_object_writer_free(w);
    segment_images_free(s, &images);
    vssi_free(s->heap, stats.data);
    return status;
}
