/*
 * scan.h - a few queries against every row as stored: bound by the memory's bandwidth
 *
 * Compare: a block takes up to Q queries through strips of rows. Eight threads a row read it in pieces of 16 bytes,
 * side by side; each has 8 / Q rows in flight, whose partial sums meet in Shared. Queries come from the cache. Rows
 * of 8-bit components are multiplied four at a time (dp4a), bits counted 32 at a time. Scan: the strips of a block are
 * its slice of all rows (those of inverted lists: probe.h).
 *
 * Bounds. u = 2^-24, g = 2 (dim + 16) u, at most 2^-7. S is the value.
 *   l2, floats  each term is off by 3 u at most, sums of dim terms in any order, fused or not, by dim u: the sum s
 *               obeys |s - S| <= (dim + 3) u / (1 - (dim + 3) u) S, so low = s - g s, high = s + g s; what underflows
 *               is less than dim 2^-148, in `tiny` here. 13 u and a factor of 2 are left for the bounds' roundings.
 *   ip          |s - S| <= (dim + 1) u |q| |v|: g |q| |v| has room for the roundings of both lengths too.
 *   cosine      the product over both lengths, its error over both: at most g.
 *   8 bits      sums are whole and exact, and rounded once: 2^-22 |s|; cosine as above.
 *   hamming     exact. jaccard  a division and a subtraction in float32: 2^-22.
 * float64 values differ from S by far less than what is left (2^-37 relative, of |q| |v| under ip).
 */
#ifndef VSS_GPU_SCAN_H
#define VSS_GPU_SCAN_H

#include <type_traits>

#include "lists.h"
#include "prepare.h"

namespace vssg {

constexpr uint32_t SCAN_SUMS = 8; /* of a thread: queries times rows in flight */

template <Kind KIND> VSSG_BOTH constexpr bool scan_floats()
{
    return KIND == Kind::f32 || KIND == Kind::f16 || KIND == Kind::bf16;
}

struct FloatSums {
    float first;
};

/* 8 bits: the product, and the row's square. Bits: how many differ, and how many are set in either. */
struct WholeSums {
    int32_t first, second;
};

template <Kind KIND> using Sums = typename std::conditional<scan_floats<KIND>(), FloatSums, WholeSums>::type;

/* Component i, 0 to 3 or 7, of a piece of a row of floats. */
template <Kind KIND> VSSG_BOTH float piece_get(const Piece &piece, uint32_t i)
{
    if (KIND == Kind::f32)
        return float_of(piece.word[i]);
    const uint32_t half = piece.word[i / 2] >> (i % 2 * 16) & 0xffffu;
    return KIND == Kind::f16 ? float_of_f16(half) : float_of_bf16(half);
}

/* How many pieces of a query go with one of a row. */
template <Kind KIND> VSSG_BOTH constexpr uint32_t query_pieces()
{
    return KIND == Kind::f16 || KIND == Kind::bf16 ? 2 : 1;
}

template <Kind KIND, bool IP> VSSG_BOTH void sums_add(Sums<KIND> &sums, const Piece &row, const Piece *query)
{
    if constexpr (KIND == Kind::bits) {
        for (uint32_t i = 0; i < 4; i++) {
            sums.first += static_cast<int32_t>(count_bits(row.word[i] ^ query->word[i]));
            sums.second += static_cast<int32_t>(count_bits(row.word[i] | query->word[i]));
        }
    } else if constexpr (!scan_floats<KIND>()) {
        for (uint32_t i = 0; i < 4; i++) {
            sums.first = dot_bytes<KIND == Kind::i8>(row.word[i], query->word[i], sums.first);
            if (!IP)
                sums.second = dot_bytes<KIND == Kind::i8>(row.word[i], row.word[i], sums.second);
        }
    } else {
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
        for (uint32_t i = 0; i < 4 * query_pieces<KIND>(); i++) {
            const float q = float_of(query[i / 4].word[i % 4]), v = piece_get<KIND>(row, i), off = q - v;
            sums.first = IP ? multiply_add(q, v, sums.first) : multiply_add(off, off, sums.first);
        }
    }
}

template <Kind KIND, bool IP, uint32_t Q> struct Compare {
    static constexpr uint32_t FLIGHT = SCAN_SUMS / Q;     /* rows of eight threads at once */
    static constexpr uint32_t STRIP = GROUPS * FLIGHT;    /* rows of a block at once */
    static constexpr bool FLOATS = scan_floats<KIND>();
    struct Shared {
        ListsShared<Q> lists;
        Sums<KIND> partial[SCAN_SUMS][THREADS];
    };

    Rows rows;
    Queries queries;
    Lists lists;
    float gamma, tiny;

    VSSG_BOTH const uint8_t *query(uint32_t q) const
    {
        return queries.data + static_cast<uint64_t>(q < queries.n ? q : queries.n - 1) * queries.stride;
    }

    /* In a phase: the rows that row_at(0 .. STRIP - 1) names, all of which are there. */
    template <class RowAt>
    VSSG_BOTH void multiply(const RowAt &row_at, const uint32_t first, uint32_t t, Shared &s) const
    {
        Sums<KIND> sums[SCAN_SUMS];
        const uint8_t *row[FLIGHT], *of[Q];
        const uint32_t lane = t % LANES;
        for (uint32_t f = 0; f < FLIGHT; f++)
            row[f] = rows.data + row_at(f * GROUPS + t / LANES) * rows.stride;
        for (uint32_t q = 0; q < Q; q++)
            of[q] = query(first + q);
        for (uint32_t i = 0; i < SCAN_SUMS; i++)
            sums[i] = Sums<KIND>{};
        for (uint64_t at = lane * sizeof(Piece); at < rows.stride; at += LANES * sizeof(Piece)) {
            Piece piece[FLIGHT];
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
            for (uint32_t f = 0; f < FLIGHT; f++)
                piece[f] = load_piece(row[f] + at);
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
            for (uint32_t q = 0; q < Q; q++) {
                Piece wanted[query_pieces<KIND>()];
                for (uint32_t i = 0; i < query_pieces<KIND>(); i++)
                    wanted[i] = load_piece(of[q] + at * query_pieces<KIND>() + i * sizeof(Piece));
                for (uint32_t f = 0; f < FLIGHT; f++)
                    sums_add<KIND, IP>(sums[f * Q + q], piece[f], wanted);
            }
        }
        for (uint32_t i = 0; i < SCAN_SUMS; i++)
            s.partial[i][t] = sums[i];
    }

    /* The eight parts of sum i of group g, each thread of a warp beginning elsewhere. */
    VSSG_BOTH Sums<KIND> gather(const Shared &s, uint32_t i, uint32_t g) const
    {
        Sums<KIND> all{};
        for (uint32_t j = 0; j < LANES; j++) {
            const Sums<KIND> &part = s.partial[i][g * LANES + (j + g) % LANES];
            all.first += part.first;
            if constexpr (!FLOATS)
                all.second += part.second;
        }
        return all;
    }

    VSSG_BOTH float whole(const Sums<KIND> &sums, uint32_t q) const
    {
        if constexpr (IP) {
            return static_cast<float>(-sums.first);
        } else if constexpr (FLOATS) {
            return sums.first;
        } else {
            const int64_t own = static_cast<int64_t>(queries.squares[q]) + sums.second;
            return static_cast<float>(own - 2 * static_cast<int64_t>(sums.first));
        }
    }

    VSSG_BOTH float bits_score(const WholeSums &sums, float *off) const
    {
        const bool jaccard = rows.metric == VSS_METRIC_JACCARD;
        *off = jaccard ? 0x1p-22f : 0;
        if (!jaccard)
            return static_cast<float>(sums.first);
        const float both = static_cast<float>(sums.second - sums.first);
        return sums.second == 0 ? 0 : 1 - both / static_cast<float>(sums.second);
    }

    /* The score and by how much it may be off. */
    VSSG_BOTH float score(const Sums<KIND> &sums, uint32_t q, uint32_t row, float *off) const
    {
        if constexpr (KIND == Kind::bits) {
            return bits_score(sums, off);
        } else {
            const float raw = whole(sums, q);
            const float both = IP ? rows.lengths[row] * queries.reaches[q] : 1;
            if (IP && rows.metric == VSS_METRIC_COSINE) {
                *off = gamma + tiny / both;
                return raw / both;
            }
            *off = !FLOATS ? 0x1p-22f * (raw < 0 ? -raw : raw) : gamma * (IP ? both : raw) + tiny;
            return raw;
        }
    }

    /* Which row of a strip thread t offers. */
    VSSG_BOTH static constexpr uint32_t slot(uint32_t t) { return t / GROUPS / Q * GROUPS + t % GROUPS; }

    /* In the phase after that: offer the row of slot(t). */
    VSSG_BOTH void offer(uint32_t row, uint32_t first, uint32_t slice, uint32_t t, Shared &s) const
    {
        const uint32_t i = t / GROUPS, q = i % Q;
        float off;
        if (first + q >= queries.n)
            return;
        const float at = score(gather(s, i, t % GROUPS), first + q, row, &off);
        if (!(at - off > s.lists.cuts[q]))
            lists_take(s.lists, lists, q, first, slice, at - off, at + off, row);
    }
};

template <Kind KIND, bool IP, uint32_t Q> struct Scan {
    using Comparing = Compare<KIND, IP, Q>;
    using Shared = typename Comparing::Shared;
    static const char *name() { return "scan"; }

    Comparing compare;
    uint32_t slice_rows;

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const Lists &lists = compare.lists;
        const uint32_t slice = block.x, first = block.y * Q, n = compare.rows.n, queries = compare.queries.n;
        const uint64_t begin = static_cast<uint64_t>(slice) * slice_rows, past = begin + slice_rows;
        const uint32_t end = static_cast<uint32_t>(past < n ? past : n);
        lists_begin(block, s.lists, lists, first, queries, slice, true);
        for (uint64_t strip = begin; strip < end; strip += Comparing::STRIP) {
            block.each([&](uint32_t t) {
                lists_refresh(s.lists, lists, first, queries, t);
                compare.multiply([&](uint32_t i) { return strip + i < n ? strip + i : n - 1; }, first, t, s);
            });
            block.each([&](uint32_t t) {
                const uint32_t row = static_cast<uint32_t>(strip) + Comparing::slot(t); /* below 2^31 + 256 */
                if (row < end)
                    compare.offer(row, first, slice, t, s);
            });
            lists_room(block, s.lists, lists, first, slice, Comparing::STRIP);
        }
        lists_end(block, s.lists, lists, first, queries, slice, true);
    }
};

} // namespace vssg

#endif
