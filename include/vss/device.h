/*
 * vss/device.h - a processor beside the CPU that compares rows: a GPU
 *
 * A device library fills a vss_device and hands it to vss_device_register; from then on searches of the process that
 * name it ("cuda") have the rows of sealed segments compared there. libvss never links one: libvss_gpu.so is loaded by
 * vss_device_load, and only by that call. Results are the same as without a device, to the last bit: a device answers
 * with every row that can be among the nearest and with its value, computed as the CPU computes it (float64 in one
 * fixed order, rounded once). Where a walk over a graph chooses the rows, a device may choose others than the CPU.
 */
#ifndef VSS_DEVICE_H
#define VSS_DEVICE_H

#include "error.h"
#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VSS_DEVICE_ABI 1u        /* of everything in this header; a device of another number is refused */
#define VSS_DEVICE_MAX 4u        /* in a process */
#define VSS_DEVICE_UNSETTLED 0xffffffffu
#define VSS_DEVICE_MET 1024u     /* points that a point is compared with in a group, at most; and members of a group */
#define VSS_DEVICE_KEEP 24u      /* of them that it keeps, at most */
#define VSS_DEVICE_NONE 0xffffu  /* in an answer: no other was met */
#define VSS_DEVICE_FREE 0xffffffffu /* among candidates: none */

/* The vectors of one field of one sealed segment. They never change. */
typedef struct vss_device_vectors {
    uint32_t struct_size;
    vss_type type;
    vss_metric metric;
    uint32_t dim;
    uint64_t rows;    /* below 2^32 - 16 */
    const void *data; /* [rows][dim] of the type (binary: dim / 8 bytes a row), verified, borrowed for the call */
} vss_device_vectors;

/* Inverted lists: numbers of rows, list by list. They never change. */
typedef struct vss_device_lists {
    uint32_t struct_size;
    uint32_t n_lists;
    const uint32_t *begins; /* [n_lists + 1]: where each list begins in rows, rising from 0 to at most the rows */
    const uint32_t *rows;   /* [begins[n_lists]], borrowed for the call; numbers that are no row's are passed over */
} vss_device_lists;

/* What a walk over a graph compares in place of vectors: whole numbers, below 2^31. */
typedef enum vss_device_coding {
    VSS_DEVICE_CODING_NONE,   /* the rows' vectors, by their metric */
    VSS_DEVICE_CODING_BYTES,  /* sum (c - q)^2 of bytes, from 0 to 255 */
    VSS_DEVICE_CODING_NIBBLES /* byte j of a code holds c of component 2 j in its low half, of 2 j + 1 in its high half:
                               * sum (8 c - q)^2. A query is whole numbers from -127 to 127 in signed bytes: those of
                               * the even components [code_size], then those of the odd ones [code_size] */
} vss_device_coding;

/* A graph whose nodes are places, one for each row. It never changes. Links, entries, groups and map may hold anything:
 * what is no place, row or entry is to lead nowhere but to rows that are there. */
typedef struct vss_device_graph {
    uint32_t struct_size;
    uint32_t stride;         /* above 0 */
    const uint32_t *links;   /* [rows][stride]: how many a place has, then they */
    uint32_t n_entries;      /* where walks begin; n_groups of them, in front, are centers of groups of the others */
    uint32_t n_groups;
    const uint32_t *entries; /* [n_entries]: places */
    const uint32_t *groups;  /* [n_groups + 1]: where each group begins behind the centers, rising */
    const uint32_t *map;     /* [rows]: the row at a place; NULL: each row is at its own */
    vss_device_coding coding;
    uint32_t code_size;      /* bytes, above 0 with codes; at most 32,832 */
    const uint8_t *codes;    /* [rows][code_size] by place; NULL without */
} vss_device_graph;

/* The k nearest rows of each query, of all rows, of those of some lists, or of those that walks over a graph find. */
typedef struct vss_device_search {
    uint32_t struct_size;
    uint32_t k;             /* at most the rows there are */
    uint32_t width;         /* places of a query in the hits: k or more, room for rows that tie with the k-th */
    size_t n_queries;       /* above 0 */
    const void *queries;    /* [n_queries], float32 for f32, f16 and bf16 vectors, else of the vectors' type */
    size_t query_stride;    /* bytes from one query to the next */
    const float *limits;    /* [n_queries]: rows whose value is above are of no use; INFINITY: no limit. NULL: none */
    const uint64_t *allow;  /* bit r % 64 of word r / 64: row r may be returned; NULL: every row */
    uint64_t n_allow;       /* bits set, or rows */
    const vss_device_lists *lists; /* NULL: every row is compared. Given to devices with `lists` only */
    void **lists_place;     /* the device's own note of the lists, as it has one of the vectors */
    const uint64_t *probe_begins; /* [n_queries + 1]: where each query's lists begin in probes */
    const uint32_t *probes; /* [probe_begins[n_queries]]: the lists that a query's rows are in, each once */
    const vss_device_graph *graph; /* NULL: no walk. Given to devices with `graphs` only, and never with lists */
    void **graph_place;     /* the device's own note of the graph */
    uint32_t pool;          /* rows that a walk keeps in view, k or more: the k nearest of those of them that are
                             * allowed are wanted */
    const void *codes;      /* [n_queries] as the graph's codes want them; NULL: walks compare the rows' vectors */
    size_t code_stride;     /* bytes from one to the next */
    void *state;
    int (*stopped)(void *state); /* 1: the caller wants no more, return CANCELLED; ask now and then */
} vss_device_search;

/* To be filled. The values of a query are "smaller is nearer": squared l2, hamming and jaccard distances as they are
 * returned, inner products and cosines negated. */
typedef struct vss_device_hits {
    uint32_t struct_size;
    uint32_t *counts; /* [n_queries]: how many rows; VSS_DEVICE_UNSETTLED: too many lie too near the k-th, or a walk has
                         found fewer than min(k, n_allow) allowed rows, the limit aside: the CPU is to search for this
                         query */
    uint32_t *rows;   /* [n_queries][width], in any order: every allowed row within the limit whose value is at most
                         that of the k-th nearest, those that tie with it included */
    float *values;    /* [n_queries][width] */
    uint32_t *scored; /* [n_queries], with a graph: how many rows the walk has compared, for vss_explain; else NULL */
} vss_device_hits;

/* Points of a grid of bytes, which k-means and the building of inverted lists compare with centers on the same grid,
 * and the building of graphs with each other. The distance of two is sum (c - d)^2, a whole number below 2^31. */
typedef struct vss_device_points {
    uint32_t struct_size;
    uint32_t size;        /* bytes of a point: a multiple of 4, at most 32,832 */
    uint64_t rows;        /* at most 2^32 - 16 */
    const uint8_t *codes; /* [rows][size], borrowed for the call */
} vss_device_points;

/* The nearest center of every point: the first of those whose distances, rounded to float32, are least. What is NULL is
 * not wanted; the last four are wanted together. */
typedef struct vss_device_nearest {
    uint32_t struct_size;
    uint32_t n_centers;      /* above 0 */
    const uint8_t *centers;  /* [n_centers][size] */
    uint32_t *where;         /* [rows]: the center */
    uint32_t *far;           /* [rows]: its distance */
    uint32_t *counts;        /* [n_centers]: points whose nearest it is */
    uint64_t *inertias;      /* [n_centers]: the sum of their distances */
    uint32_t *sums;          /* [n_centers][size]: of their bytes; rows is at most 2^24 then */
    uint32_t *farthest;      /* [n_centers]: the farthest of them, of equally far ones the first; any without one */
    void *state;
    int (*stopped)(void *state); /* as in vss_device_search */
} vss_device_nearest;

/* Residuals of rows, to be rotated and coded as the building of ivf_rabitq codes them, to the bit. All sums are
 * float64, in the order of the components, and nothing is fused.
 *
 * A residual is turned in float32, in four rounds: each component times the round's sign; then Hadamard's butterflies
 * over as many components as are the greatest power of two up to the width, the first ones in rounds 0 and 2, the last
 * ones in 1 and 3: for steps 1, 2, 4 and so on below the power, two components a and b that lie a step apart become
 * a + b and a - b, and in the end each is multiplied by 1 / sqrtf(power); then, where the power is not the width, each
 * component a of the first half and its fellow b in the second become (a + b) * 0.70710678f and (a - b) * 0.70710678f.
 *
 * Of the turned residual r, with deviation = sqrt(sum(r r) / width), the code of a component is
 * floor(r * inverse) + 2^(bits - 1), no less than 0 and no more than 2^bits - 1. inverse is 0 where deviation is not
 * above 1e-30, else 1 / (deviation * step), or that of 1 / (deviation * step * tries[i]), multiplied from the left, the
 * first whose sum(v r) / sqrt(sum(v v)), v = code - (2^bits - 1) / 2, is greatest. The factors are those of the codes'
 * first bits, v = (code >> (bits - 1)) - 1 / 2, and of all bits: with f = sum(r r) / sum(v r), 0 where that sum is not
 * above 0, and the center c, sum(r r) + 2 * f * sum(v c) and -2 * f, rounded to float32. */
typedef struct vss_device_signs {
    uint32_t struct_size;
    uint32_t width;         /* components: a multiple of 16, at most 32,784 */
    uint32_t bits;          /* 1 to 8 */
    uint32_t n_tries;       /* at most 8 */
    double step;
    const double *tries;    /* [n_tries] */
    const float *signs;     /* [4][width]: 1 or -1 */
    size_t n_centers, n;    /* of centers, of residuals: above 0 */
    const float *centers;   /* [n_centers][width], turned already */
    const float *residuals; /* [n][width] */
    const uint32_t *where;  /* [n]: center of each */
    uint8_t *codes;         /* [n][width] */
    float *factors;         /* [n][4]: of the first bits, of all bits */
    void *state;
    int (*stopped)(void *state); /* as in vss_device_search */
} vss_device_signs;

/* Residuals of rows, to be coded as the building of ivf_pq codes them, to the bit. Run j has the components from
 * j * width / n_runs to (j + 1) * width / n_runs, both rounded down; its code is the word nearest to it there, the
 * first of equally near ones, by sum((r - w) * (r - w)) in float32, in the order of the components, nothing fused. A
 * sum that is no number is not near, but word 0 stands if nothing is nearer than it. */
typedef struct vss_device_words {
    uint32_t struct_size;
    uint32_t width;         /* components, at most 32,769 */
    uint32_t n_runs;        /* 1 to the width */
    uint32_t n_words;       /* of a run: a multiple of 16 to 256 */
    const float *words;     /* [width][n_words]: component i of the words of the run that has it */
    size_t n;               /* residuals, above 0 */
    const float *residuals; /* [n][width] */
    uint8_t *codes;         /* [n][n_runs] */
    void *state;
    int (*stopped)(void *state); /* as in vss_device_search */
} vss_device_words;

/* Points in groups, as the building of graphs compares them: of what the members of a group meet, the nearest to each
 * member. Members meet the other members of their group, or, where there are pivots, the group's pivots. What is met is
 * numbered from 0 in the order given; among members a member keeps its number, but does not meet itself. The nearest of
 * those met has the least key: the distance, rounded to the nearest float32, of whose 32 bits the 9 last are left
 * out (a sign, 8 bits of exponent, 14 of fraction stay), and of equal ones the least number. */
typedef struct vss_device_neighbors {
    uint32_t struct_size;
    uint32_t keep;           /* 1 to VSS_DEVICE_KEEP */
    size_t n_groups;
    const uint64_t *begins;  /* [n_groups + 1]: where each group begins in members, rising from 0; up to VSS_DEVICE_MET
                                members a group */
    const uint32_t *members; /* points, below the rows */
    const uint64_t *pivot_begins; /* [n_groups + 1]: the same in pivots; NULL: members meet each other */
    const uint32_t *pivots;
    uint16_t *answer;        /* [begins[n_groups]][keep]: numbers of what is nearest to a member, by rising keys;
                                VSS_DEVICE_NONE behind them where fewer are met */
    void *state;
    int (*stopped)(void *state); /* as in vss_device_search */
} vss_device_neighbors;

/* Rows with candidates, and which of these become links. What is VSS_DEVICE_FREE, the row's own point, and what came
 * before in the row's candidates counts for nothing. Up to 128 that are left are put in order as in
 * vss_device_neighbors, numbered as they come; more by their distances, rounded to float32, and of equal ones the least
 * point first. Of the `most` first, each is a link unless a link before it is nearer to it, by the factor, than the
 * row's point: factor * distance to the link < distance to the point, all of it float32; until there are `degree`. */
typedef struct vss_device_prune {
    uint32_t struct_size;
    uint32_t most;              /* 1 to VSS_DEVICE_MET */
    uint32_t degree;            /* 1 to VSS_DEVICE_MET */
    float factor;               /* 1 or more; INFINITY: all are links */
    size_t n_rows;
    const uint32_t *rows;       /* [n_rows]: the point of each */
    const uint64_t *begins;     /* [n_rows + 1]: where each row's begin in candidates, rising from 0 */
    const uint32_t *candidates; /* [begins[n_rows]]: points, below the rows of the points, or VSS_DEVICE_FREE */
    uint32_t *counts;           /* [n_rows]: links, or VSS_DEVICE_UNSETTLED: more candidates than it takes, the CPU's */
    uint32_t *links;            /* [n_rows][degree]: points, in the order in which they were chosen */
    void *state;
    int (*stopped)(void *state); /* as in vss_device_search */
} vss_device_prune;

/* Every function may be called on any thread, several at once. Those that fail write one line into err (never NULL
 * there) and return its status: NO_MEMORY or BUDGET where the device's memory does not suffice, UNSUPPORTED where it
 * does not do what it is asked, DEVICE where a call of the device failed, with the call's name; search or build then go
 * on on the CPU unless they say device_required. */
typedef struct vss_device {
    uint32_t struct_size;
    uint32_t abi;            /* VSS_DEVICE_ABI */
    const char *name;        /* [a-z][a-z0-9_]{0,30}, not "cpu" */
    const char *description; /* one line for people: the card, its memory */
    void *state;             /* passed to every function */
    int lists;               /* 1: searches may name lists */
    uint32_t graphs;         /* above 0: searches may name a graph, with a pool of so many rows at most */
    /* Are searches for the k nearest of such vectors taken? rows and data are not set. UNSUPPORTED, with the reason. */
    vss_status (*takes)(void *state, const vss_device_vectors *vectors, uint32_t k, vss_error *err);
    /* place: the device's own note of these vectors, NULL at first; what it stands for is kept from call to call, and
     * dropped and made again as the device sees fit. Calls with one place have the same vectors, and may come at once:
     * *place is read and written by the device alone, which guards it. Hits beyond the counts may hold anything. */
    vss_status (*search)(void *state, void **place, const vss_device_vectors *vectors, const vss_device_search *search,
                         const vss_device_hits *hits, vss_error *err);
    /* place as above, for points. NULL: this device compares no points. */
    vss_status (*nearest)(void *state, void **place, const vss_device_points *points, const vss_device_nearest *nearest,
                          vss_error *err);
    /* NULL: this device codes no residuals so. */
    vss_status (*signs)(void *state, const vss_device_signs *signs, vss_error *err);
    /* place as above, for the words. NULL: this device codes no residuals so. */
    vss_status (*words)(void *state, void **place, const vss_device_words *words, vss_error *err);
    /* One place more for points, for these two. Both NULL: this device builds no graphs. */
    vss_status (*neighbors)(void *state, void **place, const vss_device_points *points,
                            const vss_device_neighbors *neighbors, vss_error *err);
    vss_status (*prune)(void *state, void **place, const vss_device_points *points, const vss_device_prune *prune,
                        vss_error *err);
    /* The vectors, lists, graph, points or words are gone, or no longer wanted; no call with this place runs or will
     * come. */
    void (*forget)(void *state, void *place);
} vss_device;

/* Make a device known to the process, for good; the struct and what it points to are borrowed for as long. Registering
 * the same struct again does nothing. INVALID, EXISTS for a name that is taken, UNSUPPORTED for another ABI.
 * Thread-safe, as are the next two. */
VSS_API vss_status vss_device_register(const vss_device *device, vss_error *err);

/* The device of that name; NULL: there is none. */
VSS_API const vss_device *vss_device_find(const char *name);

/* Load a device library by its path, which holds a "/", and call its vss_device_main, which registers what it finds
 * through the function it is given and returns that one's status. options: the library's own, "memory_mb=8000"; NULL:
 * none. NOT_FOUND where it can't be loaded; INVALID where it has no such function or does not know an option; DEVICE
 * where there is nothing it can use. */
VSS_API vss_status vss_device_load(const char *path, const char *options, vss_error *err);
typedef vss_status (*vss_device_main_fn)(vss_status (*register_device)(const vss_device *device, vss_error *err),
                                         const char *options, vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
