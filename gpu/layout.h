/*
 * layout.h - what lies in the card's memory
 *
 * Scores. A search compares in a scale of its own, S, that rises with the value: the value itself (scan.h), or the
 * value less |q|^2 for l2 by products (tile.h); `offsets` says how much less. Of every row it knows low <= S <= high.
 */
#ifndef VSS_GPU_LAYOUT_H
#define VSS_GPU_LAYOUT_H

#include "numbers.h"

namespace vssg {

constexpr uint32_t MOST_K = 2048;
constexpr uint64_t MOST_ROWS = 0x80000000u; /* of a place; indices of rows do not overflow */
constexpr uint32_t ROWS_WHOLE = 1024;     /* rows of a piece of a tile; arrays of rows have whole pieces */
constexpr uint32_t LOST = 0xffffffffu;    /* a count: the list stayed full */
constexpr uint32_t LIST_SPARE = 2048;     /* places of a list beyond 2 k, at least two strips of rows */

/* What is known of a vector that has a code (codes.h). */
struct alignas(16) Coded {
    float step;   /* of the code's whole numbers */
    float rest;   /* at least the length of what rounding took off */
    float square; /* of the length of what the code stands for, rounded to nearest */
    float length; /* at least that length, and the vector's */
};

/* The rows of a place, made once. */
struct Rows {
    const uint8_t *data;    /* [n][stride], as stored, filled up with zeros */
    uint64_t stride;        /* a multiple of 16 */
    const uint16_t *halves; /* [n][padded]: rounded to bfloat16, under cosine after division by the length; not bits */
    const float *lengths;   /* [n]: |v|, rounded to nearest; not bits */
    const float *rests;     /* [n]: at least the length of what rounding took off; not bits */
    const uint8_t *codes;   /* [n][code_size], NULL: there are none */
    const Coded *coded;     /* [n], with codes */
    uint32_t n, dim, padded;
    uint32_t code_size;     /* a multiple of 16 */
    Kind kind;
    vss_metric metric;
};

/* The queries of a pass. */
struct Queries {
    const uint8_t *data;    /* [n][stride]: float32 for kinds of floats, else as rows; filled up with zeros */
    uint64_t stride;        /* a multiple of 16, no shorter than a row's components need */
    const uint16_t *halves; /* [n][padded], with products only: times 2 for l2, divided by the length for cosine */
    const double *squares;  /* [n]: |q|^2 in libvss' order; not bits */
    const float *reaches;   /* [n]: |q|, or at least that of what was rounded to halves; not bits */
    const uint8_t *planes;  /* [n][code_size / 16][2][16], with codes only */
    const Coded *coded;     /* [n], with codes only */
    uint32_t n;
    Kind kind;
};

struct Entry {
    float low, high;
    uint32_t row;
};

/* What may be among the nearest: `slices` lists a query, each filled by one block at a time. */
struct Lists {
    uint32_t *cuts;         /* [queries]: order_of the greatest low that is of use */
    uint32_t *counts;       /* [queries][slices]; LOST */
    Entry *entries;         /* [queries][slices][capacity] */
    const double *offsets;  /* [queries] */
    const uint64_t *allow;  /* bit r % 64 of word r / 64; NULL: every row */
    double tiny;            /* what low and high may be off beyond what they know of */
    uint32_t slices, capacity, k;

    VSSG_BOTH uint64_t list(uint32_t query, uint32_t slice) const
    {
        return static_cast<uint64_t>(query) * slices + slice;
    }

    VSSG_BOTH bool allows(uint32_t row) const { return allow == nullptr || (allow[row / 64] >> row % 64 & 1) != 0; }
};

/* The rows of inverted lists, made once. */
struct Inverted {
    const uint32_t *numbers; /* [n]: of rows, list by list; those that are no row's are passed over */
    uint32_t n;
    bool doubled;            /* some row's number is there twice: nothing is searched */
};

/* One list of a query that has rows: how many come before them in the query's other lists, where they begin. */
struct Part {
    uint32_t before, at;
};

/* The lists of a query. */
struct Share {
    uint64_t first;  /* of its parts */
    uint32_t parts, rows; /* rows LOST: the query stays unsettled */
};

/* The inverted lists of the queries of a pass, or the rows that their walks found (walk.h). */
struct Probes {
    const uint32_t *numbers;
    const Part *parts;
    const Share *shares;     /* [queries] */
};

/* Rows of a slice: an even share in whole strips. */
VSSG_BOTH uint64_t probe_share(uint32_t rows, uint32_t slices)
{
    const uint64_t whole = (static_cast<uint64_t>(rows) + THREADS - 1) / THREADS;
    return (whole + slices - 1) / slices * THREADS;
}

/* What is left of each query, and the answer. */
struct Finals {
    uint32_t *found;   /* [queries]; LOST */
    uint32_t *rows;    /* [queries][capacity] */
    float *values;     /* [queries][capacity] */
    const float *limits; /* [queries]; NULL: none */
    uint32_t capacity, k, width;
    uint32_t *out_counts; /* [queries] */
    uint32_t *out_rows;   /* [queries][width] */
    float *out_values;    /* [queries][width] */
};

} // namespace vssg

#endif
