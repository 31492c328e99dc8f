/*
 * segment_index.c - make, open and check the index of one field of one segment
 */
#include "segment_index.h"

#include "../base/fail.h"
#include "index_object.h"

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

vss_status vssi_segment_index_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                   const vssi_object_ref *ref, const vssi_schema *schema, size_t field, size_t rows,
                                   vssi_segment_index **out, vss_error *err)
{
    vssi_object *object;
    vssi_segment_index *index;
    const vssi_index_ops *ops = NULL;
    *out = NULL;
    VSSI_TRY(vssi_index_object_open(heap, storage, prefix, ref, VSSI_OBJECT_INDEX, &schema->fields[field], rows,
                                    &object, &ops, err));
    vss_status status = vssi_alloc_zero(heap, 1, sizeof *index, &index, err);
    if (status != VSS_OK) {
        vssi_object_close(object);
        return status;
    }
    index->heap = heap;
    atomic_init(&index->refs, 1);
    index->field = field;
    index->ops = ops;
    index->object = object;
    vssi_mutex_init(&index->mutex);
    *out = index;
    return VSS_OK;
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
    vssi_device_forget(&index->places);
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

static vss_status index_open(vssi_segment_index *index, const vssi_vectors *vectors, void **opened, vss_error *err)
{
    vssi_image blocks;
    *opened = NULL;
    VSSI_TRY(vssi_index_object_blocks(index->object, &index->copy, &blocks, err));
    return index->ops->open(index->heap, blocks.blocks, blocks.n_blocks, vectors, opened, err);
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
