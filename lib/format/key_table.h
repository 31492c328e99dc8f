/*
 * key_table.h - from key to row: rows in buckets by the hash of their keys, sorted by key within a bucket
 *
 * The table is u32 words that can be stored and mapped as they are: starts [buckets + 1], then order [rows]. Bucket b
 * holds the rows order[starts[b]] to order[starts[b + 1]], of rising keys. A look-up costs a hash and about two
 * comparisons, at worst, whatever the keys and whatever the table, a binary search over the rows.
 */
#ifndef VSSI_KEY_TABLE_H
#define VSSI_KEY_TABLE_H

#include "segment.h"

/* A power of two, at least 64 and the rows. */
size_t vssi_key_table_buckets(size_t rows);
static inline size_t vssi_key_table_words(size_t rows) { return vssi_key_table_buckets(rows) + 1 + rows; }
uint64_t vssi_key_hash(const vssi_key *key);
/* The table of the keys in a view, in memory of the heap. */
vss_status vssi_key_table_build(vssi_heap *heap, const vss_column *keys, uint32_t **out, vss_error *err);

#endif
