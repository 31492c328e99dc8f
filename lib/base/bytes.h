/*
 * bytes.h - little-endian numbers, a bounded reader and a growing writer
 */
#ifndef VSSI_BYTES_H
#define VSSI_BYTES_H

#include <stdbool.h>
#include <string.h>

#include "heap.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "libvss maps stored arrays of numbers as they are: it needs a little-endian machine"
#endif

static inline uint16_t vssi_load16(const void *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint32_t vssi_load32(const void *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint64_t vssi_load64(const void *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }
static inline void vssi_store16(void *p, uint16_t v) { memcpy(p, &v, sizeof v); }
static inline void vssi_store32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void vssi_store64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }

/* A cursor over bytes that nobody vouches for. A read past the end sets `bad` and gives zeros: check it at the end. */
typedef struct vssi_reader {
    const uint8_t *data;
    size_t size;
    size_t at;
    bool bad;
} vssi_reader;

uint8_t vssi_read8(vssi_reader *r);
uint16_t vssi_read16(vssi_reader *r);
uint32_t vssi_read32(vssi_reader *r);
uint64_t vssi_read64(vssi_reader *r);
/* size bytes in place, or NULL and bad. */
const uint8_t *vssi_read_bytes(vssi_reader *r, size_t size);
/* A u32 length and that many bytes in place, or NULL and bad. */
const char *vssi_read_text(vssi_reader *r, size_t *size);

/* A growing byte string. The first failure sticks in `status`; later writes do nothing. Free data with vssi_free. */
typedef struct vssi_writer {
    vssi_heap *heap;
    uint8_t *data;
    size_t size;
    size_t capacity;
    vss_status status;
    vss_error *err;
} vssi_writer;

void vssi_write8(vssi_writer *w, uint8_t v);
void vssi_write16(vssi_writer *w, uint16_t v);
void vssi_write32(vssi_writer *w, uint32_t v);
void vssi_write64(vssi_writer *w, uint64_t v);
void vssi_write_bytes(vssi_writer *w, const void *data, size_t size);
void vssi_write_text(vssi_writer *w, const char *text, size_t size); /* u32 length, bytes */
void vssi_write_zeros(vssi_writer *w, size_t size);

#endif
