/*
 * generate.h - random rows, made where they are wanted: for the benchmark
 *
 * Component i is a hash of the seed and i (the finisher of splitmix64), so that the host makes the same ones.
 */
#ifndef VSS_GPU_GENERATE_H
#define VSS_GPU_GENERATE_H

#include "prepare.h"

namespace vssg {

constexpr uint32_t GENERATE_EACH = 16; /* components of a thread */

VSSG_BOTH float generate_component(uint64_t seed, uint64_t i)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + i;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return static_cast<float>(static_cast<int32_t>(x >> 40) - (1 << 23)) * 0x1p-23f;
}

struct Generate {
    using Shared = NoShared;
    static const char *name() { return "generate"; }

    float *to;
    uint64_t n, seed;

    VSSG_BOTH void operator()(const Block &block, Shared &) const
    {
        const uint64_t first = static_cast<uint64_t>(block.x) * THREADS * GENERATE_EACH;
        block.each([&](uint32_t t) {
            for (uint64_t i = first + t, past = first + THREADS * GENERATE_EACH; i < past && i < n; i += THREADS)
                to[i] = generate_component(seed, i);
        });
    }
};

} // namespace vssg

#endif
