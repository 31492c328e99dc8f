/*
 * prepare.h - norms of vectors and their roundings to bfloat16; what a pass needs of rows and queries
 *
 * Prepare: eight threads a vector. |v|^2 is summed in libvss' order, so that for queries under cosine it is the very
 * number the CPU divides by. What rounding took off is measured in float64 against the vector times `factor`, or
 * divided by its length: whatever the rounding did, `rests` is at least its length (2^-40 covers the float64 errors
 * of 32,768 squares; no square of a float32 underflows there; the error of the division, 2^-52 of the length, is
 * within the gamma of tile.h). Aim: what a query's scores are compared with (lists.h, tile.h). Factor: what tile.h
 * needs of each row in this pass.
 */
#ifndef VSS_GPU_PREPARE_H
#define VSS_GPU_PREPARE_H

#include "layout.h"

namespace vssg {

constexpr uint32_t LANES = 8;
constexpr uint32_t GROUPS = THREADS / LANES; /* vectors a block works on at once */

struct NoShared {
    uint32_t none;
};

struct Prepare {
    struct Shared {
        double lane[THREADS], square[GROUPS];
    };
    static const char *name() { return "prepare"; }

    const uint8_t *vectors;
    uint64_t stride;
    uint32_t n, dim, padded;
    Kind kind;
    bool unit;        /* divide by the length */
    float factor;
    uint16_t *halves; /* [n][padded]; NULL: not wanted, nor are the rests */
    double *squares;  /* [n]; NULL: not wanted */
    float *lengths;   /* [n]; NULL: not wanted */
    float *rests;     /* [n]; NULL: not wanted */
    uint32_t *spread; /* order_of the greatest rest / length, raised; NULL: not wanted */

    VSSG_BOTH double wide(const uint8_t *vector, uint32_t i) const
    {
        return static_cast<double>(component(kind, vector, i));
    }

    VSSG_BOTH double scale(double square) const { return unit ? 1 / root(square) : static_cast<double>(factor); }

    VSSG_BOTH double measure(const uint8_t *vector, uint32_t lane) const
    {
        double sum = 0;
        for (uint32_t i = lane; i < dim; i += LANES) {
            const double x = wide(vector, i);
            sum = plus(sum, times(x, x));
        }
        return sum;
    }

    VSSG_BOTH double round(const uint8_t *vector, uint16_t *out, double by, uint32_t lane) const
    {
        double sum = 0;
        for (uint32_t i = lane; i < padded; i += LANES) {
            const double x = i < dim ? wide(vector, i) * by : 0;
            const uint16_t half = bf16_of(static_cast<float>(x));
            const double off = x - static_cast<double>(float_of_bf16(half));
            out[i] = half;
            sum += off * off;
        }
        return sum;
    }

    VSSG_BOTH void note(uint32_t at, double square, double off) const
    {
        const double rest = root(off) * (1 + 0x1p-40), length = unit ? 1 : root(square) * static_cast<double>(factor);
        if (rests != nullptr)
            rests[at] = float_up(rest);
        if (spread != nullptr)
            atomic_max(spread, order_of(length > 0 ? float_up(rest / length * (1 + 0x1p-40)) : 0));
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint32_t first = block.x * GROUPS;
        block.each([&](uint32_t t) {
            const uint64_t at = first + t / LANES;
            s.lane[t] = at < n ? measure(vectors + at * stride, t % LANES) : 0;
        });
        block.each([&](uint32_t t) {
            const uint32_t at = first + t;
            if (t >= GROUPS || at >= n)
                return;
            s.square[t] = sum_lanes(s.lane + t * LANES);
            if (squares != nullptr)
                squares[at] = s.square[t];
            if (lengths != nullptr)
                lengths[at] = static_cast<float>(root(s.square[t]));
        });
        if (halves == nullptr)
            return;
        block.each([&](uint32_t t) {
            const uint64_t at = first + t / LANES;
            if (at < n)
                s.lane[t] = round(vectors + at * stride, halves + at * padded, scale(s.square[t / LANES]), t % LANES);
        });
        block.each([&](uint32_t t) {
            if (t < GROUPS && first + t < n)
                note(first + t, s.square[t], sum_lanes(s.lane + t * LANES));
        });
    }
};

struct Aim {
    using Shared = NoShared;
    static const char *name() { return "aim"; }

    const double *squares; /* [n]; NULL for bits */
    const float *limits;   /* [n]; NULL: none */
    float *reaches;        /* [n] */
    double *offsets;       /* [n] */
    uint32_t *cuts;        /* [n] */
    uint32_t n;
    bool products;         /* scores are made from products of halves */
    vss_metric metric;
    double tiny;

    VSSG_BOTH float reach(double length) const
    {
        if (!products)
            return static_cast<float>(length);
        const double factor = metric == VSS_METRIC_L2 ? 2 : 1;
        return float_up((metric == VSS_METRIC_COSINE ? 1 : factor * length) * (1 + 0x1p-18));
    }

    VSSG_BOTH void operator()(const Block &block, Shared &) const
    {
        block.each([&](uint32_t t) {
            const uint64_t q = static_cast<uint64_t>(block.x) * THREADS + t;
            if (q >= n)
                return;
            const double square = squares != nullptr ? squares[q] : 0;
            const double offset = products && metric == VSS_METRIC_L2 ? square : 0;
            const float limit = limits != nullptr ? limits[q] : infinity();
            reaches[q] = reach(root(square));
            offsets[q] = offset;
            cuts[q] = ORDER_INFINITY;
            if (!(limit < infinity()))
                return;
            /* Values up to the limit are of scores below the float after it, and float64 has errors of its own. */
            const double most = static_cast<double>(next_up(limit));
            cuts[q] = order_of(float_up(most + 0x1p-22 * (most < 0 ? -most : most) - offset * (1 - 0x1p-40) + tiny));
        });
    }
};

struct Factor {
    using Shared = NoShared;
    static const char *name() { return "factor"; }

    const float *lengths, *rests; /* [rows] */
    const uint32_t *spread;
    float *bases, *weights;       /* [whole pieces of rows] */
    uint32_t n, whole;
    vss_metric metric;
    double gamma;

    VSSG_BOTH void operator()(const Block &block, Shared &) const
    {
        block.each([&](uint32_t t) {
            const uint64_t r = static_cast<uint64_t>(block.x) * THREADS + t;
            if (r >= whole)
                return;
            bases[r] = r < n ? 0 : infinity();
            weights[r] = 0;
            if (r >= n)
                return;
            const double length = static_cast<double>(lengths[r]), rest = static_cast<double>(rests[r]);
            const double most = (metric == VSS_METRIC_COSINE ? 1 : length) * (1 + 0x1p-22) + rest;
            const double share = static_cast<double>(of_order(*spread)) + gamma;
            weights[r] = float_up((rest + share * most) * (1 + 0x1p-18));
            if (metric == VSS_METRIC_L2)
                bases[r] = float_down(length * length * (1 - 0x1p-20));
        });
    }
};

} // namespace vssg

#endif
