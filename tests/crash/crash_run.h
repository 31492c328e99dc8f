/*
 * crash_run.h - scripted workloads on a disk that dies, and the states that may be found afterwards
 */
#ifndef CRASH_RUN_H
#define CRASH_RUN_H

#include "../support/crash_disk.h"
#include "../support/maker.h"

enum { CRASH_KEYS = 160, CRASH_OPS = 810, CRASH_BESIDE = 3 };

typedef enum crash_op_kind { OP_END, OP_INSERT, OP_UPSERT, OP_DELETE, OP_DELETE_WHERE, OP_FLUSH, OP_INDEX, OP_REOPEN,
                             OP_COMPACT } crash_op_kind;

typedef struct crash_op {
    crash_op_kind kind;
    int first; /* key */
    int n;
    int beside; /* of a flush, an index or a compaction: so many of the next operations are made in the middle of it */
} crash_op;

/* What a collection holds: by key the number of the write that put it there, 0: no row. */
typedef struct crash_content {
    bool exists; /* the collection does */
    uint16_t stamps[CRASH_KEYS];
} crash_content;

/* One workload on one disk. Any of contents[floor .. n) may be found after a crash. */
typedef struct crash_run {
    crash_disk *disk;
    const vss_storage *storage;     /* around the disk; NULL: the disk itself */
    const vss_allocator *allocator; /* NULL: the default */
    vss_sync_mode sync;
    vss_db *db;
    vss_collection *col;
    uint16_t stamp; /* of the newest write */
    size_t n_beside; /* writes to be made while the next objects are put */
    const crash_op *beside;
    vss_status beside_status; /* of the one that failed, and is the last then */
    size_t floor, n;
    crash_content contents[CRASH_OPS + 2];
} crash_run;

void crash_run_begin(crash_run *r, crash_disk *disk, vss_sync_mode sync);
/* Open database and collection; create: make them. */
vss_status crash_run_open(crash_run *r, bool create, vss_error *err);
/* One operation, with those beside it: r->beside. Whatever it returns, contents tell what may be found from now on. */
vss_status crash_run_op(crash_run *r, const crash_op *op, vss_error *err);
/* Make all of it, from the creation on. The status of the operation that failed. */
vss_status crash_run_all(crash_run *r, const crash_op *ops, vss_error *err);
/* The process ends without a word: nothing more reaches the disk. */
void crash_run_kill(crash_run *r);

/* What the open collection holds; fails the test when rows contradict each other. */
void crash_read(vss_collection *col, crash_content *out);
/* Which of the contents that may be found is it? -1: none. */
int crash_find(const crash_run *r, const crash_content *found);

#endif
