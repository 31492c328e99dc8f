/*
 * nearest.h - the nearest center of every point, and what is added up of the points of a center
 *
 * Widen: bytes become Points (points.h), a warp a point. Closest: the matrix unit has multiplied points and centers, a
 * tile at a time, in parts of the components; the products of a pair are added up as whole numbers, and its distance is
 * |p|^2 + |c|^2 - 2 pc, below 2^31, without error. Some threads a point compare its distances, rounded to float32, in
 * 64 bits: the distance, then the number of the center, so that the first of equally near ones is the least. Centers
 * that do not fit a tile come in several; where and far, as the tiles before have left them, are compared with.
 * Tally: counts, sums, inertias and the farthest of each center's points, by atomics on whole numbers, which come to
 * the same in any order. Cost: the tile is read once; 1 atomic a byte of a point.
 */
#ifndef VSS_GPU_NEAREST_H
#define VSS_GPU_NEAREST_H

#include "points.h"
#include "prepare.h"

namespace vssg {

constexpr uint32_t POINT_LANES = 32;
constexpr uint32_t POINT_GROUPS = THREADS / POINT_LANES; /* points a block works on at once */

struct Widen {
    struct Shared {
        uint32_t lane[THREADS];
    };
    static const char *name() { return "widen"; }

    const uint8_t *codes; /* [points.n][points.size] */
    Points points;

    VSSG_BOTH uint32_t point(uint64_t at, uint32_t lane) const
    {
        const uint8_t *from = codes + at * points.size;
        uint16_t *to = points.halves + at * points.padded;
        uint32_t sum = 0;
        for (uint32_t i = lane; i < points.padded; i += POINT_LANES) {
            const int32_t value = i < points.size ? from[i] - 128 : 0;
            to[i] = bf16_of(static_cast<float>(value));
            sum += static_cast<uint32_t>(value * value);
        }
        return sum;
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint64_t first = static_cast<uint64_t>(block.x) * POINT_GROUPS;
        block.each([&](uint32_t t) {
            const uint64_t at = first + t / POINT_LANES;
            s.lane[t] = at < points.n ? point(at, t % POINT_LANES) : 0;
        });
        block.each([&](uint32_t t) {
            if (t >= POINT_GROUPS || first + t >= points.n)
                return;
            uint32_t sum = 0;
            for (uint32_t i = 0; i < POINT_LANES; i++)
                sum += s.lane[t * POINT_LANES + i];
            points.squares[first + t] = sum;
        });
    }
};

/* Less for what is nearer, or as near and first. */
VSSG_BOTH uint64_t nearest_key(uint32_t distance, uint32_t center)
{
    return static_cast<uint64_t>(bits_of(static_cast<float>(distance))) << 32 | center;
}

struct Closest {
    struct Shared {
        uint64_t keys[THREADS];
    };
    static const char *name() { return "closest"; }

    const float *products; /* [parts][tile points][stride]: of each point with each center */
    uint64_t part;         /* floats from one part to the next */
    uint32_t parts, stride;
    const uint32_t *point_squares, *center_squares; /* of this tile's */
    uint32_t n_points, n_centers, first_center;
    uint32_t lanes;        /* threads a point, a power of two up to THREADS */
    bool fresh;            /* where and far say nothing yet */
    uint32_t *where, *far; /* [n_points] */

    VSSG_BOTH uint32_t distance(uint32_t point, uint32_t center) const
    {
        const float *at = products + static_cast<uint64_t>(point) * stride + center;
        int32_t sum = 0;
        for (uint32_t i = 0; i < parts; i++)
            sum += static_cast<int32_t>(at[i * part]);
        return point_squares[point] + center_squares[center] - 2 * static_cast<uint32_t>(sum);
    }

    VSSG_BOTH uint64_t nearest(uint32_t point, uint32_t lane) const
    {
        uint64_t best = ~uint64_t{0};
        for (uint32_t c = lane; c < n_centers; c += lanes) {
            const uint64_t key = nearest_key(distance(point, c), first_center + c);
            best = key < best ? key : best;
        }
        return best;
    }

    VSSG_BOTH void settle(uint32_t point, uint64_t key) const
    {
        if (!fresh && nearest_key(far[point], where[point]) < key)
            return;
        where[point] = static_cast<uint32_t>(key);
        far[point] = distance(point, where[point] - first_center);
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint32_t first = block.x * (THREADS / lanes);
        block.each([&](uint32_t t) {
            const uint32_t point = first + t / lanes;
            s.keys[t] = point < n_points ? nearest(point, t % lanes) : 0;
        });
        for (uint32_t step = lanes / 2; step > 0; step /= 2)
            block.each([&](uint32_t t) {
                if (t % lanes < step && s.keys[t + step] < s.keys[t])
                    s.keys[t] = s.keys[t + step];
            });
        block.each([&](uint32_t t) {
            if (t % lanes == 0 && first + t / lanes < n_points)
                settle(first + t / lanes, s.keys[t]);
        });
    }
};

struct Tally {
    using Shared = NoShared;
    static const char *name() { return "tally"; }

    Points points;        /* n of them from the first on */
    uint64_t first;
    uint32_t n;
    const uint32_t *where, *far; /* [n] */
    uint64_t *inertias;   /* [centers] */
    uint64_t *farthest;   /* [centers]: far << 32 | ~row; 0: no point */
    uint32_t *counts;     /* [centers] */
    uint32_t *sums;       /* [centers][points.size] */

    VSSG_BOTH void point(uint32_t at, uint32_t lane) const
    {
        const uint64_t row = first + at, center = where[at];
        const uint16_t *halves = points.halves + row * points.padded;
        for (uint32_t i = lane; i < points.size; i += POINT_LANES) {
            const int32_t value = static_cast<int32_t>(float_of_bf16(halves[i])) + 128;
            (void)atomic_add(&sums[center * points.size + i], static_cast<uint32_t>(value));
        }
        if (lane != 0)
            return;
        (void)atomic_add(&counts[center], 1);
        atomic_add_wide(&inertias[center], far[at]);
        atomic_max_wide(&farthest[center], static_cast<uint64_t>(far[at]) << 32 | (~row & 0xffffffffu));
    }

    VSSG_BOTH void operator()(const Block &block, Shared &) const
    {
        block.each([&](uint32_t t) {
            const uint32_t at = block.x * POINT_GROUPS + t / POINT_LANES;
            if (at < n)
                point(at, t % POINT_LANES);
        });
    }
};

} // namespace vssg

#endif
