/*
 * bitmap.h - one bit a row, in 64-bit words; the bits past the last row are 0
 */
#ifndef VSSI_BITMAP_H
#define VSSI_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t vssi_bitmap_words(size_t bits) { return bits / 64 + (bits % 64 != 0); }
static inline bool vssi_bitmap_get(const uint64_t *map, size_t i) { return (map[i / 64] >> (i % 64)) & 1; }
static inline void vssi_bitmap_set(uint64_t *map, size_t i) { map[i / 64] |= (uint64_t)1 << (i % 64); }
static inline void vssi_bitmap_clear(uint64_t *map, size_t i) { map[i / 64] &= ~((uint64_t)1 << (i % 64)); }

/* Bits set among the first `bits`. */
size_t vssi_bitmap_count(const uint64_t *map, size_t bits);
/* Set the first `bits`, clear the rest of their last word. */
void vssi_bitmap_fill(uint64_t *map, size_t bits);
/* map &= ~other */
void vssi_bitmap_subtract(uint64_t *map, const uint64_t *other, size_t bits);
/* The rows whose bits are set in [begin, end), at most capacity of them, into rows. *next is where to go on, `end` when
 * done. Places of rows behind the last one may be overwritten. */
size_t vssi_bitmap_rows(const uint64_t *map, size_t begin, size_t end, uint32_t *rows, size_t capacity, size_t *next);

/* Arrow's byte-wise validity bits. */
static inline bool vssi_bit(const uint8_t *bits, size_t i) { return (bits[i / 8] >> (i % 8)) & 1; }

#endif
