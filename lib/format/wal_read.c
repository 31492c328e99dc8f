/*
 * wal_read.c - from the bytes of a log to its frames: what is whole, what is a torn tail, what is damage
 *
 * The first frame that is not whole ends the log. It is a torn tail unless a frame behind it, found by its header, says
 * that the place was durable already. Sizes and offsets are compared with the log's size before they are used; a log
 * is read, never mapped, since its writer may cut a failed frame off. No locks.
 */
#include <inttypes.h>
#include <string.h>

#include "../base/fail.h"
#include "wal_private.h"

#define WAL_SCAN_BYTES 262144u /* a multiple of VSSI_WAL_FRAME */

typedef struct wal_reader {
    vssi_heap *heap;
    const vss_storage *storage;
    char name[VSSI_OBJECT_NAME_MAX + 1];
    const vssi_wal_header *header;
    uint64_t size;
    uint64_t at;      /* of the next frame */
    uint64_t chain;
    uint8_t *payload; /* [capacity] */
    size_t capacity;
} wal_reader;

static vss_status wal_decode_header(const char *name, const uint8_t *bytes, uint64_t number, vssi_wal_header *header,
                                    vss_error *err)
{
    if (memcmp(bytes, VSSI_WAL_MAGIC, VSSI_WAL_MAGIC_SIZE) != 0 ||
        vssi_load64(bytes + VSSI_WAL_AT_HASH) != vssi_hash(bytes, VSSI_WAL_AT_HASH, 0))
        return vssi_fail(err, VSS_ERR_CORRUPT, "log \"%s\": its header is damaged", name);
    if (vssi_load16(bytes + 8) > VSSI_FORMAT_MAJOR || vssi_load32(bytes + 12) != 0)
        return vssi_fail(err, VSS_ERR_NEWER_FORMAT, "log \"%s\" has format %u.%u, this library reads %u", name,
                         vssi_load16(bytes + 8), vssi_load16(bytes + 10), VSSI_FORMAT_MAJOR);
    *header = (vssi_wal_header){.number = vssi_load64(bytes + VSSI_WAL_AT_NUMBER),
                                .base = vssi_load64(bytes + VSSI_WAL_AT_BASE),
                                .identity = vssi_load64(bytes + VSSI_WAL_AT_IDENTITY),
                                .carried = vssi_load64(bytes + VSSI_WAL_AT_CARRIED),
                                .salt = vssi_load64(bytes + VSSI_WAL_AT_SALT)};
    if (header->number != number)
        return vssi_fail(err, VSS_ERR_CORRUPT, "log \"%s\" says that it is number %" PRIu64, name, header->number);
    return VSS_OK;
}

vss_status vssi_wal_head(const vss_storage *storage, const char *prefix, uint64_t number, vssi_wal_header *header,
                         uint64_t *size, bool *whole, vss_error *err)
{
    char name[32], full[VSSI_OBJECT_NAME_MAX + 1];
    uint8_t bytes[VSSI_WAL_HEADER];
    *whole = false;
    vssi_wal_name(number, name);
    VSSI_TRY(vssi_object_full_name(prefix, name, full, err));
    VSSI_TRY(storage->size(storage->state, full, size, err));
    if (*size < VSSI_WAL_HEADER)
        return VSS_OK;
    VSSI_TRY(storage->read(storage->state, full, 0, bytes, sizeof bytes, err));
    const vss_status status = wal_decode_header(full, bytes, number, header, err);
    if (status == VSS_ERR_CORRUPT && *size == VSSI_WAL_HEADER)
        return VSS_OK; /* frames follow only on a header that is durable */
    *whole = status == VSS_OK;
    return status;
}

vss_status vssi_wal_open(const vss_storage *storage, const char *prefix, uint64_t number, vssi_wal_header *header,
                         bool *begun, vss_error *err)
{
    uint64_t size;
    bool whole;
    *begun = false;
    VSSI_TRY(vssi_wal_head(storage, prefix, number, header, &size, &whole, err));
    *begun = whole && size >= VSSI_WAL_HEADER + VSSI_WAL_FRAME;
    return VSS_OK;
}

/* Is this the header of a frame of this log at that offset? */
static bool wal_head_good(const wal_reader *r, const uint8_t *head, uint64_t offset)
{
    return vssi_load32(head) == VSSI_WAL_FRAME_MAGIC &&
           vssi_load64(head + VSSI_FRAME_AT_HASH) ==
               vssi_hash(head, VSSI_FRAME_AT_HASH, vssi_wal_seed(r->header->salt, offset));
}

/* The frame at r->at, or *good false: not whole. */
static vss_status wal_take(wal_reader *r, vssi_wal_frame *frame, bool *good, vss_error *err)
{
    uint8_t head[VSSI_WAL_FRAME];
    uint64_t left = r->size - r->at;
    *good = false;
    if (left < sizeof head)
        return VSS_OK;
    VSSI_TRY(r->storage->read(r->storage->state, r->name, r->at, head, sizeof head, err));
    uint64_t size = vssi_load64(head + VSSI_FRAME_AT_SIZE);
    left -= sizeof head;
    if (!wal_head_good(r, head, r->at) || vssi_load64(head + VSSI_FRAME_AT_CHAIN) != r->chain || size > left ||
        vssi_wal_padded(size) > left)
        return VSS_OK;
    size_t padded = (size_t)vssi_wal_padded(size);
    if (padded > r->capacity) {
        vssi_free(r->heap, r->payload);
        r->capacity = 0;
        VSSI_TRY(vssi_alloc(r->heap, padded, 1, &r->payload, err));
        r->capacity = padded;
    }
    if (padded > 0)
        VSSI_TRY(r->storage->read(r->storage->state, r->name, r->at + sizeof head, r->payload, padded, err));
    if (vssi_hash(r->payload, padded, vssi_wal_seed(r->header->salt, r->at)) !=
        vssi_load64(head + VSSI_FRAME_AT_PAYLOAD))
        return VSS_OK;
    *frame = (vssi_wal_frame){.kind = (vssi_wal_kind)vssi_load32(head + VSSI_FRAME_AT_KIND),
                              .sequence = vssi_load64(head + VSSI_FRAME_AT_SEQUENCE),
                              .payload = r->payload,
                              .size = (size_t)size};
    r->at += sizeof head + padded;
    r->chain = vssi_load64(head + VSSI_FRAME_AT_HASH);
    *good = true;
    return VSS_OK;
}

/* Does a frame behind r->at know that r->at was durable? */
static vss_status wal_look_behind(wal_reader *r, vss_error *err)
{
    uint8_t *bytes;
    vss_status status = VSS_OK;
    VSSI_TRY(vssi_alloc(r->heap, WAL_SCAN_BYTES, 1, &bytes, err));
    for (uint64_t at = r->at + VSSI_WAL_FRAME; status == VSS_OK && at < r->size && r->size - at >= VSSI_WAL_FRAME;) {
        uint64_t left = (r->size - at) / VSSI_WAL_FRAME * VSSI_WAL_FRAME;
        size_t n = left < WAL_SCAN_BYTES ? (size_t)left : WAL_SCAN_BYTES;
        status = r->storage->read(r->storage->state, r->name, at, bytes, n, err);
        for (size_t i = 0; i < n && status == VSS_OK; i += VSSI_WAL_FRAME)
            if (wal_head_good(r, bytes + i, at + i) && vssi_load64(bytes + i + VSSI_FRAME_AT_DURABLE) > r->at)
                status = vssi_fail(err, VSS_ERR_CORRUPT,
                                   "log \"%s\": the frame at byte %" PRIu64
                                   " is damaged; it was durable when byte %" PRIu64 " was written",
                                   r->name, r->at, at + i);
        at += n;
    }
    vssi_free(r->heap, bytes);
    return status;
}

static vss_status wal_each(wal_reader *r, vssi_wal_fn fn, void *state, uint64_t *cut, vss_error *err)
{
    for (;;) {
        vssi_wal_frame frame;
        bool good;
        VSSI_TRY(wal_take(r, &frame, &good, err));
        if (!good)
            break;
        if (frame.kind < VSSI_WAL_INSERT || frame.kind > VSSI_WAL_UPSERT)
            return vssi_fail(err, VSS_ERR_NEWER_FORMAT, "log \"%s\": a frame of unknown kind %u", r->name,
                             (unsigned)frame.kind);
        VSSI_TRY(fn(state, &frame, err));
    }
    *cut = r->size - r->at;
    return *cut == 0 ? VSS_OK : wal_look_behind(r, err);
}

vss_status vssi_wal_read(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                         const vssi_wal_header *header, vssi_wal_fn fn, void *state, uint64_t *size, uint64_t *cut,
                         vss_error *err)
{
    wal_reader r = {.heap = heap, .storage = storage, .header = header, .at = VSSI_WAL_HEADER};
    uint8_t head[VSSI_WAL_HEADER];
    char name[32];
    *size = *cut = 0;
    vssi_wal_name(header->number, name);
    VSSI_TRY(vssi_object_full_name(prefix, name, r.name, err));
    VSSI_TRY(storage->size(storage->state, r.name, &r.size, err));
    VSSI_TRY(storage->read(storage->state, r.name, 0, head, sizeof head, err));
    r.chain = vssi_load64(head + VSSI_WAL_AT_HASH);
    vss_status status = wal_each(&r, fn, state, cut, err);
    vssi_free(heap, r.payload);
    *size = r.size;
    return status;
}
