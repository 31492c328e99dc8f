/*
 * probe.h - a query against the rows of the inverted lists it names
 *
 * A block takes one query through its slice of the rows in the query's lists, which are counted one list after the
 * other: slices are even shares of whole strips. Each thread of a strip seeks, by halving, the list that one of its
 * places lies in, and reads the row's number there; the rows are then compared as a scan compares them (scan.h), with
 * the same bounds. Eight threads read a row side by side, so that rows of 128 bytes and more are read as fast from
 * anywhere. Numbers that are no row's, and rows that are not allowed, are passed over: row 0, which the cache has,
 * is read in their stead, and not offered. Cost: the rows of the lists that are allowed, once a query; queries that
 * name the same list read it each.
 *
 * No two numbers of the lists are one row's (inverted.cpp, walk.h): none is offered twice.
 */
#ifndef VSS_GPU_PROBE_H
#define VSS_GPU_PROBE_H

#include "scan.h"

namespace vssg {

template <Kind KIND, bool IP> struct Probe {
    using Comparing = Compare<KIND, IP, 1>;
    static_assert(Comparing::STRIP == THREADS && Comparing::OFFERS == 1, "a thread for each row of a strip");
    struct Shared {
        typename Comparing::Shared compare;
        uint32_t rows[THREADS]; /* of the strip; LOST: none */
    };
    static const char *name() { return "probe"; }

    Comparing compare;
    Probes probes;

    /* The row at a place below share.rows. */
    VSSG_BOTH uint32_t row_at(const Share &share, uint32_t place) const
    {
        const Part *parts = probes.parts + share.first;
        uint32_t low = 0, past = share.parts;
        while (past - low > 1) {
            const uint32_t middle = low + (past - low) / 2;
            if (parts[middle].before <= place)
                low = middle;
            else
                past = middle;
        }
        const uint32_t row = probes.numbers[parts[low].at + (place - parts[low].before)];
        return row < compare.rows.n && compare.lists.allows(row) ? row : LOST;
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const Lists &lists = compare.lists;
        const uint32_t slice = block.x, query = block.y, queries = compare.queries.n;
        const Share share = probes.shares[query];
        if (share.rows == LOST) {
            block.each([&](uint32_t t) {
                if (t == 0)
                    lists.counts[lists.list(query, slice)] = LOST;
            });
            return;
        }
        const uint64_t begin = static_cast<uint64_t>(slice) * probe_share(share.rows, lists.slices);
        const uint64_t past = begin + probe_share(share.rows, lists.slices);
        const uint32_t end = static_cast<uint32_t>(past < share.rows ? past : share.rows);
        lists_begin(block, s.compare.lists, lists, query, queries, slice, true);
        for (uint64_t strip = begin; strip < end; strip += THREADS) {
            block.each([&](uint32_t t) {
                lists_refresh(s.compare.lists, lists, query, queries, t);
                s.rows[t] = strip + t < end ? row_at(share, static_cast<uint32_t>(strip + t)) : LOST;
            });
            block.each([&](uint32_t t) {
                compare.multiply([&](uint32_t i) { return static_cast<uint64_t>(s.rows[i] != LOST ? s.rows[i] : 0); },
                                 query, t, s.compare);
            });
            block.each([&](uint32_t t) {
                const uint32_t row = s.rows[Comparing::slot(t, 0)];
                if (row != LOST)
                    compare.offer(row, query, slice, t, 0, s.compare);
            });
            lists_room(block, s.compare.lists, lists, query, slice, THREADS);
        }
        lists_end(block, s.compare.lists, lists, query, queries, slice, true);
    }
};

} // namespace vssg

#endif
