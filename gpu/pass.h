/*
 * pass.h - how many queries go together, in how many lists, and where what they need lies
 */
#ifndef VSS_GPU_PASS_H
#define VSS_GPU_PASS_H

#include "launches.h"
#include "probes.h"
#include "state.h"

namespace vssg {

/* Sizes, all of them here. */
constexpr uint32_t PASS_QUERIES = 4096;                  /* at most */
constexpr uint32_t PASS_FEW = 8;                         /* so many are compared with the rows as stored */
constexpr size_t PASS_SCRATCH = size_t{1} << 30;         /* aimed at; fewer queries go together before it grows */
constexpr size_t PASS_ENTRIES = size_t{256} << 20;       /* of all lists, aimed at */
constexpr uint32_t PASS_KEPT = 262144;                   /* rows that the lists of a query keep in the end */
constexpr uint32_t PASS_AHEAD = 8;                       /* tiles between two looks at the caller and the card */
constexpr uint32_t PASS_BLOCKS = 8;                      /* of products, wanted of each multiprocessor */
constexpr uint32_t PASS_SCANS = 6;                       /* of scans: it holds 2 or 3 at once, whole rounds of them */
constexpr size_t PASS_PARTS = size_t{64} << 20;          /* bytes of the parts of lists that are named, aimed at */
constexpr size_t PASS_READ = size_t{32} << 30;           /* bytes of rows of lists between two looks at the caller */

struct Pass {
    bool products, codes;   /* by products; by codes; else by the rows as stored */
    uint32_t n;             /* queries */
    uint32_t slices, slice_rows, tile_rows, capacity, width;
    uint64_t query_stride;  /* on the card */
    uint32_t parts_most;    /* of a query */
    uint64_t code_stride;   /* of a query */
    size_t bytes;           /* of the scratch memory */
    size_t up_limits, up_shares, up_parts, up_codes, up_bytes; /* in pinned memory, after the queries */
    size_t out_bytes;       /* of counts, rows, values and scored, which lie together */
    /* Places in the scratch memory. */
    size_t allow, data, halves, planes, coded, squares, reaches, limits, offsets, cuts, spread, bases, weights, tile,
        counts, entries, shares, parts, numbers, walk_codes, found, rows, values, out_counts, out_rows, out_values,
        out_scored;
};

/* A pass of n queries or fewer, by products or codes as the pass says. probed: what a query of a search with lists or a
 * graph has at most, else NULL. */
void pass_plan(const Device *device, const Rows &rows, const vss_device_search *search, const ProbeSizes *probed,
               uint32_t n, Pass *pass);

} // namespace vssg

#endif
