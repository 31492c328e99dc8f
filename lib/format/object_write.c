/*
 * object_write.c - put blocks, directory and trailer together and create the object in one piece
 *
 * Blocks are borrowed and hashed as they are added; nothing is copied but the hashes. Cost: one pass over the bytes for
 * hashing and one for storing. One thread a writer, no locks.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "../base/bytes.h"
#include "../base/fail.h"
#include "object_private.h"

struct vssi_object_writer {
    vssi_heap *heap;
    vssi_object_kind kind;
    uint8_t header[VSSI_OBJECT_HEADER];
    uint64_t offset;              /* of the next block */
    size_t n_entries, entries_capacity;
    vssi_object_entry *entries;
    size_t n_parts, parts_capacity;
    vss_span *parts;              /* of the blocks so far, padding included */
    size_t n_owned, owned_capacity;
    uint64_t **owned;             /* chunk hashes */
};

static const uint8_t object_zeros[VSSI_OBJECT_ALIGN];

void vssi_object_header(vssi_object_kind kind, uint8_t out[VSSI_OBJECT_HEADER])
{
    memset(out, 0, VSSI_OBJECT_HEADER);
    memcpy(out, VSSI_OBJECT_MAGIC, VSSI_OBJECT_MAGIC_SIZE);
    vssi_store16(out + 8, VSSI_FORMAT_MAJOR);
    vssi_store16(out + 10, VSSI_FORMAT_MINOR);
    vssi_store32(out + 12, (uint32_t)kind);
}

vss_status vssi_object_full_name(const char *prefix, const char *name, char *out, vss_error *err)
{
    const int size = snprintf(out, VSSI_OBJECT_NAME_MAX + 1, "%s%s", prefix, name);
    if (size < 0 || (size_t)size > VSSI_OBJECT_NAME_MAX)
        return vssi_fail(err, VSS_ERR_INVALID, "object name \"%.80s...\" has more than %u bytes", out,
                         VSSI_OBJECT_NAME_MAX);
    return VSS_OK;
}

vss_status vssi_object_writer_create(vssi_heap *heap, vssi_object_kind kind, vssi_object_writer **out, vss_error *err)
{
    vssi_object_writer *w;
    *out = NULL;
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *w, &w, err));
    w->heap = heap;
    w->kind = kind;
    vssi_object_header(kind, w->header);
    const vss_span header = {w->header, sizeof w->header};
    const vss_status status = vssi_object_add(w, VSSI_BLOCK_HEADER, 0, 1, sizeof w->header, &header, 1, NULL, err);
    if (status != VSS_OK) {
        vssi_object_writer_free(w);
        return status;
    }
    *out = w;
    return VSS_OK;
}

void vssi_object_writer_free(vssi_object_writer *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n_owned; i++)
        vssi_free(w->heap, w->owned[i]);
    vssi_free(w->heap, w->owned);
    vssi_free(w->heap, w->entries);
    vssi_free(w->heap, w->parts);
    vssi_free(w->heap, w);
}

uint64_t vssi_object_writer_offset(const vssi_object_writer *w)
{
    return w->offset;
}

/* Room for n more elements of an array that doubles. */
static vss_status object_room(vssi_heap *heap, void *array, size_t have, size_t *capacity, size_t n, size_t size,
                              vss_error *err)
{
    if (have + n <= *capacity)
        return VSS_OK;
    const size_t wanted = vssi_max(have + n, 2 * *capacity);
    VSSI_TRY(vssi_realloc(heap, wanted, size, array, err));
    *capacity = wanted;
    return VSS_OK;
}

static uint64_t object_size_of(const vss_span *parts, size_t n_parts)
{
    uint64_t size = 0;
    for (size_t i = 0; i < n_parts; i++)
        size += parts[i].size;
    return size;
}

/* Keep entry and parts of a block of e->size bytes. */
static vss_status object_keep(vssi_object_writer *w, vssi_object_entry *e, const vss_span *parts, size_t n_parts,
                              vss_error *err)
{
    if (w->n_entries == VSSI_OBJECT_ENTRIES_MAX)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "an object has at most %u blocks", VSSI_OBJECT_ENTRIES_MAX);
    VSSI_TRY(object_room(w->heap, &w->entries, w->n_entries, &w->entries_capacity, 1, sizeof *w->entries, err));
    VSSI_TRY(object_room(w->heap, &w->parts, w->n_parts, &w->parts_capacity, n_parts + 1, sizeof *w->parts, err));
    w->entries[w->n_entries++] = *e;
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].size > 0)
            w->parts[w->n_parts++] = parts[i];
    const size_t padding = (size_t)(vssi_object_padded(e->size) - e->size);
    if (padding > 0)
        w->parts[w->n_parts++] = (vss_span){object_zeros, padding};
    w->offset += e->size + padding;
    return VSS_OK;
}

/* Bytes [begin, end) of the padded block as pieces [n_parts + 1]; returns how many. */
static size_t object_pieces(const vss_span *parts, size_t n_parts, uint64_t begin, uint64_t end, vssi_hash_part *out)
{
    size_t n = 0;
    uint64_t at = 0;
    for (size_t i = 0; i < n_parts && at < end; at += parts[i].size, i++) {
        const uint64_t from = begin > at ? begin - at : 0;
        const uint64_t to = end - at < parts[i].size ? end - at : parts[i].size;
        if (from < to)
            out[n++] = (vssi_hash_part){(const uint8_t *)parts[i].data + from, (size_t)(to - from)};
    }
    if (at < end)
        out[n++] = (vssi_hash_part){object_zeros, (size_t)(end - (at > begin ? at : begin))};
    return n;
}

static vss_status object_hash(const vssi_object_writer *w, uint32_t kind, const vss_span *parts, size_t n_parts,
                              uint64_t begin, uint64_t end, uint64_t *hash, vss_error *err)
{
    vssi_hash_part *pieces;
    VSSI_TRY(vssi_alloc(w->heap, n_parts + 1, sizeof *pieces, &pieces, err));
    const size_t n = object_pieces(parts, n_parts, begin, end, pieces);
    *hash = vssi_hash_parts(pieces, n, vssi_hash_seed(kind, w->offset + begin));
    vssi_free(w->heap, pieces);
    return VSS_OK;
}

vss_status vssi_object_add(vssi_object_writer *w, uint32_t kind, uint32_t field, uint32_t element, uint64_t count,
                           const vss_span *parts, size_t n_parts, uint32_t *entry, vss_error *err)
{
    vssi_object_entry e = {.kind = kind, .field = field, .element = element, .offset = w->offset,
                           .size = object_size_of(parts, n_parts), .count = count};
    assert(e.size == element * count);
    if (kind == VSSI_BLOCK_COLUMN)
        e.hashed_by = (uint32_t)w->n_entries + 1;
    else
        VSSI_TRY(object_hash(w, kind, parts, n_parts, 0, vssi_object_padded(e.size), &e.hash, err));
    VSSI_TRY(object_keep(w, &e, parts, n_parts, err));
    if (entry != NULL)
        *entry = (uint32_t)w->n_entries - 1;
    return VSS_OK;
}

/* The hash of every chunk; *out is owned by the writer. */
static vss_status object_hash_chunks(vssi_object_writer *w, uint32_t kind, const vss_span *parts, size_t n_parts,
                                     uint64_t size, uint64_t **out, vss_error *err)
{
    const uint64_t chunks = vssi_object_chunks(size), padded = vssi_object_padded(size);
    uint64_t *hashes;
    VSSI_TRY(object_room(w->heap, &w->owned, w->n_owned, &w->owned_capacity, 1, sizeof *w->owned, err));
    VSSI_TRY(vssi_alloc(w->heap, (size_t)chunks, sizeof *hashes, &hashes, err));
    w->owned[w->n_owned++] = hashes;
    for (uint64_t c = 0; c < chunks; c++) {
        const uint64_t begin = c * VSSI_CHUNK_SIZE;
        const uint64_t end = padded - begin < VSSI_CHUNK_SIZE ? padded : begin + VSSI_CHUNK_SIZE;
        VSSI_TRY(object_hash(w, kind, parts, n_parts, begin, end, &hashes[c], err));
    }
    *out = hashes;
    return VSS_OK;
}

vss_status vssi_object_add_chunked(vssi_object_writer *w, uint32_t kind, uint32_t field, uint32_t element,
                                   uint64_t count, const vss_span *parts, size_t n_parts, uint32_t *entry,
                                   vss_error *err)
{
    vssi_object_entry e = {.kind = kind, .field = field, .element = element, .offset = w->offset,
                           .size = object_size_of(parts, n_parts), .count = count,
                           .hashed_by = (uint32_t)w->n_entries + 1};
    uint64_t *hashes;
    assert(e.size == element * count);
    VSSI_TRY(object_hash_chunks(w, kind, parts, n_parts, e.size, &hashes, err));
    VSSI_TRY(object_keep(w, &e, parts, n_parts, err));
    if (entry != NULL)
        *entry = (uint32_t)w->n_entries - 1;
    const vss_span span = {hashes, (size_t)vssi_object_chunks(e.size) * sizeof *hashes};
    return vssi_object_add(w, VSSI_BLOCK_CHUNK_HASHES, field, sizeof *hashes, vssi_object_chunks(e.size), &span, 1,
                           NULL, err);
}

static void object_write_entry(vssi_writer *tail, const vssi_object_entry *e)
{
    vssi_write32(tail, e->kind);
    vssi_write32(tail, e->field);
    vssi_write32(tail, e->element);
    vssi_write32(tail, e->hashed_by);
    vssi_write64(tail, e->offset);
    vssi_write64(tail, e->size);
    vssi_write64(tail, e->count);
    vssi_write64(tail, e->hash);
}

static void object_write_tail(const vssi_object_writer *w, vssi_writer *tail)
{
    for (size_t i = 0; i < w->n_entries; i++)
        object_write_entry(tail, &w->entries[i]);
    vssi_write_bytes(tail, VSSI_OBJECT_MAGIC, VSSI_OBJECT_MAGIC_SIZE);
    vssi_write16(tail, VSSI_FORMAT_MAJOR);
    vssi_write16(tail, VSSI_FORMAT_MINOR);
    vssi_write32(tail, (uint32_t)w->kind);
    vssi_write64(tail, 0); /* refuse, */
    vssi_write64(tail, 0); /* read-only, */
    vssi_write64(tail, 0); /* ignore mask */
    vssi_write64(tail, w->offset);
    vssi_write32(tail, (uint32_t)w->n_entries);
    vssi_write32(tail, 0);
    vssi_write64(tail, w->offset + w->n_entries * VSSI_OBJECT_ENTRY + VSSI_OBJECT_TRAILER);
}

vss_status vssi_object_put(vssi_object_writer *w, const vss_storage *storage, const char *prefix, const char *name,
                           vssi_object_ref *ref, vss_error *err)
{
    char full[VSSI_OBJECT_NAME_MAX + 1];
    vssi_writer tail = {.heap = w->heap, .err = err};
    vss_status status;
    *ref = (vssi_object_ref){.kind = w->kind};
    assert(w->entries[w->n_entries - 1].hashed_by == 0);
    VSSI_TRY(vssi_object_full_name(prefix, name, full, err));
    object_write_tail(w, &tail);
    VSSI_TRY_GOTO(tail.status, done);
    VSSI_TRY_GOTO(object_room(w->heap, &w->parts, w->n_parts, &w->parts_capacity, 1, sizeof *w->parts, err), done);
    w->parts[w->n_parts] = (vss_span){tail.data, tail.size};
    VSSI_TRY_GOTO(vssi_strdup(w->heap, name, strlen(name), &ref->name, err), done);
    ref->size = w->offset + tail.size;
    ref->tail_size = (uint32_t)tail.size;
    ref->tail_hash = vssi_hash(tail.data, tail.size, vssi_hash_seed((uint32_t)w->kind, w->offset));
    status = storage->put(storage->state, full, w->parts, w->n_parts + 1, err);
done:
    vssi_free(w->heap, tail.data);
    if (status != VSS_OK) {
        vssi_free(w->heap, ref->name);
        *ref = (vssi_object_ref){.kind = w->kind};
    }
    return status;
}
