/*
 * deletes.c - the bitmap of a segment's deleted rows as an object
 *
 * Cost: one copy of rows / 8 bytes. No locks.
 */
#include "deletes.h"

#include <string.h>

#include "../base/bitmap.h"
#include "../base/bytes.h"
#include "../base/fail.h"
#include "segment_stats.h"

vss_status vssi_deletes_write(vssi_heap *heap, const vss_storage *storage, const char *prefix, const char *name,
                              const uint64_t *bitmap, size_t rows, vssi_object_ref *ref, vss_error *err)
{
    const size_t words = vssi_bitmap_words(rows);
    const vss_span span = {bitmap, words * sizeof *bitmap};
    vssi_writer stats = {.heap = heap, .err = err};
    vssi_object_writer *w;
    vss_status status;
    *ref = (vssi_object_ref){.kind = VSSI_OBJECT_DELETES};
    VSSI_TRY(vssi_object_writer_create(heap, VSSI_OBJECT_DELETES, &w, err));
    VSSI_TRY_GOTO(vssi_object_add(w, VSSI_BLOCK_DELETES, 0, sizeof *bitmap, words, &span, 1, NULL, err), done);
    vssi_stats_begin(&stats, rows, 0);
    VSSI_TRY_GOTO(stats.status, done);
    const vss_span tail = {stats.data, stats.size};
    VSSI_TRY_GOTO(vssi_object_add(w, VSSI_BLOCK_STATS, 0, 1, stats.size, &tail, 1, NULL, err), done);
    status = vssi_object_put(w, storage, prefix, name, ref, err);
done:
    vssi_object_writer_free(w);
    vssi_free(heap, stats.data);
    return status;
}

static vss_status deletes_copy(vssi_object *o, size_t rows, uint64_t deleted, uint64_t **bitmap, vss_error *err)
{
    const size_t words = vssi_bitmap_words(rows);
    const size_t entry = vssi_object_find(o, VSSI_BLOCK_DELETES, 0);
    const void *data;
    vssi_stats stats;
    VSSI_TRY(vssi_stats_read(o, &stats, err));
    if (stats.rows != rows)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\" is for %llu rows, the segment has %zu", o->name,
                         (unsigned long long)stats.rows, rows);
    if (entry == SIZE_MAX || o->entries[entry].element != sizeof **bitmap || o->entries[entry].count != words)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\" has no bitmap of %zu rows", o->name, rows);
    VSSI_TRY(vssi_object_block(o, entry, &data, err));
    VSSI_TRY(vssi_alloc(o->heap, words, sizeof **bitmap, bitmap, err));
    memcpy(*bitmap, data, words * sizeof **bitmap);
    if (rows % 64 != 0 && (*bitmap)[words - 1] >> (rows % 64) != 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\" deletes rows past the last of %zu", o->name, rows);
    const size_t set = vssi_bitmap_count(*bitmap, rows);
    if (set != deleted)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\" deletes %zu rows, the manifest says %llu", o->name, set,
                         (unsigned long long)deleted);
    return VSS_OK;
}

vss_status vssi_deletes_read(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                             const vssi_object_ref *ref, size_t rows, uint64_t deleted, uint64_t **bitmap,
                             vss_error *err)
{
    vssi_object *o;
    *bitmap = NULL;
    if (ref->kind != VSSI_OBJECT_DELETES)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s%s\" is no deletes object", prefix, ref->name);
    VSSI_TRY(vssi_object_open(heap, storage, prefix, ref, &o, err));
    const vss_status status = deletes_copy(o, rows, deleted, bitmap, err);
    if (status != VSS_OK) {
        vssi_free(heap, *bitmap);
        *bitmap = NULL;
    }
    vssi_object_close(o);
    return status;
}
