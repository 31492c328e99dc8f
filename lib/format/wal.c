/*
 * wal.c - begin a log, add frames, make them durable
 *
 * A frame's header tells how many bytes of the log were known to be durable when it was written: that lets a reader
 * tell a torn tail from damage. Cost: one hash of the payload and one gathered append a frame, no copy. No locks: a log
 * belongs to the writer.
 */
#include "wal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/fail.h"
#include "wal_private.h"

#define WAL_FOLDER "w/"
#define WAL_DIGITS 20

struct vssi_wal {
    vssi_heap *heap;
    const vss_storage *storage;
    void *log;
    uint64_t salt;
    uint64_t size;
    uint64_t durable; /* bytes */
    uint64_t chain;   /* hash of the frame, or the header, before */
};

void vssi_wal_name(uint64_t number, char *out) { snprintf(out, 32, WAL_FOLDER "%020" PRIu64, number); }

typedef struct wal_listing {
    size_t prefix; /* bytes of the folder's name */
    vssi_writer numbers;
} wal_listing;

/* Take names of exactly 20 digits that are a number above 0. */
static int wal_listed(void *arg, const char *name)
{
    wal_listing *listing = arg;
    uint64_t number = 0;
    size_t i = listing->prefix;
    if (strlen(name) != listing->prefix + WAL_DIGITS)
        return 0;
    for (; name[i] >= '0' && name[i] <= '9'; i++)
        if (!vssi_mul_u64(number, 10, &number) || !vssi_add_u64(number, (uint64_t)(name[i] - '0'), &number))
            return 0;
    if (name[i] == '\0' && number > 0)
        vssi_write64(&listing->numbers, number);
    return listing->numbers.status != VSS_OK;
}

static int wal_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

vss_status vssi_wal_list(vssi_heap *heap, const vss_storage *storage, const char *prefix, uint64_t **numbers,
                         size_t *count, vss_error *err)
{
    char folder[VSSI_OBJECT_NAME_MAX + 1];
    *numbers = NULL;
    *count = 0;
    VSSI_TRY(vssi_object_full_name(prefix, WAL_FOLDER, folder, err));
    wal_listing listing = {.prefix = strlen(folder), .numbers = {.heap = heap, .err = err}};
    vss_status status = storage->list(storage->state, folder, 1, wal_listed, &listing, err);
    if (status == VSS_OK)
        status = listing.numbers.status;
    if (status != VSS_OK) {
        vssi_free(heap, listing.numbers.data);
        return status;
    }
    *numbers = (uint64_t *)(void *)listing.numbers.data;
    *count = listing.numbers.size / sizeof **numbers;
    if (*count > 1)
        qsort(*numbers, *count, sizeof **numbers, wal_compare);
    return VSS_OK;
}

vss_status vssi_wal_identity(const vssi_schema *schema, uint64_t *identity, vss_error *err)
{
    vssi_writer w = {.heap = schema->heap, .err = err};
    vssi_schema_encode(schema, &w);
    if (w.status == VSS_OK)
        *identity = vssi_hash(w.data, w.size, 0);
    vssi_free(schema->heap, w.data);
    return w.status;
}

static void wal_header(const vssi_wal_header *header, uint8_t out[VSSI_WAL_HEADER])
{
    memset(out, 0, VSSI_WAL_HEADER);
    memcpy(out, VSSI_WAL_MAGIC, VSSI_WAL_MAGIC_SIZE);
    vssi_store16(out + 8, VSSI_FORMAT_MAJOR);
    vssi_store16(out + 10, VSSI_FORMAT_MINOR);
    vssi_store64(out + VSSI_WAL_AT_NUMBER, header->number);
    vssi_store64(out + VSSI_WAL_AT_BASE, header->base);
    vssi_store64(out + VSSI_WAL_AT_IDENTITY, header->identity);
    vssi_store64(out + VSSI_WAL_AT_CARRIED, header->carried);
    vssi_store64(out + VSSI_WAL_AT_SALT, header->salt);
    vssi_store64(out + VSSI_WAL_AT_HASH, vssi_hash(out, VSSI_WAL_AT_HASH, 0));
}

vss_status vssi_wal_create(vssi_heap *heap, const vss_storage *storage, const char *prefix,
                           const vssi_wal_header *header, vssi_wal **out, vss_error *err)
{
    char name[32], full[VSSI_OBJECT_NAME_MAX + 1];
    uint8_t bytes[VSSI_WAL_HEADER];
    vssi_wal *wal;
    vss_status status;
    *out = NULL;
    vssi_wal_name(header->number, name);
    VSSI_TRY(vssi_object_full_name(prefix, name, full, err));
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *wal, &wal, err));
    wal->heap = heap;
    wal->storage = storage;
    wal->salt = header->salt;
    wal_header(header, bytes);
    const vss_span span = {bytes, sizeof bytes};
    VSSI_TRY_GOTO(storage->log_open(storage->state, full, &wal->log, err), fail);
    VSSI_TRY_GOTO(storage->log_append(storage->state, wal->log, &span, 1, err), unused);
    VSSI_TRY_GOTO(storage->log_sync(storage->state, wal->log, err), unused);
    wal->size = wal->durable = sizeof bytes;
    wal->chain = vssi_load64(bytes + VSSI_WAL_AT_HASH);
    *out = wal;
    return VSS_OK;
unused:
    if (status == VSS_ERR_UNKNOWN_COMMIT) { /* of the header: no batch is in doubt */
        status = VSS_ERR_IO;
        if (err != NULL)
            err->status = status;
    }
    storage->log_close(storage->state, wal->log);
    (void)storage->remove(storage->state, full, NULL); /* a log of nothing but a header does no harm */
fail:
    vssi_free(heap, wal);
    return status;
}

/* A frame's header, the payload's parts and its padding. */
typedef struct wal_gather {
    uint8_t head[VSSI_WAL_FRAME];
    uint64_t size; /* of the payload */
    size_t n_parts;
    vss_span *parts;        /* header first */
    vssi_hash_part *pieces; /* without the header */
} wal_gather;

static vss_status wal_gather_parts(const vssi_wal *wal, const vss_span *payload, size_t n_parts, wal_gather *g,
                                   vss_error *err)
{
    static const uint8_t zeros[VSSI_WAL_FRAME];
    *g = (wal_gather){.n_parts = n_parts + 2};
    VSSI_TRY(vssi_alloc(wal->heap, g->n_parts, sizeof *g->parts, &g->parts, err));
    VSSI_TRY(vssi_alloc(wal->heap, g->n_parts, sizeof *g->pieces, &g->pieces, err));
    g->parts[0] = (vss_span){g->head, sizeof g->head};
    for (size_t i = 0; i < n_parts; i++) {
        g->size += payload[i].size;
        g->parts[i + 1] = payload[i];
    }
    g->parts[n_parts + 1] = (vss_span){zeros, (size_t)(vssi_wal_padded(g->size) - g->size)};
    for (size_t i = 0; i <= n_parts; i++)
        g->pieces[i] = (vssi_hash_part){g->parts[i + 1].data, g->parts[i + 1].size};
    return VSS_OK;
}

static void wal_frame_head(const vssi_wal *wal, vssi_wal_kind kind, uint64_t sequence, wal_gather *g)
{
    uint64_t seed = vssi_wal_seed(wal->salt, wal->size);
    vssi_store32(g->head, VSSI_WAL_FRAME_MAGIC);
    vssi_store32(g->head + VSSI_FRAME_AT_KIND, (uint32_t)kind);
    vssi_store64(g->head + VSSI_FRAME_AT_SEQUENCE, sequence);
    vssi_store64(g->head + VSSI_FRAME_AT_SIZE, g->size);
    vssi_store64(g->head + VSSI_FRAME_AT_DURABLE, wal->durable);
    vssi_store64(g->head + VSSI_FRAME_AT_CHAIN, wal->chain);
    vssi_store64(g->head + VSSI_FRAME_AT_PAYLOAD, vssi_hash_parts(g->pieces, g->n_parts - 1, seed));
    vssi_store64(g->head + VSSI_FRAME_AT_HASH, vssi_hash(g->head, VSSI_FRAME_AT_HASH, seed));
}

vss_status vssi_wal_append(vssi_wal *wal, vssi_wal_kind kind, uint64_t sequence, const vss_span *payload,
                           size_t n_parts, vss_error *err)
{
    wal_gather g;
    vss_status status = wal_gather_parts(wal, payload, n_parts, &g, err);
    if (status == VSS_OK) {
        wal_frame_head(wal, kind, sequence, &g);
        status = wal->storage->log_append(wal->storage->state, wal->log, g.parts, g.n_parts, err);
    }
    if (status == VSS_OK) {
        wal->size += VSSI_WAL_FRAME + vssi_wal_padded(g.size);
        wal->chain = vssi_load64(g.head + VSSI_FRAME_AT_HASH);
    }
    vssi_free(wal->heap, g.parts);
    vssi_free(wal->heap, g.pieces);
    return status;
}

vss_status vssi_wal_sync(vssi_wal *wal, vss_error *err)
{
    VSSI_TRY(wal->storage->log_sync(wal->storage->state, wal->log, err));
    wal->durable = wal->size;
    return VSS_OK;
}

bool vssi_wal_dirty(const vssi_wal *wal) { return wal->durable < wal->size; }

uint64_t vssi_wal_size(const vssi_wal *wal) { return wal->size; }

void vssi_wal_close(vssi_wal *wal)
{
    if (wal == NULL)
        return;
    wal->storage->log_close(wal->storage->state, wal->log);
    vssi_free(wal->heap, wal);
}
