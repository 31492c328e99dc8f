/*
 * object_read.c - open a stored object and hand out its blocks, each verified at its first use
 *
 * Opening costs one view, one hash over the tail and a pass over the directory; no block but the header is touched. The
 * marks of what was verified are atomic bytes and bits, set after the hash was compared: two threads may verify the
 * same block at once, which is harmless. No locks.
 */
#include <assert.h>
#include <string.h>

#include "../base/bytes.h"
#include "../base/fail.h"
#include "object_private.h"

const char *vssi_block_name(uint32_t kind)
{
    static const char *const names[] = {"none",        "header",       "vectors",   "norms",
                                        "chunk hashes", "keys",        "key offsets", "key table",
                                        "column",      "column index", "stats",     "deletes",
                                        "index header"};
    if (kind < sizeof names / sizeof names[0])
        return names[kind];
    return kind < 256 ? "unknown" : "index data";
}

static vss_status object_damaged(const vssi_object *o, vss_error *err, const char *what)
{
    return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": %s", o->name, what);
}

static vss_status object_entry_damaged(const vssi_object *o, size_t i, vss_error *err, const char *what)
{
    return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": block %zu (%s, field %u): %s", o->name, i,
                     vssi_block_name(o->entries[i].kind), o->entries[i].field, what);
}

/* Is what the manifest says of the object possible at all? */
static bool object_ref_sane(const vssi_object_ref *ref)
{
    if (ref->kind < VSSI_OBJECT_SEGMENT || ref->kind > VSSI_OBJECT_DELETES || ref->size > SIZE_MAX / 2)
        return false;
    if (ref->tail_size < VSSI_OBJECT_TRAILER + VSSI_OBJECT_ENTRY ||
        (ref->tail_size - VSSI_OBJECT_TRAILER) % VSSI_OBJECT_ENTRY != 0 ||
        (ref->tail_size - VSSI_OBJECT_TRAILER) / VSSI_OBJECT_ENTRY > VSSI_OBJECT_ENTRIES_MAX)
        return false;
    return ref->size >= (uint64_t)ref->tail_size + VSSI_OBJECT_HEADER &&
           (ref->size - ref->tail_size) % VSSI_OBJECT_ALIGN == 0;
}

static vss_status object_read_trailer(vssi_object *o, const vssi_object_ref *ref, vss_error *err)
{
    const uint64_t at = ref->size - ref->tail_size;
    const uint8_t *t = o->view.data + ref->size - VSSI_OBJECT_TRAILER;
    if (vssi_hash(o->view.data + at, ref->tail_size, vssi_hash_seed((uint32_t)ref->kind, at)) != ref->tail_hash)
        return object_damaged(o, err, "directory and trailer are not what the manifest says");
    if (memcmp(t, VSSI_OBJECT_MAGIC, VSSI_OBJECT_MAGIC_SIZE) != 0)
        return object_damaged(o, err, "no trailer at its end");
    if (vssi_load16(t + 8) > VSSI_FORMAT_MAJOR || vssi_load64(t + 16) != 0)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT,
                         "object \"%s\": format %u.%u, refuse mask 0x%llx: needs a newer libvss",
                         o->name, vssi_load16(t + 8), vssi_load16(t + 10), (unsigned long long)vssi_load64(t + 16));
    if (vssi_load16(t + 8) != VSSI_FORMAT_MAJOR || vssi_load32(t + 12) != (uint32_t)ref->kind)
        return object_damaged(o, err, "of another kind or format than the manifest says");
    o->n_entries = (ref->tail_size - VSSI_OBJECT_TRAILER) / VSSI_OBJECT_ENTRY;
    if (vssi_load64(t + 40) != at || vssi_load32(t + 48) != o->n_entries || vssi_load32(t + 52) != 0 ||
        vssi_load64(t + 56) != ref->size)
        return object_damaged(o, err, "the trailer contradicts itself");
    return VSS_OK;
}

static void object_read_entry(vssi_reader *r, vssi_object_entry *e)
{
    e->kind = vssi_read32(r);
    e->field = vssi_read32(r);
    e->element = vssi_read32(r);
    e->hashed_by = vssi_read32(r);
    e->offset = vssi_read64(r);
    e->size = vssi_read64(r);
    e->count = vssi_read64(r);
    e->hash = vssi_read64(r);
}

static bool object_holds_hashes(uint32_t kind)
{
    return kind == VSSI_BLOCK_CHUNK_HASHES || kind == VSSI_BLOCK_COLUMN_INDEX;
}

/* Is entry i, whose hashes another block holds, followed by that block? */
static bool object_hashed_by_next(const vssi_object *o, size_t i)
{
    const vssi_object_entry *e = &o->entries[i];
    if (e->hashed_by != i + 1 || i + 1 >= o->n_entries || e->hash != 0)
        return false;
    const vssi_object_entry *h = &o->entries[i + 1];
    if (h->field != e->field)
        return false;
    if (e->kind == VSSI_BLOCK_COLUMN)
        return h->kind == VSSI_BLOCK_COLUMN_INDEX && e->element == 1;
    return h->kind == VSSI_BLOCK_CHUNK_HASHES && h->element == sizeof(uint64_t) &&
           h->count == vssi_object_chunks(e->size);
}

/* What block i says of its hashes. NULL, or what is wrong. */
static const char *object_hashes_wrong(const vssi_object *o, size_t i)
{
    const vssi_object_entry *e = &o->entries[i];
    if (e->kind == VSSI_BLOCK_COLUMN && e->hashed_by == 0)
        return "names no block of hashes";
    if (object_holds_hashes(e->kind) && (i == 0 || o->entries[i - 1].hashed_by != i))
        return "holds hashes of no block";
    if (e->hashed_by == 0)
        return NULL;
    if (e->kind == VSSI_BLOCK_HEADER || object_holds_hashes(e->kind) || !object_hashed_by_next(o, i))
        return "its hashes are not where it says";
    return NULL;
}

static vss_status object_check_entries(const vssi_object *o, uint64_t end, vss_error *err)
{
    uint64_t at = 0;
    for (size_t i = 0; i < o->n_entries; i++) {
        const vssi_object_entry *e = &o->entries[i];
        uint64_t size;
        if (e->kind == 0 || (e->kind == VSSI_BLOCK_HEADER) != (i == 0))
            return object_entry_damaged(o, i, err, "a block of this kind can't stand here");
        if (e->element == 0 || !vssi_mul_u64(e->element, e->count, &size) || size != e->size)
            return object_entry_damaged(o, i, err, "its size is not elements times count");
        if (e->offset != at || e->size > end - at || vssi_object_padded(e->size) > end - at)
            return object_entry_damaged(o, i, err, "it doesn't follow the block before, or ends past the end");
        const char *wrong = object_hashes_wrong(o, i);
        if (wrong != NULL)
            return object_entry_damaged(o, i, err, wrong);
        at += vssi_object_padded(e->size);
    }
    return at == end ? VSS_OK : object_damaged(o, err, "there are bytes in no block");
}

static vss_status object_check_header(vssi_object *o, vss_error *err)
{
    uint8_t expected[VSSI_OBJECT_HEADER];
    const void *data;
    if (o->entries[0].size != VSSI_OBJECT_HEADER)
        return object_entry_damaged(o, 0, err, "it has another size");
    VSSI_TRY(vssi_object_block(o, 0, &data, err));
    vssi_object_header(o->kind, expected);
    memcpy(expected + 10, (const uint8_t *)data + 10, 2); /* any minor format */
    if (memcmp(data, expected, sizeof expected) != 0)
        return object_entry_damaged(o, 0, err, "it is no header of this kind and format");
    return VSS_OK;
}

static vss_status object_read_directory(vssi_object *o, const vssi_object_ref *ref, vss_error *err)
{
    const uint64_t at = ref->size - ref->tail_size;
    VSSI_TRY(object_read_trailer(o, ref, err));
    VSSI_TRY(vssi_alloc_zero(o->heap, o->n_entries, sizeof *o->entries, &o->entries, err));
    VSSI_TRY(vssi_alloc_zero(o->heap, o->n_entries, sizeof *o->verified, &o->verified, err));
    VSSI_TRY(vssi_alloc_zero(o->heap, o->n_entries, sizeof *o->chunks_ok, &o->chunks_ok, err));
    vssi_reader r = {.data = o->view.data + at, .size = ref->tail_size - VSSI_OBJECT_TRAILER};
    for (size_t i = 0; i < o->n_entries; i++)
        object_read_entry(&r, &o->entries[i]);
    assert(!r.bad);
    return object_check_entries(o, at, err);
}

static vss_status object_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                              const vssi_object_ref *ref, bool whole, vssi_object **out, vss_error *err)
{
    char full[VSSI_OBJECT_NAME_MAX + 1];
    vssi_object *o;
    vss_status status;
    *out = NULL;
    VSSI_TRY(vssi_object_full_name(prefix, ref->name, full, err));
    if (!object_ref_sane(ref))
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": the manifest gives it an impossible size or kind", full);
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *o, &o, err));
    o->heap = heap;
    o->storage = storage;
    o->kind = ref->kind;
    VSSI_TRY_GOTO(vssi_strdup(heap, full, strlen(full), &o->name, err), failed);
    VSSI_TRY_GOTO(vssi_view_open(storage, heap, full, ref->size, &o->view, err), failed);
    VSSI_TRY_GOTO(object_read_directory(o, ref, err), failed);
    if (whole)
        VSSI_TRY_GOTO(object_check_header(o, err), failed);
    *out = o;
    return VSS_OK;
failed:
    vssi_object_close(o);
    return status;
}

vss_status vssi_object_open(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                            const vssi_object_ref *ref, vssi_object **out, vss_error *err)
{
    return object_open(heap, storage, prefix, ref, true, out, err);
}

vss_status vssi_object_open_damaged(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                                    const vssi_object_ref *ref, vssi_object **out, vss_error *err)
{
    return object_open(heap, storage, prefix, ref, false, out, err);
}

void vssi_object_close(vssi_object *object)
{
    if (object == NULL)
        return;
    vssi_heap *heap = object->heap;
    for (size_t i = 0; object->chunks_ok != NULL && i < object->n_entries; i++)
        vssi_free(heap, (const void *)atomic_load_explicit(&object->chunks_ok[i], memory_order_relaxed));
    vssi_free(heap, (const void *)atomic_load_explicit(&object->pages, memory_order_relaxed));
    if (object->view.data != NULL)
        vssi_view_close(object->storage, heap, &object->view);
    vssi_free(heap, (const void *)object->chunks_ok);
    vssi_free(heap, (const void *)object->verified);
    vssi_free(heap, object->entries);
    vssi_free(heap, object->name);
    vssi_free(heap, object);
}

size_t vssi_object_find(const vssi_object *object, uint32_t kind, uint32_t field)
{
    for (size_t i = 0; i < object->n_entries; i++)
        if (object->entries[i].kind == kind && object->entries[i].field == field)
            return i;
    return SIZE_MAX;
}

bool vssi_object_block_good(const uint8_t *object, const vssi_object_entry *e)
{
    return vssi_hash(object + e->offset, (size_t)vssi_object_padded(e->size),
                     vssi_hash_seed(e->kind, e->offset)) == e->hash;
}

bool vssi_object_chunk_good(const vssi_object *object, const vssi_object_entry *e, const uint64_t *hashes, uint64_t c)
{
    const uint64_t begin = c * VSSI_CHUNK_SIZE, left = vssi_object_padded(e->size) - begin;
    const uint64_t size = left < VSSI_CHUNK_SIZE ? left : VSSI_CHUNK_SIZE;
    return vssi_hash(object->view.data + e->offset + begin, (size_t)size,
                     vssi_hash_seed(e->kind, e->offset + begin)) == hashes[c];
}

vss_status vssi_object_block(vssi_object *object, size_t entry, const void **data, vss_error *err)
{
    assert(entry < object->n_entries);
    const vssi_object_entry *e = &object->entries[entry];
    assert(e->kind != VSSI_BLOCK_COLUMN);
    *data = NULL;
    if (e->hashed_by != 0) {
        VSSI_TRY(vssi_object_verify(object, entry, 0, e->size, err));
    } else if (!atomic_load_explicit(&object->verified[entry], memory_order_relaxed)) {
        if (!vssi_object_block_good(object->view.data, e))
            return object_entry_damaged(object, entry, err, "its bytes are damaged");
        atomic_store_explicit(&object->verified[entry], 1, memory_order_relaxed);
    }
    *data = object->view.data + e->offset;
    return VSS_OK;
}

vss_status vssi_object_load(const vssi_object *object, vssi_view *copy, vss_error *err)
{
    *copy = (vssi_view){0};
    if (!object->view.mapped || !vssi_storage_is_posix(object->storage))
        return VSS_OK;
    return vssi_view_load(object->storage, object->heap, object->name, object->view.size, copy, err);
}

vss_status vssi_object_loaded(const vssi_object *object, size_t entry, const vssi_view *copy, const void **data,
                              vss_error *err)
{
    const vssi_object_entry *e = &object->entries[entry];
    assert(e->hashed_by == 0);
    *data = NULL;
    if (!vssi_object_block_good(copy->data, e))
        return object_entry_damaged(object, entry, err, "its bytes are damaged");
    *data = copy->data + e->offset;
    return VSS_OK;
}

const void *vssi_object_raw(const vssi_object *object, size_t entry)
{
    assert(entry < object->n_entries);
    return object->view.data + object->entries[entry].offset;
}

/* The bits of the chunks found good, made at the first use. The loser of a race frees its own. */
static vss_status object_marks(vssi_object *o, size_t entry, _Atomic uint64_t **out, vss_error *err)
{
    _Atomic uint64_t *marks = atomic_load_explicit(&o->chunks_ok[entry], memory_order_acquire);
    if (marks == NULL) {
        const uint64_t chunks = vssi_object_chunks(o->entries[entry].size);
        _Atomic uint64_t *fresh;
        VSSI_TRY(vssi_alloc_zero(o->heap, (size_t)(chunks / 64 + 1), sizeof *fresh, &fresh, err));
        if (atomic_compare_exchange_strong_explicit(&o->chunks_ok[entry], &marks, fresh, memory_order_acq_rel,
                                                    memory_order_acquire))
            marks = fresh;
        else
            vssi_free(o->heap, (const void *)fresh);
    }
    *out = marks;
    return VSS_OK;
}

bool vssi_object_chunk_known(const vssi_object *object, size_t entry, uint64_t c)
{
    const _Atomic uint64_t *marks = atomic_load_explicit(&object->chunks_ok[entry], memory_order_acquire);
    return marks != NULL && (atomic_load_explicit(&marks[c / 64], memory_order_relaxed) >> (c % 64) & 1) != 0;
}

vss_status vssi_object_verify(vssi_object *object, size_t entry, uint64_t offset, uint64_t size, vss_error *err)
{
    const vssi_object_entry *e = &object->entries[entry];
    _Atomic uint64_t *marks;
    const void *hashes;
    assert(e->hashed_by != 0 && e->kind != VSSI_BLOCK_COLUMN && offset <= e->size && size <= e->size - offset);
    if (size == 0)
        return VSS_OK;
    VSSI_TRY(object_marks(object, entry, &marks, err));
    VSSI_TRY(vssi_object_block(object, e->hashed_by, &hashes, err));
    for (uint64_t c = offset / VSSI_CHUNK_SIZE; c <= (offset + size - 1) / VSSI_CHUNK_SIZE; c++) {
        const uint64_t bit = (uint64_t)1 << (c % 64);
        if (atomic_load_explicit(&marks[c / 64], memory_order_relaxed) & bit)
            continue;
        if (!vssi_object_chunk_good(object, e, hashes, c))
            return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": block %zu (%s, field %u): chunk %llu is damaged",
                             object->name, entry, vssi_block_name(e->kind), e->field, (unsigned long long)c);
        atomic_fetch_or_explicit(&marks[c / 64], bit, memory_order_relaxed);
    }
    return VSS_OK;
}
