/*
 * key_table.h - from key to row: a hash table of row numbers that can be stored and mapped as it is
 */
#ifndef VSSI_KEY_TABLE_H
#define VSSI_KEY_TABLE_H

#include "segment.h"

#define VSSI_KEY_EMPTY 0xffffffffu

/* Slots of the table of that many rows: a power of two, at least 64 and twice the rows. */
size_t vssi_key_table_slots(size_t rows);
uint64_t vssi_key_hash(const vssi_key *key);
/* The table of the keys in a view, [slots], in memory of the heap. */
vss_status vssi_key_table_build(vssi_heap *heap, const vss_column *keys, uint32_t **out, vss_error *err);

#endif
