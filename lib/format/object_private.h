/*
 * object_private.h - the container's bytes, for the files that write, read and check them
 */
#ifndef VSSI_OBJECT_PRIVATE_H
#define VSSI_OBJECT_PRIVATE_H

#include <stdbool.h>

#include "../base/checked.h"
#include "object.h"

#define VSSI_FORMAT_MAJOR 1
#define VSSI_FORMAT_MINOR 0

#define VSSI_OBJECT_MAGIC "\x89VSS\r\n\x1a\n"
#define VSSI_OBJECT_MAGIC_SIZE 8u
#define VSSI_OBJECT_ALIGN 64u
#define VSSI_OBJECT_HEADER 64u   /* block 0 */
#define VSSI_OBJECT_TRAILER 64u
#define VSSI_OBJECT_ENTRY 48u
#define VSSI_OBJECT_ENTRIES_MAX 4096u
#define VSSI_OBJECT_NAME_MAX 512u

/* Block 0 of an object of that kind. */
void vssi_object_header(vssi_object_kind kind, uint8_t out[VSSI_OBJECT_HEADER]);
/* prefix + name, both valid; INVALID when that is longer than names may be. out[VSSI_OBJECT_NAME_MAX + 1] */
vss_status vssi_object_full_name(const char *prefix, const char *name, char *out, vss_error *err);

static inline uint64_t vssi_object_padded(uint64_t size) { return vssi_round_up(size, VSSI_OBJECT_ALIGN); }
static inline uint64_t vssi_object_chunks(uint64_t size)
{
    return size / VSSI_CHUNK_SIZE + (size % VSSI_CHUNK_SIZE != 0);
}

/* Is chunk c of the block what the block of hashes says? Looks, keeps nothing. */
bool vssi_object_chunk_good(const vssi_object *object, const vssi_object_entry *e, const uint64_t *hashes, uint64_t c);
/* Was chunk c of a chunked block found good before? */
bool vssi_object_chunk_known(const vssi_object *object, size_t entry, uint64_t c);
/* Is the block, hashed whole, good? */
bool vssi_object_block_good(const uint8_t *object, const vssi_object_entry *e);
/* Static text: "vectors", "keys", ... */
const char *vssi_block_name(uint32_t kind);

#endif
