/*
 * walk.h - best-first walks over a graph, a block a query
 *
 * The pool is the nearest places seen, sorted by key: the score, then the place, in 64 bits, the lowest of which says
 * that the place's links were followed. A walk begins at the entries around the nearest center, and for a large pool
 * or a filter at all centers, as on the CPU (index/hnsw/hnsw_search.c). Then, until all of the pool are followed:
 *     choose  the nearest few places that are not, marked as followed
 *     take    a strip of at most 256 of their links, a thread each, side by side; those that were not seen lately are
 *             scored, eight threads a row, four rows each at once, in pieces of 16 bytes; what is nearer than the
 *             pool's last is ranked by counting and merged into the pool in place, from its end to where the first
 *             new one goes. Mostly some dozen are, and the pool's front stays where it is.
 * Several places at once instead of one (as CAGRA of Ootomo et al., 2023, has it) means fewer waits for memory; it
 * costs some scores of places that one at a time would not have come to, and loses none.
 *
 * What was seen stays in a table of 5,632 places in sets of four, where a fifth drives out another: a place that was
 * forgotten is scored again, none is skipped that was not seen. A score depends on query and place alone, so what comes
 * again is either above the pool's last, as it was when it fell out, or equal to a key of the pool, and dropped: each
 * place enters the pool once. Hence the same result in any order of threads, and an end on any graph; a walk that
 * follows far more places than the pool has is given up (its query stays unsettled).
 *
 * Scores are whole numbers where codes or bytes are compared, exact; else float32. What the stored graph holds is
 * bounded where it is used. In the end the rows at the places, as far as they are allowed, become the query's list
 * for probe.h, which with finish.h finds the k nearest of them as ever.
 *
 * Cost. Of a query with a pool of L: about L + 20 rows of links and 15 L scores, so at L = 64, m = 24 and codes of 128
 * bytes 21 KB of links and 120 KB of codes from anywhere: on an H200, at 4.8 TB/s, 34 million queries a second would be
 * all there is. What bounds it is waiting: some 20 rounds of two dependent reads and a dozen phases, 1 to 2 us each;
 * with 48 KB of shared memory and 64 registers four blocks hide each other's waits on a multiprocessor, 528 on the
 * card. One query takes some 40 us, however idle the rest of the card. The table is large enough for pools of a few
 * hundred: beyond, more and more is scored again.
 */
#ifndef VSS_GPU_WALK_H
#define VSS_GPU_WALK_H

#include "graph.h"
#include "walk_form.h"

namespace vssg {

constexpr uint32_t WALK_POOL = 2048;  /* places of a pool, at most */
constexpr uint32_t WALK_SET = 4;      /* places that compete in the table of those seen */
constexpr uint32_t WALK_SEEN = 1408 * WALK_SET; /* what 48 KB of shared memory have room for */
constexpr uint32_t WALK_FOLLOW = 8;   /* places that are followed at once, at most */
constexpr uint32_t WALK_FLIGHT = 4;   /* rows that eight threads score at once */
constexpr uint32_t WALK_STRIP = GROUPS * WALK_FLIGHT;
constexpr uint32_t WALK_EVERYWHERE = 4; /* places of the pool a group of entries, from which on all centers are taken */
constexpr uint64_t WALK_FOLLOWED = 1;
constexpr uint64_t WALK_NO_KEY = ~uint64_t{0};
static_assert(sizeof(uint32_t) * WALK_FLIGHT == 2 * sizeof(uint64_t), "sums and merging share their room");

/* What walks have in common, whatever they compare. */
struct Walks {
    Graph graph;
    const uint64_t *allow;  /* bit r % 64 of word r / 64; NULL: every row */
    uint32_t pool;          /* at most WALK_POOL */
    uint32_t wanted;        /* allowed rows that a walk has to find */
    uint32_t follow;        /* places at once, 1 to WALK_FOLLOW */
    uint32_t most;          /* places that a walk follows, about */
    uint32_t *numbers;      /* [queries][pool]: the rows that were found */
    Share *shares;          /* [queries]: of the parts; rows LOST where too few were found */
    Part *parts;            /* [queries] */
    uint32_t *scored;       /* [queries]: how many rows were */

    VSSG_BOTH bool allows(uint32_t row) const { return allow == nullptr || (allow[row / 64] >> row % 64 & 1) != 0; }
};

struct WalkShared {
    uint64_t pool[WALK_POOL];
    uint64_t keys[THREADS], sorted[THREADS]; /* of a strip: what is nearer than the pool's last; the new of it */
    uint64_t best;                           /* of the centers; the least is the greatest here */
    union {
        alignas(16) uint32_t partial[WALK_FLIGHT][THREADS];
        struct {
            uint64_t hold[THREADS];
            uint32_t below[THREADS], target[THREADS]; /* how many of the pool are before a key; where it goes */
        } merge;
    };
    uint32_t seen[WALK_SEEN];
    uint32_t fresh[THREADS];                 /* places of a strip to be scored */
    uint32_t chosen[WALK_FOLLOW];
    uint32_t open[THREADS / 32];             /* which of 256 places of the pool are not followed */
    uint32_t n, at;                          /* of the pool; all before `at` are followed */
    uint32_t n_fresh, n_keys, n_new, n_chosen;
    uint32_t square, followed, scored, allowed;
};

/* How many of keys [n], sorted, are below the key. */
VSSG_BOTH uint32_t walk_below(const uint64_t *keys, uint32_t n, uint64_t key)
{
    uint32_t low = 0;
    while (n > 0) {
        const uint32_t half = n / 2;
        const bool below = keys[low + half] < key;
        low = below ? low + half + 1 : low;
        n = below ? n - half - 1 : half;
    }
    return low;
}

/* In a phase: remember the place. False: it was known. */
VSSG_BOTH bool walk_see(WalkShared &s, uint32_t place)
{
    const uint32_t mixed = place * 0x9e3779b1u;
    const uint32_t set = static_cast<uint32_t>(static_cast<uint64_t>(mixed) * (WALK_SEEN / WALK_SET) >> 32) * WALK_SET;
    for (uint32_t i = 0; i < WALK_SET; i++) {
        const uint32_t there = atomic_swap_if(&s.seen[set + i], LOST, place);
        if (there == LOST || there == place)
            return there == LOST;
    }
    return atomic_swap(&s.seen[set + (mixed >> 6) % WALK_SET], place) != place;
}

/* Merge the `fresh` new keys, sorted, whose places are in target, into the pool, in place: from the end of the pool
 * what is behind the first of them moves back, at most 256 places, 256 at a time. */
VSSG_BOTH void walk_merge(const Block &block, WalkShared &s, uint32_t fresh, uint32_t capacity)
{
    const uint32_t first = s.merge.target[0], old = block.uniform(s.n);
    for (uint32_t end = old; end > first;) {
        const uint32_t begin = end > THREADS ? end - THREADS : 0;
        block.each([&](uint32_t t) {
            if (begin + t < end)
                s.merge.hold[t] = s.pool[begin + t];
        });
        block.each([&](uint32_t t) {
            if (begin + t >= end)
                return;
            const uint32_t to = begin + t + walk_below(s.sorted, fresh, s.merge.hold[t]);
            if (to < capacity)
                s.pool[to] = s.merge.hold[t];
        });
        end = begin;
    }
    block.each([&](uint32_t t) {
        if (t < fresh && s.merge.target[t] < capacity)
            s.pool[s.merge.target[t]] = s.sorted[t];
        if (t == 0) {
            s.n = old + fresh < capacity ? old + fresh : capacity;
            s.at = first < s.at ? first : s.at;
            s.n_new = 0;
        }
    });
}

/* What of keys [n_keys] is not in the pool goes there, once. */
VSSG_BOTH void walk_insert(const Block &block, WalkShared &s, uint32_t capacity)
{
    const uint32_t n = block.uniform(s.n_keys);
    block.each([&](uint32_t t) {
        if (t == 0)
            s.n_fresh = s.n_keys = 0;
        if (t >= n)
            return;
        const uint64_t key = s.keys[t];
        const uint32_t below = walk_below(s.pool, s.n, key);
        bool known = below < s.n && (s.pool[below] & ~WALK_FOLLOWED) == key;
        for (uint32_t i = 0; i < t && !known; i++)
            known = s.keys[i] == key;
        s.merge.hold[t] = known ? WALK_NO_KEY : key;
        s.merge.below[t] = below;
        if (!known)
            (void)atomic_add(&s.n_new, 1);
    });
    const uint32_t fresh = s.n_new;
    if (fresh == 0)
        return;
    block.each([&](uint32_t t) {
        const uint64_t key = t < n ? s.merge.hold[t] : WALK_NO_KEY;
        if (key == WALK_NO_KEY)
            return;
        uint32_t rank = 0;
        for (uint32_t i = 0; i < n; i++)
            rank += s.merge.hold[i] < key;
        s.sorted[rank] = key;
        s.merge.target[rank] = rank + s.merge.below[t];
    });
    walk_merge(block, s, fresh, capacity);
}

/* A walk's, in this order; the last until there are no more. */
enum class WalkStage : uint32_t { centers, group, entries, links };

struct WalkSpan {
    uint32_t first, end;
};

template <class Form> struct Walk {
    using Shared = WalkShared;
    static constexpr int BLOCKS = 4; /* what shared memory lets; more hide each other's waits */
    static const char *name() { return "walk"; }

    Walks walks;
    Form form;

    VSSG_BOTH uint32_t bounded(uint32_t place) const { return place < walks.graph.n ? place : walks.graph.n - 1; }

    /* In a phase: the parts of the sums of fresh [n] from the first on. */
    VSSG_BOTH void multiply(Shared &s, const uint8_t *query, uint32_t first, uint32_t n, uint32_t t) const
    {
        typename Form::Sum sums[WALK_FLIGHT];
        const uint8_t *row[WALK_FLIGHT];
        const uint32_t begin = first + t / LANES;
        const uint32_t mine = begin < n ? (n - begin + GROUPS - 1) / GROUPS : 0; /* rows, or more than can be at once */
        for (uint32_t f = 0; f < WALK_FLIGHT; f++) {
            sums[f] = typename Form::Sum{};
            row[f] = f < mine ? form.at(s.fresh[begin + f * GROUPS]) : nullptr;
        }
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
        for (uint64_t at = t % LANES * sizeof(Piece); mine > 0 && at < form.bytes(); at += LANES * sizeof(Piece)) {
            Piece piece[WALK_FLIGHT] = {};
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
            for (uint32_t f = 0; f < WALK_FLIGHT; f++)
                if (f < mine)
                    piece[f] = load_piece(row[f] + at);
            const typename Form::Wanted wanted = form.wanted(query, at);
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
            for (uint32_t f = 0; f < WALK_FLIGHT; f++)
                if (f < mine)
                    form.add(sums[f], piece[f], wanted);
        }
        for (uint32_t f = 0; f < WALK_FLIGHT; f++)
            s.partial[f][t] = form.part(sums[f]);
    }

    /* In a phase: what fresh place i has come to. */
    VSSG_BOTH void offer(Shared &s, uint32_t i, uint32_t first, uint32_t order, bool centers) const
    {
        if (centers) {
            atomic_max_wide(&s.best, ~(static_cast<uint64_t>(order) << 32 | (first + i)));
            return;
        }
        const uint64_t key = static_cast<uint64_t>(order) << 32 | static_cast<uint64_t>(s.fresh[i]) << 1;
        if (s.n < walks.pool || key < s.pool[walks.pool - 1])
            s.keys[atomic_add(&s.n_keys, 1)] = key;
    }

    /* Score fresh [n_fresh], of the strip that begins at `first`. */
    VSSG_BOTH void score(const Block &block, Shared &s, uint32_t first, bool centers) const
    {
        const uint8_t *query = form.queries + block.x * form.query_stride;
        const uint32_t n = s.n_fresh;
        for (uint32_t done = 0; done < n; done += WALK_STRIP) {
            block.each([&](uint32_t t) { multiply(s, query, done, n, t); });
            block.each([&](uint32_t t) {
                const uint32_t i = done + t;
                if (t < WALK_STRIP && i < n) {
                    const Eight part = load_eight(s.partial[t / GROUPS] + t % GROUPS * LANES);
                    offer(s, i, first, form.order(part, s.square, s.fresh[i]), centers);
                }
                if (t == 0)
                    s.scored += n - done < WALK_STRIP ? n - done : WALK_STRIP;
            });
        }
    }

    /* Score a strip of what the stage goes through, from the first on and before `end`, and take it into the pool; of
     * the centers find the best instead. */
    VSSG_BOTH void take(const Block &block, Shared &s, WalkStage stage, uint32_t first, uint32_t end) const
    {
        const bool centers = stage == WalkStage::centers;
        block.each([&](uint32_t t) {
            if (t < THREADS / 32)
                s.open[t] = 0;
            if (first + t >= end)
                return;
            const uint32_t place =
                stage == WalkStage::links ? link(s, first + t) : bounded(walks.graph.entries[first + t]);
            if (place == LOST || (!centers && !walk_see(s, place)))
                return;
            const uint32_t at = atomic_add(&s.n_fresh, 1);
            s.fresh[centers ? t : at] = place;
        });
        score(block, s, first, centers);
        walk_insert(block, s, walks.pool);
    }

    VSSG_BOTH void begin(const Block &block, Shared &s) const
    {
        const uint8_t *query = form.queries + block.x * form.query_stride;
        block.each([&](uint32_t t) {
            for (uint32_t i = t; i < WALK_SEEN; i += THREADS)
                s.seen[i] = LOST;
            if (t < THREADS / 32)
                s.open[t] = 0;
            if (t != 0)
                return;
            s.best = 0;
            s.n = s.at = s.n_fresh = s.n_keys = s.n_new = s.n_chosen = 0;
            s.square = s.followed = s.scored = s.allowed = 0;
        });
        block.each([&](uint32_t t) {
            if constexpr (Form::SQUARED)
                (void)atomic_add(&s.square, form.square(query, t));
        });
    }

    /* In a phase: thread t's place of the pool, of 256 from `at` on, is among those to follow where it is open and few
     * before it are. */
    VSSG_BOTH void pick(Shared &s, uint32_t at, uint32_t t) const
    {
        const uint32_t word = t / 32, bit = 1u << t % 32;
        uint32_t before = 0, all = 0;
        for (uint32_t i = 0; i < THREADS / 32; i++) {
            const uint32_t open = s.open[i];
            all += count_bits(open);
            before += count_bits(i < word ? open : i == word ? open & (bit - 1) : 0);
        }
        if (t == 0) {
            s.n_chosen = all < walks.follow ? all : walks.follow;
            s.followed += s.n_chosen;
            if (all < walks.follow)
                s.at = at + THREADS;
        }
        if ((s.open[word] & bit) == 0 || before >= walks.follow)
            return;
        s.chosen[before] = static_cast<uint32_t>(s.pool[at + t]) >> 1;
        s.pool[at + t] |= WALK_FOLLOWED;
        if (before + 1 == walks.follow)
            s.at = at + t + 1;
    }

    /* Choose the places to follow. Returns how many; 0: there are none, or too many were followed. */
    VSSG_BOTH uint32_t choose(const Block &block, Shared &s) const
    {
        uint32_t chosen = 0;
        while (chosen == 0) {
            const uint32_t n = s.n, at = s.at;
            if (at >= n || s.followed > walks.most)
                return 0;
            block.each([&](uint32_t t) {
                if (at + t < n && (s.pool[at + t] & WALK_FOLLOWED) == 0)
                    (void)atomic_add(&s.open[t / 32], 1u << t % 32);
            });
            block.each([&](uint32_t t) { pick(s, at, t); });
            chosen = s.n_chosen;
        }
        return chosen;
    }

    /* The place that a slot of the links of those chosen leads to; LOST: none. */
    VSSG_BOTH uint32_t link(const Shared &s, uint32_t slot) const
    {
        const uint32_t stride = walks.graph.stride, i = slot % stride;
        const uint32_t *links = walks.graph.links + static_cast<uint64_t>(s.chosen[slot / stride]) * stride;
        const uint32_t count = links[0], place = links[i];
        return i == 0 || i > count ? LOST : bounded(place);
    }

    /* The allowed rows at the places of the pool. */
    VSSG_BOTH void end(const Block &block, Shared &s) const
    {
        const uint32_t query = block.x, n = s.n, *map = walks.graph.map;
        const bool whole = s.at >= n;
        const uint64_t list = static_cast<uint64_t>(query) * walks.pool;
        block.each([&](uint32_t t) {
            for (uint32_t i = t; i < n; i += THREADS) {
                const uint32_t place = static_cast<uint32_t>(s.pool[i]) >> 1;
                const uint32_t row = map != nullptr ? map[place] : place;
                if (row < walks.graph.n && walks.allows(row))
                    walks.numbers[list + atomic_add(&s.allowed, 1)] = row;
            }
        });
        block.each([&](uint32_t t) {
            if (t != 0)
                return;
            walks.shares[query] = Share{query, 1, whole && s.allowed >= walks.wanted ? s.allowed : LOST};
            walks.parts[query] = Part{0, static_cast<uint32_t>(list)};
            walks.scored[query] = s.scored;
        });
    }

    /* What the stage goes through: entries, or links of those chosen. */
    VSSG_BOTH WalkSpan span(const Block &block, Shared &s, WalkStage stage) const
    {
        const Graph &graph = walks.graph;
        const uint32_t groups = graph.n_groups, members = graph.n_entries - groups;
        if (stage == WalkStage::centers)
            return WalkSpan{0, groups};
        if (stage == WalkStage::links)
            return WalkSpan{0, choose(block, s) * graph.stride};
        const uint32_t best = static_cast<uint32_t>(~s.best);
        if (best == LOST)
            return WalkSpan{0, 0};
        if (stage == WalkStage::group) {
            const uint32_t first = graph.groups[best], end = graph.groups[best + 1];
            return WalkSpan{groups + (first < members ? first : members), groups + (end < members ? end : members)};
        }
        const bool everywhere = walks.allow != nullptr || walks.pool >= WALK_EVERYWHERE * groups;
        return everywhere ? WalkSpan{0, groups} : WalkSpan{best, best + 1};
    }

    /* One loop, so that there is the code of one: it is long. */
    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        begin(block, s);
        for (uint32_t i = 0;; i++) {
            const WalkStage stage = i < 3 ? static_cast<WalkStage>(i) : WalkStage::links;
            const WalkSpan span = this->span(block, s, stage);
            if (stage == WalkStage::links && span.end == 0)
                break;
            for (uint32_t first = span.first; first < span.end; first += THREADS)
                take(block, s, stage, first, span.end);
        }
        end(block, s);
    }
};

} // namespace vssg

#endif
