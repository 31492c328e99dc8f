/*
 * hash.h - XXH3-64, the one checksum of the format and the one hash of keys
 */
#ifndef VSSI_HASH_H
#define VSSI_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t vssi_hash(const void *data, size_t size, uint64_t seed);

/* Of a byte string that lies in several parts. */
typedef struct vssi_hash_part {
    const void *data;
    size_t size;
} vssi_hash_part;
uint64_t vssi_hash_parts(const vssi_hash_part *parts, size_t n_parts, uint64_t seed);

/* Binds a block's hash to what it is and where it stands, so that a whole block in a wrong place is damage too. */
static inline uint64_t vssi_hash_seed(uint32_t kind, uint64_t offset) { return ((uint64_t)kind << 48) ^ offset; }

/* splitmix64: a reproducible stream of numbers from a seed. */
static inline uint64_t vssi_random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
