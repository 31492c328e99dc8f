/*
 * tile.h - many queries: products of bfloat16 from the matrix unit, turned into bounds and sifted
 *
 * A tile is the products P[q][r] of a pass' queries with some rows, made by the matrix unit in float32. Sift: a block
 * takes four queries through a slice of the tile's rows, four rows a thread at once, whose factors it reads once for
 * the four queries.
 *
 * Why no row is missed. Let q' be the query times 2 for l2, 1 for ip and the inverse of its length for cosine; v a row,
 * under cosine over its length; ~ what bfloat16 makes of either; E at least |v - ~v|; n the greatest |q' - ~q'| /
 * |q'| of the pass. The score is S = |v|^2 - q'v for l2 (the value is |q|^2 + S), else -q'v. A matrix unit multiplies
 * bfloat16 without error but may add a few products at once, cut off at the greatest one's last bits instead of
 * rounded: each addition costs at most four units u = 2^-24 of the sum of all |products| where rounding costs one.
 * With g = (dim + 16) 4 u / (1 - ...)
 *     |P - q'v| <= |q'| |v - ~v| + |q' - ~q'| |~v| + g |~q'| |~v| <= |q'| W
 *     W = (E + (n + 1.01 g) (|v| + E)) (1 + 2^-18)
 * 1.01 for |~q'| <= (1 + 2^-8) |q'|; 64 u of g are there for what follows. With R at least |q'| and B = |v|^2 rounded
 * down by at least 14 u and at most 20 u, low = B - R W - P is computed with three roundings: of R W, within W's and
 * R's 2^-18; of B and the difference, at most 3 u B; of P, 2 u |P|, within g. So low <= S, and high = low + 2 R W +
 * 64 u B >= S, its own roundings included. Sums and products that underflow are in Lists::tiny, dim 2^-110: bf16_of
 * makes components below 2^-60 zero and E knows it.
 *
 * Cost: reads the tile once, from the second-level cache where it is small enough, and 2 floats a row a block.
 */
#ifndef VSS_GPU_TILE_H
#define VSS_GPU_TILE_H

#include "lists.h"
#include "prepare.h"

namespace vssg {

constexpr uint32_t SIFT_QUERIES = 4, SIFT_ROWS = 4; /* of a block; of a thread at once */
static_assert(THREADS * SIFT_ROWS == ROWS_WHOLE, "a strip is a whole piece of rows");

struct alignas(16) Four {
    float at[SIFT_ROWS];
};

VSSG_BOTH Four load_four(const float *at)
{
    Four four;
#if defined(__CUDA_ARCH__)
    const float4 loaded = *reinterpret_cast<const float4 *>(at);
    four.at[0] = loaded.x;
    four.at[1] = loaded.y;
    four.at[2] = loaded.z;
    four.at[3] = loaded.w;
#else
    host_whole(at);
    memcpy(&four, at, sizeof four);
#endif
    return four;
}

struct Sift {
    struct Shared {
        ListsShared<SIFT_QUERIES> lists;
    };
    static const char *name() { return "sift"; }

    const float *products; /* [queries.n][stride] */
    uint64_t stride;       /* whole pieces */
    const float *bases, *weights; /* of all rows */
    const float *reaches;
    Lists lists;
    uint32_t first_row, tile_rows; /* first_row is a whole piece's */
    uint32_t slice_rows;           /* whole pieces */
    uint32_t n_queries;
    bool fresh, last;

    VSSG_BOTH void strip(uint32_t at, uint32_t first, uint32_t slice, uint32_t t, Shared &s) const
    {
        const uint32_t in_tile = at + t * SIFT_ROWS, row = first_row + in_tile;
        const Four base = load_four(bases + row), weight = load_four(weights + row);
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
        for (uint32_t q = 0; q < SIFT_QUERIES; q++) {
            if (first + q >= n_queries)
                break;
            const Four product = load_four(products + static_cast<uint64_t>(first + q) * stride + in_tile);
            const float reach = reaches[first + q], cut = s.lists.cuts[q];
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
            for (uint32_t i = 0; i < SIFT_ROWS; i++) {
                const float slack = reach * weight.at[i], low = base.at[i] - slack - product.at[i];
                if (!(low > cut) && in_tile + i < tile_rows)
                    lists_take(s.lists, lists, q, first, slice, low, low + (2 * slack + 0x1p-18f * base.at[i]),
                               row + i);
            }
        }
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint32_t slice = block.x, first = block.y * SIFT_QUERIES;
        const uint64_t begin = static_cast<uint64_t>(slice) * slice_rows, past = begin + slice_rows;
        const uint32_t end = static_cast<uint32_t>(past < tile_rows ? past : tile_rows);
        lists_begin(block, s.lists, lists, first, n_queries, slice, fresh);
        for (uint64_t at = begin; at < end; at += ROWS_WHOLE) {
            block.each([&](uint32_t t) { strip(static_cast<uint32_t>(at), first, slice, t, s); });
            lists_room(block, s.lists, lists, first, slice, ROWS_WHOLE);
        }
        lists_end(block, s.lists, lists, first, n_queries, slice, last);
    }
};

} // namespace vssg

#endif
