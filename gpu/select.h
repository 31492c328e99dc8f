/*
 * select.h - the k-th smallest of many keys, by a block
 *
 * From the most significant byte to the least: count the keys of each value of the byte among those that share the
 * bytes chosen so far, add up the counts (Hillis and Steele's scan), and choose the byte in which the k-th lies.
 * Cost: the keys are read four times, whatever they are.
 */
#ifndef VSS_GPU_SELECT_H
#define VSS_GPU_SELECT_H

#include "block.h"

namespace vssg {

static_assert(THREADS == 256, "a thread for each value of a byte");

struct Select {
    uint32_t bins[2][THREADS];
    uint32_t prefix, rank, chosen, left;
};

VSSG_BOTH void select_digit(const Block &block, Select &s, uint32_t shift)
{
    for (uint32_t step = 1, from = 0; step < THREADS; step *= 2, from ^= 1)
        block.each([&](uint32_t t) {
            s.bins[from ^ 1][t] = s.bins[from][t] + (t >= step ? s.bins[from][t - step] : 0);
        });
    /* Eight steps: the sums are in bins[0] again. */
    block.each([&](uint32_t t) {
        const uint32_t before = t > 0 ? s.bins[0][t - 1] : 0;
        if (before < s.rank && s.rank <= s.bins[0][t]) {
            s.chosen = t;
            s.left = s.rank - before;
        }
    });
    block.each([&](uint32_t t) {
        if (t == 0) {
            s.prefix |= s.chosen << shift;
            s.rank = s.left;
        }
    });
}

/* keys(t, f) calls f(key) for the keys that are thread t's; together there are k of them or more, k above 0. */
template <class Keys> VSSG_BOTH uint32_t select_kth(const Block &block, Select &s, uint32_t k, const Keys &keys)
{
    block.each([&](uint32_t t) {
        if (t == 0) {
            s.prefix = 0;
            s.rank = k;
        }
    });
    for (uint32_t shift = 32; shift > 0;) {
        shift -= 8;
        block.each([&](uint32_t t) { s.bins[0][t] = 0; });
        block.each([&](uint32_t t) {
            keys(t, [&](uint32_t key) {
                if (static_cast<uint64_t>(key ^ s.prefix) >> (shift + 8) == 0)
                    (void)atomic_add(&s.bins[0][key >> shift & 255], 1);
            });
        });
        select_digit(block, s, shift);
    }
    return block.uniform(s.prefix);
}

} // namespace vssg

#endif
