/*
 * bitmap.c - counting, combining and walking bitmaps, a 64-bit word at a time
 */
#include "bitmap.h"

#include <string.h>

#include "checked.h"

#define BITMAP_STEP ((size_t)4) /* rows written without a branch on how many there are */

/* The bits of the last word that belong to the map: all of them where bits is a multiple of 64. */
static uint64_t bitmap_last_mask(size_t bits)
{
    return bits % 64 == 0 ? UINT64_MAX : ((uint64_t)1 << (bits % 64)) - 1;
}

size_t vssi_bitmap_count(const uint64_t *map, size_t bits)
{
    size_t full = bits / 64;
    size_t count = 0;
    for (size_t w = 0; w < full; w++)
        count += (size_t)__builtin_popcountll(map[w]);
    if (bits % 64 != 0)
        count += (size_t)__builtin_popcountll(map[full] & bitmap_last_mask(bits));
    return count;
}

void vssi_bitmap_fill(uint64_t *map, size_t bits)
{
    size_t words = vssi_bitmap_words(bits);
    if (words == 0)
        return;
    memset(map, 0xff, words * sizeof *map);
    map[words - 1] = bitmap_last_mask(bits);
}

void vssi_bitmap_subtract(uint64_t *map, const uint64_t *other, size_t bits)
{
    size_t words = vssi_bitmap_words(bits);
    for (size_t w = 0; w < words; w++)
        map[w] &= ~other[w];
}

size_t vssi_bitmap_rows(const uint64_t *map, size_t begin, size_t end, uint32_t *rows, size_t capacity, size_t *next)
{
    size_t n = 0;
    for (size_t at = begin; at < end;) {
        size_t base = at & ~(size_t)63;
        size_t stop = vssi_min(end - base, 64);
        uint64_t word = map[base / 64] & (UINT64_MAX << (at % 64)) & bitmap_last_mask(stop);
        for (bool more = true; more && capacity - n >= BITMAP_STEP; more = word != 0) {
            for (size_t i = 0; i < BITMAP_STEP; i++, word &= word - 1) {
                rows[n] = (uint32_t)base + (uint32_t)__builtin_ctzll(word | (uint64_t)1 << 63);
                n += word != 0;
            }
        }
        for (; word != 0; word &= word - 1) {
            size_t row = base + (size_t)__builtin_ctzll(word);
            if (n == capacity) {
                *next = row;
                return n;
            }
            rows[n++] = (uint32_t)row;
        }
        at = base + stop;
    }
    *next = end;
    return n;
}
