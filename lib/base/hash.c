/*
 * hash.c - XXH3-64 from the xxHash package, compiled in so that the hash of a short key costs no call
 */
#include "hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t vssi_hash(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

uint64_t vssi_hash_parts(const vssi_hash_part *parts, size_t n_parts, uint64_t seed)
{
    if (n_parts == 1)
        return vssi_hash(parts[0].data, parts[0].size, seed);
    XXH3_state_t state;
    (void)XXH3_64bits_reset(&state); /* reset_withSeed looks at what the state held before */
    (void)XXH3_64bits_reset_withSeed(&state, seed);
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].size != 0)
            (void)XXH3_64bits_update(&state, parts[i].data, parts[i].size);
    return XXH3_64bits_digest(&state);
}
