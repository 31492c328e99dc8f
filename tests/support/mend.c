/*
 * mend.c - hashes of changed objects, bottom up (docs/format.md)
 *
 * Blocks that overlap after a change are hashed one after another; the last one wins, which a reader refuses anyway.
 */
#include "mend.h"

#include <stdlib.h>
#include <string.h>

#include "../../lib/base/bytes.h"
#include "../../lib/format/column_part.h"
#include "../../lib/format/manifest.h"
#include "../../lib/format/object_private.h"

typedef struct mend_job {
    uint8_t *data;
    uint64_t end;      /* of the blocks, where the tail begins */
    uint8_t *entries;
    size_t n_entries;
} mend_job;

/* Entry i, if its block lies before the tail. */
static bool mend_entry(const mend_job *job, size_t i, vssi_object_entry *e)
{
    if (i >= job->n_entries)
        return false;
    const uint8_t *at = job->entries + i * VSSI_OBJECT_ENTRY;
    *e = (vssi_object_entry){.kind = vssi_load32(at), .field = vssi_load32(at + 4), .element = vssi_load32(at + 8),
                             .hashed_by = vssi_load32(at + 12), .offset = vssi_load64(at + 16),
                             .size = vssi_load64(at + 24), .count = vssi_load64(at + 32)};
    return e->offset <= job->end && e->size <= job->end && vssi_object_padded(e->size) <= job->end - e->offset;
}

static uint64_t mend_hash(const mend_job *job, uint32_t kind, uint64_t offset, uint64_t size)
{
    return vssi_hash(job->data + offset, (size_t)size, vssi_hash_seed(kind, offset));
}

static void mend_chunks(const mend_job *job, const vssi_object_entry *e, const vssi_object_entry *holder)
{
    const uint64_t padded = vssi_object_padded(e->size);
    for (uint64_t c = 0; c < vssi_object_chunks(e->size) && (c + 1) * 8 <= holder->size; c++) {
        const uint64_t begin = c * VSSI_CHUNK_SIZE, left = padded - begin;
        vssi_store64(job->data + holder->offset + c * 8,
                     mend_hash(job, e->kind, e->offset + begin, left < VSSI_CHUNK_SIZE ? left : VSSI_CHUNK_SIZE));
    }
}

static void mend_parts(const mend_job *job, const vssi_object_entry *e, const vssi_object_entry *holder)
{
    const uint64_t n = holder->size / VSSI_PART_ENTRY, padded = vssi_object_padded(e->size);
    for (uint64_t p = 0; p < n; p++) {
        uint8_t *part = job->data + holder->offset + p * VSSI_PART_ENTRY;
        const uint64_t begin = vssi_load64(part);
        const uint64_t stored = vssi_round_up(vssi_load32(part + 16), 8);
        if (begin > padded || stored > padded - begin)
            continue;
        const uint64_t end = p + 1 == n ? padded : begin + stored;
        vssi_store64(part + 8, mend_hash(job, VSSI_BLOCK_COLUMN, e->offset + begin, end - begin));
    }
}

static void mend_blocks(const mend_job *job)
{
    vssi_object_entry e, holder;
    for (size_t i = 0; i < job->n_entries; i++)
        if (mend_entry(job, i, &e) && e.hashed_by != 0 && mend_entry(job, e.hashed_by, &holder)) {
            if (e.kind == VSSI_BLOCK_COLUMN)
                mend_parts(job, &e, &holder);
            else
                mend_chunks(job, &e, &holder);
        }
    for (size_t i = 0; i < job->n_entries; i++)
        if (mend_entry(job, i, &e) && e.hashed_by == 0)
            vssi_store64(job->entries + i * VSSI_OBJECT_ENTRY + 40,
                         mend_hash(job, e.kind, e.offset, vssi_object_padded(e.size)));
}

bool mend_object(uint8_t *data, size_t size, vssi_object_kind kind, size_t tail_size, uint64_t *tail_hash)
{
    if (tail_size > size || tail_size < VSSI_OBJECT_TRAILER)
        return false;
    const mend_job job = {.data = data, .end = size - tail_size, .entries = data + size - tail_size,
                          .n_entries = (tail_size - VSSI_OBJECT_TRAILER) / VSSI_OBJECT_ENTRY};
    mend_blocks(&job);
    *tail_hash = vssi_hash(job.entries, tail_size, vssi_hash_seed((uint32_t)kind, job.end));
    return true;
}

void mend_manifest(uint8_t *data, size_t size)
{
    if (size >= sizeof(uint64_t))
        vssi_store64(data + size - sizeof(uint64_t), vssi_hash(data, size - sizeof(uint64_t), 0));
}

static void mend_reference(archive *a, const char *prefix, vssi_object_ref *ref, bool sizes)
{
    char name[2 * VSSI_OBJECT_NAME_MAX + 2];
    if (ref->name == NULL || vssi_object_full_name(prefix, ref->name, name, NULL) != VSS_OK)
        return;
    archive_file *file = archive_find(a, name);
    if (file == NULL)
        return;
    mend_object(file->data, file->size, ref->kind, ref->tail_size, &ref->tail_hash);
    if (sizes)
        ref->size = file->size;
}

static void mend_references(archive *a, size_t file, const char *prefix, bool sizes)
{
    const archive_file *stored = &a->files[file];
    vssi_manifest *m;
    uint8_t *data;
    size_t size;
    if (vssi_manifest_decode(vssi_heap_default(), "mended", stored->data, stored->size, &m, NULL) != VSS_OK)
        return;
    for (size_t i = 0; i < m->n_segments; i++) {
        mend_reference(a, prefix, &m->segments[i].object, sizes);
        mend_reference(a, prefix, &m->segments[i].deletes, sizes);
        for (size_t j = 0; j < m->segments[i].n_indexes; j++)
            mend_reference(a, prefix, &m->segments[i].indexes[j].object, sizes);
    }
    if (vssi_manifest_encode(m, vssi_heap_default(), &data, &size, NULL) == VSS_OK) {
        archive_set(a, stored->name, data, size);
        vssi_free(vssi_heap_default(), data);
    }
    vssi_manifest_free(m);
}

void mend_archive(archive *a, bool sizes)
{
    for (size_t i = 0; i < a->n_files; i++) {
        char prefix[VSSI_OBJECT_NAME_MAX];
        const char *folder = strstr(a->files[i].name, "/m/");
        if (a->files[i].removed || folder == NULL || (size_t)(folder - a->files[i].name) + 2 > sizeof prefix)
            continue;
        const size_t prefix_size = (size_t)(folder - a->files[i].name) + 1;
        memcpy(prefix, a->files[i].name, prefix_size);
        prefix[prefix_size] = '\0';
        mend_manifest(a->files[i].data, a->files[i].size);
        mend_references(a, i, prefix, sizes);
    }
}
