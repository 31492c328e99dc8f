/*
 * thin.h - which of a row's candidates become its links: robust pruning, by the rules of vss_device_prune
 *
 * R rows a block, of up to 1,024 / R candidates each; a row has its share of the threads, eight of them a candidate.
 * What is there twice is found by comparing all before it; a rank is the number of lesser keys. Then links are chosen
 * one after another: of the ranks that are still alive those that the newest link hides fall away, the least of the
 * others is the next link. The rows of a block go through this in step.
 *
 * Bound by bytes, or, where these come from a cache, by the turns of a row, each as long as three barriers and a read
 * from the first-level cache. A million rows with 112 candidates of 128 bytes read 14 GB: 3 ms at 4.8 TB/s if none of
 * it stayed in a cache. 48 registers a thread: 5 blocks a multiprocessor, 20 rows of the usual size.
 */
#ifndef VSS_GPU_THIN_H
#define VSS_GPU_THIN_H

#include "grid.h"

namespace vssg {

constexpr uint32_t THIN_CANDIDATES = 1024; /* of the rows of a block */
constexpr uint32_t THIN_FEW = 128;         /* so many have keys, more their distances and points */
constexpr uint32_t THIN_LANES = 8;         /* threads a candidate */
constexpr uint32_t THIN_FLIGHT = 4;        /* candidates of eight threads at once */
constexpr uint32_t THIN_NONE = 0xffffffffu;
constexpr uint64_t THIN_DROPPED = ~uint64_t{0};

/* A row. */
struct ThinTask {
    uint32_t point, first, n; /* n of the candidates from here on */
    uint32_t answer;          /* its number in the answers */
};

struct ThinJob {
    Grid grid;
    const ThinTask *tasks;
    const uint32_t *candidates;
    uint32_t *counts;        /* [answers] */
    uint32_t *links;         /* [answers][degree] */
    uint32_t n_tasks, most, degree;
    float factor;
    bool all;                /* the factor is infinite: candidates in order are the links */
};

template <uint32_t R> struct Thin {
    static constexpr uint32_t ROOM = THIN_CANDIDATES / R;
    static constexpr uint32_t SHARE = THREADS / R;           /* threads of a row */
    static constexpr uint32_t GROUPS_OF = SHARE / THIN_LANES;
    static constexpr uint32_t TURN = GROUPS_OF * THIN_FLIGHT; /* candidates of a row at once */
    struct Shared {
        uint64_t keys[R][ROOM];
        uint32_t ids[R][ROOM];
        float far[R][ROOM];         /* from the row's point */
        uint16_t order[R][ROOM];    /* by rank */
        uint16_t alive[2][R][ROOM]; /* ranks */
        uint32_t n_alive[2][R];
        ThinTask tasks[R];
        uint32_t unique[R], link[R], next[R], chosen[R];
    };
    static const char *name() { return "thin"; }

    ThinJob job;

    VSSG_BOTH static uint32_t row(uint32_t t) { return t / SHARE; }
    VSSG_BOTH static uint32_t lane(uint32_t t) { return t % SHARE; }
    /* The f-th candidate of a thread in the turn from `from` on. */
    VSSG_BOTH static uint32_t candidate(uint32_t t, uint32_t from, uint32_t f)
    {
        return from + f * GROUPS_OF + lane(t) / THIN_LANES;
    }

    /* sums[f] += a thread's share of the product of `with` and others[f]; THIN_NONE: none. */
    VSSG_BOTH void products(uint32_t with, const uint32_t (&others)[THIN_FLIGHT], uint32_t t,
                            uint32_t (&sums)[THIN_FLIGHT]) const
    {
        for (uint32_t piece = t % THIN_LANES; piece < job.grid.pieces(); piece += THIN_LANES) {
            const Piece mine = load_piece(job.grid.at(with) + piece * sizeof(Piece));
            VSSG_UNROLL
            for (uint32_t f = 0; f < THIN_FLIGHT; f++)
                if (others[f] != THIN_NONE)
                    sums[f] = dot_piece(mine, load_piece(job.grid.at(others[f]) + piece * sizeof(Piece)), sums[f]);
        }
    }

    VSSG_BOTH float distance(uint32_t a, uint32_t b, uint32_t product) const
    {
        return grid_distance(job.grid.squares[a], job.grid.squares[b], product);
    }

    /* In a phase: the first of equal candidates stays. */
    VSSG_BOTH void unite(Shared &s, uint32_t t) const
    {
        const uint32_t r = row(t), *ids = s.ids[r];
        for (uint32_t i = lane(t); i < s.tasks[r].n; i += SHARE) {
            bool counts = ids[i] != VSS_DEVICE_FREE && ids[i] != s.tasks[r].point;
            for (uint32_t j = 0; counts && j < i; j++)
                counts = ids[j] != ids[i];
            s.keys[r][i] = counts ? 0 : THIN_DROPPED;
            if (counts)
                (void)atomic_add(&s.unique[r], 1);
        }
    }

    VSSG_BOTH uint64_t key(const Shared &s, uint32_t r, uint32_t i, float far) const
    {
        const uint64_t bits = bits_of(far);
        return s.unique[r] <= THIN_FEW ? bits >> 9 << 32 | i : bits << 32 | s.ids[r][i];
    }

    /* The keys of the candidates that count, a turn at a time. */
    VSSG_BOTH void measure(const Block &block, Shared &s, uint32_t n) const
    {
        for (uint32_t from = 0; from < n; from += TURN)
            block.sums<THIN_LANES, THIN_FLIGHT>(
                [&](uint32_t t, uint32_t(&sums)[THIN_FLIGHT]) {
                    const uint32_t r = row(t);
                    uint32_t others[THIN_FLIGHT];
                    VSSG_UNROLL
                    for (uint32_t f = 0; f < THIN_FLIGHT; f++) {
                        const uint32_t i = candidate(t, from, f);
                        others[f] = i < s.tasks[r].n && s.keys[r][i] != THIN_DROPPED ? s.ids[r][i] : THIN_NONE;
                    }
                    if (from < s.tasks[r].n)
                        products(s.tasks[r].point, others, t, sums);
                },
                [&](uint32_t t, const uint32_t(&sums)[THIN_FLIGHT]) {
                    const uint32_t r = row(t);
                    VSSG_UNROLL
                    for (uint32_t f = 0; f < THIN_FLIGHT; f++) {
                        const uint32_t i = candidate(t, from, f);
                        if (t % THIN_LANES != f || i >= s.tasks[r].n || s.keys[r][i] == THIN_DROPPED)
                            continue;
                        s.far[r][i] = distance(s.tasks[r].point, s.ids[r][i], sums[f]);
                        s.keys[r][i] = key(s, r, i, s.far[r][i]);
                    }
                });
    }

    /* In a phase: candidates by rank; all but the first are alive, or all are links. */
    VSSG_BOTH void sort(Shared &s, uint32_t t) const
    {
        const uint32_t r = row(t), n = s.tasks[r].n;
        for (uint32_t i = lane(t); i < n; i += SHARE) {
            const uint64_t mine = s.keys[r][i];
            uint32_t rank = mine == THIN_DROPPED ? job.most : 0;
            for (uint32_t j = 0; rank < job.most && j < n; j++)
                rank += s.keys[r][j] < mine;
            if (rank >= job.most)
                continue;
            s.order[r][rank] = static_cast<uint16_t>(i);
            if (rank > 0)
                s.alive[0][r][rank - 1] = static_cast<uint16_t>(rank);
            if (job.all && rank < job.degree)
                job.links[static_cast<uint64_t>(s.tasks[r].answer) * job.degree + rank] = s.ids[r][i];
        }
        if (lane(t) != 0)
            return;
        const uint32_t looked = s.unique[r] < job.most ? s.unique[r] : job.most;
        s.n_alive[0][r] = looked > 0 ? looked - 1 : 0;
        s.n_alive[1][r] = 0;
        s.next[r] = looked > 0 && !job.all ? 0 : THIN_NONE;
        s.chosen[r] = job.all ? (looked < job.degree ? looked : job.degree) : 0;
    }

    /* In a phase, the first thread of a row: the next link, if there is one. alive: the list that is filled next. */
    VSSG_BOTH void choose(Shared &s, uint32_t r, uint32_t alive) const
    {
        s.link[r] = s.next[r];
        s.next[r] = THIN_NONE;
        s.n_alive[alive][r] = 0;
        if (s.link[r] == THIN_NONE)
            return;
        job.links[static_cast<uint64_t>(s.tasks[r].answer) * job.degree + s.chosen[r]++] =
            s.ids[r][s.order[r][s.link[r]]];
        if (s.chosen[r] == job.degree)
            s.link[r] = THIN_NONE;
    }

    /* The rank of the f-th entry of the list, if it is still to be compared with the link. */
    VSSG_BOTH uint32_t entry(const Shared &s, uint32_t t, uint32_t from, uint32_t f, uint32_t alive) const
    {
        const uint32_t r = row(t), i = candidate(t, from, f);
        const uint32_t rank = s.link[r] != THIN_NONE && i < s.n_alive[alive][r] ? s.alive[alive][r][i] : THIN_NONE;
        return rank != s.link[r] ? rank : THIN_NONE;
    }

    /* What of the list the newest link leaves alive goes into the other one; n: entries of the longest. */
    VSSG_BOTH void hide(const Block &block, Shared &s, uint32_t alive, uint32_t n) const
    {
        for (uint32_t from = 0; from < n; from += TURN)
            block.sums<THIN_LANES, THIN_FLIGHT>(
                [&](uint32_t t, uint32_t(&sums)[THIN_FLIGHT]) {
                    const uint32_t r = row(t);
                    uint32_t others[THIN_FLIGHT], any = 0;
                    VSSG_UNROLL
                    for (uint32_t f = 0; f < THIN_FLIGHT; f++) {
                        const uint32_t rank = entry(s, t, from, f, alive);
                        others[f] = rank != THIN_NONE ? s.ids[r][s.order[r][rank]] : THIN_NONE;
                        any |= ~others[f];
                    }
                    if (any != 0)
                        products(s.ids[r][s.order[r][s.link[r]]], others, t, sums);
                },
                [&](uint32_t t, const uint32_t(&sums)[THIN_FLIGHT]) {
                    const uint32_t r = row(t);
                    VSSG_UNROLL
                    for (uint32_t f = 0; f < THIN_FLIGHT; f++) {
                        const uint32_t rank = entry(s, t, from, f, alive);
                        if (t % THIN_LANES != f || rank == THIN_NONE)
                            continue;
                        const uint32_t link = s.ids[r][s.order[r][s.link[r]]], at = s.order[r][rank];
                        if (job.factor * distance(link, s.ids[r][at], sums[f]) < s.far[r][at])
                            continue;
                        s.alive[alive ^ 1][r][atomic_add(&s.n_alive[alive ^ 1][r], 1)] = static_cast<uint16_t>(rank);
                        atomic_min(&s.next[r], rank);
                    }
                });
    }

    /* The longest of the rows' lists that are still gone through; THIN_NONE: none is. */
    VSSG_BOTH static uint32_t longest(const Shared &s, uint32_t alive)
    {
        uint32_t n = THIN_NONE;
        for (uint32_t r = 0; r < R; r++)
            if (s.link[r] != THIN_NONE)
                n = n != THIN_NONE && n > s.n_alive[alive][r] ? n : s.n_alive[alive][r];
        return n;
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        uint32_t most = 0;
        for (uint32_t r = 0; r < R; r++) {
            const uint32_t at = block.x * R + r, n = at < job.n_tasks ? job.tasks[at].n : 0;
            most = n > most ? n : most;
        }
        block.each([&](uint32_t t) {
            const uint32_t r = row(t), at = block.x * R + r;
            const ThinTask task = at < job.n_tasks ? job.tasks[at] : ThinTask{};
            for (uint32_t i = lane(t); i < task.n; i += SHARE)
                s.ids[r][i] = job.candidates[task.first + i];
            if (lane(t) == 0) {
                s.tasks[r] = task;
                s.unique[r] = 0;
            }
        });
        block.each([&](uint32_t t) { unite(s, t); });
        measure(block, s, most);
        block.each([&](uint32_t t) { sort(s, t); });
        for (uint32_t alive = 0;; alive ^= 1) {
            block.each([&](uint32_t t) {
                if (lane(t) == 0)
                    choose(s, row(t), alive ^ 1);
            });
            const uint32_t n = block.uniform(longest(s, alive));
            if (n == THIN_NONE)
                break;
            hide(block, s, alive, n);
        }
        block.each([&](uint32_t t) {
            const uint32_t r = row(t);
            if (lane(t) == 0 && block.x * R + r < job.n_tasks)
                job.counts[s.tasks[r].answer] = s.chosen[r];
        });
    }
};

} // namespace vssg

#endif
