/*
 * storage_fixture.h - one storage of each kind for a test, and words to put and expect objects with
 *
 * CMocka's setups and teardown: *state is a storage_fixture. teardown asserts that nothing of its heap is left.
 */
#ifndef STORAGE_FIXTURE_H
#define STORAGE_FIXTURE_H

#include "../../lib/storage/storage.h"
#include "fault_storage.h"

typedef struct storage_fixture {
    vssi_heap heap;
    vss_storage storage;
    fault_storage fault; /* of the "wrapped" kind */
    char root[64];       /* "" for memory */
} storage_fixture;

typedef struct storage_listing {
    char text[512];
    size_t calls;
    size_t stop_after; /* 0: never */
} storage_listing;

int storage_setup_memory(void **state);
int storage_setup_posix(void **state);
int storage_setup_wrapped(void **state); /* a fault storage around one in memory */
int storage_teardown(void **state);

void storage_remove_tree(const char *path);

vss_status storage_put_text(const vss_storage *s, const char *name, const char *text, vss_error *err);
void storage_expect_text(const vss_storage *s, const char *name, const char *text);

/* For list: append the name and a blank to the storage_listing. */
int storage_listing_add(void *arg, const char *name);

/* The names listed, sorted, each followed by a blank. */
void storage_expect_list(const vss_storage *s, const char *prefix, int shallow, const char *expected);

#endif
