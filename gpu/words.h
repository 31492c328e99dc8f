/*
 * words.h - the nearest codeword of every run of residuals, as vss_device_words says, to the bit
 *
 * A block takes 64 rows through one run: their components of it are staged in shared memory, where rows begin in
 * different banks; longer runs are read where they lie. Threads of a warp have 32 rows and one quarter of the words,
 * four at a time, so that one load from the cache serves the warp. A sum has one thread and one order. Of a quarter's
 * words the first nearest is kept, and quarters are compared in their order.
 *
 * Cost: 3 float32 operations a component and word. What bounds it is the way to the card: a row of 960 components, 240
 * runs and 256 words is 4,080 bytes on the bus, some 13e6 rows a second at 55 GB/s, and 0.74e6 operations, of which an
 * H200 does 30e12 a second where none is fused: some 34e6 rows.
 */
#ifndef VSS_GPU_WORDS_H
#define VSS_GPU_WORDS_H

#include "numbers.h"

namespace vssg {

constexpr uint32_t WORDS_ROWS = 64, WORDS_QUARTERS = THREADS / WORDS_ROWS;
constexpr uint32_t WORDS_ROOM = 64;  /* components of a run that is staged */
constexpr uint32_t WORDS_EACH = 4;   /* words that a thread sums up at once */
constexpr uint32_t WORDS_WHOLE = WORDS_QUARTERS * WORDS_EACH; /* a number of words is a multiple of this */

struct Words {
    struct Shared {
        float room[WORDS_ROWS * (WORDS_ROOM + 1)];
        float far[THREADS];
        uint32_t word[THREADS];
    };
    static const char *name() { return "words"; }

    const float *residuals; /* [n][width] */
    const float *words;     /* [width][n_words] */
    uint8_t *codes;         /* [n][runs] */
    uint32_t n, width, runs, n_words;

    VSSG_BOTH uint32_t begin(uint32_t run) const
    {
        return static_cast<uint32_t>(static_cast<uint64_t>(run) * width / runs);
    }

    /* sums[WORDS_EACH] of a row's run and the words from a number on. */
    VSSG_BOTH void compare(const float *r, const float *word, uint32_t length, float *sums) const
    {
        for (uint32_t k = 0; k < WORDS_EACH; k++)
            sums[k] = 0;
        for (uint32_t i = 0; i < length; i++, word += n_words) {
            const float x = r[i];
#if defined(__CUDA_ARCH__)
            const float4 four = __ldg(reinterpret_cast<const float4 *>(word));
            const float w[WORDS_EACH] = {four.x, four.y, four.z, four.w};
#pragma unroll
#else
            host_whole(word);
            const float *w = word;
#endif
            for (uint32_t k = 0; k < WORDS_EACH; k++)
                sums[k] = sums[k] + (x - w[k]) * (x - w[k]);
        }
    }

    /* Of a quarter's words; the first of all is taken whatever its sum is, others if they are nearer. */
    VSSG_BOTH void nearest(const float *r, uint32_t from, uint32_t length, Shared &s, uint32_t t) const
    {
        const uint32_t share = n_words / WORDS_QUARTERS, first = t / WORDS_ROWS * share;
        float far = infinity();
        uint32_t word = first;
        for (uint32_t at = first; at < first + share; at += WORDS_EACH) {
            float sums[WORDS_EACH];
            compare(r, words + static_cast<uint64_t>(from) * n_words + at, length, sums);
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
            for (uint32_t k = 0; k < WORDS_EACH; k++)
                if (at + k == 0 || sums[k] < far) {
                    far = sums[k];
                    word = at + k;
                }
        }
        s.far[t] = far;
        s.word[t] = word;
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint64_t first = static_cast<uint64_t>(block.x) * WORDS_ROWS;
        const uint32_t run = block.y, from = begin(run), length = begin(run + 1) - from;
        const uint32_t rows = n - first < WORDS_ROWS ? static_cast<uint32_t>(n - first) : WORDS_ROWS;
        const bool staged = length <= WORDS_ROOM;
        if (staged)
            block.each([&](uint32_t t) {
                for (uint32_t at = t; at < rows * length; at += THREADS)
                    s.room[at / length * (length + 1) + at % length] =
                        residuals[(first + at / length) * width + from + at % length];
            });
        block.each([&](uint32_t t) {
            const uint32_t g = t % WORDS_ROWS;
            if (g < rows)
                nearest(staged ? s.room + g * (length + 1) : residuals + (first + g) * width + from, from, length, s,
                        t);
        });
        block.each([&](uint32_t t) {
            if (t >= rows)
                return;
            float far = s.far[t];
            uint32_t word = s.word[t];
            for (uint32_t at = t + WORDS_ROWS; at < THREADS; at += WORDS_ROWS)
                if (s.far[at] < far) {
                    far = s.far[at];
                    word = s.word[at];
                }
            codes[(first + t) * runs + run] = static_cast<uint8_t>(word);
        });
    }
};

} // namespace vssg

#endif
