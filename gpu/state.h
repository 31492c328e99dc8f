/*
 * state.h - a card in use: its memory, the rows, lists, graphs and points that stay there, the calls that work on it
 *
 * One mutex guards the list of places, the idle calls and the count of the memory in use; no copy, kernel or wait for
 * the card happens under it but the freeing of memory. A place is loaded by one thread while others that want it
 * wait; a place that a call uses stays, others are dropped, the longest unused first, when room is wanted, and after
 * them the scratch memory of idle calls.
 */
#ifndef VSS_GPU_STATE_H
#define VSS_GPU_STATE_H

#include <condition_variable>
#include <mutex>

#include "graph.h"
#include "grid.h"
#include "points.h"

namespace vssg {

constexpr unsigned MOST_CALLS = 4;                  /* at work on a card at once; more wait */
constexpr size_t STAGING_BYTES = size_t{8} << 20;   /* of each of two pieces that rows travel in */

/* What the card holds of the vectors of one segment, of inverted lists, of a graph, of points, or of codewords. */
struct Place {
    enum State { EMPTY, LOADING, READY };
    Place *next;
    State state;
    unsigned users;  /* calls; only at 0 is it dropped */
    uint64_t used;   /* the clock at its last use */
    void *memory;
    size_t bytes;
    union {
        Rows rows;
        Inverted inverted;
        Graph graph;
        Points points;
        const float *words; /* of product codes */
        Grid grid;
    };
};

/* What a running call works with. Kept for the next one. */
struct Call {
    Call *next;
    Stream *stream;
    void *scratch, *pinned, *staging;
    size_t scratch_bytes, pinned_bytes;
};

struct Options {
    bool experimental;
    uint64_t memory_mb; /* 0: 80 % of what is free */
    uint64_t tile_kb;   /* of a tile of products */
    uint64_t codes;     /* 1: rows of floats have codes (codes.h), where there is room */
    uint64_t gpu;
};

struct Device {
    Card card;
    Options options;
    size_t budget, used; /* bytes of the card's memory */
    std::mutex mutex;
    std::condition_variable changed; /* a place was loaded or failed to, a call ended */
    Place *places;
    Call *idle;
    unsigned calls;      /* idle ones among them */
    uint64_t clock;
    char description[400];
    vss_device face;
};

/* ---- memory.cpp ---- */
/* Memory of the card within the budget; what is unused is dropped for it. BUDGET, NO_MEMORY, DEVICE; what: for the
 * line. */
vss_status memory_take(Device *device, size_t bytes, const char *what, void **out, vss_error *err);
void memory_give(Device *device, void *memory, size_t bytes);

/* ---- places.cpp ---- */
/* How a place is filled from what the caller has. */
struct PlaceFill {
    const void *from;
    /* Set what the place is to hold, but for where that lies; its name goes into `what`. Returns bytes of memory. */
    size_t (*shape)(Place *place, const void *from, char (&what)[64]);
    /* Bring it to place->memory; nothing is written there any more once the stream is finished. */
    vss_status (*load)(Device *device, Call *call, Place *place, const void *from, vss_error *err);
};
/* What the fill says, on the card until place_give. *slot is the caller's note of it. */
vss_status place_hold(Device *device, Call *call, void **slot, const PlaceFill &fill, Place **out, vss_error *err);
/* Brings rows, as Rows::data says, to `to`; it has stopped writing there once the stream is finished. */
using PlaceSource = vss_status (*)(Call *call, const Rows &rows, uint8_t *to, const vss_device_vectors *vectors,
                                   vss_error *err);
/* From the vectors' data. */
vss_status place_upload(Call *call, const Rows &rows, uint8_t *to, const vss_device_vectors *vectors, vss_error *err);
/* The rows of the vectors, on the card until place_give. *slot is the note of vss_device.search. */
vss_status place_take(Device *device, Call *call, void **slot, const vss_device_vectors *vectors, PlaceSource source,
                      Place **out, vss_error *err);
void place_give(Device *device, Place *place);
void place_forget(Device *device, Place *place);
/* Under the mutex: drop what it holds. */
void place_drop(Device *device, Place *place);
Kind place_kind(vss_type type);
/* Bytes of the card's memory that rows of a shape take. */
size_t place_bytes(const Rows &shape);

/* ---- coded.cpp ---- */
/* Rows of that shape are to have codes, if codes are wanted and spare enough, and fit beside all that is in use and
 * the scratch memory of a search. */
void coded_shape(Device *device, Rows *shape);
/* Make the codes of the rows, which are there when the stream has come so far. */
vss_status coded_make(Call *call, const Rows &rows, vss_error *err);
/* The rows and queries that a scan compares in place of these: their codes. */
Rows coded_rows(const Rows &rows);
Queries coded_queries(const Rows &rows, const Queries &queries);

/* ---- calls.cpp ---- */
/* CANCELLED where the caller stops waiting: stopped (or NULL), asked with `state`. */
vss_status call_take(Device *device, int (*stopped)(void *), void *state, Call **out, vss_error *err);
void call_give(Device *device, Call *call);
vss_status call_scratch(Device *device, Call *call, size_t bytes, vss_error *err);
vss_status call_pinned(Call *call, size_t bytes, vss_error *err);
vss_status call_staging(Call *call, vss_error *err);
/* Bytes of the host into memory of the card, piece by piece; the staging memory is free when the stream has come so
 * far. */
vss_status call_send(Call *call, void *to, const void *from, size_t bytes, vss_error *err);
/* Bytes of the card into memory of the host, piece by piece; waits for the stream. */
vss_status call_fetch(Call *call, void *to, const void *from, size_t bytes, vss_error *err);
void call_close(Device *device, Call *call);

/* ---- search.cpp ---- */
/* lists, graph: of the search, NULL where it has none. */
vss_status search_run(Device *device, Call *call, const Rows &rows, const Inverted *lists, const Graph *graph,
                      const vss_device_search *search, const vss_device_hits *hits, vss_error *err);

/* ---- inverted.cpp ---- */
/* The inverted lists of a search in so many rows, on the card until place_give. *slot is its lists_place. INVALID. */
vss_status inverted_take(Device *device, Call *call, void **slot, const vss_device_lists *lists, uint64_t rows,
                         Place **out, vss_error *err);

/* ---- graph.cpp ---- */
/* The graph of a search of so many rows, on the card until place_give. UNSUPPORTED. */
vss_status graph_take(Device *device, Call *call, const vss_device_search *search, uint64_t rows, Place **out,
                      vss_error *err);

/* ---- points.cpp ---- */
/* So many points, but for where they lie. */
Points points_shape(uint64_t n, uint32_t size);
size_t points_bytes(const Points &points);
void points_divide(Points *points, void *memory);
/* Bytes of scratch memory to bring them through: at most so many, but room for one. */
size_t points_room(const Points &points, size_t most);
/* codes: [n][size]; they are there, and the room is free, when the stream has come so far. */
vss_status points_bring(Call *call, const Points &points, const uint8_t *codes, uint8_t *room, size_t room_bytes,
                        vss_error *err);
/* The points on the card until place_give, as place_take has rows. */
vss_status points_take(Device *device, Call *call, void **slot, const vss_device_points *points, Place **out,
                       vss_error *err);

/* ---- nearest.cpp ---- */
vss_status nearest_run(Device *device, Call *call, const Points &points, const vss_device_nearest *asked,
                       vss_error *err);

/* ---- encode.cpp ---- */
vss_status encode_signs_run(Device *device, Call *call, const vss_device_signs *asked, vss_error *err);
/* words: those of the asked, on the card. */
vss_status encode_words_run(Device *device, Call *call, const float *words, const vss_device_words *asked,
                            vss_error *err);

/* ---- encodes.cpp ---- */
/* vss_device.signs, .words. */
vss_status encodes_signs(void *state, const vss_device_signs *asked, vss_error *err);
vss_status encodes_words(void *state, void **slot, const vss_device_words *asked, vss_error *err);

/* ---- grid.cpp ---- */
/* The points as they are, on the card until place_give, as place_take has rows. */
vss_status grid_take(Device *device, Call *call, void **slot, const vss_device_points *points, Place **out,
                     vss_error *err);

/* ---- neighbors.cpp ---- */
vss_status neighbors_run(Device *device, Call *call, const Grid &grid, const vss_device_neighbors *asked,
                         vss_error *err);

/* ---- prune.cpp ---- */
vss_status prune_run(Device *device, Call *call, const Grid &grid, const vss_device_prune *asked, vss_error *err);

/* ---- device.cpp ---- */
vss_status options_read(const char *text, Options *options, vss_error *err);

} // namespace vssg

extern "C" {
/* What vss_device_main makes, for tests: as many as they want. */
vss_status vssg_open(const char *options, const vss_device **out, vss_error *err);
/* No call runs. Places that were not forgotten are freed. */
void vssg_close(const vss_device *device);
}

#endif
