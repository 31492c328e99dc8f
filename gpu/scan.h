/*
 * scan.h - a few queries against every row, as stored or by its code: bound by the memory's bandwidth
 *
 * Compare: a block takes up to Q queries through strips of rows. Eight threads a row read it in pieces of 16 bytes,
 * side by side; each has some rows in flight, whose partial sums meet in Shared. Queries come from the cache. Rows of
 * 8-bit components, and codes, are multiplied four at a time (dp4a), bits counted 32 at a time. Scan: the strips of a
 * block are its slice of all rows (those of inverted lists: probe.h).
 *
 * Codes (codes.h) are a byte a component and 16 a row: of float32 rows of 128 components 3.6 times fewer bytes, of
 * 960 3.9 times; on an H200 (4.8 TB/s) 1,000,000 rows take 30 and 203 microseconds at the least. A byte of a code wants
 * two products a query, and the multiprocessors do about 58e12 of them a second (dp4a, 64 a cycle each): those of one
 * query take a sixth of the time that the memory takes, of four two thirds, of eight a third more than it.
 *
 * Bounds of rows as stored (of codes: codes.h). u = 2^-24, g = 2 (dim + 16) u, at most 2^-7. S is the value.
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

#include "codes.h"
#include "lists.h"

namespace vssg {

/* Of a thread: queries times rows in flight. A piece of a code wants two of each query, which come from the cache: with
 * several queries two rows and more share them. */
template <Kind KIND, uint32_t Q> VSSG_BOTH constexpr uint32_t scan_sums()
{
    return KIND == Kind::codes && Q > 1 ? 16 : 8;
}

template <Kind KIND> VSSG_BOTH constexpr bool scan_floats()
{
    return KIND == Kind::f32 || KIND == Kind::f16 || KIND == Kind::bf16;
}

struct FloatSums {
    float first;
};

/* 8 bits: the product, and the row's square. Bits: how many differ, and how many are set in either. Codes: the products
 * with both planes. */
struct WholeSums {
    int32_t first, second;
};

template <Kind KIND> using Sums = typename std::conditional<scan_floats<KIND>(), FloatSums, WholeSums>::type;
/* What is left of them when a thread's pieces are done. */
template <Kind KIND> using Partial = typename std::conditional<KIND == Kind::codes, FloatSums, Sums<KIND>>::type;

template <Kind KIND> VSSG_BOTH Partial<KIND> sums_partial(const Sums<KIND> &sums)
{
    if constexpr (KIND == Kind::codes)
        return FloatSums{multiply_add(256, static_cast<float>(sums.first), static_cast<float>(sums.second))};
    else
        return sums;
}

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
    return KIND == Kind::f16 || KIND == Kind::bf16 || KIND == Kind::codes ? 2 : 1;
}

template <Kind KIND, bool IP> VSSG_BOTH void sums_add(Sums<KIND> &sums, const Piece &row, const Piece *query)
{
    if constexpr (KIND == Kind::bits) {
        for (uint32_t i = 0; i < 4; i++) {
            sums.first += static_cast<int32_t>(count_bits(row.word[i] ^ query->word[i]));
            sums.second += static_cast<int32_t>(count_bits(row.word[i] | query->word[i]));
        }
    } else if constexpr (KIND == Kind::codes) {
        for (uint32_t i = 0; i < 4; i++) {
            sums.first = dot_bytes<true>(row.word[i], query[0].word[i], sums.first);
            sums.second = dot_bytes<true>(row.word[i], query[1].word[i], sums.second);
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
    static constexpr uint32_t SUMS = scan_sums<KIND, Q>();
    static constexpr uint32_t FLIGHT = SUMS / Q;             /* rows of eight threads at once */
    static constexpr uint32_t STRIP = GROUPS * FLIGHT;       /* rows of a block at once */
    static constexpr uint32_t OFFERS = SUMS * GROUPS / THREADS; /* of a thread a strip */
    static constexpr bool FLOATS = scan_floats<KIND>(), CODES = KIND == Kind::codes;
    struct Shared {
        ListsShared<Q> lists;
        Partial<KIND> partial[SUMS][THREADS];
        typename std::conditional<CODES, Coded, NoShared>::type coded[CODES ? STRIP : 1]; /* of the strip's rows */
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
        Sums<KIND> sums[SUMS];
        const uint8_t *row[FLIGHT], *of[Q];
        const uint32_t lane = t % LANES;
        for (uint32_t f = 0; f < FLIGHT; f++)
            row[f] = rows.data + row_at(f * GROUPS + t / LANES) * rows.stride;
        for (uint32_t q = 0; q < Q; q++)
            of[q] = query(first + q);
        for (uint32_t i = 0; i < SUMS; i++)
            sums[i] = Sums<KIND>{};
        Coded own{}; /* on its way together with the rows */
        if constexpr (CODES)
            if (t < STRIP)
                own = load_coded(rows.coded + row_at(t));
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
        for (uint32_t i = 0; i < SUMS; i++)
            s.partial[i][t] = sums_partial<KIND>(sums[i]);
        if constexpr (CODES)
            if (t < STRIP)
                s.coded[t] = own;
    }

    /* The eight parts of sum i of group g, each thread of a warp beginning elsewhere. */
    VSSG_BOTH Partial<KIND> gather(const Shared &s, uint32_t i, uint32_t g) const
    {
        Partial<KIND> all{};
        for (uint32_t j = 0; j < LANES; j++) {
            const Partial<KIND> &part = s.partial[i][g * LANES + (j + g) % LANES];
            all.first += part.first;
            if constexpr (!FLOATS && !CODES)
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

    /* Of the row, which has that place in the strip. */
    VSSG_BOTH Bounds bounds(const Partial<KIND> &sums, uint32_t q, uint32_t row, uint32_t place, const Shared &s) const
    {
        if constexpr (CODES) {
            return code_bounds(queries.coded[q], s.coded[place], sums.first, rows.metric);
        } else {
            float off;
            const float at = score(sums, q, row, &off);
            return Bounds{at - off, at + off};
        }
    }

    /* Which sum thread t's n-th offer is of, of OFFERS; which row of a strip that is. */
    VSSG_BOTH static constexpr uint32_t sum_of(uint32_t t, uint32_t n) { return n * (THREADS / GROUPS) + t / GROUPS; }
    VSSG_BOTH static constexpr uint32_t slot(uint32_t t, uint32_t n)
    {
        return sum_of(t, n) / Q * GROUPS + t % GROUPS;
    }

    /* In the phase after that: offer the row of slot(t, n). */
    VSSG_BOTH void offer(uint32_t row, uint32_t first, uint32_t slice, uint32_t t, uint32_t n, Shared &s) const
    {
        const uint32_t i = sum_of(t, n), q = i % Q;
        if (first + q >= queries.n)
            return;
        const Bounds at = bounds(gather(s, i, t % GROUPS), first + q, row, slot(t, n), s);
        if (!(at.low > s.lists.cuts[q]))
            lists_take(s.lists, lists, q, first, slice, at.low, at.high, row);
    }
};

/* Eight queries by codes have 8 KB of rows in flight a block: three blocks to keep the memory busy. */
template <Kind KIND, uint32_t Q> struct ScanBlocks {};
template <> struct ScanBlocks<Kind::codes, 8> {
    static constexpr int BLOCKS = 3;
};

template <Kind KIND, bool IP, uint32_t Q> struct Scan : ScanBlocks<KIND, Q> {
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
                for (uint32_t i = 0; i < Comparing::OFFERS; i++) {
                    const uint32_t row = static_cast<uint32_t>(strip) + Comparing::slot(t, i); /* below 2^31 + 256 */
                    if (row < end)
                        compare.offer(row, first, slice, t, i, s);
                }
            });
            lists_room(block, s.lists, lists, first, slice, Comparing::STRIP);
        }
        lists_end(block, s.lists, lists, first, queries, slice, true);
    }
};

} // namespace vssg

#endif
