/*
 * inspect_object.c - a segment, an index, a model or a record of deletes: trailer, directory, and each block's hash
 *
 * Cost: one hash of every block. No locks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/bitmap.h"
#include "../base/bytes.h"
#include "../base/fail.h"
#include "inspect.h"
#include "object_private.h"
#include "segment_stats.h"

#define INSPECT_INDEX_HEADER 64u

static const char *inspect_kind(vssi_object_kind kind)
{
    static const char *const names[] = {"", "segment", "index", "model", "deletes"};
    return names[kind];
}

/* What a manifest would say of these bytes. */
static bool inspect_ref(const inspect_run *run, vssi_object_ref *ref)
{
    if (run->size < VSSI_OBJECT_HEADER + VSSI_OBJECT_ENTRY + VSSI_OBJECT_TRAILER)
        return false;
    const uint8_t *trailer = run->data + run->size - VSSI_OBJECT_TRAILER;
    const uint64_t directory = vssi_load64(trailer + 40);
    const uint32_t kind = vssi_load32(trailer + 12);
    if (memcmp(trailer, VSSI_OBJECT_MAGIC, VSSI_OBJECT_MAGIC_SIZE) != 0 || kind < VSSI_OBJECT_SEGMENT ||
        kind > VSSI_OBJECT_DELETES || directory >= run->size || run->size - directory > UINT32_MAX)
        return false;
    *ref = (vssi_object_ref){.kind = (vssi_object_kind)kind, .name = (char *)(uintptr_t)"file", .size = run->size,
                             .tail_size = (uint32_t)(run->size - directory)};
    ref->tail_hash = vssi_hash(run->data + directory, ref->tail_size, vssi_hash_seed(kind, directory));
    return true;
}

static void inspect_file(inspect_run *run, const vssi_object *o, const vssi_object_ref *ref)
{
    const uint8_t *trailer = run->data + run->size - VSSI_OBJECT_TRAILER;
    char format[16];
    (void)snprintf(format, sizeof format, "%u.%u", vssi_load16(trailer + 8), vssi_load16(trailer + 10));
    vssi_inspect_text(run, "file", 0, "kind", inspect_kind(ref->kind));
    vssi_inspect_text(run, "file", 0, "format", format);
    vssi_inspect_count(run, "file", 0, "bytes", run->size);
    vssi_inspect_count(run, "file", 0, "blocks", o->n_entries);
    vssi_inspect_count(run, "file", 0, "tail_bytes", ref->tail_size);
    vssi_inspect_hash(run, "file", 0, "tail_hash", ref->tail_hash);
}

/* What the small blocks say, where they are whole. */
static void inspect_stats(inspect_run *run, vssi_object *o)
{
    vssi_stats stats;
    const void *data;
    const size_t deletes = vssi_object_find(o, VSSI_BLOCK_DELETES, 0);
    if (o->kind == VSSI_OBJECT_INDEX || o->kind == VSSI_OBJECT_MODEL || vssi_stats_read(o, &stats, NULL) != VSS_OK)
        return;
    vssi_inspect_count(run, "file", 0, "rows", stats.rows);
    if (deletes != SIZE_MAX && o->entries[deletes].element == sizeof(uint64_t) &&
        o->entries[deletes].count == vssi_bitmap_words((size_t)stats.rows) &&
        vssi_object_block(o, deletes, &data, NULL) == VSS_OK)
        vssi_inspect_count(run, "file", 0, "deleted", vssi_bitmap_count(data, (size_t)stats.rows));
}

static void inspect_index_header(inspect_run *run, vssi_object *o)
{
    char type[33] = "";
    const void *data;
    for (size_t i = 0; i < o->n_entries; i++) {
        const vssi_object_entry *e = &o->entries[i];
        if (e->kind != VSSI_BLOCK_INDEX_HEADER || e->size != INSPECT_INDEX_HEADER || e->hashed_by != 0 ||
            vssi_object_block(o, i, &data, NULL) != VSS_OK)
            continue;
        const uint8_t *header = data;
        for (size_t c = 0; c < 32 && header[c] >= ' ' && header[c] < 127; c++)
            type[c] = (char)header[c];
        vssi_inspect_text(run, "file", 0, "type", type);
        vssi_inspect_count(run, "file", 0, "type_format", vssi_load32(header + 32));
        vssi_inspect_count(run, "file", 0, "field", vssi_load32(header + 36));
        vssi_inspect_count(run, "file", 0, "rows", vssi_load64(header + 40));
        vssi_inspect_count(run, "file", 0, "dim", vssi_load32(header + 48));
        vssi_inspect_text(run, "file", 0, "metric", vss_metric_name((vss_metric)vssi_load32(header + 52)));
        vssi_inspect_text(run, "file", 0, "vectors", vss_type_name((vss_type)vssi_load32(header + 56)));
        return;
    }
}

static bool inspect_block(inspect_run *run, vssi_object *o, size_t i)
{
    const vssi_object_entry *e = &o->entries[i];
    const bool good = vssi_object_check_block(o, i, NULL, NULL) == 0;
    vssi_inspect_text(run, "block", i, "kind", vssi_block_name(e->kind));
    vssi_inspect_count(run, "block", i, "kind_number", e->kind);
    vssi_inspect_count(run, "block", i, "field", e->field);
    vssi_inspect_count(run, "block", i, "offset", e->offset);
    vssi_inspect_count(run, "block", i, "bytes", e->size);
    vssi_inspect_count(run, "block", i, "element", e->element);
    vssi_inspect_count(run, "block", i, "count", e->count);
    vssi_inspect_count(run, "block", i, "hashed_by", e->hashed_by);
    vssi_inspect_text(run, "block", i, "hash", good ? "ok" : "damaged");
    return good;
}

vss_status vssi_inspect_object(inspect_run *run, vss_error *err)
{
    vssi_object_ref ref;
    vssi_object *o;
    size_t damaged = 0;
    vss_error why;
    if (!inspect_ref(run, &ref))
        return vssi_fail(err, VSS_ERR_CORRUPT,
                         "\"%s\": %zu bytes without the trailer of a segment, index, model or deletes", run->name,
                         run->size);
    const vss_status status = vssi_object_open_damaged(run->heap, &run->storage, "", &ref, &o, &why);
    if (status != VSS_OK)
        return vssi_fail(err, status, "\"%s\": %.400s", run->name, why.message);
    inspect_file(run, o, &ref);
    inspect_stats(run, o);
    inspect_index_header(run, o);
    for (size_t i = 0; i < o->n_entries && !run->ended; i++)
        damaged += !inspect_block(run, o, i);
    const size_t blocks = o->n_entries;
    vssi_object_close(o);
    if (damaged > 0)
        return vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\": %zu of %zu blocks are damaged", run->name, damaged, blocks);
    return VSS_OK;
}
