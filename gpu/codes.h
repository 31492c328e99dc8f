/*
 * codes.h - rows of floats by a byte a component, and what a product of such bytes bounds
 *
 * A row v (under cosine v / |v|) is about v' = step c, c whole numbers from -127 to 127; a query q about q' = step Q, Q
 * from -32,512 to 32,512, in two planes of bytes: Q = 256 high + low. Code makes both and measures in float64 what
 * rounding took off: rest >= |v - v'|, raised by 2^-40 for the errors of 32,768 squares. What division by the length
 * is off, 2^-51, is far within D below.
 *
 * Bounds. u = 2^-24. The sum P = step_q step_v sum Q c comes from whole sums of both planes, exact, whose eighths are
 * put together in float32: each is off by at most 4 u of sum |Q c|, seven additions cost 7 u, two products 2 u, so |P -
 * q'v'| <= 14 u |q'| |v'|. Products that underflow are off by 2^-148.
 *   l2      S = |q - v|^2, and ||q - v| - |q' - v'|| <= E = rest_q + rest_v. With A = |q'|^2 and B = |v'|^2 rounded to
 *           nearest, X = A + B - 2 P is off by at most 20 u (A + B) of |q' - v'|^2, as 2 |P| <= A + B. D = 32 u (A + B)
 *           + 2^-140 leaves 12 u (A + B), which moves the root by 3 u |q' - v'| at least (|q' - v'|^2 <= 2 (A + B)):
 *           room for the rounding of the root and of the sum with E. So low = (root(X - D) - E)^2, 0 where that is
 *           none, and high = (root(X + D) + E)^2, each with 2^-20 for squaring.
 *   cosine  of vectors of length 1: S = |q - v|^2 / 2 - 1, and 2^-21 for the subtraction.
 *   ip      |S + P| <= rest_q |v'| + |q| rest_v + 32 u |q| |v'|.
 * The bounds of l2 are the narrower the nearer the row is: 4 E |q - v| apart, where a product's are 4 E |q| apart.
 * What is no number, or not below 3e38, bounds nothing.
 *
 * Cost of Code: reads a row three times, once from the card's memory; when rows are loaded.
 */
#ifndef VSS_GPU_CODES_H
#define VSS_GPU_CODES_H

#include "prepare.h"

namespace vssg {

constexpr double CODE_MOST = 127, CODE_PLANES_MOST = 32512; /* 127 * 256 */

struct Bounds {
    float low, high;
};

VSSG_BOTH Coded load_coded(const Coded *at)
{
#if defined(__CUDA_ARCH__)
    const float4 four = __ldg(reinterpret_cast<const float4 *>(at));
    return Coded{four.x, four.y, four.z, four.w};
#else
    host_whole(at);
    return *at;
#endif
}

VSSG_BOTH Bounds code_bounds(const Coded &q, const Coded &v, float product, vss_metric metric)
{
    const float both = v.step * product * q.step;
    Bounds bounds;
    if (metric == VSS_METRIC_IP) {
        const float rests = q.rest * v.length + q.length * v.rest + 0x1p-19f * q.length * v.length;
        const float off = rests * (1 + 0x1p-18f) + 0x1p-140f;
        bounds = Bounds{-both - off, -both + off};
    } else {
        const float squares = q.square + v.square, slack = 0x1p-19f * squares + 0x1p-140f;
        const float apart = squares - 2 * both, rest = (q.rest + v.rest) * (1 + 0x1p-20f);
        const float near = apart > slack ? root(apart - slack) - rest : 0, far = root(apart + slack) + rest;
        bounds = Bounds{near > 0 ? near * near * (1 - 0x1p-20f) : 0, far * far * (1 + 0x1p-20f)};
        if (metric == VSS_METRIC_COSINE)
            bounds = Bounds{bounds.low / 2 - (1 + 0x1p-21f), bounds.high / 2 - (1 - 0x1p-21f)};
    }
    return bounds.high <= 3.0e38f ? bounds : Bounds{-infinity(), infinity()};
}

struct Code {
    struct Shared {
        double square[THREADS], most[THREADS]; /* of a vector; then of its code, and of what that leaves */
        double step[GROUPS], by[GROUPS], length[GROUPS];
    };
    static const char *name() { return "code"; }

    const uint8_t *vectors; /* [n][stride] */
    uint64_t stride;
    uint32_t n, dim, size;  /* size: bytes of a code, or of each plane, whole pieces of 16 */
    Kind kind;
    bool unit, planes;      /* divide by the length; codes of queries */
    uint8_t *codes;         /* [n][size], filled up with zeros; planes: [n][size / 16][2][16] */
    Coded *coded;           /* [n] */

    VSSG_BOTH double levels() const { return planes ? CODE_PLANES_MOST : CODE_MOST; }

    VSSG_BOTH double wide(const uint8_t *vector, uint32_t i) const
    {
        return static_cast<double>(component(kind, vector, i));
    }

    VSSG_BOTH void measure(const uint8_t *vector, Shared &s, uint32_t t) const
    {
        double square = 0, most = 0;
        for (uint32_t i = t % LANES; i < dim; i += LANES) {
            const double x = wide(vector, i), magnitude = x < 0 ? -x : x;
            square = plus(square, times(x, x));
            most = magnitude > most ? magnitude : most;
        }
        s.square[t] = square;
        s.most[t] = most;
    }

    /* The vector's components are multiplied by this first. */
    VSSG_BOTH double scale(const Shared &s, uint32_t group) const
    {
        return unit ? 1 / root(sum_lanes(s.square + group * LANES)) : 1;
    }

    VSSG_BOTH void put(uint8_t *code, uint32_t i, int32_t value) const
    {
        if (!planes) {
            code[i] = static_cast<uint8_t>(value);
            return;
        }
        const int32_t high = (value + 128 + (1 << 16)) / 256 - 256; /* rounded to nearest, of a sum above 0 */
        uint8_t *piece = code + i / 16 * 32 + i % 16;
        piece[0] = static_cast<uint8_t>(high);
        piece[16] = static_cast<uint8_t>(value - 256 * high);
    }

    /* A lane's components; leaves the squares of the code and of what it leaves. */
    VSSG_BOTH void round(const uint8_t *vector, uint8_t *code, double by, double step, Shared &s, uint32_t t) const
    {
        const double inverse = step > 0 ? 1 / step : 0;
        double square = 0, off = 0;
        for (uint32_t i = t % LANES; i < size; i += LANES) {
            const double x = i < dim ? wide(vector, i) * by : 0, scaled = x * inverse;
            double whole = floor(scaled + 0.5);
            whole = whole > levels() ? levels() : whole >= -levels() ? whole : -levels(); /* no number: the least */
            const double left = x - step * whole;
            put(code, i, static_cast<int32_t>(whole));
            square += whole * whole;
            off += left * left;
        }
        s.square[t] = square;
        s.most[t] = off;
    }

    VSSG_BOTH Coded note(const Shared &s, uint32_t group, double length) const
    {
        const double step = s.step[group], square = step * step * sum_lanes(s.square + group * LANES);
        const double own = root(square), most = own > length ? own : length;
        return Coded{static_cast<float>(step), float_up(root(sum_lanes(s.most + group * LANES)) * (1 + 0x1p-40)),
                     static_cast<float>(square), float_up(most * (1 + 0x1p-40))};
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint32_t first = block.x * GROUPS;
        block.each([&](uint32_t t) {
            const uint64_t at = first + t / LANES;
            if (at < n)
                measure(vectors + at * stride, s, t);
        });
        block.each([&](uint32_t t) {
            if (t >= GROUPS || first + t >= n)
                return;
            double most = 0;
            for (uint32_t i = 0; i < LANES; i++)
                most = s.most[t * LANES + i] > most ? s.most[t * LANES + i] : most;
            const double by = scale(s, t);
            s.step[t] = static_cast<double>(float_up(most * by / levels()));
            s.length[t] = unit ? 1 : root(sum_lanes(s.square + t * LANES));
            s.by[t] = by;
        });
        block.each([&](uint32_t t) {
            const uint64_t at = first + t / LANES;
            if (at < n)
                round(vectors + at * stride, codes + at * size * (planes ? 2 : 1), s.by[t / LANES],
                      s.step[t / LANES], s, t);
        });
        block.each([&](uint32_t t) {
            if (t < GROUPS && first + t < n)
                coded[first + t] = note(s, t, s.length[t]);
        });
    }
};

} // namespace vssg

#endif
