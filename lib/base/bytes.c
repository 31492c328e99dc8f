/*
 * bytes.c - a bounded reader and a growing writer of little-endian numbers
 *
 * The reader never reads past its end whatever the bytes say; the writer at least doubles, so that n bytes cost O(n).
 */
#include "bytes.h"

#include "checked.h"
#include "fail.h"

const uint8_t *vssi_read_bytes(vssi_reader *r, size_t size)
{
    if (r->bad || r->at > r->size || size > r->size - r->at) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->data + r->at;
    r->at += size;
    return p;
}

uint8_t vssi_read8(vssi_reader *r)
{
    const uint8_t *p = vssi_read_bytes(r, 1);
    return p != NULL ? *p : 0;
}

uint16_t vssi_read16(vssi_reader *r)
{
    const uint8_t *p = vssi_read_bytes(r, 2);
    return p != NULL ? vssi_load16(p) : 0;
}

uint32_t vssi_read32(vssi_reader *r)
{
    const uint8_t *p = vssi_read_bytes(r, 4);
    return p != NULL ? vssi_load32(p) : 0;
}

uint64_t vssi_read64(vssi_reader *r)
{
    const uint8_t *p = vssi_read_bytes(r, 8);
    return p != NULL ? vssi_load64(p) : 0;
}

const char *vssi_read_text(vssi_reader *r, size_t *size)
{
    uint32_t length = vssi_read32(r);
    const uint8_t *p = vssi_read_bytes(r, length);
    *size = p != NULL ? length : 0;
    return (const char *)p;
}

/* Room for size more bytes, counted as written; NULL when there is none. */
static uint8_t *bytes_reserve(vssi_writer *w, size_t size)
{
    if (w->status != VSS_OK)
        return NULL;
    size_t wanted;
    if (!vssi_add(w->size, size, &wanted)) {
        w->status = vssi_fail_memory(w->err, size);
        return NULL;
    }
    if (wanted > w->capacity) {
        size_t doubled = w->capacity;
        size_t capacity = wanted;
        if (vssi_mul(doubled, 2, &doubled))
            capacity = vssi_max(vssi_max(capacity, doubled), 256);
        w->status = vssi_realloc(w->heap, capacity, 1, &w->data, w->err);
        if (w->status != VSS_OK)
            return NULL;
        w->capacity = capacity;
    }
    uint8_t *p = w->data + w->size;
    w->size = wanted;
    return p;
}

void vssi_write_bytes(vssi_writer *w, const void *data, size_t size)
{
    if (size == 0)
        return;
    uint8_t *p = bytes_reserve(w, size);
    if (p != NULL)
        memcpy(p, data, size);
}

void vssi_write_zeros(vssi_writer *w, size_t size)
{
    if (size == 0)
        return;
    uint8_t *p = bytes_reserve(w, size);
    if (p != NULL)
        memset(p, 0, size);
}

void vssi_write8(vssi_writer *w, uint8_t v) { vssi_write_bytes(w, &v, sizeof v); }
void vssi_write16(vssi_writer *w, uint16_t v) { vssi_write_bytes(w, &v, sizeof v); }
void vssi_write32(vssi_writer *w, uint32_t v) { vssi_write_bytes(w, &v, sizeof v); }
void vssi_write64(vssi_writer *w, uint64_t v) { vssi_write_bytes(w, &v, sizeof v); }

void vssi_write_text(vssi_writer *w, const char *text, size_t size)
{
    if (size > UINT32_MAX) {
        if (w->status == VSS_OK)
            w->status = vssi_fail(w->err, VSS_ERR_INVALID, "a text of %zu bytes is longer than 4 GiB", size);
        return;
    }
    vssi_write32(w, (uint32_t)size);
    vssi_write_bytes(w, text, size);
}
