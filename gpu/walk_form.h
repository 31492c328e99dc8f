/*
 * walk_form.h - what a walk compares a query with: vectors as stored, codes of bytes, codes of half a byte
 *
 * A form says where what lies at a place begins, adds up 16 bytes of it and of the query, packs a thread's sums into 32
 * bits, and turns the eight threads' into a number that rises with the distance: whole numbers as they are, modulo
 * 2^32 on the way, floats by their order (numbers.h). It depends on query and place alone: parts are always added in
 * the same order.
 */
#ifndef VSS_GPU_WALK_FORM_H
#define VSS_GPU_WALK_FORM_H

#include "scan.h"

namespace vssg {

/* Eight numbers that lie side by side, 16-byte aligned. */
struct Eight {
    uint32_t at[LANES];
};

VSSG_BOTH Eight load_eight(const uint32_t *at)
{
    Eight eight;
#if defined(__CUDA_ARCH__)
    const uint4 low = *reinterpret_cast<const uint4 *>(at), high = *reinterpret_cast<const uint4 *>(at + 4);
    eight.at[0] = low.x;
    eight.at[1] = low.y;
    eight.at[2] = low.z;
    eight.at[3] = low.w;
    eight.at[4] = high.x;
    eight.at[5] = high.y;
    eight.at[6] = high.z;
    eight.at[7] = high.w;
#else
    host_whole(at);
    memcpy(&eight, at, sizeof eight);
#endif
    return eight;
}

VSSG_BOTH uint32_t sum_eight(const Eight &part)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < LANES; i++)
        sum += part.at[i];
    return sum;
}

/* Whole numbers from -2^31 on, rising. */
VSSG_BOTH uint32_t order_whole(uint32_t number) { return number ^ 0x80000000u; }

/* Comparing vectors as stored, or codes of bytes, which are such vectors. Parts of a row's sum are 32 bits: a float, a
 * whole number modulo 2^32, or two counts of bits. */
template <Kind KIND, bool IP> struct WalkVectors {
    static constexpr bool FLOATS = scan_floats<KIND>();
    static constexpr bool SQUARED = !FLOATS && !IP && KIND != Kind::bits; /* the query's square is wanted */
    using Sum = Sums<KIND>;
    struct Wanted {
        Piece piece[query_pieces<KIND>()];
    };

    const uint8_t *data, *queries;
    uint64_t stride, query_stride; /* of rows and queries as they lie, multiples of 16 */
    const uint32_t *map;           /* the row at a place; NULL: the place */
    const float *lengths;          /* of the rows under cosine, else NULL */
    uint32_t n;
    bool jaccard;

    VSSG_BOTH uint32_t row(uint32_t place) const
    {
        const uint32_t row = map != nullptr ? map[place] : place;
        return row < n ? row : 0;
    }

    VSSG_BOTH uint64_t bytes() const { return stride; }
    VSSG_BOTH const uint8_t *at(uint32_t place) const { return data + row(place) * stride; }

    VSSG_BOTH Wanted wanted(const uint8_t *query, uint64_t at) const
    {
        Wanted wanted;
        for (uint32_t i = 0; i < query_pieces<KIND>(); i++)
            wanted.piece[i] = load_piece(query + at * query_pieces<KIND>() + i * sizeof(Piece));
        return wanted;
    }

    VSSG_BOTH void add(Sum &sum, const Piece &row, const Wanted &query) const
    {
        sums_add<KIND, IP>(sum, row, query.piece);
    }

    VSSG_BOTH uint32_t part(const Sum &sum) const
    {
        if constexpr (FLOATS)
            return bits_of(sum.first);
        else if constexpr (KIND == Kind::bits)
            return static_cast<uint32_t>(sum.first) | static_cast<uint32_t>(sum.second) << 16;
        else
            return IP ? static_cast<uint32_t>(sum.first)
                      : static_cast<uint32_t>(sum.second) - 2 * static_cast<uint32_t>(sum.first);
    }

    /* The part of a query's square that is thread t's. */
    VSSG_BOTH uint32_t square(const uint8_t *query, uint32_t t) const
    {
        uint32_t sum = 0;
        for (uint64_t i = t; i < stride; i += THREADS) {
            const int32_t x = KIND == Kind::i8 ? static_cast<int8_t>(query[i]) : query[i];
            sum += static_cast<uint32_t>(x * x);
        }
        return sum;
    }

    VSSG_BOTH uint32_t order_bits(const Eight &part) const
    {
        uint32_t differ = 0, either = 0;
        for (uint32_t i = 0; i < LANES; i++) {
            differ += part.at[i] & 0xffffu;
            either += part.at[i] >> 16;
        }
        if (!jaccard)
            return differ;
        return order_of(either == 0 ? 0 : quotient(static_cast<float>(differ), static_cast<float>(either)));
    }

    /* Rises with the distance of the place. */
    VSSG_BOTH uint32_t order(const Eight &part, uint32_t square, uint32_t place) const
    {
        if constexpr (KIND == Kind::bits) {
            return order_bits(part);
        } else if constexpr (!FLOATS) {
            const uint32_t sum = sum_eight(part);
            if (!IP)
                return square + sum;
            if (lengths == nullptr)
                return order_whole(0u - sum);
            return order_of(quotient(-static_cast<float>(static_cast<int32_t>(sum)), lengths[row(place)]));
        } else {
            float sum = 0;
            for (uint32_t i = 0; i < LANES; i++)
                sum += float_of(part.at[i]);
            return order_of(!IP ? sum : lengths == nullptr ? -sum : quotient(-sum, lengths[row(place)]));
        }
    }
};

/* Comparing codes of half a byte a component with whole numbers (vss_device_graph). */
struct WalkNibbles {
    static constexpr bool SQUARED = true;
    struct Sum {
        int32_t square, product;
    };
    struct Wanted {
        Piece even, odd;
    };

    const uint8_t *data, *queries;
    uint64_t stride, query_stride; /* of a query the even components, then from `stride` on the odd ones */

    VSSG_BOTH uint64_t bytes() const { return stride; }
    VSSG_BOTH const uint8_t *at(uint32_t place) const { return data + place * stride; }

    VSSG_BOTH Wanted wanted(const uint8_t *query, uint64_t at) const
    {
        return Wanted{load_piece(query + at), load_piece(query + stride + at)};
    }

    VSSG_BOTH void add(Sum &sum, const Piece &row, const Wanted &query) const
    {
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t even = row.word[i] & 0x0f0f0f0fu, odd = row.word[i] >> 4 & 0x0f0f0f0fu;
            sum.square = dot_bytes<true>(even, even, dot_bytes<true>(odd, odd, sum.square));
            sum.product = dot_bytes<true>(even, query.even.word[i], sum.product);
            sum.product = dot_bytes<true>(odd, query.odd.word[i], sum.product);
        }
    }

    VSSG_BOTH uint32_t part(const Sum &sum) const
    {
        return 64 * static_cast<uint32_t>(sum.square) - 16 * static_cast<uint32_t>(sum.product);
    }

    VSSG_BOTH uint32_t square(const uint8_t *query, uint32_t t) const
    {
        uint32_t sum = 0;
        for (uint64_t i = t; i < 2 * stride; i += THREADS) {
            const int32_t x = static_cast<int8_t>(query[i]);
            sum += static_cast<uint32_t>(x * x);
        }
        return sum;
    }

    VSSG_BOTH uint32_t order(const Eight &part, uint32_t square, uint32_t /* place */) const
    {
        return square + sum_eight(part);
    }
};

} // namespace vssg

#endif
