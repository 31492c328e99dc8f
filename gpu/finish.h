/*
 * finish.h - from lists to the answer: what is left of each query gets its value, and the k-th of those decides
 *
 * Gather: a block a query; the k-th smallest high over all slices gives the last cut, and the rows within it are put
 * together. Values: float64 in libvss' order, eight threads a row, one a lane; rounded once. Pick: a block a query;
 * rows whose value is at most the k-th and the limit. Ties are kept whole: a query with more of them than there are
 * places is unsettled, as is one that lost a list. Cost: some dozen rows a query are computed; reading the lists.
 */
#ifndef VSS_GPU_FINISH_H
#define VSS_GPU_FINISH_H

#include "lists.h"
#include "prepare.h"

namespace vssg {

struct Gather {
    struct Shared {
        Select select;
        uint32_t total, lost, found;
    };
    static const char *name() { return "gather"; }

    Lists lists;
    Finals finals;

    /* The entries of all slices that are thread t's: as many threads a slice as there are for it. */
    template <class Take> VSSG_BOTH void entries(uint32_t query, uint32_t t, const Take &take) const
    {
        uint32_t share = 1;
        while (share < THREADS && share * 2 * lists.slices <= THREADS)
            share *= 2;
        for (uint32_t slice = t / share; slice < lists.slices; slice += THREADS / share) {
            const uint64_t list = lists.list(query, slice);
            const uint32_t n = lists.counts[list];
            for (uint32_t i = t % share; i < n; i += share)
                take(lists.entries[list * lists.capacity + i]);
        }
    }

    VSSG_BOTH void count(const Block &block, Shared &s, uint32_t query) const
    {
        block.each([&](uint32_t t) {
            if (t == 0)
                s.total = s.lost = s.found = 0;
        });
        block.each([&](uint32_t t) {
            for (uint32_t slice = t; slice < lists.slices; slice += THREADS) {
                const uint32_t n = lists.counts[lists.list(query, slice)];
                (void)atomic_add(n == LOST ? &s.lost : &s.total, n == LOST ? 1 : n);
            }
        });
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint32_t query = block.x;
        count(block, s, query);
        if (block.uniform(s.lost) != 0) {
            block.each([&](uint32_t t) {
                if (t == 0)
                    finals.found[query] = LOST;
            });
            return;
        }
        float cut = of_order(load_fresh(&lists.cuts[query]));
        if (block.uniform(s.total) >= lists.k) {
            const uint32_t kth = select_kth(block, s.select, lists.k, [&](uint32_t t, auto take) {
                entries(query, t, [&](const Entry &entry) { take(order_of(entry.high)); });
            });
            const float proven = lists_cut(lists, query, of_order(kth));
            cut = proven < cut ? proven : cut;
        }
        block.each([&](uint32_t t) {
            entries(query, t, [&](const Entry &entry) {
                if (entry.low > cut)
                    return;
                const uint32_t at = atomic_add(&s.found, 1);
                if (at < finals.capacity)
                    finals.rows[static_cast<uint64_t>(query) * finals.capacity + at] = entry.row;
            });
        });
        block.each([&](uint32_t t) {
            if (t == 0)
                finals.found[query] = s.found <= finals.capacity ? s.found : LOST;
        });
    }
};

struct Values {
    struct Shared {
        double lane[THREADS], own[THREADS];
        uint32_t differ[THREADS], either[THREADS];
    };
    static const char *name() { return "values"; }

    Rows rows;
    Queries queries;
    Finals finals;

    VSSG_BOTH void lanes(Shared &s, const uint8_t *query, const uint8_t *row, uint32_t t) const
    {
        const bool l2 = rows.metric == VSS_METRIC_L2, cosine = rows.metric == VSS_METRIC_COSINE;
        double sum = 0, own = 0;
        for (uint32_t i = t % LANES; i < rows.dim; i += LANES) {
            const double x = static_cast<double>(component(queries.kind, query, i));
            const double y = static_cast<double>(component(rows.kind, row, i));
            const double off = plus(x, -y);
            sum = plus(sum, l2 ? times(off, off) : times(x, y));
            if (cosine)
                own = plus(own, times(y, y));
        }
        s.lane[t] = sum;
        s.own[t] = own;
    }

    VSSG_BOTH void bits(Shared &s, const uint8_t *query, const uint8_t *row, uint32_t t) const
    {
        uint32_t differ = 0, either = 0;
        for (uint32_t i = t % LANES; i < rows.dim / 8; i += LANES) {
            differ += count_bits(static_cast<uint32_t>(row[i] ^ query[i]));
            either += count_bits(static_cast<uint32_t>(row[i] | query[i]));
        }
        s.differ[t] = differ;
        s.either[t] = either;
    }

    /* Of the eight threads from t on. */
    VSSG_BOTH float value(const Shared &s, uint32_t query, uint32_t t) const
    {
        uint32_t differ = 0, either = 0;
        if (rows.kind == Kind::bits) {
            for (uint32_t i = 0; i < LANES; i++) {
                differ += s.differ[t + i];
                either += s.either[t + i];
            }
            if (rows.metric == VSS_METRIC_HAMMING)
                return static_cast<float>(differ);
            const double all = static_cast<double>(either), both = static_cast<double>(either - differ);
            return either == 0 ? 0 : static_cast<float>(plus(1, -divided(both, all)));
        }
        const double sum = sum_lanes(s.lane + t);
        if (rows.metric == VSS_METRIC_L2)
            return static_cast<float>(sum);
        if (rows.metric == VSS_METRIC_IP)
            return -static_cast<float>(sum);
        return -static_cast<float>(divided(sum, times(root(queries.squares[query]), root(sum_lanes(s.own + t)))));
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint32_t query = block.y, found = finals.found[query], n = found == LOST ? 0 : found;
        const uint64_t list = static_cast<uint64_t>(query) * finals.capacity;
        const uint8_t *q = queries.data + query * queries.stride;
        for (uint32_t first = block.x * GROUPS; first < n; first += block.grid_x * GROUPS) {
            block.each([&](uint32_t t) {
                const uint32_t at = first + t / LANES;
                if (at >= n)
                    return;
                const uint8_t *row = rows.data + finals.rows[list + at] * rows.stride;
                if (rows.kind == Kind::bits)
                    bits(s, q, row, t);
                else
                    lanes(s, q, row, t);
            });
            block.each([&](uint32_t t) {
                if (t < GROUPS && first + t < n)
                    finals.values[list + first + t] = value(s, query, t * LANES);
            });
        }
    }
};

struct Pick {
    struct Shared {
        Select select;
        uint32_t within, taken;
    };
    static const char *name() { return "pick"; }

    Finals finals;

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const uint32_t query = block.x, found = finals.found[query], n = found == LOST ? 0 : found;
        const uint64_t list = static_cast<uint64_t>(query) * finals.capacity;
        const uint64_t out = static_cast<uint64_t>(query) * finals.width;
        const float limit = finals.limits != nullptr ? finals.limits[query] : infinity();
        float most = limit;
        block.each([&](uint32_t t) {
            if (t == 0)
                s.within = s.taken = 0;
        });
        block.each([&](uint32_t t) {
            for (uint32_t i = t; i < n; i += THREADS)
                (void)atomic_add(&s.within, finals.values[list + i] <= limit ? 1 : 0);
        });
        if (block.uniform(s.within) > finals.k)
            most = of_order(select_kth(block, s.select, finals.k, [&](uint32_t t, auto take) {
                for (uint32_t i = t; i < n; i += THREADS)
                    if (finals.values[list + i] <= limit)
                        take(order_of(finals.values[list + i]));
            }));
        block.each([&](uint32_t t) {
            for (uint32_t i = t; i < n; i += THREADS) {
                if (!(finals.values[list + i] <= most))
                    continue;
                const uint32_t at = atomic_add(&s.taken, 1);
                if (at < finals.width) {
                    finals.out_rows[out + at] = finals.rows[list + i];
                    finals.out_values[out + at] = finals.values[list + i];
                }
            }
        });
        block.each([&](uint32_t t) {
            if (t == 0)
                finals.out_counts[query] =
                    found == LOST || s.taken > finals.width ? VSS_DEVICE_UNSETTLED : s.taken;
        });
    }
};

} // namespace vssg

#endif
