/*
 * scenario.h - calls to be made to fail: worlds to run them in, and what state they leave behind
 *
 * A world is a database on a copy of a stored model, in memory or in a folder, with an allocator that counts, fails and
 * looks for leaks, and a storage that fails. A scenario is one public call, with what must be done before it. Its state
 * is one line of text, the same however it was reached, so that "unchanged" and "as if nothing had failed" are
 * comparisons of two lines. Not thread-safe.
 */
#ifndef TEST_SCENARIO_H
#define TEST_SCENARIO_H

#include <stdatomic.h>

#include "../../lib/storage/storage.h"
#include "fault_storage.h"
#include "maker.h"

/* Counts blocks and bytes, and fails the call `target`; 0: none. */
typedef struct scenario_allocator {
    _Atomic long blocks;
    _Atomic uint64_t calls;
    _Atomic uint64_t used;
    _Atomic uint64_t peak;
    uint64_t target;
} scenario_allocator;

/* Options of a world; all zero: in memory, with mappings, without a budget. */
typedef struct scenario_options {
    const char *folder; /* an empty folder: the posix storage in place of the one in memory; no fault_storage */
    bool unmapped;      /* the storage offers no map: every byte comes by read */
    uint64_t budget;
} scenario_options;

typedef struct scenario_world {
    scenario_options options;
    scenario_allocator allocator;
    vssi_heap storage_heap; /* the storage outlives databases and never fails by allocation */
    fault_storage faults;   /* around the storage in memory */
    vss_storage storage;
    vss_db *db;
    vss_collection *col;
    uint64_t answer; /* a hash of what the last read gave */
} scenario_world;

typedef enum scenario_model {
    MODEL_EMPTY,   /* no collection */
    MODEL_PLAIN,   /* two small segments, no index */
    MODEL_INDEXED, /* one segment with an hnsw index and some deletes */
    MODELS
} scenario_model;

typedef struct scenario {
    char name[48];
    scenario_model model;
    bool opens;   /* the call itself opens */
    bool growing; /* before it rows are inserted and deleted, not flushed */
    bool closed;  /* before it the collection is closed */
    vss_status (*run)(scenario_world *w, const char *argument, vss_error *err);
    const char *argument;
} scenario;

/* Make the models and the scenarios, one build for each index type that there is; free them. Of cmocka's form. */
int scenario_setup(void **state);
int scenario_teardown(void **state);

size_t scenario_count(void);
const scenario *scenario_get(size_t i);

/* A copy of the scenario's model; nothing is open. scenario_end: after the last close. */
void scenario_begin(scenario_world *w, const scenario *s, const scenario_options *options);
void scenario_end(scenario_world *w);

/* Open the database, if it isn't, and the collection, if it isn't. */
vss_status scenario_open(scenario_world *w, vss_error *err);
/* What must be done before the call: open and write, unless the scenario opens. */
vss_status scenario_prepare(scenario_world *w, const scenario *s, vss_error *err);
/* The call. Writes and drops are right when made again after a failure. */
vss_status scenario_run(scenario_world *w, const scenario *s, vss_error *err);
/* Close, whatever that returns, with no fault armed; fail the test if a block is left. */
void scenario_close(scenario_world *w);

typedef char scenario_state[512];
/* Rows, some keys, a filter's count, indexes; opens what is not open. "no collection" where there is none. */
void scenario_describe(scenario_world *w, scenario_state out);
/* Fail the test unless every stored byte is right; fine where there is no collection. */
void scenario_check(scenario_world *w);

/* What a run without faults leaves, and what it cost. */
typedef struct scenario_reference {
    scenario_state before;
    scenario_state after;
    scenario_state stored; /* before anything was written */
    scenario_state half;   /* with the first of two writes that come before the call */
    uint64_t answer;
    uint64_t peak; /* bytes the database held at most */
} scenario_reference;
const scenario_reference *scenario_reference_get(size_t i);

#endif
