/*
 * fault_storage.h - a storage around another one that counts calls, fails the Nth one, and flips bits of what is read
 *
 * Counting is thread-safe; arming is not: arm before the calls that shall meet the fault.
 */
#ifndef FAULT_STORAGE_H
#define FAULT_STORAGE_H

#include <pthread.h>
#include <stdbool.h>

#include "vss/storage.h"

typedef enum fault_kind {
    FAULT_ANY = 0, /* every call below */
    FAULT_READ,
    FAULT_PUT,
    FAULT_LIST,
    FAULT_SIZE,
    FAULT_REMOVE,
    FAULT_MAP,
    FAULT_LOCK,
    FAULT_LOG_OPEN,
    FAULT_LOG_APPEND,
    FAULT_LOG_SYNC,
    FAULT_KINDS
} fault_kind;

typedef enum fault_mode {
    FAULT_ONCE = 0,   /* the call fails without being made; the next one is well */
    FAULT_FOREVER = 1, /* and so does every later one */
    FAULT_AFTER = 2   /* once; the call is made first, and its success is hidden (a put of UNKNOWN_COMMIT) */
} fault_mode;

struct fault_copy;

/* The caller's, zeroed or not; must outlive the storage that fault_storage_wrap made of it. */
typedef struct fault_storage {
    vss_storage inner;
    _Atomic uint64_t calls[FAULT_KINDS]; /* made so far; [FAULT_ANY]: all */
    _Atomic uint64_t failed;             /* calls that were made to fail */
    fault_kind kind;
    fault_mode mode;
    uint64_t target; /* number of the call of that kind to fail; 0: none */
    vss_status status;
    void (*before_put)(void *arg, const char *name); /* called before each put; NULL: nothing */
    void *before_arg;
    const char *flip_name;
    uint64_t flip_offset;
    uint8_t flip_mask;
    pthread_mutex_t mutex;
    struct fault_copy *copies; /* handed out in place of mappings; guarded by mutex */
} fault_storage;

/* Put f around inner, which from then on belongs to *out: close closes both. */
void fault_storage_wrap(fault_storage *f, const vss_storage *inner, vss_storage *out);

/* Fail the nth call from now (1: the next) of that kind with status. nth 0: no more faults. */
void fault_storage_fail(fault_storage *f, fault_kind kind, uint64_t nth, vss_status status, fault_mode mode);

/* From now on the byte at offset of every object whose name contains `name` reads xor mask. NULL: none. */
void fault_storage_flip(fault_storage *f, const char *name, uint64_t offset, uint8_t mask);

uint64_t fault_storage_calls(const fault_storage *f, fault_kind kind);

#endif
