/*
 * index_object.c - write and read the container's side of indexes and models
 */
#include "index_object.h"

#include <string.h>

#include "../base/fail.h"

#define INDEX_HEADER_SIZE 64
#define INDEX_NAME_SIZE 32

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

vss_status vssi_index_object_store(vssi_heap *heap, vssi_object_kind kind, const vssi_index_ops *ops,
                                   const vssi_vectors *shape, uint32_t field_id, const vssi_image *image,
                                   const vss_storage *storage, const char *prefix, const char *name,
                                   vssi_object_ref *ref, vss_error *err)
{
    vss_status status;
    uint8_t header[INDEX_HEADER_SIZE];
    vssi_object_writer *w;
    VSSI_TRY(vssi_object_writer_create(heap, kind, &w, err));
    index_header(header, ops, shape, field_id);
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
                                     uint64_t rows, const vssi_index_ops **ops, vss_error *err)
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
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: the index is not of field \"%s\" of a segment of %llu rows",
                         object->name, f->name, (unsigned long long)rows);
    return VSS_OK;
}

vss_status vssi_index_object_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                  const vssi_object_ref *ref, vssi_object_kind kind, const vssi_field *field,
                                  uint64_t rows, vssi_object **out, const vssi_index_ops **ops, vss_error *err)
{
    vss_status status;
    const void *header;
    vssi_object *object;
    *out = NULL;
    VSSI_TRY(vssi_object_open(heap, storage, prefix, ref, &object, err));
    size_t entry = vssi_object_find(object, VSSI_BLOCK_INDEX_HEADER, field->id);
    if (object->kind != kind || entry == SIZE_MAX || object->entries[entry].size != INDEX_HEADER_SIZE) {
        status = vssi_fail(err, VSS_ERR_CORRUPT, "%s: no index header", object->name);
        goto fail;
    }
    VSSI_TRY_GOTO(vssi_object_block(object, entry, &header, err), fail);
    VSSI_TRY_GOTO(index_header_check(object, header, field, rows, ops, err), fail);
    *out = object;
    return VSS_OK;
fail:
    vssi_object_close(object);
    return status;
}

vss_status vssi_index_object_blocks(vssi_object *object, const vssi_view *copy, vssi_image *blocks, vss_error *err)
{
    blocks->n_blocks = 0;
    for (size_t i = 0; i < object->n_entries; i++) {
        const vssi_object_entry *e = &object->entries[i];
        if (e->kind < 256)
            continue;
        if (blocks->n_blocks == VSSI_IMAGE_BLOCKS)
            return vssi_fail(err, VSS_ERR_CORRUPT, "%s: more than %d index blocks", object->name, VSSI_IMAGE_BLOCKS);
        vssi_block *b = &blocks->blocks[blocks->n_blocks++];
        *b = (vssi_block){.kind = e->kind, .element = e->element, .count = e->count};
        VSSI_TRY(copy == NULL || copy->data == NULL ? vssi_object_block(object, i, &b->data, err)
                                                    : vssi_object_loaded(object, i, copy, &b->data, err));
    }
    return VSS_OK;
}
