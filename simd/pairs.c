/*
 * pairs.c - the table that goes with a level, and the least of many keys without special instructions
 *
 * The keys are read as 16 columns. The k-th least of the columns' minima, k up to 16, is no less than the k-th least
 * of all; what is above it is dropped in a second pass without branches. Some 20 of 600 keys are left at k = 10.
 */
#include "pairs.h"

#include "simd.h"

#define PAIRS_COLUMNS 16u
#define PAIRS_MANY 128u /* keys from which on columns are worth while */

void vssi_pairs_insert(const uint32_t *keys, size_t n, size_t k, uint32_t *out)
{
    size_t have = 0;
    for (size_t j = 0; j < n; j++) {
        uint32_t key = keys[j];
        if (have == k && (k == 0 || key >= out[k - 1]))
            continue;
        size_t i = have < k ? have++ : k - 1;
        for (; i > 0 && out[i - 1] > key; i--)
            out[i] = out[i - 1];
        out[i] = key;
    }
    while (have < k)
        out[have++] = VSSI_PAIRS_NONE;
}

static void pairs_least(const uint32_t *keys, size_t n, size_t k, uint32_t *out)
{
    if (n < PAIRS_MANY || k > PAIRS_COLUMNS || k == 0) {
        vssi_pairs_insert(keys, n, k, out);
        return;
    }
    uint32_t least[PAIRS_COLUMNS], sorted[PAIRS_COLUMNS], left[VSSI_PAIRS_MOST];
    size_t n_left = 0;
    for (size_t c = 0; c < PAIRS_COLUMNS; c++)
        least[c] = VSSI_PAIRS_NONE;
    for (size_t j = 0; j < n; j += PAIRS_COLUMNS) {
        for (size_t c = 0; c < PAIRS_COLUMNS; c++)
            least[c] = keys[j + c] < least[c] ? keys[j + c] : least[c];
    }
    vssi_pairs_insert(least, PAIRS_COLUMNS, k, sorted);
    for (size_t j = 0; j < n; j++) {
        left[n_left] = keys[j];
        n_left += keys[j] <= sorted[k - 1];
    }
    vssi_pairs_insert(left, n_left, k, out);
}

const vssi_pairs vssi_pairs_scalar = {"scalar", NULL, pairs_least};

static const vssi_pairs *pairs_of(const vssi_kernels *level)
{
#if defined(__x86_64__)
    if (vssi_simd_has(level, &vssi_simd_avx512vnni))
        return &vssi_pairs_avx512vnni;
#else
    (void)level;
#endif
    return &vssi_pairs_scalar;
}

const vssi_pairs *vssi_pairs_best(void) { return pairs_of(vssi_simd()); }

const vssi_pairs *vssi_pairs_level(size_t i)
{
    const vssi_kernels *level = vssi_simd_level(i);
    return level != NULL ? pairs_of(level) : NULL;
}
