/*
 * mend.h - recompute the hashes of stored objects after a test has changed them, so that what is changed reaches the
 * code that looks at what the bytes say
 *
 * Works on bytes that may be anything: what can't be a block, a part or a reference is left as it is.
 */
#ifndef MEND_H
#define MEND_H

#include "../../lib/format/object.h"
#include "archive.h"

/* Every hash inside of an object, bottom up: chunks, column parts, blocks. tail_size is what the manifest says.
 * *tail_hash is what the manifest must say then. False, and nothing is changed, where the object can't have such a
 * tail. */
bool mend_object(uint8_t *data, size_t size, vssi_object_kind kind, size_t tail_size, uint64_t *tail_hash);

/* A manifest's own hash, its last 8 bytes. */
void mend_manifest(uint8_t *data, size_t size);

/* All of the archive: every manifest, every object that one names and its tail hash there. sizes: the objects' sizes
 * too. */
void mend_archive(archive *a, bool sizes);

#endif
