/*
 * damage.h - change stored files where it hurts: directories, counts, offsets, tables, indexes of columns, references
 *
 * A pure function of the archive and the random state (lib/base/hash.h).
 */
#ifndef DAMAGE_H
#define DAMAGE_H

#include "archive.h"

/* One change of one file. */
void damage_random(archive *a, uint64_t *random);
/* One change of these bytes, which stay as many. */
void damage_bytes(uint8_t *data, size_t size, uint64_t *random);

#endif
