/*
 * segment_index.c - make, store, open and check the index of one field of one segment
 *
 * The object's first block after the container's header is the INDEX_HEADER (docs/format.md); the type's own blocks
 * follow in the order the type made them.
 */
#include "segment_index.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "../base/fail.h"

#define INDEX_HEADER_SIZE 64
#define INDEX_NAME_SIZE 32
#define INDEX_MAX_BLOCKS VSSI_IMAGE_BLOCKS
#define INDEX_OFTEN 1000u /* searches */

static void index_pick(const vssi_vectors *vectors, const uint32_t *rows, size_t n)
{
    vssi_segment_pick(vectors->owner, vectors->field, rows, n);
}

vss_status vssi_vectors_of(vssi_segment *segment, const vssi_schema *schema, size_t field, vssi_vectors *out,
                           vss_error *err)
{
    const vssi_field *f = &schema->fields[field];
    *out = (vssi_vectors){.rows = vssi_segment_rows(segment), .dim = f->dim, .type = f->type, .metric = f->metric,
                          .pick = index_pick, .owner = segment, .field = field};
    vssi_vectors_bind(out);
    return vssi_segment_vectors(segment, field, &out->data, &out->inverse_norms, &out->max_norm, err);
}

static void index_header(uint8_t *header, const vssi_index_ops *ops, const vssi_vectors *v, uint32_t field_id)
{
    memset(header, 0, INDEX_HEADER_SIZE);
    memcpy(header, ops->name, strlen(ops->name));
    vssi_store32(header + 32, ops->format);
    vssi_store32(header + 36, field_id);
    vssi_store64(header + 40, v->rows);
    vssi_store32(header + 48, v->dim);
    vssi_store32(header + 52, (uint32_t)v->metric);
    vssi_store32(header + 56, (uint32_t)v->type);
}

vss_status vssi_segment_index_store(vssi_heap *heap, const vssi_index_ops *ops, const vssi_vectors *vectors,
                                    uint32_t field_id, const vssi_image *image, const vss_storage *storage,
                                    const char *prefix, const char *name, vssi_object_ref *ref, vss_error *err)
{
    vss_status status;
    uint8_t header[INDEX_HEADER_SIZE];
    vssi_object_writer *w;
    VSSI_TRY(vssi_object_writer_create(heap, VSSI_OBJECT_INDEX, &w, err));
    index_header(header, ops, vectors, field_id);
    vss_span part = {header, sizeof header};
    VSSI_TRY_GOTO(vssi_object_add(w, VSSI_BLOCK_INDEX_HEADER, field_id, 1, sizeof header, &part, 1, NULL, err), out);
    for (size_t i = 0; i < image->n_blocks; i++) {
        const vssi_block *b = &image->blocks[i];
        part = (vss_span){b->data, (size_t)(b->count * b->element)};
        VSSI_TRY_GOTO(vssi_object_add(w, b->kind, field_id, b->element, b->count, &part, 1, NULL, err), out);
    }
    status = vssi_object_put(w, storage, prefix, name, ref, err);
out:
    vssi_object_writer_free(w);
    return status;
}

static vss_status index_header_check(const vssi_object *object, const uint8_t *header, const vssi_field *f,
                                     size_t rows, const vssi_index_ops **ops, vss_error *err)
{
    char name[INDEX_NAME_SIZE + 1] = {0};
    memcpy(name, header, INDEX_NAME_SIZE);
    *ops = vssi_index_type_find(name);
    if (*ops == NULL || (*ops)->open == NULL)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT,
                         "%s: unknown index type \"%.32s\": it is a newer library's, or a plug-in's that is not loaded",
                         object->name, name);
    if (vssi_load32(header + 32) > (*ops)->format)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT, "%s: %s format %u, this library reads up to %u", object->name, name,
                         vssi_load32(header + 32), (*ops)->format);
    if (vssi_load32(header + 36) != f->id || vssi_load64(header + 40) != rows || vssi_load32(header + 48) != f->dim ||
        vssi_load32(header + 52) != (uint32_t)f->metric || vssi_load32(header + 56) != (uint32_t)f->type)
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: the index is not of field \"%s\" of a segment of %zu rows",
                         object->name, f->name, rows);
    return VSS_OK;
}

vss_status vssi_segment_index_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                   const vssi_object_ref *ref, const vssi_schema *schema, size_t field, size_t rows,
                                   vssi_segment_index **out, vss_error *err)
{
    vss_status status;
    vssi_object *object;
    vssi_segment_index *index;
    const void *header;
    const vssi_index_ops *ops = NULL;
    *out = NULL;
    VSSI_TRY(vssi_object_open(heap, storage, prefix, ref, &object, err));
    size_t entry = vssi_object_find(object, VSSI_BLOCK_INDEX_HEADER, schema->fields[field].id);
    if (object->kind != VSSI_OBJECT_INDEX || entry == SIZE_MAX || object->entries[entry].size != INDEX_HEADER_SIZE) {
        status = vssi_fail(err, VSS_ERR_CORRUPT, "%s: no index header", object->name);
        goto fail;
    }
    VSSI_TRY_GOTO(vssi_object_block(object, entry, &header, err), fail);
    VSSI_TRY_GOTO(index_header_check(object, header, &schema->fields[field], rows, &ops, err), fail);
    VSSI_TRY_GOTO(vssi_alloc_zero(heap, 1, sizeof *index, &index, err), fail);
    index->heap = heap;
    atomic_init(&index->refs, 1);
    index->field = field;
    index->ops = ops;
    index->object = object;
    vssi_mutex_init(&index->mutex);
    *out = index;
    return VSS_OK;
fail:
    vssi_object_close(object);
    return status;
}

vss_status vssi_segment_index_make(const vssi_build *build, const vssi_index_ops *ops, size_t field,
                                   vssi_segment_index **out, vss_error *err)
{
    vssi_segment_index *index;
    void *opened;
    vss_status status;
    *out = NULL;
    VSSI_TRY(vssi_alloc_zero(build->heap, 1, sizeof *index, &index, err));
    VSSI_TRY_GOTO(ops->build(build, &index->image, err), fail);
    if (index->image.n_blocks == 0)
        goto fail;
    const vssi_image *image = &index->image;
    VSSI_TRY_GOTO(ops->open(build->heap, image->blocks, image->n_blocks, build->vectors, &opened, err), fail);
    index->heap = build->heap;
    atomic_init(&index->refs, 1);
    index->field = field;
    index->ops = ops;
    atomic_init(&index->opened, opened);
    vssi_mutex_init(&index->mutex);
    *out = index;
    return VSS_OK;
fail:
    vssi_image_free(build->heap, &index->image);
    vssi_free(build->heap, index);
    return status;
}

vssi_segment_index *vssi_segment_index_ref(vssi_segment_index *index)
{
    atomic_fetch_add(&index->refs, 1);
    return index;
}

void vssi_segment_index_unref(vssi_segment_index *index)
{
    if (index == NULL || atomic_fetch_sub(&index->refs, 1) != 1)
        return;
    void *opened = atomic_load(&index->opened);
    if (opened != NULL)
        index->ops->free(opened);
    if (index->mapped != NULL)
        index->ops->free(index->mapped);
    if (index->object != NULL)
        vssi_view_close(index->object->storage, index->heap, &index->copy);
    vssi_object_close(index->object);
    vssi_image_free(index->heap, &index->image);
    vssi_mutex_destroy(&index->mutex);
    vssi_free(index->heap, index);
}

/* The type's blocks, verified, in the copy where there is one. */
static vss_status index_blocks(vssi_segment_index *index, vssi_block *blocks, size_t *n_blocks, vss_error *err)
{
    vssi_object *object = index->object;
    *n_blocks = 0;
    for (size_t i = 0; i < object->n_entries; i++) {
        const vssi_object_entry *e = &object->entries[i];
        if (e->kind < 256)
            continue;
        if (*n_blocks == INDEX_MAX_BLOCKS)
            return vssi_fail(err, VSS_ERR_CORRUPT, "%s: more than %d index blocks", object->name, INDEX_MAX_BLOCKS);
        vssi_block *b = &blocks[(*n_blocks)++];
        *b = (vssi_block){.kind = e->kind, .element = e->element, .count = e->count};
        VSSI_TRY(index->copy.data == NULL ? vssi_object_block(object, i, &b->data, err)
                                          : vssi_object_loaded(object, i, &index->copy, &b->data, err));
    }
    return VSS_OK;
}

static vss_status index_open(vssi_segment_index *index, const vssi_vectors *vectors, void **opened, vss_error *err)
{
    vssi_block blocks[INDEX_MAX_BLOCKS];
    size_t n_blocks;
    *opened = NULL;
    VSSI_TRY(index_blocks(index, blocks, &n_blocks, err));
    return index->ops->open(index->heap, blocks, n_blocks, vectors, opened, err);
}

/* True once: when searches of a stored index have come often. */
static bool index_often(vssi_segment_index *index)
{
    if (index->object == NULL || !index->ops->scattered ||
        atomic_load_explicit(&index->asked, memory_order_relaxed) > INDEX_OFTEN)
        return false;
    return atomic_fetch_add_explicit(&index->asked, 1, memory_order_relaxed) == INDEX_OFTEN;
}

/* Open the index anew on a copy in memory. Whatever is in the way, what is open serves on. With the mutex held. */
static void index_copy(vssi_segment_index *index, const vssi_vectors *vectors)
{
    vss_error ignored;
    void *opened;
    if (vssi_object_load(index->object, &index->copy, &ignored) != VSS_OK || index->copy.data == NULL)
        return;
    if (index_open(index, vectors, &opened, &ignored) != VSS_OK) {
        vssi_view_close(index->object->storage, index->heap, &index->copy);
        return;
    }
    index->mapped = atomic_load(&index->opened);
    atomic_store_explicit(&index->opened, opened, memory_order_release);
    vssi_view_rest(index->object->storage, &index->object->view, 0, index->object->view.size);
}

vss_status vssi_segment_index_get(vssi_segment_index *index, const vssi_vectors *vectors, const void **opened,
                                  vss_error *err)
{
    vss_status status = VSS_OK;
    void *ready = atomic_load_explicit(&index->opened, memory_order_acquire);
    bool often = index_often(index);
    if (ready == NULL || often) {
        vssi_mutex_lock(&index->mutex);
        ready = atomic_load(&index->opened);
        if (ready == NULL)
            status = index_open(index, vectors, &ready, err);
        if (status == VSS_OK)
            atomic_store_explicit(&index->opened, ready, memory_order_release);
        if (status == VSS_OK && often)
            index_copy(index, vectors);
        ready = status == VSS_OK ? atomic_load(&index->opened) : NULL;
        vssi_mutex_unlock(&index->mutex);
    }
    *opened = ready;
    return status;
}

typedef struct index_fault_relay {
    const char *object;
    vssi_fault_fn fn;
    void *state;
} index_fault_relay;

static void index_fault(void *state, const char *line)
{
    index_fault_relay *relay = state;
    if (relay->fn != NULL)
        relay->fn(relay->state, relay->object, line);
}

uint64_t vssi_segment_index_check(vssi_segment_index *index, const vssi_vectors *vectors, vssi_fault_fn fn, void *state)
{
    index_fault_relay relay = {index->object->name, fn, state};
    uint64_t faults = vssi_object_check(index->object, fn, state);
    const void *opened;
    vss_error err;
    if (faults > 0 || index->ops->trusting)
        return faults;
    if (vssi_segment_index_get(index, vectors, &opened, &err) != VSS_OK) {
        index_fault(&relay, err.message);
        return 1;
    }
    return index->ops->validate == NULL ? 0 : index->ops->validate(opened, index_fault, &relay);
}
