/*
 * meet.h - the nearest of a group's points to each of some queries of the group
 *
 * A block takes one task: 32 / M queries, which all meet the same 256 M points or fewer, each thread M of them. Codes
 * come 16 bytes a thread, 128 / M bytes of every point a time, into a tile of words, transposed: a thread reads words
 * of its points, side by side in the banks, and all threads the same ones of a query; STRIDE keeps the writes apart
 * too. The products, 32 a thread, stay in registers (block.h, Own) from tile to tile. They are whole numbers modulo
 * 2^32; the distance, |p|^2 + |q|^2 - 2 pq, is below 2^31 and thus exact.
 *
 * A key orders as vss/device.h says: the distance's float32 less its sign and 9 last bits, then the number. Keys take
 * the tile's place. A warp reads a query's keys as 32 columns: the keep-th least of the columns' minima is no less than
 * the keep-th least of all. What is not above it, of keep columns at most, goes into a list, where each counts the keys
 * below its own.
 *
 * Bound by instructions, of 4 products of bytes each, 64 a multiprocessor and clock: 3 million queries (a round of a
 * graph of a million rows) that meet 600 points of 128 bytes are 5.8e10, 4 ms of an H200. A point is read once for 8 to
 * 32 queries, 14 GB for 16 of them, from the second-level cache: less. 47 KB of shared memory: 4 blocks a
 * multiprocessor.
 */
#ifndef VSS_GPU_MEET_H
#define VSS_GPU_MEET_H

#include "grid.h"

namespace vssg {

constexpr uint32_t MEET_PAIRS = 32;   /* products of a thread */
constexpr uint32_t MEET_COLUMNS = 32; /* that a query's keys are read in */
constexpr uint32_t MEET_TURN = THREADS / MEET_COLUMNS; /* queries whose least keys are looked for at once */
constexpr uint32_t MEET_NONE = 0xffffffffu;

/* Queries that go together. */
struct MeetTask {
    uint32_t met, n_met; /* what they meet: n_met of the ids from here on */
    uint32_t first, n;   /* the queries: n of the ids from here on, and of the answers */
};

struct MeetJob {
    Grid grid;
    const uint32_t *ids;   /* points */
    const MeetTask *tasks;
    uint16_t *answer;      /* [ids][keep] */
    uint32_t keep;
};

template <uint32_t M> struct Meet {
    static constexpr uint32_t POINTS = THREADS * M;       /* that are met at most */
    static constexpr uint32_t QUERIES = MEET_PAIRS / M;
    static constexpr uint32_t WORDS = MEET_PAIRS / M;     /* of a point in a tile */
    static constexpr uint32_t PIECES = WORDS / 4;
    static constexpr uint32_t STRIDE = POINTS + M;
    static constexpr uint32_t LIST = VSS_DEVICE_KEEP * (POINTS / MEET_COLUMNS);
    static constexpr uint32_t TOGETHER = M < 2 ? M : 2;   /* points of a thread that a query's words are read for */
    struct Shared {
        union {
            uint32_t tile[WORDS][STRIDE];
            uint32_t keys[QUERIES][POINTS];
        };
        union {
            Piece queries[QUERIES][PIECES];
            uint16_t list[MEET_TURN][LIST]; /* numbers */
        };
        uint32_t squares[QUERIES];
        uint32_t least[MEET_TURN][MEET_COLUMNS]; /* of each column */
        uint32_t bounds[MEET_TURN], counts[MEET_TURN];
        uint16_t answer[MEET_TURN][VSS_DEVICE_KEEP];
    };
    struct Products {
        uint32_t of[M][QUERIES];
    };
    static const char *name() { return "meet"; }

    MeetJob job;

    VSSG_BOTH const uint8_t *code(uint32_t id, uint32_t piece) const
    {
        return job.grid.at(job.ids[id]) + piece * sizeof(Piece);
    }

    /* In a phase: pieces of all points and queries from `from` on into the tile. */
    VSSG_BOTH void load(Shared &s, const MeetTask &task, uint32_t from, uint32_t pieces, uint32_t t) const
    {
        const uint32_t piece = t % PIECES;
        if (piece >= pieces)
            return;
        for (uint32_t i = t / PIECES; i < task.n_met; i += THREADS / PIECES) {
            const Piece words = load_piece(code(task.met + i, from + piece));
            VSSG_UNROLL
            for (uint32_t w = 0; w < 4; w++)
                s.tile[4 * piece + w][i] = words.word[w];
        }
        for (uint32_t q = t / PIECES; q < task.n; q += THREADS / PIECES)
            s.queries[q][piece] = load_piece(code(task.first + q, from + piece));
    }

    /* In a phase: the products of the tile's words. */
    VSSG_BOTH void multiply(const Shared &s, uint32_t n_met, uint32_t pieces, Products &products, uint32_t t) const
    {
        VSSG_UNROLL
        for (uint32_t m = 0; m < M; m += TOGETHER) {
            if (t + m * THREADS >= n_met)
                continue;
            for (uint32_t piece = 0; piece < pieces; piece++) {
                Piece words[TOGETHER];
                VSSG_UNROLL
                for (uint32_t w = 0; w < 4 * TOGETHER; w++)
                    words[w / 4].word[w % 4] = s.tile[4 * piece + w % 4][t + (m + w / 4) * THREADS];
                VSSG_UNROLL
                for (uint32_t q = 0; q < QUERIES; q++) {
                    const Piece query = s.queries[q][piece];
                    VSSG_UNROLL
                    for (uint32_t j = 0; j < TOGETHER; j++)
                        products.of[m + j][q] = dot_piece(words[j], query, products.of[m + j][q]);
                }
            }
        }
    }

    /* In a phase: the keys of a thread's points. */
    VSSG_BOTH void keys(Shared &s, const MeetTask &task, const Products &products, uint32_t t) const
    {
        VSSG_UNROLL
        for (uint32_t m = 0; m < M; m++) {
            const uint32_t number = t + m * THREADS;
            const uint32_t square = number < task.n_met ? job.grid.squares[job.ids[task.met + number]] : 0;
            VSSG_UNROLL
            for (uint32_t q = 0; q < QUERIES; q++) {
                /* A query of its own group is one of those it meets; pivots come after all queries. */
                const bool there = number < task.n_met && task.met + number != task.first + q;
                const float distance = grid_distance(square, s.squares[q], products.of[m][q]);
                s.keys[q][number] = there ? (bits_of(distance) << 1 & ~(VSS_DEVICE_MET - 1)) | number : MEET_NONE;
            }
        }
    }

    /* The least keys of MEET_TURN queries from `first` on. */
    VSSG_BOTH void choose(const Block &block, Shared &s, const MeetTask &task, uint32_t first) const
    {
        const uint32_t n = task.n_met, keep = job.keep;
        block.each([&](uint32_t t) {
            const uint32_t turn = t / MEET_COLUMNS;
            uint32_t least = MEET_NONE;
            for (uint32_t i = t % MEET_COLUMNS; i < n; i += MEET_COLUMNS)
                least = s.keys[first + turn][i] < least ? s.keys[first + turn][i] : least;
            s.least[turn][t % MEET_COLUMNS] = least;
            if (t % MEET_COLUMNS == 0)
                s.counts[turn] = 0;
        });
        block.each([&](uint32_t t) {
            const uint32_t turn = t / MEET_COLUMNS, column = t % MEET_COLUMNS, mine = s.least[turn][column];
            uint32_t rank = 0;
            for (uint32_t c = 0; c < MEET_COLUMNS; c++)
                rank += s.least[turn][c] < mine || (s.least[turn][c] == mine && c < column);
            if (rank == keep - 1)
                s.bounds[turn] = mine;
        });
        block.each([&](uint32_t t) {
            const uint32_t turn = t / MEET_COLUMNS;
            for (uint32_t i = t % MEET_COLUMNS; i < n; i += MEET_COLUMNS) {
                const uint32_t key = s.keys[first + turn][i];
                if (key <= s.bounds[turn] && key != MEET_NONE)
                    s.list[turn][atomic_add(&s.counts[turn], 1)] = static_cast<uint16_t>(i);
            }
        });
        block.each([&](uint32_t t) { order(s, first, t / MEET_COLUMNS, t % MEET_COLUMNS); });
        block.each([&](uint32_t t) {
            const uint32_t here = task.n - first < MEET_TURN ? task.n - first : MEET_TURN;
            if (t < here * keep)
                job.answer[static_cast<uint64_t>(task.first + first) * keep + t] = s.answer[t / keep][t % keep];
        });
    }

    /* In a phase: what is in the list to its place in the answer. */
    VSSG_BOTH void order(Shared &s, uint32_t first, uint32_t turn, uint32_t column) const
    {
        const uint32_t n = s.counts[turn];
        for (uint32_t i = column; i < n; i += MEET_COLUMNS) {
            const uint16_t number = s.list[turn][i];
            uint32_t rank = 0;
            for (uint32_t j = 0; j < n; j++)
                rank += s.keys[first + turn][s.list[turn][j]] < s.keys[first + turn][number];
            if (rank < job.keep)
                s.answer[turn][rank] = number;
        }
        for (uint32_t i = n + column; i < job.keep; i += MEET_COLUMNS)
            s.answer[turn][i] = VSS_DEVICE_NONE;
    }

    VSSG_BOTH void operator()(const Block &block, Shared &s) const
    {
        const MeetTask task = job.tasks[block.x];
        const uint32_t all = job.grid.pieces();
        Own<Products> products;
        block.each([&](uint32_t t) {
            products.of(t) = Products{};
            if (t < QUERIES)
                s.squares[t] = t < task.n ? job.grid.squares[job.ids[task.first + t]] : 0;
        });
        for (uint32_t from = 0; from < all; from += PIECES) {
            const uint32_t pieces = all - from < PIECES ? all - from : PIECES;
            block.each([&](uint32_t t) { load(s, task, from, pieces, t); });
            block.each([&](uint32_t t) { multiply(s, task.n_met, pieces, products.of(t), t); });
        }
        block.each([&](uint32_t t) { keys(s, task, products.of(t), t); });
        for (uint32_t first = 0; first < task.n; first += MEET_TURN)
            choose(block, s, task, first);
    }
};

} // namespace vssg

#endif
