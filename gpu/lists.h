/*
 * lists.h - the rows of each query that may be among its nearest
 *
 * A block owns the lists of its Q queries in its slice of the rows while it runs. It offers rows with bounds of their
 * score, low <= S <= high; what is above the query's cut is dropped at once. When a list may not have room for another
 * strip of rows, the k-th smallest high of it is sought: k rows have scores of at most that, so the cut falls to it,
 * and what is above goes. Cuts of a query are shared by its slices. As long as there is none, one is sought as soon as
 * a list has 2 k rows and those of a block's threads: little is kept then of all that come after, here and in other
 * slices.
 *
 * Why ties are kept. k rows have S <= H, H that k-th high. Values are scores plus the offset, rounded to float32: a row
 * whose value is not above the k-th's has S <= H + 2^-24 |value|, twice that with the k-th's own rounding, and the
 * float64 sum it comes from has errors far below that. lists_cut adds 2^-21 |H + offset|, and 2 `tiny` for what low and
 * high leave out.
 *
 * A list that is as good as full after that is lost: too many rows lie too near the k-th. Its query stays unsettled.
 */
#ifndef VSS_GPU_LISTS_H
#define VSS_GPU_LISTS_H

#include "layout.h"
#include "select.h"

namespace vssg {

template <uint32_t Q> struct ListsShared {
    Select select;
    Entry hold[THREADS];
    uint32_t counts[Q], lost[Q];
    float cuts[Q];
    uint32_t kept;
};

/* The greatest low of use once k rows have scores of at most `high`. */
VSSG_BOTH float lists_cut(const Lists &lists, uint32_t query, float high)
{
    const double h = static_cast<double>(high), value = h + lists.offsets[query];
    return high < infinity() ? float_up(h + 0x1p-21 * (value < 0 ? -value : value) + 2 * lists.tiny) : high;
}

/* first: the block's first query; of Q, those below n are there. fresh: the lists are empty, else as a block left
 * them. */
template <uint32_t Q>
VSSG_BOTH void lists_begin(const Block &block, ListsShared<Q> &s, const Lists &lists, uint32_t first, uint32_t n,
                           uint32_t slice, bool fresh)
{
    block.each([&](uint32_t t) {
        if (t >= Q)
            return;
        const bool there = first + t < n;
        const uint32_t count = fresh || !there ? 0 : lists.counts[lists.list(first + t, slice)];
        s.lost[t] = count == LOST;
        s.counts[t] = count == LOST ? 0 : count;
        s.cuts[t] = there && count != LOST ? of_order(load_fresh(&lists.cuts[first + t])) : -infinity();
    });
}

/* In a phase: see what other slices have found. */
template <uint32_t Q>
VSSG_BOTH void lists_refresh(ListsShared<Q> &s, const Lists &lists, uint32_t first, uint32_t n, uint32_t t)
{
    if (t < Q && first + t < n) {
        const float cut = of_order(load_fresh(&lists.cuts[first + t]));
        if (cut < s.cuts[t])
            s.cuts[t] = cut;
    }
}

/* In a phase: take a row whose low is not above the cut, unless it is not allowed. */
template <uint32_t Q>
VSSG_BOTH void lists_take(ListsShared<Q> &s, const Lists &lists, uint32_t q, uint32_t first, uint32_t slice, float low,
                          float high, uint32_t row)
{
    if (!lists.allows(row))
        return;
    const uint32_t at = atomic_add(&s.counts[q], 1);
    /* What is no number bounds nothing. */
    lists.entries[lists.list(first + q, slice) * lists.capacity + at] =
        Entry{low, high <= 3.0e38f ? high : infinity(), row};
}

/* Let the cut of query q fall to what its list proves and drop what is above it. */
template <uint32_t Q>
VSSG_BOTH void lists_prune(const Block &block, ListsShared<Q> &s, const Lists &lists, uint32_t q, uint32_t query,
                           uint32_t slice)
{
    Entry *entries = lists.entries + lists.list(query, slice) * lists.capacity;
    const uint32_t n = block.uniform(s.counts[q]);
    if (n >= lists.k) {
        const uint32_t kth = select_kth(block, s.select, lists.k, [&](uint32_t t, auto take) {
            for (uint32_t i = t; i < n; i += THREADS)
                take(order_of(entries[i].high));
        });
        block.each([&](uint32_t t) {
            if (t != 0)
                return;
            const float cut = lists_cut(lists, query, of_order(kth));
            if (cut < s.cuts[q]) {
                s.cuts[q] = cut;
                atomic_min(&lists.cuts[query], order_of(cut));
            }
        });
    }
    block.each([&](uint32_t t) {
        if (t == 0)
            s.kept = 0;
    });
    for (uint32_t begin = 0; begin < n; begin += THREADS) {
        block.each([&](uint32_t t) {
            if (begin + t < n)
                s.hold[t] = entries[begin + t];
        });
        block.each([&](uint32_t t) {
            if (begin + t < n && !(s.hold[t].low > s.cuts[q]))
                entries[atomic_add(&s.kept, 1)] = s.hold[t];
        });
    }
    block.each([&](uint32_t t) {
        if (t == 0)
            s.counts[q] = s.kept;
    });
}

/* Is a list to be pruned: it may not have room for another strip, or has enough rows for the query's first cut. */
template <uint32_t Q> VSSG_BOTH bool lists_due(const ListsShared<Q> &s, const Lists &lists, uint32_t q, uint32_t most)
{
    const uint32_t n = s.counts[q];
    return n > most || (n >= 2 * lists.k && n >= THREADS && s.cuts[q] == infinity());
}

/* Make room for a strip of so many rows. */
template <uint32_t Q>
VSSG_BOTH void lists_room(const Block &block, ListsShared<Q> &s, const Lists &lists, uint32_t first, uint32_t slice,
                          uint32_t strip)
{
    const uint32_t most = lists.capacity - strip;
    bool full = false;
    for (uint32_t q = 0; q < Q; q++)
        full |= lists_due(s, lists, q, most);
    if (!block.uniform(full))
        return;
    for (uint32_t q = 0; q < Q; q++) {
        if (!block.uniform(lists_due(s, lists, q, most)))
            continue;
        lists_prune(block, s, lists, q, first + q, slice);
        block.each([&](uint32_t t) {
            if (t == 0 && s.counts[q] > most) {
                s.lost[q] = 1;
                s.counts[q] = 0;
                s.cuts[q] = -infinity();
            }
        });
    }
}

/* Store the counts. last: no rows follow, what is left is to be few. */
template <uint32_t Q>
VSSG_BOTH void lists_end(const Block &block, ListsShared<Q> &s, const Lists &lists, uint32_t first, uint32_t n,
                         uint32_t slice, bool last)
{
    for (uint32_t q = 0; last && q < Q; q++)
        if (block.uniform(s.counts[q]) > lists.k)
            lists_prune(block, s, lists, q, first + q, slice);
    block.each([&](uint32_t t) {
        if (t < Q && first + t < n)
            lists.counts[lists.list(first + t, slice)] = s.lost[t] != 0 ? LOST : s.counts[t];
    });
}

} // namespace vssg

#endif
