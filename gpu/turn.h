/*
 * turn.h - residuals turned and coded as vss_device_signs says, to the bit
 *
 * A block takes as many rows as fit its shared memory, 32 at most; what is wider than that is worked on where it lies.
 * Turning: items of eight components go through three levels of butterflies in registers; a level's sums are the same
 * whatever thread does them. Sums that have an order run in one thread each, eight threads a row: the squares in one,
 * each try of a step in one, then the factors' four. Rows begin in different banks of the shared memory. Nothing is
 * fused (numbers.h).
 *
 * Cost, for n components: 4 (log2 n + 2) float32 operations a component, and some 10 of float64 a try. What bounds it
 * is the way to the card: 5 bytes a component at some 50 GB/s are 10e9 components a second, where the float64 of an
 * H200 (132 multiprocessors of 64 operations a cycle, 14e12 a second) suffices for some 200e9 with five tries, and the
 * chains of sums, of 4 blocks a multiprocessor, for some 100e9.
 */
#ifndef VSS_GPU_TURN_H
#define VSS_GPU_TURN_H

#include "numbers.h"

namespace vssg {

constexpr uint32_t TURN_ROUNDS = 4, TURN_TRIES = 8;
constexpr uint32_t TURN_LANES = 8;                      /* threads of a row, for its sums */
constexpr uint32_t TURN_ROWS = THREADS / TURN_LANES;    /* of a block, at most */
constexpr uint32_t TURN_ROOM = 8192;                    /* floats of a block's rows */

struct Turn {
    struct Shared {
        float room[TURN_ROOM];
        double square[TURN_ROWS], deviation[TURN_ROWS], chosen[TURN_ROWS];
        double inverse[TURN_ROWS][TURN_LANES], result[TURN_ROWS][TURN_LANES];
    };
    static const char *name() { return "turn"; }

    float *residuals;      /* [n][width], used up */
    const uint32_t *where; /* [n] */
    const float *centers;  /* [][width] */
    const float *signs;    /* [TURN_ROUNDS][width] */
    uint8_t *codes;        /* [n][width] */
    float *factors;        /* [n][4] */
    uint32_t n, width, bits, n_tries;
    uint32_t power;        /* the greatest power of two up to the width */
    float shrink;          /* 1 / sqrtf(power) */
    double step, tries[TURN_TRIES];

    /* Rows of a block. */
    VSSG_BOTH static uint32_t together(uint32_t width)
    {
        const uint32_t fit = TURN_ROOM / (width + 1);
        return fit == 0 ? 1 : fit < TURN_ROWS ? fit : TURN_ROWS;
    }

    VSSG_BOTH bool shared() const { return width < TURN_ROOM; }

    VSSG_BOTH float *row(Shared &s, uint64_t first, uint32_t g) const
    {
        return shared() ? s.room + g * (width + 1) : residuals + (first + g) * width;
    }

    /* f(g, i) for every component i of the rows. */
    template <class Visit> VSSG_BOTH void every(uint32_t rows, uint32_t t, const Visit &visit) const
    {
        for (uint32_t at = t; at < rows * width; at += THREADS)
            visit(at / width, at % width);
    }

    /* Levels of steps `step`, 2 step, ... of so many rows from component `from` on; last: shrunk. */
    template <uint32_t LEVELS>
    VSSG_BOTH void levels(Shared &s, uint64_t first, uint32_t rows, uint32_t from, uint32_t by, bool last,
                          uint32_t t) const
    {
        constexpr uint32_t MANY = 1u << LEVELS;
        const uint32_t items = power / MANY;
        for (uint32_t at = t; at < rows * items; at += THREADS) {
            const uint32_t item = at % items;
            float *v = row(s, first, at / items) + from + item / by * by * MANY + item % by, held[MANY];
            for (uint32_t i = 0; i < MANY; i++)
                held[i] = v[i * by];
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
            for (uint32_t level = 0; level < LEVELS; level++)
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
                for (uint32_t i = 0; i < MANY / 2; i++) {
                    const uint32_t half = 1u << level, low = i / half * 2 * half + i % half;
                    const float a = held[low], b = held[low + half];
                    held[low] = a + b;
                    held[low + half] = a - b;
                }
            for (uint32_t i = 0; i < MANY; i++)
                v[i * by] = last ? held[i] * shrink : held[i];
        }
    }

    VSSG_BOTH void butterflies(const Block &block, Shared &s, uint64_t first, uint32_t rows, uint32_t from) const
    {
        for (uint32_t by = 1; by < power;) {
            const uint32_t left = power / by;
            block.each([&](uint32_t t) {
                if (left >= 8)
                    levels<3>(s, first, rows, from, by, left == 8, t);
                else if (left == 4)
                    levels<2>(s, first, rows, from, by, true, t);
                else
                    levels<1>(s, first, rows, from, by, true, t);
            });
            by *= left >= 8 ? 8 : left;
        }
    }

    VSSG_BOTH void halves(Shared &s, uint64_t first, uint32_t rows, uint32_t t) const
    {
        const uint32_t half = width / 2;
        for (uint32_t at = t; at < rows * half; at += THREADS) {
            float *low = row(s, first, at / half) + at % half, *high = low + half;
            const float a = *low, b = *high;
            *low = (a + b) * 0.70710678f;
            *high = (a - b) * 0.70710678f;
        }
    }

    VSSG_BOTH void turn(const Block &block, Shared &s, uint64_t first, uint32_t rows) const
    {
        for (uint32_t round = 0; round < TURN_ROUNDS; round++) {
            const float *sign = signs + static_cast<uint64_t>(round) * width;
            block.each([&](uint32_t t) {
                every(rows, t, [&](uint32_t g, uint32_t i) { row(s, first, g)[i] *= sign[i]; });
            });
            butterflies(block, s, first, rows, round % 2 == 0 ? 0 : width - power);
            if (power != width)
                block.each([&](uint32_t t) { halves(s, first, rows, t); });
        }
    }

    VSSG_BOTH uint32_t code(float r, double inverse) const
    {
        const double half = static_cast<double>(1u << (bits - 1)), most = 2 * half - 1;
        const double whole = plus(floor(times(static_cast<double>(r), inverse)), half);
        return static_cast<uint32_t>(whole > 0 ? (whole < most ? whole : most) : 0); /* no number: 0 */
    }

    /* Of the row's n-th try: how well its codes point along the row. */
    VSSG_BOTH double fit(const float *r, double inverse) const
    {
        const double middle = (static_cast<double>(1u << bits) - 1) / 2;
        double product = 0, square = 0;
        for (uint32_t i = 0; i < width; i++) {
            const double v = static_cast<double>(code(r[i], inverse)) - middle;
            product = plus(product, times(v, static_cast<double>(r[i])));
            square = plus(square, times(v, v));
        }
        return divided(product, root(square));
    }

    /* sum(v x) of the codes shifted right by `drop`. */
    VSSG_BOTH double product(const float *r, const float *x, double inverse, uint32_t drop) const
    {
        const double middle = (static_cast<double>(1u << (bits - drop)) - 1) / 2;
        double sum = 0;
        for (uint32_t i = 0; i < width; i++) {
            const double v = static_cast<double>(code(r[i], inverse) >> drop) - middle;
            sum = plus(sum, times(v, static_cast<double>(x[i])));
        }
        return sum;
    }

    VSSG_BOTH void measure(Shared &s, const float *r, uint32_t g) const
    {
        double square = 0;
        for (uint32_t i = 0; i < width; i++)
            square = plus(square, times(static_cast<double>(r[i]), static_cast<double>(r[i])));
        s.square[g] = square;
        s.deviation[g] = root(divided(square, static_cast<double>(width)));
    }

    VSSG_BOTH void choose(Shared &s, uint32_t g) const
    {
        double best = -1;
        s.chosen[g] = s.deviation[g] > 1e-30 ? divided(1, times(s.deviation[g], step)) : 0;
        for (uint32_t i = 0; i < n_tries && s.deviation[g] > 1e-30; i++)
            if (s.result[g][i] > best) {
                best = s.result[g][i];
                s.chosen[g] = s.inverse[g][i];
            }
    }

    /* sums: sum(v r), sum(v c) */
    VSSG_BOTH void factor(const double *sums, double square, float *out) const
    {
        const double f = sums[0] > 0 ? divided(square, sums[0]) : 0;
        out[0] = static_cast<float>(plus(square, times(times(2, f), sums[1])));
        out[1] = static_cast<float>(times(-2, f));
    }

    VSSG_BOTH void steps(const Block &block, Shared &s, uint64_t first, uint32_t rows) const
    {
        block.each([&](uint32_t t) {
            if (t % TURN_LANES == 0 && t / TURN_LANES < rows)
                measure(s, row(s, first, t / TURN_LANES), t / TURN_LANES);
        });
        block.each([&](uint32_t t) {
            const uint32_t g = t / TURN_LANES, lane = t % TURN_LANES;
            if (g >= rows || lane >= n_tries || !(s.deviation[g] > 1e-30))
                return;
            s.inverse[g][lane] = divided(1, times(times(s.deviation[g], step), tries[lane]));
            s.result[g][lane] = fit(row(s, first, g), s.inverse[g][lane]);
        });
        block.each([&](uint32_t t) {
            if (t < rows)
                choose(s, t);
        });
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint32_t each = together(width);
        const uint64_t first = static_cast<uint64_t>(block.x) * each;
        const uint32_t rows = n - first < each ? static_cast<uint32_t>(n - first) : each;
        if (shared())
            block.each([&](uint32_t t) {
                every(rows, t, [&](uint32_t g, uint32_t i) {
                    row(s, first, g)[i] = residuals[(first + g) * width + i];
                });
            });
        turn(block, s, first, rows);
        steps(block, s, first, rows);
        block.each([&](uint32_t t) {
            const uint32_t g = t / TURN_LANES, lane = t % TURN_LANES;
            every(rows, t, [&](uint32_t h, uint32_t i) {
                codes[(first + h) * width + i] = static_cast<uint8_t>(code(row(s, first, h)[i], s.chosen[h]));
            });
            if (g >= rows || lane >= 4)
                return;
            const float *r = row(s, first, g), *center = centers + static_cast<uint64_t>(where[first + g]) * width;
            s.result[g][lane] = product(r, lane % 2 == 0 ? r : center, s.chosen[g], lane < 2 ? bits - 1 : 0);
        });
        block.each([&](uint32_t t) {
            const uint32_t g = t / 2, all = t % 2;
            if (g < rows)
                factor(s.result[g] + 2 * all, s.square[g], factors + (first + g) * 4 + 2 * all);
        });
    }
};

} // namespace vssg

#endif
