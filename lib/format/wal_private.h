/*
 * wal_private.h - the bytes that writing and reading a log share
 */
#ifndef VSSI_WAL_PRIVATE_H
#define VSSI_WAL_PRIVATE_H

#include "../base/bytes.h"
#include "../base/checked.h"
#include "../base/hash.h"
#include "object_private.h"
#include "wal.h"

#define VSSI_WAL_MAGIC "\x89VSW\r\n\x1a\n"
#define VSSI_WAL_MAGIC_SIZE 8u
#define VSSI_WAL_FRAME_MAGIC 0x46575356u /* "VSWF" */

/* Offsets in a header and in a frame; the last 8 bytes of both are the hash of those before. */
enum { VSSI_WAL_AT_NUMBER = 16, VSSI_WAL_AT_BASE = 24, VSSI_WAL_AT_IDENTITY = 32, VSSI_WAL_AT_CARRIED = 40,
       VSSI_WAL_AT_SALT = 48, VSSI_WAL_AT_HASH = 56 };
enum { VSSI_FRAME_AT_KIND = 4, VSSI_FRAME_AT_SEQUENCE = 8, VSSI_FRAME_AT_SIZE = 16, VSSI_FRAME_AT_DURABLE = 24,
       VSSI_FRAME_AT_CHAIN = 32, VSSI_FRAME_AT_PAYLOAD = 40, VSSI_FRAME_AT_HASH = 56 };

/* Of a frame's own hash and of its payload's: what stands elsewhere, or in another log, is no frame here. */
static inline uint64_t vssi_wal_seed(uint64_t salt, uint64_t offset) { return salt ^ offset; }

static inline uint64_t vssi_wal_padded(uint64_t size) { return vssi_round_up(size, VSSI_WAL_FRAME); }

#endif
