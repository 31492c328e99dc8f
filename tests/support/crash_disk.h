/*
 * crash_disk.h - a storage in memory that knows what is durable, dies in the middle of a call, and tells what could be
 * left of it
 *
 * What a disk owes: an object that was put is durable; a log's bytes are after a sync, its name after the first; a
 * removal may come undone. In between anything can be left: some sectors of 512 bytes of what was appended and not
 * others. Not thread-safe. Mappings and locks are not offered.
 */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include <stdbool.h>

#include "vss/storage.h"

typedef struct crash_file {
    struct crash_file *next;
    char name[96];
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    size_t synced; /* bytes that are durable */
    bool named;    /* and the name is */
    bool removed;  /* the name is gone, perhaps */
    bool lying;    /* a sync failed: what was not durable then never will be */
} crash_file;

typedef struct crash_disk {
    crash_file *files;
    const crash_file *last; /* appended to last */
    size_t last_begin;      /* its size before that */
    uint64_t calls;         /* mutating ones */
    uint64_t die_at;        /* the call of that number is cut in the middle and all later calls fail; 0: none */
    bool dead;
    uint64_t syncs;
    uint64_t fail_sync; /* the log_sync of that number fails; 0: none */
    uint64_t drop_sync; /* the one of that number says that it was made, and was not; 0: none */
    void (*beside)(void *arg, const char *name); /* what goes on while an object is put; NULL: nothing */
    void *beside_arg;
} crash_disk;

typedef enum crash_model {
    CRASH_SYNCED,  /* only what is durable */
    CRASH_ALL,     /* everything that was written */
    CRASH_ENTRIES, /* everything, but names that are not durable are lost and removals undone */
    CRASH_TORN,    /* everything, but the last append ends at the given sector */
    CRASH_RANDOM,  /* a random part of the sectors, names and removals that are not durable */
    CRASH_MODELS
} crash_model;

void crash_disk_init(crash_disk *d);
void crash_disk_free(crash_disk *d);
/* The disk as a storage. Closing it does nothing. */
void crash_disk_storage(crash_disk *d, vss_storage *out);

/* What a crash leaves, all of it durable. number: the sector of TORN, the seed of RANDOM. */
void crash_disk_after(const crash_disk *d, crash_model model, uint64_t number, crash_disk *out);
/* How many sectors the last append touched. */
uint64_t crash_disk_sectors(const crash_disk *d);
/* Of names and bytes, logs left out or not. */
uint64_t crash_disk_hash(const crash_disk *d, bool logs);
/* Of the batches in the logs: kinds, sequences, payloads. */
uint64_t crash_disk_batches(const crash_disk *d);

#endif
